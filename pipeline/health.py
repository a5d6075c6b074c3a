"""Whether a process is alive, ready, and what it counts: `/healthz`, `/readyz`, `/metrics` over HTTP.

In: checks that must hold, facts to tell, and the metrics as text. Out: answers. Promised: 200 of `/healthz` means that
the process runs; 503 of `/readyz` says why; at most `MAX_CONNECTIONS` at a time, each over after `TIMEOUT_S`, whatever
a client does. What is wrong with ClickHouse is told and makes nobody unready: receivers go on without it.
"""

import json
import logging
import socket
import sys
import threading
import time
from collections.abc import Callable, Mapping
from contextlib import suppress
from dataclasses import dataclass, field
from datetime import datetime
from http import HTTPStatus
from http.server import BaseHTTPRequestHandler
from pathlib import Path
from socketserver import TCPServer, ThreadingMixIn
from typing import Any, ParamSpec, TypeVar

from pipeline.clock import Clock, to_datetime
from pipeline.config import host_and_port
from pipeline.errors import PermanentError, RetryableError

log = logging.getLogger("andon")

MAX_CONNECTIONS = 16
TIMEOUT_S = 10.0
POLL_S = 0.1
JSON = "application/json"
PROMETHEUS = "text/plain; version=0.0.4; charset=utf-8"
Check = Callable[[], str]
"""Why it is not ready; nothing if it is."""
ParametersT = ParamSpec("ParametersT")
ResultT = TypeVar("ResultT")


@dataclass(frozen=True, slots=True, kw_only=True)
class Answer:
    """One HTTP response."""

    status: HTTPStatus
    content_type: str
    body: bytes


Routes = Mapping[str, Callable[[], Answer]]


@dataclass(slots=True)
class Health:
    """The health of one process: `checks` decide about ready, `facts` are told."""

    checks: Mapping[str, Check]
    facts: Mapping[str, Callable[[], Any]] = field(default_factory=dict)
    started: bool = False
    stopping: bool = False

    def alive(self) -> Answer:
        """Whoever can answer this is alive."""
        return as_json(HTTPStatus.OK, {"status": "ok"})

    def ready(self) -> Answer:
        """Ready if it has started, does not stop, and every check holds."""
        reasons = self._reasons()
        facts = {name: fact() for name, fact in self.facts.items()}
        state = {"status": "unavailable" if reasons else "ready", "reasons": reasons, **facts}
        return as_json(HTTPStatus.SERVICE_UNAVAILABLE if reasons else HTTPStatus.OK, state)

    def routes(self, metrics: Callable[[], bytes]) -> Routes:
        """What to serve at which path."""
        return {"/healthz": self.alive, "/readyz": self.ready, "/metrics": lambda: as_text(metrics())}

    def _reasons(self) -> dict[str, str]:
        if self.stopping or not self.started:
            return {"process": "stopping" if self.stopping else "starting"}
        reasons = {name: check() for name, check in self.checks.items()}
        return {name: reason for name, reason in reasons.items() if reason}


def as_json(status: HTTPStatus, body: Any) -> Answer:
    """An answer people and programs can read."""
    return Answer(status=status, content_type=JSON, body=json.dumps(body, default=_spelled).encode() + b"\n")


def as_text(body: bytes) -> Answer:
    """Metrics in Prometheus' text format."""
    return Answer(status=HTTPStatus.OK, content_type=PROMETHEUS, body=body)


def _spelled(value: object) -> str:
    if isinstance(value, datetime):
        return value.isoformat(timespec="milliseconds").replace("+00:00", "Z")
    raise TypeError(f"expected a JSON value or datetime, got {type(value).__name__}")


class Contact:
    """How it goes with calls that need somebody else: whether they get through, and whether they still move."""

    def __init__(self, clock: Clock) -> None:
        self._clock = clock
        self._lock = threading.Lock()
        self._heard = False
        self._moved_s = time.monotonic()
        self._away: tuple[int, str] | None = None

    def watch(self, call: Callable[ParametersT, ResultT]) -> Callable[ParametersT, ResultT]:
        """`call`, watched: `RetryableError` means that the other side is away, anything else that it is there."""

        def watched(*args: ParametersT.args, **kwargs: ParametersT.kwargs) -> ResultT:
            self._moved_s = time.monotonic()
            try:
                result = call(*args, **kwargs)
            except RetryableError as error:
                self._told(str(error))
                raise
            except Exception:
                self._told("")
                raise
            self._told("")
            return result

        return watched

    def _told(self, trouble: str) -> None:
        with self._lock:
            self._heard = True
            self._moved_s = time.monotonic()
            if not trouble:
                self._away = None
            else:
                since_ns = self._away[0] if self._away else self._clock.now_ns()
                self._away = since_ns, trouble

    @property
    def up(self) -> bool | None:
        """Whether the last call got through; None before the first."""
        return self._away is None if self._heard else None

    @property
    def still_s(self) -> float:
        """How long ago a call began or ended."""
        return time.monotonic() - self._moved_s

    def state(self) -> dict[str, Any]:
        """The same in words."""
        with self._lock:
            if self._away is None:
                return {"status": "up" if self._heard else "unknown"}
            since_ns, error = self._away
        return {"status": "away", "since": to_datetime(since_ns), "error": error}


class HealthServer:
    """Answers on `endpoint`; does nothing without one. `announce` is a file that says where, for a supervisor."""

    def __init__(
        self, endpoint: str | None, routes: Routes, announce: Path | None = None, *, timeout_s: float = TIMEOUT_S
    ) -> None:
        self._endpoint = endpoint
        self._routes = routes
        self._timeout_s = timeout_s
        self._announce = announce
        self._server: _Server | None = None
        self._thread: threading.Thread | None = None
        self.url = ""

    def start(self) -> None:
        """Listen.

        Raises:
            PermanentError: the endpoint cannot be listened on.
        """
        if self._endpoint is None:
            return
        self._server = _Server(self._endpoint, self._routes, self._timeout_s)
        host, _, _ = self._endpoint.rpartition(":")
        self.url = f"http://{host}:{self._server.port}"
        self._thread = threading.Thread(target=self._server.serve_forever, args=(POLL_S,), name="health", daemon=True)
        self._thread.start()
        if self._announce is not None:
            announce(self._announce, self.url)

    def shutdown(self) -> None:
        """Stop listening. Safe before `start`, and twice."""
        server, self._server = self._server, None
        if server is None or self._thread is None:
            return
        if self._announce is not None:
            self._announce.unlink(missing_ok=True)
        server.shutdown()
        self._thread.join(TIMEOUT_S)
        server.server_close()


def announce(path: Path, url: str) -> None:
    """Write down where we answer; whoever reads it reads all of it or nothing."""
    new = path.with_name(f"{path.name}.new")
    new.write_text(url, encoding="ascii")
    new.rename(path)


class _Server(ThreadingMixIn, TCPServer):
    """A TCP server with a bound on connections, and an end to each."""

    allow_reuse_address = True
    request_queue_size = 4 * MAX_CONNECTIONS
    daemon_threads = True
    block_on_close = False

    def __init__(self, endpoint: str, routes: Routes, timeout_s: float) -> None:
        self.routes = routes
        self._timeout_s = timeout_s
        self._free = threading.BoundedSemaphore(MAX_CONNECTIONS)
        address = host_and_port(endpoint)
        self.address_family = socket.AF_INET6 if ":" in address[0] else socket.AF_INET
        try:
            super().__init__(address, _Handler)
        except OSError as error:
            raise PermanentError(f"{endpoint}: expected an address to listen on, got: {error}") from error

    @property
    def port(self) -> int:
        return int(self.server_address[1])

    def process_request(self, request: Any, client_address: Any) -> None:
        if not self._free.acquire(blocking=False):
            self.shutdown_request(request)
            return
        try:
            super().process_request(request, client_address)
        except RuntimeError:  # no thread to be had
            self._free.release()
            raise

    def process_request_thread(self, request: Any, client_address: Any) -> None:
        end = threading.Timer(self._timeout_s, _cut, [request])
        end.daemon = True
        end.start()
        try:
            super().process_request_thread(request, client_address)
        finally:
            end.cancel()
            self._free.release()

    def handle_error(self, *_of_whom: Any) -> None:
        log.debug("a request for health failed: %s", sys.exception())


def _cut(connection: socket.socket) -> None:
    with suppress(OSError):
        connection.shutdown(socket.SHUT_RDWR)


class _Handler(BaseHTTPRequestHandler):
    """One request a connection."""

    server: _Server
    server_version, sys_version = "andon", ""

    def do_GET(self) -> None:
        self._answer(with_body=True)

    def do_HEAD(self) -> None:
        self._answer(with_body=False)

    def _answer(self, *, with_body: bool) -> None:
        route = self.server.routes.get(self.path.partition("?")[0])
        if route is None:
            self.send_error(HTTPStatus.NOT_FOUND, explain=f"expected one of {', '.join(self.server.routes)}")
            return
        answer = route()
        self.send_response(answer.status)
        self.send_header("content-type", answer.content_type)
        self.send_header("content-length", str(len(answer.body)))
        self.send_header("cache-control", "no-store")
        self.end_headers()
        if with_body:
            self.wfile.write(answer.body)

    def log_message(self, format: str, *args: Any) -> None:  # noqa: A002  # http.server's name
        """A probe every few seconds is no news."""
