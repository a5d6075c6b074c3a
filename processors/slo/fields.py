"""The kinds of values that documents are made of: names, numbers, lengths, zones, and what a slip in one is told.

In: a value as YAML gives it. Out: the value, exact, or `ValueError` saying what stands there when it is right. Each
type carries its JSON schema, so that editors complete and check it, and gives back what was written.
"""

import math
import re
from datetime import datetime
from fractions import Fraction
from typing import Annotated, Any
from zoneinfo import ZoneInfo, available_timezones

from pydantic import BeforeValidator, PlainSerializer, WithJsonSchema

from pipeline.config import nearest
from processors.slo.windows import SLICE, UNIT_MONTHS, UNIT_S, Length, parse_length

NAME = re.compile(r"[a-z0-9]([-a-z0-9]{0,61}[a-z0-9])?")
ZERO_LENGTH = re.compile(r"0[mhdw]")
EARLIEST_YEAR = 1970
MINUTES = "m"
MAX_SUGGESTED = 63


def parse_name(value: object) -> str:
    """A name that can stand in a URL and in SQL as it is.

    Raises:
        ValueError: saying what a name looks like, and the nearest one.
    """
    if isinstance(value, str) and NAME.fullmatch(value):
        return value
    near = re.sub(r"[^a-z0-9]+", "-", str(value).lower()).strip("-")[:MAX_SUGGESTED].strip("-")
    hint = f", such as {near}" if isinstance(value, str) and near else ""
    raise ValueError(f"a name of lower-case letters, digits and dashes, at most 63 (RFC 1123 label){hint}")


def parse_number(value: object) -> Fraction:
    """A YAML number, exactly as it is written: 0.999 is 999/1000.

    Raises:
        ValueError: it is not a number.
    """
    if isinstance(value, Fraction):
        return value
    if isinstance(value, int | float) and not isinstance(value, bool) and math.isfinite(value):
        return Fraction(str(value))
    if isinstance(value, str) and value.strip().endswith("%"):
        raise ValueError("a number, without the sign for per cent")
    raise ValueError("a number")


def number_written(number: Fraction) -> int | float:
    """A number as YAML has it."""
    return number.numerator if number.denominator == 1 else float(number)


def parse_zone(value: object) -> str:
    """A name from the IANA time zone database.

    Raises:
        ValueError: there is no such zone; with the nearest one.
    """
    try:
        return ZoneInfo(str(value)).key
    except (LookupError, OSError, ValueError):
        hint = nearest(str(value), sorted(available_timezones()))
        near = f" ({hint})" if hint else ""
        raise ValueError(f"an IANA time zone such as UTC, Europe/Paris or America/New_York{near}") from None


def parse_start(value: object) -> str:
    """Local time as `2026-01-01 00:00:00`, on the edge of a slice, as it is written.

    Raises:
        ValueError: saying what a start looks like.
    """
    if isinstance(value, str) and re.search(r"(?:Z|[-+]\d\d:?\d\d)$", value.partition(":")[2]):
        raise ValueError("local time such as 2026-01-01 00:00:00, without an offset: the zone stands in timeZone")
    try:
        start = local_time(str(value))
    except ValueError:
        raise ValueError("local time such as 2026-01-01 00:00:00") from None
    if start.year < EARLIEST_YEAR or start.second % SLICE.seconds:
        raise ValueError(f"local time since {EARLIEST_YEAR} at a multiple of {SLICE.seconds} s")
    return str(value)


def local_time(text: str) -> datetime:
    """A start as a datetime without a zone."""
    return datetime.fromisoformat(f"{text}+00:00").replace(tzinfo=None)


def parse_length_field(value: object) -> Length:
    """A length of OpenSLO.

    Raises:
        ValueError: saying what a length looks like; a duration of a request is told from one.
    """
    if isinstance(value, Length):
        return value
    if isinstance(value, str) and re.fullmatch(r"\d+(?:ms|us|ns|s)", value):
        raise ValueError("a length in m, h, d, w, M, Q or Y, such as 5m (a minute at the least)")
    return parse_length(value)


def parse_slice_window(value: object) -> Length | int:
    """The length of a time slice; a bare number means minutes.

    Raises:
        ValueError: saying what a slice looks like.
    """
    if isinstance(value, int) and not isinstance(value, bool) and value > 0:
        return value
    if isinstance(value, str):
        return parse_length_field(value)
    raise ValueError("a length such as 1m or 5m, or whole minutes as a number")


def length_of(window: Length | int) -> Length:
    """A slice window, however it was written."""
    return Length(window, MINUTES) if isinstance(window, int) else window


def parse_wait(value: object) -> Length:
    """A length, or none: `0m`.

    Raises:
        ValueError: saying what a wait looks like.
    """
    if isinstance(value, str) and ZERO_LENGTH.fullmatch(value):
        return Length(0, value[-1])
    return parse_length_field(value)


def _schema(**words: Any) -> WithJsonSchema:
    return WithJsonSchema(words)


_LENGTH = rf"^[1-9][0-9]*[{''.join([*UNIT_S, *UNIT_MONTHS])}]$"
_LENGTH_WORDS = "a whole number and a unit: m minute, h hour, d day, w week, M month, Q quarter, Y year; case matters"

Name = Annotated[
    str,
    BeforeValidator(parse_name),
    _schema(
        type="string", pattern=f"^{NAME.pattern}$", description="lower-case letters, digits and dashes, at most 63"
    ),
]
Number = Annotated[
    Fraction, BeforeValidator(parse_number), PlainSerializer(number_written), _schema(type="number", examples=[0.999])
]
LengthField = Annotated[
    Length,
    BeforeValidator(parse_length_field),
    PlainSerializer(str),
    _schema(type="string", pattern=_LENGTH, description=_LENGTH_WORDS, examples=["5m", "1h", "30d", "4w", "1M"]),
]
Wait = Annotated[
    Length,
    BeforeValidator(parse_wait),
    PlainSerializer(str),
    _schema(type="string", pattern=r"^[0-9]+[mhdw]$", description="like a length, or 0m", examples=["0m", "5m"]),
]
SliceWindow = Annotated[
    Length | int,
    BeforeValidator(parse_slice_window),
    PlainSerializer(lambda window: window if isinstance(window, int) else str(window)),
    _schema(
        anyOf=[{"type": "integer", "minimum": 1}, {"type": "string", "pattern": _LENGTH}],
        description="how long a time slice is: whole minutes; a bare number means minutes",
        examples=["1m", "5m", 5],
    ),
]
Zone = Annotated[
    str,
    BeforeValidator(parse_zone),
    _schema(
        type="string",
        pattern="^[A-Za-z][A-Za-z0-9_+/-]*$",
        description="a name of the IANA time zone database",
        examples=["UTC", "Europe/Paris", "America/New_York"],
    ),
]
Start = Annotated[
    str,
    BeforeValidator(parse_start),
    _schema(
        type="string",
        pattern=r"^\d{4}-\d{2}-\d{2}([ T]\d{2}:\d{2}(:\d0(\.0+)?)?)?$",
        description="local time, without a zone",
        examples=["2026-01-01 00:00:00"],
    ),
]
