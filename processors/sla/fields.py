"""What the values in agreements, calendars and exclusions look like, and what each is read as.

In: YAML scalars. Out: dates, whole minutes, shares and money, exactly as written; or `ValueError` saying what was
expected. Edges of windows are whole minutes, for everything behind them is counted by the minute.
"""

import re
from dataclasses import dataclass
from datetime import date, datetime
from decimal import Decimal, InvalidOperation
from fractions import Fraction
from typing import Annotated

from dateutil.rrule import rrulestr
from pydantic import BeforeValidator, PlainSerializer, WithJsonSchema

from pipeline.config import duration_text, parse_duration, parse_moment
from processors.slo.fields import EARLIEST_YEAR, number_written, parse_number

DAYS = ("mon", "tue", "wed", "thu", "fri", "sat", "sun")
DAY_MINUTES = 24 * 60
MINUTE_NS = 60 * 10**9
MAX_WINDOW_MINUTES = 31 * DAY_MINUTES
MAX_TEXT = 500
MAX_NOTICE = 366
MAX_RULE = 10_000
MONEY_DIGITS, MONEY_DECIMALS = 18, 4
UNTIL = "%Y%m%dT%H%M%S"

_HOURS = re.compile(r"([01]\d|2[0-3]):([0-5]\d)-([01]\d|2[0-4]):([0-5]\d)")
_WORKING_DAYS = re.compile(r"(\d{1,3}) working days?")
_CURRENCY = re.compile(r"[A-Z]{3}")
_RULE_PARTS = frozenset(
    {
        "FREQ",
        "INTERVAL",
        "COUNT",
        "UNTIL",
        "WKST",
        "BYDAY",
        "BYMONTH",
        "BYMONTHDAY",
        "BYYEARDAY",
        "BYWEEKNO",
        "BYSETPOS",
    }
)
_FREQUENCIES = frozenset({"DAILY", "WEEKLY", "MONTHLY", "YEARLY"})


@dataclass(frozen=True, slots=True)
class Hours:
    """Minutes of a local day, `[start, end)`; beyond 24:00 it is the day after."""

    start: int
    end: int


@dataclass(frozen=True, slots=True)
class NoticeLength:
    """How long before it begins a window must be announced: so many working days, or so many seconds."""

    working_days: int
    seconds: int

    def __str__(self) -> str:
        return f"{self.working_days} working days" if self.working_days else f"{self.seconds / 3600:g} h"


def parse_text(value: object) -> str:
    """Words for people."""
    if isinstance(value, str) and value.strip() and len(value) <= MAX_TEXT:
        return value
    raise ValueError(f"text of at most {MAX_TEXT} characters")


def parse_day(value: object) -> date:
    """`2026-05-01`."""
    try:
        return date.fromisoformat(str(value))
    except ValueError:
        raise ValueError("a date such as 2026-05-01") from None


def parse_local_minute(value: object) -> datetime:
    """`2026-05-01 22:00`, as a clock on the wall shows it."""
    try:
        moment = datetime.fromisoformat(f"{value}+00:00").replace(tzinfo=None)
    except ValueError:
        raise ValueError("local time such as 2026-05-01 22:00") from None
    if moment.year < EARLIEST_YEAR or moment.second or moment.microsecond:
        raise ValueError(f"local time since {EARLIEST_YEAR} on a whole minute")
    return moment


def parse_minutes(value: object) -> int:
    """`4h`, `90m`: the length of a window, in whole minutes."""
    minutes, rest = divmod(parse_duration(value), MINUTE_NS)
    if rest or not 0 < minutes <= MAX_WINDOW_MINUTES:
        raise ValueError("whole minutes, at least 1m and at most 31d")
    return minutes


def parse_days(value: object) -> tuple[int, ...]:
    """`mon-fri`, `sat`; Monday is 0."""
    first, _, last = str(value).partition("-")
    if first not in DAYS or (last or first) not in DAYS:
        raise ValueError(f"a day or days such as mon or mon-fri ({', '.join(DAYS)})")
    start = DAYS.index(first)
    length = (DAYS.index(last or first) - start) % len(DAYS) + 1
    return tuple((start + step) % len(DAYS) for step in range(length))


def parse_hours(value: object) -> Hours:
    """`08:00-18:00`; `22:00-04:00` ends the day after."""
    if not (match := _HOURS.fullmatch(str(value))):
        raise ValueError("hours such as 08:00-18:00")
    start, end = (int(match[group]) * 60 + int(match[group + 1]) for group in (1, 3))
    if start == end or end > DAY_MINUTES:
        raise ValueError("hours that end, at the latest at 24:00, such as 08:00-18:00")
    return Hours(start, end if end > start else end + DAY_MINUTES)


def parse_notice(value: object) -> NoticeLength:
    """`5 working days`, `72h`."""
    if match := _WORKING_DAYS.fullmatch(str(value)):
        days, seconds = int(match[1]), 0
    else:
        try:
            days, seconds = 0, parse_duration(value) // 10**9
        except ValueError:
            raise ValueError("5 working days, or a duration such as 72h") from None
    if not (days or seconds) or days > MAX_NOTICE or seconds > MAX_NOTICE * 86_400:
        raise ValueError(f"a notice of at most {MAX_NOTICE} days, such as 5 working days or 72h")
    return NoticeLength(days, seconds)


def parse_rule(value: object) -> str:
    """An RRULE of RFC 5545 by days or longer; when and how long it takes stands beside it."""
    parts = rule_parts(str(value))
    if set(parts) - _RULE_PARTS or parts.get("FREQ") not in _FREQUENCIES or {"COUNT", "UNTIL"} <= set(parts):
        known = ", ".join(sorted(_RULE_PARTS - {"FREQ"}))
        raise ValueError(f"an RRULE by days or longer such as FREQ=WEEKLY;BYDAY=SU, with {known}; not COUNT with UNTIL")
    try:
        numbers = [int(parts.get(name, 1)) for name in ("COUNT", "INTERVAL")]
        if "UNTIL" in parts:
            datetime.strptime(parts["UNTIL"], UNTIL)  # noqa: DTZ007  # local, as everything here
        rrulestr(str(value), dtstart=datetime(2026, 1, 1))  # noqa: DTZ001  # as above
    except (ValueError, KeyError, TypeError, AttributeError):
        raise ValueError("an RRULE as RFC 5545 has it, UNTIL in local time as 20261231T235959") from None
    if not all(0 < number <= MAX_RULE for number in numbers):
        raise ValueError(f"COUNT and INTERVAL above 0 and at most {MAX_RULE}")
    return str(value)


def rule_parts(text: str) -> dict[str, str]:
    """The parts of an RRULE by their names."""
    return {name: part for name, _, part in (each.partition("=") for each in text.split(";"))}


def parse_share(value: object) -> Fraction:
    """A share from 0 to 1, exactly as written."""
    share = value if isinstance(value, Fraction) else parse_number(value)
    if not 0 <= share <= 1:
        raise ValueError("a share from 0 to 1, such as 0.1 for 10 %")
    return share


def parse_money(value: object) -> Decimal:
    """An amount, exactly as written."""
    try:
        amount = Decimal(str(value)) if isinstance(value, int | float | str | Decimal) else Decimal("NaN")
    except InvalidOperation:
        amount = Decimal("NaN")
    if not amount.is_finite() or amount < 0 or isinstance(value, bool):
        raise ValueError("an amount of money such as 1200.00")
    if amount.adjusted() >= MONEY_DIGITS or amount != round(amount, MONEY_DECIMALS):
        raise ValueError(f"an amount of money of at most {MONEY_DECIMALS} decimals")
    return amount


def parse_currency(value: object) -> str:
    """`EUR`."""
    if isinstance(value, str) and _CURRENCY.fullmatch(value):
        return value
    raise ValueError("a currency such as EUR or USD (ISO 4217)")


def hours_text(hours: Hours) -> str:
    """`08:00-18:00`, as users write it."""
    end = hours.end - DAY_MINUTES if hours.end > DAY_MINUTES else hours.end
    return f"{hours.start // 60:02}:{hours.start % 60:02}-{end // 60:02}:{end % 60:02}"


def days_text(days: tuple[int, ...]) -> str:
    """`mon-fri`, as users write it."""
    return DAYS[days[0]] if len(days) == 1 else f"{DAYS[days[0]]}-{DAYS[days[-1]]}"


def notice_text(notice: NoticeLength) -> str:
    """`5 working days`, `72h`, as users write it."""
    days = notice.working_days
    return f"{days} working day{'' if days == 1 else 's'}" if days else duration_text(notice.seconds * 10**9)


def money_number(amount: Decimal) -> int | float:
    """An amount as YAML has it."""
    return int(amount) if amount == int(amount) else float(amount)


Text = Annotated[
    str, BeforeValidator(parse_text), WithJsonSchema({"type": "string", "minLength": 1, "maxLength": MAX_TEXT})
]
Day = Annotated[
    date,
    BeforeValidator(parse_day),
    PlainSerializer(date.isoformat),
    WithJsonSchema({"type": "string", "pattern": r"^\d{4}-\d{2}-\d{2}$", "examples": ["2026-05-01"]}),
]
LocalMinute = Annotated[
    datetime,
    BeforeValidator(parse_local_minute),
    PlainSerializer(lambda moment: f"{moment:%Y-%m-%d %H:%M}"),
    WithJsonSchema(
        {
            "type": "string",
            "pattern": r"^\d{4}-\d{2}-\d{2}([ T]\d{2}:\d{2}(:00)?)?$",
            "description": "local time on a whole minute; the zone stands in timeZone",
            "examples": ["2026-05-01 22:00"],
        }
    ),
]
Moment = Annotated[
    datetime,
    BeforeValidator(parse_moment),
    PlainSerializer(lambda moment: moment.isoformat().replace("+00:00", "Z")),
    WithJsonSchema(
        {
            "type": "string",
            "pattern": r"^\d{4}-\d{2}-\d{2}[ T]\d{2}:\d{2}.*(Z|[-+]\d{2}:?\d{2})$",
            "description": "a time with its zone",
            "examples": ["2026-05-01T10:00:00Z"],
        }
    ),
]
Minutes = Annotated[
    int,
    BeforeValidator(parse_minutes),
    PlainSerializer(lambda minutes: duration_text(minutes * MINUTE_NS)),
    WithJsonSchema(
        {
            "type": "string",
            "pattern": r"^(\d+(\.\d+)?(ns|us|ms|s|m|h|d|w))+$",
            "description": "how long, in whole minutes",
            "examples": ["4h", "90m"],
        }
    ),
]
DaysField = Annotated[
    tuple[int, ...],
    BeforeValidator(parse_days),
    PlainSerializer(days_text),
    WithJsonSchema({"type": "string", "pattern": rf"^({'|'.join(DAYS)})(-({'|'.join(DAYS)}))?$"}),
]
HoursField = Annotated[
    Hours,
    BeforeValidator(parse_hours),
    PlainSerializer(hours_text),
    WithJsonSchema(
        {"type": "string", "pattern": r"^\d{2}:\d{2}-\d{2}:\d{2}$", "examples": ["08:00-18:00", "22:00-04:00"]}
    ),
]
NoticeField = Annotated[
    NoticeLength,
    BeforeValidator(parse_notice),
    PlainSerializer(notice_text),
    WithJsonSchema({"type": "string", "examples": ["5 working days", "72h"]}),
]
Rule = Annotated[
    str,
    BeforeValidator(parse_rule),
    WithJsonSchema(
        {
            "type": "string",
            "pattern": "FREQ=",
            "description": "an RRULE of RFC 5545",
            "examples": ["FREQ=WEEKLY;BYDAY=SU"],
        }
    ),
]
Share = Annotated[
    Fraction,
    BeforeValidator(parse_share),
    PlainSerializer(number_written),
    WithJsonSchema({"type": "number", "minimum": 0, "maximum": 1, "examples": [0.1]}),
]
Money = Annotated[
    Decimal,
    BeforeValidator(parse_money),
    PlainSerializer(money_number),
    WithJsonSchema({"type": ["number", "string"], "minimum": 0, "examples": [1200.00]}),
]
Currency = Annotated[
    str,
    BeforeValidator(parse_currency),
    WithJsonSchema({"type": "string", "pattern": f"^{_CURRENCY.pattern}$", "examples": ["EUR", "USD"]}),
]
