"""The scan: one kernel that walks protobuf bytes by a compiled program and lays what is wanted into rows of 64-bit words.

In: bytes of one message, which may be anything, and a `schema.Program`. Out: windows of rows, or counts, or a `MalformedError`
with offset and reason. Promised: accepts what protobuf's own parser accepts, except that text need not be UTF-8; every read
is inside the chunk and every write inside the arena, whatever the bytes; memory is bounded by the window, never by the input.

    chunk  ......|trace_id........|....|name.....|....................        the arena
                  ^                     ^                                      ┌──────────────────────┐
                  └──────────┐          └──────────────────────────┐           │ rows of table 0      │
    one row of a table:      │                                     │           ├──────────────────────┤
    ┌────────────┬────────┬──┴──────────────────┬────────┬─────────┴────────┐  │ rows of table 1      │
    │ attributes │ events │ length<<32 | offset │ kind   │ length<<32|offset│  │   ...capacity rows   │
    └────────────┴────────┴─────────────────────┴────────┴──────────────────┘  │   of so many words   │
     number of the first   trace_id: a slice     a scalar  name: a slice       ├──────────────────────┤
     child row in that                           itself                        │ ...                  │
     child table                                                               └──────────────────────┘

A table's row is written where `counts` says, so rows stay in wire order and the children of one parent stand together. A scan
that only counts gives every table a step of zero words: each row overwrites the one before it.

When a table is full, the kernel goes back to where the last message on the spine began and returns; the rows so far are a
window, and the next call carries on there. An item whose ids are bad is taken out by winding `counts` back to its beginning.
"""

import numpy as np

from pipeline.errors import PermanentError
from receivers.otlp.jit import Bytes, Words, kernel
from receivers.otlp.schema import (
    COLUMN_AT,
    FIXED32,
    FIXED64,
    FORBIDS_AT,
    GROUP,
    LENGTH,
    MESSAGE,
    NODE_AT,
    ONEOF,
    PACKED,
    ROW,
    SETS_AT,
    SIZE_AT,
    SPINE,
    STORE,
    TABLE_AT,
    TAGS,
    UNUSUAL,
    VARINT,
)

MAX_DEPTH = 100  # nested messages, as in every protobuf runtime
ITEM_ROWS = 1 << 16  # rows of one table below one item; SDKs stop at 128 attributes, events and links
MAX_CHUNK = (1 << 31) - 1  # bytes: protobuf's own limit, and offsets and lengths must fit in half a word

DONE, FULL, TRUNCATED, VARINT_TOO_LONG, BAD_TAG, TOO_DEEP, STRAY_GROUP_END, BAD_PACKED, TOO_MANY = range(9)
REASONS = {
    TRUNCATED: "a field ends after its message does",
    VARINT_TOO_LONG: "a varint of more than 10 bytes",
    BAD_TAG: "field number 0 or above 2^29",
    TOO_DEEP: f"more than {MAX_DEPTH} nested messages",
    STRAY_GROUP_END: "an end of a group that was not begun",
    BAD_PACKED: "a packed field that is not a whole number of elements",
    TOO_MANY: f"more than {ITEM_ROWS} attributes in one resource or scope",
}

# What one call leaves for the next.
POS, DEPTH, MARK_POS, MARK_DEPTH, IN_ITEM, OVERSIZE, REJECTED, NOT_CANONICAL, INHERITED = range(9)
STATE_WORDS = 9
# A frame of the stack: where its message ends, its node and row, which fields it has seen, its group, the bytes inherited from it.
END, NODE, FRAME_ROW, SEEN, GROUP_FIELD, SHARED = range(6)
FRAME_WORDS = 6
# A table in the arena: where it begins, words in a row, words from row to row (or 0), most rows, its part of `children`.
BASE, WIDTH, STEP, CAPACITY, CHILDREN, CHILDREN_END = range(6)
TABLE_WORDS = 6

LOW = 0xFFFFFFFF


class MalformedError(PermanentError):
    """The bytes are not the message they should be."""

    def __init__(self, reason: str, offset: int) -> None:
        self.offset = offset
        super().__init__(f"expected a protobuf message, got {reason} at byte {offset}")


@kernel
def long_varint(chunk: Bytes, pos: int, end: int) -> tuple[int, int]:
    """(value, position after it), or (0, -reason)."""
    value = np.int64(0)
    for shift in range(0, 70, 7):
        if pos >= end:
            return np.int64(0), np.int64(-TRUNCATED)
        byte = np.int64(chunk[pos])
        pos += 1
        value |= (byte & 127) << shift
        if byte < 128:
            return value, np.int64(pos)
    return np.int64(0), np.int64(-VARINT_TOO_LONG)


@kernel
def little_endian(chunk: Bytes, pos: int, size: int) -> int:
    value = np.int64(0)
    for at in range(size):
        value |= np.int64(chunk[pos + at]) << (8 * at)
    return value


@kernel
def count_varints(chunk: Bytes, pos: int, end: int) -> int:
    """How many varints fill [pos, end) exactly, or -reason."""
    count = 0
    while pos < end:
        _, pos = long_varint(chunk, pos, end)
        if pos < 0:
            return pos
        count += 1
    return count


@kernel
def bad_ids(chunk: Bytes, arena: Words, row: int, checks: Words) -> bool:
    """Whether an id of the item in `row` has not its length or is all zero."""
    for check in range(checks.shape[0]):
        word = arena[row + checks[check, 0]]
        pos, size = word & LOW, word >> 32
        if size != checks[check, 1]:
            return True
        some = 0
        for at in range(pos, pos + size):
            some |= chunk[at]
        if some == 0:
            return True
    return False


@kernel
def frame(stack: Words, depth: int) -> tuple[int, int, int, int, int]:
    return stack[depth, END], stack[depth, NODE], stack[depth, FRAME_ROW], stack[depth, SEEN], stack[depth, GROUP_FIELD]


@kernel
def keep(stack: Words, depth: int, end: int, node: int, row: int, seen: int, group: int) -> None:
    stack[depth, END], stack[depth, NODE], stack[depth, FRAME_ROW] = end, node, row
    stack[depth, SEEN], stack[depth, GROUP_FIELD] = seen, group


@kernel
def scan(
    chunk: Bytes,
    lut: Words,
    tables: Words,
    children: Words,
    checks: Words,
    item_node: int,
    stack: Words,
    counts: Words,
    saved: Words,
    state: Words,
    arena: Words,
) -> int:
    """Walk on from `state` until the chunk is DONE, a table is FULL, or the bytes are found wrong at `state[POS]`."""
    pos, depth = state[POS], state[DEPTH]
    end, node, row, seen, group = frame(stack, depth)
    status = DONE
    while True:
        while pos == end:
            if depth == 0 or group != 0:
                break
            if node == item_node:
                state[IN_ITEM] = 0
                if state[OVERSIZE] != 0 or bad_ids(chunk, arena, row, checks):
                    state[REJECTED] += 1
                    counts[:] = saved
                else:
                    for above in range(1, depth):
                        state[INHERITED] += stack[above, SHARED]
            depth -= 1
            end, node, row, seen, group = frame(stack, depth)
        if pos == end:
            status = TRUNCATED if group != 0 else DONE
            break

        start = pos
        tag = np.int64(chunk[pos])
        pos += 1
        if tag >= 128:
            tag, pos = long_varint(chunk, start, end)
            if pos < 0:
                status, pos = -pos, start
                break
            if tag < 0 or tag > LOW:
                status, pos = BAD_TAG, start
                break
        if tag < 8 and group == 0:
            status, pos = BAD_TAG, start
            break
        step = lut[node * TAGS + tag] if tag < TAGS else np.int64(0)
        op = step & 15
        wire = tag & 7

        if step & UNUSUAL:
            state[NOT_CANONICAL] = 1
        once = step >> SETS_AT & 0xFFFF
        if once:
            if seen & (once >> 8):
                state[NOT_CANONICAL] = 1
            seen |= once & 255
        if step & ONEOF:
            arena[row + (step >> COLUMN_AT & 255) - 1] = tag >> 3

        if wire == LENGTH:
            if pos >= end:
                status = TRUNCATED
                break
            size = np.int64(chunk[pos])
            pos += 1
            if size >= 128:
                size, pos = long_varint(chunk, pos - 1, min(end, pos + 4))
                if pos < 0:
                    status, pos = -pos, start
                    break
            if size < 0 or size > end - pos:
                status, pos = TRUNCATED, start
                break
            if step & STORE:
                arena[row + (step >> COLUMN_AT & 255)] = size << 32 | pos
            if op < MESSAGE:
                if op == PACKED:
                    width = step >> SIZE_AT
                    wrong = count_varints(chunk, pos, pos + size) < 0 if width == 0 else size % width != 0
                    if wrong:
                        status = BAD_PACKED
                        break
                pos += size
                continue

            if depth == MAX_DEPTH:
                status, pos = TOO_DEEP, start
                break
            new_row = row
            if op == ROW:
                table = step >> TABLE_AT & 255
                if step & SPINE:
                    saved[:] = counts
                    state[MARK_POS], state[MARK_DEPTH], state[OVERSIZE] = start, depth, 0
                    state[IN_ITEM] = (step >> NODE_AT & 255) == item_node
                    stack[depth + 1, SHARED] = 0
                if counts[table] - saved[table] >= ITEM_ROWS:
                    if state[IN_ITEM] == 0:
                        status, pos = TOO_MANY, start
                        break
                    state[OVERSIZE] = 1
                    counts[table] -= 1
                if counts[table] >= tables[table, CAPACITY]:
                    status = FULL
                    break
                new_row = tables[table, BASE] + counts[table] * tables[table, STEP]
                counts[table] += 1
                for word in range(new_row, new_row + tables[table, WIDTH]):
                    arena[word] = 0
                for child in range(tables[table, CHILDREN], tables[table, CHILDREN_END]):
                    arena[new_row + children[child, 2]] = counts[children[child, 1]]
            elif step & SPINE:
                stack[depth, SHARED] = size
            keep(stack, depth, end, node, row, seen, group)
            depth += 1
            end, node, row, seen, group = pos + size, step >> NODE_AT & 255, new_row, 0, 0

        elif wire == VARINT:
            if pos >= end:
                status = TRUNCATED
                break
            value = np.int64(chunk[pos])
            pos += 1
            if value >= 128:
                value, pos = long_varint(chunk, pos - 1, end)
                if pos < 0:
                    status, pos = -pos, start
                    break
            if step & STORE:
                arena[row + (step >> COLUMN_AT & 255)] = value
        elif wire == FIXED64 or wire == FIXED32:
            size = 8 if wire == FIXED64 else 4
            if size > end - pos:
                status, pos = TRUNCATED, start
                break
            if step & STORE:
                value = little_endian(chunk, pos, 8) if wire == FIXED64 else little_endian(chunk, pos, 4)
                arena[row + (step >> COLUMN_AT & 255)] = value
            pos += size
        elif wire == GROUP:
            state[NOT_CANONICAL] = 1
            if depth == MAX_DEPTH:
                status, pos = TOO_DEEP, start
                break
            keep(stack, depth, end, node, row, seen, group)
            depth += 1
            node, seen, group = 0, 0, tag >> 3
        else:  # the end of a group, or wire types 6 and 7
            if wire != 4 or group == 0 or group != tag >> 3:
                status, pos = STRAY_GROUP_END, start
                break
            depth -= 1
            end, node, row, seen, group = frame(stack, depth)

    if status == FULL:
        counts[:] = saved
        pos = state[MARK_POS]
        if depth > state[MARK_DEPTH]:
            depth = state[MARK_DEPTH]
            end, node, row, seen, group = frame(stack, depth)
    keep(stack, depth, end, node, row, seen, group)
    state[POS], state[DEPTH] = pos, depth
    return status
