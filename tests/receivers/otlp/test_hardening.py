"""What a hostile sender may do: the receiver stays up, its memory bounded, and others see nothing of it.

The number in a name is that of the attack.
"""

import gzip
import socket
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack

import pytest

from fixtures.doors import EXPORT, JSON, PROTOBUF, call, child, doors, gzip_bomb, post, request, send, span
from fixtures.http2 import RawCall
from receivers.otlp.signals import METRICS, SIGNALS

MIB = 1 << 20
INVALID = {"grpc": "INVALID_ARGUMENT", "http/protobuf": 400}

every_signal = pytest.mark.parametrize("signal", SIGNALS, ids=[signal.name for signal in SIGNALS])


@pytest.fixture(scope="module")
def shared(tmp_path_factory):
    """Doors with default settings."""
    with doors(tmp_path_factory.mktemp("spool")) as at:
        yield at


@pytest.mark.parametrize("compressed", [False, True], ids=["plain", "gzip"])
def test_h01_a_gibibyte_over_grpc_is_refused_with_bounded_memory_while_others_are_served(compressed):
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


@pytest.mark.parametrize("encoding", [PROTOBUF, JSON])
def test_h01_a_gibibyte_bomb_over_http_is_refused_with_bounded_memory_while_others_are_served(encoding):
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


def test_h01_gzip_in_gzip_is_inflated_once(shared):
    """What is inside is not protobuf then."""
    body = gzip.compress(gzip.compress(request("a")))
    reply = post(shared.http.endpoint, body, {"content-type": PROTOBUF, "content-encoding": "gzip"})
    assert (reply.code, reply.status.code) == (400, 3)


def varint(value: int) -> bytes:
    """As protobuf writes it."""
    out = b""
    while value >= 128:
        out, value = out + bytes([value & 127 | 128]), value >> 7
    return out + bytes([value])


def field(number: int, payload: bytes) -> bytes:
    """A field with a length."""
    return varint(number << 3 | 2) + varint(len(payload)) + payload


def nested(levels: int) -> bytes:
    """An AnyValue in so many arrays, from the inside out without a stack."""
    layers, size = [], 2  # an int_value of one byte
    for _ in range(levels):
        inner = varint(1 << 3 | 2) + varint(size)
        outer = varint(5 << 3 | 2) + varint(size + len(inner))
        layers.append(outer + inner)
        size += len(inner) + len(outer)
    return b"".join(reversed(layers)) + b"\x18\x01"


def with_value(signal, value: bytes) -> bytes:
    """A request whose one item has an attribute of this value."""
    pair = field(1, b"k") + field(2, value)
    ids = field(1, b"t" * 16) + field(2, b"s" * 8)
    item = {
        "traces": ids + field(9, pair),
        "metrics": field(5, field(1, field(7, pair))),
        "logs": field(6, pair),
    }[signal.name]
    return field(1, field(2, field(2, item)))


FITS = {"traces": 47, "metrics": 46, "logs": 47}  # a data point stands two messages deeper than a span


@every_signal
@pytest.mark.parametrize("transport", ["grpc", "http/protobuf"])
def test_h02_nesting_in_protobuf_is_bounded_as_in_protobuf(tmp_path, signal, transport):
    """As deep as its own parser goes, and no deeper; then it is bad data, however deep."""
    with doors(tmp_path, limits={"max_age": "36500d"}) as at:
        fits = with_value(signal, nested(FITS[signal.name]))
        signal.request.FromString(fits)
        assert send(at, transport, fits, signal=signal).code in ("OK", 200)
        for levels in (FITS[signal.name] + 1, 100_000):
            reply = send(at, transport, with_value(signal, nested(levels)), signal=signal)
            assert (reply.code, reply.status.code) == (INVALID[transport], 3)
        assert send(at, transport, request("a", signal=signal), signal=signal).code in ("OK", 200)


@every_signal
@pytest.mark.parametrize("levels", [60, 500, 100_000])
def test_h02_nesting_in_json_is_bounded(shared, signal, levels):
    """400, never 500: the interpreter's own limit is no excuse."""
    outer, middle, inner = {
        "traces": ("resourceSpans", "scopeSpans", "spans"),
        "metrics": ("resourceMetrics", "scopeMetrics", "metrics"),
        "logs": ("resourceLogs", "scopeLogs", "logRecords"),
    }[signal.name]
    value = '{"arrayValue":{"values":[' * levels + '{"intValue":1}' + "]}}" * levels
    attributes = f'{{"attributes":[{{"key":"k","value":{value}}}]}}'
    item = f'{{"gauge":{{"dataPoints":[{attributes}]}}}}' if signal is METRICS else attributes
    body = f'{{"{outer}":[{{"{middle}":[{{"{inner}":[{item}]}}]}}]}}'.encode()
    reply = post(shared.http.endpoint, body, {"content-type": JSON}, path=signal.path)
    assert (reply.code, reply.status.code) == (400, 3)
    assert send(shared, "http/json", b"{}", signal=signal).code == 200


@every_signal
def test_h07_a_call_that_does_not_finish_sending_is_cancelled(tmp_path, signal):
    """A slow body must not keep a thread for ever; here the only one."""
    with doors(tmp_path, protocols={"grpc": {"read_timeout": "200ms", "threads": 1}}) as at:
        with RawCall(at.grpc.endpoint, signal.method) as raw:
            raw.data(b"\0\0")
            assert raw.wait_end(15) < 10
        assert send(at, "grpc", request("a", signal=signal), signal=signal).code == "OK"


SLOW = {"read_header_timeout": "200ms", "read_timeout": "200ms", "idle_timeout": "200ms"}


@pytest.mark.parametrize(
    "sent",
    [
        b"",
        b"POST /v1/traces HTT",
        b"POST /v1/traces HTTP/1.1\r\nhost: x\r\n",
        b"POST /v1/logs HTTP/1.1\r\nhost: x\r\ncontent-type: application/x-protobuf\r\ncontent-length: 9\r\n\r\nabc",
        b"POST /v1/traces HTTP/1.1\r\nhost: x\r\ncontent-type: application/x-protobuf\r\ncontent-length: 0\r\n\r\n",
        b"POST / HTTP/1.1\r\nhost: x\r\ncontent-length: 9\r\n\r\nabc",
        b"OPTIONS /v1/logs HTTP/1.1\r\nhost: x\r\norigin: http://x\r\naccess-control-request-method: POST\r\n\r\n",
    ],
    ids=["nothing", "half a line", "half the headers", "half a body", "no more", "half a refused body", "a preflight"],
)
def test_h07_connections_that_are_slow_or_idle_are_closed(tmp_path, sent):
    """Wherever they stop."""
    with doors(tmp_path, protocols={"http": {**SLOW, "cors": {"allowed_origins": ["*"]}}}) as at:
        host, _, port = at.http.endpoint.rpartition(":")
        with socket.create_connection((host, int(port)), timeout=10) as connection:
            connection.sendall(sent)
            while connection.recv(65_536):
                pass
        assert send(at, "http/protobuf", request("a")).code == 200


def test_h07_a_body_of_one_byte_at_a_time_is_cut_off(tmp_path):
    """The time is for the whole body, not for each of its parts."""
    with doors(tmp_path, protocols={"http": {**SLOW, "read_timeout": "1s"}}) as at:
        host, _, port = at.http.endpoint.rpartition(":")
        with socket.create_connection((host, int(port)), timeout=0.1) as connection:
            connection.sendall(
                b"POST /v1/logs HTTP/1.1\r\nhost: x\r\ncontent-type: application/json\r\ncontent-length: 999\r\n\r\n"
            )
            closed = None
            for _ in range(100):
                try:
                    connection.sendall(b" ")
                    closed = connection.recv(65_536)
                    break
                except TimeoutError:
                    continue
                except ConnectionError:
                    closed = b""
                    break
            assert closed == b""


@pytest.mark.parametrize("door", ["grpc", "http"])
def test_h07_five_hundred_idle_connections_time_out_and_keep_nobody_out(tmp_path, door):
    """Also while they last."""
    settings = {"grpc": {"read_timeout": "1s"}, "http": {**SLOW, "read_header_timeout": "1s"}}
    with doors(tmp_path, protocols=settings) as at, ExitStack() as stack:
        endpoint = getattr(at, door).endpoint
        host, _, port = endpoint.rpartition(":")
        idle = [stack.enter_context(socket.create_connection((host, int(port)), timeout=20)) for _ in range(500)]
        transport = "grpc" if door == "grpc" else "http/protobuf"
        assert send(at, transport, request(span("a"))).code in ("OK", 200)
        for connection in idle:
            while _received(connection):
                pass


def _received(connection: socket.socket) -> bytes:
    try:
        return connection.recv(65_536)
    except ConnectionResetError:
        return b""


def test_h07_endless_headers_are_cut_off(shared):
    """Headers have no length to refuse them by."""
    host, _, port = shared.http.endpoint.rpartition(":")
    with socket.create_connection((host, int(port)), timeout=10) as connection:
        connection.sendall(b"POST /v1/traces HTTP/1.1\r\nx: ")
        with pytest.raises(ConnectionError):
            connection.sendall(b"x" * 100_000_000)
