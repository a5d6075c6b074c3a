"""How soon people answered and restored, held against what an agreement promises about incidents.

In: a `Reaction` and the incidents of a service. Out: how many of them were in time, and which were not. Pure. An
incident belongs to the period in which it started. One that is still open counts as soon as its time is up; until then
it is neither in time nor late.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from fractions import Fraction

from processors.sla.documents import Reaction
from processors.slo.windows import Bounds

NS_PER_US = 1_000


@dataclass(frozen=True, slots=True, kw_only=True)
class IncidentFacts:
    """When an incident started, when people first said something, and when it was over."""

    id: str
    impact: str
    started: datetime
    answered: datetime | None
    resolved: datetime | None


@dataclass(frozen=True, slots=True, kw_only=True)
class Reacted:
    """The incidents of a period that a reaction is promised for, by their ids."""

    in_time: tuple[str, ...]
    late: tuple[str, ...]
    pending: tuple[str, ...]

    @property
    def ratio(self) -> Fraction | None:
        """The share that was in time; None where there was no such incident."""
        decided = len(self.in_time) + len(self.late)
        return Fraction(len(self.in_time), decided) if decided else None

    def keeps(self, reaction: Reaction) -> bool | None:
        """Whether the promise is kept; None where there was nothing to keep it in."""
        return None if self.ratio is None else self.ratio >= reaction.target


def reacted(reaction: Reaction, incidents: Sequence[IncidentFacts], bounds: Bounds, now: datetime) -> Reacted:
    """How the incidents that started in `bounds` fared."""
    concerned = [
        incident
        for incident in sorted(incidents, key=lambda incident: (incident.started, incident.id))
        if bounds.start <= incident.started < bounds.end
        and (not reaction.impacts or incident.impact in reaction.impacts)
    ]
    timely = {incident.id: _in_time(reaction, incident, now) for incident in concerned}
    in_time, late, pending = (
        tuple(name for name, outcome in timely.items() if outcome is wanted) for wanted in (True, False, None)
    )
    return Reacted(in_time=in_time, late=late, pending=pending)


def _in_time(reaction: Reaction, incident: IncidentFacts, now: datetime) -> bool | None:
    within = timedelta(microseconds=reaction.within_ns // NS_PER_US)
    reached = incident.answered if reaction.type == "response" else incident.resolved
    if reached is not None and reached <= now:
        return reached - incident.started <= within
    return False if now - incident.started > within else None
