"""The stretch of time a promise is about, as data: rolling back from now, or turning over by a calendar.

In: an aware datetime. Out: `[start, end)` in UTC, both on the edge of a ten-second slice, so that the sums of slices
are the counts of the window and nothing else.
"""

from dataclasses import dataclass
from datetime import UTC, date, datetime, timedelta
from typing import NamedTuple
from zoneinfo import ZoneInfo

from processors.sli.slices import SLICE_S

SLICE = timedelta(seconds=SLICE_S)
EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
UNIT_S = {"m": 60, "h": 3_600, "d": 86_400, "w": 7 * 86_400}
UNIT_DAYS = {"d": 1, "w": 7}
UNIT_MONTHS = {"M": 1, "Q": 3, "Y": 12}
NOMINAL_DAYS = {"d": 1, "w": 7, "M": 30, "Q": 90, "Y": 365}
MAX_COUNT = 10_000


class Bounds(NamedTuple):
    """`[start, end)`, aware and on slice edges."""

    start: datetime
    end: datetime


@dataclass(frozen=True, slots=True)
class Length:
    """A length as OpenSLO writes it, `30d` or `1M`; case matters: `m` is a minute, `M` a month."""

    count: int
    unit: str

    def __str__(self) -> str:
        return f"{self.count}{self.unit}"

    @property
    def seconds(self) -> int:
        """Exact seconds; only m, h, d and w have them."""
        return self.count * UNIT_S[self.unit]


def parse_length(value: object) -> Length:
    """`5m`, `1h`, `30d`, `4w`, `1M`, `1Q`, `1Y`.

    Raises:
        ValueError: saying what a length looks like.
    """
    if isinstance(value, str) and value[:-1].isascii() and value[:-1].isdecimal():
        count, unit = int(value[:-1]), value[-1]
        if unit in {**UNIT_S, **UNIT_MONTHS} and 0 < count <= MAX_COUNT:
            return Length(count, unit)
    raise ValueError("a length such as 30d, 1h or 1M (m minute, h hour, d day, w week, M month, Q quarter, Y year)")


def length_of(seconds: int) -> Length:
    """At least so many seconds, in the largest of d, h and m that says them without a rest; else in whole minutes."""
    unit = next((unit for unit in "dh" if seconds % UNIT_S[unit] == 0), "m")
    return Length(-(-seconds // UNIT_S[unit]), unit)


def slice_floor(moment: datetime) -> datetime:
    """The start of the slice that `moment` lies in."""
    return moment - (moment - EPOCH) % SLICE


def slice_ceiling(moment: datetime) -> datetime:
    """The first slice edge at or after `moment`: up to there everything measured so far is counted."""
    return moment + (EPOCH - moment) % SLICE


def last(seconds: int, now: datetime) -> Bounds:
    """The last `seconds` of slices, the one that is still filling included."""
    return ago(seconds, slice_ceiling(now.astimezone(UTC)))


def ago(seconds: int, end: datetime) -> Bounds:
    """The `seconds` before `end`."""
    return Bounds(end - timedelta(seconds=seconds), end)


@dataclass(frozen=True, slots=True)
class Rolling:
    """The last so many seconds, however the calendar calls them: `30d` is 30 x 86 400 s."""

    length: Length

    @property
    def nominal_s(self) -> int:
        return self.length.seconds

    def bounds(self, now: datetime) -> Bounds:
        return last(self.length.seconds, now)

    def name(self, start: datetime) -> str:
        del start  # every one of them has the same name
        return str(self.length)


@dataclass(frozen=True, slots=True)
class Calendar:
    """Periods that follow each other in local time: `length` each, the first one begins at `start` in `zone`.

    A start that a clock change skips is the first moment after it; one that comes twice is the first of the two.
    """

    length: Length
    start: datetime
    zone: str

    @property
    def nominal_s(self) -> int:
        """A length for burn rates to be derived from: a month counts 30 days."""
        return self.length.count * NOMINAL_DAYS[self.length.unit] * UNIT_S["d"]

    def bounds(self, now: datetime) -> Bounds:
        """The period that `now` lies in."""
        number = self._guess(now)
        while self._edge(number) > now:
            number -= 1
        while self._edge(number + 1) <= now:
            number += 1
        return Bounds(self._edge(number), self._edge(number + 1))

    def name(self, start: datetime) -> str:
        """The period that starts at `start` as people call it: `2026-11`, or the day it starts on."""
        local = start.astimezone(ZoneInfo(self.zone))
        whole_month = (self.length.count, self.length.unit) == (1, "M") and self.start.day == 1
        return f"{local:%Y-%m}" if whole_month else f"{local:%Y-%m-%d}"

    def _guess(self, now: datetime) -> int:
        """The number of the period, give or take one."""
        local = now.astimezone(ZoneInfo(self.zone)).replace(tzinfo=None)
        if self.length.unit in UNIT_DAYS:
            return (local - self.start) // timedelta(days=self.length.count * UNIT_DAYS[self.length.unit])
        months = (local.year - self.start.year) * 12 + local.month - self.start.month
        return months // (self.length.count * UNIT_MONTHS[self.length.unit])

    def _edge(self, number: int) -> datetime:
        """Where period `number` begins, in UTC."""
        steps = number * self.length.count
        if self.length.unit in UNIT_DAYS:
            local = self.start + timedelta(days=steps * UNIT_DAYS[self.length.unit])
        else:
            local = add_months(self.start, steps * UNIT_MONTHS[self.length.unit])
        return first_instant(local, ZoneInfo(self.zone))


Window = Rolling | Calendar


def month(zone: str) -> Calendar:
    """Calendar months from local midnight to local midnight."""
    return Calendar(Length(1, "M"), EPOCH.replace(tzinfo=None), zone)


def add_months(moment: datetime, months: int) -> datetime:
    """The same day and time so many months on, or the last day of a month that has no such day."""
    year, index = divmod(moment.year * 12 + moment.month - 1 + months, 12)
    after = date(year + (index + 1) // 12, (index + 1) % 12 + 1, 1)
    return moment.replace(year=year, month=index + 1, day=min(moment.day, (after - timedelta(days=1)).day))


def first_instant(local: datetime, zone: ZoneInfo) -> datetime:
    """The first moment, in UTC, at which a clock in `zone` shows `local` or, where it skips that, something later."""
    earlier, later = (local.replace(tzinfo=zone, fold=fold).astimezone(UTC) for fold in (0, 1))
    if earlier <= later:
        return earlier
    # Skipped: of the two readings the old offset's lies after the change and the new one's before it.
    before, after = later, earlier
    old = before.astimezone(zone).utcoffset()
    while after - before > timedelta(seconds=1):
        middle = before + (after - before) // 2
        before, after = (middle, after) if middle.astimezone(zone).utcoffset() == old else (before, middle)
    return after.replace(microsecond=0)
