"""An indicator as SQL over what is stored: for people who want to count again, and for the test that compares both.

In: an indicator. Out: boolean expressions, and the query that recounts a window. The masks in `mask.py` are what
counts; this says the same in ClickHouse's words, and a test holds the two against each other on a real engine. Of data
points only those of gauges can be counted by one query: sums and histograms are what `derive.py` makes of them.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime

from pipeline.sql import quoted
from processors.sli.columns import NO_RECORDED_VALUE, NUMBER, NUMBERS_PER_SEVERITY, OPTIONAL, stored
from processors.sli.indicator import Indicator
from processors.sli.mask import FAILURE, Selects
from processors.sli.outcome import (
    CLIENT_ERROR,
    CODES_END,
    HTTP_CODES,
    JSONRPC,
    JSONRPC_CODE,
    RPC_CODES,
    RPC_OK,
    RPC_SERVER_FAULTS,
    RPC_SYSTEMS,
    SERVER_ERROR,
)
from processors.sli.selector import SEVERITIES, Condition, Scalar, Where

# What samplers said in the tracestate: a threshold, or the exponent that came before it
THRESHOLD = r"extract(TraceState, '^(?:[^,]*,)*?\\s*ot=(?:[^,;]*;)*?th:([0-9a-fA-F]{1,14})(?:[;,]|$)')"
EXPONENT = r"extract(TraceState, '^(?:[^,]*,)*?\\s*ot=(?:[^,;]*;)*?p:([0-9]{1,2})(?:[;,]|$)')"
STANDS_FOR_NONE = f"({EXPONENT} = '63' AND {THRESHOLD} = '')"


@dataclass(frozen=True, slots=True, kw_only=True)
class Stored:
    """Where a signal is stored: its columns by field, the moment of a row, what must hold of any that counts."""

    table: str
    moment: str
    texts: Mapping[str, str]
    maps: Mapping[str, str]
    numbers: Mapping[str, str]
    always: str = ""


_EVERYWHERE = {"scope.name": "ScopeName", "scope.version": "ScopeVersion", "resource.service.name": "ServiceName"}
_RANGE = f"least(intDiv(SeverityNumber + {NUMBERS_PER_SEVERITY - 1}, {NUMBERS_PER_SEVERITY}), {len(SEVERITIES) - 1})"
_SEVERITY = f"[{', '.join(map(quoted, SEVERITIES))}][{_RANGE} + 1]"
STORED: Mapping[str, Stored] = {
    "traces": Stored(
        table="otel_traces",
        moment="addNanoseconds(Timestamp, Duration)",
        texts={**_EVERYWHERE, "name": "SpanName", "kind": "lower(SpanKind)", "status": "lower(StatusCode)"},
        maps={"span.": "SpanAttributes", "resource.": "ResourceAttributes"},
        numbers={"duration": "Duration"},
    ),
    "logs": Stored(
        table="otel_logs",
        moment="Timestamp",
        texts={**_EVERYWHERE, "body": "Body", "event_name": "EventName", "severity": _SEVERITY},
        maps={"log.": "LogAttributes", "resource.": "ResourceAttributes"},
        numbers={},
    ),
    "metrics": Stored(
        table="otel_metrics_gauge",
        moment="TimeUnix",
        texts={**_EVERYWHERE, "name": "MetricName", "unit": "MetricUnit"},
        maps={"point.": "Attributes", "resource.": "ResourceAttributes"},
        numbers={"value": "Value"},
        always=f"bitAnd(Flags, {NO_RECORDED_VALUE}) = 0",
    ),
}


def recount(indicator: Indicator, start: datetime, end: datetime) -> str:
    """The query that counts `indicator` again over what happened in [start, end)."""
    valid, good = valid_sql(indicator), good_sql(indicator)
    return (
        f"SELECT countIf({good}) AS good, count() AS valid\n"
        f"FROM {STORED[indicator.signal].table}\n"
        f"WHERE {valid}\n"
        f"  AND {happened_between(indicator, start, end)}"
    )


def happened_between(indicator: Indicator, start: datetime, end: datetime) -> str:
    """Which events happened in [start, end); for spans, ended."""
    moment = STORED[indicator.signal].moment
    return f"{moment} >= {_time(start)} AND {moment} < {_time(end)}"


def valid_sql(indicator: Indicator) -> str:
    """Which events are valid."""
    tests = [selector_sql(indicator.valid, indicator.signal), STORED[indicator.signal].always]
    if indicator.weighs:
        tests.append(f"NOT {STANDS_FOR_NONE}")
    return " AND ".join(filter(None, tests))


def good_sql(indicator: Indicator) -> str:
    """Which of the valid events are good."""
    part = selector_sql(indicator.part, indicator.signal)
    return part if indicator.good is not None else f"NOT ({part})"


def selector_sql(selector: Selects, signal: str) -> str:
    """Every clause of a selector."""
    return where_sql(selector.where, STORED[signal])


def where_sql(where: Where, stored: Stored) -> str:
    """Every clause; safe between AND as it is."""
    tests = []
    for key, clause in where.items():
        if isinstance(clause, Condition):
            tests.append(_condition(key, clause, stored))
        elif isinstance(clause, tuple):
            tests.append(f"({f' {key.upper()} '.join(f'({where_sql(one, stored)})' for one in clause)})")
        else:
            tests.append(f"NOT ({where_sql(clause, stored)})")
    return " AND ".join(tests)


def _condition(field: str, condition: Condition, stored: Stored) -> str:
    if field in stored.numbers:
        return _all(_ordered(stored.numbers[field], condition))
    if field == "outcome":
        return FAILED if condition == FAILURE else _all(_words(f"if({FAILED}, 'failure', 'success')", condition))
    if field in stored.texts:
        column = stored.texts[field]
        return _present(column, f"{column} != ''" if field in OPTIONAL else "1", condition)
    value, has = _attribute(field, stored)
    return _present(value, has, condition)


def _attribute(field: str, stored: Stored) -> tuple[str, str]:
    prefix = next(prefix for prefix in stored.maps if field.startswith(prefix))
    column, key = stored.maps[prefix], quoted(field.removeprefix(prefix))
    return f"{column}[{key}]", f"mapContains({column}, {key})"


def _present(value: str, has: str, condition: Condition) -> str:
    """Absence fails every condition but `exists: false`, and `not_in` where it stands alone."""
    if condition.exists is False:
        return _all([f"NOT ({has})"])
    number = f"if(match({value}, {quoted(f'^{NUMBER.pattern}$')}), toFloat64OrNull({value}), NULL)"
    tests = [*_words(value, condition), *(f"ifNull({test}, 0)" for test in _ordered(number, condition))]
    if condition.prefix is not None:
        tests.append(f"startsWith({value}, {quoted(condition.prefix)})")
    if condition.regex is not None:
        tests.append(f"match({value}, {quoted(condition.regex)})")
    if condition.asked == {"not_in"}:
        return f"(NOT ({has}) OR {_all(tests)})"
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
    return "(" + " OR ".join(test(_span(field)) for field in fields) + ")"


def _code_from(lowest: int) -> Callable[[str], str]:
    return lambda value: f"ifNull(toUInt64OrNull({value}) BETWEEN {lowest} AND {CODES_END - 1}, 0)"


def _among(words: frozenset[str]) -> str:
    return ", ".join(quoted(word) for word in sorted(words))


def _span(field: str) -> str:
    return _attribute(field, STORED["traces"])[0]


_CLIENT = "(lower(SpanKind) = 'client')"
_HTTP = _any(HTTP_CODES, _code_from(100))
_REFUSED = _any(HTTP_CODES, _code_from(CLIENT_ERROR))
_BROKEN = _any(HTTP_CODES, _code_from(SERVER_ERROR))
_RPC = _any(RPC_CODES, lambda value: f"{value} != ''")
_IS_JSONRPC = _any(RPC_SYSTEMS, lambda value: f"{value} = {quoted(JSONRPC)}")
_JSONRPC = f"({_span(JSONRPC_CODE)} != '' OR ({_RPC} AND {_IS_JSONRPC}))"
_FAULTY = _any(RPC_CODES, lambda value: f"lower({value}) IN ({_among(RPC_SERVER_FAULTS)})")
_NOT_OK = _any(RPC_CODES, lambda value: f"({value} != '' AND lower({value}) NOT IN ({_among(RPC_OK)}))")
_RPC_FAULT, _RPC_NOT_OK = f"({_JSONRPC} OR {_FAULTY})", f"({_JSONRPC} OR {_NOT_OK})"
_ERROR_TYPE = f"{_span('span.error.type')} != ''"
_EXCUSED = f"(NOT {_CLIENT} AND ({_REFUSED} OR ({_RPC} AND NOT {_RPC_FAULT})))"
FAILED = (
    f"(multiIf({_HTTP}, if({_CLIENT}, {_REFUSED}, {_BROKEN}), {_RPC}, if({_CLIENT}, {_RPC_NOT_OK}, {_RPC_FAULT}),"
    f" {_ERROR_TYPE}) OR (lower(StatusCode) = 'error' AND NOT {_EXCUSED}))"
)
