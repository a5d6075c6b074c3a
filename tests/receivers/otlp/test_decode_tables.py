"""Decoded batches in the tables of the real engine: what SQL reads is what was sent."""

from typing import Any

import pytest

from fixtures.otlp_bodies import EVERYTHING, NOON_NS, ordinary, request_of
from fixtures.otlp_oracle import differences
from fixtures.otlp_reference import RECEIVED_NS, decoded, reference
from fixtures.otlp_stored import all_stored, in_order, store_chunk, stored
from fixtures.store import Store
from receivers.otlp.signals import LOGS, METRICS, SIGNALS, TRACES, Signal

FRAME = b"\xc2\x3e\x05hello"
RESOURCE = [{"key": b"service.name", "value": {"string_value": b"shop"}}]
DELTA, CUMULATIVE = 1, 2
NO_RECORDED_VALUE = 1


@pytest.mark.parametrize("signal", SIGNALS, ids=lambda signal: signal.name)
def test_the_engine_reads_every_column_of_every_table_as_it_was_decoded(signal: Signal, store: Store) -> None:
    """Dictionaries, maps, lists and timestamps go into the tables' own types and come back the same."""
    chunk = FRAME + EVERYTHING[signal.name](3) + FRAME + (ordinary(5, 40) if signal is TRACES else b"")
    store_chunk(store, signal, chunk, RECEIVED_NS)
    expected = {table: in_order(rows) for table, rows in decoded(signal, chunk).items()}
    assert differences(all_stored(store, expected), expected) == []


def at(second: int, **point: Any) -> dict[str, Any]:
    """A data point of that second of a minute."""
    return {"start_time_unix_nano": NOON_NS, "time_unix_nano": NOON_NS + second * 10**9, **point}


EXEMPLARS = [
    {"time_unix_nano": NOON_NS + 1, "as_int": 7, "trace_id": bytes(range(16)), "span_id": bytes(range(8))},
    {"time_unix_nano": NOON_NS + 2, "as_double": 0.5, "filtered_attributes": RESOURCE},
]
HISTOGRAM = {"count": 3, "sum": 4.5, "min": 0.5, "max": 2.5, "bucket_counts": [1, 2], "explicit_bounds": [1.0]}
EXPONENTIAL = {
    "count": 5, "sum": -1.5, "min": -2.0, "max": 1.0, "scale": -1, "zero_count": 1, "zero_threshold": 0.25,
    "positive": {"offset": -3, "bucket_counts": [1, 2]}, "negative": {"offset": 4, "bucket_counts": [1]},
}  # fmt: skip
KINDS: list[dict[str, Any]] = [
    {"name": b"load", "gauge": {"data_points": [at(1, as_double=0.1), at(2, as_int=-7, exemplars=EXEMPLARS)]}},
    {"name": b"gone", "gauge": {"data_points": [at(1, flags=NO_RECORDED_VALUE)]}},
    {
        "name": b"requests",
        "sum": {"data_points": [at(1, as_int=2**53)], "aggregation_temporality": CUMULATIVE, "is_monotonic": True},
    },
    {"name": b"queue", "sum": {"data_points": [at(1, as_double=-1.5)], "aggregation_temporality": DELTA}},
    *(
        {"name": name, kind: {"data_points": [at(1, exemplars=EXEMPLARS, **data)], "aggregation_temporality": law}}
        for kind, data in (("histogram", HISTOGRAM), ("exponential_histogram", EXPONENTIAL))
        for name, law in ((b"delta", DELTA), (b"total", CUMULATIVE))
    ),
    {
        "name": b"latency",
        "summary": {
            "data_points": [at(1, count=9, sum=4.5, quantile_values=[{"quantile": 0.5, "value": 1.0}, {"quantile": 1}])]
        },
    },
]
POINTS = {"gauge": 3, "sum": 2, "histogram": 2, "exp_histogram": 2, "summary": 1}


def test_c07_every_kind_of_metric_lands_whole_in_its_table(store: Store) -> None:
    """Five kinds, two kinds of number, two temporalities, exemplars and a point without a recorded value."""
    body = request_of("metrics", KINDS, RESOURCE, scope={"name": b"meter"}, schema_url=b"https://example.org/1")
    store_chunk(store, METRICS, body, RECEIVED_NS)
    found = all_stored(store, [f"otel_metrics_{kind}" for kind in POINTS])
    expected, rejected = reference(METRICS, body)
    assert differences(found, {table: in_order(rows) for table, rows in expected.items()}) == []
    assert {table: len(rows) for table, rows in found.items()} == {f"otel_metrics_{k}": n for k, n in POINTS.items()}
    assert rejected == 0


@pytest.mark.parametrize(
    ("sql", "expected"),
    [
        (
            "SELECT MetricName, Value, Flags FROM otel_metrics_gauge ORDER BY MetricName, Value",
            [("gone", 0.0, 1), ("load", -7.0, 0), ("load", 0.1, 0)],
        ),
        (
            "SELECT MetricName, Value, AggregationTemporality, IsMonotonic FROM otel_metrics_sum ORDER BY MetricName",
            [("queue", -1.5, 1, False), ("requests", 2.0**53, 2, True)],
        ),
        (
            """SELECT MetricName, Count, Sum, Min, Max, BucketCounts, ExplicitBounds, AggregationTemporality
            FROM otel_metrics_histogram ORDER BY MetricName""",
            [(name, 3, 4.5, 0.5, 2.5, [1, 2], [1.0], law) for name, law in (("delta", 1), ("total", 2))],
        ),
        (
            """SELECT Scale, ZeroCount, ZeroThreshold, PositiveOffset, PositiveBucketCounts, NegativeOffset,
            NegativeBucketCounts, Min, Max FROM otel_metrics_exp_histogram""",
            [(-1, 1, 0.25, -3, [1, 2], 4, [1], -2.0, 1.0)] * 2,
        ),
        (
            "SELECT Count, Sum, `ValueAtQuantiles.Quantile`, `ValueAtQuantiles.Value` FROM otel_metrics_summary",
            [(9, 4.5, [0.5, 1.0], [1.0, 0.0])],
        ),
        (
            """SELECT `Exemplars.Value`, `Exemplars.TraceId`, `Exemplars.FilteredAttributes`[2]['service.name']
            FROM otel_metrics_gauge WHERE notEmpty(`Exemplars.Value`)""",
            [([7.0, 0.5], [bytes(range(16)).hex(), ""], "shop")],
        ),
        (
            "SELECT ServiceName, ScopeName, ScopeSchemaUrl, toUnixTimestamp64Nano(TimeUnix) FROM otel_metrics_sum",
            [("shop", "meter", "https://example.org/1", NOON_NS + 10**9)] * 2,
        ),
    ],
    ids=["gauge", "sum", "histogram", "exponential histogram", "summary", "exemplars", "inherited"],
)
def test_c07_sql_reads_the_numbers_that_were_sent(sql: str, expected: list[Any], store: Store) -> None:
    """Written out, so that the reference cannot share a mistake with the decoder."""
    body = request_of("metrics", KINDS, RESOURCE, scope={"name": b"meter"}, schema_url=b"https://example.org/1")
    store_chunk(store, METRICS, body, RECEIVED_NS)
    assert [tuple(row.values()) for row in store.reader.query(sql).to_pylist()] == expected


def test_a_log_without_ids_is_found_by_its_body(store: Store) -> None:
    """Kept, as logs.proto asks; and an event by its name."""
    records = [{"body": {"string_value": b"one"}, "trace_id": b"short"}, {"event_name": b"browser.page_view"}]
    store_chunk(store, LOGS, request_of("logs", records, RESOURCE), NOON_NS)
    names = ("Body", "TraceId", "EventName", "ServiceName", "Timestamp")
    found = [tuple(row[name] for name in names) for row in in_order(stored(store, "otel_logs"))]
    assert found == [("", "", "browser.page_view", "shop", NOON_NS), ("one", "", "", "shop", NOON_NS)]
