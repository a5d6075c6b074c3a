"""From a real SDK to rows, through real processes, some of which are killed."""

import html
import re
import time
from collections.abc import Iterator
from typing import Any

import grpc
import pytest
from opentelemetry.exporter.otlp.proto.grpc.trace_exporter import OTLPSpanExporter as GrpcExporter
from opentelemetry.exporter.otlp.proto.http.trace_exporter import OTLPSpanExporter as HttpExporter
from opentelemetry.sdk.resources import Resource
from opentelemetry.sdk.trace import TracerProvider
from opentelemetry.sdk.trace.export import SimpleSpanProcessor, SpanExporter
from opentelemetry.trace import SpanKind

from fixtures.programs import House, eventually
from fixtures.spans import FakeSpan, fresh
from processors.sli.sql import recount
from processors.slo.documents import load_objectives

EXPORT = "/opentelemetry.proto.collector.trace.v1.TraceService/Export"
STORED = "SELECT count() AS n FROM otel_traces"
COUNTED = "SELECT sum(Good) AS good, sum(Valid) AS valid FROM sli_slices"


@pytest.fixture
def engine(house: House) -> Iterator[House]:
    """The embedded engine and the schema; the other parts are the test's to start."""
    with house.running("clickhouse", ready="clickhouse"):
        house.run("migrate")
        yield house


@pytest.mark.parametrize("transport", ["grpc", "http"])
def test_spans_of_a_real_sdk_are_rows_within_three_seconds_and_are_counted(engine: House, transport: str) -> None:
    """The one change to an application is its endpoint."""
    exporter: SpanExporter = (
        GrpcExporter(endpoint=engine.address("grpc"), insecure=True)
        if transport == "grpc"
        else HttpExporter(endpoint=f"http://{engine.address('http')}/v1/traces")
    )
    with engine.running("ingest", ready="ingest     "):
        answer(exporter, 200, 200, 503)
        acknowledged = time.monotonic()
        eventually(lambda: engine.query(STORED), lambda rows: rows[0]["n"] == 3)
        assert time.monotonic() - acknowledged < 3
        counted = eventually(lambda: engine.query(COUNTED), lambda rows: rows[0]["valid"] == 3)
    assert counted == [{"good": 2, "valid": 3}]
    (indicator,) = load_objectives(engine.folder / "slo").indicators
    start, end = (engine.query(f"SELECT {what}(Timestamp) AS t FROM otel_traces")[0]["t"] for what in ("min", "max"))
    sql = recount(indicator, start.replace(year=start.year - 1), end.replace(year=end.year + 1))
    assert engine.query(sql) == counted


def answer(exporter: SpanExporter, *codes: int) -> None:
    """A server that answers with `codes`, under OpenTelemetry's own SDK."""
    provider = TracerProvider(resource=Resource.create({"service.name": "checkout"}))
    provider.add_span_processor(SimpleSpanProcessor(exporter))
    for code in codes:
        with provider.get_tracer("shop").start_as_current_span("POST /checkout", kind=SpanKind.SERVER) as span:
            span.set_attribute("http.response.status_code", code)
    provider.shutdown()


def test_the_figure_on_the_page_can_be_counted_again_from_the_spans(house: House) -> None:
    """The evidence page shows the query over `otel_traces`; run as a reader, it gives the page's numbers."""
    with house.running("serve", ready="andon is ready"):
        answer(GrpcExporter(endpoint=house.address("grpc"), insecure=True), *[200] * 17, 500, 404)
        summary = eventually(house.summary, lambda page: promise(page)["valid"] == 19)
        shown = re.findall(r"SELECT[^<]*", house.page("/evidence/checkout-availability"))
        (sql,) = [one for one in shown if "otel_traces" in one]
        assert house.query(html.unescape(sql)) == [{"good": 18, "valid": 19}]
        assert promise(summary)["percent"] == "94.736 %"


def promise(summary: dict[str, Any]) -> dict[str, Any]:
    """The one promise on the page."""
    found: dict[str, Any] = summary["components"][0]["x_sla"]["promises"][0]
    return found


def test_sigterm_stores_what_was_accepted_before_it_ends(engine: House) -> None:
    """Doors shut, spool empties, then the process ends, with status 0."""
    with (
        engine.running("ingest", ready="ingest     ") as ingest,
        grpc.insecure_channel(engine.address("grpc")) as channel,
    ):
        channel.unary_unary(EXPORT, bytes, bytes)(fresh([FakeSpan()] * 100), timeout=10)
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
        channel.unary_unary(EXPORT, bytes, bytes)(fresh([FakeSpan()]), timeout=5)
    except grpc.RpcError:
        return False
    return True
