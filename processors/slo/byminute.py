"""Windows of promises that are counted minute by minute: laws over slices of time, and exclusions.

In: promises, the ledgers of their signals. Out: `Measured` windows, in events or in slices as the law counts, up to
where nothing more is expected. What a window says is computed anew only when one of its minutes changed or another one
settled.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta
from typing import Any

import numpy as np
import numpy.typing as npt

from pipeline.component import Query
from processors.slo.budget import Counts
from processors.slo.burn import Measured
from processors.slo.composite import delivered_slices, ledger_of, together
from processors.slo.grid import MINUTE_S, Grid
from processors.slo.heard import Heard, is_near, settled_until
from processors.slo.law import Delivered, deliver, states
from processors.slo.minutes import Minutes
from processors.slo.promise import IndicatorKey, Promise, PromiseKey
from processors.slo.slicebook import SliceBook
from processors.slo.windows import EPOCH, Bounds, Calendar, Window, ago

MINUTE = timedelta(minutes=1)
AHEAD = timedelta(days=2)
STILL_OPEN = timedelta(days=3)  # for so long what comes late revises the slices of a period that is over
NOTHING_YET = Bounds(EPOCH, EPOCH), np.zeros(0, np.int8)


@dataclass(frozen=True, slots=True)
class _Known:
    """What was computed, and from what."""

    at: datetime
    versions: tuple[int, ...]
    windows: dict[str, Measured]


class ByMinute:
    """Measures a fixed set of such promises again and again."""

    def __init__(self, query: Query, promises: Sequence[Promise]) -> None:
        self._query = query
        self._promises = promises
        self._minutes = Minutes()
        self._heard: Mapping[str, Heard] = {}
        self._at: dict[str, datetime] = {}
        self._now = EPOCH
        self._known: dict[PromiseKey, _Known] = {}
        self._excluded: dict[PromiseKey, tuple[Bounds, npt.NDArray[np.int8]]] = {}
        self._books: dict[PromiseKey, SliceBook] = {}
        self._news: list[tuple[Promise, list[dict[str, Any]]]] = []

    def refresh(self, heard: Mapping[str, Heard], now: datetime) -> None:
        """Read what is new."""
        self._heard, self._now = heard, now
        signals = {signal for promise in self._promises for signal in promise.signals}
        self._at = {signal: settled_until(self._query, signal, now) for signal in signals}
        starts: dict[IndicatorKey, int] = {}
        for promise in self._promises:
            at = self.settled(promise)
            first = min(
                judged_since(promise.window, at), *(bounds.start for bounds in windows_of(promise, at).values())
            )
            start_s = int(first.timestamp()) // MINUTE_S * MINUTE_S
            starts |= {key: min(start_s, starts.get(key, start_s)) for key in promise.indicators}
        if starts:
            self._minutes.refresh(self._query, starts)

    def windows(self, promise: Promise) -> dict[str, Measured]:
        """Each window of a promise, by name; `""` is its own."""
        at, versions = self.settled(promise), tuple(map(self._minutes.version, promise.indicators))
        known = self._known.get(promise.key)
        if known is None or (known.at, known.versions) != (at, versions):
            measured = {
                name: measured_by(promise, name, bounds, self.grids(promise, bounds))
                for name, bounds in windows_of(promise, at).items()
            }
            known = self._known[promise.key] = _Known(at, versions, measured)
            if promise.counting.by_slices:
                self._write_down(promise, measured[""].bounds)
        return known.windows

    def news(self) -> list[tuple[Promise, list[dict[str, Any]]]]:
        """The rows of `slice_states` that are to be written since this was last asked, by promise."""
        news, self._news = self._news, []
        return news

    def forget(self) -> None:
        """What was to be written was not: read again what was, and judge anew."""
        self._books.clear()
        self._known.clear()

    def _write_down(self, promise: Promise, own: Bounds) -> None:
        """Note which slices are new, or read differently, also of a period that ended lately."""
        bounds = Bounds(slice_before(judged_since(promise.window, own.end), MINUTE_S), own.end)
        start_s = int(bounds.start.timestamp())
        if promise.key not in self._books or not is_near(self._books[promise.key].start_s, start_s):
            self._books[promise.key] = SliceBook(promise, start_s)
            self._books[promise.key].read(self._query)
        grids = self.grids(promise, bounds)
        ledger = ledger_of(promise, grids) if promise.members else states(promise.counting, grids[0])
        rows = self._books[promise.key].news(ledger, self._now, int(own.start.timestamp()))
        if rows:
            self._news.append((promise, rows))

    def settled(self, promise: Promise) -> datetime:
        """Up to where nothing more is expected of a promise, on the edge of a slice."""
        return slice_before(min(self._at[signal] for signal in promise.signals), promise.counting.slice_s)

    def grids(self, promise: Promise, bounds: Bounds) -> list[Grid]:
        """The minutes of each of a promise's indicators, with what its exclusions take out."""
        start_s, end_s = (int(moment.timestamp()) for moment in bounds)
        grids = [
            self._minutes.grid(key, start_s, end_s, self._heard[signal], self._at[signal])
            for key, signal in zip(promise.indicators, promise.signals, strict=True)
        ]
        if not promise.excluded:
            return grids
        return [replace(grid, excluded=self._codes(promise, bounds)) for grid in grids]

    def _codes(self, promise: Promise, bounds: Bounds) -> npt.NDArray[np.int8]:
        """What exclusions make of each minute; they are unrolled for some days at a time."""
        whole, codes = self._excluded.get(promise.key, NOTHING_YET)
        if not (whole.start <= bounds.start and bounds.end <= whole.end):
            assert promise.excluded is not None
            whole = Bounds(min(bounds.start, whole.start) if len(codes) else bounds.start, bounds.end + AHEAD)
            codes = promise.excluded(whole)
            self._excluded[promise.key] = whole, codes
        first, last = ((moment - whole.start) // MINUTE for moment in bounds)
        return codes[first:last]


def windows_of(promise: Promise, at: datetime) -> dict[str, Bounds]:
    """The windows that end where nothing more is expected, by name; `""` is the promise's own."""
    at = slice_before(at, promise.counting.slice_s)
    start, end = promise.window.bounds(at)
    own = Bounds(slice_before(start, MINUTE_S), min(end, at))
    return {"": own} | {str(length): ago(length.seconds, at) for length in promise.burn.lengths}


def judged_since(window: Window, at: datetime) -> datetime:
    """From when on slices are written down: of a calendar's last period too, while that may still be open."""
    start = window.bounds(at).start
    if not isinstance(window, Calendar) or at - start >= STILL_OPEN:
        return start
    return window.bounds(start - MINUTE).start


def slice_before(moment: datetime, slice_s: int) -> datetime:
    """The newest edge of a slice that is not after `moment`."""
    seconds = int(moment.timestamp())
    return datetime.fromtimestamp(seconds - seconds % slice_s, UTC)


def measured_by(promise: Promise, name: str, bounds: Bounds, grids: Sequence[Grid]) -> Measured:
    """A window as the promise counts it, of a composite as its members make it."""
    if not promise.members:
        return measured_in(name, bounds, deliver(promise.counting, grids[0]))
    if promise.counting.by_slices and not promise.counting.by_shares:
        return measured_in(name, bounds, delivered_slices(promise, grids))
    pairs = zip(promise.members, grids, strict=True)
    return together(promise, [measured_in(name, bounds, deliver(one.counting, grid)) for one, grid in pairs])


def measured_in(name: str, bounds: Bounds, delivered: Delivered) -> Measured:
    """A window as its law counts it."""
    return Measured(
        name=name,
        bounds=bounds,
        counts=Counts(delivered.good, delivered.eligible),
        unseen=delivered.unseen,
        heard=delivered.coverage,
    )
