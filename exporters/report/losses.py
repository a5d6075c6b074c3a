"""Where the budget of a period went: by the moment, by the day, by the incident.

In: the record of a period. Out: exact numbers, in requests or in minutes as its law counts. Pure. A record tells every
bad slice, so that nothing has to be measured again; requests that failed in minutes which were good enough by
themselves are known as a sum only.
"""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import date, datetime, time, timedelta
from fractions import Fraction
from heapq import nlargest
from operator import itemgetter
from typing import Any, Literal
from zoneinfo import ZoneInfo

from exporters.report.document import Budget, Day, Level

ONE_DAY = timedelta(days=1)
BY_SHARES = frozenset({"ratio_timeslices", "mean_interval_availability"})
Record = Mapping[str, Any]


@dataclass(frozen=True, slots=True)
class Loss:
    """So much was lost in a slice of time."""

    start: datetime
    end: datetime
    amount: Fraction


def text(ratio: Fraction) -> str:
    """A rational number as records write it."""
    return f"{ratio.numerator}/{ratio.denominator}"


def share(part: Fraction, whole: Fraction) -> str | None:
    """`part` of `whole`; None where there is no whole to have a part of."""
    return text(part / whole) if whole else None if part else text(Fraction(0))


def unit_of(record: Record) -> Literal["requests", "minutes"]:
    """What the law of a record counts."""
    return "minutes" if "slice_s" in record["law"] else "requests"


def amounts(record: Record) -> tuple[Fraction, Fraction]:
    """What was allowed to fail and what failed."""
    each = Fraction(record["law"].get("slice_s", 60), 60)
    good, eligible = (Fraction(record["delivered"][name]) * each for name in ("good", "eligible"))
    return eligible * (1 - Fraction(record["target"])), eligible - good


def budget(record: Record) -> Budget:
    """What the period was allowed to lose, and lost."""
    allowed, used = amounts(record)
    rows = [amount for _, _, amount in _rows(record)]
    known = sum(rows) * _scale(record, sum(rows))
    return Budget(
        unit=unit_of(record),
        allowed=text(allowed),
        used=text(used),
        elsewhere=text(max(Fraction(0), used - known)),
        share=share(used, allowed),
    )


def losses(record: Record) -> list[Loss]:
    """What each bad slice lost; together never more than the period did, so that what an exclusion cut is left out."""
    rows = list(_rows(record))
    scale = _scale(record, sum(amount for _, _, amount in rows))
    return [_loss(*row, scale) for row in rows]


def worst(record: Record, count: int) -> tuple[list[Loss], int]:
    """The worst stretches of bad slices in a row, in the order of time, and how many others there are."""
    joined: list[tuple[str, str, int | Fraction]] = []
    for start, end, amount in _rows(record):
        if joined and joined[-1][1] == start:
            joined[-1] = joined[-1][0], end, joined[-1][2] + amount
        else:
            joined.append((start, end, amount))
    scale = _scale(record, sum(amount for _, _, amount in joined))
    chosen = sorted(nlargest(count, joined, key=itemgetter(2)))
    return [_loss(*row, scale) for row in chosen], len(joined) - len(chosen)


def _loss(start: str, end: str, amount: int | Fraction, scale: Fraction) -> Loss:
    exact = Fraction(amount) if scale == 1 else amount * scale
    return Loss(datetime.fromisoformat(start), datetime.fromisoformat(end), exact)


def _rows(record: Record) -> Iterator[tuple[str, str, int | Fraction]]:
    """Bad slices as if all of each was counted: requests times their unit, or minutes."""
    law = record["law"]
    minutes = law.get("slice_s", 0) // 60
    by_shares = law["type"] in BY_SHARES
    for start, end, good, valid in record["bad_slices"]["rows"]:
        if not minutes:
            amount: int | Fraction = valid - good
        else:
            amount = Fraction((valid - good) * minutes, valid) if by_shares and valid else minutes
        if amount:
            yield start, end, amount


def _scale(record: Record, known: int | Fraction) -> Fraction:
    """What an amount is to be multiplied by."""
    _, used = amounts(record)
    one = Fraction(1, record["bad_slices"]["unit"]) if unit_of(record) == "requests" else Fraction(1)
    fits = known * one == used or (unit_of(record) == "requests" and known * one < used)
    return one if fits or not known else used / known


def days(record: Record, zone: str, until: datetime) -> list[Day]:
    """Every local day of the period; those from `until` on lie ahead, without a verdict none is known to be good."""
    allowed, _ = amounts(record)
    lost = _by_day(losses(record), ZoneInfo(zone))
    every = list(_local_days(record, ZoneInfo(zone)))
    known = record["verdict"] != "no_data"
    used = [_edges(window) for window in record["exclusions"]["used"]]
    return [
        Day(
            day=day,
            lost=text(gone := lost.get(day, Fraction(0))),
            share=share(gone, allowed),
            level="ahead" if start >= until else level(gone, allowed, len(every)) if known else "unknown",
            excluded=any(first < end and last > start for first, last in used),
        )
        for day, start, end in every
    ]


def level(lost: Fraction, allowed: Fraction, count: int) -> Level:
    """How bad a day was: within its fair share of the budget, beyond it, or the whole budget by itself."""
    if not lost:
        return "quiet"
    if lost >= allowed:
        return "all"
    return "some" if lost * count <= allowed else "much"


def _by_day(found: Sequence[Loss], zone: ZoneInfo) -> dict[date, Fraction]:
    lost: dict[date, Fraction] = {}
    for one in found:
        day = one.start.astimezone(zone).date()
        lost[day] = lost.get(day, Fraction(0)) + one.amount
    return lost


def _local_days(record: Record, zone: ZoneInfo) -> Iterator[tuple[date, datetime, datetime]]:
    start, end = _edges(record)
    day = start.astimezone(zone).date()
    while (midnight := datetime.combine(day, time(), zone)) < end:
        yield day, midnight, datetime.combine(day + ONE_DAY, time(), zone)
        day += ONE_DAY


def _edges(stretch: Mapping[str, Any]) -> tuple[datetime, datetime]:
    return datetime.fromisoformat(stretch["start"]), datetime.fromisoformat(stretch["end"])


def cost(record: Record, start: datetime, end: datetime | None) -> str | None:
    """The share of the period's budget that was lost in slices that `[start, end)` touches."""
    allowed, _ = amounts(record)
    inside = (one.amount for one in losses(record) if one.end > start and (end is None or one.start < end))
    return share(sum(inside, Fraction(0)), allowed)
