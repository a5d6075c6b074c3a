"""Runs the scan over one message: once to count, or window by window to get at the rows.

In: bytes and a `schema.Program`. Out: `Counts`, or `Window`s in wire order. Promised: memory of a window is bounded by its
capacity, and an item stands whole in one window together with everything it inherits from the messages around it.
"""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from mmap import mmap

import numpy as np

from receivers.otlp import wire
from receivers.otlp.jit import Bytes, Codes, Words
from receivers.otlp.schema import Program
from receivers.otlp.wire import MalformedError

WINDOW_ROWS = 1 << 19  # of any one table; at least wire.ITEM_ROWS, so that every item that is not rejected fits


@dataclass(frozen=True, slots=True, kw_only=True)
class Counts:
    """What a scan learns of a message.

    `rows` has each table's rows, without those of rejected items; `rejected` counts these items. `inherited_bytes` sums over the
    accepted items the bytes of the messages they inherit (resource and scope): what repeating them per item costs.
    `canonical` is false for legal forms that need to be rewritten before they can be laid into rows.
    """

    rows: Mapping[str, int]
    rejected: int
    inherited_bytes: int
    canonical: bool


@dataclass(frozen=True, slots=True, kw_only=True)
class Window:
    """Rows of consecutive accepted items and of all they inherit from. Valid until the next window is asked for."""

    chunk: Bytes
    program: Program
    rows: Mapping[str, Words]
    rejected: int

    def word(self, table: str, column: str) -> int:
        """Where `column` stands in a row of `table`."""
        return self.program.table(table).columns[column]

    def first(self, parent: str, child: str) -> Codes:
        """Where each parent's children begin, and after the last where they end."""
        parents = self.rows[parent]
        first: Codes = np.empty(len(parents) + 1, np.int32)
        first[:-1], first[-1] = parents[:, self.word(parent, child)], len(self.rows[child])
        return first


def count(message: bytes | memoryview | mmap, program: Program) -> Counts:
    """Check the whole message and count its rows.

    Raises:
        MalformedError: protobuf would refuse it too, or a limit in `wire` is passed.
    """
    scanner = _Scanner(as_array(message), program, capacity=0)
    scanner.run()
    state = scanner.state
    return Counts(
        rows={table.path: int(rows) for table, rows in zip(program.tables, scanner.counts, strict=True)},
        rejected=int(state[wire.REJECTED]),
        inherited_bytes=int(state[wire.INHERITED]),
        canonical=not state[wire.NOT_CANONICAL],
    )


def windows(message: bytes | memoryview | mmap, program: Program, capacity: int = WINDOW_ROWS) -> Iterator[Window]:
    """The rows of the whole message, at most `capacity` of each table at a time; at least one window, which may be empty.

    Raises:
        MalformedError: as `count`, or the message is not canonical.
    """
    chunk = as_array(message)
    scanner = _Scanner(chunk, program, capacity=min(capacity, len(chunk) // 2 + 1))
    status = wire.FULL
    while status == wire.FULL:
        begin = int(scanner.state[wire.POS])
        status = scanner.run()
        if status == wire.FULL and scanner.state[wire.POS] == begin:
            raise ValueError(
                f"expected room for at least one item, got {capacity} rows for what begins at byte {begin}"
            )
        if scanner.state[wire.NOT_CANONICAL]:
            raise MalformedError("a form that must be normalised first", int(scanner.state[wire.POS]))
        rows = {table.path: scanner.rows(number) for number, table in enumerate(program.tables)}
        yield Window(chunk=chunk, program=program, rows=rows, rejected=int(scanner.state[wire.REJECTED]))
        scanner.carry()


def as_array(message: bytes | memoryview | mmap) -> Bytes:
    """The bytes, not copied, as the one array type the kernels are compiled for."""
    if len(message) > wire.MAX_CHUNK:
        raise MalformedError(f"{len(message)} bytes where {wire.MAX_CHUNK} are allowed", wire.MAX_CHUNK)
    return frozen(np.frombuffer(message, np.uint8) if len(message) else np.zeros(0, np.uint8))


def frozen(array: Bytes) -> Bytes:
    """The array, read-only: to numba that is a type of its own."""
    array.flags.writeable = False
    return array


class _Scanner:
    """The kernel's state between its calls."""

    def __init__(self, chunk: Bytes, program: Program, capacity: int) -> None:
        """`capacity` is the room in every table, in rows; with 0 rows are only counted."""
        self.chunk, self.program = chunk, program
        self.tables = _place(program, capacity)
        self.arena: Words = np.empty(int((self.tables[:, wire.WIDTH] * max(capacity, 1)).sum()), np.int64)
        self.counts: Words = np.zeros(len(self.tables), np.int64)
        self.saved: Words = np.zeros(len(self.tables), np.int64)
        self.state: Words = np.zeros(wire.STATE_WORDS, np.int64)
        self.stack: Words = np.zeros((wire.MAX_DEPTH + 1, wire.FRAME_WORDS), np.int64)
        self.stack[0, wire.END], self.stack[0, wire.NODE] = len(chunk), ROOT

    def run(self) -> int:
        """DONE or FULL."""
        program = self.program
        status = wire.scan(
            self.chunk, program.lut, self.tables, program.children, program.checks, program.item_node,
            self.stack, self.counts, self.saved, self.state, self.arena,
        )  # fmt: skip
        if status not in (wire.DONE, wire.FULL):
            raise MalformedError(wire.REASONS[status], int(self.state[wire.POS]))
        return status

    def rows(self, table: int) -> Words:
        base, width, rows = self.tables[table, wire.BASE], self.tables[table, wire.WIDTH], self.counts[table]
        return self.arena[base : base + width * rows].reshape(rows, width)

    def carry(self) -> None:
        """Empty the tables but for the spine messages still open and what the coming items inherit from them."""
        counts = np.zeros_like(self.counts)
        spine = self.program.spine
        for depth, table in enumerate(spine[: self.state[wire.DEPTH]], start=1):
            row = self.rows(table)[-1].copy()
            for parent, child, word in self.program.children:
                if parent == table:
                    inherited = self.rows(child)[len(self.rows(child)) if child in spine else row[word] :]
                    counts[child] = self._move_to_front(child, inherited)
                    row[word] = 0
            counts[table] = self._move_to_front(table, row[None, :])
            self.stack[depth, wire.FRAME_ROW] = self.tables[table, wire.BASE]
        self.counts[:] = counts
        self.state[wire.REJECTED] = 0

    def _move_to_front(self, table: int, rows: Words) -> int:
        base = self.tables[table, wire.BASE]
        self.arena[base : base + rows.size] = rows.ravel()
        return len(rows)


ROOT = 1  # the node compiled first


def _place(program: Program, capacity: int) -> Words:
    """Where each table stands in the arena."""
    widths = np.array([table.width for table in program.tables], np.int64)
    numbers = np.arange(len(widths))
    tables = np.zeros((len(widths), wire.TABLE_WORDS), np.int64)
    tables[1:, wire.BASE] = np.cumsum(widths * max(capacity, 1))[:-1]
    tables[:, wire.WIDTH] = widths
    tables[:, wire.STEP] = widths if capacity else 0
    tables[:, wire.CAPACITY] = capacity or wire.MAX_CHUNK
    tables[:, wire.CHILDREN] = np.searchsorted(program.children[:, 0], numbers, "left")
    tables[:, wire.CHILDREN_END] = np.searchsorted(program.children[:, 0], numbers, "right")
    return tables
