"""What is sent: endless requests of each signal, as instrumentation makes them, no two alike.

In: a signal and how many items a request has. Out: its bytes. An SDK's batch of up to 512 items shares a resource with
six attributes. A span has ten attributes, one in a hundred failed. A log record has a body of some 120 bytes, seven
attributes and the ids of its span. Metrics are gauges and sums, half of them of integers, with up to 100 points each
of five to eight attributes.
"""

import itertools
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from opentelemetry.proto.collector.logs.v1.logs_service_pb2 import ExportLogsServiceRequest
from opentelemetry.proto.collector.metrics.v1.metrics_service_pb2 import ExportMetricsServiceRequest
from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import ExportTraceServiceRequest
from opentelemetry.proto.common.v1.common_pb2 import AnyValue, InstrumentationScope, KeyValue
from opentelemetry.proto.logs.v1.logs_pb2 import LogRecord, SeverityNumber
from opentelemetry.proto.metrics.v1.metrics_pb2 import AggregationTemporality, Metric, NumberDataPoint
from opentelemetry.proto.resource.v1.resource_pb2 import Resource
from opentelemetry.proto.trace.v1.trace_pb2 import Span

from pipeline.bench.template import Template, count_mark, id_mark, measure_mark, time_mark
from receivers.otlp import signals

BATCH = 512  # what SDKs send at a time
MAX_SIZE = 10_000  # items in a body
POINTS = 100  # of one metric
TRACE = bytes.fromhex("4bf92f3577b34da6")  # the first half of every trace id
SEVERITIES = ("INFO", "INFO", "INFO", "DEBUG", "WARN", "ERROR")


@dataclass(frozen=True, slots=True, kw_only=True)
class Signal:
    """One of OTLP's signals, the tables its items end in, and its request of so many items."""

    otlp: signals.Signal
    tables: Sequence[str]
    request: Callable[[int], Any]

    @property
    def name(self) -> str:
        return self.otlp.name


class Bodies:
    """Requests of `size` items each. Several threads may take from it."""

    def __init__(self, signal: Signal, size: int) -> None:
        self.signal = signal
        self.size = size
        self._template = Template(signal.request(size).SerializeToString())
        self._numbers = itertools.count()

    def __next__(self) -> bytes:
        return self._template.filled(next(self._numbers) * self.size, time.time_ns())


def traces(size: int) -> ExportTraceServiceRequest:
    """A request of spans."""
    request = ExportTraceServiceRequest()
    for batch in batches(size):
        scope_spans = request.resource_spans.add(resource=resource()).scope_spans.add(scope=scope("fastapi"))
        scope_spans.spans.extend(span(number) for number in batch)
    return request


def logs(size: int) -> ExportLogsServiceRequest:
    """A request of log records."""
    request = ExportLogsServiceRequest()
    for batch in batches(size):
        scope_logs = request.resource_logs.add(resource=resource()).scope_logs.add(scope=scope("logging"))
        scope_logs.log_records.extend(log_record(number) for number in batch)
    return request


def metrics(size: int) -> ExportMetricsServiceRequest:
    """A request of number points; a small one has a metric for each, as of a process with little to tell."""
    request = ExportMetricsServiceRequest()
    points = max(1, min(POINTS, size // 4))
    for batch in batches(size):
        resource_metrics = request.resource_metrics.add(resource=resource())
        scope_metrics = resource_metrics.scope_metrics.add(scope=scope("system_metrics"))
        starts = range(0, len(batch), points)
        scope_metrics.metrics.extend(metric(at // points, batch[at : at + points]) for at in starts)
    return request


SIGNALS: Mapping[str, Signal] = {
    signal.name: signal
    for signal in (
        Signal(
            otlp=signals.TRACES,
            tables=("otel_traces",),
            request=traces,
        ),
        Signal(
            otlp=signals.LOGS,
            tables=("otel_logs",),
            request=logs,
        ),
        Signal(
            otlp=signals.METRICS,
            tables=("otel_metrics_gauge", "otel_metrics_sum"),
            request=metrics,
        ),
    )
}


def span(number: int) -> Span:
    """A server span like those of HTTP instrumentation."""
    return Span(
        trace_id=TRACE + id_mark(number),
        span_id=id_mark(number),
        parent_span_id=id_mark(number + 1),
        name=f"GET /orders/{{id}}/{number % 20}",
        kind=Span.SPAN_KIND_SERVER,
        start_time_unix_nano=time_mark(0),
        end_time_unix_nano=time_mark(number % 997),
        attributes=attributes(
            {
                "http.request.method": "GET",
                "http.route": "/orders/{id}",
                "url.path": f"/orders/{number}",
                "url.scheme": "https",
                "server.address": "checkout.example.com",
                "client.address": f"10.0.{number % 256}.{number % 199}",
                "user_agent.original": "Mozilla/5.0 (X11; Linux x86_64) AppleWebKit/537.36",
                "network.protocol.version": "1.1",
                "http.response.status_code": 200 if number % 100 else 500,
                "server.port": 443,
            }
        ),
    )


def log_record(number: int) -> LogRecord:
    """A line of a web service's log."""
    severity = SEVERITIES[number % len(SEVERITIES)]
    line = f"order {number:06} of customer {number * 7919 % 100_000:05} was priced with 3 items in its basket"
    return LogRecord(
        time_unix_nano=time_mark(number % 997),
        observed_time_unix_nano=time_mark(number % 997 + 1),
        severity_number=SeverityNumber.Value(f"SEVERITY_NUMBER_{severity}"),
        severity_text=severity,
        body=AnyValue(string_value=f"{line}, shipping by courier to zone {number % 17:02}, no voucher"),
        trace_id=TRACE + id_mark(number),
        span_id=id_mark(number),
        flags=1,
        attributes=attributes(
            {
                "code.file.path": "/srv/checkout/pricing.py",
                "code.function.name": "price_basket",
                "code.line.number": 80 + number % 40,
                "thread.name": f"worker-{number % 8}",
                "logger.name": "checkout.pricing",
                "customer.tier": "gold" if number % 5 == 0 else "standard",
                "order.total": number % 9973 / 4,
            }
        ),
    )


def metric(number: int, points: Sequence[int]) -> Metric:
    """A gauge or a sum, of integers or of doubles, by turns."""
    made = Metric(name=f"http.server.measure_{number:02}", description="As instrumentation describes it", unit="1")
    integers = number % 4 in (1, 2)
    data_points = [point(each, integer=integers) for each in points]
    if number % 2 == 0:
        made.gauge.data_points.extend(data_points)
    else:
        made.sum.data_points.extend(data_points)
        made.sum.aggregation_temporality = AggregationTemporality.AGGREGATION_TEMPORALITY_CUMULATIVE
        made.sum.is_monotonic = True
    return made


def point(number: int, *, integer: bool) -> NumberDataPoint:
    """One of the series of a metric: five to eight attributes."""
    series = {
        "http.request.method": "GET" if number % 3 else "POST",
        "http.route": f"/orders/{{id}}/{number % 20}",
        "http.response.status_code": 200 if number % 100 else 500,
        "server.address": f"checkout-{number % 10}.example.com",
        "url.scheme": "https",
        "network.protocol.version": "1.1",
        "customer.tier": "gold" if number % 5 == 0 else "standard",
        "shard": number % 64,
    }
    made = NumberDataPoint(
        start_time_unix_nano=time_mark(0),
        time_unix_nano=time_mark(1000),
        attributes=attributes(dict(itertools.islice(series.items(), 5 + number % 4))),
    )
    if integer:
        made.as_int = count_mark(number)
    else:
        made.as_double = measure_mark(number)
    return made


def batches(size: int) -> list[range]:
    """The numbers of a request's items, in batches that each have a resource."""
    return [range(at, min(at + BATCH, size)) for at in range(0, size, BATCH)]


def resource() -> Resource:
    return Resource(
        attributes=attributes(
            {
                "service.name": "checkout",
                "service.version": "1.42.0",
                "service.instance.id": "627cc493-f310-47de-96bd-71410b7dec09",
                "deployment.environment.name": "production",
                "host.name": "node-17.eu-west-1",
                "telemetry.sdk.language": "python",
            }
        )
    )


def scope(instrumented: str) -> InstrumentationScope:
    return InstrumentationScope(name=f"opentelemetry.instrumentation.{instrumented}", version="0.66b2")


def attributes(values: Mapping[str, str | int | float]) -> list[KeyValue]:
    return [KeyValue(key=key, value=any_value(value)) for key, value in values.items()]


def any_value(value: str | float) -> AnyValue:
    if isinstance(value, str):
        return AnyValue(string_value=value)
    return AnyValue(int_value=value) if isinstance(value, int) else AnyValue(double_value=value)
