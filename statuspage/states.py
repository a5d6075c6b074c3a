"""How well a component works for people, decided from counts: every threshold of the page stands here.

In: a component's facts and the time it is now. Out: a `State`. First match wins:

    what is known is older than 3 windows                          no signal
    silent for 3 windows, though it usually gets requests          no signal
    fewer than 10 requests in the newest window                    not enough traffic (failing for some, in an incident)
    at least 95 % of the newest window bad                         down (failing for most, if it is about time)
    at least 50 %                                                  failing for most
    10 times what the promise allows, at most 5 %                  failing for some
    an incident is open, more bad than the promise allows          failing for some
    an incident is open                                            recovering
    else                                                           working
"""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from enum import StrEnum
from fractions import Fraction

from statuspage.snapshot import Component, Day, Promise

LIVE_WINDOW = timedelta(seconds=60)
SILENCE = 3 * LIVE_WINDOW
SURPRISING_REQUESTS = 10  # silence says something once this many requests were to be expected: by chance 1 in 20 000
MIN_REQUESTS = 10
ALL_BAD = Fraction(95, 100)
MOST_BAD = Fraction(1, 2)
SOME_BAD = Fraction(5, 100)
SOME_BURN = 10  # times what the promise allows
LEAST_BURN = 2  # so that a promise of 95 % kept to the letter is not called failing


class State(StrEnum):
    """What people meet, from good to bad to unknown."""

    WORKING = "working"
    RECOVERING = "recovering"
    SOME = "failing_for_some"
    MOST = "failing_for_most"
    DOWN = "down"
    NO_SIGNAL = "no_signal"
    LOW_TRAFFIC = "not_enough_traffic"


class Shape(StrEnum):
    """What stands beside the word, so that colour is never alone."""

    DISC = "disc"
    TRIANGLE = "triangle"
    DIAMOND = "diamond"
    SQUARE = "square"
    DOTTED = "dotted"
    QUARTER = "quarter"


@dataclass(frozen=True, slots=True, kw_only=True)
class Look:
    """How a state is shown: shape, word, the word when it is about time, Statuspage's name, and how bad it is."""

    shape: Shape
    word: str
    slow_word: str
    api: str
    slow_api: str
    rank: int


LOOKS = {
    State.WORKING: Look(
        shape=Shape.DISC, word="Working", slow_word="Working", api="operational", slow_api="operational", rank=0
    ),
    State.LOW_TRAFFIC: Look(
        shape=Shape.QUARTER,
        word="Not enough traffic",
        slow_word="Not enough traffic",
        api="operational",
        slow_api="operational",
        rank=1,
    ),
    State.NO_SIGNAL: Look(
        shape=Shape.DOTTED,
        word="No signal",
        slow_word="No signal",
        api="degraded_performance",
        slow_api="degraded_performance",
        rank=2,
    ),
    State.RECOVERING: Look(
        shape=Shape.TRIANGLE,
        word="Recovering",
        slow_word="Recovering",
        api="degraded_performance",
        slow_api="degraded_performance",
        rank=3,
    ),
    State.SOME: Look(
        shape=Shape.TRIANGLE,
        word="Failing for some",
        slow_word="Slow for some",
        api="partial_outage",
        slow_api="degraded_performance",
        rank=4,
    ),
    State.MOST: Look(
        shape=Shape.DIAMOND,
        word="Failing for most",
        slow_word="Slow for most",
        api="major_outage",
        slow_api="partial_outage",
        rank=5,
    ),
    State.DOWN: Look(
        shape=Shape.SQUARE,
        word="Down",
        slow_word="Slow for most",
        api="major_outage",
        slow_api="partial_outage",
        rank=6,
    ),
}


@dataclass(frozen=True, slots=True, kw_only=True)
class Condition:
    """The state of one component, and the promise that says so, if one does."""

    state: State
    promise: Promise | None = None

    @property
    def slow(self) -> bool:
        return self.promise is not None and self.promise.about_time

    @property
    def look(self) -> Look:
        return LOOKS[self.state]

    @property
    def word(self) -> str:
        return self.look.slow_word if self.slow else self.look.word

    @property
    def api(self) -> str:
        return self.look.slow_api if self.slow else self.look.api

    @property
    def troubled(self) -> bool:
        return self.look.rank >= LOOKS[State.RECOVERING].rank


def condition_of(component: Component, *, now: datetime, known_at: datetime, hurt: Sequence[str] | None) -> Condition:
    """How `component` works at `now`, from what was known at `known_at`.

    `hurt` names the promises of its open incidents; None says that none is open.
    """
    if not component.promises or no_signal(component, now=now, known_at=known_at):
        return Condition(state=State.NO_SIGNAL)
    each = [
        Condition(state=promise_state(promise, in_incident=_is_hurt(promise, component, hurt)), promise=promise)
        for promise in component.promises
    ]
    worst = max(each, key=lambda one: one.look.rank)
    return worst if worst.state is not State.LOW_TRAFFIC else _busiest(each)


def _is_hurt(promise: Promise, component: Component, hurt: Sequence[str] | None) -> bool:
    if hurt is None:
        return False
    known = {one.name for one in component.promises} & set(hurt)
    return promise.name in known if known else promise is component.promises[0]


def _busiest(each: Sequence[Condition]) -> Condition:
    """Too few requests for one promise are no news if another counts enough of them."""
    return next((one for one in each if one.state is State.WORKING), each[0])


def no_signal(component: Component, *, now: datetime, known_at: datetime) -> bool:
    """Whether nothing is known of `component` now: the facts are old, or it is silent where requests were expected."""
    evaluated = max(promise.evaluated_at for promise in component.promises)
    if now - min(known_at, evaluated) > SILENCE:
        return True
    heard = last_event_at(component)
    return heard is None or (now - heard > SILENCE and _expected(component, now - heard) >= SURPRISING_REQUESTS)


def last_event_at(component: Component) -> datetime | None:
    """When the newest request to `component` ended."""
    return max((promise.last_event_at for promise in component.promises if promise.last_event_at), default=None)


def _expected(component: Component, silence: timedelta) -> Fraction:
    """How many requests usually come in so long a time, at the mean rate of the main promise's window."""
    main = component.promises[0]
    heard = last_event_at(component) or main.window_end
    measured = heard - max(main.window_start, component.since)
    seconds = max(1, int(measured.total_seconds()))
    return Fraction(main.valid, seconds) * int(silence.total_seconds())


def promise_state(promise: Promise, *, in_incident: bool) -> State:
    """What the newest window says of one promise."""
    if promise.live_valid < MIN_REQUESTS:
        return State.SOME if in_incident else State.LOW_TRAFFIC
    bad = Fraction(promise.live_valid - promise.live_good, promise.live_valid)
    allowed = 1 - Fraction(promise.target)
    if bad >= ALL_BAD:
        return State.MOST if promise.about_time else State.DOWN
    if bad >= MOST_BAD:
        return State.MOST
    if bad >= max(LEAST_BURN * allowed, min(SOME_BAD, SOME_BURN * allowed)):
        return State.SOME
    if in_incident:
        return State.SOME if bad > allowed else State.RECOVERING
    return State.WORKING


class DayLevel(StrEnum):
    """How a day went, as height and colour of its bar."""

    NO_DATA = "none"
    KEPT = "kept"
    MISSED = "missed"
    BAD = "bad"
    WORST = "worst"


DAY_BAD, DAY_WORST = Fraction(5, 100), Fraction(25, 100)


def day_level(day: Day, *, target: Fraction) -> DayLevel:
    """A day by the share of its requests that were bad: none measured, kept, missed, 5 %, 25 %."""
    if not day.valid:
        return DayLevel.NO_DATA
    bad = Fraction(day.valid - day.good, day.valid)
    if bad >= DAY_WORST:
        return DayLevel.WORST
    if bad >= DAY_BAD and bad > 1 - target:
        return DayLevel.BAD
    return DayLevel.MISSED if bad > 1 - target else DayLevel.KEPT
