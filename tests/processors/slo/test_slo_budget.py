"""Published and recomputed figures, exactly."""

from fractions import Fraction

import pytest
from hypothesis import given
from hypothesis import strategies as st

from processors.slo.budget import (
    Counts,
    burn_rate,
    consumed,
    exhausted_in_s,
    max_burn_rate,
    misses,
    remaining,
    sli,
)

DAY_S = 86_400
counts = st.integers(0, 10**9).flatmap(lambda valid: st.builds(Counts, st.integers(0, valid), st.just(valid)))
targets = st.fractions(Fraction(1, 1000), Fraction(999_999, 1_000_000), max_denominator=10**6)


def test_one_failure_in_a_hundred_is_99_percent() -> None:
    """OpenSLO's example: 1 bad of 100."""
    assert sli(Counts(99, 100)) == Fraction(99, 100)


def test_nothing_measured_has_no_indicator() -> None:
    """0 of 0 is neither good nor bad."""
    with pytest.raises(ZeroDivisionError):
        sli(Counts())


@pytest.mark.parametrize(("good", "valid"), [(2, 1), (-1, 1)])
def test_counts_that_cannot_be_are_refused(good: int, valid: int) -> None:
    """Good events are among the valid ones."""
    with pytest.raises(ValueError, match="expected 0 <= good <= valid"):
        Counts(good, valid)


@pytest.mark.parametrize(("target", "highest"), [("0.9", 10), ("0.96", 25), ("0.99", 100), ("0.999", 1_000)])
def test_highest_burn_rate_is_that_of_a_total_outage(target: str, highest: int) -> None:
    """1/(1 - target)."""
    assert max_burn_rate(Fraction(target)) == highest
    assert burn_rate(Counts(0, 7), Fraction(target)) == highest


def test_an_hour_of_total_outage_uses_little_of_a_90_percent_month() -> None:
    """The Workbook's 1.4 %: why such a promise can never burn at 14.4."""
    hour = Fraction(3_600, 30 * DAY_S)
    assert consumed(Counts(0, 10), Fraction("0.9"), hour) == Fraction(1, 72)


def test_one_failure_of_ten_requests_burns_a_hundredfold() -> None:
    """The Workbook's low-traffic service: 10 requests an hour, one fails, 99.9 % in 30 days."""
    hour = Counts(9, 10)
    assert burn_rate(hour, Fraction("0.999")) == 100
    assert consumed(hour, Fraction("0.999"), Fraction(1, 720)) == Fraction(100, 720)


@pytest.mark.parametrize(
    ("target", "days", "budget_s"),
    [("0.99999", 30, Fraction("25.92")), ("0.999", 30, Fraction("43.2") * 60), ("0.999", 7, Fraction("10.08") * 60)],
)
def test_budget_as_time(target: str, days: int, budget_s: Fraction) -> None:
    """A budget is so much of a total outage."""
    assert (1 - Fraction(target)) * days * DAY_S == budget_s


def test_at_one_percent_errors_five_nines_last_43_minutes() -> None:
    """26 s of budget, spent at a thousand times the allowed rate."""
    rate = burn_rate(Counts(99, 100), Fraction("0.99999"))
    assert exhausted_in_s(Fraction(1), 30 * DAY_S, rate) == Fraction("43.2") * 60


def test_exactly_14_4_is_not_lost_to_floating_point() -> None:
    """An SLI of 98.56 % against 99.9 % burns at 14.4, which floats take for less."""
    assert burn_rate(Counts(9_856, 10_000), Fraction("0.999")) == Fraction("14.4")
    assert (1 - 0.9856) / (1 - 0.999) < 14.4


def test_occurrences_of_ten_uneven_slices() -> None:
    """111 of 118 against 95 %: 94.0678 %, and 118.644 % of the budget."""
    good = [2, 10, 12, 13, 13, 12, 13, 13, 12, 11]
    valid = [4, 10, 12, 13, 14, 15, 14, 13, 12, 11]
    total = sum((Counts(*pair) for pair in zip(good, valid, strict=True)), Counts())
    assert sli(total) == Fraction(111, 118)
    assert consumed(total, Fraction("0.95")) == Fraction(70, 59)


def test_a_week_at_94_946_percent_against_94() -> None:
    """84.23 % of 10.08 hours used; what is left lasts, at the same rate, a good day and a quarter."""
    week, target = Counts(94_946, 100_000), Fraction("0.94")
    assert consumed(week, target) == burn_rate(week, target) == Fraction(5_054, 6_000)
    assert remaining(week, target) == Fraction(946, 6_000)
    assert (1 - target) * 7 * 24 == Fraction("10.08")
    naive = exhausted_in_s(Fraction(1), 7 * DAY_S, burn_rate(week, target))
    honest = exhausted_in_s(remaining(week, target), 7 * DAY_S, burn_rate(week, target))
    assert naive is not None
    assert honest is not None
    assert round(naive / DAY_S, 2) == Fraction("8.31")
    assert honest == naive * Fraction(946, 6_000)


def test_one_bad_slice_among_twenty_million_requests() -> None:
    """500 failures weigh by their number, not by the five minutes they took."""
    assert Counts(20_000_000 - 500, 20_000_000).bad_share == Fraction("0.000025")


def test_overspending_is_below_zero() -> None:
    """5 000 bad events of 1 000 allowed: 500 % used, -400 % left."""
    month = Counts(995_000, 1_000_000)
    assert consumed(month, Fraction("0.999")) == 5
    assert remaining(month, Fraction("0.999")) == -4


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
