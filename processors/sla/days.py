"""Days off and working days: what calendars of countries say, through the `holidays` library.

In: a country and a part of it, as ISO 3166 codes, and dates of one's own. Out: whether a date is off, and how many
working days lie before one. Monday to Friday are working days unless they are off.
"""

from dataclasses import dataclass, field
from datetime import date, timedelta
from functools import cache

import holidays

from pipeline.config import nearest

ONE_DAY = timedelta(days=1)
SATURDAY = 5


def check_country(country: str, subdivision: str | None) -> None:
    """Whether the calendar of a country is known.

    Raises:
        ValueError: naming what is.
    """
    known = _countries()
    if country not in known:
        hint = nearest(country, sorted(known))
        raise ValueError(f"the ISO 3166 code of a country whose holidays are known, such as FR{hint and f' - {hint}'}")
    if subdivision is not None and subdivision not in known[country]:
        among = ", ".join(known[country]) or "it has none"
        raise ValueError(f"the ISO 3166 code of a part of {country} ({among})")


@cache
def _countries() -> dict[str, list[str]]:
    return holidays.list_supported_countries(include_aliases=False)


@dataclass(frozen=True, slots=True)
class DaysOff:
    """Dates that are off."""

    country: str | None = None
    subdivision: str | None = None
    dates: frozenset[date] = field(default=frozenset())

    def __contains__(self, day: date) -> bool:
        if day in self.dates:
            return True
        return self.country is not None and day in _of_year(self.country, self.subdivision, day.year)


@cache
def _of_year(country: str, subdivision: str | None, year: int) -> frozenset[date]:
    return frozenset(holidays.country_holidays(country, subdiv=subdivision, years=year))


def working_days_before(day: date, count: int, off: DaysOff) -> date:
    """The `count`th working day before `day`."""
    while count:
        day -= ONE_DAY
        count -= day.weekday() < SATURDAY and day not in off
    return day
