"""Windows: rolling ones are seconds, calendar ones are what clocks on the wall make of them."""

from datetime import UTC, datetime, timedelta
from zoneinfo import ZoneInfo

import pytest
from hypothesis import given
from hypothesis import strategies as st

from processors.slo.windows import (
    EPOCH,
    SLICE,
    Calendar,
    Length,
    Rolling,
    add_months,
    first_instant,
    length_of,
    month,
    parse_length,
    slice_ceiling,
    slice_floor,
)

moments = st.datetimes(datetime(1990, 1, 1), datetime(2037, 1, 1), timezones=st.just(UTC))  # noqa: DTZ001
zones = st.sampled_from(
    [
        "UTC",
        "Europe/Paris",
        "America/New_York",
        "Australia/Lord_Howe",
        "Asia/Kathmandu",
        "America/Havana",
        "Asia/Beirut",
    ]
)
units = st.sampled_from([Length(1, "d"), Length(2, "w"), Length(1, "M"), Length(1, "Q"), Length(1, "Y")])


def local(text: str) -> datetime:
    return datetime.fromisoformat(text)


def test_a_start_that_the_clock_skips_is_the_first_moment_after() -> None:
    """Havana goes from 00:00 to 01:00 on 8 March 2026: the day begins at one."""
    start = first_instant(local("2026-03-08 00:00"), ZoneInfo("America/Havana"))
    assert start == datetime(2026, 3, 8, 5, tzinfo=UTC)
    assert start.astimezone(ZoneInfo("America/Havana")).hour == 1
    later = first_instant(local("2026-03-08 00:30"), ZoneInfo("America/Havana"))
    assert later == start


def test_a_start_that_comes_twice_is_the_first_of_the_two() -> None:
    """01:30 in New York on 1 November 2026 is 05:30 UTC, and an hour later again."""
    assert first_instant(local("2026-11-01 01:30"), ZoneInfo("America/New_York")) == datetime(
        2026, 11, 1, 5, 30, tzinfo=UTC
    )


def test_thirty_days_are_as_many_seconds() -> None:
    """Whatever the clocks on the wall do meanwhile."""
    start, end = Rolling(Length(30, "d")).bounds(datetime(2026, 11, 22, 14, 36, 31, tzinfo=UTC))
    assert end == datetime(2026, 11, 22, 14, 36, 40, tzinfo=UTC)
    assert end - start == timedelta(seconds=30 * 86_400)


def test_a_month_that_starts_on_the_31st_starts_on_the_last_day_there_is() -> None:
    """And goes back to the 31st when there is one."""
    assert [add_months(local("2026-01-31"), count).day for count in (1, 2, 3)] == [28, 31, 30]


@pytest.mark.parametrize(
    ("calendar", "name"),
    [
        (month("Europe/Paris"), "2026-11"),
        (Calendar(Length(1, "Q"), local("2026-01-01"), "UTC"), "2026-10-01"),
        (Calendar(Length(1, "w"), local("2026-01-05"), "UTC"), "2026-11-16"),
    ],
)
def test_periods_are_called_by_what_people_call_them(calendar: Calendar, name: str) -> None:
    """A month by its month, others by the day they start on."""
    start, _ = calendar.bounds(datetime(2026, 11, 22, tzinfo=UTC))
    assert calendar.name(start) == name


@pytest.mark.parametrize("text", ["", "30", "d", "0d", "1.5h", "-1d", "30D", "1y", "1 d", "٣d", "99999d"])
def test_lengths_that_are_none_are_refused(text: str) -> None:
    """Case matters, as do digits."""
    with pytest.raises(ValueError, match="a length such as 30d"):
        parse_length(text)


def test_m_is_a_minute_and_capital_m_a_month() -> None:
    """OpenSLO's trap."""
    assert parse_length("5m").seconds == 300
    assert parse_length("5M") == Length(5, "M")


@given(moments)
def test_slices_are_cut_at_tens_of_seconds(moment: datetime) -> None:
    """Floor and ceiling lie on edges, and at most a slice apart."""
    low, high = slice_floor(moment), slice_ceiling(moment)
    assert low <= moment <= high
    assert high - low in {timedelta(0), SLICE}
    assert (low - EPOCH) % SLICE == (high - EPOCH) % SLICE == timedelta(0)


@given(moments, zones, units)
def test_periods_follow_each_other_without_gap_or_overlap(now: datetime, zone: str, length: Length) -> None:
    """Every moment lies in exactly one, and its edges are slice edges."""
    calendar = Calendar(length, local("2020-01-31 00:00"), zone)
    start, end = calendar.bounds(now)
    assert start <= now < end
    assert calendar.bounds(end)[0] == end
    assert calendar.bounds(end - SLICE) == (start, end)
    assert (start - EPOCH) % SLICE == timedelta(0)


@pytest.mark.parametrize(
    ("seconds", "text"), [(60, "1m"), (20, "1m"), (90, "2m"), (3_600, "1h"), (5_400, "90m"), (172_800, "2d")]
)
def test_a_length_is_said_in_the_largest_unit_that_fits(seconds: int, text: str) -> None:
    """And never shorter than asked for."""
    assert str(length_of(seconds)) == text
