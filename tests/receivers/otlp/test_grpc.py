"""The gRPC door: raw bytes in, statuses out, bounded by calls, bytes and time."""

import threading
import time
from concurrent.futures import ThreadPoolExecutor

import grpc
import pytest
from opentelemetry.exporter.otlp.proto.grpc.trace_exporter import OTLPSpanExporter
from opentelemetry.sdk.trace import TracerProvider
from opentelemetry.sdk.trace.export import BatchSpanProcessor

from fixtures.certificates import certificate
from fixtures.doors import EXPORT, call, child, doors, gzip_bomb, request, send
from fixtures.http2 import RawCall
from pipeline.errors import PermanentError

SERVICES = "/opentelemetry.proto.collector."
MIB = 1 << 20


@pytest.mark.parametrize(
    ("path", "signal"),
    [
        ("metrics.v1.MetricsService/Export", "metrics"),
        ("logs.v1.LogsService/Export", "logs"),
        ("profiles.v1development.ProfilesService/Export", "profiles"),
    ],
)
def test_signals_that_are_not_stored_are_unimplemented_and_say_so(tmp_path, path, signal):
    """Never a silent OK."""
    with doors(tmp_path) as at:
        reply = call(at.grpc.endpoint, b"", path=SERVICES + path)
        assert (reply.code, reply.status.message) == ("UNIMPLEMENTED", f"{signal} are not stored yet; only traces are")


def test_unknown_methods_are_unimplemented(tmp_path):
    """gRPC's own answer."""
    with doors(tmp_path) as at:
        assert call(at.grpc.endpoint, b"", path="/some.Service/Method").code == "UNIMPLEMENTED"


def test_the_python_sdk_exports_over_grpc(tmp_path):
    """A real client, unchanged but for its endpoint."""
    with doors(tmp_path) as at:
        exporter = OTLPSpanExporter(endpoint=at.grpc.endpoint, insecure=True, compression=grpc.Compression.Gzip)
        provider = TracerProvider()
        provider.add_span_processor(BatchSpanProcessor(exporter))
        tracer = provider.get_tracer("test")
        with tracer.start_as_current_span("outer"), tracer.start_as_current_span("inner"):
            pass
        provider.shutdown()
        assert at.stored() == ["inner", "outer"]


def test_a_call_without_a_message_is_refused(tmp_path):
    """Closing without sending is answered, not waited upon."""
    with doors(tmp_path) as at, RawCall(at.grpc.endpoint, EXPORT) as raw:
        raw.data(b"", end=True)
        assert raw.wait_end(10) < 5


@pytest.mark.parametrize("compressed", [False, True], ids=["plain", "gzip"])
def test_a_gibibyte_is_refused_with_bounded_memory_while_others_are_served(compressed):
    """A bomb inflates to no more than the limit; a client on its own connection sees nothing of it."""
    bomb = gzip_bomb(1024 * MIB) if compressed else bytes(MIB)
    with child() as at, ThreadPoolExecutor(1) as pool:
        before = at.peak_bytes()
        healthy = pool.submit(lambda: [call(at.grpc, request("a")).code for _ in range(10)])
        with RawCall(at.grpc, EXPORT, {"grpc-encoding": "gzip"}) as raw:
            raw.message(bomb, compressed=compressed, announced=None if compressed else 1024 * MIB)
            raw.data(b"", end=True)
            raw.wait_end(20)
        assert healthy.result() == ["OK"] * 10
        assert at.peak_bytes() - before < 200 * MIB


def test_a_call_that_does_not_finish_sending_is_cancelled(tmp_path):
    """A slow body must not keep a thread for ever; here the only one."""
    with doors(tmp_path, protocols={"grpc": {"read_timeout": "200ms", "threads": 1}}) as at:
        with RawCall(at.grpc.endpoint, EXPORT) as raw:
            raw.data(b"\0\0")
            assert raw.wait_end(15) < 10
        assert send(at, "grpc", request("a")).code == "OK"


def test_an_idle_client_may_ping_every_ten_seconds(tmp_path):
    """Some SDKs keep their connection warm; grpc's own default would hang up with too_many_pings. Scaled down here."""
    options = [("grpc.keepalive_time_ms", 1000), ("grpc.keepalive_permit_without_calls", 1)]
    keepalive = {"enforcement_policy": {"min_time": "500ms"}}
    states = []
    with doors(tmp_path, protocols={"grpc": {"keepalive": keepalive}}) as at:
        with grpc.insecure_channel(
            at.grpc.endpoint, options=[*options, ("grpc.http2.max_pings_without_data", 0)]
        ) as channel:
            export = channel.unary_unary(EXPORT)
            export(request("a"))
            channel.subscribe(states.append)
            threading.Event().wait(4.5)  # the pings are the client core's own; no clock of ours moves them
            export(request("b"))
        assert grpc.ChannelConnectivity.IDLE not in states
        assert at.stored() == ["a", "b"]


def test_shutdown_finishes_the_calls_that_run(tmp_path):
    """What is being stored is answered; what comes later finds nobody."""
    spool = {"max_size": "1200B", "max_chunk_size": "1B", "max_hold": "10s"}
    with doors(tmp_path, spool=spool) as at, ThreadPoolExecutor(2) as pool:
        body = request("x" * 1000)
        assert send(at, "grpc", body).code == "OK"
        held = pool.submit(send, at, "grpc", body)
        while at.spool.stats().holding == 0:
            time.sleep(0.01)
        stopping = pool.submit(at.grpc.shutdown)
        assert at.stored() == ["x" * 1000]
        stopping.result(timeout=10)
        assert held.result(timeout=10).code == "OK"
        assert send(at, "grpc", body).code == "UNAVAILABLE"


def test_tls_is_spoken_when_configured(tmp_path):
    """With our certificate as root the call passes; in the clear it does not."""
    cert, key = certificate(tmp_path)
    with doors(tmp_path / "spool", protocols={"grpc": {"tls": {"cert_file": str(cert), "key_file": str(key)}}}) as at:
        credentials = grpc.ssl_channel_credentials(cert.read_bytes())
        endpoint = at.grpc.endpoint.replace("127.0.0.1", "localhost")
        with grpc.secure_channel(endpoint, credentials) as channel:
            assert channel.unary_unary(EXPORT)(request("a"), timeout=10) == b""
        assert send(at, "grpc", request("b")).code == "UNAVAILABLE"
        assert at.stored() == ["a"]


@pytest.mark.parametrize("name", ["grpc", "http"])
def test_tls_files_that_cannot_be_read_stop_the_start(tmp_path, name):
    """The message names the door and the file."""
    tls = {"cert_file": str(tmp_path / "none.pem"), "key_file": str(tmp_path / "none.key")}
    with (
        pytest.raises(PermanentError, match=r"127.0.0.1:0: expected .*"),
        doors(tmp_path, protocols={name: {"tls": tls}}),
    ):
        pass


def test_an_endpoint_that_is_not_ours_stops_the_start(tmp_path):
    """The message names it."""
    elsewhere = {"grpc": {"endpoint": "192.0.2.1:4317"}}
    with (
        pytest.raises(PermanentError, match=r"192.0.2.1:4317: expected an address to listen on"),
        doors(tmp_path, protocols=elsewhere, insecure=True),
    ):
        pass
