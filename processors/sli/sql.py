"""An indicator as SQL over `otel_traces`: for people who want to count again, and for the test that compares both.

In: an indicator. Out: boolean expressions, and the query that recounts a window. The masks in `mask.py` are what
counts; this says the same in ClickHouse's words, and a test holds the two against each other on a real engine.
"""

from collections.abc import Callable
from datetime import UTC, datetime

from pipeline.sql import quoted
from processors.sli.columns import stored
from processors.sli.indicator import Indicator
from processors.sli.outcome import (
    CLIENT_ERROR,
    CODES_END,
    HTTP_CODES,
    RPC_CODES,
    RPC_OK,
    RPC_SERVER_FAULTS,
    SERVER_ERROR,
)
from processors.sli.selector import Condition, Scalar, SpanSelector

ENDED = "addNanoseconds(Timestamp, Duration)"
INTRINSICS = {"name": "SpanName", "kind": "lower(SpanKind)", "status": "lower(StatusCode)"}
MAPS = {"span.": "SpanAttributes", "resource.": "ResourceAttributes"}


def recount(indicator: Indicator, start: datetime, end: datetime) -> str:
    """The query that counts `indicator` again over spans that ended in [start, end)."""
    valid, good = valid_sql(indicator), good_sql(indicator)
    return (
        f"SELECT countIf({good}) AS good, count() AS valid\n"
        f"FROM otel_traces\n"
        f"WHERE {valid}\n"
        f"  AND {ended_between(start, end)}"
    )


def ended_between(start: datetime, end: datetime) -> str:
    """Which spans ended in [start, end)."""
    return f"{ENDED} >= {_time(start)} AND {ENDED} < {_time(end)}"


def valid_sql(indicator: Indicator) -> str:
    """Which spans are valid."""
    return selector_sql(indicator.valid)


def good_sql(indicator: Indicator) -> str:
    """Which of the valid spans are good."""
    if indicator.good is not None:
        return selector_sql(indicator.good)
    assert indicator.bad is not None
    return f"NOT ({selector_sql(indicator.bad)})"


def selector_sql(selector: SpanSelector) -> str:
    """Every condition of a selector."""
    return " AND ".join(_condition(field, condition) for field, condition in selector.where.items())


def _condition(field: str, condition: Condition) -> str:
    if field == "duration":
        return _all(_ordered("Duration", condition))
    if field == "outcome":
        return _all(_words(f"if({FAILED}, 'failure', 'success')", condition))
    if field in INTRINSICS:
        return _present(INTRINSICS[field], "1", condition)
    if field == "resource.service.name":
        return _present("ServiceName", "ServiceName != ''", condition)
    value, has = _attribute(field)
    return _present(value, has, condition)


def _attribute(field: str) -> tuple[str, str]:
    prefix = next(prefix for prefix in MAPS if field.startswith(prefix))
    column, key = MAPS[prefix], quoted(field.removeprefix(prefix))
    return f"{column}[{key}]", f"mapContains({column}, {key})"


def _present(value: str, has: str, condition: Condition) -> str:
    """Absence fails every condition but `exists: false`, and `not_in` where it stands alone."""
    if condition.exists is False:
        return _all([f"NOT {has}"])
    number = f"toFloat64OrNull({value})"
    tests = [*_words(value, condition), *(f"ifNull({test}, 0)" for test in _ordered(number, condition))]
    if condition.prefix is not None:
        tests.append(f"startsWith({value}, {quoted(condition.prefix)})")
    if condition.model_fields_set == {"not_in"}:
        return f"(NOT {has} OR {_all(tests)})"
    return _all([has, *tests])


def _words(value: str, condition: Condition) -> list[str]:
    tests = []
    if condition.eq is not None:
        tests.append(f"{value} = {quoted(stored(condition.eq))}")
    if condition.in_ is not None:
        tests.append(f"{value} IN ({_list(condition.in_)})")
    if condition.not_in is not None:
        tests.append(f"{value} NOT IN ({_list(condition.not_in)})")
    return tests


def _ordered(value: str, condition: Condition) -> list[str]:
    bounds = ((">", condition.gt), (">=", condition.gte), ("<", condition.lt), ("<=", condition.lte))
    return [f"{value} {sign} {bound}" for sign, bound in bounds if bound is not None]


def _all(tests: list[str]) -> str:
    return f"({' AND '.join(tests)})" if tests else "1"


def _list(values: tuple[Scalar, ...]) -> str:
    return ", ".join(quoted(stored(value)) for value in values)


def _time(moment: datetime) -> str:
    return f"toDateTime64('{moment.astimezone(UTC):%Y-%m-%d %H:%M:%S.%f}', 9, 'UTC')"


def _any(fields: tuple[str, ...], test: Callable[[str], str]) -> str:
    return "(" + " OR ".join(test(_attribute(field)[0]) for field in fields) + ")"


def _code_from(lowest: int) -> Callable[[str], str]:
    return lambda value: f"ifNull(toUInt64OrNull({value}) BETWEEN {lowest} AND {CODES_END - 1}, 0)"


def _among(words: frozenset[str]) -> str:
    return ", ".join(quoted(word) for word in sorted(words))


_CLIENT = "(lower(SpanKind) = 'client')"
_HTTP = _any(HTTP_CODES, _code_from(100))
_REFUSED = _any(HTTP_CODES, _code_from(CLIENT_ERROR))
_BROKEN = _any(HTTP_CODES, _code_from(SERVER_ERROR))
_RPC = _any(RPC_CODES, lambda value: f"{value} != ''")
_RPC_FAULT = _any(RPC_CODES, lambda value: f"lower({value}) IN ({_among(RPC_SERVER_FAULTS)})")
_RPC_NOT_OK = _any(RPC_CODES, lambda value: f"({value} != '' AND lower({value}) NOT IN ({_among(RPC_OK)}))")
_ERROR_TYPE = f"{_attribute('span.error.type')[0]} != ''"
_EXCUSED = f"(NOT {_CLIENT} AND ({_REFUSED} OR ({_RPC} AND NOT {_RPC_FAULT})))"
FAILED = (
    f"(multiIf({_HTTP}, if({_CLIENT}, {_REFUSED}, {_BROKEN}), {_RPC}, if({_CLIENT}, {_RPC_NOT_OK}, {_RPC_FAULT}),"
    f" {_ERROR_TYPE}) OR (lower(StatusCode) = 'error' AND NOT {_EXCUSED}))"
)
