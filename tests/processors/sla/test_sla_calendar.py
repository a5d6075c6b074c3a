"""Service hours are what clocks on the wall show, holidays and clock changes included."""

from collections.abc import Iterator
from datetime import UTC, date, datetime, timedelta
from typing import Any
from zoneinfo import ZoneInfo

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from pydantic import ValidationError

from processors.sla.calendar import MINUTE, minutes, service_minutes
from processors.sla.days import DaysOff, working_days_before
from processors.sla.documents import ServiceCalendarSpec
from processors.slo.windows import Bounds, month

ZONES = ("UTC", "Europe/Paris", "America/New_York", "Australia/Lord_Howe", "Asia/Kathmandu", "America/Havana")
ONE = timedelta(days=1)
WEEK = ("mon", "tue", "wed", "thu", "fri", "sat", "sun")


def calendar(zone: str = "Europe/Paris", **more: Any) -> ServiceCalendarSpec:
    return ServiceCalendarSpec.model_validate({"timeZone": zone, **more})


def day_of(text: str, zone: str) -> Bounds:
    start = datetime.fromisoformat(text).replace(tzinfo=ZoneInfo(zone))
    return Bounds(start.astimezone(UTC), (start + timedelta(days=1)).astimezone(UTC))


@pytest.mark.parametrize(("day", "hours"), [("2026-03-29", 5), ("2026-10-25", 7), ("2026-06-01", 6)])
def test_oracle_15_a_paris_night_of_service_has_five_six_or_seven_hours(day: str, hours: int) -> None:
    """From 00:00 to 06:00 by the clock on the wall."""
    night = calendar(hours={"mon-sun": ["00:00-06:00"]})
    assert service_minutes(night, day_of(day, "Europe/Paris")).sum() == hours * 60


@pytest.mark.parametrize(
    ("zone", "within", "length"),
    [
        ("UTC", "2026-03-15", 44_640),
        ("Europe/Paris", "2026-03-15", 44_580),
        ("Europe/Paris", "2026-10-15", 44_700),
        ("America/New_York", "2026-11-15", 43_260),
        ("Australia/Lord_Howe", "2026-04-15", 43_230),
        ("Africa/Casablanca", "2026-02-15", 40_380),
    ],
)
def test_oracle_15_service_around_the_clock_is_owed_in_every_minute_of_a_month(
    zone: str, within: str, length: int
) -> None:
    """No minute falls between two days, whatever the clocks do."""
    bounds = month(zone).bounds(datetime.fromisoformat(f"{within}T12:00:00+00:00"))
    owed = service_minutes(calendar(zone, hours={"mon-sun": ["00:00-24:00"]}), bounds)
    assert (len(owed), owed.sum()) == (length, length)


def test_office_hours_leave_out_weekends_and_the_holidays_of_a_country() -> None:
    """May 2026 in France has 21 weekdays; 1, 8, 14 and 25 are off, and one of our own."""
    bounds = month("Europe/Paris").bounds(datetime(2026, 5, 15, tzinfo=UTC))
    hours = {"mon-fri": ["08:00-12:00", "13:00-18:00"]}
    assert service_minutes(calendar(hours=hours), bounds).sum() == 21 * 9 * 60
    french = calendar(hours=hours, holidays={"country": "FR", "dates": ["2026-05-15"]})
    assert service_minutes(french, bounds).sum() == (21 - 5) * 9 * 60


def test_hours_over_midnight_belong_to_the_day_they_begin_on() -> None:
    """A night shift from Friday lasts into Saturday, whose own hours are none."""
    owed = service_minutes(calendar("UTC", hours={"fri": ["22:00-04:00"]}), day_of("2026-10-03", "UTC"))
    assert np.flatnonzero(owed).tolist() == list(range(4 * 60))


@pytest.mark.parametrize(
    ("written", "words"),
    [
        ({"hours": {}}, "at least 1"),
        ({"hours": {"monday": ["08:00-18:00"]}}, "a day or days such as mon or mon-fri"),
        ({"hours": {"mon": ["8-18"]}}, "hours such as 08:00-18:00"),
        ({"hours": {"mon": ["08:00-08:00"]}}, "hours that end"),
        ({"hours": {"mon": ["08:00-24:30"]}}, "at the latest at 24:00"),
        ({"hours": {"mon": ["08:00-18:00"]}, "holidays": {"country": "XX"}}, "ISO 3166 code of a country"),
        ({"hours": {"mon": ["08:00-18:00"]}, "holidays": {"country": "DE", "subdivision": "ZZ"}}, "a part of DE"),
        ({"hours": {"mon": ["08:00-18:00"]}, "holidays": {}}, "a country, or dates"),
    ],
)
def test_calendars_that_cannot_work_say_what_is_expected(written: dict[str, Any], words: str) -> None:
    """In words for who wrote them."""
    with pytest.raises(ValidationError, match=words):
        ServiceCalendarSpec.model_validate(written)


def test_working_days_are_counted_back_over_weekends_and_holidays() -> None:
    """Five working days before Monday 12 October 2026 is Monday 5; with a day off between, it is Friday 2."""
    assert working_days_before(date(2026, 10, 12), 5, DaysOff()) == date(2026, 10, 5)
    assert working_days_before(date(2026, 10, 12), 5, DaysOff(dates=frozenset({date(2026, 10, 7)}))) == date(
        2026, 10, 2
    )


def shown(bounds: Bounds, zone: ZoneInfo) -> Iterator[datetime]:
    """What a clock on the wall shows in each minute."""
    for number in range(minutes(bounds)):
        yield (bounds.start + number * MINUTE).astimezone(zone).replace(tzinfo=None)


def first_shown(clock: list[datetime], local: datetime) -> int:
    """The first minute, one after the other, that shows `local` or something later."""
    for number, reading in enumerate(clock):
        if reading >= local:
            return number
    return len(clock)


@settings(max_examples=40, deadline=None)
@given(
    zone=st.sampled_from(ZONES),
    day=st.dates(date(2026, 1, 1), date(2026, 12, 28)) | st.sampled_from([date(2026, 3, 29), date(2026, 10, 25)]),
    listed=st.lists(st.tuples(st.sampled_from(WEEK), st.integers(0, 95), st.integers(1, 95)), min_size=1, max_size=4),
)
def test_service_minutes_are_those_of_a_clock_read_minute_by_minute(
    zone: str, day: date, listed: list[tuple[str, int, int]]
) -> None:
    """The slow twin reads the clock in every minute of five days and marks from the first reading to the last."""
    hours: dict[str, list[str]] = {}
    for name, quarter, length in listed:
        start, end = quarter * 15, (quarter + length) * 15 % 1440
        hours.setdefault(name, []).append(f"{start // 60:02}:{start % 60:02}-{end // 60:02}:{end % 60:02}")
    info = ZoneInfo(zone)
    around = Bounds(*(datetime(*each.timetuple()[:3], tzinfo=UTC) for each in (day - 2 * ONE, day + 3 * ONE)))
    clock = list(shown(around, info))
    slow = np.zeros(len(clock), dtype=np.bool_)
    for date_ in {reading.date() for reading in clock} | {clock[0].date() - ONE}:
        for name, quarter, length in listed:
            if WEEK[date_.weekday()] == name:
                midnight = datetime(*date_.timetuple()[:3])  # noqa: DTZ001
                edges = (midnight + q * timedelta(minutes=15) for q in (quarter, quarter + length))
                slow[slice(*(first_shown(clock, edge) for edge in edges))] = True
    inner = slice(1440, 1440 * 4)
    bounds = Bounds(around.start + ONE, around.end - ONE)
    assert service_minutes(calendar(zone, hours=hours), bounds).tolist() == slow[inner].tolist()
