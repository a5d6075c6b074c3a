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
from processors.slo.heard import Heard, told_after
from processors.slo.promise import IndicatorKey, Promise
from processors.slo.status import NOTHING, PromiseStatus, SliceCounts, needed
from processors.slo.sums import NOTHING_COUNTED, Counted, IndicatorSums, read_slices, read_sums, read_trace_ids
from processors.slo.windows import Bounds, Length, Window, last

LIVE, LASTED = "live", "lasted"  # names of windows, beside those of alerts and "" for the promise's own
SETTLING = timedelta(hours=1)  # longer than anything takes to be settled
Shape = tuple[Window, tuple[Length, ...]]
Slices = Mapping[IndicatorKey, tuple[SliceCounts, ...]]
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
            promise.key: self._windows(promise, usual, span(promise, known.get(promise.indicator, ())), now)
            for promise in self._promises
        }
        every = {bounds for named in windows.values() for bounds in named.values()}
        sums = read_sums(self._query, _indicators(self._promises), every)
        shares = {(signal, bounds): heard.share(bounds) for signal, heard in self._heard.items() for bounds in every}
        self._by_minute.refresh(self._heard, now)
        statuses = [
            self._status(promise, now, windows[promise.key], sums.get(promise.indicator), shares)
            for promise in self._promises
        ]
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
            starts[promise.signal] = min(first, starts.get(promise.signal, first))
        for signal, start in starts.items():
            if signal not in self._heard or self._heard[signal].start_s > start.timestamp():
                self._heard[signal] = Heard(signal, start - timedelta(days=1))
            self._heard[signal].refresh(self._query, now)

    def _windows(
        self, promise: Promise, usual: Mapping[Shape, dict[str, Bounds]], lasted: Bounds | None, now: datetime
    ) -> dict[str, Bounds]:
        """The windows of which events are summed, by name."""
        newest = last(self._live_s, now - told_after(promise.signal))
        windows = {LIVE: newest} | ({} if promise.by_minute else usual[self._shapes[promise.key]])
        return windows if lasted is None else windows | {LASTED: lasted}

    def _status(
        self,
        promise: Promise,
        now: datetime,
        windows: Mapping[str, Bounds],
        sums: IndicatorSums | None,
        shares: Mapping[tuple[str, Bounds], Fraction],
    ) -> PromiseStatus:
        measured = {
            name: measure(
                name, bounds, sums.counted(bounds) if sums else NOTHING_COUNTED, shares[promise.signal, bounds]
            )
            for name, bounds in windows.items()
        }
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
            last_event_at=min(sums.newest_end, now) if sums and sums.newest_end else None,
        )

    def _with_slices(self, statuses: Sequence[PromiseStatus], known: Slices, now: datetime) -> list[PromiseStatus]:
        """The statuses with the slices and bad requests of those in trouble: of the others nobody asks for them."""
        troubled = _indicators(status.promise for status in statuses if status.troubled)
        unknown = [key for key in troubled if key not in known]
        slices = {**known, **self._slices(unknown, now)}
        trace_ids = read_trace_ids(self._query, troubled, now)
        return [
            replace(status, slices=slices.get(key, ()), trace_ids=trace_ids.get(key, ()))
            if (key := status.promise.indicator) in slices
            else status
            for status in statuses
        ]

    def _slices(self, keys: Sequence[IndicatorKey], now: datetime) -> Slices:
        """Those that `live` windows are made of, and those in which trouble began."""
        oldest = max((told_after(promise.signal) for promise in self._promises), default=timedelta())
        return read_slices(self._query, keys, self._live_s + int(oldest.total_seconds()), now)


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
    return list(dict.fromkeys(promise.indicator for promise in promises))
