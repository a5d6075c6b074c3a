"""`andon bench ingest`: what a span costs us, beside what it costs a peer, in one run.

In: nothing. Out: CPU time per span of each collector's process, from OTLP/gRPC bytes to ClickHouse insert body. Both
get the same bodies as fast as they acknowledge them, and write into the same embedded engine, whose own time is not
counted. Andon works as it always does: acknowledged after the sync, promises counted. The peer acknowledges from
memory and counts nothing.
"""

import contextlib
import json
import os
import shutil
import socket
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import asdict, dataclass
from pathlib import Path

import grpc
import psutil
from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import ExportTraceServiceRequest
from opentelemetry.proto.common.v1.common_pb2 import AnyValue, KeyValue
from opentelemetry.proto.trace.v1.trace_pb2 import Span
from rich.console import Console
from rich.table import Table

from exporters.clickhouse.client import Client
from exporters.clickhouse.migrate import migrate
from pipeline.assembly import Assembly
from pipeline.errors import PermanentError, RetryableError
from pipeline.serve import command

SPANS, ATTRIBUTES = 512, 10
WARM_UP_BODIES, BODIES = 200, 800
CLIENTS = 8
TIMEOUT_S = 180.0
EXPORT = "/opentelemetry.proto.collector.trace.v1.TraceService/Export"
PEERS = ("rotel",)

CONFIG = """
receivers:
  otlp:
    workers: 1
    protocols: {{grpc: {{endpoint: "127.0.0.1:{grpc}"}}, http: {{endpoint: "127.0.0.1:{http}"}}}}
spool: {{directory: spool}}
clickhouse:
  endpoint: http://127.0.0.1:{clickhouse}
  writer: {{username: andon, password: bench}}
  reader: {{username: sre, password: bench-reader}}
embedded: {{directory: clickhouse}}
objectives: slo
"""
OBJECTIVES = """
apiVersion: openslo/v1
kind: Service
metadata: {name: shop}
---
apiVersion: openslo/v1
kind: SLI
metadata: {name: availability}
spec:
  ratioMetric:
    total: {metricSource: {type: andon, spec: {where: {resource.service.name: checkout, kind: server}}}}
    good: {metricSource: {type: andon, spec: {where: {outcome: success}}}}
---
apiVersion: openslo/v1
kind: SLI
metadata: {name: latency}
spec:
  ratioMetric:
    total: {metricSource: {type: andon, spec: {where: {resource.service.name: checkout, kind: server}}}}
    good: {metricSource: {type: andon, spec: {where: {duration: {lte: 500ms}}}}}
"""


@dataclass(frozen=True, slots=True, kw_only=True)
class Result:
    """One collector's figures."""

    name: str
    spans: int
    cpu_us_per_span: float
    cpu_user_share: float
    ack_ms_p50: float
    ack_ms_p99: float
    rss_mib: float


def send(endpoint: str, bodies: Sequence[bytes]) -> list[float]:
    """Send `bodies` from a few clients, as fast as they are acknowledged; how long each acknowledgement took, in s."""
    with ThreadPoolExecutor(CLIENTS) as clients:
        shares = [clients.submit(_send_share, endpoint, bodies[number::CLIENTS]) for number in range(CLIENTS)]
        return [ack for share in shares for ack in share.result()]


def _send_share(endpoint: str, bodies: Sequence[bytes]) -> list[float]:
    # A pool of its own is a connection of its own.
    with grpc.insecure_channel(endpoint, [("grpc.use_local_subchannel_pool", 1)]) as channel:
        export = channel.unary_unary(EXPORT, bytes, bytes)
        return [_send_one(export, body) for body in bodies]


def _send_one(export: "grpc.UnaryUnaryMultiCallable[bytes, bytes]", body: bytes) -> float:
    """A refused body is sent again."""
    until = time.monotonic() + TIMEOUT_S
    while time.monotonic() < until:
        sent = time.monotonic()
        try:
            export(body, timeout=10)
        except grpc.RpcError:
            time.sleep(0.1)
        else:
            return time.monotonic() - sent
    raise PermanentError("the collector refused the load for too long")


def body(seed: int) -> bytes:
    """One request: 512 spans of a service with six resource attributes, ten attributes a span."""
    request = ExportTraceServiceRequest()
    resource_spans = request.resource_spans.add()
    resource_spans.resource.attributes.extend(
        text(key, value)
        for key, value in {
            "service.name": "checkout",
            "service.version": "1.42.0",
            "service.instance.id": "627cc493-f310-47de-96bd-71410b7dec09",
            "deployment.environment.name": "production",
            "host.name": "node-17.eu-west-1",
            "telemetry.sdk.language": "python",
        }.items()
    )
    scope_spans = resource_spans.scope_spans.add()
    scope_spans.scope.name, scope_spans.scope.version = "opentelemetry.instrumentation.fastapi", "0.66b2"
    scope_spans.spans.extend(span(seed * SPANS + number) for number in range(SPANS))
    return request.SerializeToString()


def span(number: int) -> Span:
    """A server span like those of HTTP instrumentation; one in a hundred failed."""
    start_ns = time.time_ns() - 2_000_000_000
    failed = number % 100 == 0
    return Span(
        trace_id=(number + 1).to_bytes(16, "big"),
        span_id=(number + 1).to_bytes(8, "big"),
        parent_span_id=(number + 2).to_bytes(8, "big"),
        name=f"GET /orders/{{id}}/{number % 20}",
        kind=Span.SPAN_KIND_SERVER,
        start_time_unix_nano=start_ns,
        end_time_unix_nano=start_ns + (number % 997) * 1_000_000,
        attributes=[
            text("http.request.method", "GET"),
            text("http.route", "/orders/{id}"),
            text("url.path", f"/orders/{number}"),
            text("url.scheme", "https"),
            text("server.address", "checkout.example.com"),
            text("client.address", f"10.0.{number % 256}.{number % 199}"),
            text("user_agent.original", "Mozilla/5.0 (X11; Linux x86_64) AppleWebKit/537.36"),
            text("network.protocol.version", "1.1"),
            KeyValue(key="http.response.status_code", value=AnyValue(int_value=500 if failed else 200)),
            KeyValue(key="server.port", value=AnyValue(int_value=443)),
        ],
    )


def text(key: str, value: str) -> KeyValue:
    return KeyValue(key=key, value=AnyValue(string_value=value))


def run_bench(what: str, *, peer: str, as_json: bool) -> None:
    """Measure `what` beside `peer` and print both.

    Raises:
        PermanentError: there is no such benchmark or peer here, and what to do about it.
    """
    if what != "ingest" or peer not in PEERS:
        raise PermanentError(f"expected `ingest` beside one of {', '.join(PEERS)}, got {what!r} beside {peer!r}")
    agent = find_rotel()
    # Each body only once: a table that deduplicates would take the same batch twice for a retry.
    bodies = [body(seed) for seed in range(WARM_UP_BODIES + BODIES)]
    with tempfile.TemporaryDirectory(prefix="andon-bench-") as folder:
        results = [measure_andon(Path(folder) / "andon", bodies), measure_rotel(Path(folder) / "rotel", agent, bodies)]
    report(results, as_json=as_json)


def find_rotel() -> Path:
    """The rotel agent on PATH, or in `peers/rotel` within our virtual environment.

    Raises:
        PermanentError: saying how to get it.
    """
    home = Path(sys.prefix) / "peers" / "rotel"
    inside = [*home.glob("lib/python*/site-packages/rotel/rotel-agent")]
    found = shutil.which("rotel-agent") or (str(inside[0]) if inside else None)
    if found is None:
        raise PermanentError(
            f"rotel was not found on PATH nor in {home}; "
            f"get it with: python3 -m venv {home} && {home}/bin/pip install rotel"
        )
    return Path(found)


@dataclass(frozen=True, slots=True)
class Stage:
    """A folder with a running engine, and the ports and clients one collector needs."""

    assembly: Assembly
    grpc_port: int
    http_port: int
    client: Client

    def stored(self) -> int:
        """How many spans are in ClickHouse."""
        return int(self.client.query("SELECT count() AS n FROM otel_traces").to_pylist()[0]["n"])


@contextlib.contextmanager
def stage(folder: Path) -> Iterator[Stage]:
    """An engine with our schema in `folder`."""
    (folder / "slo").mkdir(parents=True)
    (folder / "slo" / "shop.yaml").write_text(OBJECTIVES)
    ports = dict(zip(("grpc", "http", "clickhouse"), free_ports(3), strict=True))
    (folder / "andon.yaml").write_text(CONFIG.format(**ports))
    assembly = Assembly(folder / "andon.yaml")
    with child(command(assembly, "clickhouse"), "clickhouse"):
        client = assembly.writer()
        wait_for(lambda: answers(client), "the embedded engine")
        migrate(client)
        yield Stage(assembly, ports["grpc"], ports["http"], client)
        client.close()


def measure_andon(folder: Path, bodies: Sequence[bytes]) -> Result:
    """Our own figures."""
    with stage(folder) as here, child(command(here.assembly, "ingest"), "ingest") as process:
        return measure("andon", process, here, bodies)


def measure_rotel(folder: Path, agent: Path, bodies: Sequence[bytes]) -> Result:
    """The peer's figures."""
    with stage(folder) as here:
        clickhouse = here.assembly.config.clickhouse
        assert clickhouse.writer is not None
        start = [
            *(str(agent), "start", "--exporter", "clickhouse", "--debug-log", "none"),
            *("--otlp-grpc-endpoint", f"127.0.0.1:{here.grpc_port}"),
            *("--otlp-http-endpoint", f"127.0.0.1:{here.http_port}"),
            *("--clickhouse-exporter-endpoint", clickhouse.endpoint),
            *("--clickhouse-exporter-database", clickhouse.database),
            *("--clickhouse-exporter-user", clickhouse.writer.username),
            *("--clickhouse-exporter-password", clickhouse.writer.password.get_secret_value()),
            *("--clickhouse-exporter-compression", "none"),
        ]
        with child(start, "rotel") as process:
            return measure("rotel", process, here, bodies)


def measure(name: str, process: psutil.Process, here: Stage, bodies: Sequence[bytes]) -> Result:
    """Warm up, then count the CPU time of `process` from the first byte sent to the last span stored."""
    endpoint = f"127.0.0.1:{here.grpc_port}"
    wait_for(lambda: accepts(here.grpc_port), name)
    send(endpoint, bodies[:WARM_UP_BODIES])
    wait_for(lambda: here.stored() == WARM_UP_BODIES * SPANS, f"{name} to store the warm-up")
    before = process.cpu_times()
    acks_s = send(endpoint, bodies[WARM_UP_BODIES:])
    wait_for(lambda: here.stored() == (WARM_UP_BODIES + BODIES) * SPANS, f"{name} to store every span once")
    after = process.cpu_times()
    user_s, system_s = after.user - before.user, after.system - before.system
    acks_ms = sorted(1e3 * ack for ack in acks_s)
    return Result(
        name=name,
        spans=BODIES * SPANS,
        cpu_us_per_span=1e6 * (user_s + system_s) / (BODIES * SPANS),
        cpu_user_share=user_s / (user_s + system_s),
        ack_ms_p50=acks_ms[len(acks_ms) // 2],
        ack_ms_p99=acks_ms[len(acks_ms) * 99 // 100],
        rss_mib=process.memory_info().rss / (1 << 20),
    )


def report(results: Sequence[Result], *, as_json: bool) -> None:
    """Print the figures, the first beside the others."""
    ours, theirs = results
    ratio = ours.cpu_us_per_span / theirs.cpu_us_per_span
    if as_json:
        found = {"results": [asdict(one) for one in results], "cpu_ratio": ratio, "cpus": os.cpu_count()}
        print(json.dumps(found))  # noqa: T201
        return
    table = Table(title=f"OTLP/gRPC to ClickHouse, bodies of {SPANS} spans with {ATTRIBUTES} attributes")
    for heading in ("", "CPU µs/span", "of it user", "ack p50 ms", "ack p99 ms", "RSS MiB"):
        table.add_column(heading, justify="right" if heading else "left")
    for one in results:
        figures = (one.cpu_us_per_span, one.cpu_user_share, one.ack_ms_p50, one.ack_ms_p99, one.rss_mib)
        table.add_row(one.name, *(f"{figure:.2f}" for figure in figures))
    Console().print(table, f"CPU per span, andon / {theirs.name}: {ratio:.2f}")


@contextlib.contextmanager
def child(arguments: Sequence[str], name: str) -> Iterator[psutil.Process]:
    """A process that ends with this block; its log is shown if it ends by itself."""
    with tempfile.TemporaryFile() as log:
        process = subprocess.Popen(arguments, stdin=subprocess.PIPE, stdout=log, stderr=log)  # noqa: S603
        try:
            yield psutil.Process(process.pid)
        except RetryableError as error:
            log.seek(0)
            raise PermanentError(f"{error}\n{name} said:\n{log.read()[-2000:].decode(errors='replace')}") from error
        finally:
            process.terminate()
            with contextlib.suppress(subprocess.TimeoutExpired):
                process.wait(30)
            process.kill()
            process.wait()


def wait_for(happened: Callable[[], bool], what: str) -> None:
    """Wait until `happened`."""
    until = time.monotonic() + TIMEOUT_S
    while not happened():
        if time.monotonic() > until:
            raise RetryableError(f"waited {TIMEOUT_S:.0f} s for {what}")
        time.sleep(0.1)


def answers(client: Client) -> bool:
    """Whether ClickHouse is there."""
    try:
        client.command("SELECT 1", use_database=False)
    except RetryableError:
        return False
    return True


def accepts(port: int) -> bool:
    """Whether somebody listens at `port` on loopback."""
    with socket.socket() as probe:
        probe.settimeout(1)
        return probe.connect_ex(("127.0.0.1", port)) == 0


def free_ports(count: int) -> list[int]:
    """Ports nobody uses now."""
    sockets = [socket.create_server(("127.0.0.1", 0)) for _ in range(count)]
    ports = [one.getsockname()[1] for one in sockets]
    for one in sockets:
        one.close()
    return ports
