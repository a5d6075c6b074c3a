"""Figures, times and laws as people read them.

Nothing is rounded in anybody's favour: what was delivered is rounded down, what was lost is rounded up.
"""

from collections.abc import Mapping, Sequence
from datetime import datetime
from decimal import ROUND_HALF_UP, Decimal
from fractions import Fraction
from typing import Any
from zoneinfo import ZoneInfo

from pipeline.numbers import decimal

SPACE, GROUP, MINUS = "\N{NO-BREAK SPACE}", "\N{NARROW NO-BREAK SPACE}", "\N{MINUS SIGN}"
DECIMALS = 4
MONTHS = (
    "January",
    "February",
    "March",
    "April",
    "May",
    "June",
    "July",
    "August",
    "September",
    "October",
    "November",
    "December",
)
MANY = Fraction(100)  # from so many budgets on, nobody needs to know how many


def month(text: str) -> str:
    """`October 2026`."""
    year, number = text.split("-")[:2]
    return f"{MONTHS[int(number) - 1]} {year}"


def percent(ratio: Fraction, decimals: int = DECIMALS) -> str:
    """A delivered share, rounded down; zeros at its end tell nothing and are left out."""
    whole = ratio * 100 * 10**decimals // 1
    return f"{decimal(Fraction(whole, 10**decimals))}{SPACE}%"


def lost_percent(ratio: Fraction) -> str:
    """A share that was lost, in whole per cent rounded up; a small one is told as such."""
    if ratio > MANY:
        return f"more than {count(int(MANY) * 100)}{SPACE}%"
    return f"{count(-(-ratio * 100 // 1))}{SPACE}%"


def exact_percent(ratio: Fraction) -> str:
    """A share as it was written."""
    return f"{decimal(ratio * 100)}{SPACE}%"


def count(number: int) -> str:
    """`44 700`."""
    return f"{number:,}".replace(",", GROUP)


def plural(number: int, noun: str) -> str:
    """`1 request`, `2 requests`."""
    return f"{count(number)} {noun}{'' if number == 1 else 's'}"


def amount(number: Fraction, unit: str, *, up: bool = False) -> str:
    """`44.7 minutes`, `1 204 requests`: to a tenth where there is less than a thousand; down, unless told otherwise."""
    tenths = -(-number * 10 // 1) if up else number * 10 // 1
    whole, rest = divmod(tenths, 10)
    singular = tenths == 10  # noqa: PLR2004 - ten tenths
    shown = f"{count(whole)}.{rest}" if rest and whole < 1_000 else count(whole + bool(rest and up))  # noqa: PLR2004
    return f"{shown} {unit.removesuffix('s') if singular else unit}"


def money(text: str, currency: str) -> str:
    """`1 204.50 EUR`."""
    number = Decimal(text).quantize(Decimal("0.01"), ROUND_HALF_UP)
    whole, cents = f"{number:.2f}".split(".")
    return f"{count(int(whole))}.{cents}{SPACE}{currency}".rstrip()


def day(moment: datetime, zone: str) -> str:
    """`14 Oct`."""
    local = moment.astimezone(ZoneInfo(zone))
    return f"{local.day}{SPACE}{MONTHS[local.month - 1][:3]}"


def full_day(moment: datetime, zone: str) -> str:
    """`14 October 2026`."""
    local = moment.astimezone(ZoneInfo(zone))
    return f"{local.day} {MONTHS[local.month - 1]} {local.year}"


def clock(moment: datetime, zone: str) -> str:
    """`10:44`."""
    return f"{moment.astimezone(ZoneInfo(zone)):%H:%M}"


def when(moment: datetime, zone: str) -> str:
    """`14 Oct, 10:44`."""
    return f"{day(moment, zone)}, {clock(moment, zone)}"


def full_when(moment: datetime, zone: str) -> str:
    """`14 October 2026, 10:44`."""
    return f"{full_day(moment, zone)}, {clock(moment, zone)}"


def between(start: datetime, end: datetime, zone: str) -> str:
    """`14 Oct, 10:00 to 10:50`; with the other day where it ends on one."""
    same = day(start, zone) == day(end, zone)
    return f"{when(start, zone)} to {clock(end, zone) if same else when(end, zone)}"


def lasted(seconds: float) -> str:
    """`50 min`, `2 h 5 min`, `3 d 4 h`."""
    minutes = max(0, int(seconds) // 60)
    hours, days = divmod(minutes, 60), divmod(minutes // 60, 24)
    if days[0]:
        return f"{days[0]}{SPACE}d" + (f" {days[1]}{SPACE}h" if days[1] else "")
    if hours[0]:
        return f"{hours[0]}{SPACE}h" + (f" {hours[1]}{SPACE}min" if hours[1] else "")
    return f"{minutes}{SPACE}min" if minutes else "less than a minute"


def listing(names: Sequence[str]) -> str:
    """`A`, `A and B`, `A, B and C`."""
    return " and ".join(filter(None, [", ".join(names[:-1]), names[-1]])) if names else ""


def sentence(text: str) -> str:
    """With a capital and a full stop."""
    return f"{text[:1].upper()}{text[1:]}{'' if text.endswith('.') else '.'}"


def law(content: Mapping[str, Any]) -> str:
    """How delivery was counted, in a sentence."""
    if "slice_s" not in content:
        return "Every request counts: delivered is the share of requests that were good."
    minutes = content["slice_s"] // 60
    each = "minute" if minutes == 1 else f"{minutes} minutes"
    enough = f" with at least {plural(content['minimum_valid'], 'request')}" if content["minimum_valid"] > 1 else ""
    if "slice_target" not in content:
        said = f"Delivered is the mean, over every {each}, of the share of requests that were good"
        less = f"; fewer than {count(content['minimum_valid'])} requests count as all good" if enough else ""
        return f"{said}{less}. {_silence(content, each)}"
    bad = 1 - Fraction(content["slice_target"])
    edge = (
        f"{exact_percent(bad)} of its requests or more" if content["exclusive"] else f"more than {exact_percent(bad)}"
    )
    edge = edge if content["exclusive"] else f"{edge} of its requests"
    runs = f" Bad ones count in runs of {content['minimum_consecutive']} or more." if _in_runs(content) else ""
    return f"Every {each}{enough} is down if {edge} fail; the others are up.{runs} {_silence(content, each)}"


def _in_runs(content: Mapping[str, Any]) -> bool:
    return bool(content["minimum_consecutive"] > 1)


def _silence(content: Mapping[str, Any], each: str) -> str:
    what = {"good": "counts as good", "bad": "counts as bad", "ignore": "is left out"}[content["empty"]]
    return f"Any {each} in which we listened and no request came {what}."
