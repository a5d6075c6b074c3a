"""What is known of a promise at one moment, and what follows from it.

In: counts per window, from the store. Out: `PromiseStatus`, which answers what the state machines ask. Pure.
"""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from fractions import Fraction

from processors.slo.budget import Counts, budget, burn_rate, exhausted_in_s, misses, remaining
from processors.slo.burn import Measured, PairStatus
from processors.slo.promise import Promise
from processors.slo.windows import SLICE, Bounds, last, slice_ceiling, slice_floor

NOTHING = Counts()
LULL = timedelta(seconds=20)  # a run of bad slices goes on through so much without one


@dataclass(frozen=True, slots=True)
class SliceCounts:
    """What was counted in one slice."""

    start: datetime
    counts: Counts

    @property
    def end(self) -> datetime:
        return self.start + SLICE


@dataclass(frozen=True, slots=True, kw_only=True)
class PromiseStatus:
    """One promise as it was measured at `at`.

    `live` is the newest minute, by which incidents open and end. `slices` has all of its slices, and of the hours
    before those with bad events, in order of time; `trace_ids` some of the requests that were bad lately. `lasted`
    counts the time of the incident that the promise is part of, if it is.
    """

    promise: Promise
    at: datetime
    window: Measured
    pairs: tuple[PairStatus, ...]
    live: Measured
    slices: tuple[SliceCounts, ...] = ()
    lasted: Counts = NOTHING
    trace_ids: tuple[str, ...] = ()
    last_event_at: datetime | None = None

    @property
    def remaining(self) -> Fraction:
        """The share of what may fail that is left, of the traffic so far."""
        return remaining(self.window.counts, self.promise.target)

    @property
    def bounds(self) -> tuple[Fraction | None, Fraction | None]:
        """The delivered share if all that was not seen was bad, and if all of it was good."""
        window, whole = self.window, Fraction(self.window.whole)
        if not window.counts.valid:
            return None, None
        return max(Fraction(0), 1 - window.worst / whole), 1 - window.counts.bad / whole

    @property
    def exhausted_in_s(self) -> Fraction | None:
        """Seconds until nothing is left of the budget at the pace of the hottest pair; None if it lasts for ever."""
        return exhausted_in_s(self.remaining, self.promise.window.nominal_s, self.hottest.rate)

    @property
    def silent(self) -> bool:
        """Whether nothing at all was measured: neither in the promise's window nor in those of the alerts."""
        windows = [self.window, *(window for pair in self.pairs for window in (pair.long, pair.short))]
        return not any(window.counts.valid for window in windows)

    @property
    def missed(self) -> bool:
        """Whether the promise's own window falls short of the target."""
        return misses(self.window.counts, self.promise.target, self.promise.burn.minimum_bad)

    @property
    def fires(self) -> bool:
        """Whether a pair fires, or so much of the budget is spent that it counts by itself."""
        return any(pair.fires for pair in self.pairs) or self._overspends

    @property
    def _overspends(self) -> bool:
        policy = self.promise.burn
        return policy.consumed is not None and self.enough and policy.overspends(1 - self.remaining)

    @property
    def enough(self) -> bool:
        """Whether bad events are enough to speak of the promise's own window."""
        return self.window.counts.bad >= self.promise.burn.minimum_bad

    @property
    def troubled(self) -> bool:
        """Whether somebody will ask for the slices in which it began."""
        promise = self.promise
        return self.fires or self.missed or misses(self.live.counts, promise.bar, promise.burn.minimum_bad)

    @property
    def calm(self) -> bool:
        """Whether no pair fires, nor would if all that nobody saw was bad: neither silence nor doubt ends an alert."""
        shortest = min(self.pairs, key=lambda pair: pair.pair.short.seconds).short
        return not self.fires and shortest.counts.valid > 0 and not any(pair.might_fire for pair in self.pairs)

    @property
    def hottest(self) -> PairStatus:
        """The pair nearest to firing, or furthest beyond."""
        return max(self.pairs, key=lambda pair: (pair.fires, pair.heat))

    @property
    def goes_on(self) -> bool:
        """Whether the trouble is more than a minute's noise: a pair fires, or its short window misses the target."""
        shortest = min(self.pairs, key=lambda pair: pair.pair.short.seconds).short
        return self.fires or misses(shortest.counts, self.promise.target, self.promise.burn.minimum_bad)

    @property
    def run_start(self) -> datetime:
        """When the newest run of bad slices began; the current slice where there is none."""
        bad = bad_slices(self.slices, self.promise.bar)
        return run_start(bad) or slice_floor(self.at)

    @property
    def lately(self) -> Counts:
        """What was counted since the run began, of the newest minute: how bad it is now."""
        since = max(self.run_start, self.live.start)
        return sum((one.counts for one in self.slices if one.start >= since), NOTHING)


def bad_slices(slices: Iterable[SliceCounts], target: Fraction) -> list[SliceCounts]:
    """Those slices that fall short of the target by themselves."""
    return [one for one in slices if one.counts.bad_share > budget(target)]


def run_start(bad: Sequence[SliceCounts]) -> datetime | None:
    """The start of the newest run of bad slices: going back from the newest, through lulls of at most `LULL`."""
    start = None
    for one in reversed(bad):
        if start is not None and start - one.end > LULL:
            break
        start = one.start
    return start


def run_end(bad: Sequence[SliceCounts], until: datetime) -> datetime | None:
    """The end of the newest bad slice that began before `until`."""
    return next((one.end for one in reversed(bad) if one.start < until), None)


def needed(promise: Promise, now: datetime) -> dict[str, Bounds]:
    """The windows of which a promise's status needs the counts, by name; `""` is the promise's own."""
    start, end = promise.window.bounds(now)
    own = {"": Bounds(start, min(end, slice_ceiling(now)))}
    return own | {str(length): last(length.seconds, now) for length in promise.burn.lengths}


def burns(status: PromiseStatus) -> dict[str, Measured]:
    """The alert windows of a status, each once, by name."""
    return {window.name: window for pair in status.pairs for window in (pair.long, pair.short)}


def rate(status: PromiseStatus, window: Measured) -> Fraction:
    """The burn rate in one of a status' windows."""
    return burn_rate(window.counts, status.promise.target)
