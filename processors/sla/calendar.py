"""Service hours by the minute: when service is owed, as clocks in a zone show it.

In: a `ServiceCalendar` and the bounds of a period. Out: one flag a minute. Pure. Hours are by the clock on the wall: a
night from 00:00 to 06:00 has five hours where the clock goes forward and seven where it goes back. Hours that go over
midnight belong to the day they begin on.
"""

from collections.abc import Iterator
from datetime import UTC, date, datetime, time, timedelta
from zoneinfo import ZoneInfo

import numpy as np
import numpy.typing as npt

from processors.sla.days import ONE_DAY, DaysOff
from processors.sla.documents import ServiceCalendarSpec
from processors.sla.fields import Hours
from processors.slo.windows import Bounds, first_instant

MINUTE = timedelta(minutes=1)
NO_DAYS_OFF = DaysOff()


def service_minutes(spec: ServiceCalendarSpec, bounds: Bounds) -> npt.NDArray[np.bool_]:
    """For each minute of `bounds` whether service is owed."""
    owed = np.zeros(minutes(bounds), dtype=np.bool_)
    for stretch in service_hours(spec, bounds):
        owed[indexes(bounds, stretch)] = True
    return owed


def service_hours(spec: ServiceCalendarSpec, bounds: Bounds) -> Iterator[Bounds]:
    """The stretches of service that touch `bounds`, day by day."""
    zone = ZoneInfo(spec.time_zone)
    off = spec.holidays.off if spec.holidays else NO_DAYS_OFF
    for day in _local_days(bounds, zone):
        if day not in off:
            hours = (each for days, listed in spec.hours.items() if day.weekday() in days for each in listed)
            yield from (by_the_clock(day, each, zone) for each in hours)


def by_the_clock(day: date, hours: Hours, zone: ZoneInfo) -> Bounds:
    """The moments at which clocks in `zone` show these hours of `day`."""
    midnight = datetime.combine(day, time())
    start, end = (first_instant(midnight + edge * MINUTE, zone) for edge in (hours.start, hours.end))
    return Bounds(start, end)


def minutes(bounds: Bounds) -> int:
    """How many minutes there are in `bounds`."""
    return (bounds.end - bounds.start) // MINUTE


def indexes(bounds: Bounds, stretch: Bounds) -> slice:
    """The minutes of `bounds` that lie in `stretch`; both have whole minutes as edges."""
    first, last = ((edge - bounds.start) // MINUTE for edge in stretch)
    return slice(max(first, 0), max(last, 0))


def _local_days(bounds: Bounds, zone: ZoneInfo) -> Iterator[date]:
    """Every day whose hours may reach into `bounds`, the one before it included."""
    day = bounds.start.astimezone(zone).date() - ONE_DAY
    while datetime.combine(day, time(), UTC) < bounds.end + ONE_DAY:
        yield day
        day += ONE_DAY
