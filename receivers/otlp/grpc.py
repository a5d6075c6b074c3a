"""OTLP/gRPC: request bytes from the wire to admission, answers back.

In: Export calls of the OTLP services. Out: `admission.admit(signal, bytes, tenant)`. Promised: no message is parsed
here; a call without a valid token is refused before its body is read; at most `threads` bodies are in memory; a call
that does not finish sending within `read_timeout` is cancelled; calls beyond `MAX_QUEUED` are asked to come again.

The handlers are stream-unary although Export is unary: on the wire that is the same, and only so does grpcio call the
handler before the body has come, which is what the time limit needs.
"""

import logging
import threading
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from functools import partial
from typing import Any, NoReturn, TypeAlias

import grpc

from pipeline.clock import NS_PER_S
from pipeline.errors import AndonError, PermanentError, RetryableError
from receivers.otlp.admission import Admission
from receivers.otlp.config import GrpcConfig, OtlpConfig
from receivers.otlp.signals import SIGNALS, Signal
from receivers.otlp.status import STATUS_DETAILS, NotStoredError, TooLargeError, refusal, success
from receivers.otlp.tls import Certificates

log = logging.getLogger("andon")

EXPORTS = {signal.method: signal for signal in SIGNALS}
PROFILES = "/opentelemetry.proto.collector.profiles.v1development.ProfilesService/Export"
TRANSPORT = "grpc"
MAX_QUEUED = 1024
NS_PER_MS = 1_000_000
READ_BYTES = 256 << 10
SHUTDOWN_TIMEOUT_S = 10.0
WATCH_PERIOD_S = 1.0

Call = grpc.ServicerContext
Requests = Iterator[bytes]
Handler: TypeAlias = "grpc.RpcMethodHandler[Any, Any]"  # generic in the stubs only


class GrpcReceiver:
    """The gRPC door. Does nothing if `protocols.grpc` is not configured."""

    def __init__(self, config: OtlpConfig, admission: Admission) -> None:
        self._config = config.protocols.grpc
        self._admission = admission
        self._server: grpc.Server | None = None
        self._watch: _Watch | None = None
        self._pools: tuple[ThreadPoolExecutor, ...] = ()
        self.endpoint = "off"

    def start(self) -> None:
        """Listen.

        Raises:
            PermanentError: the endpoint cannot be listened on, or the TLS files cannot be read.
        """
        if self._config is None:
            return
        self._watch = _Watch(self._config.read_timeout / NS_PER_S, self._admission)
        calls = ThreadPoolExecutor(self._config.threads, thread_name_prefix="otlp-grpc")
        refusals = ThreadPoolExecutor(1, thread_name_prefix="otlp-grpc-refuse")
        self._pools = (calls, refusals)
        server = grpc.server(calls, options=_options(self._config, self._admission.max_request_bytes))
        server.add_generic_rpc_handlers((_Services(self._admission, self._watch, refusals),))
        self.endpoint = _bind(server, self._config)
        self._server = server
        server.start()
        self._watch.start()
        self._admission.opened()

    def shutdown(self) -> None:
        """Stop accepting, finish the calls that run."""
        server, self._server = self._server, None
        if server is None or self._watch is None:
            return
        self._admission.closed()
        server.stop(SHUTDOWN_TIMEOUT_S).wait(SHUTDOWN_TIMEOUT_S)
        self._watch.shutdown()
        for pool in self._pools:
            pool.shutdown()


class _Services(grpc.GenericRpcHandler):  # type: ignore[type-arg]
    """Which handler takes which call; decided before its body is read."""

    def __init__(self, admission: Admission, watch: "_Watch", refusals: ThreadPoolExecutor) -> None:
        self._admission = admission
        self._watch = watch
        self._refusals = refusals  # of their own, so that they are quick while all other threads hold requests
        self._lock = threading.Lock()
        self._queued = 0

    def service(self, handler_call_details: grpc.HandlerCallDetails) -> "Handler | None":
        """The handler for a call; every other path is UNIMPLEMENTED by grpcio itself."""
        method = handler_call_details.method
        signal = EXPORTS.get(method)
        if signal is None:
            return self._refuse(NotStoredError("profiles are not stored")) if method == PROFILES else None
        self._admission.requested(signal, TRANSPORT)
        try:
            tenant = self._admission.authorize(signal, _authorization(handler_call_details))
        except PermanentError as error:
            self._admission.refused(signal, error)
            return self._refuse(error)
        if not self._enter():
            busy = RetryableError(f"more than {MAX_QUEUED} requests are waiting")
            self._admission.shed(signal, busy)
            return self._refuse(busy)
        return grpc.stream_unary_rpc_method_handler(partial(self._admit, signal, tenant))

    def _enter(self) -> bool:
        with self._lock:
            if self._queued >= MAX_QUEUED:
                return False
            self._queued += 1
            return True

    def _admit(self, signal: Signal, tenant: str, requests: Requests, call: Call) -> bytes:
        try:
            outcome = self._admission.admit(signal, self._body(signal, requests, call), tenant)
            return success(signal, outcome).SerializeToString()
        except grpc.RpcError:
            raise  # the client is gone, so there is nobody to answer
        except Exception as error:
            if not isinstance(error, AndonError):
                log.exception("gRPC request")
            _abort(call, error)
        finally:
            with self._lock:
                self._queued -= 1

    def _body(self, signal: Signal, requests: Requests, call: Call) -> bytes:
        """The one message of the call. None comes if it is too large, which grpcio has answered by itself."""
        with self._watch.watching(call):
            body = next(requests, None)
        if body is None:
            limit = self._admission.max_request_bytes
            error = TooLargeError(f"expected one message of at most {limit} bytes, got none such")
            self._admission.refused(signal, error)
            raise error
        return body

    def _refuse(self, error: Exception) -> Handler:
        def behaviour(_requests: Requests, call: Call) -> bytes:
            _abort(call, error)

        behaviour.experimental_thread_pool = self._refusals  # type: ignore[attr-defined]
        return grpc.stream_unary_rpc_method_handler(behaviour)


class _Watch:
    """One thread that cancels calls which do not finish sending, and tells the ledger that the door is open."""

    def __init__(self, read_timeout_s: float, admission: Admission) -> None:
        self._read_timeout_s = read_timeout_s
        self._admission = admission
        self._due_s: dict[Call, float] = {}
        self._stop = threading.Event()
        self._thread = threading.Thread(target=self._run, name="otlp-grpc-watch", daemon=True)

    def start(self) -> None:
        self._thread.start()

    def shutdown(self) -> None:
        self._stop.set()
        self._thread.join()

    @contextmanager
    def watching(self, call: Call) -> Iterator[None]:
        """Cancel `call` if this block takes longer than the read timeout."""
        self._due_s[call] = time.monotonic() + self._read_timeout_s
        try:
            yield
        finally:
            del self._due_s[call]

    def _run(self) -> None:
        while not self._stop.wait(WATCH_PERIOD_S):
            self._admission.beat()
            now_s = time.monotonic()
            for call, due_s in list(self._due_s.items()):
                if now_s >= due_s:
                    call.cancel()  # type: ignore[no-untyped-call]


def _options(config: GrpcConfig, max_request_bytes: int) -> list[tuple[str, int]]:
    keepalive = config.keepalive
    age = keepalive.server_parameters
    return [
        ("grpc.max_receive_message_length", max_request_bytes),
        ("grpc.so_reuseport", 1),
        # OTLP requests are large: fewer, larger reads.
        ("grpc.experimental.tcp_read_chunk_size", READ_BYTES),
        ("grpc.experimental.tcp_min_read_chunk_size", READ_BYTES),
        ("grpc.max_concurrent_streams", config.max_concurrent_streams),
        ("grpc.server_handshake_timeout_ms", config.read_timeout // NS_PER_MS),
        ("grpc.keepalive_permit_without_calls", 1),
        ("grpc.http2.min_ping_interval_without_data_ms", keepalive.enforcement_policy.min_time // NS_PER_MS),
        ("grpc.max_connection_age_ms", age.max_connection_age // NS_PER_MS),
        ("grpc.max_connection_age_grace_ms", age.max_connection_age_grace // NS_PER_MS),
    ]


def _bind(server: grpc.Server, config: GrpcConfig) -> str:
    """Bind the endpoint; as HOST:PORT with the port that it got."""
    try:
        if config.tls is None:
            port = server.add_insecure_port(config.endpoint)
        else:
            port = server.add_secure_port(config.endpoint, Certificates(config.tls, config.endpoint).credentials())
    except (RuntimeError, OSError) as error:
        raise PermanentError(f"{config.endpoint}: expected an address to listen on, got: {error}") from error
    host, _, _ = config.endpoint.rpartition(":")
    return f"{host}:{port}"


def _authorization(details: grpc.HandlerCallDetails) -> str | None:
    metadata = details.invocation_metadata or ()
    return next((str(value) for key, value in metadata if key == "authorization"), None)


def _abort(call: Call, error: Exception) -> NoReturn:
    answer = refusal(error)
    call.set_trailing_metadata(((STATUS_DETAILS, answer.status.SerializeToString()),))
    call.abort(answer.grpc, answer.status.message)
    raise AssertionError  # abort always raises; its annotation does not say so
