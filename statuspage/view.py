"""What the templates show: a snapshot and the time it is now, turned into words. Pure; the templates only place it.

In: `Snapshot` and now. Out: frozen values that hold finished texts. All judgement is in `states`, all wording in
`words` and `sentences`; here they are put together.
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import UTC, date, datetime, timedelta
from fractions import Fraction
from itertools import groupby

from statuspage import words
from statuspage.curve import Drawing, draw
from statuspage.sentences import Conditions, Sentence, headline, lede, overall
from statuspage.snapshot import Component, Day, Incident, Promise, Snapshot, Update
from statuspage.states import Condition, DayLevel, State, condition_of, day_level, last_event_at

DAYS_SHOWN = 90  # on a narrow screen the style hides all but 30, and the caption says so
EARLIER_DAYS = 14
STALE_AFTER = timedelta(seconds=10)
NEW_AFTER = timedelta(hours=1)  # measured only since so long after a window began: the share of it says little


@dataclass(frozen=True, slots=True, kw_only=True)
class DayView:
    """One bar, and its row in the table that says the same."""

    day: date
    label: str
    level: DayLevel
    figure: str
    requests: str
    incidents: int
    text: str


@dataclass(frozen=True, slots=True, kw_only=True)
class PromiseView:
    """What was promised and delivered, in words."""

    promise: Promise
    title: str
    figure: str
    requests: str
    window: str
    promised: str
    budget: str
    overspent: bool
    coverage: str

    @property
    def name(self) -> str:
        return self.promise.name


@dataclass(frozen=True, slots=True, kw_only=True)
class ComponentView:
    """One component on the page."""

    component: Component
    condition: Condition
    word: str
    main: PromiseView | None
    others: tuple[PromiseView, ...]
    days: tuple[DayView, ...]
    days_label: str

    @property
    def title(self) -> str:
        return self.component.title


@dataclass(frozen=True, slots=True, kw_only=True)
class UpdateView:
    update: Update
    time: str
    status: str


@dataclass(frozen=True, slots=True, kw_only=True)
class IncidentView:
    """One incident, with its measurement drawn."""

    incident: Incident
    component: str
    condition: Condition
    status: str
    lasted: str
    started: str
    good_again: str
    resolved: str
    people: str
    drawing: Drawing | None
    drawing_label: str
    curve_from: str
    curve_to: str
    promised: str
    lowest: str
    updates: tuple[UpdateView, ...]

    @property
    def open(self) -> bool:
        return self.incident.resolved_at is None

    @property
    def last_word(self) -> str:
        """What a person said last; else what the measurement said."""
        said = [one.update.body for one in self.updates]
        human = [one.update.body for one in self.updates if not one.update.automatic]
        return next(iter(human or said), "")


@dataclass(frozen=True, slots=True, kw_only=True)
class Stretch:
    """Days without incidents, or one day with some."""

    label: str
    incidents: tuple[IncidentView, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class PageView:
    """The whole page."""

    condition: Condition
    headline: str
    lede: tuple[Sentence, ...]
    measured: str
    banner: str
    components: tuple[ComponentView, ...]
    open_incidents: tuple[IncidentView, ...]
    earlier: tuple[Stretch, ...]


def conditions_of(snapshot: Snapshot, now: datetime) -> dict[str, Condition]:
    """The condition of every component, by name."""
    return {
        component.name: condition_of(component, now=now, known_at=snapshot.taken_at, hurt=_hurt(component, snapshot))
        for component in snapshot.components
    }


def _hurt(component: Component, snapshot: Snapshot) -> Sequence[str] | None:
    mine = [incident for incident in snapshot.open_incidents if incident.component == component.name]
    return [name for incident in mine for name in incident.promises] if mine else None


def page_view(snapshot: Snapshot, now: datetime) -> PageView:
    """The start page."""
    conditions = conditions_of(snapshot, now)
    measured_at = max(filter(None, map(last_event_at, snapshot.components)), default=None)
    if measured_at is not None:  # it is the end of a slice, which may not be over yet
        measured_at = min(measured_at, snapshot.taken_at)
    return PageView(
        condition=overall(snapshot.components, conditions),
        headline=headline(snapshot.components, conditions),
        lede=(*lede(snapshot.components, conditions, snapshot.incidents, now), *_last_word(snapshot, conditions, now)),
        measured=f"{words.ago(now - measured_at)}, at {words.clock_s(measured_at)}" if measured_at else "",
        banner=banner(snapshot, now),
        components=tuple(_component(one, conditions[one.name], snapshot, now) for one in snapshot.components),
        open_incidents=tuple(incident_view(one, snapshot, now) for one in snapshot.open_incidents),
        earlier=tuple(earlier(snapshot, now, days=EARLIER_DAYS)),
    )


def _last_word(snapshot: Snapshot, conditions: Conditions, now: datetime) -> Iterator[Sentence]:
    """What this page said when it still knew, if it knows nothing now."""
    then = known_at(snapshot)
    before = headline(snapshot.components, conditions_of(snapshot, then))
    blind = overall(snapshot.components, conditions).state is State.NO_SIGNAL
    if blind and before != headline(snapshot.components, conditions):
        yield Sentence(before=f"At {words.when(then, now)} it was: ", stressed=before, after=".")


def known_at(snapshot: Snapshot) -> datetime:
    """When the oldest of what is shown was still new: reading and evaluating both have to go on."""
    evaluated = [promise.evaluated_at for _, promise in snapshot.promises]
    return min([snapshot.taken_at, *([max(evaluated)] if evaluated else [])])


def banner(snapshot: Snapshot, now: datetime) -> str:
    """What to say about the age of the page, if it is not new."""
    age = now - known_at(snapshot)
    if age <= STALE_AFTER:
        return ""
    return (
        f"These are our last saved measurements, from {words.when(known_at(snapshot), now)} ({words.ago(age)}). "
        "New ones will appear here by themselves."
    )


def _component(component: Component, condition: Condition, snapshot: Snapshot, now: datetime) -> ComponentView:
    views = [promise_view(promise, component, now) for promise in component.promises]
    days = tuple(day_views(component, snapshot))
    return ComponentView(
        component=component,
        condition=condition,
        word=_word(component, condition, now),
        main=views[0] if views else None,
        others=tuple(views[1:]),
        days=days,
        days_label=_days_label(component, days),
    )


def _word(component: Component, condition: Condition, now: datetime) -> str:
    heard = last_event_at(component)
    if condition.state is State.NO_SIGNAL and heard:
        return f"{condition.word} since {words.when(heard, now)}"
    return condition.word


def promise_view(promise: Promise, component: Component, now: datetime) -> PromiseView:
    """One promise in words."""
    share = Fraction(promise.good, promise.valid) if promise.valid else None
    left = words.exact(promise.budget_left)
    return PromiseView(
        promise=promise,
        title=promise.title,
        figure="no data" if share is None else words.percent(share, words.decimals_for(promise.target)),
        requests=words.count(promise.valid),
        window=promise.window,
        promised=words.target_percent(promise.target),
        budget=words.budget(left) if promise.valid else "",
        overspent=left < 0,
        coverage=_coverage(promise, component, now) if promise.valid else "",
    )


def _coverage(promise: Promise, component: Component, now: datetime) -> str:
    """How much of the window was measured, if not all of it: a share, or since when."""
    if component.since - promise.window_start > NEW_AFTER:
        return f"measured since {words.when(component.since, now)}"
    covered = words.exact(promise.coverage)
    return f"measured {words.percent(covered, 1)} of the time" if covered < 1 else ""


def day_views(component: Component, snapshot: Snapshot) -> Iterator[DayView]:
    """The last 90 days, oldest first."""
    if not component.promises:
        return
    target = component.promises[0].target
    for day in component.days[-DAYS_SHOWN:]:
        yield _day(day, Fraction(target), words.decimals_for(target), _incidents_on(day.day, component, snapshot))


def _day(day: Day, target: Fraction, decimals: int, incidents: int) -> DayView:
    figure = words.percent(Fraction(day.good, day.valid), decimals) if day.valid else "no data"
    told = [figure, *([words.plural(incidents, "incident")] if incidents else [])]
    return DayView(
        day=day.day,
        label=words.day(day.day),
        level=day_level(day, target=target),
        figure=figure,
        requests=words.count(day.valid),
        incidents=incidents,
        text=f"{words.day(day.day)}: {', '.join(told)}",
    )


def _incidents_on(day: date, component: Component, snapshot: Snapshot) -> int:
    mine = (one for one in snapshot.incidents if one.component == component.name)
    return sum(_began(one) <= day <= (one.resolved_at or snapshot.taken_at).astimezone(UTC).date() for one in mine)


def _days_label(component: Component, days: Sequence[DayView]) -> str:
    """All bars in one sentence, for who does not see them."""
    measured = [day for day in days if day.level is not DayLevel.NO_DATA]
    missed = [day for day in measured if day.level is not DayLevel.KEPT]
    head = f"{component.title}, last {len(days)} days"
    if not measured:
        return f"{head}: no data."
    unmeasured = f", {words.plural(len(days) - len(measured), 'day')} without data" if len(measured) < len(days) else ""
    if not missed:
        return f"{head}: every measured day as promised{unmeasured}."
    told = "; ".join(day.text for day in missed)
    return f"{head}: {words.plural(len(missed), 'day')} below the promise{unmeasured}. {told}."


def incident_view(incident: Incident, snapshot: Snapshot, now: datetime) -> IncidentView:
    """One incident in words, with its drawing."""
    component = next((one for one in snapshot.components if one.name == incident.component), None)
    # How an open one went on since the page was new, nobody knows.
    ended = (incident.bad_until if incident.calm else None) or incident.resolved_at or known_at(snapshot)
    curve = incident.curve
    drawing = draw(curve, started_at=incident.started_at, ended_at=ended) if curve and curve.points else None
    title = component.title if component else incident.component
    promised = words.target_percent(curve.target) if curve else ""
    lowest = _lowest(drawing, incident.started_at)
    return IncidentView(
        incident=incident,
        component=title,
        condition=_condition(incident, component, snapshot, now),
        status=STATUS_WORDS[incident.state],
        lasted=words.duration(ended - incident.started_at),
        started=words.when(incident.started_at, now),
        good_again=words.when(ended, now) if incident.calm else "",
        resolved=words.when(incident.resolved_at, now) if incident.resolved_at else "",
        people=_people(incident),
        drawing=drawing,
        drawing_label=f"Share of good requests to {title}, promised {promised}. {lowest.capitalize()}".strip(),
        curve_from=words.when(curve.start, now) if curve else "",
        curve_to=words.when(curve.end, curve.start) if curve else "",
        promised=promised,
        lowest=lowest,
        updates=tuple(_update(update, incident) for update in incident.updates),
    )


STATUS_WORDS = {
    "investigating": "investigating",
    "identified": "cause found",
    "monitoring": "recovering",
    "resolved": "resolved",
    "postmortem": "resolved",
}


def _condition(incident: Incident, component: Component | None, snapshot: Snapshot, now: datetime) -> Condition:
    if incident.resolved_at or component is None:
        return Condition(state=State.WORKING)
    return condition_of(component, now=now, known_at=snapshot.taken_at, hurt=incident.promises)


def _people(incident: Incident) -> str:
    if not incident.valid:
        return ""
    did = "were too slow" if incident.slow else "failed"
    return f"{words.count(incident.valid - incident.good)} of {words.count(incident.valid)} requests {did}"


def _lowest(drawing: Drawing | None, began: datetime) -> str:
    if drawing is None or drawing.lowest is None:
        return ""
    point = drawing.lowest
    return f"lowest {words.percent(Fraction(point.good, point.valid), 1)} at {words.when(point.at, began)}"


def _update(update: Update, incident: Incident) -> UpdateView:
    at = update.at.astimezone(UTC)
    same_day = at.date() == incident.started_at.astimezone(UTC).date()
    time = words.clock(at) if same_day else f"{words.day(at)}, {words.clock(at)}"
    return UpdateView(update=update, time=time, status=STATUS_WORDS[update.status].capitalize())


def earlier(snapshot: Snapshot, now: datetime, *, days: int, open_too: bool = False) -> Iterator[Stretch]:
    """The last `days` days since the first data, newest first, each incident on the day it began.

    Days on which nothing went on are told as one stretch; open incidents are left out unless `open_too`.
    """
    today = now.astimezone(UTC).date()
    first = min((component.since.astimezone(UTC).date() for component in snapshot.components), default=today)
    told = [incident for incident in snapshot.incidents if open_too or incident.resolved_at is not None]
    by_day = {
        day: tuple(incident_view(one, snapshot, now) for one in incidents)
        for day, incidents in groupby(sorted(told, key=_began), key=_began)
    }
    running = {day for one in snapshot.incidents for day in _span(_began(one), (one.resolved_at or now).date())}
    span = _span(max(first, today - timedelta(days=days - 1)), today)
    shown = [day for day in span if day in by_day or day not in running][::-1]
    for busy, group in groupby(shown, key=lambda day: day if day in by_day else None):
        stretch = list(group)
        yield Stretch(label=words.days(stretch[-1], stretch[0]), incidents=by_day[busy] if busy else ())


def _span(first: date, last: date) -> Iterator[date]:
    return (first + timedelta(days=more) for more in range((last - first).days + 1))


def _began(incident: Incident) -> date:
    return incident.started_at.astimezone(UTC).date()
