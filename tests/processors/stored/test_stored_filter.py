"""Filters: what fulfils one is not stored, and nothing else goes."""

from collections.abc import Mapping
from typing import Any

from hypothesis import given, settings
from hypothesis import strategies as st

from fixtures.records import LOGS, POINTS, records
from fixtures.spans import FakeSpan, batch, only
from processors.sli.selector import SEVERITIES, Condition, LogConditions, MetricConditions
from processors.stored.config import ProcessorsConfig
from processors.stored.data import StoredData

WORDS = st.sampled_from(["", "a", "ab", "/healthz", "10", "9", "true"])
CONDITION = st.one_of(
    WORDS,
    st.builds(lambda word: {"eq": word}, WORDS),
    st.builds(lambda words: {"in": words}, st.lists(WORDS, min_size=1, max_size=3)),
    st.builds(lambda words: {"not_in": words}, st.lists(WORDS, min_size=1, max_size=3)),
    st.builds(lambda word: {"prefix": word}, WORDS),
    st.builds(lambda yes: {"exists": yes}, st.booleans()),
    st.fixed_dictionaries({}, optional={sign: st.integers(0, 10) for sign in ("gt", "gte", "lt", "lte")}).filter(bool),
)
ATTRIBUTES = st.dictionaries(st.sampled_from(["x", "y"]), WORDS, max_size=2)
SEVERITY = st.one_of(
    st.sampled_from(SEVERITIES),
    st.builds(lambda words: {"in": words}, st.lists(st.sampled_from(SEVERITIES), min_size=1)),
)
LOG = st.fixed_dictionaries(
    {"LogAttributes": ATTRIBUTES, "ResourceAttributes": ATTRIBUTES, "Body": WORDS},
    optional={"SeverityNumber": st.integers(0, 30), "ServiceName": st.sampled_from(["", "a"])},
)
LOG_WHERE = st.fixed_dictionaries(
    {},
    optional={
        "severity": SEVERITY,
        "body": st.one_of(WORDS, st.builds(lambda word: {"prefix": word}, WORDS)),
        "log.x": CONDITION,
        "resource.y": CONDITION,
        "resource.service.name": CONDITION,
    },
).filter(bool)
POINT = st.fixed_dictionaries({"Attributes": ATTRIBUTES, "ResourceAttributes": ATTRIBUTES, "MetricName": WORDS})
POINT_WHERE = st.fixed_dictionaries(
    {}, optional={"name": CONDITION, "point.x": CONDITION, "resource.y": CONDITION}
).filter(bool)


def stored(**filters: Any) -> StoredData:
    return StoredData(ProcessorsConfig.model_validate({"filter": filters}), ())


def log_value(row: Mapping[str, Any], field: str) -> str | None:
    """The slow twin: one field of one record."""
    if field == "severity":
        number = row.get("SeverityNumber", 0)
        return "unspecified" if number < 1 else SEVERITIES[min((number + 3) // 4, 6)]
    if field == "body":
        return str(row["Body"])
    if field == "resource.service.name":
        return row.get("ServiceName") or None
    attributes = row["LogAttributes"] if field.startswith("log.") else row["ResourceAttributes"]
    return attributes.get(field.partition(".")[2])


def point_value(row: Mapping[str, Any], field: str) -> str | None:
    if field == "name":
        return str(row["MetricName"])
    attributes = row["Attributes"] if field.startswith("point.") else row["ResourceAttributes"]
    return attributes.get(field.partition(".")[2])


def holds(value: str | None, condition: Condition) -> bool:
    """The slow twin: one condition of one value."""
    if value is None:
        return condition.exists is False or condition.model_fields_set == {"not_in"}
    bounds = {"gt": condition.gt, "gte": condition.gte, "lt": condition.lt, "lte": condition.lte}
    compare = {"gt": float.__gt__, "gte": float.__ge__, "lt": float.__lt__, "lte": float.__le__}
    tests = [
        condition.exists is not False,
        condition.eq is None or value == condition.eq,
        condition.in_ is None or value in condition.in_,
        condition.not_in is None or value not in condition.not_in,
        condition.prefix is None or value.startswith(condition.prefix),
        *(
            value.isdigit() and compare[sign](float(value), float(bound))
            for sign, bound in bounds.items()
            if bound is not None
        ),
    ]
    return all(tests)


@settings(deadline=None)
@given(rows=st.lists(LOG, max_size=12), wheres=st.lists(LOG_WHERE, min_size=1, max_size=3))
def test_log_records_that_fulfil_a_filter_are_not_stored(
    rows: list[dict[str, Any]], wheres: list[dict[str, Any]]
) -> None:
    """Asked of columns as of rows."""
    data = stored(logs=[{"where": where} for where in wheres])
    filters = [LogConditions.model_validate({"where": where}) for where in wheres]
    expected = [
        row
        for row in rows
        if not any(all(holds(log_value(row, f), c) for f, c in one.where.items()) for one in filters)
    ]
    kept = data.process("otel_logs", records(LOGS, rows))
    assert kept.to_pylist() == records(LOGS, expected).to_pylist()
    assert sum(data.stats().filtered_total.values()) == len(rows) - len(expected)


@settings(deadline=None)
@given(rows=st.lists(POINT, max_size=12), wheres=st.lists(POINT_WHERE, min_size=1, max_size=3))
def test_data_points_that_fulfil_a_filter_are_not_stored(
    rows: list[dict[str, Any]], wheres: list[dict[str, Any]]
) -> None:
    """Whatever kind of metric they are of."""
    data = stored(metrics=[{"where": where} for where in wheres])
    filters = [MetricConditions.model_validate({"where": where}) for where in wheres]
    expected = [
        row
        for row in rows
        if not any(all(holds(point_value(row, f), c) for f, c in one.where.items()) for one in filters)
    ]
    for table in ("otel_metrics_gauge", "otel_metrics_exp_histogram"):
        assert data.process(table, records(POINTS, rows)).to_pylist() == records(POINTS, expected).to_pylist()


def test_spans_that_fulfil_a_filter_are_not_stored() -> None:
    """In the language of indicators, of which it is the same implementation."""
    spans = [
        FakeSpan(name="a", attributes={"http.route": "/healthz"}),
        FakeSpan(name="b", attributes={"http.route": "/healthz"}, status="ERROR"),
        FakeSpan(name="c", attributes={"http.route": "/checkout"}),
        FakeSpan(name="d", kind="INTERNAL"),
        FakeSpan(name="e", kind="CLIENT"),
    ]
    probes = {"span.http.route": {"in": ["/healthz", "/readyz"]}, "outcome": "success"}
    data = stored(traces=[{"where": probes}, {"where": {"kind": "internal"}}])
    record = only(data.batch(batch(spans)))
    assert record["SpanName"].to_pylist() == ["b", "c", "e"]
    assert data.stats().filtered_total == {("otel_traces", "traces[0]"): 1, ("otel_traces", "traces[1]"): 1}


def test_a_filter_of_one_signal_leaves_the_others_alone() -> None:
    """And costs them nothing: the very same batch goes on."""
    data = stored(logs=[{"where": {"severity": "debug"}}])
    spans, points = only(batch([FakeSpan()])), records(POINTS, [{"MetricName": "a"}])
    assert data.process("otel_traces", spans) is spans
    assert data.process("otel_metrics_sum", points) is points


def test_nothing_configured_is_nothing_done() -> None:
    """The very same batches go on."""
    data = StoredData(ProcessorsConfig(), ())
    spans, logs = only(batch([FakeSpan()])), records(LOGS, [{"Body": "a"}])
    assert data.process("otel_traces", spans) is spans
    assert data.process("otel_logs", logs) is logs
