"""The receivers' ledger: what came of every item that arrived, and when somebody was listening at all.

In: counts from the receivers. Out: rows of `receiver_ledger`, one per signal and 10-second slice of receive time, and
`totals` since the process started, for its metrics. Promised: a batch of rows keeps its token until it is written, so
that a retry adds nothing twice. Listening is credited only while the process is seen alive. Counts live in memory, in
at most `MAX_SLICES` slices: older ones are dropped and counted.
"""

import secrets
import threading
from collections import defaultdict
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime
from itertools import count

from pipeline.clock import NS_PER_S, Clock, to_datetime

SLICE_NS = 10 * NS_PER_S
MAX_SLICES = 8640  # a day
# Receivers beat every second; a gap this long is a process that stood still, not one that listened.
MAX_GAP_NS = 5 * NS_PER_S

Row = Mapping[str, str | int | datetime]
ACCEPTED, REFUSED, SHED, REQUESTS, DUPLICATES = "accepted", "refused", "shed", "requests", "duplicates"
Total = tuple[str, str, str]
"""What, of which signal, and which of its kind: the reason, or the transport, or nothing."""


@dataclass(frozen=True, slots=True, kw_only=True)
class LedgerBatch:
    """Rows to insert under `token`."""

    token: str
    rows: tuple[Row, ...]


@dataclass(slots=True)
class _Tally:
    listening_ns: int = 0
    accepted: int = 0
    refused: int = 0
    shed: int = 0


@dataclass(slots=True)
class _Listening:
    """How many doors of a signal are open, and up to when that is credited."""

    doors: int = 0
    credited_ns: int = 0


@dataclass(slots=True)
class _State:
    slices: dict[tuple[int, str], _Tally] = field(default_factory=lambda: defaultdict(_Tally))
    listening: dict[str, _Listening] = field(default_factory=lambda: defaultdict(_Listening))
    totals: dict[Total, int] = field(default_factory=lambda: defaultdict(int))
    pending: LedgerBatch | None = None
    dropped: int = 0


class Ledger:
    """Counters per (slice, signal). Safe for many threads."""

    def __init__(self, clock: Clock) -> None:
        self._clock = clock
        self._lock = threading.Lock()
        self._state = _State()
        self._name = secrets.token_hex(8)
        self._numbers = count()

    @property
    def dropped_slices(self) -> int:
        """Slices lost because nobody took them in time."""
        return self._state.dropped

    def count(
        self, signal: str, received_ns: int, *, accepted: int = 0, refused: int = 0, shed: int = 0, reason: str = ""
    ) -> None:
        """Add items to the slice of `received_ns`, and to the totals.

        `accepted` are stored, `refused` will never be, `shed` were asked to come again; `reason` says why, in a word.
        """
        with self._lock:
            tally = self._slice(received_ns, signal)
            tally.accepted += accepted
            tally.refused += refused
            tally.shed += shed
            self._add((ACCEPTED, signal, ""), accepted)
            self._add((REFUSED, signal, reason), refused)
            self._add((SHED, signal, reason), shed)

    def requested(self, signal: str, transport: str) -> None:
        """A request came by `transport`, whatever becomes of it."""
        with self._lock:
            self._add((REQUESTS, signal, transport), 1)

    def duplicate(self, signal: str) -> None:
        """A request was known as one that is already stored."""
        with self._lock:
            self._add((DUPLICATES, signal, ""), 1)

    def totals(self) -> dict[Total, int]:
        """All that was counted since the process started. They never fall."""
        with self._lock:
            return dict(self._state.totals)

    @property
    def doors(self) -> int:
        """How many doors are open now."""
        with self._lock:
            return sum(listening.doors for listening in self._state.listening.values())

    def opened(self, signal: str) -> None:
        """A door for `signal` is open from now on."""
        with self._lock:
            self._credit(signal, self._clock.now_ns())
            self._state.listening[signal].doors += 1

    def closed(self, signal: str) -> None:
        """One of the doors that were opened is closed."""
        with self._lock:
            self._credit(signal, self._clock.now_ns())
            self._state.listening[signal].doors -= 1

    def beat(self, now_ns: int) -> None:
        """Say that the doors are still open; at least every `MAX_GAP_NS`."""
        with self._lock:
            for signal in self._state.listening:
                self._credit(signal, now_ns)

    def take(
        self, now_ns: int, worker: str, *, waiting_ns: Mapping[str, int] | None = None, last: bool = False
    ) -> LedgerBatch | None:
        """The rows of all slices that are over at `now_ns`, or with `last` of all there are; None if there are none.

        `waiting_ns` is how old the oldest item is that is not stored yet, by signal. The same batch comes again until
        `written` is told of it.
        """
        self.beat(now_ns)
        with self._lock:
            if self._state.pending is None:
                self._state.pending = self._batch(now_ns, worker, waiting_ns or {}, last=last)
            return self._state.pending

    def written(self, batch: LedgerBatch) -> None:
        """Forget `batch`, which is stored."""
        with self._lock:
            if self._state.pending == batch:
                self._state.pending = None

    def _batch(self, now_ns: int, worker: str, waiting_ns: Mapping[str, int], *, last: bool) -> LedgerBatch | None:
        over = [key for key in sorted(self._state.slices) if last or key[0] + SLICE_NS <= now_ns]
        rows = tuple(
            _row(worker, *key, self._state.slices.pop(key), now_ns - waiting_ns.get(key[1], 0)) for key in over
        )
        return LedgerBatch(token=f"ledger-{worker}-{self._name}-{next(self._numbers)}", rows=rows) if rows else None

    def _credit(self, signal: str, now_ns: int) -> None:
        """Add the time since the last look to the slices it fell into, if a door was open."""
        listening = self._state.listening[signal]
        start_ns = listening.credited_ns
        if start_ns - MAX_GAP_NS < now_ns <= start_ns:
            return  # the clock was set back a little: wait until it is where it was
        listening.credited_ns = now_ns
        if listening.doors == 0 or abs(now_ns - start_ns) > MAX_GAP_NS:
            return
        while start_ns < now_ns:
            end_ns = min(now_ns, _slice_start(start_ns) + SLICE_NS)
            self._slice(start_ns, signal).listening_ns += end_ns - start_ns
            start_ns = end_ns

    def _add(self, total: Total, number: int) -> None:
        if number:
            self._state.totals[total] += number

    def _slice(self, time_ns: int, signal: str) -> _Tally:
        tally = self._state.slices[_slice_start(time_ns), signal]
        if len(self._state.slices) > MAX_SLICES:
            del self._state.slices[min(self._state.slices)]
            self._state.dropped += 1
        return tally


def _slice_start(time_ns: int) -> int:
    return time_ns - time_ns % SLICE_NS


def _row(worker: str, slice_ns: int, signal: str, tally: _Tally, stored_until_ns: int) -> Row:
    return {
        "Worker": worker,
        "Signal": signal,
        "Slice": to_datetime(slice_ns),
        "ListeningMs": round(tally.listening_ns / 1_000_000),
        "Accepted": tally.accepted,
        "Refused": tally.refused,
        "Shed": tally.shed,
        "StoredUntil": to_datetime(stored_until_ns),
    }
