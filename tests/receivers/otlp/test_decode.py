"""Decoded columns hold the rows that the slow, obvious reference reads from protobuf objects."""

import json
import mmap
import random
import tracemalloc
from pathlib import Path
from typing import Any

import pyarrow as pa
import pytest
from hypothesis import given, settings
from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import ExportTraceServiceRequest
from opentelemetry.proto.trace.v1.trace_pb2 import Span

from exporters.clickhouse.tables import OTEL_TRACES
from fixtures.engine import Engine
from fixtures.otlp_bodies import Request, bodies, damaged, everything, ordinary, requests
from fixtures.otlp_reference import reference_rows, rows_of
from receivers.otlp import columns, intern, reader, render, scanner, spans, wire
from receivers.otlp.signals import TRACES, warm_up
from receivers.otlp.wire import MalformedError

FRAME = b"\xc2\x3e\x05hello"  # an unknown field, as the spool puts before each request


def decoded_rows(chunk: bytes) -> list[dict[str, Any]]:
    return rows_of(decoded.records for decoded in TRACES.decode(chunk, 0))


def spans_of(request: bytes) -> list[Span]:
    message = ExportTraceServiceRequest.FromString(request)
    return [span for r in message.resource_spans for s in r.scope_spans for span in s.spans]


def one_span(**fields: Any) -> bytes:
    span = {"trace_id": b"t" * 16, "span_id": b"s" * 8, **fields}
    return Request(resource_spans=[{"scope_spans": [{"spans": [span]}]}]).SerializeToString()


def test_the_specifications_example_gives_its_golden_row() -> None:
    """opentelemetry-proto's examples/trace.json, as protobuf."""
    example = {
        "Timestamp": 1_544_712_660_000_000_000,
        "TraceId": "5b8efff798038103d269b633813fc60c",
        "SpanId": "eee19b7ec3c1b174",
        "ParentSpanId": "eee19b7ec3c1b173",
        "TraceState": "",
        "SpanName": "I'm a server span",
        "SpanKind": "Server",
        "ServiceName": "my.service",
        "ResourceAttributes": [("service.name", "my.service")],
        "ScopeName": "my.library",
        "ScopeVersion": "1.0.0",
        "SpanAttributes": [("my.span.attr", "some value")],
        "Duration": 1_000_000_000,
        "StatusCode": "Unset",
        "StatusMessage": "",
        "Events.Timestamp": [],
        "Events.Name": [],
        "Events.Attributes": [],
        "Links.TraceId": [],
        "Links.SpanId": [],
        "Links.TraceState": [],
        "Links.Attributes": [],
    }
    assert decoded_rows(specification_example()) == [example]


def specification_example() -> bytes:
    document = json.loads(EXAMPLE)
    request = ExportTraceServiceRequest()
    for source in document["resourceSpans"]:
        target = request.resource_spans.add()
        _pairs(target.resource.attributes, source["resource"]["attributes"])
        for scope_source in source["scopeSpans"]:
            scope = target.scope_spans.add()
            scope.scope.name, scope.scope.version = scope_source["scope"]["name"], scope_source["scope"]["version"]
            _pairs(scope.scope.attributes, scope_source["scope"]["attributes"])
            for span_source in scope_source["spans"]:
                _span(scope.spans.add(), span_source)
    return request.SerializeToString()


def _span(span: Span, source: dict[str, Any]) -> None:
    span.trace_id, span.span_id = bytes.fromhex(source["traceId"]), bytes.fromhex(source["spanId"])
    span.parent_span_id = bytes.fromhex(source["parentSpanId"])
    span.name, span.kind = source["name"], source["kind"]
    span.start_time_unix_nano = int(source["startTimeUnixNano"])
    span.end_time_unix_nano = int(source["endTimeUnixNano"])
    _pairs(span.attributes, source["attributes"])


def _pairs(target: Any, source: list[dict[str, Any]]) -> None:
    for pair in source:
        added = target.add()
        added.key, added.value.string_value = pair["key"], pair["value"]["stringValue"]


EXAMPLE = """
{"resourceSpans": [{
  "resource": {"attributes": [{"key": "service.name", "value": {"stringValue": "my.service"}}]},
  "scopeSpans": [{
    "scope": {"name": "my.library", "version": "1.0.0",
              "attributes": [{"key": "my.scope.attribute", "value": {"stringValue": "some scope attribute"}}]},
    "spans": [{
      "traceId": "5B8EFFF798038103D269B633813FC60C", "spanId": "EEE19B7EC3C1B174", "parentSpanId": "EEE19B7EC3C1B173",
      "name": "I'm a server span", "startTimeUnixNano": "1544712660000000000", "endTimeUnixNano": "1544712661000000000",
      "kind": 2, "attributes": [{"key": "my.span.attr", "value": {"stringValue": "some value"}}]}]}]}]}
"""


@settings(max_examples=150, deadline=None)
@given(bodies)
def test_rows_and_counts_are_those_of_the_reference(body: bytes) -> None:
    """Any request: same rows in the same order, same number left out by scan and by decode."""
    rows, rejected = reference_rows(body)
    scan, decoded = TRACES.scan(body), list(TRACES.decode(body, 0))
    assert rows_of(one.records for one in decoded) == rows
    assert scan.rejected == sum(one.rejected for one in decoded) == rejected
    assert scan.items == len(rows) + rejected


@settings(max_examples=60, deadline=None)
@given(bodies, bodies)
def test_concatenated_requests_decode_to_their_rows_one_after_the_other(first: bytes, second: bytes) -> None:
    """So a chunk of framed requests is decoded in one call."""
    assert decoded_rows(FRAME + first + FRAME + second) == decoded_rows(first) + decoded_rows(second)


@settings(max_examples=60, deadline=None)
@given(requests, requests)
def test_normalising_keeps_the_meaning(first: Any, second: Any) -> None:
    """Two resource_spans merged on the wire mean after normalising what protobuf says they mean."""
    split = b"".join(
        length_delimited(1, a.SerializeToString() + b.SerializeToString())
        for a, b in zip(first.resource_spans, second.resource_spans, strict=False)
    )
    normal = TRACES.normalise(split)
    assert TRACES.scan(normal).canonical
    assert decoded_rows(normal) == reference_rows(split)[0]


def length_delimited(number: int, content: bytes) -> bytes:
    size, length = len(content), b""
    while size > 127:
        length += bytes([size & 127 | 128])
        size >>= 7
    return bytes([number << 3 | 2]) + length + bytes([size]) + content


def test_damaged_bodies_that_are_accepted_have_the_rows_of_the_reference() -> None:
    """What survives damage means the same to us and to protobuf."""
    chance = random.Random(42)
    accepted = 0
    for _ in range(400):
        body = damaged(chance.choice([ordinary(1, 2), everything()]), chance)
        try:
            scan = TRACES.scan(body)
        except MalformedError:
            continue
        accepted += 1
        assert decoded_rows(body if scan.canonical else TRACES.normalise(body)) == reference_rows(body)[0]
    assert accepted > 80


def test_columns_are_those_of_the_table_in_name_and_order() -> None:
    """The batch goes into `otel_traces` as it is, empty or not."""
    for body in (b"", ordinary(1, 3)):
        (decoded,) = TRACES.decode(body, 0)
        assert decoded.records.schema.names == list(OTEL_TRACES.columns)
        decoded.records.validate(full=True)


def test_small_windows_give_the_same_rows_as_one_large_one() -> None:
    """Resource, scope and dictionaries are carried over or built anew; nothing shows."""
    body = ordinary(1, 23) + everything(5) + ordinary(2, 9)
    small = [one for window in scanner.windows(body, TRACES.program(), 20) for one in spans.batches(window, 0)]
    assert len(small) > 10
    assert rows_of(one.records for one in small) == decoded_rows(body)
    assert sum(one.rejected for one in small) == 1


def test_repeated_resources_make_more_batches_rather_than_a_huge_one(monkeypatch: pytest.MonkeyPatch) -> None:
    """The bound is on bytes of resource attributes; a span whose resource alone passes it has a batch of its own."""
    rows = decoded_rows(ordinary(1, 30))
    for bound, batches in ((1_000, 6), (1, 30)):
        monkeypatch.setattr(reader, "MAX_REPEATED_BYTES", bound)
        decoded = list(TRACES.decode(ordinary(1, 30), 0))
        assert len(decoded) == batches
        assert rows_of(one.records for one in decoded) == rows


def test_what_was_mended_is_counted_once() -> None:
    """Spans without ids left out, spans that end before they start, text that is not UTF-8."""
    (decoded,) = TRACES.decode(everything(), 0)
    assert decoded.records.column("Duration").to_pylist() == [0]
    assert (decoded.rejected, decoded.reversed) == (1, 1)
    # the status message, and one value in each of the four attribute lists that are stored
    assert decoded.repaired == 1 + 4


def test_times_that_timestamps_cannot_hold_stay_at_the_latest() -> None:
    """2^63 nanoseconds and more: the year 2262, not 1677."""
    (row,) = decoded_rows(one_span(start_time_unix_nano=2**63, end_time_unix_nano=2**64 - 1))
    assert (row["Timestamp"], row["Duration"]) == (2**63 - 1, 2**63 - 1)


def test_ids_of_parents_and_links_that_are_not_ids_are_empty() -> None:
    """Only the span's own ids decide about the span."""
    link = {"trace_id": b"short", "span_id": bytes(8)}
    (row,) = decoded_rows(one_span(parent_span_id=b"1234567", links=[link]))
    assert (row["ParentSpanId"], row["Links.TraceId"], row["Links.SpanId"]) == ("", [""], [""])


def test_duplicate_keys_stay_and_the_first_service_name_names_the_service() -> None:
    """As they came: nothing is lost, and ClickHouse's map[key] finds the first too."""
    pairs = [{"key": b"service.name", "value": {"string_value": name}} for name in (b"first", b"second")]
    scopes = [{"spans": [{"trace_id": b"t" * 16, "span_id": b"s" * 8}]}]
    body = Request(resource_spans=[{"resource": {"attributes": pairs}, "scope_spans": scopes}]).SerializeToString()
    (row,) = decoded_rows(body)
    assert row["ServiceName"] == "first"
    assert row["ResourceAttributes"] == [("service.name", "first"), ("service.name", "second")]


def test_chunks_may_be_mapped_files_and_are_let_go(tmp_path: Path) -> None:
    """bytes, memoryview and mmap give the same, and a mapping can be closed while its batches live on."""
    body = ordinary(1, 5) + everything()
    (tmp_path / "chunk").write_bytes(body)
    with (tmp_path / "chunk").open("rb") as file:
        mapped = mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_READ)
        decoded = list(TRACES.decode(mapped, 0))
        assert TRACES.scan(mapped) == TRACES.scan(memoryview(body)) == TRACES.scan(body)
        mapped.close()
    assert (
        rows_of(one.records for one in decoded)
        == decoded_rows(body)
        == rows_of(one.records for one in TRACES.decode(memoryview(body), 0))
    )


def test_inherited_bytes_are_what_repeating_resource_and_scope_costs() -> None:
    """Per accepted span, the bytes of the resource and scope messages it belongs to."""
    message = ExportTraceServiceRequest.FromString(ordinary(1, 7))
    (resource_spans,) = message.resource_spans
    (scope_spans,) = resource_spans.scope_spans
    each = resource_spans.resource.ByteSize() + scope_spans.scope.ByteSize()
    assert TRACES.scan(ordinary(1, 7)).inherited_bytes == 7 * each


@pytest.mark.parametrize(
    "unit",
    [
        pytest.param(b"\x0a\x00", id="resources"),
        pytest.param(length_delimited(1, b"\x12\x00" * 1000), id="scopes"),
        pytest.param(length_delimited(1, length_delimited(2, b"\x12\x00" * 1000)), id="spans"),
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
    kernels = [
        wire.scan, intern.intern, render.survey, render.write_values,
        columns.write_ids, columns.write_texts, columns.write_repeated,
    ]  # fmt: skip
    warm_up()
    before = [len(kernel.signatures) for kernel in kernels]
    for body in (everything(), ordinary(1, 3), memoryview(ordinary(2, 2))):
        TRACES.scan(body)
        list(TRACES.decode(body, 0))
    assert [len(kernel.signatures) for kernel in kernels] == before == [1] * len(kernels)


def test_the_engine_reads_the_batches_into_the_tables_own_types(clickhouse: Engine) -> None:
    """ArrowStream into LowCardinality, Map and Array columns: what is selected is what was decoded."""
    client = clickhouse.client(database="decode")
    columns_sql = ", ".join(f"`{name}` {kind}" for name, kind in OTEL_TRACES.columns.items())
    client.command(f"CREATE TABLE spans ({columns_sql}) ENGINE = MergeTree ORDER BY (Timestamp, SpanId)")
    body = ordinary(5, 40) + everything(2) + ordinary(6, 3)
    sink = pa.BufferOutputStream()
    with pa.ipc.new_stream(sink, spans.SCHEMA) as stream:
        for window in scanner.windows(body, TRACES.program(), 100):
            for one in spans.batches(window, 0):
                stream.write_batch(one.records)
    client.raw_insert("spans", insert_block=sink.getvalue().to_pybytes(), fmt="ArrowStream")
    nanoseconds = {"Timestamp": "toUnixTimestamp64Nano(Timestamp)"}
    nanoseconds["Events.Timestamp"] = "arrayMap(t -> toUnixTimestamp64Nano(t), `Events.Timestamp`)"
    select = ", ".join(nanoseconds.get(name, f"`{name}`") for name in OTEL_TRACES.columns)
    stored = client.query(f"SELECT {select} FROM spans ORDER BY Timestamp, SpanId").result_rows
    expected = sorted(decoded_rows(body), key=lambda row: (row["Timestamp"], row["SpanId"]))
    assert [dict(zip(OTEL_TRACES.columns, row, strict=True)) for row in stored] == [with_dicts(row) for row in expected]


def with_dicts(row: dict[str, Any]) -> dict[str, Any]:
    """Maps as clickhouse-connect gives them."""
    maps = {name: dict(row[name]) for name in ("ResourceAttributes", "SpanAttributes")}
    nested = {name: [dict(pairs) for pairs in row[name]] for name in ("Events.Attributes", "Links.Attributes")}
    return row | maps | nested
