"""An incident as data: its states, its revisions and what is told at each.

A revision holds all there is to know, so nothing is kept anywhere else; ids follow from what they name, so whoever
writes the same step writes the same rows.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum

from processors.slo.breach import IllegalEventError
from processors.slo.budget import Counts
from processors.slo.promise import fingerprint

ID_DIGITS = 12


class State(StrEnum):
    """How an incident stands; clear where there is none."""

    CLEAR = "clear"
    OPEN = "open"
    RECOVERING = "recovering"
    RESOLVED = "resolved"


class Event(StrEnum):
    """What can happen to an incident."""

    STARTED = "started"
    JOINED = "joined"
    WORSENED = "worsened"
    CALMED = "calmed"
    RELAPSED = "relapsed"
    ENDED = "ended"
    REOPENED = "reopened"
    WITHDRAWN = "withdrawn"


TRANSITIONS: Mapping[tuple[State, Event], State] = {
    (State.CLEAR, Event.STARTED): State.OPEN,
    (State.OPEN, Event.JOINED): State.OPEN,
    (State.OPEN, Event.WORSENED): State.OPEN,
    (State.OPEN, Event.CALMED): State.RECOVERING,
    (State.OPEN, Event.WITHDRAWN): State.RESOLVED,
    (State.RECOVERING, Event.RELAPSED): State.OPEN,
    (State.RECOVERING, Event.ENDED): State.RESOLVED,
    (State.RECOVERING, Event.WITHDRAWN): State.RESOLVED,
    (State.RESOLVED, Event.REOPENED): State.OPEN,
}


class Impact(StrEnum):
    """How much of the traffic suffers: minor below a tenth, critical from half; slowness is never critical."""

    MINOR = "minor"
    MAJOR = "major"
    CRITICAL = "critical"


IMPACTS = tuple(Impact)


class UpdateStatus(StrEnum):
    """What an update says is being done, in Statuspage's words."""

    INVESTIGATING = "investigating"
    IDENTIFIED = "identified"
    MONITORING = "monitoring"
    RESOLVED = "resolved"


@dataclass(frozen=True, slots=True, kw_only=True)
class Incident:
    """One revision. `counts` are of the promise that suffered most: lately while it is open, overall at the end."""

    id: str
    revision: int
    at: datetime
    state: State
    service: str
    title: str
    impact: Impact
    started_at: datetime
    detected_at: datetime
    resolved_at: datetime | None
    promises: tuple[str, ...]
    counts: Counts


@dataclass(frozen=True, slots=True, kw_only=True)
class Update:
    """What people are told about a step."""

    id: str
    incident_id: str
    at: datetime
    status: UpdateStatus
    body: str


def follow(state: State, event: Event) -> State:
    """The state after `event`.

    Raises:
        IllegalEventError: the table has no such transition.
    """
    try:
        return TRANSITIONS[state, event]
    except KeyError:
        possible = ", ".join(known for origin, known in TRANSITIONS if origin is state)
        raise IllegalEventError(f"expected one of {possible} in state {state}, got {event}") from None


def digest(*content: object) -> str:
    """An id that follows from what it names."""
    return fingerprint([str(one) for one in content])[:ID_DIGITS]


def diagram() -> str:
    """The transition table as a Mermaid diagram; the README shows it."""
    lines = ["stateDiagram-v2", f"    [*] --> {State.CLEAR}"]
    lines += [f"    {origin} --> {target}: {event}" for (origin, event), target in TRANSITIONS.items()]
    return "\n".join(lines)
