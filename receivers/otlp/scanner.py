"""Runs the scan over one message: once to count, or window by window to get at the rows.

In: bytes, and a `schema.Program`. Out: `Counts`, or `Window`s in wire order. Promised: a window's memory is bounded by
its capacity, and an item stands whole in one window, together with all it inherits from the messages around it, also
what those say of themselves only after it.
"""

import threading
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, replace

import numpy as np

from receivers.otlp import wire
from receivers.otlp.arrays import Bytes, Chunk, Codes, Words, as_array
from receivers.otlp.limits import MAX_DEPTH, MOST_ATTRIBUTES, Limits
from receivers.otlp.schema import BASE, CAPACITY, LENGTH, PAIR, STEP, WIDTH, Program
from receivers.otlp.wire import MalformedError

WINDOW_ROWS = 1 << 18  # of any one table; at least wire.ITEM_ROWS, so that every item that is not rejected fits
ROOT = 1  # the node compiled first
NOBODYS_TAG = 15 << 3 | LENGTH  # one byte, as the tags of all items
MORE = 0x80  # the bit of a byte that another one follows, in case a tag is longer than it needs to be
UNLIMITED = Limits(attributes=MOST_ATTRIBUTES, key_bytes=wire.MAX_CHUNK, text_bytes=wire.MAX_CHUNK).words()


@dataclass(frozen=True, slots=True, kw_only=True)
class Counts:
    """What a scan learns of a message.

    `items` counts all; `rows` has each table's rows without those of the items left out: `rejected` without valid ids
    or too large, `untimely` outside of the allowed time. Attributes and texts that passed a limit were cut.
    `inherited_bytes` sums over the accepted items the bytes of what they inherit (resource, scope, metric): what
    repeating these for each item costs. `canonical` is false for legal forms that must be rewritten before they can be
    laid into rows. `of_profiles` tells of fields that only profiles have, which count as absent.
    """

    items: int
    rows: Mapping[str, int]
    rejected: int
    untimely: int
    cut_attributes: int
    cut_texts: int
    inherited_bytes: int
    canonical: bool
    of_profiles: bool

    @property
    def accepted(self) -> int:
        return self.items - self.rejected - self.untimely


@dataclass(frozen=True, slots=True, kw_only=True)
class Window:
    """Rows of consecutive accepted items and of all they inherit from. Valid until the next window is asked for."""

    chunk: Bytes
    program: Program
    rows: Mapping[str, Words]
    rejected: int

    def word(self, table: str, column: str) -> int:
        """Where `column` stands in a row of `table`."""
        return self.program.tables[table].columns[column]

    def first(self, parent: str, child: str) -> Codes:
        """Where each parent's children begin, and after the last where they end."""
        parents = self.rows[parent]
        first: Codes = np.empty(len(parents) + 1, np.int32)
        first[:-1], first[-1] = parents[:, self.word(parent, child)], len(self.rows[child])
        return first


def count(message: Chunk, program: Program, limits: Words = UNLIMITED) -> Counts:
    """Check the whole message and count its rows.

    Raises:
        MalformedError: protobuf would refuse it too, or a limit in `wire` is passed.
    """
    scanner = _Scanner(message, program, limits, capacity=0)
    scanner.run()
    state = scanner.state.tolist()
    return Counts(
        items=state[wire.ITEMS] + state[wire.REJECTED] + state[wire.UNTIMELY],
        rows=dict(zip(program.tables, scanner.counts.tolist(), strict=True)),
        rejected=state[wire.REJECTED],
        untimely=state[wire.UNTIMELY],
        cut_attributes=state[wire.CUT_ATTRIBUTES],
        cut_texts=state[wire.CUT_TEXTS],
        inherited_bytes=state[wire.INHERITED],
        canonical=not state[wire.NOT_CANONICAL],
        of_profiles=bool(state[wire.OF_PROFILES]),
    )


def messages(message: Chunk, program: Program) -> int:
    """How many messages are nested in it, each of which protobuf would make an object of.

    Raises:
        MalformedError: as `count`.
    """
    scanner = _Scanner(message, replace(program, lut=program.lut & ~PAIR), UNLIMITED, capacity=0)  # no short way
    scanner.run()
    return int(scanner.state[wire.MESSAGES])


def without_untimely(message: Chunk, program: Program, limits: Words, untimely: int) -> bytes:
    """The message with its `untimely` items under a field that no message has: nothing moves, and nobody sees them.

    Raises:
        MalformedError: as `count`.
    """
    scanner = _Scanner(message, program, limits, capacity=0, untimely=untimely)
    scanner.run()
    changed = scanner.chunk.copy()
    changed[scanner.late] = changed[scanner.late] & MORE | NOBODYS_TAG
    return changed.tobytes()


def windows(
    message: Chunk, program: Program, capacity: int = WINDOW_ROWS, limits: Words = UNLIMITED
) -> Iterator[Window]:
    """The rows of the whole message, at most `capacity` of each table at a time; at least one window, be it empty.

    Raises:
        MalformedError: as `count`, or the message is not canonical.
        ValueError: `capacity` rows have no room for one item.
    """
    scanner = _Scanner(message, program, limits, capacity=min(capacity, len(message) // 2 + 1))
    status = wire.FULL
    try:
        while status == wire.FULL:
            begin = scanner.state[wire.POS]
            status = scanner.run()
            if status == wire.FULL and scanner.state[wire.POS] == begin:
                raise ValueError(f"expected room for at least one item, got {capacity} rows at byte {begin}")
            if scanner.state[wire.NOT_CANONICAL]:
                raise MalformedError("a form that must be normalised first", int(scanner.state[wire.POS]))
            scanner.read_ahead()
            yield scanner.window()
            scanner.carry()
    finally:
        _room.give_back(scanner.arena)


class _Room(threading.local):
    """The largest arena of each thread, kept for its next message: fresh memory costs a page fault every 4 KiB.

    It is most of a gigabyte of addresses at worst, but only what rows were written to is memory.
    """

    kept: Words | None = None

    def take(self, size: int) -> Words:
        """An arena of `size` words, with anything in it."""
        kept, self.kept = self.kept, None
        return np.empty(size, np.int64) if kept is None or len(kept) < size else kept

    def give_back(self, arena: Words) -> None:
        """Let the next message have it; nothing may refer to its rows any more."""
        if self.kept is None or len(self.kept) < len(arena):
            self.kept = arena


_room = _Room()


class _Scanner:
    """The kernel's state between its calls."""

    def __init__(self, message: Chunk, program: Program, limits: Words, *, capacity: int, untimely: int = 0) -> None:
        """`capacity` is the room in a table, in rows; with 0 they are only counted. `late` has room for `untimely`."""
        if len(message) > wire.MAX_CHUNK:
            raise MalformedError(f"{len(message)} bytes where {wire.MAX_CHUNK} are the limit", wire.MAX_CHUNK)
        self.chunk, self.program, self.limits = as_array(message), program, limits
        self.places = _enlarged(program.places, capacity) if capacity else program.places
        last = self.places[-1]
        self.arena = _room.take(last[BASE] + last[WIDTH] * max(capacity, 1))
        self.counts: Words = np.zeros(len(self.places), np.int64)
        self.saved: Words = np.zeros(len(self.places), np.int64)
        self.state: Words = np.zeros(wire.STATE_WORDS, np.int64)
        self.stack: Words = np.zeros((MAX_DEPTH + 1, wire.FRAME_WORDS), np.int64)
        self.stack[0, wire.END], self.stack[0, wire.NODE] = len(message), ROOT
        self.late: Words = np.zeros(untimely, np.int64)
        self.read_to: dict[int, int] = {}

    def run(self) -> int:
        """DONE or FULL."""
        program = self.program
        status = wire.scan(
            self.chunk, program.lut, self.places, program.children, program.checks, program.times, self.limits,
            self.stack, self.counts, self.saved, self.state, self.late, self.arena,
        )  # fmt: skip
        if status not in (wire.DONE, wire.FULL):
            raise MalformedError(wire.REASONS[status], int(self.state[wire.POS]))
        return status

    def window(self) -> Window:
        rows = {path: self._rows(number) for number, path in enumerate(self.program.tables)}
        return Window(chunk=self.chunk, program=self.program, rows=rows, rejected=int(self.state[wire.REJECTED]))

    def read_ahead(self) -> None:
        """Complete the rows of the messages still open with what stands after their items, once for each message."""
        pos = int(self.state[wire.POS])
        for depth in range(int(self.state[wire.AT_DEPTH]), 0, -1):
            end, node, row = self.stack[depth, [wire.END, wire.NODE, wire.FRAME_ROW]].tolist()
            if self.read_to.get(depth) != end:
                wire.read_ahead(self.chunk, self.program.lut, pos, end, node, row, self.limits, self.arena)
                self.read_to[depth] = end
            pos = end

    def carry(self) -> None:
        """Empty the tables, but for the rows of messages still open and what the coming items inherit from them."""
        counts = np.zeros_like(self.counts)
        for depth in range(1, int(self.state[wire.AT_DEPTH]) + 1):
            table = int(np.searchsorted(self.places[:, BASE], self.stack[depth, wire.FRAME_ROW], "right")) - 1
            if not counts[table]:  # a message without a row of its own shares that of the one around it
                counts[table] = self._carry_row(table, counts)
            self.stack[depth, wire.FRAME_ROW] = self.places[table, BASE]
        self.counts[:] = counts
        self.state[wire.REJECTED] = self.state[wire.UNTIMELY] = 0

    def _carry_row(self, table: int, counts: Words) -> int:
        """Move the last row of `table`, and its children that are not items nor lead to them, to the front."""
        row = self._rows(table)[-1].copy()
        for parent, child, word in self.program.children:
            if parent == table and child not in self.program.spine:
                counts[child] = self._move_to_front(child, self._rows(child)[row[word] :])
            if parent == table:
                row[word] = 0
        return self._move_to_front(table, row[None, :])

    def _rows(self, table: int) -> Words:
        base, width, rows = self.places[table, BASE], self.places[table, WIDTH], self.counts[table]
        return self.arena[base : base + width * rows].reshape(rows, width)

    def _move_to_front(self, table: int, rows: Words) -> int:
        base = self.places[table, BASE]
        self.arena[base : base + rows.size] = rows.ravel()
        return len(rows)


def _enlarged(places: Words, capacity: int) -> Words:
    """The places of tables that have room for `capacity` rows."""
    places = places.copy()
    places[:, BASE] *= capacity
    places[:, STEP] = places[:, WIDTH]
    places[:, CAPACITY] = capacity
    return places
