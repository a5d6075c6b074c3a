"""From a real SDK to rows, through real processes, some of which are killed."""

import threading
import time
from collections.abc import Iterator
from pathlib import Path

import grpc
import pytest
from opentelemetry.exporter.otlp.proto.grpc.trace_exporter import OTLPSpanExporter as GrpcExporter
from opentelemetry.exporter.otlp.proto.http.trace_exporter import OTLPSpanExporter as HttpExporter
from opentelemetry.sdk.resources import Resource
from opentelemetry.sdk.trace import TracerProvider
from opentelemetry.sdk.trace.export import SimpleSpanProcessor, SpanExporter
from opentelemetry.trace import SpanKind

from fixtures.programs import House, eventually
from fixtures.spans import FakeSpan, request
from processors.sli.sql import recount
from processors.slo.documents import load_objectives

EXPORT = "/opentelemetry.proto.collector.trace.v1.TraceService/Export"
STORED = "SELECT count() AS n FROM otel_traces"
COUNTED = "SELECT sum(Good) AS good, sum(Valid) AS valid FROM sli_slices"


@pytest.fixture
def house(tmp_path: Path) -> House:
    return House(tmp_path)


@pytest.fixture
def engine(house: House) -> Iterator[House]:
    """The embedded engine and the schema; the other parts are the test's to start."""
    with house.running("clickhouse", ready="clickhouse"):
        migrate = house.start("migrate")
        assert migrate.process.wait(60) == 0
        yield house


@pytest.mark.parametrize("transport", ["grpc", "http"])
def test_spans_of_a_real_sdk_are_rows_within_three_seconds_and_are_counted(engine: House, transport: str) -> None:
    """The one change to an application is its endpoint."""
    exporter: SpanExporter = (
        GrpcExporter(endpoint=engine.address("grpc"), insecure=True)
        if transport == "grpc"
        else HttpExporter(endpoint=f"http://{engine.address('http')}/v1/traces")
    )
    provider = TracerProvider(resource=Resource.create({"service.name": "checkout"}))
    provider.add_span_processor(SimpleSpanProcessor(exporter))
    tracer = provider.get_tracer("shop")
    with engine.running("ingest", ready="ingest"):
        for code in (200, 200, 503):
            with tracer.start_as_current_span("POST /checkout", kind=SpanKind.SERVER) as span:
                span.set_attribute("http.response.status_code", code)
        acknowledged = time.monotonic()
        eventually(lambda: engine.query(STORED), lambda rows: rows[0]["n"] == 3)
        assert time.monotonic() - acknowledged < 3
        counted = eventually(lambda: engine.query(COUNTED), lambda rows: rows[0]["valid"] == 3)
    provider.shutdown()
    assert counted == [{"good": 2, "valid": 3}]
    (indicator,) = load_objectives(engine.folder / "slo").indicators
    start, end = (engine.query(f"SELECT {what}(Timestamp) AS t FROM otel_traces")[0]["t"] for what in ("min", "max"))
    sql = recount(indicator, start.replace(year=start.year - 1), end.replace(year=end.year + 1))
    assert engine.query(sql) == counted


def test_ingest_killed_at_any_moment_stores_every_acknowledged_span_once(engine: House) -> None:
    """Eight `kill -9` under load: what was acknowledged is stored, and nothing twice."""
    acknowledged: list[int] = []
    done = threading.Event()
    sender = threading.Thread(target=_send_until, args=(engine, acknowledged, done))
    ingest = engine.start("ingest")
    ingest.wait_for_line("ingest     ")
    sender.start()
    try:
        for number in range(8):
            before = len(acknowledged)
            eventually(lambda seen=before: len(acknowledged) > seen + 5)
            time.sleep(0.13 * number)
            ingest.kill()
            ingest = engine.start("ingest")
    finally:
        done.set()
        sender.join(60)
    ingest.wait_for_line("ingest     ")
    eventually(lambda: engine.query(STORED), lambda rows: rows[0]["n"] >= len(acknowledged), 60)
    assert ingest.stop() == 0
    rows = engine.query("SELECT toUInt64(SpanAttributes['n']) AS n, count() AS times FROM otel_traces GROUP BY n")
    stored = {row["n"]: row["times"] for row in rows}
    assert len(acknowledged) > 100
    assert set(acknowledged) <= set(stored)
    # A request whose answer was lost is sent again by the client under the same number: at most that one is there twice.
    assert {times for n, times in stored.items() if n in acknowledged and _sent_once(n)} <= {1}
    assert engine.query(COUNTED)[0]["valid"] == sum(stored.values())


_RETRIED: set[int] = set()


def _sent_once(number: int) -> bool:
    return number not in _RETRIED


def _send_until(house: House, acknowledged: list[int], done: threading.Event) -> None:
    """Number after number, each in a request of its own, again until it is acknowledged."""
    number = 0
    with grpc.insecure_channel(house.address("grpc"), [("grpc.max_reconnect_backoff_ms", 200)]) as channel:
        export = channel.unary_unary(EXPORT, bytes, bytes)
        while not done.is_set():
            try:
                export(request([FakeSpan(attributes={"n": number})]), timeout=5)
            except grpc.RpcError:
                _RETRIED.add(number)
                done.wait(0.05)
            else:
                acknowledged.append(number)
            number += 0 if number in _RETRIED and number not in acknowledged else 1


def test_sigterm_stores_what_was_accepted_before_it_ends(engine: House) -> None:
    """Doors shut, spool empties, then the process ends, with status 0."""
    with engine.running("ingest", ready="ingest     ") as ingest, grpc.insecure_channel(engine.address("grpc")) as channel:
        channel.unary_unary(EXPORT, bytes, bytes)(request([FakeSpan()] * 100), timeout=10)
        assert ingest.stop() == 0
    assert engine.query(STORED) == [{"n": 100}]


def test_a_part_that_dies_is_started_again_and_said_to_be(house: House) -> None:
    """`andon serve` looks after its parts, and ends with all of them."""
    with house.running("serve", ready="andon is ready") as serve:
        import psutil

        parts = {part.cmdline()[3]: part for part in psutil.Process(serve.process.pid).children()}
        assert set(parts) == {"clickhouse", "ingest", "evaluate", "statuspage"}
        parts["ingest"].kill()
        serve.wait_for_line("ingest ended with -9; starting it again")
        with grpc.insecure_channel(house.address("grpc")) as channel:
            eventually(lambda: _accepted(channel))
        assert serve.stop() == 0
        assert not any(part.is_running() for part in parts.values())


def test_no_part_outlives_a_supervisor_that_is_killed(house: House) -> None:
    """`kill -9` of `andon serve` leaves nothing behind that holds ports or folders."""
    import psutil

    with house.running("serve", ready="andon is ready") as serve:
        parts = psutil.Process(serve.process.pid).children(recursive=True)
        serve.kill()
        gone, alive = psutil.wait_procs(parts, timeout=40)
        assert not alive
        assert len(gone) >= 4


def _accepted(channel: grpc.Channel) -> bool:
    try:
        channel.unary_unary(EXPORT, bytes, bytes)(request([FakeSpan()]), timeout=5)
    except grpc.RpcError:
        return False
    return True
