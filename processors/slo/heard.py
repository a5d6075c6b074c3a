"""When somebody was listening: the proof that silence was silence, read from `receiver_ledger`.

In: the ledger of a signal. Out: how many milliseconds of each ten seconds were heard, and up to when all that was
received is stored. Where several workers listened, the one that heard most counts: they serve the same senders. Time in
which requests were turned away was heard in part only. Memory: eight bytes per ten seconds, 2 MB a month.

The newest seconds are not in the ledger yet: up to `UNKNOWN_S` of them are taken as heard if somebody listened before.
"""

from datetime import datetime, timedelta
from fractions import Fraction

import numpy as np

from pipeline.component import Query
from pipeline.sql import quoted
from processors.sli.points import LATENESS_S
from processors.sli.slices import SLICE_S
from processors.slo.grid import MINUTE_S, Ints
from processors.slo.windows import Bounds

SLICE_MS = 1_000 * SLICE_S
WHOLE_MS = SLICE_MS - 100  # what is lost to rounding and to threads that wake late is no gap
UNKNOWN_S = 60
RECENT_S = 900  # how much is read again every time; all of it is read again every FULL_EVERY
FULL_EVERY = timedelta(minutes=5)
LATENESS = timedelta(seconds=60)
UNTOLD = {"metrics": timedelta(seconds=LATENESS_S)}  # what counters and histograms say is told so late
KEPT_LONGER_S = 3 * 86_400  # what is kept longer than that is let go of and read anew
FORGOTTEN_S = 600  # a worker that wrote nothing for so long holds nobody up


class Heard:
    """One signal's ledger from `start` on, kept up to date by `refresh`."""

    def __init__(self, signal: str, start: datetime) -> None:
        self._signal = signal
        self._start_s = _floor_s(start)
        self._ms = np.zeros(0, np.int64)
        self._sums = np.zeros(1, np.int64)
        self._read_at: datetime | None = None

    @property
    def start_s(self) -> int:
        return self._start_s

    def refresh(self, query: Query, now: datetime) -> None:
        """Read what is new, and now and then everything."""
        fully = self._read_at is None or now - self._read_at >= FULL_EVERY or now < self._read_at
        end_s = _floor_s(now) + SLICE_S
        since_s = self._start_s if fully else max(self._start_s, end_s - RECENT_S)
        read = _read(query, self._signal, since_s, end_s)
        kept = (since_s - self._start_s) // SLICE_S
        before = np.zeros(kept, np.int64)
        before[: len(self._ms)] = self._ms[:kept]
        self._ms = _filled(np.concatenate([before, read]))
        self._sums = np.concatenate([[0], np.cumsum(self._ms)])
        self._read_at = now if fully else self._read_at

    def ms(self, bounds: Bounds) -> int:
        """How many milliseconds of `bounds` were heard; what lies ahead was not."""
        first, last = (self._place(moment) for moment in bounds)
        return int(self._sums[last] - self._sums[first])

    def share(self, bounds: Bounds) -> Fraction:
        """The share of `bounds` that was heard."""
        length_ms = (bounds.end - bounds.start) // timedelta(milliseconds=1)
        return Fraction(self.ms(bounds), length_ms) if length_ms else Fraction(0)

    def minutes(self, start_s: int, count: int) -> Ints:
        """How many milliseconds of each of `count` minutes from `start_s` were heard."""
        per_minute = MINUTE_S // SLICE_S
        places = (start_s - self._start_s) // SLICE_S + per_minute * np.arange(count + 1)
        sums = self._sums[np.clip(places, 0, len(self._ms))]
        minutes: Ints = np.diff(sums)
        return minutes

    def _place(self, moment: datetime) -> int:
        return min(max(0, (_floor_s(moment) - self._start_s) // SLICE_S), len(self._ms))


def is_near(start_s: int, needed_s: int) -> bool:
    """Whether what is kept from `start_s` on is what is needed from `needed_s` on, and not much more."""
    return needed_s - KEPT_LONGER_S <= start_s <= needed_s


def settled_until(query: Query, signal: str, now: datetime) -> datetime:
    """Up to when nothing more is expected: all that was received before is stored, and what is late had its time."""
    stored = query(stored_sql(signal, _floor_s(now))).to_pylist()[0]["until"]
    return min(stored or now, now) - lateness(signal)


def lateness(signal: str) -> timedelta:
    """How long after its end nothing more is expected of a minute."""
    return max(LATENESS, told_after(signal))


def told_after(signal: str) -> timedelta:
    """How old a signal's newest counts are."""
    return UNTOLD.get(signal, timedelta())


def _read(query: Query, signal: str, since_s: int, end_s: int) -> Ints:
    ms = np.zeros(max(0, (end_s - since_s) // SLICE_S), np.int64)
    table = query(ledger_sql(signal, since_s, end_s))
    places = (np.asarray(table["slice"].to_numpy(), np.int64) - since_s) // SLICE_S
    ms[places] = np.asarray(table["heard"].to_numpy(), np.int64)
    return np.where(ms >= WHOLE_MS, SLICE_MS, ms)


def ledger_sql(signal: str, since_s: int, end_s: int) -> str:
    """A row for each ten seconds: the milliseconds that the best worker heard."""
    return f"""
        SELECT toUnixTimestamp(Slice) AS slice, toInt64(max(listened)) AS heard FROM (
            SELECT Slice, Worker, sum(Accepted) + 1 AS taken, taken + sum(Shed) AS came,
                intDiv(least({SLICE_MS}, sum(ListeningMs)) * taken, came) AS listened
            FROM receiver_ledger
            WHERE Signal = {quoted(signal)}
                AND Slice >= toDateTime({since_s}, 'UTC') AND Slice < toDateTime({end_s}, 'UTC')
            GROUP BY Slice, Worker)
        GROUP BY Slice"""  # noqa: S608


def stored_sql(signal: str, now_s: int) -> str:
    """Up to when every worker that was heard of lately has stored what it received; null where there is none."""
    return f"""
        SELECT minOrNull(until) AS until FROM (
            SELECT Worker, max(StoredUntil) AS until FROM receiver_ledger
            WHERE Signal = {quoted(signal)} AND Slice >= toDateTime({now_s - FORGOTTEN_S}, 'UTC')
            GROUP BY Worker HAVING until > toDateTime64(0, 3))"""  # noqa: S608


def _filled(ms: Ints) -> Ints:
    """The newest seconds, which no worker wrote down yet, as the last that one did."""
    written = np.flatnonzero(ms)
    if len(written) and len(ms) - written[-1] - 1 <= UNKNOWN_S // SLICE_S:
        ms[written[-1] + 1 :] = SLICE_MS
    return ms


def _floor_s(moment: datetime) -> int:
    seconds = int(moment.timestamp())
    return seconds - seconds % SLICE_S
