"""The gRPC door: raw bytes in, statuses out, bounded by calls, bytes and time."""

import time
from concurrent.futures import ThreadPoolExecutor

import grpc
import pytest
from opentelemetry.exporter.otlp.proto.grpc.trace_exporter import OTLPSpanExporter
from opentelemetry.sdk.trace import TracerProvider
from opentelemetry.sdk.trace.export import BatchSpanProcessor

from fixtures.doors import EXPORT, doors, request, send
from fixtures.http2 import RawCall
from pipeline.errors import PermanentError


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
