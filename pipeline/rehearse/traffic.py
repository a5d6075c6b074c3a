"""Made-up traffic as OTLP: what an exporter would have sent.

In: a timeline and a stretch of it. Out: the requests that are received in it, one for each signal. Promised: the same
timeline gives the same bytes; ids follow from the stream and the number of the event.
"""

from collections.abc import Iterable, Iterator, Mapping
from hashlib import blake2b

from google.protobuf.message import Message
from opentelemetry.proto.collector.logs.v1.logs_service_pb2 import ExportLogsServiceRequest
from opentelemetry.proto.collector.metrics.v1.metrics_service_pb2 import ExportMetricsServiceRequest
from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import ExportTraceServiceRequest
from opentelemetry.proto.common.v1.common_pb2 import AnyValue, KeyValue
from opentelemetry.proto.logs.v1.logs_pb2 import LogRecord, SeverityNumber
from opentelemetry.proto.metrics.v1.metrics_pb2 import AggregationTemporality, Metric, NumberDataPoint
from opentelemetry.proto.trace.v1.trace_pb2 import Span

from pipeline.clock import to_ns
from pipeline.rehearse.timeline import Counter, Logs, Timeline, Traffic
from processors.sli.tracestate import EVERYTHING, spelled
from receivers.otlp.signals import LOGS, METRICS, TRACES, Signal

STATUS, OK, FAILED = "http.response.status_code", 200, 500
TEMPORALITY = {
    "delta": AggregationTemporality.AGGREGATION_TEMPORALITY_DELTA,
    "cumulative": AggregationTemporality.AGGREGATION_TEMPORALITY_CUMULATIVE,
}
RANDOM_BYTES = 7  # of a trace id, that samplers decide by


def received(timeline: Timeline, since_ns: int, until_ns: int) -> Iterator[tuple[Signal, Message]]:
    """What is received between two moments since the start."""
    for signal, message in (
        (TRACES, _traces(timeline, since_ns, until_ns)),
        (LOGS, _logs(timeline, since_ns, until_ns)),
        (METRICS, _metrics(timeline, since_ns, until_ns)),
    ):
        if message.ByteSize():
            yield signal, message


def _traces(timeline: Timeline, since_ns: int, until_ns: int) -> ExportTraceServiceRequest:
    message, start_ns = ExportTraceServiceRequest(), to_ns(timeline.start)
    for place, stream in enumerate(timeline.traffic):
        numbers = stream.received(since_ns, until_ns, timeline.duration)
        if spans := [span(stream, place, number, start_ns) for number in numbers if stream.kept(number)]:
            resource_spans = message.resource_spans.add()
            resource_spans.resource.attributes.extend(_attributes({"service.name": stream.service}))
            resource_spans.scope_spans.add().spans.extend(spans)
    return message


def span(stream: Traffic, place: int, number: int, start_ns: int) -> Span:
    """The request of that number, in the stream at that place."""
    end_ns = start_ns + stream.happens_ns(number)
    threshold = round((1 - stream.sampled) * EVERYTHING)
    return Span(
        trace_id=trace_id(place, number, threshold),
        span_id=_digest("span", place, number)[:8],
        trace_state=f"ot=th:{spelled(threshold)}" if threshold else "",
        name=stream.name,
        kind=Span.SPAN_KIND_SERVER,
        start_time_unix_nano=end_ns - stream.took,
        end_time_unix_nano=end_ns,
        attributes=[_status(FAILED if stream.failed(number) else OK), *_attributes(stream.attributes)],
    )


def trace_id(place: int, number: int, threshold: int = 0) -> bytes:
    """An id whose randomness is one that a sampler with that threshold keeps."""
    digest = _digest("trace", place, number)
    randomness = threshold + int.from_bytes(digest[-RANDOM_BYTES:], "big") % (EVERYTHING - threshold)
    return digest[:-RANDOM_BYTES] + randomness.to_bytes(RANDOM_BYTES, "big")


def _logs(timeline: Timeline, since_ns: int, until_ns: int) -> ExportLogsServiceRequest:
    message, start_ns = ExportLogsServiceRequest(), to_ns(timeline.start)
    for place, stream in enumerate(timeline.logs):
        numbers = stream.received(since_ns, until_ns, timeline.duration)
        if records := [log_record(stream, place, number, start_ns) for number in numbers]:
            resource_logs = message.resource_logs.add()
            resource_logs.resource.attributes.extend(_attributes({"service.name": stream.service}))
            resource_logs.scope_logs.add().log_records.extend(records)
    return message


def log_record(stream: Logs, place: int, number: int, start_ns: int) -> LogRecord:
    """What is logged of the request of that number."""
    failed = stream.failed(number)
    return LogRecord(
        time_unix_nano=start_ns + stream.happens_ns(number),
        severity_number=SeverityNumber.SEVERITY_NUMBER_ERROR if failed else SeverityNumber.SEVERITY_NUMBER_INFO,
        severity_text="ERROR" if failed else "INFO",
        body=AnyValue(string_value=stream.body),
        trace_id=_digest("log", place, number),
        attributes=_attributes(stream.attributes),
    )


def _metrics(timeline: Timeline, since_ns: int, until_ns: int) -> ExportMetricsServiceRequest:
    message, start_ns = ExportMetricsServiceRequest(), to_ns(timeline.start)
    for place, stream in enumerate(timeline.counters):
        exports = [*stream.exports(since_ns, until_ns, timeline.duration)]
        if exports:
            resource_metrics = message.resource_metrics.add()
            process = {"service.name": stream.service, "service.instance.id": str(place)}
            resource_metrics.resource.attributes.extend(_attributes(process))
            metric = resource_metrics.scope_metrics.add().metrics.add()
            _count(metric, stream, exports, start_ns)
    return message


def _count(metric: Metric, stream: Counter, exports: Iterable[int], start_ns: int) -> None:
    """The points of what went well and of what failed; a counter of failures is there before there are any."""
    metric.name, metric.unit = stream.name, "{request}"
    metric.sum.is_monotonic = True
    metric.sum.aggregation_temporality = TEMPORALITY[stream.temporality]
    for taken_ns in exports:
        since_ns = stream.since_ns(taken_ns)
        before, now = (stream.until(edge_ns - stream.from_) for edge_ns in (since_ns, taken_ns))
        failed = stream.failed_of(now) - stream.failed_of(before)
        for code, count in ((OK, now - before - failed), (FAILED, failed)):
            point = NumberDataPoint(
                start_time_unix_nano=start_ns + since_ns,
                time_unix_nano=start_ns + taken_ns,
                as_int=count,
                attributes=[_status(code), *_attributes(stream.attributes)],
            )
            metric.sum.data_points.append(point)


def _status(code: int) -> KeyValue:
    return KeyValue(key=STATUS, value=AnyValue(int_value=code))


def _attributes(texts: Mapping[str, str]) -> list[KeyValue]:
    return [KeyValue(key=key, value=AnyValue(string_value=text)) for key, text in texts.items()]


def _digest(what: str, place: int, number: int) -> bytes:
    return blake2b(f"{what} {place} {number}".encode(), digest_size=16).digest()
