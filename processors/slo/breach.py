"""Whether a promise is kept, at risk or broken: one table of states, and the record of each change.

In: the standing of a promise and its status now. Out: the new standing and the changes that led to it, each with the
law, the window, the numbers, when it began and the evidence. Pure; the standing can be read back from the newest
change, so nothing is kept anywhere else. Each change's id follows from the one before it: the same history has the same
ids, whoever writes it.

at_risk means that an alert over a pair of windows fires, breached that the promise's own window misses its target. Both
can hold, so both are recorded: a promise broken last week must not hide what burns today.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from enum import StrEnum
from fractions import Fraction
from typing import Any

from pipeline.sql import quoted
from processors.slo.budget import Count
from processors.slo.burn import Measured
from processors.slo.heard import lateness
from processors.slo.promise import Member, Promise, PromiseKey, fingerprint
from processors.slo.rollup import is_one_of
from processors.slo.status import PromiseStatus, burns, rate
from processors.slo.windows import Calendar, slice_floor

ID_DIGITS = 16
STEP = timedelta(milliseconds=1)  # the changes of one moment keep their order by it
SPENT = Fraction(1)  # the burn rate above which a window misses its target


class State(StrEnum):
    """How a promise stands."""

    NO_DATA = "no_data"
    MET = "met"
    AT_RISK = "at_risk"
    BREACHED = "breached"
    BREACHED_BURNING = "breached_burning"

    @property
    def published(self) -> str:
        """The word readers see: a promise that is broken and still burns is broken."""
        return State.BREACHED.value if self is State.BREACHED_BURNING else self.value

    @property
    def broken(self) -> bool:
        return self in {State.BREACHED, State.BREACHED_BURNING}

    @property
    def burning(self) -> bool:
        return self in {State.AT_RISK, State.BREACHED_BURNING}


class Event(StrEnum):
    """What can happen to a promise."""

    MEASURED = "measured"
    DATA_ENDED = "data_ended"
    BURN_STARTED = "burn_started"
    BURN_STOPPED = "burn_stopped"
    TARGET_MISSED = "target_missed"
    TARGET_REGAINED = "target_regained"
    PERIOD_TURNED = "period_turned"


TRANSITIONS: Mapping[tuple[State, Event], State] = {
    (State.NO_DATA, Event.MEASURED): State.MET,
    (State.MET, Event.BURN_STARTED): State.AT_RISK,
    (State.MET, Event.TARGET_MISSED): State.BREACHED,
    (State.MET, Event.DATA_ENDED): State.NO_DATA,
    (State.AT_RISK, Event.BURN_STOPPED): State.MET,
    (State.AT_RISK, Event.TARGET_MISSED): State.BREACHED_BURNING,
    (State.AT_RISK, Event.DATA_ENDED): State.NO_DATA,
    (State.BREACHED, Event.BURN_STARTED): State.BREACHED_BURNING,
    (State.BREACHED, Event.TARGET_REGAINED): State.MET,
    (State.BREACHED, Event.PERIOD_TURNED): State.MET,
    (State.BREACHED, Event.DATA_ENDED): State.NO_DATA,
    (State.BREACHED_BURNING, Event.BURN_STOPPED): State.BREACHED,
    (State.BREACHED_BURNING, Event.TARGET_REGAINED): State.AT_RISK,
    (State.BREACHED_BURNING, Event.PERIOD_TURNED): State.AT_RISK,
    (State.BREACHED_BURNING, Event.DATA_ENDED): State.NO_DATA,
}


class IllegalEventError(ValueError):
    """An event that cannot happen in this state: a fault of ours."""


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


@dataclass(frozen=True, slots=True, kw_only=True)
class Standing:
    """How a promise stands, since which change."""

    state: State = State.NO_DATA
    at: datetime | None = None
    change_id: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class Change:
    """One step of a promise, as it is recorded.

    `since` is when what led here began, which is before it could be known. `governing` is the window that decided and
    `threshold` the burn rate it was held against.
    """

    id: str
    at: datetime
    promise: Promise
    event: Event
    previous: State
    state: State
    since: datetime
    governing: Measured
    window_name: str
    burn_rate: Fraction
    threshold: Fraction
    trace_ids: tuple[str, ...]
    evidence: Mapping[str, Any]

    @property
    def standing(self) -> Standing:
        return Standing(state=self.state, at=self.at, change_id=self.id)


def advance(standing: Standing, status: PromiseStatus, now: datetime) -> tuple[Standing, tuple[Change, ...]]:
    """Take every step that `status` calls for, most often none."""
    changes: list[Change] = []
    while event := next_event(standing, status):
        changes.append(_change(standing, event, status, now))
        standing = changes[-1].standing
    return standing, tuple(changes)


def next_event(standing: Standing, status: PromiseStatus) -> Event | None:
    """The first event that is possible now and happened."""
    for event, happened in HAPPENED.items():
        if (standing.state, event) in TRANSITIONS and happened(standing, status):
            return event
    return None


def _period_turned(standing: Standing, status: PromiseStatus) -> bool:
    """Whether what the promise stands by was measured in a period before; that was known some time later."""
    promise = status.promise
    if standing.at is None or not isinstance(promise.window, Calendar):
        return False
    settled_at = standing.at - lateness(promise.signal) if promise.by_minute else standing.at
    return settled_at < status.window.start


# How a status tells that something happened, the first to be looked at first.
HAPPENED: Mapping[Event, Callable[[Standing, PromiseStatus], bool]] = {
    Event.MEASURED: lambda _, status: not status.silent,
    Event.PERIOD_TURNED: _period_turned,
    Event.DATA_ENDED: lambda _, status: status.silent,
    Event.TARGET_REGAINED: lambda _, status: not status.missed,
    Event.BURN_STARTED: lambda _, status: status.fires,
    Event.BURN_STOPPED: lambda _, status: status.calm,
    Event.TARGET_MISSED: lambda _, status: status.missed,
}


def restored(previous: str, event: str, state: str, at: datetime, change_id: str) -> Standing:
    """The standing that a recorded change led to, from the words that were recorded.

    Raises:
        IllegalEventError: no transition reads like that.
    """
    for (origin, happened), target in TRANSITIONS.items():
        if (origin.published, happened, target.published) == (previous, event, state):
            return Standing(state=target, at=at, change_id=change_id)
    raise IllegalEventError(f"expected a recorded transition, got {previous} --{event}--> {state}")


def _change(standing: Standing, event: Event, status: PromiseStatus, now: datetime) -> Change:
    promise = status.promise
    about_burning = event in {Event.BURN_STARTED, Event.BURN_STOPPED}
    pair = status.hottest
    governing = pair.governing if about_burning else status.window
    since = _since(event, status, now)
    return Change(
        id=change_id(promise.key, event, since, standing.change_id),
        at=now if standing.at is None else max(now, standing.at + STEP),
        promise=promise,
        event=event,
        previous=standing.state,
        state=follow(standing.state, event),
        since=since,
        governing=governing,
        window_name=pair.pair.name if about_burning else governing.name,
        burn_rate=rate(status, governing),
        threshold=pair.pair.threshold if about_burning else SPENT,
        trace_ids=status.trace_ids if event in {Event.BURN_STARTED, Event.TARGET_MISSED} else (),
        evidence=evidence(status, governing),
    )


def _since(event: Event, status: PromiseStatus, now: datetime) -> datetime:
    match event:
        case Event.BURN_STARTED | Event.TARGET_MISSED:
            return status.run_start
        case Event.PERIOD_TURNED:
            return status.window.start
        case _:
            return slice_floor(now)


def change_id(key: PromiseKey, event: Event, since: datetime, previous_id: str) -> str:
    """The id of a change: SHA-256 over what it says and the id of the change before it."""
    return fingerprint([*key, event, utc(since), previous_id])[:ID_DIGITS]


def evidence(status: PromiseStatus, governing: Measured) -> dict[str, Any]:
    """Every window as it was counted, and the query that counts the governing one again."""
    windows = [status.window, *burns(status).values()]
    return {
        "target": float(status.promise.target),
        "windows": [
            {
                "name": window.name,
                "start": utc(window.start),
                "end": utc(window.end),
                "good": number(window.counts.good),
                "valid": number(window.counts.valid),
                "burn_rate": float(rate(status, window)),
            }
            for window in windows
        ],
        "sql": recount_sql(status.promise, governing),
        **({"members": [_member(one) for one in status.promise.members]} if status.promise.members else {}),
    }


def _member(member: Member) -> dict[str, Any]:
    return {"indicator": member.indicator.name, "target": float(member.target), "weight": float(member.weight)}


def number(count: Count) -> int | float:
    """A count as JSON knows it: sampled events and shares of slices need not be whole."""
    return count if isinstance(count, int) else int(count) if count.denominator == 1 else float(count)


def recount_sql(promise: Promise, window: Measured) -> str:
    """The query that gives the counts of a window, to be run as it is; of a composite those of each member."""
    within = (
        f"Slice >= toDateTime({int(window.start.timestamp())}, 'UTC') "
        f"AND Slice < toDateTime({int(window.end.timestamp())}, 'UTC')"
    )
    # Names are RFC 1123 labels.
    if promise.members:
        return (
            "SELECT Indicator, sum(Good) AS Good, sum(Valid) AS Valid FROM sli_slices "  # noqa: S608
            f"WHERE {within} AND {is_one_of(promise.indicators)} GROUP BY Indicator, Generation ORDER BY Indicator"
        )
    name, generation = promise.indicator
    return (
        "SELECT sum(Good) AS Good, sum(Valid) AS Valid FROM sli_slices "  # noqa: S608
        f"WHERE Indicator = {quoted(name)} AND Generation = {quoted(generation)} AND {within}"
    )


def utc(moment: datetime) -> str:
    """`2026-11-22T10:00:00Z`: how evidence spells a slice edge."""
    return f"{moment.astimezone(UTC):%Y-%m-%dT%H:%M:%SZ}"


def diagram() -> str:
    """The transition table as a Mermaid diagram; the README shows it."""
    lines = ["stateDiagram-v2", f"    [*] --> {State.NO_DATA}"]
    lines += [f"    {origin} --> {target}: {event}" for (origin, event), target in TRANSITIONS.items()]
    return "\n".join(lines)
