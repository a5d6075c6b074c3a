"""Decoded columns hold the rows that the slow, obvious reference reads from protobuf objects, of every signal."""

import mmap
import random
import sys
import tracemalloc
from pathlib import Path
from typing import Any

import pyarrow as pa
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import ExportTraceServiceRequest

from exporters.clickhouse import tables
from fixtures.otlp_bodies import (
    EVERYTHING,
    REQUESTS,
    damaged,
    everything,
    length_delimited,
    one_metric,
    one_record,
    one_span,
    ordinary,
    request_of,
    varint_field,
)
from fixtures.otlp_oracle import agree, differences
from fixtures.otlp_reference import decoded, decoded_in_windows, reference, rows_of
from fixtures.otlp_strategies import FIELDS, bodies, requests
from receivers.otlp import reader, scanner
from receivers.otlp.signals import LOGS, METRICS, SIGNALS, TRACES, Signal, warm_up

FRAME = b"\xc2\x3e\x05hello"  # an unknown field, as the spool puts before each request
COLUMNS = {table.name: list(table.columns) for table in tables.TABLES}
every_signal = pytest.mark.parametrize("signal", SIGNALS, ids=lambda signal: signal.name)
property_of = settings(deadline=None, suppress_health_check=[HealthCheck.too_slow])


def the_span(**fields: Any) -> dict[str, Any]:
    ((row,),) = decoded(TRACES, one_span(**fields)).values()
    return row


def the_record(**fields: Any) -> dict[str, Any]:
    ((row,),) = decoded(LOGS, one_record(**fields)).values()
    return row


@every_signal
@settings(property_of, max_examples=100)
@given(data=st.data())
def test_rows_and_counts_are_those_of_the_reference(signal: Signal, data: st.DataObject) -> None:
    """Any request: same rows in the same order of each table, same number left out by scan and by decode."""
    body = data.draw(bodies(signal.name))
    rows, rejected = reference(signal, body)
    scan, batches = signal.scan(body), list(signal.decode(body, 0))
    assert differences(decoded(signal, body), rows) == []
    assert scan.rejected == sum(one.rejected for one in batches) == rejected
    assert scan.accepted == sum(one.records.num_rows for one in batches) == sum(map(len, rows.values()))
    assert scan.canonical


@every_signal
@settings(property_of, max_examples=40)
@given(data=st.data())
def test_small_windows_give_the_rows_of_the_reference(signal: Signal, data: st.DataObject) -> None:
    """Also where what an item inherits stands after it: a scope's schema_url, a sum's temporality."""
    body = b"".join(data.draw(st.lists(bodies(signal.name), min_size=2, max_size=4)))
    capacity = data.draw(st.integers(30, 50))
    assert differences(decoded_in_windows(signal, body, capacity), reference(signal, body)[0]) == []


@every_signal
@settings(property_of, max_examples=30)
@given(data=st.data())
def test_concatenated_requests_decode_to_their_rows_one_after_the_other(signal: Signal, data: st.DataObject) -> None:
    """So a chunk of framed requests is decoded in one call."""
    first, second = data.draw(bodies(signal.name)), data.draw(bodies(signal.name))
    both, expected = decoded(signal, FRAME + first + FRAME + second), decoded(signal, first)
    for table, rows in decoded(signal, second).items():
        expected[table] = expected.get(table, []) + rows
    assert both == expected


@every_signal
@settings(property_of, max_examples=40)
@given(data=st.data())
def test_normalising_keeps_the_meaning(signal: Signal, data: st.DataObject) -> None:
    """Two resources merged on the wire mean after normalising what protobuf says they mean."""
    pair = st.tuples(requests(signal.name), requests(signal.name))
    first, second = (getattr(one, _resources(signal)) for one in data.draw(pair))
    split = b"".join(
        length_delimited(1, a.SerializeToString() + b.SerializeToString()) for a, b in zip(first, second, strict=False)
    )
    normal = signal.normalise(split)
    assert signal.scan(normal).canonical
    assert differences(decoded(signal, normal), reference(signal, split)[0]) == []


def _resources(signal: Signal) -> str:
    return next(iter(signal.items)).split(".")[0]


@settings(property_of, max_examples=60)
@given(data=st.data())
def test_a_metric_of_several_kinds_is_told_and_counts_as_its_last(data: st.DataObject) -> None:
    """A oneof set twice: legal on the wire, so it is told, and after normalising it means what protobuf reads."""
    wrapped = FIELDS["metrics"]().map(lambda fields: REQUESTS["metrics"](**fields))
    metrics = [
        metric
        for request in data.draw(st.tuples(wrapped, wrapped))
        for resource in request.resource_metrics
        for scope in resource.scope_metrics
        for metric in scope.metrics
        if metric.WhichOneof("data")
    ]
    several = b"".join(metric.SerializeToString() for metric in metrics)
    body = length_delimited(1, length_delimited(2, length_delimited(2, several)))
    assert METRICS.scan(body).canonical == (len(metrics) < 2)
    assert agree(METRICS, body)


@every_signal
def test_damaged_bodies_are_read_as_the_reference_reads_them(signal: Signal) -> None:
    """Verdict, counts and rows, whatever survives the damage."""
    chance = random.Random(42)
    verdicts = [agree(signal, damaged(EVERYTHING[signal.name](), chance)) for _ in range(300)]
    assert 40 < sum(verdicts) < 260


LONG_NUMBERS = [1 << 32 | 5, (1 << 32) - 1, 1 << 40, 1 << 63, (1 << 64) - 1, 1 << 33 | 1]


@pytest.mark.parametrize("number", LONG_NUMBERS, ids=hex)
def test_numbers_that_are_too_long_for_their_field_are_cut_as_protobuf_cuts_them(number: int) -> None:
    """Enums, counts and exponents of 32 bits may come with 64: never an error after the request is acknowledged."""
    metric = {
        7: length_delimited(1, b"") + varint_field(2, number) + varint_field(3, number),
        10: length_delimited(1, varint_field(6, number) + length_delimited(8, varint_field(1, number))),
        5: length_delimited(1, varint_field(8, number)),
        9: length_delimited(1, b"") + varint_field(2, number),
    }
    span = b"\x0a\x10" + b"t" * 16 + b"\x12\x08" + b"s" * 8 + varint_field(6, number)
    scope = length_delimited(1, varint_field(4, number))
    for field, data in metric.items():
        inner = scope + length_delimited(2, length_delimited(field, data))
        assert agree(METRICS, length_delimited(1, length_delimited(2, inner)))
    for signal, item in ((TRACES, span + length_delimited(15, varint_field(3, number))),
                         (LOGS, varint_field(2, number) + length_delimited(5, varint_field(2, number)))):  # fmt: skip
        assert agree(signal, length_delimited(1, length_delimited(2, length_delimited(2, item))))


@every_signal
def test_columns_are_those_of_the_table_in_name_and_order(signal: Signal) -> None:
    """The batches go into their tables as they are, empty or not."""
    for body in (b"", EVERYTHING[signal.name]()):
        for one in signal.decode(body, 0):
            assert sorted(one.records.schema.names) == sorted(COLUMNS[one.table])
            one.records.validate(full=True)


@every_signal
def test_nothing_gives_one_batch_of_nothing(signal: Signal) -> None:
    """So whoever looks for a schema finds one."""
    (one,) = signal.decode(b"", 0)
    assert (one.records.num_rows, one.rejected, one.repaired) == (0, 0, 0)


def test_small_windows_count_what_is_left_out_once() -> None:
    """Resource, scope and dictionaries are carried over or built anew; nothing shows."""
    body = ordinary(1, 23) + everything(5) + ordinary(2, 9)
    windows = scanner.windows(body, TRACES.program(), 20)
    small = [one for window in windows for one in TRACES.batches(window, 0)]
    assert len(small) > 10
    assert {"otel_traces": rows_of(one.records for one in small)} == decoded(TRACES, body)
    assert sum(one.rejected for one in small) == 1


@pytest.mark.parametrize("capacity", [30, 40, 75])
def test_what_stands_after_the_items_is_read_ahead_for_every_window(capacity: int) -> None:
    """Name, unit, temporality and schema_url behind the points, though the points fill many windows."""
    points = b"".join(length_delimited(1, b"\x11" + bytes(8)) for _ in range(200))
    data = points + varint_field(2, 2) + varint_field(3, 1)
    metric = length_delimited(7, data) + length_delimited(1, b"late") + length_delimited(3, b"By")
    scope = length_delimited(2, metric) + length_delimited(3, b"scope's")
    body = (
        length_delimited(1, length_delimited(2, scope) + length_delimited(3, b"resource's")) + EVERYTHING["metrics"]()
    )
    rows = decoded_in_windows(METRICS, body, capacity)
    assert differences(rows, reference(METRICS, body)[0]) == []
    late = rows["otel_metrics_sum"][:200]
    names = ("MetricName", "MetricUnit", "AggregationTemporality", "IsMonotonic", "ScopeSchemaUrl", "ResourceSchemaUrl")
    assert {tuple(row[name] for name in names) for row in late} == {("late", "By", 2, True, "scope's", "resource's")}


@every_signal
def test_repeated_resources_make_more_batches_rather_than_a_huge_one(
    signal: Signal, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The bound is on bytes of inherited attributes; an item whose resource alone passes it has a batch of its own."""
    body = EVERYTHING[signal.name](30)
    rows, before = decoded(signal, body), len(list(signal.decode(body, 0)))
    for bound in (1_000, 1):
        monkeypatch.setattr(reader, "MAX_REPEATED_BYTES", bound)
        batches = list(signal.decode(body, 0))
        assert before < len(batches) <= sum(map(len, rows.values()))
        assert decoded(signal, body) == rows
    assert all(one.records.num_rows == 1 for one in batches)


def test_what_was_mended_is_counted_once() -> None:
    """Spans without ids left out, spans that end before they start, text that is not UTF-8."""
    (one,) = TRACES.decode(everything(), 0)
    assert one.records.column("Duration").to_pylist() == [0]
    assert (one.rejected, one.reversed) == (1, 1)
    # the status message, and one value in each of the four attribute lists that are stored
    assert one.repaired == 1 + 4


def test_what_was_mended_in_metrics_is_told_with_its_table() -> None:
    """Every string once: attribute values, descriptions; never again with the next table."""
    wrong = {"key": b"k", "value": {"string_value": b"\xff"}}
    point = {"attributes": [wrong]}
    kinds = [{"description": b"\xfe", kind: {"data_points": [point, point]}} for kind in ("gauge", "sum", "summary")]
    told = {one.table: one.repaired for one in METRICS.decode(request_of("metrics", kinds, [wrong]), 0)}
    # six points and the resource before any table; the description, a dictionary's one word, in each
    assert told == {"otel_metrics_gauge": 6 + 1 + 1, "otel_metrics_sum": 1, "otel_metrics_summary": 1}


def test_times_that_timestamps_cannot_hold_stay_at_the_latest() -> None:
    """2^63 nanoseconds and more: the year 2262, not 1677."""
    row = the_span(start_time_unix_nano=2**63, end_time_unix_nano=2**64 - 1)
    assert (row["Timestamp"], row["Duration"]) == (2**63 - 1, 2**63 - 1)


def test_ids_of_parents_and_links_that_are_not_ids_are_empty() -> None:
    """Only the span's own ids decide about the span."""
    row = the_span(parent_span_id=b"1234567", links=[{"trace_id": b"short", "span_id": bytes(8)}])
    assert (row["ParentSpanId"], row["Links.TraceId"], row["Links.SpanId"]) == ("", [""], [""])


def test_ids_of_logs_and_exemplars_that_are_not_ids_are_empty() -> None:
    """logs.proto: such a record is not associated; it is kept."""
    row = the_record(trace_id=b"short", span_id=bytes(8))
    assert (row["TraceId"], row["SpanId"]) == ("", "")
    point = {"exemplars": [{"trace_id": bytes(16), "span_id": b"123456789"}]}
    ((row,),) = decoded(METRICS, one_metric(gauge={"data_points": [point]})).values()
    assert (row["Exemplars.TraceId"], row["Exemplars.SpanId"]) == ([""], [""])


@pytest.mark.parametrize(
    ("time", "observed", "expected"),
    [(5, 7, 5), (0, 7, 7), (5, 0, 5), (0, 0, None), (2**64 - 1, 7, 2**63 - 1)],
)
def test_a_log_has_the_time_of_its_event_else_of_its_observation_else_of_receipt(
    time: int, observed: int, expected: int | None
) -> None:
    """logs.proto, time_unix_nano; and no record is ever stored in 1970 for want of a time."""
    (one,) = LOGS.decode(one_record(time_unix_nano=time, observed_time_unix_nano=observed), 99)
    assert one.records.column("Timestamp").cast(pa.int64()).to_pylist() == [99 if expected is None else expected]


def test_duplicate_keys_stay_and_the_first_service_name_names_the_service() -> None:
    """As they came: nothing is lost, and ClickHouse's map[key] finds the first too."""
    pairs = [{"key": b"service.name", "value": {"string_value": name}} for name in (b"first", b"second")]
    ((row,),) = decoded(LOGS, request_of("logs", [{}], pairs)).values()
    assert row["ServiceName"] == "first"
    assert row["ResourceAttributes"] == [("service.name", "first"), ("service.name", "second")]


@every_signal
def test_chunks_may_be_mapped_files_and_are_let_go(signal: Signal, tmp_path: Path) -> None:
    """bytes, memoryview and mmap give the same, and a mapping can be closed while its batches live on."""
    body = EVERYTHING[signal.name](5)
    (tmp_path / "chunk").write_bytes(body)
    with (tmp_path / "chunk").open("rb") as file:
        mapped = mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_READ)
        batches = list(signal.decode(mapped, 0))
        assert signal.scan(mapped) == signal.scan(memoryview(body)) == signal.scan(body)
        mapped.close()
    expected = [rows_of([one.records]) for one in signal.decode(body, 0)]
    assert [rows_of([one.records]) for one in batches] == expected
    assert [rows_of([one.records]) for one in signal.decode(memoryview(body), 0)] == expected


def test_inherited_bytes_are_what_repeating_resource_and_scope_costs() -> None:
    """Per accepted span, the bytes of the resource and scope messages it belongs to."""
    message = ExportTraceServiceRequest.FromString(ordinary(1, 7))
    (resource_spans,) = message.resource_spans
    (scope_spans,) = resource_spans.scope_spans
    each = resource_spans.resource.ByteSize() + scope_spans.scope.ByteSize()
    assert TRACES.scan(ordinary(1, 7)).inherited_bytes == 7 * each


def test_inherited_bytes_count_what_stands_behind_the_items_too() -> None:
    """A schema_url comes last on the wire, and is repeated for every row all the same."""
    kinds = [{"name": b"n" * 10, "unit": b"u" * 20, "gauge": {"data_points": [{}] * 3}}, {"name": b"no points"}]
    assert METRICS.scan(request_of("metrics", kinds, schema_url=b"s" * 1000)).inherited_bytes == 3 * (10 + 20 + 1000)
    assert LOGS.scan(request_of("logs", [{}] * 5, schema_url=b"s" * 1000)).inherited_bytes == 5 * 1000
    spans = [{"trace_id": b"t" * 16, "span_id": b"s" * 8}, {}]
    assert TRACES.scan(request_of("traces", spans, scope={"name": b"four"})).inherited_bytes == 6


@pytest.mark.parametrize(
    "unit",
    [
        pytest.param(b"\x0a\x00", id="resources"),
        pytest.param(length_delimited(1, b"\x12\x00" * 1000), id="scopes"),
        pytest.param(length_delimited(1, length_delimited(2, b"\x12\x00" * 1000)), id="items"),
        pytest.param(one_span(attributes=[{}] * 1000), id="attributes"),
        pytest.param(one_span(events=[{}] * 1000), id="events"),
        pytest.param(one_span(links=[{}] * 1000), id="links"),
    ],
)
def test_memory_does_not_grow_with_the_number_of_empty_messages(unit: bytes) -> None:
    """8 MiB of two-byte messages, four million rows: bounded by the window."""
    body = unit * ((8 << 20) // len(unit))
    warm_up()
    tracemalloc.start()
    try:
        assert sum(one.records.num_rows for one in TRACES.decode(body, 0)) <= len(body) // 1000
        _, peak = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()
    assert peak < 200 << 20


def test_nothing_is_compiled_after_the_warm_up() -> None:
    """Every kernel has one set of types, whatever the body: no request waits for a compiler."""
    warm_up()
    kernels = {
        f"{name}.{key}": value
        for name, module in sys.modules.items()
        if name.startswith("receivers.otlp.")
        for key, value in vars(module).items()
        if hasattr(value, "signatures") and value.__module__ == name
    }
    before = {name: list(kernel.signatures) for name, kernel in kernels.items()}
    assert {"receivers.otlp.wire.read_ahead", "receivers.otlp.columns.read_varints"} <= before.keys()
    for signal in SIGNALS:
        for chunk in (EVERYTHING[signal.name](), memoryview(EVERYTHING[signal.name](2)), b""):
            signal.scan(chunk)
            list(signal.decode(chunk, 0))
            decoded_in_windows(signal, bytes(chunk), 40)
    assert {name: list(kernel.signatures) for name, kernel in kernels.items()} == before
