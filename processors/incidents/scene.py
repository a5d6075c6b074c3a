"""What a service's promises say of its incident now: everything that steps are decided by.

In: statuses and standings of promises, and the newest revision. Out: answers, all derived, none kept.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from fractions import Fraction

from processors.incidents.incident import IMPACTS, Impact, Incident, State
from processors.incidents.live import Verdict, verdict
from processors.slo.breach import Standing
from processors.slo.breach import State as PromiseState
from processors.slo.status import PromiseStatus, SliceCounts, bad_slices, run_end
from processors.slo.windows import Bounds, slice_ceiling, slice_floor

CRITICAL_SHARE = Fraction(1, 2)
MAJOR_SHARE = Fraction(1, 10)
MUCH_WORSE = 2  # times the share that was told


@dataclass(frozen=True, slots=True, kw_only=True)
class Patience:
    """How long it must be well before an incident ends, and how soon after that it is still the same one."""

    resolve_after: timedelta = timedelta(seconds=60)
    reopen_within: timedelta = timedelta(minutes=10)


def span(incident: Incident, slices: Sequence[SliceCounts], target: Fraction, now: datetime) -> Bounds:
    """From where an incident began to the last slice in which the promise suffered, as far as it is known."""
    until = now if incident.state is State.OPEN else incident.at
    end = run_end(bad_slices(slices, target), until) or slice_ceiling(until)
    return Bounds(slice_floor(incident.started_at), max(end, slice_ceiling(incident.started_at)))


@dataclass(frozen=True, slots=True, kw_only=True)
class Signal:
    """What one promise says now."""

    status: PromiseStatus
    standing: Standing

    @property
    def name(self) -> str:
        return self.status.promise.name

    @property
    def slow(self) -> bool:
        return self.status.promise.slow

    @property
    def share(self) -> Fraction:
        """The share of bad events lately."""
        return self.status.lately.bad_share

    @property
    def verdict(self) -> Verdict:
        promise = self.status.promise
        return verdict(self.status.live.counts, promise.bar, promise.burn.minimum_bad)

    @property
    def alarming(self) -> bool:
        """Whether it is reason enough for an incident: at risk or broken, by what goes on now."""
        endangered = self.standing.state not in {PromiseState.NO_DATA, PromiseState.MET}
        return endangered and self.verdict is Verdict.TROUBLED and self.status.goes_on

    @property
    def impact(self) -> Impact:
        if self.share >= CRITICAL_SHARE and not self.slow:
            return Impact.CRITICAL
        return Impact.MAJOR if self.share >= MAJOR_SHARE else Impact.MINOR


@dataclass(frozen=True, slots=True, kw_only=True)
class Scene:
    """A service now: its newest incident, if it ever had one, and what its promises say."""

    service: str
    title: str
    incident: Incident | None
    signals: tuple[Signal, ...]
    now: datetime
    patience: Patience

    @property
    def state(self) -> State:
        """The incident's state; clear once a resolved one is too old to be reopened."""
        if self.incident is None:
            return State.CLEAR
        resolved_at = self.incident.resolved_at
        forgotten = resolved_at is not None and self.now - resolved_at > self.patience.reopen_within
        return State.CLEAR if forgotten else self.incident.state

    @property
    def alarming(self) -> tuple[Signal, ...]:
        return tuple(signal for signal in self.signals if signal.alarming)

    @property
    def worst(self) -> Signal:
        """The alarming promise to speak of: failing before slow, then by how much of the traffic."""
        return max(self.alarming, key=lambda signal: (not signal.slow, signal.share))

    @property
    def involved(self) -> tuple[Signal, ...]:
        """The promises that the incident is about and that still exist."""
        names = self.incident.promises if self.incident else ()
        return tuple(signal for signal in self.signals if signal.name in names)

    @property
    def newcomers(self) -> tuple[Signal, ...]:
        known = {signal.name for signal in self.involved}
        return tuple(signal for signal in self.alarming if signal.name not in known)

    @property
    def well(self) -> bool:
        """Whether every promise involved was measured and is kept."""
        return all(signal.verdict is Verdict.WELL for signal in self.involved) and not self.alarming

    @property
    def waited(self) -> bool:
        return self.incident is not None and self.now - self.incident.at >= self.patience.resolve_after

    @property
    def impact(self) -> Impact:
        """The highest impact there is and was: an incident is told as bad as it got."""
        known = self.incident.impact if self.incident and self.state is not State.CLEAR else Impact.MINOR
        return max((known, *(signal.impact for signal in self.alarming)), key=IMPACTS.index)

    @property
    def worse(self) -> bool:
        """Whether it is much worse than was told."""
        if self.incident is None or not self.alarming:
            return False
        told = self.incident.counts.bad_share
        return self.impact is not self.incident.impact or self.worst.share > MUCH_WORSE * told
