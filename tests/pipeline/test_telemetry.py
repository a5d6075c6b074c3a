"""Andon's own telemetry, read with the real SDK and sent to real receivers."""

import logging
import re
import time
from collections.abc import Mapping
from datetime import UTC, datetime
from pathlib import Path
from threading import Thread
from typing import Any

import pytest
from opentelemetry.sdk.metrics import MeterProvider
from opentelemetry.sdk.metrics.export import InMemoryMetricReader
from opentelemetry.sdk.trace import TracerProvider
from opentelemetry.sdk.trace.export import SimpleSpanProcessor
from opentelemetry.sdk.trace.export.in_memory_span_exporter import InMemorySpanExporter
from opentelemetry.sdk.trace.sampling import TraceIdRatioBased

from fixtures.doors import TRANSPORTS, doors, request, send, span
from fixtures.metrics import grpc_receiver, http_receiver
from fixtures.spans import FakeSpan, batch
from pipeline.assembly import Assembly
from pipeline.clock import FakeClock, to_ns
from pipeline.errors import ConfigError, RetryableError
from pipeline.evaluate import Look
from pipeline.frame import frame_header
from pipeline.instruments import (
    INSTRUMENTS,
    late,
    observe_ledger,
    observe_looks,
    observe_one,
    observe_process,
    observe_spools,
    observe_stored,
)
from pipeline.ledger import SHED, Ledger
from pipeline.passage import ChunkTelemetry
from pipeline.spool import Spool, SpoolConfig
from pipeline.telemetry import Telemetry
from pipeline.telemetry_config import TelemetryConfig
from processors.stored.config import ProcessorsConfig
from processors.stored.data import StoredData

ROOT = Path(__file__).parents[2]
START = datetime(2026, 11, 22, 10, 0, 0, tzinfo=UTC)


class Reading:
    """A meter whose instruments can be read at any time."""

    def __init__(self) -> None:
        self._reader = InMemoryMetricReader()
        self.meter = MeterProvider([self._reader], shutdown_on_exit=False).get_meter("test")

    def metrics(self) -> dict[str, Any]:
        """Every metric by its name."""
        data = self._reader.get_metrics_data()
        scopes = [scope for resource in data.resource_metrics for scope in resource.scope_metrics] if data else []
        return {metric.name: metric for scope in scopes for metric in scope.metrics}

    def values(self, name: str) -> dict[tuple[str, ...], float]:
        """The points of one metric by their attributes' values; of a histogram, the sum."""
        points = self.metrics()[name].data.data_points
        return {
            tuple(point.attributes.values()): point.sum if hasattr(point, "sum") else point.value for point in points
        }


@pytest.fixture
def reading() -> Reading:
    """Nothing measured yet."""
    return Reading()


@pytest.fixture
def clock() -> FakeClock:
    """Ten o'clock."""
    return FakeClock(START)


class Traced:
    """Chunk telemetry whose spans are kept."""

    def __init__(self, reading: Reading, clock: FakeClock, share: float = 1) -> None:
        self._exporter = InMemorySpanExporter()
        provider = TracerProvider(TraceIdRatioBased(share), shutdown_on_exit=False)
        provider.add_span_processor(SimpleSpanProcessor(self._exporter))
        self.chunks = ChunkTelemetry(reading.meter, provider.get_tracer("test"), clock)

    def spans(self) -> Mapping[str, Any]:
        """What was sampled, by name."""
        return {span.name: span for span in self._exporter.get_finished_spans()}


def store(chunks: ChunkTelemetry, clock: FakeClock, *, own: bool = False) -> None:
    """A chunk that was taken two seconds after its first request, and inserted in half a second."""
    passage = chunks.follow("traces", "17-w-1", to_ns(START))
    with passage.stage("decode"):
        clock.advance(0.25)
    with passage.stage("insert", "otel_traces"):
        clock.advance(0.5)
    passage.stored(items=10, late=3, own=own)


def stored_data() -> StoredData:
    """Processors that have filtered a span, kept another, and changed its name."""
    rules = {
        "filter": {"traces": [{"where": {"name": "GET /health"}}]},
        "sample": {"traces": {"sampling_percentage": 50}},
        "redact": {"values": [{"pattern": "secret"}]},
    }
    data = StoredData(ProcessorsConfig.model_validate(rules), ())
    data.batch(batch([FakeSpan(name="GET /health"), FakeSpan(name="GET /secret", status="ERROR")]))
    return data


def test_every_instrument_measures_and_is_in_the_table_with_its_unit(
    reading: Reading, clock: FakeClock, tmp_path: Path
) -> None:
    """The table, what the code makes, and the unit of each are the same."""
    ledger = Ledger(clock)
    ledger.count("traces", clock.now_ns(), accepted=1, refused=1, shed=1, reason="busy")
    ledger.requested("traces", "grpc")
    ledger.duplicate("traces")
    observe_ledger(reading.meter, ledger)
    spool = Spool(SpoolConfig(directory=str(tmp_path)), "traces")
    observe_spools(reading.meter, {"traces": spool.stats})
    observe_process(reading.meter)
    observe_stored(reading.meter, stored_data().stats)
    observe_one(reading.meter, "andon.clickhouse.up", lambda: 1)
    observe_looks(reading.meter, lambda: Look(ended_s=0, duration_s=1, promises=2))
    store(Traced(reading, clock).chunks, clock)
    found = {(metric.name, metric.unit) for metric in reading.metrics().values()}
    assert found == {(one.name, one.unit) for one in INSTRUMENTS.values()}


def test_every_instrument_is_in_the_readme_and_no_other() -> None:
    """A metric that nobody can look up does not exist."""
    text = (ROOT / "pipeline/README.md").read_text()
    section = text.partition("\n## Telemetry")[2].partition("\n## ")[0]
    assert set(re.findall(r"`((?:andon|process|db)\.[a-z_.]+)`", section)) == set(INSTRUMENTS)


def test_what_comes_of_every_request_is_counted_with_its_reason(reading: Reading, tmp_path: Path) -> None:
    """Read from the ledger, which counts for `receiver_ledger` anyway."""
    with doors(tmp_path, auth={"bearer_tokens": ["right"]}, max_request_bytes="64KiB") as at:
        observe_ledger(reading.meter, at.ledger)
        for transport in TRANSPORTS[:2]:
            send(at, transport, request("a", "b"), token="right")
            send(at, transport, request("a"), token="wrong")
            send(at, transport, b"\xff\xff\xff", token="right")
            send(at, transport, request(span("zero", trace_id=bytes(16))), token="right")
        send(at, "http/protobuf", request("x" * (65 << 10)), token="right")
        at.spool.shutdown()
        send(at, "grpc", request("a", "b", "c"), token="right")
    assert reading.values("andon.items.accepted") == {("traces",): 4}
    assert reading.values("andon.items.refused") == {
        ("traces", "unauthenticated"): 2,
        ("traces", "malformed"): 2,
        ("traces", "invalid"): 2,
        ("traces", "too_large"): 1,
    }
    assert reading.values("andon.items.shed") == {("traces", "shutting_down"): 3}
    assert reading.values("andon.requests.received") == {("traces", "grpc"): 5, ("traces", "http/protobuf"): 5}


def test_a_full_spool_is_the_reason_for_what_it_sheds(reading: Reading, tmp_path: Path) -> None:
    """And of not being ready, until something is stored."""
    names = iter("abcdefghijkl")  # the same again would be a retry
    size = len(request("a")) + len(frame_header(request("a"), 0))
    with doors(tmp_path, spool={"max_size": f"{5 * size}B", "max_hold": "0s"}) as at:
        observe_ledger(reading.meter, at.ledger)
        while not at.ledger.totals().get((SHED, "traces", "spool_full")):
            assert send(at, "grpc", request(next(names))).code in ("OK", "UNAVAILABLE")
        observe_spools(reading.meter, {"traces": at.spool.stats})
        assert reading.values("andon.spool.usage")[("traces",)] == 5 * size
        assert at.spool.refusal().startswith("the spool is full")
        (chunk,) = [at.spool.take(5)]
        at.spool.done(chunk)
        assert at.spool.refusal() == ""
        at.spool.shutdown()
        assert at.spool.refusal() == "the spool is not open"


def test_delay_counts_from_the_first_request_of_a_chunk(reading: Reading, clock: FakeClock) -> None:
    """The worst of the chunk, and not the mean."""
    clock.advance(2)
    store(Traced(reading, clock).chunks, clock)
    assert reading.values("andon.ingest.delay") == {("traces",): 2.75}
    assert reading.values("andon.items.stored") == {("traces",): 10}
    assert reading.values("andon.items.late") == {("traces",): 3}


def test_an_insert_that_fails_is_measured_with_the_kind_of_its_error(reading: Reading, clock: FakeClock) -> None:
    """And nothing counts as stored."""
    passage = Traced(reading, clock).chunks.follow("traces", "17-w-1", to_ns(START))

    def insert() -> None:
        with passage.stage("insert", "otel_traces"):
            clock.advance(5)
            raise RetryableError("away")

    with pytest.raises(RetryableError):
        insert()
    inserts = reading.values("db.client.operation.duration")
    assert inserts == {("clickhouse", "INSERT", "otel_traces", "RetryableError"): 5}
    assert "andon.items.stored" not in reading.metrics()


def test_a_trace_shows_every_stage_of_a_chunk_with_its_time(reading: Reading, clock: FakeClock) -> None:
    """Made afterwards, from the same times that the histograms have."""
    clock.advance(2)
    traced = Traced(reading, clock)
    store(traced.chunks, clock)
    spans = traced.spans()
    assert {name: (span.end_time - span.start_time) / 1e9 for name, span in spans.items()} == {
        "receive": 2,
        "decode": 0.25,
        "insert otel_traces": 0.5,
        "store traces": 2.75,
    }
    root = spans["store traces"]
    assert root.parent is None
    assert {span.parent.span_id for name, span in spans.items() if span is not root} == {root.context.span_id}
    assert root.attributes["andon.chunk.items"] == 10


def test_a_chunk_of_our_own_spans_leaves_no_trace(reading: Reading, clock: FakeClock) -> None:
    """Or the trace of each would be in the next one, for ever."""
    traced = Traced(reading, clock)
    store(traced.chunks, clock, own=True)
    assert not traced.spans()
    assert reading.values("andon.items.stored") == {("traces",): 10}


def test_traces_are_off_unless_sampled(reading: Reading, clock: FakeClock) -> None:
    """The default costs nothing."""
    traced = Traced(reading, clock, share=TelemetryConfig().traces.sampling_percentage)
    store(traced.chunks, clock)
    assert not traced.spans()


# ---- pushing


@pytest.mark.parametrize(
    ("protocol", "receiver"), [("grpc", grpc_receiver), ("http/protobuf", http_receiver)], ids=["grpc", "http"]
)
def test_metrics_reach_a_collector_as_the_service_andon(protocol: str, receiver: Any) -> None:
    """With the headers that the config has, every interval and once more at the end."""
    with receiver() as (endpoint, got):
        otlp = {"endpoint": endpoint, "protocol": protocol, "headers": {"Authorization": "Bearer x"}, "interval": "1s"}
        telemetry = Telemetry(TelemetryConfig(otlp=otlp), "ingest-3")
        observe_process(telemetry.meter)
        telemetry.start()
        got.get(timeout=10)
        telemetry.shutdown()
        token, last = [got.get(timeout=10) for _ in range(got.qsize())][-1]
    assert token == "Bearer x"
    (resource,) = last.resource_metrics
    attributes = {pair.key: pair.value.string_value for pair in resource.resource.attributes}
    assert attributes["service.name"] == "andon"
    assert attributes["service.instance.id"].startswith("ingest-3@")
    assert "process.memory.usage" in {metric.name for scope in resource.scope_metrics for metric in scope.metrics}


@pytest.mark.parametrize("protocol", ["grpc", "http/protobuf"])
def test_a_target_that_does_not_take_metrics_is_told_of_once(
    protocol: str, tmp_path: Path, caplog: pytest.LogCaptureFixture, capfd: pytest.CaptureFixture[str]
) -> None:
    """A door that wants a token refuses for good: one line, not one every interval."""
    with doors(tmp_path, auth={"bearer_tokens": ["another"]}) as at:
        door = at.grpc if protocol == "grpc" else at.http
        config = TelemetryConfig(otlp={"endpoint": f"http://{door.endpoint}", "protocol": protocol})
        telemetry = Telemetry(config, "ingest")
        observe_process(telemetry.meter)
        telemetry.start()
        with caplog.at_level(logging.INFO):
            for _ in range(3):
                telemetry._pushing.collect()
        telemetry.shutdown()
    (line,) = [record.getMessage() for record in caplog.records if "our own" in record.getMessage()]
    assert f"our own metrics do not reach http://{door.endpoint}" in line
    assert re.search("UNAUTHENTICATED|401|Unauthorized", line)
    assert [record.name for record in caplog.records if record.name.startswith("opentelemetry")] == []
    assert "Failed to export" not in capfd.readouterr().err


def test_the_end_waits_only_seconds_for_a_target_that_is_away() -> None:
    """Nobody listens there."""
    telemetry = Telemetry(TelemetryConfig(otlp={"endpoint": "http://127.0.0.1:9", "timeout": "30s"}), "ingest")
    observe_process(telemetry.meter)
    telemetry.start()
    ended = Thread(target=telemetry.shutdown, daemon=True)
    ended.start()
    ended.join(8)
    assert not ended.is_alive()


# ---- configuration

ANDON = """
receivers: {otlp: {protocols: {%s}, auth: {bearer_tokens: [%s]}, insecure: true}}
telemetry: {otlp: {endpoint: %s}}
"""


@pytest.mark.parametrize(
    ("protocols", "endpoint", "protocol"),
    [
        pytest.param("grpc: {}, http: {}", "http://127.0.0.1:4318", "http/protobuf", id="http if there are both"),
        pytest.param("grpc: {}", "http://127.0.0.1:4317", "grpc", id="gRPC if that is all there is"),
        pytest.param('http: {endpoint: "0.0.0.0:99"}', "http://127.0.0.1:99", "http/protobuf", id="listens everywhere"),
    ],
)
def test_self_is_our_own_door_with_a_token_for_it(protocols: str, endpoint: str, protocol: str, tmp_path: Path) -> None:
    """Written as one word, so that it cannot differ from where the door is."""
    (tmp_path / "andon.yaml").write_text(ANDON % (protocols, "t1, t2", "self"))
    assembly = Assembly(tmp_path / "andon.yaml")
    otlp = assembly.telemetry().otlp
    assert assembly.telemetry_into_itself
    assert otlp is not None
    assert (otlp.endpoint, otlp.protocol) == (endpoint, protocol)
    assert {name: value.get_secret_value() for name, value in otlp.headers.items()} == {"authorization": "Bearer t1"}
    assert "t1" not in repr(otlp)


@pytest.mark.parametrize(
    ("telemetry", "expected"),
    [
        pytest.param('{health: {endpoint: "0.0.0.0:13133"}}', "insecure: true", id="open to everybody"),
        pytest.param("{otlp: {endpoint: somewhere}}", "a URL", id="not a URL"),
        pytest.param("{otlp: {endpoint: http://h, headers: {a: b}}}", "https where headers", id="secret in plain text"),
        pytest.param("{otlp: {endpoint: http://h, protocol: http}}", "grpc or http/protobuf", id="unknown protocol"),
        pytest.param("{otlp: {endpoint: http://h, interval: 10ms}}", "1s or longer", id="too often"),
        pytest.param(
            "{otlp: {endpoint: https://h, tls: {cert_file: a}}}", "key_file together", id="half a certificate"
        ),
        pytest.param("{traces: {sampling_percentage: 1}}", "where traces go", id="traces to nowhere"),
    ],
)
def test_what_cannot_work_or_is_not_safe_is_refused(telemetry: str, expected: str, tmp_path: Path) -> None:
    """With words that mend it, and never the secret."""
    (tmp_path / "andon.yaml").write_text(f"telemetry: {telemetry}\n")
    with pytest.raises(ConfigError, match=expected):
        Assembly(tmp_path / "andon.yaml")


def test_self_without_a_door_is_refused(tmp_path: Path) -> None:
    """Where the port is anybody's guess, too."""
    (tmp_path / "andon.yaml").write_text(ANDON % ('http: {endpoint: "127.0.0.1:0"}', "", "self"))
    with pytest.raises(ConfigError, match="no OTLP receiver has an address"):
        Assembly(tmp_path / "andon.yaml").telemetry()


def test_health_may_be_open_in_words_or_off(tmp_path: Path) -> None:
    """As probes from outside a pod need it."""
    assert TelemetryConfig(health={"endpoint": "0.0.0.0:13133", "insecure": True}).health is not None
    (tmp_path / "andon.yaml").write_text("telemetry: {health: null}\n")
    assert Assembly(tmp_path / "andon.yaml").config.telemetry.health is None


def test_the_evaluator_is_late_after_a_minute_or_four_looks_that_did_not_come(monkeypatch: pytest.MonkeyPatch) -> None:
    """Whichever is longer; before its first look it is not ready either."""
    monkeypatch.setattr(time, "monotonic", lambda: 1000.0)
    looked = {age: Look(ended_s=1000.0 - age, duration_s=1, promises=2) for age in (60, 61, 80, 81)}
    assert late(None, 2) == "no look at the promises has come to its end yet"
    assert [late(looked[age], 2) for age in (60, 61)] == ["", "the last look ended 61 s ago"]
    assert [late(looked[age], 20) for age in (80, 81)] == ["", "the last look ended 81 s ago"]
