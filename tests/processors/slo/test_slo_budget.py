"""Published and recomputed figures, exactly."""

from fractions import Fraction

import pytest
from hypothesis import given
from hypothesis import strategies as st

from processors.slo.budget import (
    Counts,
    allowed,
    burn_rate,
    committed,
    consumed,
    exhausted_in_s,
    misses,
    projected,
    remaining,
    sli,
)

DAY_S = 86_400
counts = st.integers(0, 10**9).flatmap(lambda valid: st.builds(Counts, st.integers(0, valid), st.just(valid)))
targets = st.fractions(Fraction(1, 1000), Fraction(999_999, 1_000_000), max_denominator=10**6)


def test_nothing_measured_has_no_indicator() -> None:
    """0 of 0 is neither good nor bad."""
    with pytest.raises(ZeroDivisionError):
        sli(Counts())


@pytest.mark.parametrize(("good", "valid"), [(2, 1), (-1, 1)])
def test_counts_that_cannot_be_are_refused(good: int, valid: int) -> None:
    """Good events are among the valid ones."""
    with pytest.raises(ValueError, match="expected 0 <= good <= valid"):
        Counts(good, valid)


def test_a_budget_that_is_spent_is_exhausted_now_and_one_that_is_not_used_never() -> None:
    """The ends of the scale."""
    assert exhausted_in_s(Fraction(-1), 60, Fraction(2)) == 0
    assert exhausted_in_s(Fraction(1), 60, Fraction(0)) is None


def test_one_failure_in_a_fresh_window_misses_nothing() -> None:
    """Two of three is below any target, and still means nothing."""
    assert not misses(Counts(2, 3), Fraction("0.99"), 2)
    assert misses(Counts(2, 4), Fraction("0.99"), 2)


def test_exactly_the_target_is_kept() -> None:
    """A promise of at least 99 % holds at 99 %."""
    assert not misses(Counts(990, 1_000), Fraction("0.99"), 2)
    assert misses(Counts(989, 1_000), Fraction("0.99"), 2)


@given(counts, counts, counts)
def test_counts_add_up_in_any_order_and_any_pieces(one: Counts, two: Counts, three: Counts) -> None:
    """Merging is associative and commutative, so late and replayed slices need no special path."""
    assert (one + two) + three == three + (two + one)


@given(counts, targets)
def test_budget_is_overspent_exactly_when_the_target_is_missed(some: Counts, target: Fraction) -> None:
    """The two ways to say it never disagree, whatever the numbers."""
    if some.valid:
        assert (remaining(some, target) < 0) == (sli(some) < target)
        assert burn_rate(some, target) * (1 - target) == 1 - sli(some)


@given(counts, targets)
def test_without_bad_events_nothing_is_spent(some: Counts, target: Fraction) -> None:
    """A budget falls by failures alone."""
    assert (remaining(some, target) == 1) == (some.bad == 0)


def test_a_period_that_is_not_over_has_two_readings() -> None:
    """A tenth of a month with 3 of 1 000 bad at 99 %: 30 % of what was allowed so far, 3 % of what the month allows."""
    so_far, target, elapsed = Counts(997, 1_000), Fraction("0.99"), Fraction(1, 10)
    assert consumed(so_far, target) == Fraction("0.3")
    assert projected(so_far.valid, elapsed) == 10_000
    assert allowed(10_000, target) == 100
    assert committed(so_far, target, projected(so_far.valid, elapsed)) == Fraction("0.03")
    assert committed(so_far, target, projected(so_far.valid, elapsed)) == consumed(so_far, target, elapsed)


def test_of_slices_the_whole_period_is_known() -> None:
    """Two and a half slices of 8 640 bad, whenever: 28.94 % of a budget of 8.64."""
    day = Counts(288 - Fraction(5, 2), 288)
    assert day.bad == Fraction(5, 2)
    assert committed(day, Fraction("0.999"), 8_640) == Fraction(5, 2) / Fraction("8.64")


def test_what_is_spent_is_gone() -> None:
    """A budget half spent lasts half as long."""
    whole, half = (exhausted_in_s(left, 30 * DAY_S, Fraction(2)) for left in (Fraction(1), Fraction(1, 2)))
    assert whole == 15 * DAY_S
    assert half == 7.5 * DAY_S
