"""The HTTP door: paths, methods, media types, bodies of every framing, and clients that are slow or large."""

import gzip
import http.client
import select
import socket
import time
import zlib
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack

import pytest
from opentelemetry.exporter.otlp.proto.http import Compression
from opentelemetry.exporter.otlp.proto.http.trace_exporter import OTLPSpanExporter
from opentelemetry.sdk.trace import TracerProvider
from opentelemetry.sdk.trace.export import BatchSpanProcessor

from fixtures.doors import PROTOBUF, doors, read_reply, request, send
from pipeline.errors import PermanentError
from receivers.otlp.http import MAX_GZIP_MEMBERS, inflate
from receivers.otlp.status import TooLargeError

MIB = 1 << 20


@pytest.fixture(scope="module")
def shared(tmp_path_factory):
    """Doors with default settings, for all who leave nothing behind."""
    with doors(tmp_path_factory.mktemp("spool")) as at:
        yield at


@pytest.mark.parametrize("compression", list(Compression))
def test_the_python_sdk_exports_over_http(shared, compression):
    """A real client, unchanged but for its endpoint, in all the encodings it knows and we speak."""
    exporter = OTLPSpanExporter(endpoint=f"http://{shared.http.endpoint}/v1/traces", compression=compression, timeout=5)
    provider = TracerProvider()
    provider.add_span_processor(BatchSpanProcessor(exporter))
    with provider.get_tracer("test").start_as_current_span("sdk"):
        pass
    provider.shutdown()
    assert shared.stored() == (["sdk"] if compression is not Compression.Deflate else [])


def test_too_many_large_requests_at_a_time_are_asked_to_come_again(tmp_path):
    """What is being received is bounded over all connections together: of five halves, one is one too many."""
    with doors(tmp_path, max_request_bytes="1MiB") as at:
        with ExitStack() as stack:
            halves = [stack.enter_context(half_sent(at.http.endpoint, MIB - 1000, MIB)) for _ in range(5)]
            answered, _, _ = select.select(halves, [], [], 10)
            head = answered[0].recv(65_536)
            assert head.startswith(b"HTTP/1.1 503 ")
            assert b"retry-after: 5\r\n" in head
        deadline_s = time.monotonic() + 10
        while send(at, "http/protobuf", request("a" * 1_000_000)).code != 200:
            assert time.monotonic() < deadline_s


def half_sent(endpoint: str, sent: int, announced: int) -> socket.socket:
    """A connection with a request of which only so many bytes have come."""
    host, _, port = endpoint.rpartition(":")
    connection = socket.create_connection((host, int(port)), timeout=10)
    head = f"POST /v1/traces HTTP/1.1\r\nhost: x\r\ncontent-type: {PROTOBUF}\r\ncontent-length: {announced}\r\n\r\n"
    connection.sendall(head.encode() + bytes(sent))
    return connection


def test_more_connections_than_allowed_are_closed_at_once(tmp_path):
    """So that idle ones cannot eat all file descriptors."""
    with doors(tmp_path, protocols={"http": {"max_connections": 2}}) as at:
        host, _, port = at.http.endpoint.rpartition(":")
        kept = [socket.create_connection((host, int(port)), timeout=10) for _ in range(2)]
        with socket.create_connection((host, int(port)), timeout=10) as third:
            assert third.recv(1) == b""
        for connection in kept:
            connection.close()


def test_shutdown_finishes_the_requests_that_run(tmp_path):
    """What is being stored is answered; what comes later finds nobody."""
    spool = {"max_size": "1200B", "max_chunk_size": "1B", "max_hold": "10s"}
    with doors(tmp_path, spool=spool) as at, ThreadPoolExecutor(2) as pool:
        assert send(at, "http/protobuf", request("x" * 1000)).code == 200
        body = request("x" * 1000)
        held = pool.submit(send, at, "http/protobuf", body)
        while at.spool.stats().holding == 0:
            time.sleep(0.01)
        stopping = pool.submit(at.http.shutdown)
        assert at.stored() == ["x" * 1000]
        stopping.result(timeout=10)
        assert held.result(timeout=10).code == 200
        with pytest.raises(ConnectionError):
            send(at, "http/protobuf", body)


def test_an_old_connection_is_answered_and_closed(tmp_path):
    """So that clients connect anew, maybe to another process; they are told with the answer, and lose nothing."""
    with doors(tmp_path, protocols={"http": {"max_connection_age": "0s"}}) as at:
        connection = http.client.HTTPConnection(at.http.endpoint, timeout=10)
        connection.request("POST", "/v1/traces", request("a"), {"content-type": PROTOBUF})
        reply = read_reply(connection.getresponse())
        assert (reply.code, reply.headers["connection"]) == (200, "close")
        assert at.stored() == ["a"]


def test_inflate_reads_all_members_up_to_the_limit():
    """A gzip file may have many members; together they count."""
    body = gzip.compress(b"a" * 100) + gzip.compress(b"") + gzip.compress(b"b" * 100)
    assert inflate(body, 200) == b"a" * 100 + b"b" * 100
    with pytest.raises(TooLargeError):
        inflate(body, 199)


def test_inflate_reads_members_larger_than_its_window():
    """Incompressible data spans many windows, and the next member begins where it ends."""
    noise = b"".join(zlib.crc32(bytes([n % 256, n // 256])).to_bytes(4, "big") for n in range(65_536))
    assert inflate(gzip.compress(noise) * 2, 1 << 20) == noise * 2


def test_inflate_bounds_the_number_of_members():
    """Empty members cost work without ever reaching the limit."""
    with pytest.raises(PermanentError, match="members"):
        inflate(gzip.compress(b"") * (MAX_GZIP_MEMBERS + 1), 100)
