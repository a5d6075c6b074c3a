"""How a component works, decided from counts."""

from datetime import date, timedelta
from decimal import Decimal
from fractions import Fraction

import pytest

from fixtures.page_facts import NOW, component, live, promise
from statuspage.snapshot import Component, Day
from statuspage.states import LOOKS, Condition, DayLevel, State, condition_of, day_level


def condition(one: Component, hurt: list[str] | None = None, *, known_s: float = 0, now_s: float = 0) -> Condition:
    moment = NOW + timedelta(seconds=now_s)
    return condition_of(one, now=moment, known_at=moment - timedelta(seconds=known_s), hurt=hurt)


@pytest.mark.parametrize(
    ("bad", "state"),
    [
        (0, State.WORKING),
        (9, State.WORKING),
        (10, State.SOME),
        (499, State.SOME),
        (500, State.MOST),
        (949, State.MOST),
        (950, State.DOWN),
        (1_000, State.DOWN),
    ],
)
def test_the_share_of_bad_requests_in_the_newest_minute_decides(bad: int, state: State) -> None:
    """For a promise of 99.9 %: ten times the allowance, a half, nearly all."""
    assert condition(component(live(bad))).state is state


def test_a_promise_about_time_makes_a_component_slow_but_never_down() -> None:
    """A slow answer is an answer."""
    slow = condition(component(live(1_000, about_time=True)))
    assert (slow.state, slow.word, slow.api) == (State.MOST, "Slow for most", "partial_outage")


@pytest.mark.parametrize(("bad", "state"), [(50, State.WORKING), (99, State.WORKING), (100, State.SOME)])
def test_a_promise_kept_to_the_letter_is_not_called_failing(bad: int, state: State) -> None:
    """A target of 95 % allows one in twenty; failing begins at twice that."""
    assert condition(component(live(bad, target=Decimal("0.95")))).state is state


def test_a_component_is_as_well_as_its_worst_promise() -> None:
    """Whichever that is."""
    one = component(live(0), live(600, name="fast", about_time=True))
    assert condition(one).word == "Slow for most"


def test_too_few_requests_say_nothing() -> None:
    """Nine of ten failing is no news if there were nine, unless another promise knows better."""
    assert condition(component(live(9, of=9))).state is State.LOW_TRAFFIC
    assert condition(component(live(9, of=9), live(0, name="other"))).state is State.WORKING


@pytest.mark.parametrize(
    ("bad", "of", "state"),
    [(0, 1_000, State.RECOVERING), (1, 1_000, State.RECOVERING), (2, 1_000, State.SOME), (0, 3, State.SOME)],
)
def test_an_open_incident_is_recovering_only_once_the_newest_minute_keeps_the_promise(
    bad: int, of: int, state: State
) -> None:
    """And enough requests say so."""
    assert condition(component(live(bad, of=of)), ["checkout-works"]).state is state


def test_an_incident_hurts_the_promises_it_names_or_else_the_main_one() -> None:
    """A promise of the same component that is kept stays kept."""
    one = component(live(2), live(0, name="fast", about_time=True))
    assert condition(one, ["fast"]).state is State.RECOVERING
    assert condition(one, ["renamed-since"]).state is State.SOME


def test_what_is_older_than_three_minutes_is_no_signal() -> None:
    """Whether the page could not read, the evaluator stands still, or requests stopped."""
    one = component(live(0))
    assert condition(one, known_s=180).state is State.WORKING
    assert condition(one, known_s=181).state is State.NO_SIGNAL
    assert condition(component(live(0, evaluated_at=NOW - timedelta(seconds=181)))).state is State.NO_SIGNAL
    assert condition(component(live(0, last_event_at=NOW - timedelta(seconds=181)))).state is State.NO_SIGNAL


def test_silence_is_no_signal_even_while_an_incident_is_open() -> None:
    """A service that is dead sends nothing; the page does not guess."""
    silent = component(live(0, last_event_at=NOW - timedelta(minutes=10)))
    assert condition(silent, ["checkout-works"]).state is State.NO_SIGNAL


def test_silence_of_who_is_seldom_used_is_not_enough_traffic() -> None:
    """A request every ten minutes: three silent ones say nothing, two hours do."""
    seldom = {"good": 4_320, "valid": 4_320, "live_good": 0, "live_valid": 0}
    quiet = component(promise(**seldom, last_event_at=NOW - timedelta(minutes=4)))
    dead = component(promise(**seldom, last_event_at=NOW - timedelta(hours=2)))
    assert condition(quiet).state is State.LOW_TRAFFIC
    assert condition(dead).state is State.NO_SIGNAL


def test_a_component_that_was_never_measured_is_no_signal() -> None:
    """Nothing is never good."""
    assert condition(component()).state is State.NO_SIGNAL
    assert condition(component(promise(last_event_at=None))).state is State.NO_SIGNAL


@pytest.mark.parametrize(
    ("good", "valid", "level"),
    [
        (0, 0, DayLevel.NO_DATA),
        (1_000, 1_000, DayLevel.KEPT),
        (999, 1_000, DayLevel.KEPT),
        (998, 1_000, DayLevel.MISSED),
        (950, 1_000, DayLevel.BAD),
        (750, 1_000, DayLevel.WORST),
        (0, 1, DayLevel.WORST),
    ],
)
def test_a_day_is_as_tall_as_it_was_bad(good: int, valid: int, level: DayLevel) -> None:
    """No data is neither kept nor missed."""
    day = Day(day=date(2026, 11, 12), good=good, valid=valid)
    assert day_level(day, target=Fraction(999, 1_000)) is level


def test_states_differ_in_shape_or_in_word() -> None:
    """Colour is never alone."""
    assert len({(look.shape, look.word) for look in LOOKS.values()}) == len(State)
    assert set(LOOKS) == set(State)
