"""A server for unary gRPC calls of bytes, on grpcio's core without its Python server.

In: calls, which a `Service` takes or refuses before their bodies are read. Out: what each `Exchange` answers. Promised:
at most `threads` bodies are held at a time, and `MAX_QUEUED` calls wait for their turn; a body that does not come
within `read_timeout_s` of it is cancelled; a call is answered once, whatever fails; `stop` lets the calls that run
finish.

    core ──▶ one thread: every event ──body──▶ `threads` threads: answer ──▶ core
             begin, refuse, give turns

grpcio's own server costs twice as much for a small request: a thread of its pool is woken for the call and again for
its message, and every step goes through locks and closures. The core's binding, `cygrpc`, is not public, though it has
not changed for years: what is used of it stands in this file, and nowhere else.
"""

import logging
import queue
import threading
import time
from collections import deque
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import partial
from typing import Any, Protocol

import grpc
from grpc._cython import cygrpc

from pipeline.errors import PermanentError

log = logging.getLogger("andon")

MAX_QUEUED = 1024
TICK_S = 1.0

Metadata = Sequence[tuple[str, str | bytes]]
Event = Any  # of the core


@dataclass(frozen=True, slots=True, kw_only=True)
class Response:
    """How a call ends; `body` is sent with OK only."""

    body: bytes = b""
    code: grpc.StatusCode = grpc.StatusCode.OK
    message: str = ""
    trailing: Metadata = ()


BROKEN = Response(code=grpc.StatusCode.INTERNAL, message="internal error")
UNKNOWN = Response(code=grpc.StatusCode.UNIMPLEMENTED, message="Method not found!")


class Exchange(Protocol):
    """One call that was taken."""

    def answer(self, body: bytes) -> Response:
        """The answer to a body; in one of many threads."""
        ...

    def refusal(self) -> Response:
        """The answer where no body came: it was too large, or there was none."""
        ...

    def refused(self) -> None:
        """That answer was given, other than to a client that had left."""
        ...


class Service(Protocol):
    """What is served. Called in one thread, and quick."""

    def begin(self, method: str, metadata: Metadata) -> Exchange | Response:
        """Take a call, or end it."""
        ...

    def busy(self, method: str) -> Response:
        """The end of a call for which there is no room to wait."""
        ...

    def beat(self) -> None:
        """A second has passed."""
        ...


@dataclass(slots=True, eq=False)
class _Turn:
    """A call that was taken. Its body is due at `due_s`, once it is its turn."""

    call: Any
    exchange: Exchange
    due_s: float = 0.0


class CallServer:
    """The server of one endpoint."""

    def __init__(
        self, service: Service, *, threads: int, read_timeout_s: float, options: Sequence[tuple[str, int]]
    ) -> None:
        self._service = service
        self._read_timeout_s = read_timeout_s
        self._events = cygrpc.CompletionQueue()
        self._server = cygrpc.Server(tuple(options), False)
        self._server.register_completion_queue(self._events)
        self._bodies: queue.SimpleQueue[tuple[_Turn, bytes] | None] = queue.SimpleQueue()
        self._loop = threading.Thread(target=self._run, name="otlp-grpc", daemon=True)
        self._workers = [
            threading.Thread(target=self._work, name=f"otlp-grpc-{n}", daemon=True) for n in range(threads)
        ]
        self._shutting = False
        self._asking = threading.Lock()  # the core must not be asked for a call once it is shutting down
        # Only the loop's thread touches what follows.
        self._waiting: deque[_Turn] = deque()
        self._receiving: set[_Turn] = set()
        self._turns = threads
        self._open = 0
        self._stopping = False
        self._next_tick_s = 0.0

    def listen(self, endpoint: str, credentials: grpc.ServerCredentials | None) -> int:
        """Bind `endpoint`; the port it got.

        Raises:
            PermanentError: it cannot be bound.
        """
        address = endpoint.encode()
        try:
            bound = [address] if credentials is None else [address, credentials._credentials]  # type: ignore[attr-defined] # noqa: SLF001
            port: int = self._server.add_http2_port(*bound)
        except RuntimeError as error:
            raise PermanentError(f"{endpoint}: expected an address to listen on, got: {error}") from error
        if port == 0:
            raise PermanentError(f"{endpoint}: expected an address to listen on, got one that cannot be bound")
        return port

    def start(self) -> None:
        """Take calls."""
        self._server.start()
        self._request()
        for thread in (self._loop, *self._workers):
            thread.start()

    def stop(self, timeout_s: float) -> None:
        """Take no more, and finish those that run, or cancel them after `timeout_s`."""
        with self._asking:
            self._shutting = True
            self._server.shutdown(self._events, self._shut)
        self._loop.join(timeout_s)
        if self._loop.is_alive():
            self._server.cancel_all_calls()
            self._loop.join(timeout_s)
        if not self._loop.is_alive():  # else the core still writes to what would be freed
            self._server.destroy()
        for _ in self._workers:
            self._bodies.put(None)
        for thread in self._workers:
            thread.join(timeout_s)

    # ---- the loop's thread

    def _run(self) -> None:
        while not (self._stopping and self._open == 0):
            event = self._events.poll(time.time() + TICK_S)
            if event.completion_type != cygrpc.CompletionType.queue_timeout:
                self._handle(event)
            event = None  # it holds its call, which would keep the core busy
            if time.monotonic() >= self._next_tick_s:
                self._tick()

    def _handle(self, event: Event) -> None:
        try:
            event.tag(event)
        except Exception:  # one call's, which must not end all others
            log.exception("gRPC event")

    def _tick(self) -> None:
        now_s = time.monotonic()
        self._next_tick_s = now_s + TICK_S
        if not self._stopping:
            self._service.beat()
        for turn in [turn for turn in self._receiving if now_s >= turn.due_s]:
            turn.call.cancel()

    def _request(self) -> None:
        """Ask the core for one more call."""
        with self._asking:
            if not self._shutting:
                self._open += 1
                self._server.request_call(self._events, self._events, self._begin)

    def _shut(self, _event: Event) -> None:
        self._stopping = True

    def _begin(self, event: Event) -> None:
        self._open -= 1
        if not event.success:
            return  # the server is stopping
        self._request()
        self._open += 1
        method = event.call_details.method.decode("latin-1")
        try:
            taken = self._service.begin(method, event.invocation_metadata or ())
            if not isinstance(taken, Response) and len(self._waiting) >= MAX_QUEUED:
                taken = self._service.busy(method)
        except Exception:
            log.exception("gRPC call")
            taken = BROKEN
        if isinstance(taken, Response):
            _end(event.call, taken, self._ended)
        else:
            self._waiting.append(_Turn(event.call, taken))
            self._give_turns()

    def _give_turns(self) -> None:
        while self._turns and self._waiting:
            turn = self._waiting.popleft()
            turn.due_s = time.monotonic() + self._read_timeout_s
            self._turns -= 1
            self._receiving.add(turn)
            turn.call.start_server_batch((cygrpc.ReceiveMessageOperation(0),), partial(self._received, turn))

    def _received(self, turn: _Turn, event: Event) -> None:
        """The body came, or will not: if it is too large, the core has said so itself, and the event is a failure."""
        self._receiving.discard(turn)
        body = event.batch_operations[0].message()
        if body is not None:
            self._bodies.put((turn, body))
            return
        too_large = not event.success
        _end(turn.call, turn.exchange.refusal(), partial(self._refused, turn, too_large))

    def _refused(self, turn: _Turn, too_large: bool, event: Event) -> None:  # noqa: FBT001 - bound beforehand
        if too_large or not event.batch_operations[-1].cancelled():
            turn.exchange.refused()
        self._answered(event)

    def _answered(self, event: Event) -> None:
        self._turns += 1
        self._ended(event)
        self._give_turns()

    def _ended(self, _event: Event) -> None:
        self._open -= 1

    # ---- the other threads

    def _work(self) -> None:
        while (taken := self._bodies.get()) is not None:
            turn, body = taken
            try:
                response = turn.exchange.answer(body)
            except Exception:
                log.exception("gRPC request")
                response = BROKEN
            _end(turn.call, response, self._answered)
            del taken, turn, body  # an idle thread holds nothing


def _end(call: Any, response: Response, ended: Callable[[Event], None]) -> None:
    code, details = response.code.value[0], response.message.encode()
    message = (cygrpc.SendMessageOperation(response.body, 0),) if response.code is grpc.StatusCode.OK else ()
    operations = (
        cygrpc.SendInitialMetadataOperation(None, 0),
        *message,
        cygrpc.SendStatusFromServerOperation(response.trailing or None, code, details, 0),
        cygrpc.ReceiveCloseOnServerOperation(0),
    )
    call.start_server_batch(operations, ended)
