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
are a window, and the next call walks on from there. An item without valid ids is taken out by winding `counts` back.
"""

# ruff: noqa: C901, PLR0912, PLR0915, PLR0917, PLR1714, PLR2004, SIM109 - a kernel is one straight walk in plain integers

from pipeline.errors import PermanentError
from receivers.otlp.arrays import Bytes, Words
from receivers.otlp.jit import int64, kernel
from receivers.otlp.schema import (
    BASE,
    CAPACITY,
    CHILDREN,
    CHILDREN_END,
    COLUMN_AT,
    FIXED32,
    FIXED64,
    GROUP,
    GROUP_END,
    LENGTH,
    MESSAGE,
    NODE_AT,
    ONEOF,
    PACKED,
    PAIR,
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
    UNUSUAL,
    VARINT,
    WIDTH,
)

SHORTEST_PAIR, LONGEST_PAIR = 6, 1 << 8  # bytes: both lengths in one byte each
MAX_DEPTH = 100  # nested messages, as in every protobuf runtime
MAX_CHUNK = 1 << 28  # bytes: text grows at most sixfold on its way to Arrow, where offsets have 31 bits
ITEM_ROWS = 1 << 16  # of one table below one item; SDKs stop at 128 attributes, events and links
LOW = 0xFFFFFFFF  # the half of a slice word that is the offset

DONE, FULL = range(2)
TRUNCATED, LONG_VARINT, BAD_FIELD, TOO_DEEP, STRAY_GROUP_END, BAD_WIRE_TYPE, BAD_PACKED, TOO_MANY = range(2, 10)
REASONS = {
    TRUNCATED: "a field that ends after its message",
    LONG_VARINT: "a varint of more than 10 bytes, or 5 in a tag or length",
    BAD_FIELD: "a field number of 0 or above 2^29",
    TOO_DEEP: f"more than {MAX_DEPTH} nested messages",
    STRAY_GROUP_END: "the end of a group that did not begin",
    BAD_WIRE_TYPE: "wire type 6 or 7",
    BAD_PACKED: "a packed field that is not a whole number of elements",
    TOO_MANY: f"more than {ITEM_ROWS} attributes in a resource or scope",
}

# The state that one call leaves for the next.
POS, DEPTH, MARK_POS, MARK_DEPTH, IN_ITEM, OVERSIZE, REJECTED, NOT_CANONICAL, INHERITED = range(9)
STATE_WORDS = 9
# A frame: where its message ends, its node and row, fields seen, 0 or its group's field + 1, bytes that items inherit.
END, NODE, FRAME_ROW, SEEN, GROUP_FIELD, SHARED = range(6)
FRAME_WORDS = 6


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
def bad_ids(chunk: Bytes, arena: Words, row: int, checks: Words) -> bool:
    """Whether an id of the item in `row` has not its length or is all zero."""
    check = 0
    while check < checks.shape[0]:
        word = arena[row + checks[check, 0]]
        pos, end = word & LOW, (word & LOW) + (word >> 32)
        if end - pos != checks[check, 1]:
            return True
        while pos < end and chunk[pos] == 0:
            pos += 1
        if pos == end:
            return True
        check += 1
    return False


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
    chunk: Bytes, lut: Words, places: Words, children: Words, checks: Words, item_node: int,
    stack: Words, counts: Words, saved: Words, state: Words, arena: Words,
) -> int:  # fmt: skip
    """Walk on from `state` until the chunk is DONE, a table is FULL, or the bytes are wrong at `state[POS]`."""
    pos, depth = state[POS], state[DEPTH]
    end, node, row, seen, group = frame(stack, depth)
    status = DONE
    while True:
        while pos == end and depth != 0 and group == 0:  # messages that end here
            if node == item_node:
                state[IN_ITEM] = 0
                if state[OVERSIZE] != 0 or bad_ids(chunk, arena, row, checks):
                    state[REJECTED] += 1
                    put(counts, saved)
                else:
                    for above in range(1, depth):
                        state[INHERITED] += stack[above, SHARED]
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
            state[NOT_CANONICAL] = 1
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
            if step & STORE:
                arena[column] = size << 32 | pos
            op = step & 15
            if op < MESSAGE:
                if op == PACKED and not whole_elements(chunk, pos, pos + size, step >> SIZE_AT):
                    status, pos = BAD_PACKED, start
                    break
                pos += size
                continue
            if depth == MAX_DEPTH:
                status, pos = TOO_DEEP, start
                break
            inner_row = row
            if op == ROW:
                table = step >> TABLE_AT & 255
                if step & SPINE:
                    put(saved, counts)
                    state[MARK_POS], state[MARK_DEPTH], state[OVERSIZE] = start, depth, 0
                    state[IN_ITEM] = (step >> NODE_AT & 255) == item_node
                    stack[depth + 1, SHARED] = 0
                if counts[table] - saved[table] >= ITEM_ROWS:
                    if state[IN_ITEM] == 0:
                        status, pos = TOO_MANY, start
                        break
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
                    inner = step >> NODE_AT & 255
                    key, key_size = lut[inner * TAGS + int64(chunk[pos])], int64(chunk[pos + 1])
                    at, after, value, held = pos + 2 + key_size, pos + size, int64(-1), int64(0)
                    if key & 15 == SLICE and key_size < 128 and at + 4 <= after:
                        held = lut[inner * TAGS + int64(chunk[at])]
                        kind, first = int64(chunk[at + 2]), int64(chunk[at + 3])
                        if held & 15 == MESSAGE and after - at < 130 and int64(chunk[at + 1]) == after - at - 2:
                            held = lut[(held >> NODE_AT & 255) * TAGS + kind]
                            if held & ONEOF and held & 15 == SLICE and first == after - at - 4:
                                value = first << 32 | (at + 4)
                            elif held & ONEOF and held & 15 == SCALAR and kind & 7 == VARINT:
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
                stack[depth, SHARED] = size
            keep(stack, depth, end, node, row, seen, group)
            depth += 1
            end, node, row, seen, group = pos + size, step >> NODE_AT & 255, inner_row, 0, 0

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
            if depth == MAX_DEPTH:
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
    state[POS], state[DEPTH] = pos, depth
    return status
