"""OTLP/gRPC: request bytes from the wire to admission, answers back.

In: Export calls of the OTLP services. Out: `admission.admit(signal, bytes, tenant)`. Promised: no message is parsed
here; a call without a valid token is refused before its body is read; at most `threads` bodies are in memory; a call
that does not finish sending within `read_timeout` is cancelled; calls beyond `MAX_QUEUED` are asked to come again.
"""

import logging

from pipeline.clock import NS_PER_S
from pipeline.errors import AndonError, PermanentError, RetryableError
from receivers.otlp.admission import Admission
from receivers.otlp.calls import MAX_QUEUED, UNKNOWN, CallServer, Metadata, Response
from receivers.otlp.config import GrpcConfig, OtlpConfig
from receivers.otlp.signals import SIGNALS, Signal
from receivers.otlp.status import STATUS_DETAILS, NotStoredError, TooLargeError, refusal, success
from receivers.otlp.tls import Certificates

log = logging.getLogger("andon")

EXPORTS = {signal.method: signal for signal in SIGNALS}
PROFILES = "/opentelemetry.proto.collector.profiles.v1development.ProfilesService/Export"
TRANSPORT = "grpc"
NS_PER_MS = 1_000_000
READ_BYTES = 256 << 10
SHUTDOWN_TIMEOUT_S = 10.0


class GrpcReceiver:
    """The gRPC door. Does nothing if `protocols.grpc` is not configured."""

    def __init__(self, config: OtlpConfig, admission: Admission) -> None:
        self._config = config.protocols.grpc
        self._admission = admission
        self._server: CallServer | None = None
        self.endpoint = "off"

    def start(self) -> None:
        """Listen.

        Raises:
            PermanentError: the endpoint cannot be listened on, or the TLS files cannot be read.
        """
        config = self._config
        if config is None:
            return
        server = CallServer(
            Exports(self._admission),
            threads=config.threads,
            read_timeout_s=config.read_timeout / NS_PER_S,
            options=_options(config, self._admission.max_request_bytes),
        )
        credentials = Certificates(config.tls, config.endpoint).credentials() if config.tls else None
        host, _, _ = config.endpoint.rpartition(":")
        self.endpoint = f"{host}:{server.listen(config.endpoint, credentials)}"
        self._server = server
        server.start()
        self._admission.opened()

    def shutdown(self) -> None:
        """Stop accepting, finish the calls that run."""
        server, self._server = self._server, None
        if server is not None:
            self._admission.closed()
            server.stop(SHUTDOWN_TIMEOUT_S)


class Exports:
    """The OTLP services; which call is let in is decided before its body is read."""

    def __init__(self, admission: Admission) -> None:
        self._admission = admission

    def begin(self, method: str, metadata: Metadata) -> "Export | Response":
        """Take an Export call whose token is valid, or refuse it."""
        signal = EXPORTS.get(method)
        if signal is None:
            return _refused(NotStoredError("profiles are not stored")) if method == PROFILES else UNKNOWN
        self._admission.requested(signal, TRANSPORT)
        try:
            tenant = self._admission.authorize(signal, _authorization(metadata))
        except PermanentError as error:
            self._admission.refused(signal, error)
            return _refused(error)
        return Export(self._admission, signal, tenant)

    def busy(self, method: str) -> Response:
        """Ask to come again."""
        error = RetryableError(f"more than {MAX_QUEUED} requests are waiting")
        self._admission.shed(EXPORTS[method], error)
        return _refused(error)

    def beat(self) -> None:
        """Tell the ledger that the door is open."""
        self._admission.beat()


class Export:
    """One call of Export."""

    __slots__ = ("_admission", "_signal", "_tenant")

    def __init__(self, admission: Admission, signal: Signal, tenant: str) -> None:
        self._admission = admission
        self._signal = signal
        self._tenant = tenant

    def answer(self, body: bytes) -> Response:
        """What became of the body."""
        try:
            outcome = self._admission.admit(self._signal, body, self._tenant)
        except Exception as error:
            if not isinstance(error, AndonError):
                log.exception("gRPC request")
            return _refused(error)
        return Response(body=success(self._signal, outcome).SerializeToString())

    def refusal(self) -> Response:
        """Nothing came that could be admitted."""
        return _refused(self._none())

    def refused(self) -> None:
        """Count that."""
        self._admission.refused(self._signal, self._none())

    def _none(self) -> TooLargeError:
        return TooLargeError(
            f"expected one message of at most {self._admission.max_request_bytes} bytes, got none such"
        )


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


def _authorization(metadata: Metadata) -> str | None:
    return next((str(value) for key, value in metadata if key == "authorization"), None)


def _refused(error: Exception) -> Response:
    answer = refusal(error)
    details = ((STATUS_DETAILS, answer.status.SerializeToString()),)
    return Response(code=answer.grpc, message=answer.status.message, trailing=details)
