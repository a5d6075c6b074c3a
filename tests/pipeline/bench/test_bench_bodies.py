"""The bodies that are sent: valid, complete, no two alike."""

import itertools
from typing import Any

import pytest
from opentelemetry.proto.collector.logs.v1.logs_service_pb2 import ExportLogsServiceRequest
from opentelemetry.proto.collector.metrics.v1.metrics_service_pb2 import ExportMetricsServiceRequest
from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import ExportTraceServiceRequest
from opentelemetry.proto.metrics.v1.metrics_pb2 import NumberDataPoint

from pipeline.bench.bodies import BATCH, MAX_SIZE, SIGNALS, Bodies
from pipeline.bench.template import Kind, Template, count_mark, id_mark, measure_mark, time_mark

REQUESTS = {
    "traces": ExportTraceServiceRequest,
    "logs": ExportLogsServiceRequest,
    "metrics": ExportMetricsServiceRequest,
}
SIZES = (1, 5, 512, 5_000, MAX_SIZE)
MARKS_PER_ITEM = {"traces": 5, "logs": 4, "metrics": 3}
NOW_NS = 1_795_341_600_000_000_000


def items(name: str, body: bytes) -> list[Any]:
    """All spans, log records or points of a body."""
    request = REQUESTS[name].FromString(body)
    if name == "traces":
        return [span for one in request.resource_spans for scope in one.scope_spans for span in scope.spans]
    if name == "logs":
        return [record for one in request.resource_logs for scope in one.scope_logs for record in scope.log_records]
    return [point for metric in metrics(body) for point in (*metric.gauge.data_points, *metric.sum.data_points)]


def metrics(body: bytes) -> list[Any]:
    request = ExportMetricsServiceRequest.FromString(body)
    return [metric for one in request.resource_metrics for scope in one.scope_metrics for metric in scope.metrics]


@pytest.mark.parametrize("size", SIZES)
@pytest.mark.parametrize("name", SIGNALS)
def test_a_body_has_as_many_items_as_it_says(name: str, size: int) -> None:
    """Protobuf reads every body, and counts what was asked for."""
    source = Bodies(SIGNALS[name], size)
    assert [len(items(name, next(source))) for _ in range(2)] == [size, size]


@pytest.mark.parametrize("size", SIZES)
@pytest.mark.parametrize("name", SIGNALS)
def test_every_mark_is_found_and_nothing_else(name: str, size: int) -> None:
    """Text and lengths beside a mark are never taken for one."""
    template = Template(SIGNALS[name].request(size).SerializeToString())
    assert sum(len(places) for places, _ in template.marks.values()) == MARKS_PER_ITEM[name] * size


@pytest.mark.parametrize("size", [1, 5, 512])
@pytest.mark.parametrize("name", SIGNALS)
def test_no_two_bodies_are_alike(name: str, size: int) -> None:
    """A receiver that takes equal bytes for a retry would drop the second."""
    source = Bodies(SIGNALS[name], size)
    assert len({next(source) for _ in range(200)}) == 200


def test_ids_are_unique_over_all_bodies() -> None:
    """Each span and each log record is one of its own, in bodies of any size."""
    for name, size in itertools.product(("traces", "logs"), (5, 512)):
        source = Bodies(SIGNALS[name], size)
        found = [item for _ in range(4) for item in items(name, next(source))]
        assert len({(item.trace_id, item.span_id) for item in found}) == 4 * size
        assert {(len(item.trace_id), len(item.span_id)) for item in found} == {(16, 8)}


def test_values_of_points_differ_from_body_to_body() -> None:
    """Integers and doubles alike."""
    source = Bodies(SIGNALS["metrics"], 512)
    first, second = (items("metrics", next(source)) for _ in range(2))
    assert not {value_of(point) for point in first} & {value_of(point) for point in second}


def value_of(point: NumberDataPoint) -> float:
    return point.as_int if point.WhichOneof("value") == "as_int" else point.as_double


def test_metrics_are_gauges_and_sums_half_of_them_of_integers() -> None:
    """Up to 100 points each, of five to eight attributes; a small body has one of each."""
    for size in (5, 512):
        made = metrics(next(Bodies(SIGNALS["metrics"], size)))
        points = items("metrics", next(Bodies(SIGNALS["metrics"], size)))
        kinds = {metric.WhichOneof("data") for metric in made}
        assert kinds == {"gauge", "sum"}
        assert {point.WhichOneof("value") for point in points} == {"as_int", "as_double"}
        assert max(len(getattr(metric, metric.WhichOneof("data")).data_points) for metric in made) <= 100
        assert {len(point.attributes) for point in points} == {5, 6, 7, 8}


def test_log_records_look_like_those_of_a_service() -> None:
    """Severity, a line of some 120 bytes, seven attributes."""
    found = items("logs", next(Bodies(SIGNALS["logs"], 512)))
    assert all(110 <= len(record.body.string_value) <= 140 and len(record.attributes) == 7 for record in found)
    assert {(record.severity_number, record.severity_text) for record in found} == {
        (5, "DEBUG"), (9, "INFO"), (13, "WARN"), (17, "ERROR"),
    }  # fmt: skip


def test_a_batch_shares_a_resource() -> None:
    """A body larger than an SDK's batch comes from several."""
    body = next(Bodies(SIGNALS["traces"], 2 * BATCH + 1))
    resources = ExportTraceServiceRequest.FromString(body).resource_spans
    assert [len(one.scope_spans[0].spans) for one in resources] == [BATCH, BATCH, 1]


def test_a_filled_template_has_exactly_what_its_marks_ask_for() -> None:
    """Ids by step, times in milliseconds, integers and doubles from the first item on; all other bytes stay."""
    point = NumberDataPoint(start_time_unix_nano=time_mark(0), time_unix_nano=time_mark(7), as_double=measure_mark(3))
    filled = NumberDataPoint.FromString(Template(point.SerializeToString()).filled(1000, NOW_NS))
    assert filled.time_unix_nano - filled.start_time_unix_nano == 7_000_000
    assert NOW_NS - filled.start_time_unix_nano == 2_000_000_000
    assert filled.as_double == 1003.0
    whole = NumberDataPoint.FromString(
        Template(NumberDataPoint(as_int=count_mark(3)).SerializeToString()).filled(1000, NOW_NS)
    )
    assert whole.as_int == 1003
    assert Template(b"before" + id_mark(1) + b"after").filled(9, NOW_NS) == Template(
        b"before" + id_mark(2) + b"after"
    ).filled(8, NOW_NS)


def test_a_template_without_marks_stays_as_it_is() -> None:
    """Nothing is written where nothing was asked for."""
    template = Template(b"no mark in here")
    assert template.filled(5, NOW_NS) == b"no mark in here"
    assert {kind: len(places) for kind, (places, _) in template.marks.items()} == dict.fromkeys(Kind, 0)
