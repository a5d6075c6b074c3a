"""The demo's play as data: what happens when, what was seen of it, and whether that is what should be seen.

In: `SCRIPT`, the marks of when each act began, and sightings: what a source (page, API, breaches, spans) showed at a
moment. Out: the timeline and a list of what is wrong with it. Pure: no clock, no I/O.
"""

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from enum import StrEnum

from pipeline.clock import NS_PER_S, to_datetime

INCIDENT_LIMIT_S = 20


class Mode(StrEnum):
    """What payment does."""

    OK = "ok"
    ERRORS = "errors"
    SLOW = "slow"


@dataclass(frozen=True, slots=True, kw_only=True)
class Fault:
    """What is done to payment: `mode` for `share` of the charges; slow ones take `delay_s` longer."""

    mode: Mode = Mode.OK
    share: float = 1.0
    delay_s: float = 1.5


class Until(StrEnum):
    """What an act waits for, besides its time."""

    TIME = "its time is over"
    SEEN = "another promise is at risk"
    WELL = "no incident is open and no promise is at risk"


@dataclass(frozen=True, slots=True, kw_only=True)
class Act:
    """One scene: payment as `fault` says, for `at_least_s`, then until `until` holds, at most `at_most_s` in all."""

    name: str
    fault: Fault
    at_least_s: float
    at_most_s: float
    until: Until
    tells: str
    look: str = ""


HEALTHY = Fault()
REST = Act(
    name="rest",
    fault=HEALTHY,
    at_least_s=120,
    at_most_s=120,
    until=Until.TIME,
    tells="The shop is quiet for two minutes; then it all happens once more. Ctrl-C ends the demo.",
)
SCRIPT = (
    Act(
        name="warm-up",
        fault=HEALTHY,
        at_least_s=25,
        at_most_s=25,
        until=Until.TIME,
        tells="A quiet day. Eighteen people browse the shop; now and then one buys a lantern.",
        look="The page says that everything works, and how it knows.",
    ),
    Act(
        name="payment errors",
        fault=Fault(mode=Mode.ERRORS, share=0.5),
        at_least_s=25,
        at_most_s=150,
        until=Until.SEEN,
        tells="The card network stops answering: every second charge fails, and people cannot buy.",
        look="Within seconds Checkout and Payments say so; Browsing stays well.",
    ),
    Act(
        name="calm",
        fault=HEALTHY,
        at_least_s=20,
        at_most_s=20,
        until=Until.TIME,
        tells="The card network is back. Orders go through again.",
        look="The incident stays open until the numbers have earned its end.",
    ),
    Act(
        name="payment slow",
        fault=Fault(mode=Mode.SLOW),
        at_least_s=25,
        at_most_s=150,
        until=Until.SEEN,
        tells="Now nothing fails, but every charge takes a second and a half longer.",
        look="Availability holds, the promise about speed does not.",
    ),
    Act(
        name="recovery",
        fault=HEALTHY,
        at_least_s=10,
        at_most_s=240,
        until=Until.WELL,
        tells="All is well again, and stays well. Now Andon has to believe it.",
        look="Incidents resolve by themselves; what they cost stays in the numbers.",
    ),
)


class Source(StrEnum):
    """Who shows what became of the fault."""

    SPANS = "otel_traces"
    BREACHES = "breaches"
    PAGE = "page"
    API = "api"


PUBLIC = (Source.PAGE, Source.API, Source.BREACHES)


@dataclass(frozen=True, slots=True, kw_only=True)
class Mark:
    """An act began."""

    at_ns: int
    act: Act


@dataclass(frozen=True, slots=True, kw_only=True)
class Sighting:
    """What `source` called troubled at `at_ns`: incidents, promises or services by name; nothing when all is well."""

    at_ns: int
    source: Source
    troubled: frozenset[str]


class Event(StrEnum):
    """The moments of a timeline, in the order they are hoped for."""

    FAULT = "fault"
    BAD_SPAN = "first bad span stored"
    AT_RISK = "at risk"
    INCIDENT = "incident on the page"
    RECOVERY = "recovery"
    RESOLVED = "resolved on the page"


@dataclass(frozen=True, slots=True, kw_only=True)
class Moment:
    """When `event` happened, and how long after the fault it belongs to; None where it was not seen."""

    fault: str
    event: Event
    at_ns: int | None
    since_fault_s: float | None

    def as_json(self) -> dict[str, str | float | None]:
        at = None if self.at_ns is None else to_datetime(self.at_ns).isoformat(timespec="milliseconds")
        return {"fault": self.fault, "event": self.event, "at": at, "since_fault_s": self.since_fault_s}


def timeline(marks: Sequence[Mark], sightings: Sequence[Sighting]) -> list[Moment]:
    """The moments of every fault that was played, in the order of `Event`."""
    ends = [*(mark.at_ns for mark in marks[1:]), None]
    return [
        moment
        for mark, end_ns in zip(marks, ends, strict=True)
        if mark.act.fault.mode is not Mode.OK
        for moment in _moments(mark, end_ns, sightings)
    ]


def _moments(mark: Mark, mended_ns: int | None, sightings: Sequence[Sighting]) -> Iterator[Moment]:
    times = {
        Event.FAULT: mark.at_ns,
        Event.BAD_SPAN: first_trouble(sightings, Source.SPANS, mark.at_ns),
        Event.AT_RISK: first_trouble(sightings, Source.BREACHES, mark.at_ns),
        Event.INCIDENT: first_trouble(sightings, Source.PAGE, mark.at_ns),
        Event.RECOVERY: mended_ns,
        Event.RESOLVED: None if mended_ns is None else recovered(sightings, Source.PAGE, mended_ns),
    }
    if times[Event.INCIDENT] is None and latest(sightings, Source.PAGE, before_ns=mark.at_ns):
        del times[Event.INCIDENT]  # an open incident takes in what comes
    for event, at_ns in times.items():
        since_s = None if at_ns is None else round((at_ns - mark.at_ns) / NS_PER_S, 1)
        yield Moment(fault=mark.act.name, event=event, at_ns=at_ns, since_fault_s=since_s)


def first_trouble(sightings: Sequence[Sighting], source: Source, after_ns: int) -> int | None:
    """When `source` first named something it had not named just before `after_ns`."""
    known = latest(sightings, source, before_ns=after_ns) or frozenset()
    later = (one for one in sightings if one.source is source and one.at_ns >= after_ns)
    return next((one.at_ns for one in later if one.troubled - known), None)


def recovered(sightings: Iterable[Sighting], source: Source, after_ns: int) -> int | None:
    """When `source` first showed that all is well and then never said otherwise."""
    well_ns: int | None = None
    for sighting in sightings:
        if sighting.source is not source or sighting.at_ns < after_ns:
            continue
        if sighting.troubled:
            well_ns = None
        elif well_ns is None:
            well_ns = sighting.at_ns
    return well_ns


def latest(sightings: Iterable[Sighting], source: Source, *, before_ns: int | None = None) -> frozenset[str] | None:
    """What `source` showed last, or last before a moment; None if it never answered."""
    troubled = None
    for sighting in sightings:
        if sighting.source is source and (before_ns is None or sighting.at_ns < before_ns):
            troubled = sighting.troubled
    return troubled


def holds(until: Until, marks: Sequence[Mark], sightings: Sequence[Sighting]) -> bool:
    """Whether what the current act waits for has come."""
    match until:
        case Until.TIME:
            return True
        case Until.SEEN:
            return first_trouble(sightings, Source.BREACHES, marks[-1].at_ns) is not None
        case Until.WELL:
            return all(latest(sightings, source) == frozenset() for source in PUBLIC)


def problems(marks: Sequence[Mark], sightings: Sequence[Sighting]) -> list[str]:
    """What the play ought to have shown and did not; empty when all is as promised."""
    fault = next((mark for mark in marks if mark.act.fault.mode is not Mode.OK), None)
    if fault is None:
        return ["no fault was played"]
    return [*_unseen(fault, marks[-1], sightings), *_late(fault, sightings)]


def _unseen(fault: Mark, last: Mark, sightings: Sequence[Sighting]) -> Iterator[str]:
    for source in PUBLIC:
        if first_trouble(sightings, source, fault.at_ns) is None:
            yield f"{source}: the outage was never seen"
        elif recovered(sightings, source, last.at_ns) is None:
            left = ", ".join(sorted(latest(sightings, source) or ()))
            yield f"{source}: the recovery was never seen; last troubled: {left}"


def _late(fault: Mark, sightings: Sequence[Sighting]) -> Iterator[str]:
    seen_ns = first_trouble(sightings, Source.PAGE, fault.at_ns)
    if seen_ns is not None and seen_ns - fault.at_ns > INCIDENT_LIMIT_S * NS_PER_S:
        took_s = (seen_ns - fault.at_ns) / NS_PER_S
        yield f"{Source.PAGE}: the incident came {took_s:.1f} s after the fault, expected at most {INCIDENT_LIMIT_S} s"
