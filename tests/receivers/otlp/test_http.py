"""The HTTP door: paths, methods, media types, bodies of every framing, and clients that are slow or large."""

import gzip
import http.client
import json
import select
import socket
import ssl
import time
import zlib
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack

import pytest
from opentelemetry.exporter.otlp.proto.http import Compression
from opentelemetry.exporter.otlp.proto.http.trace_exporter import OTLPSpanExporter
from opentelemetry.sdk.trace import TracerProvider
from opentelemetry.sdk.trace.export import BatchSpanProcessor

from fixtures.certificates import certificate
from fixtures.doors import JSON, PROTOBUF, as_json, child, doors, gzip_bomb, post, read_reply, request, send
from pipeline.errors import PermanentError
from receivers.otlp.http import MAX_GZIP_MEMBERS, inflate
from receivers.otlp.status import TooLargeError

MIB = 1 << 20


@pytest.fixture(scope="module")
def shared(tmp_path_factory):
    """Doors with default settings, for all who leave nothing behind."""
    with doors(tmp_path_factory.mktemp("spool")) as at:
        yield at


@pytest.mark.parametrize(
    ("content_type", "encoding"),
    [
        ("application/json; charset=utf-8", JSON),
        ("APPLICATION/JSON", JSON),
        ("application/x-protobuf", PROTOBUF),
        ("application/x-protobuf;messageType=x", PROTOBUF),
    ],
)
def test_parameters_and_case_of_the_content_type_are_tolerated(shared, content_type, encoding):
    """And the response has the same type."""
    body = as_json(request("a")) if encoding == JSON else request("a")
    reply = post(shared.http.endpoint, body, {"content-type": content_type})
    assert (reply.code, reply.headers["content-type"]) == (200, encoding)
    assert shared.stored() == ["a"]


@pytest.mark.parametrize("headers", [{}, {"content-type": "text/plain"}, {"content-type": "application/x-protobuf-x"}])
def test_other_content_types_are_415(shared, headers):
    """With a Status that people can read, since there is no encoding to answer in."""
    reply = post(shared.http.endpoint, request("a"), headers)
    assert (reply.code, reply.status.code, reply.headers["content-type"]) == (415, 3, JSON)
    assert "expected content-type application/x-protobuf or application/json" in reply.status.message


def test_other_content_encodings_are_415(shared):
    """Only gzip and none are spoken."""
    reply = post(shared.http.endpoint, b"", {"content-type": PROTOBUF, "content-encoding": "br"})
    assert (reply.code, reply.status.message) == (415, "expected content-encoding gzip or none, got 'br'")


@pytest.mark.parametrize("method", ["GET", "PUT", "OPTIONS"])
def test_other_methods_are_405(shared, method):
    """And the answer says which is allowed."""
    reply = post(shared.http.endpoint, b"", {"content-type": PROTOBUF}, method=method)
    assert (reply.code, reply.headers["allow"], reply.headers["content-type"]) == (405, "POST", PROTOBUF)


@pytest.mark.parametrize(
    ("path", "message"),
    [
        ("/v1/metrics", "metrics are not stored yet; only traces are, at /v1/traces"),
        ("/v1/logs", "logs are not stored yet; only traces are, at /v1/traces"),
        ("/v1development/profiles", "profiles are not stored yet; only traces are, at /v1/traces"),
        ("/", "expected /v1/traces, got /"),
        ("/v1/traces/", "expected /v1/traces, got /v1/traces/"),
    ],
)
@pytest.mark.parametrize("encoding", [PROTOBUF, JSON])
def test_other_paths_are_404_with_a_status(shared, path, message, encoding):
    """Never a silent OK for a signal that is not stored."""
    reply = post(shared.http.endpoint, b"", {"content-type": encoding}, path=path)
    assert (reply.code, reply.headers["content-type"]) == (404, encoding)
    assert (reply.status.code, reply.status.message) == (12, message)


@pytest.mark.parametrize("encoding", [PROTOBUF, JSON])
def test_a_body_in_chunks_without_a_length_is_stored(shared, encoding):
    """As the Node SDK sends it."""
    body = request("a") if encoding == PROTOBUF else as_json(request("a"))
    reply = post(shared.http.endpoint, iter([body[:5], body[5:9], body[9:]]), {"content-type": encoding})
    assert reply.code == 200
    assert shared.stored() == ["a"]


def test_a_body_in_chunks_is_refused_as_soon_as_it_is_too_large(tmp_path):
    """The limit is enforced while streaming, since there is no length to look at."""
    with doors(tmp_path, max_request_bytes="100KiB") as at:
        reply = post(at.http.endpoint, iter([bytes(1024)] * 1000), {"content-type": PROTOBUF})
        assert (reply.code, reply.status.code) == (413, 8)
        assert at.counted() == (0, 1, 0)


def test_a_length_that_is_too_large_is_refused_before_the_body_comes(tmp_path):
    """There is no need to wait for it."""
    with doors(tmp_path, max_request_bytes="100KiB") as at:
        connection = http.client.HTTPConnection(at.http.endpoint, timeout=10)
        connection.putrequest("POST", "/v1/traces")
        connection.putheader("content-type", PROTOBUF)
        connection.putheader("content-length", "1000000")
        connection.endheaders()
        assert read_reply(connection.getresponse()).code == 413
        connection.close()


@pytest.mark.parametrize("encoding", [PROTOBUF, JSON])
@pytest.mark.parametrize("cut", [0, 5, 40, -1])
def test_truncated_gzip_is_bad_data(shared, encoding, cut):
    """400 with a Status that says so, in the request's encoding."""
    body = gzip.compress(request("a" * 100))[:cut]
    reply = post(shared.http.endpoint, body, {"content-type": encoding, "content-encoding": "gzip"})
    assert (reply.code, reply.headers["content-type"], reply.status.code) == (400, encoding, 3)
    assert reply.status.message.startswith("expected whole gzip, got one cut off after")


def test_what_is_not_gzip_is_bad_data(shared):
    """A wrong Content-Encoding is the client's mistake."""
    reply = post(shared.http.endpoint, request("a"), {"content-type": PROTOBUF, "content-encoding": "gzip"})
    assert (reply.code, reply.status.message[:34]) == (400, "expected gzip, got something else:")


def test_malformed_json_names_the_place(shared):
    """In BadRequest and in the message."""
    body = b'{"resourceSpans": [{"scopeSpans": [{"spans": [{"kind": "SPAN_KIND_SERVER"}]}]}]}'
    reply = post(shared.http.endpoint, body, {"content-type": JSON})
    path = "$.resourceSpans[0].scopeSpans[0].spans[0].kind"
    assert reply.code == 400
    assert reply.status.message == f'{path}: expected an enum\'s number, got "SPAN_KIND_SERVER"'
    assert reply.details["BadRequest"]["fieldViolations"][0]["field"] == path


def test_a_partial_success_in_json_has_its_count_as_text(shared):
    """64-bit integers are strings in OTLP/JSON."""
    body = {"resourceSpans": [{"scopeSpans": [{"spans": [{"name": "bad", "traceId": "00", "spanId": "00"}]}]}]}
    reply = post(shared.http.endpoint, json.dumps(body).encode(), {"content-type": JSON})
    assert json.loads(reply.body)["partialSuccess"]["rejectedSpans"] == "1"


def test_a_hundred_requests_share_one_connection(shared):
    """Keep-alive."""
    connection = http.client.HTTPConnection(shared.http.endpoint, timeout=10)
    for number in range(100):
        connection.request("POST", "/v1/traces", request(f"{number}"), {"content-type": PROTOBUF})
        assert read_reply(connection.getresponse()).code == 200
        socket_used = connection.sock
        assert socket_used is not None
    connection.close()
    assert shared.stored() == [f"{number}" for number in range(100)]


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


@pytest.mark.parametrize("encoding", [PROTOBUF, JSON])
def test_a_gibibyte_bomb_is_refused_with_bounded_memory_while_others_are_served(encoding):
    """It inflates to no more than the limit, in one member or in many."""
    one = gzip_bomb(1024 * MIB)
    many = gzip.compress(bytes(64 * MIB)) * 16
    with child() as at, ThreadPoolExecutor(1) as pool:
        before = at.peak_bytes()
        healthy = pool.submit(lambda: [post(at.http, request("a"), {"content-type": PROTOBUF}).code for _ in range(20)])
        for bomb in (one, many):
            reply = post(at.http, bomb, {"content-type": encoding, "content-encoding": "gzip"})
            assert (reply.code, reply.status.code) == (413, 8)
        assert healthy.result() == [200] * 20
        assert at.peak_bytes() - before < 250 * MIB


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


SLOW = {"read_header_timeout": "200ms", "read_timeout": "200ms", "idle_timeout": "200ms"}


@pytest.mark.parametrize(
    "sent",
    [
        b"",
        b"POST /v1/traces HTT",
        b"POST /v1/traces HTTP/1.1\r\nhost: x\r\n",
        b"POST /v1/traces HTTP/1.1\r\nhost: x\r\ncontent-type: application/x-protobuf\r\ncontent-length: 9\r\n\r\nabc",
        b"POST /v1/traces HTTP/1.1\r\nhost: x\r\ncontent-type: application/x-protobuf\r\ncontent-length: 0\r\n\r\n",
        b"POST / HTTP/1.1\r\nhost: x\r\ncontent-length: 9\r\n\r\nabc",
    ],
    ids=["nothing", "half a line", "half the headers", "half a body", "nothing more", "half a refused body"],
)
def test_connections_that_are_slow_or_idle_are_closed(tmp_path, sent):
    """Wherever they stop."""
    with doors(tmp_path, protocols={"http": SLOW}) as at:
        host, _, port = at.http.endpoint.rpartition(":")
        with socket.create_connection((host, int(port)), timeout=10) as connection:
            connection.sendall(sent)
            while connection.recv(65_536):
                pass
        assert send(at, "http/protobuf", request("a")).code == 200


def test_endless_headers_are_cut_off(shared):
    """Headers have no length to refuse them by."""
    host, _, port = shared.http.endpoint.rpartition(":")
    with socket.create_connection((host, int(port)), timeout=10) as connection:
        connection.sendall(b"POST /v1/traces HTTP/1.1\r\nx: ")
        with pytest.raises(ConnectionError):
            connection.sendall(b"x" * 100_000_000)


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
        body = request("x" * 1000)
        assert send(at, "http/protobuf", body).code == 200
        held = pool.submit(send, at, "http/protobuf", body)
        while at.spool.stats().holding == 0:
            time.sleep(0.01)
        stopping = pool.submit(at.http.shutdown)
        assert at.stored() == ["x" * 1000]
        stopping.result(timeout=10)
        assert held.result(timeout=10).code == 200
        with pytest.raises(ConnectionError):
            send(at, "http/protobuf", body)


def test_tls_is_spoken_when_configured(tmp_path):
    """With our certificate as root the request passes."""
    cert, key = certificate(tmp_path)
    with doors(tmp_path / "spool", protocols={"http": {"tls": {"cert_file": str(cert), "key_file": str(key)}}}) as at:
        context = ssl.create_default_context(cafile=str(cert))
        connection = http.client.HTTPSConnection(at.http.endpoint, timeout=10, context=context)
        connection.request("POST", "/v1/traces", request("a"), {"content-type": PROTOBUF})
        assert read_reply(connection.getresponse()).code == 200
        connection.close()
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
