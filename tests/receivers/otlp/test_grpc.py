"""The gRPC door: raw bytes in, statuses out, bounded by calls, bytes and time."""

import time
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack

import grpc
import pytest
from opentelemetry.exporter.otlp.proto.grpc.trace_exporter import OTLPSpanExporter
from opentelemetry.sdk.trace import TracerProvider
from opentelemetry.sdk.trace.export import BatchSpanProcessor

from fixtures.doors import EXPORT, call, doors, request, send
from fixtures.http2 import RawCall
from pipeline.errors import PermanentError
from receivers.otlp import calls
from receivers.otlp import grpc as grpc_door


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


def test_shutdown_finishes_the_calls_that_run(tmp_path):
    """What is being stored is answered; what comes later finds nobody."""
    spool = {"max_size": "1200B", "max_chunk_size": "1B", "max_hold": "10s"}
    with doors(tmp_path, spool=spool) as at, ThreadPoolExecutor(2) as pool:
        assert send(at, "grpc", request("x" * 1000)).code == "OK"
        body = request("x" * 1000)
        held = pool.submit(send, at, "grpc", body)
        while at.spool.stats().holding == 0:
            time.sleep(0.01)
        stopping = pool.submit(at.grpc.shutdown)
        assert at.stored() == ["x" * 1000]
        stopping.result(timeout=10)
        assert held.result(timeout=10).code == "OK"
        assert send(at, "grpc", body).code == "UNAVAILABLE"


def test_an_endpoint_that_is_not_ours_stops_the_start(tmp_path):
    """The message names it."""
    elsewhere = {"grpc": {"endpoint": "192.0.2.1:4317"}}
    with (
        pytest.raises(PermanentError, match=r"192.0.2.1:4317: expected an address to listen on"),
        doors(tmp_path, protocols=elsewhere, insecure=True),
    ):
        pass


def test_what_cannot_be_admitted_is_counted_but_not_who_left(tmp_path):
    """Too large, or nothing at all, is refused; a client that is gone sends its request again."""
    with doors(tmp_path, max_request_bytes="100KiB") as at:
        assert call(at.grpc.endpoint, bytes(200_000)).code == "RESOURCE_EXHAUSTED"
        with RawCall(at.grpc.endpoint, EXPORT) as raw:
            raw.data(b"", end=True)
            raw.wait_end(10)
        with RawCall(at.grpc.endpoint, EXPORT) as raw:
            raw.data(b"\0\0")
        assert send(at, "grpc", request("a")).code == "OK"
        at.grpc.shutdown()
        assert at.counted() == (1, 2, 0)


def test_a_client_that_leaves_gives_its_turn_to_the_next(tmp_path):
    """With one thread, there is one turn."""
    with doors(tmp_path, protocols={"grpc": {"threads": 1}}) as at:
        for _ in range(3):
            with RawCall(at.grpc.endpoint, EXPORT) as raw:
                raw.data(b"\0\0")
        assert send(at, "grpc", request("a")).code == "OK"


def test_calls_beyond_those_that_may_wait_are_asked_to_come_again(tmp_path, monkeypatch):
    """While those that hold the turns are slow."""
    monkeypatch.setattr(calls, "MAX_QUEUED", 1)
    with doors(tmp_path, protocols={"grpc": {"threads": 1}}) as at, ExitStack() as stack:
        for number in range(2):
            stack.enter_context(RawCall(at.grpc.endpoint, EXPORT)).data(b"\0\0")
            wait_for_calls(at, number + 1)
        reply = send(at, "grpc", request("a"))
        assert (reply.code, set(reply.details)) == ("UNAVAILABLE", {"RetryInfo"})
        assert at.counted() == (0, 0, 1)


def wait_for_calls(at, number):
    """Until so many calls have their turn or wait for it."""
    deadline_s = time.monotonic() + 10
    while len(at.grpc._server._receiving) + len(at.grpc._server._waiting) < number:
        assert time.monotonic() < deadline_s
        time.sleep(0.01)


def test_a_bug_is_answered_and_the_server_stays_up(tmp_path, caplog):
    """What it was stays in the log."""
    with doors(tmp_path) as at:
        spool, at.spools["traces"] = at.spools["traces"], None
        reply = send(at, "grpc", request("a"))
        assert (reply.code, reply.status.message) == ("INTERNAL", "internal error")
        assert "gRPC request" in caplog.text
        at.spools["traces"] = spool
        assert send(at, "grpc", request("a")).code == "OK"


def test_shutdown_ends_also_while_clients_are_slow(tmp_path, monkeypatch):
    """Their calls are cancelled."""
    monkeypatch.setattr(grpc_door, "SHUTDOWN_TIMEOUT_S", 0.5)
    with doors(tmp_path) as at, RawCall(at.grpc.endpoint, EXPORT) as raw:
        raw.data(b"\0\0")
        wait_for_calls(at, 1)
        began_s = time.monotonic()
        at.grpc.shutdown()
        assert time.monotonic() - began_s < 5
        at.grpc.shutdown()


def test_shutdown_under_load_answers_every_call_or_refuses_it(tmp_path):
    """Again and again, since it is a race. What the core has not handed over yet is cancelled, which clients retry."""
    for number in range(10):
        with doors(tmp_path / f"{number}") as at, ThreadPoolExecutor(4) as pool:
            busy = [pool.submit(lambda at=at: [send(at, "grpc", request("a")).code for _ in range(10)]) for _ in "1234"]
            while at.grpc._admission.ledger.totals().get(("accepted", "traces", ""), 0) < 3:
                time.sleep(0.001)
            at.grpc.shutdown()
            codes = [code for one in busy for code in one.result(30)]
            assert set(codes) <= {"OK", "UNAVAILABLE", "CANCELLED"}
            assert len(at.stored()) >= codes.count("OK") >= 3
