"""A FastAPI application under Python's auto-instrumentation, in every protocol that the SDK has."""

import os
import signal
import subprocess
import sys
import urllib.error
import urllib.request
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from fixtures.arrivals import Arrivals
from fixtures.programs import House, eventually
from fixtures.relay import relay
from fixtures.toolchains import python_environment
from pipeline.bench import free_ports

FOLDER = Path(__file__).parent / "python"
OWN = Path(sys.executable).parent
# JSON comes as a package of its own that asks for other versions than ours.
JSON_REQUIREMENTS = (
    "fastapi>=0.165,<1",
    "opentelemetry-distro==0.66b1",
    "opentelemetry-exporter-otlp-json-http==0.66b1",
    "opentelemetry-instrumentation-fastapi==0.66b1",
    "opentelemetry-instrumentation-logging==0.66b1",
    "uvicorn>=0.54,<1",
)
STATUSES = {1: 200, 2: 200, 3: 503}
SAMPLED_AND_RANDOM = 0b11  # flags of a W3C trace context
START_S, END_S = 30, 15


@pytest.mark.timeout(60, func_only=True)
@pytest.mark.parametrize("compression", ["none", "gzip"])
@pytest.mark.parametrize("protocol", ["grpc", "http/protobuf"])
def test_i02_python_auto_instrumentation_sends_every_signal(
    andon: House, run: str, protocol: str, compression: str
) -> None:
    """The application says nothing of OTLP; its requests, log lines and own metrics are found by SQL."""
    check(andon, run, OWN, protocol, compression)


@pytest.fixture(scope="session")
def json_programs() -> Path:
    """Where the programs of an environment with the JSON exporter are."""
    return python_environment("python-json", JSON_REQUIREMENTS)


@pytest.mark.timeout(60, func_only=True)
@pytest.mark.parametrize("compression", ["none", "gzip"])
def test_i02_python_sends_every_signal_as_json(andon: House, json_programs: Path, run: str, compression: str) -> None:
    """The same application with `otlp_json_http` for an exporter."""
    check(andon, run, json_programs, "http/json", compression)


def check(andon: House, run: str, programs: Path, protocol: str, compression: str) -> None:
    """Three requests, of which one fails, and what they leave."""
    shop = Arrivals(andon, run)
    with relay(andon.address("grpc" if protocol == "grpc" else "http")) as between:
        environment = shop.environment(protocol, between.address, compression)
        if protocol == "http/json":
            environment |= {f"OTEL_{name}_EXPORTER": "otlp_json_http" for name in ("TRACES", "METRICS", "LOGS")}
        with serving(programs, environment) as address:
            assert {number: status(f"{address}/orders/{number}") for number in STATUSES} == STATUSES
    assert (run.encode() in between.heard) is (compression == "none")
    check_spans(shop)
    check_logs(shop)
    check_metrics(shop)


@contextmanager
def serving(programs: Path, environment: dict[str, str]) -> Iterator[str]:
    """The application, until the block ends; it sends what it still has when it is told to stop."""
    (port,) = free_ports(1)
    command = [
        *(str(programs / "opentelemetry-instrument"), str(programs / "python"), "-m", "uvicorn"),
        *("--app-dir", str(FOLDER), "--no-access-log", "--port", str(port), "shop:app"),
    ]
    own = {"OTEL_PYTHON_LOGGING_AUTO_INSTRUMENTATION_ENABLED": "true", "OTEL_SEMCONV_STABILITY_OPT_IN": "http"}
    with subprocess.Popen(
        command, env=os.environ | environment | own, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True
    ) as process:
        try:
            eventually(lambda: status(f"http://127.0.0.1:{port}/docs", "GET"), timeout_s=START_S)
            yield f"http://127.0.0.1:{port}"
        finally:
            process.send_signal(signal.SIGINT)  # uvicorn dies of a SIGTERM once it has served, before the SDK can flush
            try:
                said, _ = process.communicate(timeout=END_S)
            finally:
                process.kill()
    assert "Failed" not in said, said


def status(url: str, method: str = "POST") -> int:
    """What the application answers with."""
    try:
        with urllib.request.urlopen(urllib.request.Request(url, method=method), timeout=5) as response:
            return int(response.status)
    except urllib.error.HTTPError as error:
        return error.code


def check_spans(shop: Arrivals) -> None:
    columns = "SpanAttributes['http.response.status_code'], SpanName, ServiceName, StatusCode, ParentSpanId"
    served = shop.rows("otel_traces", columns, count=3, where="SpanKind = 'Server' AND SpanName LIKE 'POST%'")
    names = ("POST /orders/{number}", "shop")
    assert served == [("200", *names, "Unset", ""), ("200", *names, "Unset", ""), ("503", *names, "Error", "")]


def check_logs(shop: Arrivals) -> None:
    columns = "Body, SeverityNumber, SeverityText, ServiceName, ScopeName, TraceFlags, TraceId"
    lines = shop.rows("otel_logs", columns, count=3, where="Body LIKE 'order %'")
    assert [line[:-1] for line in lines] == [
        (f"order {n}", 9, "INFO", "shop", "shop", SAMPLED_AND_RANDOM) for n in STATUSES
    ]
    served = shop.rows("otel_traces", "TraceId", count=3, where="SpanKind = 'Server' AND SpanName LIKE 'POST%'")
    assert sorted(line[-1:] for line in lines) == served


def check_metrics(shop: Arrivals) -> None:
    (orders,) = shop.rows("otel_metrics_sum", "Value, Attributes, MetricUnit", count=1, where="MetricName = 'orders'")
    assert orders == (6, [("currency", "EUR")], "{order}")
    columns = "Count, Sum, Min, Max, BucketCounts, ExplicitBounds"
    (latency,) = shop.rows("otel_metrics_histogram", columns, count=1, where="MetricName = 'latency'")
    assert latency == (3, 555, 5, 500, [1, 1, 1], [10, 100])
    (temperature,) = shop.rows("otel_metrics_gauge", "Value, MetricUnit", count=1, where="MetricName = 'temperature'")
    assert temperature == (23.5, "Cel")
    seen = "MetricName = 'http.server.request.duration' AND Attributes['http.route'] = '/orders/{number}'"
    durations = shop.rows(
        "otel_metrics_histogram", "Count, Attributes['http.response.status_code']", count=2, where=seen
    )
    assert durations == [(1, "503"), (2, "200")]
