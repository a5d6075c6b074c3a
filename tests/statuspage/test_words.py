"""Numbers and times as people read them."""

from datetime import UTC, date, datetime, timedelta
from decimal import Decimal
from fractions import Fraction

import pytest
from hypothesis import given
from hypothesis import strategies as st

from statuspage import words

NOW = datetime(2026, 11, 22, 14, 36, 30, tzinfo=UTC)


def plain(text: str) -> str:
    return text.replace(words.SPACE, " ").replace(words.GROUP, " ")


@given(st.integers(1, 10**12), st.integers(1, 10**9), st.integers(0, 6))
def test_a_share_with_one_failure_is_never_shown_as_all(valid: int, bad: int, decimals: int) -> None:
    """Percentages are floored, whatever the number of decimals."""
    share = Fraction(max(0, valid - bad), valid)
    shown = Fraction(plain(words.percent(share, decimals)).removesuffix(" %")) / 100
    assert shown <= share < shown + Fraction(1, 10 ** (decimals + 2))
    assert shown < 1


@pytest.mark.parametrize(
    ("good", "valid", "shown"),
    [
        (9_999_999, 10_000_000, "99.999 %"),
        (10_000_000, 10_000_000, "100 %"),
        (99_871_999, 100_000_000, "99.871 %"),
        (9, 10, "90.000 %"),
        (0, 10, "0.000 %"),
    ],
)
def test_a_percentage_has_three_decimals_rounded_down(good: int, valid: int, shown: str) -> None:
    """And 100 % means all."""
    assert plain(words.percent(Fraction(good, valid))) == shown


@pytest.mark.parametrize(("target", "decimals"), [("0.99", 3), ("0.9995", 3), ("0.99995", 4), ("0.999999", 5)])
def test_a_figure_has_one_decimal_more_than_its_target(target: str, decimals: int) -> None:
    """So that one sees on which side of the promise it is."""
    assert words.decimals_for(Decimal(target)) == decimals


@pytest.mark.parametrize(("target", "shown"), [("0.999", "99.9 %"), ("0.9", "90 %"), ("0.999500", "99.95 %")])
def test_a_target_is_shown_as_it_was_written(target: str, shown: str) -> None:
    """Without zeros that nobody wrote."""
    assert plain(words.target_percent(Decimal(target))) == shown


@pytest.mark.parametrize(
    ("left", "shown"),
    [
        (Fraction(1), "100 % of budget left"),
        (Fraction(9399, 10_000), "93 % of budget left"),
        (Fraction(1, 1_000), "less than 1 % of budget left"),
        (Fraction(0), "0 % of budget left"),
        (Fraction(-1, 1_000), "budget overspent by 1 %"),
        (Fraction(-29, 100), "budget overspent by 29 %"),
        (Fraction(-12_345, 100), "budget overspent by 12 345 %"),
    ],
)
def test_what_is_left_is_never_overstated(left: Fraction, shown: str) -> None:
    """Left is floored, overspent is rounded up."""
    assert plain(words.budget(left)) == shown


def test_a_stored_float_is_read_without_the_noise_of_its_last_bits() -> None:
    """0.93 in floating point is a little less or more; people see 93 %."""
    assert all(words.exact(hundredths / 100) == Fraction(hundredths, 100) for hundredths in range(-100, 101))


@pytest.mark.parametrize(
    ("bad", "shown"),
    [
        (Fraction(0), "none"),
        (Fraction(1, 5_000), "fewer than 1 in 1 000"),
        (Fraction(10, 146), "1 in 14"),
        (Fraction(1, 14), "1 in 14"),
        (Fraction(39, 100), "1 in 2"),
        (Fraction(41, 100), "1 in 2"),
        (Fraction(89, 100), "9 in 10"),
        (Fraction(91, 100), "more than 9 in 10"),
        (Fraction(1), "all"),
    ],
)
def test_a_share_of_bad_requests_is_never_understated(bad: Fraction, shown: str) -> None:
    """1 in 14.6 is told as 1 in 14."""
    assert plain(words.one_in(bad)) == shown


@pytest.mark.parametrize(
    ("moment", "shown"),
    [
        (datetime(2026, 11, 22, 14, 2, 59, tzinfo=UTC), "14:02 UTC"),
        (datetime(2026, 11, 12, 4, 2, tzinfo=UTC), "12 Nov, 04:02 UTC"),
        (datetime(2025, 12, 31, 23, 59, tzinfo=UTC), "31 Dec 2025, 23:59 UTC"),
    ],
)
def test_a_time_says_its_zone_and_what_of_its_date_is_needed(moment: datetime, shown: str) -> None:
    """Today's needs no day, this year's no year."""
    assert plain(words.when(moment, NOW)) == shown


@pytest.mark.parametrize(
    ("span", "shown"),
    [
        (timedelta(seconds=-3), "0 s"),
        (timedelta(seconds=119.9), "119 s"),
        (timedelta(seconds=120), "2 min"),
        (timedelta(minutes=59, seconds=59), "59 min"),
        (timedelta(hours=2), "2 h"),
        (timedelta(hours=6, minutes=50), "6 h 50 min"),
        (timedelta(days=3, hours=20), "3 days"),
    ],
)
def test_a_span_is_told_in_the_two_units_that_matter(span: timedelta, shown: str) -> None:
    """Floored, and never negative."""
    assert plain(words.duration(span)) == shown


@pytest.mark.parametrize(
    ("names", "shown"),
    [
        (["A"], "A"),
        (["A", "B"], "A and B"),
        (["A", "B", "C"], "A, B and C"),
        (["A", "B", "C", "D"], "A, B and 2 more"),
        ([], ""),
    ],
)
def test_names_are_listed_as_in_a_sentence(names: list[str], shown: str) -> None:
    """At most three, then how many more."""
    assert words.listing(names) == shown


def test_a_stretch_of_time_says_its_days_unless_they_are_today() -> None:
    """And the zone once, where that is enough."""
    start, end = NOW - timedelta(minutes=34), NOW - timedelta(minutes=5)
    assert plain(words.between(start, end, NOW)) == "between 14:02 and 14:31 UTC"
    yesterday = NOW - timedelta(days=1)
    assert plain(words.between(yesterday, end, NOW)) == "between 21 Nov, 14:36 UTC and 14:31 UTC"


def test_days_in_a_row_are_named_by_the_first_and_the_last() -> None:
    """The month once, where it is the same."""
    assert plain(words.days(date(2026, 11, 14), date(2026, 11, 19))) == "Sat 14 \N{EN DASH} Thu 19 Nov"
    assert plain(words.days(date(2026, 10, 31), date(2026, 11, 1))) == "Sat 31 Oct \N{EN DASH} Sun 1 Nov"
    assert plain(words.days(date(2026, 11, 19), date(2026, 11, 19))) == "Thu 19 Nov"
