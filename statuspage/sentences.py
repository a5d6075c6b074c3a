"""The first lines of the page: sentences about people, made from the conditions of all components."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from fractions import Fraction

from statuspage.snapshot import Component, Incident
from statuspage.states import Condition, State, last_event_at
from statuspage.words import between, listing, one_in, when

Conditions = Mapping[str, Condition]  # by component name
SPOKEN = 3  # components a sentence names before it says "and 4 more"

BLIND = "This page cannot tell whether things work. It will as soon as measurements arrive again."

VERBS = {
    (State.DOWN, False): ("is down", "are down"),
    (State.MOST, False): ("is failing for most people", "are failing for most people"),
    (State.SOME, False): ("is failing for some people", "are failing for some people"),
    (State.DOWN, True): ("is slow for most people", "are slow for most people"),
    (State.MOST, True): ("is slow for most people", "are slow for most people"),
    (State.SOME, True): ("is slow for some people", "are slow for some people"),
    (State.RECOVERING, False): ("is recovering", "are recovering"),
    (State.RECOVERING, True): ("is recovering", "are recovering"),
}


@dataclass(frozen=True, slots=True, kw_only=True)
class Sentence:
    """A sentence with one stressed part."""

    before: str = ""
    stressed: str = ""
    after: str = ""

    def __str__(self) -> str:
        return f"{self.before}{self.stressed}{self.after}"


def overall(components: Sequence[Component], conditions: Conditions) -> Condition:
    """The condition of the worst component; of nothing, no signal."""
    return max(
        (conditions[component.name] for component in components),
        key=lambda one: (one.look.rank, not one.slow),
        default=Condition(state=State.NO_SIGNAL),
    )


def headline(components: Sequence[Component], conditions: Conditions) -> str:
    """What people meet, in one short sentence."""
    worst = overall(components, conditions)
    if worst.state is State.WORKING:
        return "Everything works"
    alike = [one.title for one in components if _alike(conditions[one.name], worst)]
    if (worst.state, worst.slow) not in VERBS:
        return _unknown(components, worst, alike)
    singular, plural = VERBS[worst.state, worst.slow]
    if len(alike) == len(components) > 1:
        return f"Everything {singular}"
    return f"{listing(alike, at_most=SPOKEN)} {plural if len(alike) > 1 else singular}"


def _unknown(components: Sequence[Component], worst: Condition, alike: Sequence[str]) -> str:
    """The headline where nothing is bad that can be seen, but not everything can be."""
    everything = len(alike) == len(components)
    if not any(last_event_at(one) for one in components):
        return "Nothing is measured yet"
    if worst.state is State.NO_SIGNAL:
        return "We have no measurements right now" if everything else f"No signal from {listing(alike, at_most=SPOKEN)}"
    return "Too few requests to say" if everything else "Everything we can measure works"


def _alike(one: Condition, other: Condition) -> bool:
    return one.state is other.state and one.slow is other.slow


def lede(
    components: Sequence[Component], conditions: Conditions, incidents: Sequence[Incident], now: datetime
) -> list[Sentence]:
    """How many people, since when, and what still works."""
    by_rank = sorted(components, key=lambda one: -conditions[one.name].look.rank)
    troubled = [one for one in by_rank if conditions[one.name].troubled]
    said = [_how_many(one, conditions[one.name], incidents, now) for one in troubled[:SPOKEN]]
    return [
        *(sentence for sentence in said if sentence),
        *_silent(components, conditions, incidents, now),
        *_rest(components, conditions),
    ]


def _how_many(
    component: Component, condition: Condition, incidents: Sequence[Incident], now: datetime
) -> Sentence | None:
    incident = next((one for one in incidents if one.component == component.name and one.resolved_at is None), None)
    promise = condition.promise
    if incident and incident.bad_share:
        over = condition.state is State.RECOVERING
        span = (
            between(incident.started_at, incident.bad_until or now, now)
            if over
            else f"since {when(incident.started_at, now)}"
        )
        return _share(component, incident.bad_share, span, slow=incident.slow, past=over)
    if promise and promise.live_valid:
        bad = Fraction(promise.live_valid - promise.live_good, promise.live_valid)
        return _share(component, bad, "in the last minute", slow=promise.about_time)
    return None


def _share(component: Component, bad: Fraction, span: str, *, slow: bool, past: bool = False) -> Sentence:
    share = one_in(bad)
    many = "1 in" not in share and share != "all"
    verb = _verb(many=many, slow=slow, past=past)
    if share == "all":
        return Sentence(stressed="Every", after=f" request to {component.title} {verb} {span}.")
    if share[0].isdigit():
        return Sentence(before="About ", stressed=share, after=f" requests to {component.title} {verb} {span}.")
    return Sentence(stressed=share.capitalize(), after=f" requests to {component.title} {verb} {span}.")


def _verb(*, many: bool, slow: bool, past: bool) -> str:
    if slow:
        been = ("were" if many else "was") if past else ("have been" if many else "has been")
        return f"{been} slower than promised"
    return "failed" if past else ("have failed" if many else "has failed")


def _silent(
    components: Sequence[Component], conditions: Conditions, incidents: Sequence[Incident], now: datetime
) -> list[Sentence]:
    silent = [one for one in components if conditions[one.name].state is State.NO_SIGNAL]
    hurt = {one.component for one in incidents if one.resolved_at is None}
    if silent and len(silent) == len(components):
        heard = any(last_event_at(one) for one in components)
        return [Sentence(before=BLIND if heard else "Figures appear here as soon as the first requests are measured.")]
    return [Sentence(before=_silence(one, one.name in hurt, now)) for one in silent[:SPOKEN]]


def _silence(component: Component, hurt: bool, now: datetime) -> str:  # noqa: FBT001
    heard = last_event_at(component)
    if heard is None:
        return f"We have not heard from {component.title} yet."
    trouble = ", when it was failing" if hurt else ""
    return f"We last heard from {component.title} at {when(heard, now)}{trouble}."


def _rest(components: Sequence[Component], conditions: Conditions) -> list[Sentence]:
    """What still works, where something does not."""
    working = [one.title for one in components if conditions[one.name].state is State.WORKING]
    few = [one.title for one in components if conditions[one.name].state is State.LOW_TRAFFIC]
    said = []
    if working and len(working) + len(few) < len(components):
        said.append(Sentence(before=f"{listing(working, at_most=4)} {'works' if len(working) == 1 else 'work'}."))
    if few and len(few) < len(components):
        has = "has" if len(few) == 1 else "have"
        said.append(Sentence(before=f"{listing(few)} {has} too few requests right now to say."))
    return said


INDICATORS = {
    "operational": ("none", "All Systems Operational"),
    "degraded_performance": ("minor", "Partially Degraded Service"),
    "some_partial": ("minor", "Minor Service Outage"),
    "most_partial": ("major", "Partial System Outage"),
    "all_major": ("critical", "Major System Outage"),
}


def indicator(components: Sequence[Component], conditions: Conditions) -> tuple[str, str]:
    """Statuspage's indicator and its description.

    Source: Statuspage API v2 samples: degraded and some partial are minor, partial everywhere or some major is major,
    major everywhere is critical.
    """
    states = [conditions[component.name].api for component in components]
    if not states:
        return "minor", "Nothing Measured Yet"
    if all(state == "major_outage" for state in states):
        return INDICATORS["all_major"]
    if "major_outage" in states or all(state == "partial_outage" for state in states):
        return INDICATORS["most_partial"]
    if "partial_outage" in states:
        return INDICATORS["some_partial"]
    if "degraded_performance" in states:
        return INDICATORS["degraded_performance"]
    return INDICATORS["operational"]
