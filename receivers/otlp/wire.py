"""The scan: one kernel that walks protobuf bytes by a compiled program and lays what is wanted into rows of words.

In: bytes that may be anything, and the tables of a `schema.Program`. Out: rows of 64-bit words in an arena, or only
their number; or the offset and reason why the bytes are malformed. Promised: accepts what protobuf's own parser
accepts, save that text need not be UTF-8; reads only inside the chunk and writes only inside the arena, whatever the
bytes; never recurses, and allocates nothing.

    chunk   ...│trace_id        │..│name    │........           the arena
                ▲                   ▲                             ┌───────────────────────┐
                └────────┐          └────────────────────┐        │ rows of table 0       │
    a row of spans:      │                               │        ├───────────────────────┤
    ┌────────────┬───────┼────────────┬──────┬───────────┼────┐   │ rows of table 1       │
    │ attributes │ ..... │ 16<<32 | offset   │ size<<32 | off │   │   as many as its      │
    └────────────┴────────────────────┴──────┴────────────────┘   │   capacity allows     │
     number of the        trace_id:    kind:  name: a slice       ├───────────────────────┤
     first child row      a slice      itself                     │ ...                   │
     in that table                                                └───────────────────────┘

A row goes where `counts` of its table says, so rows keep the order of the wire and the children of one parent stand
together. To only count, every table has a step of zero words: each row overwrites the one before it.

Where a table is full, the walk goes back to where the last message of the spine began and returns FULL: the rows so far
are a window, and the next call walks on from there. An item that is not let in is taken out by winding `counts` back.
What messages still open at the end of a window say of themselves only later, `read_ahead` finds.
"""

# ruff: noqa: C901, PLR0912, PLR0915, PLR0917, PLR1714, PLR2004, SIM109 - a kernel is one straight walk in plain integers

from pipeline.errors import PermanentError
from receivers.otlp.arrays import Bytes, Words
from receivers.otlp.jit import int64, kernel
from receivers.otlp.limits import (
    ANY_TIME,
    ATTRIBUTES,
    DEPTH,
    EARLIEST,
    KEY_BYTES,
    LATEST,
    LONGEST_PAIR,
    TEXT_BYTES,
)
from receivers.otlp.schema import (
    BASE,
    CAPACITY,
    CHILDREN,
    CHILDREN_END,
    COLUMN_AT,
    EITHER,
    FIXED32,
    FIXED64,
    GROUP,
    GROUP_END,
    ITEM,
    KEY,
    LENGTH,
    MESSAGE,
    NODE_AT,
    ONEOF,
    PACKED,
    PAIR,
    PROFILES,
    ROW,
    SCALAR,
    SETS_AT,
    SIZE_AT,
    SLICE,
    SPINE,
    STEP,
    STORE,
    TABLE_AT,
    TAGS,
    TIMELESS,
    UNUSUAL,
    VARINT,
    WIDTH,
)

SHORTEST_PAIR = 6  # bytes; with LONGEST_PAIR: both lengths in one byte each
MAX_CHUNK = 1 << 28  # bytes: text grows at most sixfold on its way to Arrow, where offsets have 31 bits
ITEM_ROWS = 1 << 16  # of one table below one item; SDKs stop at 128 attributes, events and links
ITEM_PACKED = 8 * ITEM_ROWS  # bytes of a packed field
LOW = 0xFFFFFFFF  # the half of a slice word that is the offset

DONE, FULL = range(2)
TRUNCATED, LONG_VARINT, BAD_FIELD, TOO_DEEP, STRAY_GROUP_END, BAD_WIRE_TYPE, BAD_PACKED = range(2, 9)
REASONS = {
    TRUNCATED: "a field that ends after its message",
    LONG_VARINT: "a varint of more than 10 bytes, or 5 in a tag or length",
    BAD_FIELD: "a field number of 0 or above 2^29",
    TOO_DEEP: "more nested messages than are allowed",
    STRAY_GROUP_END: "the end of a group that did not begin",
    BAD_WIRE_TYPE: "wire type 6 or 7",
    BAD_PACKED: "a packed field that is not a whole number of elements",
}

# The state that one call leaves for the next.
POS, AT_DEPTH, MARK_POS, MARK_DEPTH, OVERSIZE, REJECTED, UNTIMELY, NOT_CANONICAL, INHERITED = range(9)
CUT_ATTRIBUTES, CUT_TEXTS, OF_PROFILES, ITEMS, MESSAGES = range(9, 14)
STATE_WORDS = 14
# A frame: where its message ends, its node and row, fields seen, 0 or its group's field + 1, bytes that its items
# inherit, and how many items there were before it.
END, NODE, FRAME_ROW, SEEN, GROUP_FIELD, SHARED, ITEMS_BEFORE = range(7)
FRAME_WORDS = 7


class MalformedError(PermanentError):
    """The bytes are not the message they should be."""

    def __init__(self, reason: str, offset: int) -> None:
        self.offset = offset
        super().__init__(f"expected a protobuf message, got {reason} at byte {offset}")


@kernel
def long_varint(chunk: Bytes, pos: int, end: int, most: int) -> tuple[int, int]:
    """(value, where it ends) of at most so many bytes, or (0, -reason)."""
    value, shift = int64(0), int64(0)
    while shift < 7 * most:
        if pos >= end:
            return int64(0), int64(-TRUNCATED)
        byte = int64(chunk[pos])
        pos += 1
        value |= (byte & 127) << shift
        if byte < 128:
            return value, int64(pos)
        shift += 7
    return int64(0), int64(-LONG_VARINT)


@kernel
def little_endian(chunk: Bytes, pos: int, size: int) -> int:
    value, at = int64(0), int64(0)
    while at < size:
        value |= int64(chunk[pos + at]) << (8 * at)
        at += 1
    return value


@kernel
def whole_elements(chunk: Bytes, pos: int, end: int, size: int) -> bool:
    """Whether elements of `size` bytes, or varints if 0, fill a packed field exactly."""
    if size != 0:
        return (end - pos) % size == 0
    while 0 <= pos < end:
        _, pos = long_varint(chunk, pos, end, 10)
    return pos == end


@kernel
def bad_ids(chunk: Bytes, arena: Words, row: int, table: int, checks: Words) -> bool:
    """Whether an id of the item in `row` has not its length or is all zero."""
    check = 0
    while check < checks.shape[0]:
        if checks[check, 0] == table:
            word = arena[row + checks[check, 1]]
            pos, end = word & LOW, (word & LOW) + (word >> 32)
            if end - pos != checks[check, 2]:
                return True
            while pos < end and chunk[pos] == 0:
                pos += 1
            if pos == end:
                return True
        check += 1
    return False


@kernel
def untimely(arena: Words, row: int, table: int, times: Words, limits: Words) -> bool:
    """Whether the item in `row` lies outside of the time that `limits` allows; times above 2^63 come out negative."""
    earliest, latest = limits[EARLIEST], limits[LATEST]
    how, first, second = times[table, 0], arena[row + times[table, 1]], arena[row + times[table, 2]]
    if how == TIMELESS or (earliest == ANY_TIME[0] and latest == ANY_TIME[1]):
        return False
    if how == EITHER:
        time = first if first != 0 else second
        return time != 0 and not earliest <= time <= latest
    return not earliest <= first <= latest or not 0 <= second <= latest


@kernel
def cut_text(chunk: Bytes, pos: int, size: int, limit: int) -> int:
    """How much of a text to keep: `limit` bytes, less a character that would be cut in two."""
    kept = int64(min(size, limit))
    if kept < size:
        least = kept - 3
        while kept > least and chunk[pos + kept] & 0xC0 == 0x80:
            kept -= 1
    return kept


@kernel
def field_at(chunk: Bytes, pos: int, end: int) -> tuple[int, int, int]:
    """(tag, where its payload begins, where it ends), the last negative where there is no whole field."""
    tag, begin = long_varint(chunk, pos, end, 5)
    if begin < 0:
        return tag, begin, begin
    wire, after = tag & 7, int64(-1)
    if wire == LENGTH:
        size, begin = long_varint(chunk, begin, end, 5)
        after = begin + size if begin >= 0 and 0 <= size <= end - begin else after
    elif wire == VARINT:
        _, after = long_varint(chunk, begin, end, 10)
    elif wire == FIXED64 or wire == FIXED32:
        after = begin + (8 if wire == FIXED64 else 4)
        after = after if after <= end else int64(-1)
    return tag, begin, after


@kernel
def read_ahead(chunk: Bytes, lut: Words, pos: int, end: int, node: int, row: int, limits: Words, arena: Words) -> None:
    """Store the scalars and texts from `pos` to `end`, but none from further down, in `row`. Ends at what is wrong."""
    while pos < end:
        tag, begin, pos = field_at(chunk, pos, end)
        if pos < 0:
            return
        step = lut[node * TAGS + tag] if 0 < tag < TAGS else int64(0)
        if step & STORE and step & 15 <= SLICE:
            if tag & 7 == LENGTH:
                value = cut_text(chunk, begin, pos - begin, limits[TEXT_BYTES]) << 32 | begin
            elif tag & 7 == VARINT:
                value, _ = long_varint(chunk, begin, end, 10)
            else:
                value = little_endian(chunk, begin, pos - begin)
            arena[row + (step >> COLUMN_AT & 255)] = value


@kernel
def open_row(arena: Words, places: Words, children: Words, counts: Words, table: int) -> int:
    """A new row of zeros, with the number of its first child in each child table. Returns where it stands."""
    row: int = places[table, BASE] + counts[table] * places[table, STEP]
    counts[table] += 1
    word, end = row, row + places[table, WIDTH]
    while word < end:
        arena[word] = 0
        word += 1
    child = places[table, CHILDREN]
    while child < places[table, CHILDREN_END]:
        arena[row + children[child, 2]] = counts[children[child, 1]]
        child += 1
    return row


@kernel
def put(to: Words, source: Words) -> None:
    """What `to[:] = source` does, without numba's preparations for arrays of any shape."""
    for at in range(to.size):
        to[at] = source[at]


@kernel
def frame(stack: Words, depth: int) -> tuple[int, int, int, int, int]:
    return stack[depth, END], stack[depth, NODE], stack[depth, FRAME_ROW], stack[depth, SEEN], stack[depth, GROUP_FIELD]


@kernel
def keep(stack: Words, depth: int, end: int, node: int, row: int, seen: int, group: int) -> None:
    stack[depth, END], stack[depth, NODE], stack[depth, FRAME_ROW] = end, node, row
    stack[depth, SEEN], stack[depth, GROUP_FIELD] = seen, group


@kernel
def scan(
    chunk: Bytes, lut: Words, places: Words, children: Words, checks: Words, times: Words, limits: Words,
    stack: Words, counts: Words, saved: Words, state: Words, late: Words, arena: Words,
) -> int:  # fmt: skip
    """Walk on from `state` until the chunk is DONE, a table is FULL, or the bytes are wrong at `state[POS]`.

    `late` gets the places of the first untimely items, as many as it has room for.
    """
    pos, depth = state[POS], state[AT_DEPTH]
    most_attributes, longest_key, longest_text = limits[ATTRIBUTES], limits[KEY_BYTES], limits[TEXT_BYTES]
    deepest = limits[DEPTH]
    end, node, row, seen, group = frame(stack, depth)
    status = DONE
    while True:
        while pos == end and depth != 0 and group == 0:  # messages that end here
            itself = lut[node * TAGS]
            if itself & ITEM:
                table = itself >> TABLE_AT
                if state[OVERSIZE] != 0 or bad_ids(chunk, arena, row, table, checks):
                    state[REJECTED] += 1
                    put(counts, saved)
                elif untimely(arena, row, table, times, limits):
                    if state[UNTIMELY] < late.size:
                        late[state[UNTIMELY]] = state[MARK_POS]
                    state[UNTIMELY] += 1
                    put(counts, saved)
                else:
                    state[ITEMS] += 1
            elif stack[depth, SHARED] != 0:
                state[INHERITED] += stack[depth, SHARED] * (state[ITEMS] - stack[depth, ITEMS_BEFORE])
            depth -= 1
            end, node, row, seen, group = frame(stack, depth)
        if pos == end:
            status = TRUNCATED if group != 0 else DONE
            break

        start = pos
        tag = int64(chunk[pos])
        pos += 1
        if tag >= 128:
            tag, pos = long_varint(chunk, start, end, 5)
            if pos < 0:
                status, pos = -pos, start
                break
        if tag < 0 or tag > LOW or (tag < 8 and group == 0):  # in a group protobuf does not look
            status, pos = BAD_FIELD, start
            break
        wire = tag & 7
        step = lut[node * TAGS + tag] if tag < TAGS else int64(0)
        column = row + (step >> COLUMN_AT & 255)
        once = step >> SETS_AT & 0xFFFF
        if step & UNUSUAL:
            state[OF_PROFILES if step & PROFILES else NOT_CANONICAL] = 1
        if once:
            if seen & (once >> 8):
                state[NOT_CANONICAL] = 1
            seen |= once & 255
        if step & ONEOF:
            arena[column - 1] = tag >> 3

        if wire == LENGTH:
            if pos == end:
                status, pos = TRUNCATED, start
                break
            size = int64(chunk[pos])
            pos += 1
            if size >= 128:
                size, pos = long_varint(chunk, pos - 1, end, 5)
            if pos < 0 or size < 0 or size > end - pos:
                status, pos = -pos if pos < 0 else TRUNCATED, start
                break
            op = step & 15
            if step & STORE:
                arena[column] = size << 32 | pos
                longest = longest_key if step & KEY else longest_text
                if size > longest and op != PACKED:
                    state[CUT_TEXTS] += 1
                    arena[column] = cut_text(chunk, pos, size, longest) << 32 | pos
                    if op == MESSAGE:  # half an array or map is neither
                        arena[column - 1] = 0
                elif size > ITEM_PACKED and op == PACKED:
                    state[OVERSIZE] = 1
            if op < MESSAGE:
                if op == PACKED and not whole_elements(chunk, pos, pos + size, step >> SIZE_AT & 255):
                    status, pos = BAD_PACKED, start
                    break
                if step & SPINE:
                    stack[depth, SHARED] += size
                pos += size
                continue
            if depth == deepest:
                status, pos = TOO_DEEP, start
                break
            inner_row, inner = row, step >> NODE_AT & 255
            if op == ROW and step & PAIR and counts[step >> TABLE_AT & 255] - arena[column] >= most_attributes:
                state[CUT_ATTRIBUTES] += 1
                op, inner = int64(MESSAGE), step >> SIZE_AT & 255  # only looked at
            if op == ROW:
                table = step >> TABLE_AT & 255
                if step & SPINE:
                    put(saved, counts)
                    state[MARK_POS], state[MARK_DEPTH], state[OVERSIZE] = start, depth, 0
                elif counts[table] - saved[table] >= ITEM_ROWS:
                    state[OVERSIZE] = 1
                    counts[table] -= 1
                if counts[table] >= places[table, CAPACITY]:
                    status = FULL
                    break
                inner_row = open_row(arena, places, children, counts, table)
                if step & PAIR and SHORTEST_PAIR <= size < LONGEST_PAIR:
                    # A short text, then a oneof of a short text or small number, as attributes mostly are, is taken
                    # as a whole; all else is walked. That halves the scan, but not from a function of its own, to
                    # which numba would hand over each array as seven words.
                    key, key_size = lut[inner * TAGS + int64(chunk[pos])], int64(chunk[pos + 1])
                    at, after, value, held = pos + 2 + key_size, pos + size, int64(-1), int64(0)
                    if key & 15 == SLICE and key_size < 128 and at + 4 <= after:
                        held = lut[inner * TAGS + int64(chunk[at])]
                        kind, first = int64(chunk[at + 2]), int64(chunk[at + 3])
                        if held & 15 == MESSAGE and after - at < 130 and int64(chunk[at + 1]) == after - at - 2:
                            held = lut[(held >> NODE_AT & 255) * TAGS + kind]
                            usual = held & (ONEOF | UNUSUAL) == ONEOF
                            if usual and held & 15 == SLICE and first == after - at - 4:
                                value = first << 32 | (at + 4)
                            elif usual and held & 15 == SCALAR and kind & 7 == VARINT:
                                if first < 128 and at + 4 == after:
                                    value = first
                                elif first >= 128 and at + 5 == after and chunk[at + 4] < 128:
                                    value = (first & 127) | int64(chunk[at + 4]) << 7
                    if value >= 0:
                        arena[inner_row + (key >> COLUMN_AT & 255)] = key_size << 32 | (pos + 2)
                        column = inner_row + (held >> COLUMN_AT & 255)
                        arena[column - 1] = kind >> 3
                        arena[column] = value
                        pos = after
                        continue
            elif step & SPINE:
                stack[depth, SHARED] += size
            keep(stack, depth, end, node, row, seen, group)
            depth += 1
            state[MESSAGES] += 1
            stack[depth, SHARED], stack[depth, ITEMS_BEFORE] = 0, state[ITEMS]
            end, node, row, seen, group = pos + size, inner, inner_row, 0, 0

        elif wire == VARINT:
            if pos == end:
                status, pos = TRUNCATED, start
                break
            value = int64(chunk[pos])
            pos += 1
            if value >= 128:
                value, pos = long_varint(chunk, pos - 1, end, 10)
                if pos < 0:
                    status, pos = -pos, start
                    break
            if step & STORE:
                arena[column] = value

        elif wire == FIXED64 or wire == FIXED32:
            size = 8 if wire == FIXED64 else 4
            if size > end - pos:
                status, pos = TRUNCATED, start
                break
            if step & STORE:
                arena[column] = little_endian(chunk, pos, 8) if wire == FIXED64 else little_endian(chunk, pos, 4)
            pos += size

        elif wire == GROUP:
            state[NOT_CANONICAL] = 1
            if depth == deepest:
                status, pos = TOO_DEEP, start
                break
            keep(stack, depth, end, node, row, seen, group)
            depth += 1
            node, seen, group = 0, 0, (tag >> 3) + 1

        elif wire == GROUP_END and group == (tag >> 3) + 1:
            depth -= 1
            end, node, row, seen, group = frame(stack, depth)

        else:
            status, pos = STRAY_GROUP_END if wire == GROUP_END else BAD_WIRE_TYPE, start
            break

    if status == FULL:
        put(counts, saved)
        pos = state[MARK_POS]
        if depth > state[MARK_DEPTH]:
            depth = state[MARK_DEPTH]
            end, node, row, seen, group = frame(stack, depth)
    keep(stack, depth, end, node, row, seen, group)
    state[POS], state[AT_DEPTH] = pos, depth
    return status
