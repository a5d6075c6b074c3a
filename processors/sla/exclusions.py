"""What is taken out of a period, and what was asked to be and is not: exclusions by the minute, with every reason.

In: `Exclusion` documents, service hours, the bounds of a period. Out: one `processors.slo.grid.Exclusion` a minute, the
windows used and the windows refused. Pure. Where several cover a minute, removing wins over counting as good; time
outside of service hours is removed. A window that breaks its notice rule excludes nothing, and is told.
"""

from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from itertools import islice
from typing import Literal
from zoneinfo import ZoneInfo

import numpy as np
import numpy.typing as npt
from dateutil.rrule import rrulestr

from processors.sla.calendar import MINUTE, NO_DAYS_OFF, indexes, minutes, service_minutes
from processors.sla.days import ONE_DAY, working_days_before
from processors.sla.documents import ExclusionDocument, ExclusionSpec, NoticeRule, ServiceCalendar
from processors.sla.fields import UNTIL, rule_parts
from processors.slo.grid import Exclusion, Grid
from processors.slo.promise import Excluder
from processors.slo.windows import Bounds, first_instant

MAX_OCCURRENCES = 10_000
CODES = {"remove": Exclusion.REMOVED, "count_good": Exclusion.GOOD, "count": Exclusion.NONE}


@dataclass(frozen=True, slots=True, kw_only=True)
class Window:
    """One stretch of one exclusion; `refused` says why it excludes nothing, and is empty where it does its work."""

    exclusion: str
    category: str
    effect: Literal["remove", "count_good", "count"]
    reason: str
    author: str
    start: datetime
    end: datetime
    announced_at: datetime | None
    refused: str = ""

    @property
    def bounds(self) -> Bounds:
        return Bounds(self.start, self.end)


@dataclass(frozen=True, slots=True, kw_only=True)
class Excluded:
    """What becomes of each minute of a period, and why."""

    codes: npt.NDArray[np.int8]
    used: tuple[Window, ...]
    refused: tuple[Window, ...]


@dataclass(frozen=True, slots=True)
class _Occurrence:
    """A window as it is written: by the clock on the wall."""

    start: datetime
    end: datetime
    announced_at: datetime | None
    refused: str = ""


def excluded(exclusions: Sequence[ExclusionDocument], hours: ServiceCalendar | None, bounds: Bounds) -> Excluded:
    """What these documents make of each minute of `bounds`."""
    windows = [window for document in exclusions for window in judged(document, bounds)]
    used = tuple(window for window in windows if not window.refused)
    codes = np.full(minutes(bounds), Exclusion.NONE, dtype=np.int8)
    for code in (Exclusion.GOOD, Exclusion.REMOVED):
        for window in used:
            if CODES[window.effect] is code:
                codes[indexes(bounds, window.bounds)] = code
    if hours is not None:
        codes[~service_minutes(hours.spec, bounds)] = Exclusion.REMOVED
    return Excluded(codes=codes, used=used, refused=tuple(window for window in windows if window.refused))


def excluder(exclusions: Sequence[ExclusionDocument], hours: ServiceCalendar | None) -> Excluder:
    """What these documents make of each minute of any bounds, for a promise to carry."""
    return lambda bounds: excluded(exclusions, hours, bounds).codes


def with_exclusions(grid: Grid, found: Excluded) -> Grid:
    """A grid of the same period with its exclusions."""
    return replace(grid, excluded=found.codes)


def judged(document: ExclusionDocument, bounds: Bounds) -> Iterator[Window]:
    """The windows of an exclusion that touch `bounds`, in the order of time, each used or refused."""
    spec = document.spec
    zone = ZoneInfo(spec.time_zone)
    used: Counter[tuple[int, int]] = Counter()
    for one in _near(spec, *(edge.astimezone(zone).replace(tzinfo=None) for edge in bounds)):
        window = _window(document, one, zone)
        month = one.start.year, one.start.month
        why = window.refused or _refusal(window, spec.notice, zone) or _too_many(used[month], spec.notice)
        used[month] += not why
        if _touches(window, bounds):
            yield replace(window, refused=why)


def _window(document: ExclusionDocument, one: _Occurrence, zone: ZoneInfo) -> Window:
    spec = document.spec
    start, end = first_instant(one.start, zone), first_instant(one.end, zone)
    return Window(
        exclusion=document.name,
        category=spec.category,
        effect=spec.effect,
        reason=spec.reason,
        author=spec.author,
        start=start,
        end=end,
        announced_at=one.announced_at or (spec.notice.announced_at if spec.notice else None),
        refused=one.refused or ("" if start < end else "the clock goes forward over all of it"),
    )


def _touches(window: Window, bounds: Bounds) -> bool:
    """Whether a window, or the moment of one without length, lies in `bounds`."""
    return window.start < bounds.end and max(window.end, window.start + MINUTE) > bounds.start


def _near(spec: ExclusionSpec, start: datetime, end: datetime) -> Iterator[_Occurrence]:
    """Those that may touch local `[start, end)`, and with them all of their months, for `perMonth` counts those."""
    occurrences = list(_occurrences(spec, end))
    touching = [one.start for one in occurrences if one.end >= start - ONE_DAY]
    if touching:
        first = min(touching).replace(day=1, hour=0, minute=0)
        yield from (one for one in occurrences if one.start >= first)


def _occurrences(spec: ExclusionSpec, until: datetime) -> Iterator[_Occurrence]:
    """Every window that begins up to `until`, local time, in the order of time."""
    if spec.start is None or spec.duration is None:
        for one in sorted(spec.windows, key=lambda window: window.start):
            end = one.end or one.start + timedelta(minutes=one.duration or 0)
            yield _Occurrence(one.start, end, one.announced_at)
        return
    starts = _recurring(spec.rrule, spec.start, until) if spec.rrule else iter([spec.start])
    off = spec.holidays.off if spec.holidays else NO_DAYS_OFF
    for number, start in enumerate(islice(starts, MAX_OCCURRENCES + 1)):
        end = start + timedelta(minutes=spec.duration)
        if number == MAX_OCCURRENCES:
            # The window is told wherever it lies: those after it are not known.
            why = f"more than {MAX_OCCURRENCES} occurrences since {spec.start}: it needs a later start"
            yield _Occurrence(start, max(end, until), None, why)
        elif start.date() not in off and start.date() not in spec.exdates:
            yield _Occurrence(start, end, None)


def _recurring(rule: str, start: datetime, until: datetime) -> Iterator[datetime]:
    """The starts of a rule up to `until`; bounded by it, so that a rule that never comes true ends too."""
    parts = rule_parts(rule)
    count = int(parts.pop("COUNT", MAX_OCCURRENCES + 1))
    last = min(until, datetime.strptime(parts.pop("UNTIL"), UNTIL)) if "UNTIL" in parts else until  # noqa: DTZ007
    text = ";".join(f"{name}={value}" for name, value in (parts | {"UNTIL": f"{last:{UNTIL}}"}).items())
    yield from islice(rrulestr(text, dtstart=start), count)


def _refusal(window: Window, notice: NoticeRule | None, zone: ZoneInfo) -> str:
    """Why a window was announced too late, if it was."""
    if notice is None or notice.at_least is None:
        return ""
    if window.announced_at is None:
        return f"not announced; expected {notice.at_least} before it begins"
    if notice.at_least.working_days:
        off = notice.holidays.off if notice.holidays else NO_DAYS_OFF
        latest = working_days_before(window.start.astimezone(zone).date(), notice.at_least.working_days, off)
        announced = window.announced_at.astimezone(zone).date()
        if announced > latest:
            return f"announced on {announced}; expected by {latest}, {notice.at_least} before it begins"
    elif window.announced_at > window.start - timedelta(seconds=notice.at_least.seconds):
        return f"announced at {window.announced_at:%Y-%m-%dT%H:%MZ}; expected {notice.at_least} before it begins"
    return ""


def _too_many(used: int, notice: NoticeRule | None) -> str:
    if notice is None or notice.per_month is None or used < notice.per_month:
        return ""
    return f"one too many: at most {notice.per_month} a calendar month"
