"""The program compiler knows no signal: the same kernel walks metrics by another call."""

import random

import pytest
from google.protobuf.message import DecodeError
from opentelemetry.proto.collector.metrics.v1.metrics_service_pb2 import ExportMetricsServiceRequest
from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import ExportTraceServiceRequest

from fixtures.otlp_bodies import damaged
from receivers.otlp import scanner
from receivers.otlp.schema import Item, Program, compile_program
from receivers.otlp.tolerant import tolerant
from receivers.otlp.wire import MalformedError

METRICS = "resource_metrics.scope_metrics.metrics"
POINTS = f"{METRICS}.exponential_histogram.data_points"
WANTED = {
    "resource_metrics": (),
    "resource_metrics.scope_metrics": (),
    METRICS: ("name",),
    f"{METRICS}.gauge.data_points": ("time_unix_nano", "value"),
    POINTS: ("count", "scale", "positive.offset", "positive.bucket_counts"),
}


def metrics_program() -> Program:
    return compile_program(ExportMetricsServiceRequest.DESCRIPTOR, items={METRICS: Item()}, wanted=WANTED)


def metrics() -> ExportMetricsServiceRequest:
    gauge = {"name": "load", "gauge": {"data_points": [{"time_unix_nano": 5, "as_double": 0.5}, {"as_int": -3}]}}
    buckets = {"offset": -2, "bucket_counts": [1, 300, 0]}
    histogram = {"name": "latency", "exponential_histogram": {"data_points": [{"count": 9, "positive": buckets}]}}
    explicit = {"bucket_counts": [1, 2], "explicit_bounds": [0.5]}
    plain = {"name": "plain", "histogram": {"data_points": [explicit]}}
    scope = {"metrics": [gauge, histogram, plain]}
    return ExportMetricsServiceRequest(resource_metrics=[{"scope_metrics": [scope]}])


def test_another_signal_is_another_program() -> None:
    """Tables below oneofs, oneof columns, and packed fields by where they stand."""
    body = metrics().SerializeToString()
    (window,) = scanner.windows(body, metrics_program())
    rows = {path: window.rows[path] for path in WANTED}
    assert [len(rows[path]) for path in WANTED] == [1, 1, 3, 2, 1]
    first = window.first(METRICS, f"{METRICS}.gauge.data_points").tolist()
    assert first == [0, 2, 2, 2]
    kind = window.word(f"{METRICS}.gauge.data_points", "value")
    assert rows[f"{METRICS}.gauge.data_points"][:, kind].tolist() == [4, 6]
    assert rows[f"{METRICS}.gauge.data_points"][1, kind + 1] == -3
    packed = int(rows[POINTS][0, window.word(POINTS, "positive.bucket_counts")])
    assert body[packed & 0xFFFFFFFF :][: packed >> 32] == b"\x01\xac\x02\x00"


def test_unpacked_repeated_scalars_are_not_canonical() -> None:
    """They are legal, so they are told; after protobuf has rewritten them they are packed."""
    point = b"\x42\x06" + b"\x10\x01\x10\xac\x02\x10"  # positive, its counts one by one
    assert counted(in_metric(point[:-1].replace(b"\x42\x06", b"\x42\x05"))).canonical is False
    assert counted(in_metric(b"\x42\x05\x12\x03\x01\xac\x02")).canonical is True
    assert counted(in_metric(b"\x42\x06\x12\x01\x01\x12\x01\x02")).canonical is False


def in_metric(point: bytes) -> bytes:
    content = point
    for tag in (0x0A, 0x52, 0x12, 0x12, 0x0A):
        content = bytes([tag, len(content)]) + content
    return content


def counted(body: bytes) -> scanner.Counts:
    ExportMetricsServiceRequest.FromString(body)
    return scanner.count(body, metrics_program())


def test_damaged_metrics_are_accepted_exactly_where_protobuf_accepts_them() -> None:
    """Packed fields of varints and of doubles are checked element by element, wanted or not."""
    chance = random.Random(11)
    body, program = metrics().SerializeToString(), metrics_program()
    verdicts = set()
    for _ in range(600):
        broken = damaged(body, chance)
        verdict = accepted(broken, program)
        assert verdict == protobuf_accepts(broken), broken.hex()
        verdicts.add(verdict)
    assert verdicts == {True, False}


def accepted(body: bytes, program: Program) -> bool:
    try:
        scanner.count(body, program)
    except MalformedError:
        return False
    return True


def protobuf_accepts(body: bytes) -> bool:
    try:
        tolerant(ExportMetricsServiceRequest).FromString(body)
    except DecodeError:
        return False
    return True


@pytest.mark.parametrize("column", ["nonsense", "scope_spans.nonsense", "schema_url.nonsense"])
def test_a_column_that_no_message_has_is_refused(column: str) -> None:
    """Rather than left empty in silence."""
    with pytest.raises(ValueError, match=f"resource_spans.{column}: expected a field or a oneof"):
        compile_program(
            ExportTraceServiceRequest.DESCRIPTOR, items={"resource_spans": Item()}, wanted={"resource_spans": (column,)}
        )
