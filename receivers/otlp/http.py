"""OTLP/HTTP: protobuf and JSON, plain or gzip, from the wire to admission, answers back.

In: POST /v1/traces, /v1/metrics, /v1/logs. Out: `admission.admit(signal, bytes, tenant)`. Promised: every refusal of a
request carries a google.rpc.Status in the request's encoding; a body is refused as soon as it is too large, whatever
its headers say, and inflated at most to the limit; all bodies together stay below `BUFFERED_REQUESTS` of the greatest
size; connections that are slow with their headers or body, idle, or old, are closed.

One thread runs uvicorn's loop and its parser; inflating, parsing and storing happen on `threads` others.
"""

import asyncio
import logging
import random
import socket
import threading
from collections.abc import Awaitable, Callable, Mapping
from concurrent.futures import ThreadPoolExecutor
from http import HTTPStatus
from typing import Any, cast

import uvicorn
from isal import isal_zlib
from uvicorn.protocols.http.httptools_impl import HttpToolsProtocol

from pipeline.clock import NS_PER_S
from pipeline.config import host_and_port
from pipeline.errors import AndonError, PermanentError, RetryableError
from receivers.otlp.admission import Admission
from receivers.otlp.config import HttpConfig, OtlpConfig
from receivers.otlp.cors import Cors
from receivers.otlp.json import to_protobuf
from receivers.otlp.signals import SIGNALS, Signal
from receivers.otlp.status import (
    Encoding,
    NotStoredError,
    Outcome,
    TooLargeError,
    WrongMediaError,
    WrongMethodError,
    encode,
    refusal,
    success,
)
from receivers.otlp.tls import Certificates

log = logging.getLogger("andon")

PATHS = {signal.path: signal for signal in SIGNALS}
PROFILES = "/v1development/profiles"
_TRANSPORTS = {Encoding.PROTOBUF: "http/protobuf", Encoding.JSON: "http/json"}
GZIP = "gzip"
GZIP_ERROR = cast("type[Exception]", isal_zlib.IsalError)
BUFFERED_REQUESTS = 4
INFLATE_WINDOW = 1 << 16
MAX_GZIP_MEMBERS = 10_000
MAX_OVERHEAD_BYTES = 1 << 20  # of one request's headers, chunk sizes and trailers
START_TIMEOUT_S = 10.0
SHUTDOWN_TIMEOUT_S = 10.0
AGE_JITTER = 0.1  # so that connections that were made together do not end together

Headers = Mapping[str, str]
Scope = Mapping[str, Any]
Receive = Callable[[], Awaitable[Mapping[str, Any]]]
Send = Callable[[Mapping[str, Any]], Awaitable[None]]


class HttpReceiver:
    """The HTTP door. Does nothing if `protocols.http` is not configured."""

    def __init__(self, config: OtlpConfig, admission: Admission) -> None:
        self._config = config.protocols.http
        self._admission = admission
        self._started = threading.Event()
        self._server: uvicorn.Server | None = None
        self._thread: threading.Thread | None = None
        self._pool: ThreadPoolExecutor | None = None
        self.endpoint = "off"

    def start(self) -> None:
        """Listen.

        Raises:
            PermanentError: the endpoint cannot be listened on, or the TLS files cannot be read.
        """
        if self._config is None:
            return
        self._pool = ThreadPoolExecutor(self._config.threads, thread_name_prefix="otlp-http")
        app = App(self._admission, self._pool, Cors(self._config.cors))
        self._server = uvicorn.Server(self._uvicorn_config(self._config, app))
        listener = _listen(self._config.endpoint)
        host, _, _ = self._config.endpoint.rpartition(":")
        self.endpoint = f"{host}:{listener.getsockname()[1]}"
        self._thread = threading.Thread(target=self._server.run, args=([listener],), name="otlp-http")
        self._thread.start()
        if not self._started.wait(START_TIMEOUT_S):
            raise PermanentError(f"{self.endpoint}: the server did not start within {START_TIMEOUT_S:.0f} s")
        self._admission.opened()

    def shutdown(self) -> None:
        """Stop accepting, finish the requests that run."""
        server, self._server = self._server, None
        if server is None or self._thread is None or self._pool is None:
            return
        if self._started.is_set():
            self._admission.closed()
        server.should_exit = True
        self._thread.join(2 * SHUTDOWN_TIMEOUT_S)
        self._pool.shutdown()

    def _uvicorn_config(self, config: HttpConfig, app: "App") -> uvicorn.Config:
        certificates = Certificates(config.tls, config.endpoint) if config.tls else None
        return uvicorn.Config(
            app,
            http=_protocol(config),
            ws="none",
            lifespan="off",
            interface="asgi3",
            log_config=None,
            log_level=logging.CRITICAL,  # a client's bad HTTP is answered, not logged
            access_log=False,
            proxy_headers=False,
            server_header=False,
            timeout_keep_alive=-(-config.idle_timeout // NS_PER_S),  # ours, below, is the exact one
            timeout_graceful_shutdown=int(SHUTDOWN_TIMEOUT_S),
            callback_notify=self._beat,
            timeout_notify=1,
            ssl_context_factory=(lambda *_: certificates.context()) if certificates else None,
        )

    async def _beat(self) -> None:
        self._started.set()
        self._admission.beat()


class App:
    """The ASGI application; knows requests, not connections."""

    def __init__(self, admission: Admission, pool: ThreadPoolExecutor, cors: Cors) -> None:
        self._admission = admission
        self._pool = pool
        self._cors = cors
        self._buffered = 0
        self._converting = threading.Lock()

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        headers = {key.decode("latin-1"): value.decode("latin-1") for key, value in scope["headers"]}
        encoding, allowed = _encoding(headers), self._cors.headers(headers)
        try:
            signal = _signal(scope["path"])
            if (preflight := self._cors.preflight(scope["method"], headers)) is not None:
                return await _send(send, HTTPStatus.NO_CONTENT, b"", None, preflight)
            _check_method(scope["method"])
            outcome = await self._export(signal, headers, receive)
        except _GoneError:
            return None
        except Exception as error:
            if not isinstance(error, AndonError):
                log.exception("HTTP request")
            answer = refusal(error)
            body = encode(answer.status, encoding)
            return await _send(send, answer.http, body, encoding, {**answer.headers, **allowed})
        return await _send(send, HTTPStatus.OK, encode(success(signal, outcome), encoding), encoding, allowed)

    async def _export(self, signal: Signal, headers: Headers, receive: Receive) -> Outcome:
        body = _Body()
        try:
            tenant = await self._read(signal, headers, receive, body)
            loop = asyncio.get_running_loop()
            return await loop.run_in_executor(self._pool, self._admit, signal, headers, body, tenant)
        finally:
            self._buffered -= body.size

    async def _read(self, signal: Signal, headers: Headers, receive: Receive, body: "_Body") -> str:
        """The body as sent, and its tenant. What refuses it is counted here, since admission never sees it."""
        try:
            self._admission.requested(signal, _TRANSPORTS[_encoding(headers)])
            tenant = self._admission.authorize(signal, headers.get("authorization"))
            _check_media(headers)
            self._admission.check_size(int(headers.get("content-length", 0)))
            await self._receive(receive, body)
        except PermanentError as error:
            self._admission.refused(signal, error)
            raise
        except RetryableError as error:
            self._admission.shed(signal, error)
            raise
        return tenant

    async def _receive(self, receive: Receive, body: "_Body") -> None:
        more = True
        while more:
            message = await receive()
            if message["type"] == "http.disconnect":
                raise _GoneError
            more = message.get("more_body", False)
            self._buffered += body.add(message.get("body", b""))
            self._admission.check_size(body.size)
            if self._buffered > BUFFERED_REQUESTS * self._admission.max_request_bytes:
                raise RetryableError("too many large requests at a time")

    def _admit(self, signal: Signal, headers: Headers, received: "_Body", tenant: str) -> Outcome:
        body = received.join()
        try:
            if headers.get("content-encoding", "").lower() == GZIP:
                body = inflate(body, self._admission.max_request_bytes)
            if _encoding(headers) is Encoding.JSON:
                with self._converting:  # bound by the interpreter anyway, and its objects are many times the body
                    body = to_protobuf(body, signal.request)
        except PermanentError as error:
            self._admission.refused(signal, error)
            raise
        return self._admission.admit(signal, body, tenant)


class _GoneError(Exception):
    """The client left before its request was whole."""


class _Body:
    """The pieces of a body, as they came."""

    def __init__(self) -> None:
        self.size = 0
        self._parts: list[bytes] = []

    def add(self, part: bytes) -> int:
        """Take `part`; its size."""
        self._parts.append(part)
        self.size += len(part)
        return len(part)

    def join(self) -> bytes:
        """All of it; the pieces are let go."""
        parts, self._parts = self._parts, []
        return parts[0] if len(parts) == 1 else b"".join(parts)


def _encoding(headers: Headers) -> Encoding:
    """What the request's content type names; JSON where it names neither, so that people can read the refusal."""
    media_type = headers.get("content-type", "").partition(";")[0].strip().lower()
    return Encoding.PROTOBUF if media_type == Encoding.PROTOBUF else Encoding.JSON


def _check_method(method: str) -> None:
    if method != "POST":
        raise WrongMethodError(f"expected POST, got {method}")


def _check_media(headers: Headers) -> None:
    content_type = headers.get("content-type", "")
    if content_type.partition(";")[0].strip().lower() not in set(Encoding):
        raise WrongMediaError(f"expected content-type {' or '.join(Encoding)}, got {content_type!r}")
    coding = headers.get("content-encoding", "").lower()
    if coding not in ("", "identity", GZIP):
        raise WrongMediaError(f"expected content-encoding gzip or none, got {coding!r}")


def _signal(path: str) -> Signal:
    if path == PROFILES:
        raise NotStoredError("profiles are not stored")
    if path not in PATHS:
        raise NotStoredError(f"expected {', '.join(PATHS)}, got {path}")
    return PATHS[path]


async def _send(send: Send, status: int, body: bytes, encoding: Encoding | None, headers: Headers) -> None:
    content = {} if encoding is None else {"content-type": encoding.value, "content-length": str(len(body))}
    raw = [(name.encode(), value.encode()) for name, value in {**content, **headers}.items()]
    await send({"type": "http.response.start", "status": int(status), "headers": raw})
    await send({"type": "http.response.body", "body": body})


def inflate(body: bytes, limit: int) -> bytes:
    """The contents of all members of a gzip file, never holding more than `limit` bytes of them.

    Raises:
        TooLargeError: there is more in it.
        PermanentError: it is not gzip, or cut off.
    """
    parts: list[bytes] = []
    view, at, left = memoryview(body), 0, limit
    for _ in range(MAX_GZIP_MEMBERS):
        try:
            member, at = _inflate_member(view, at, left)
        except GZIP_ERROR as error:
            raise PermanentError(f"expected gzip, got something else: {error}") from error
        parts += member
        left -= sum(map(len, member))
        if at == len(view):
            return b"".join(parts)
    raise PermanentError(f"expected at most {MAX_GZIP_MEMBERS} gzip members, got more")


def _inflate_member(view: memoryview, at: int, left: int) -> tuple[list[bytes], int]:
    """What one member holds, and where the next begins. In windows, since zlib copies all that it has not used."""
    member = isal_zlib.decompressobj(wbits=31)
    parts: list[bytes] = []
    limit = left
    while not member.eof:
        window = view[at : at + INFLATE_WINDOW]
        if not window:
            raise PermanentError(f"expected whole gzip, got one cut off after {len(view)} bytes")
        parts.append(member.decompress(window, left + 1))
        left -= len(parts[-1])
        if left < 0:
            raise TooLargeError(f"expected at most {limit} more bytes once inflated, got more")
        at += len(window) - len(member.unused_data)
    return parts, at


class _Protocol(HttpToolsProtocol):
    """uvicorn's parser, with limits to how long a client may take, stay, and send beside the body."""

    limits: HttpConfig

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self._due: asyncio.TimerHandle | None = None
        self._overhead_bytes = 0
        self._receiving = False
        self._old_at_s = 0.0

    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]
        super().connection_made(transport)
        age_s = self.limits.max_connection_age / NS_PER_S
        self._old_at_s = self.loop.time() + age_s * random.uniform(1 - AGE_JITTER, 1 + AGE_JITTER)  # noqa: S311
        self._close_in(self.limits.read_header_timeout)
        if len(self.connections) > self.limits.max_connections:
            transport.close()

    def connection_lost(self, exc: Exception | None) -> None:
        self._close_in(None)
        super().connection_lost(exc)

    def data_received(self, data: bytes) -> None:
        self._overhead_bytes += len(data)
        if self._overhead_bytes > MAX_OVERHEAD_BYTES:
            self.transport.close()
        else:
            super().data_received(data)

    def on_message_begin(self) -> None:
        self._receiving = True
        self._overhead_bytes = 0
        self._close_in(self.limits.read_header_timeout)
        super().on_message_begin()

    def on_headers_complete(self) -> None:
        self._close_in(self.limits.read_timeout)
        super().on_headers_complete()
        if self.loop.time() >= self._old_at_s:
            self.cycle.keep_alive = False  # answered, told so, and closed

    def on_body(self, body: bytes) -> None:
        self._overhead_bytes -= len(body)
        super().on_body(body)

    def on_message_complete(self) -> None:
        self._receiving = False
        self._close_in(self.limits.idle_timeout if self.cycle.response_complete else None)
        super().on_message_complete()

    def on_response_complete(self) -> None:
        super().on_response_complete()
        if not self._receiving:
            self._close_in(self.limits.idle_timeout)

    def _close_in(self, timeout_ns: int | None) -> None:
        """Close the connection after a while, unless told otherwise before."""
        if self._due is not None:
            self._due.cancel()
        self._due = None if timeout_ns is None else self.loop.call_later(timeout_ns / NS_PER_S, self.transport.close)


def _protocol(config: HttpConfig) -> type[asyncio.Protocol]:
    return type("OtlpProtocol", (_Protocol,), {"limits": config})


def _listen(endpoint: str) -> socket.socket:
    host, port = host_and_port(endpoint)
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    try:
        return socket.create_server((host, port), family=family, reuse_port=True)
    except OSError as error:
        raise PermanentError(f"{endpoint}: expected an address to listen on, got: {error}") from error
