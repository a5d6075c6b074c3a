"""Numbers and times as people read them. Nothing here makes a figure look better than it is.

Shares of good requests are floored, shares of bad ones are never understated. Times are UTC and say so.
"""

from collections.abc import Sequence
from datetime import UTC, date, datetime, timedelta
from decimal import Decimal
from fractions import Fraction

GROUP = "\N{NARROW NO-BREAK SPACE}"
SPACE = "\N{NO-BREAK SPACE}"
EN_DASH = "\N{EN DASH}"
MIN_DECIMALS = 3
MINUTE_S, HOUR_S, DAY_S = 60, 3_600, 86_400
SHOWN_SECONDS_S = 120  # ages and spans below this are told in seconds
COARSE = Fraction(2, 5)  # from here on, "1 in" is too coarse


def count(number: int) -> str:
    """`1 204 331`, with narrow spaces that do not break."""
    return f"{number:,}".replace(",", GROUP)


def percent(share: Fraction, decimals: int = MIN_DECIMALS) -> str:
    """A share of one in per cent, floored: one failure in ten million is not 100 %."""
    scaled = share * 100 * 10**decimals // 1
    if scaled == 100 * 10**decimals:
        return f"100{SPACE}%"
    whole, rest = divmod(scaled, 10**decimals)
    return f"{whole}.{rest:0{decimals}d}{SPACE}%" if decimals else f"{whole}{SPACE}%"


def target_percent(target: Decimal) -> str:
    """A promised share as it was written: `99.95 %`."""
    plain = f"{(target * 100).normalize():f}"
    return f"{plain}{SPACE}%"


def decimals_for(target: Decimal) -> int:
    """How many decimals it takes to see a figure fall short of `target`."""
    written = -int((target * 100).normalize().as_tuple().exponent)
    return max(MIN_DECIMALS, written + 1)


def budget(left: Fraction) -> str:
    """What is left of what may fail, in per cent of it: floored if some is left, never understated if overspent."""
    if left < 0:
        return f"budget overspent by {count(-(left * 100 // 1))}{SPACE}%"
    if 0 < left < Fraction(1, 100):
        return f"less than 1{SPACE}% of budget left"
    return f"{left * 100 // 1}{SPACE}% of budget left"


def exact(number: float) -> Fraction:
    """The fraction that a stored float stands for, without the noise of its last bits."""
    return Fraction(number).limit_denominator(10**9)


def one_in(bad: Fraction) -> str:
    """A share of bad requests as people say it: `1 in 14`, `6 in 10`, never less than it is."""
    if bad <= 0:
        return "none"
    if bad >= 1:
        return "all"
    if bad < Fraction(1, 1_000):
        return f"fewer than 1 in {count(1_000)}"
    if bad < COARSE:
        return f"1 in {1 / bad // 1}"
    tenths = -(-bad * 10 // 1)
    if bad <= Fraction(1, 2):
        return "1 in 2"
    return f"{tenths} in 10" if tenths < 10 else "more than 9 in 10"  # noqa: PLR2004 - all of ten is not "10 in 10"


def clock(moment: datetime) -> str:
    """`14:02`, in UTC; whoever shows it adds the zone once."""
    return f"{moment.astimezone(UTC):%H:%M}"


def clock_s(moment: datetime) -> str:
    """`14:02:07 UTC`."""
    return f"{moment.astimezone(UTC):%H:%M:%S}{SPACE}UTC"


def day(moment: date) -> str:
    """`12 Nov`."""
    return f"{moment.day}{SPACE}{moment:%b}"


def weekday(moment: date) -> str:
    """`Thu 19 Nov`."""
    return f"{moment:%a} {day(moment)}"


def when(moment: datetime, now: datetime) -> str:
    """`14:02 UTC`, with the day in front where it is not today's, and the year where it is not this one."""
    moment, now = moment.astimezone(UTC), now.astimezone(UTC)
    time = f"{clock(moment)}{SPACE}UTC"
    if moment.date() == now.date():
        return time
    year = "" if moment.year == now.year else f"{SPACE}{moment.year}"
    return f"{day(moment)}{year}, {time}"


def between(start: datetime, end: datetime, now: datetime) -> str:
    """`between 14:02 and 14:31 UTC`, with days where they are needed."""
    today = start.astimezone(UTC).date() == end.astimezone(UTC).date() == now.astimezone(UTC).date()
    return f"between {clock(start) if today else when(start, now)} and {when(end, now)}"


def days(first: date, last: date) -> str:
    """`Thu 19 Nov`, or from `Sat 14` to `Thu 19 Nov`."""
    if first == last:
        return weekday(first)
    start = f"{first:%a}{SPACE}{first.day}" if first.month == last.month else weekday(first)
    return f"{start} {EN_DASH} {weekday(last)}"


def duration(span: timedelta) -> str:
    """`45 s`, `34 min`, `2 h 5 min`, `3 days`; floored."""
    seconds = max(0, int(span.total_seconds()))
    if seconds < SHOWN_SECONDS_S:
        return f"{seconds}{SPACE}s"
    if seconds < HOUR_S:
        return f"{seconds // MINUTE_S}{SPACE}min"
    if seconds < 2 * DAY_S:
        hours, minutes = divmod(seconds // MINUTE_S, 60)
        return f"{hours}{SPACE}h" + (f" {minutes}{SPACE}min" if minutes else "")
    return f"{seconds // DAY_S}{SPACE}days"


def ago(span: timedelta) -> str:
    """`12 s ago`."""
    return f"{duration(span)} ago"


def listing(names: Sequence[str], *, at_most: int = 3) -> str:
    """`A`, `A and B`, `A, B and C`, `A, B and 4 more`."""
    if len(names) > at_most:
        names = [*names[: at_most - 1], f"{len(names) - at_most + 1} more"]
    return " and ".join(filter(None, [", ".join(names[:-1]), names[-1]])) if names else ""


def plural(number: int, noun: str) -> str:
    """`1 incident`, `2 incidents`."""
    return f"{count(number)}{SPACE}{noun}{'' if number == 1 else 's'}"
