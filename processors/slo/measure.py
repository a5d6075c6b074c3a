"""Measuring: every promise's windows read from the store, and how much of them somebody was listening.

In: promises, the time, the incidents that are open. Out: a `PromiseStatus` each. What stands in the store and the time
decide, nothing else: what is kept here are copies of the store, refreshed on each look.
"""

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import replace
from datetime import datetime, timedelta
from fractions import Fraction
from typing import Any

from pipeline.component import Query
from processors.slo.burn import Measured, PairStatus
from processors.slo.byminute import ByMinute, judged_since
from processors.slo.composite import moment, slices_of, together
from processors.slo.heard import Heard, is_near, told_after
from processors.slo.promise import IndicatorKey, Promise
from processors.slo.status import NOTHING, PromiseStatus, SliceCounts, needed
from processors.slo.sums import (
    MAX_TRACE_IDS,
    NOTHING_COUNTED,
    Counted,
    IndicatorSums,
    read_slices,
    read_sums,
    read_trace_ids,
)
from processors.slo.windows import Bounds, Length, Window, last

LIVE, LASTED = "live", "lasted"  # names of windows, beside those of alerts and "" for the promise's own
SETTLING = timedelta(hours=1)  # longer than anything takes to be settled
Shape = tuple[Window, tuple[Length, ...]]
Slices = Mapping[IndicatorKey, tuple[SliceCounts, ...]]
Sums = Mapping[IndicatorKey, IndicatorSums]
Shares = Mapping[tuple[str, Bounds], Fraction]
Span = Callable[[Promise, tuple[SliceCounts, ...]], Bounds | None]
"""The time of the incident that a promise is part of, if it is part of one."""


class Surveyor:
    """Measures a fixed set of promises again and again."""

    def __init__(self, promises: Sequence[Promise], query: Query, live_s: int) -> None:
        self._promises = promises
        self._query = query
        self._live_s = live_s
        self._shapes = {promise.key: shape_of(promise) for promise in promises}
        self._heard: dict[str, Heard] = {}
        self._by_minute = ByMinute(query, [promise for promise in promises if promise.by_minute])

    def look(self, now: datetime, involved: Callable[[Promise], bool], span: Span) -> list[PromiseStatus]:
        """Every promise as it is measured now; `involved` are those of services with an open incident."""
        usual = self._usual(now)
        self._listen(usual, now)
        known = self._slices(_indicators(filter(involved, self._promises)), now)
        windows = {
            promise.key: self._windows(promise, usual, span(promise, _slices_of(promise, known)), now)
            for promise in self._promises
        }
        every = {bounds for named in windows.values() for bounds in named.values()}
        sums = read_sums(self._query, _indicators(self._promises), every)
        shares = {(signal, bounds): heard.share(bounds) for signal, heard in self._heard.items() for bounds in every}
        self._by_minute.refresh(self._heard, now)
        statuses = [self._status(promise, now, windows[promise.key], sums, shares) for promise in self._promises]
        return self._with_slices(statuses, known, now)

    def news(self) -> list[tuple[Promise, list[dict[str, Any]]]]:
        """The rows of `slice_states` that the last look gave, by promise."""
        return self._by_minute.news()

    def forget(self) -> None:
        """The rows that the last look gave were not written."""
        self._by_minute.forget()

    def _usual(self, now: datetime) -> dict[Shape, dict[str, Bounds]]:
        """The windows that promises of each shape need; many have the same."""
        shapes = {self._shapes[promise.key]: promise for promise in self._promises}
        return {shape: needed(promise, now) for shape, promise in shapes.items()}

    def _listen(self, usual: Mapping[Shape, Mapping[str, Bounds]], now: datetime) -> None:
        """Read who listened, back to the start of the longest window."""
        starts: dict[str, datetime] = {}
        written = {promise.window for promise in self._promises if promise.by_minute}
        since = {window: judged_since(window, now - SETTLING) for window in written}
        for promise in self._promises:
            first = min(bounds.start for bounds in usual[self._shapes[promise.key]].values())
            first = min(first, since.get(promise.window, first))
            starts |= {signal: min(first, starts.get(signal, first)) for signal in promise.signals}
        for signal, start in starts.items():
            if signal not in self._heard or not is_near(self._heard[signal].start_s, int(start.timestamp())):
                self._heard[signal] = Heard(signal, start - timedelta(days=1))
            self._heard[signal].refresh(self._query, now)

    def _windows(
        self, promise: Promise, usual: Mapping[Shape, dict[str, Bounds]], lasted: Bounds | None, now: datetime
    ) -> dict[str, Bounds]:
        """The windows of which events are summed, by name."""
        newest = last(self._live_s, now - max(map(told_after, promise.signals)))
        windows = {LIVE: newest} | ({} if promise.by_minute else usual[self._shapes[promise.key]])
        return windows if lasted is None else windows | {LASTED: lasted}

    def _status(
        self,
        promise: Promise,
        now: datetime,
        windows: Mapping[str, Bounds],
        sums: Sums,
        shares: Shares,
    ) -> PromiseStatus:
        measured = {name: _measured(promise, name, bounds, sums, shares) for name, bounds in windows.items()}
        newest = _newest_end(promise, sums)
        if promise.by_minute:
            measured |= self._by_minute.windows(promise)
        own = measured[""]
        return PromiseStatus(
            promise=promise,
            at=now,
            window=replace(own, name=promise.window.name(own.start)),
            pairs=tuple(
                PairStatus(
                    pair=pair,
                    target=promise.target,
                    minimum_bad=promise.burn.minimum_bad,
                    long=measured[str(pair.long)],
                    short=measured[str(pair.short)],
                )
                for pair in promise.burn.pairs
            ),
            live=measured[LIVE],
            lasted=measured[LASTED].counts if LASTED in measured else NOTHING,
            last_event_at=min(newest, now) if newest else None,
        )

    def _with_slices(self, statuses: Sequence[PromiseStatus], known: Slices, now: datetime) -> list[PromiseStatus]:
        """The statuses with the slices and bad requests of those in trouble: of the others nobody asks for them."""
        troubled = _indicators(status.promise for status in statuses if status.troubled)
        unknown = [key for key in troubled if key not in known]
        slices = {**known, **self._slices(unknown, now)}
        trace_ids = read_trace_ids(self._query, troubled, now)
        return [
            replace(status, slices=_slices_of(status.promise, slices), trace_ids=_trace_ids(status.promise, trace_ids))
            if any(key in slices for key in status.promise.indicators)
            else status
            for status in statuses
        ]

    def _slices(self, keys: Sequence[IndicatorKey], now: datetime) -> Slices:
        """Those that `live` windows are made of, and those in which trouble began."""
        oldest = max(
            (told_after(signal) for promise in self._promises for signal in promise.signals), default=timedelta()
        )
        return read_slices(self._query, keys, self._live_s + int(oldest.total_seconds()), now)


def _measured(promise: Promise, name: str, bounds: Bounds, sums: Sums, shares: Shares) -> Measured:
    """A window in events, of a composite as its members make it."""

    def alone(key: IndicatorKey, signal: str) -> Measured:
        counted = sums[key].counted(bounds) if key in sums else NOTHING_COUNTED
        return measure(name, bounds, counted, shares[signal, bounds])

    if not promise.members:
        return alone(promise.indicator, promise.signal)
    each = [alone(member.indicator, member.signal) for member in promise.members]
    if not promise.counting.by_slices:
        return together(promise, each)
    least_heard = min(each, key=lambda one: one.heard)
    return replace(least_heard, counts=moment(promise, [one.counts for one in each]), squares=None)


def _slices_of(promise: Promise, known: Slices) -> tuple[SliceCounts, ...]:
    each = [known.get(key, ()) for key in promise.indicators]
    return slices_of(promise, each) if promise.members else each[0]


def _trace_ids(promise: Promise, known: Mapping[IndicatorKey, tuple[str, ...]]) -> tuple[str, ...]:
    found = {one for key in promise.indicators for one in known.get(key, ())}
    return tuple(sorted(found)[:MAX_TRACE_IDS])


def _newest_end(promise: Promise, sums: Sums) -> datetime | None:
    """The end of the newest slice with anything in it."""
    ends = (sums[key].newest_end for key in promise.indicators if key in sums)
    return max((end for end in ends if end is not None), default=None)


def measure(name: str, bounds: Bounds, counted: Counted, heard: Fraction) -> Measured:
    """A window as it was counted; in the time that nobody listened it would have been as busy as in the rest."""
    counts = counted.counts
    return Measured(
        name=name,
        bounds=bounds,
        counts=counts,
        unseen=0 if heard == 1 else counts.valid * (1 - heard) / heard if heard else max(1, counts.valid),
        heard=heard,
        squares=counted.squared_weights,
        unweighted_share=counted.unweighted_share,
    )


def shape_of(promise: Promise) -> Shape:
    """What decides which windows a promise needs."""
    return promise.window, promise.burn.lengths


def _indicators(promises: Iterable[Promise]) -> list[IndicatorKey]:
    return list(dict.fromkeys(key for promise in promises for key in promise.indicators))
