"""The ClickHouse engine as a library behind ClickHouse's own HTTP interface, for one machine.

In: HTTP on loopback, from any ClickHouse client. Out: ClickHouse's answers. So there is one way to reach the store,
be it embedded, a server or a cluster. Promised: one process owns the directory; an INSERT answered is stored, also
after `kill -9`; the next start needs no cleaning up. It wants a process of its own.
"""

import logging
import socket
import threading
from dataclasses import dataclass, field
from pathlib import Path

import uvicorn

from exporters.clickhouse.embedded.engine import Engine, Limits
from exporters.clickhouse.embedded.http import Bounds, Interface
from exporters.clickhouse.embedded.request import Account
from exporters.clickhouse.roles import page
from pipeline.config import is_loopback
from pipeline.errors import PermanentError

logger = logging.getLogger(__name__)

_START_TIMEOUT_S = 30
_GRACE_S = 5
_KEEP_ALIVE_S = 75  # longer than any of our own clients is idle, so that none meets a connection closing


@dataclass(frozen=True, slots=True, kw_only=True)
class EmbeddedSettings:
    """Where the engine listens, where its data are, who may ask, and what it bounds."""

    directory: Path
    password: str = field(repr=False)
    readonly_password: str = field(repr=False)
    host: str = "127.0.0.1"
    port: int = 8123
    username: str = "andon"
    readonly_username: str = "sre"
    page_username: str = "page"
    page_password: str = field(default="", repr=False)
    database: str = "andon"
    insecure: bool = False
    max_request_bytes: int = 256 << 20
    max_buffered_bytes: int = 512 << 20
    max_concurrent_queries: int = 8
    max_connections: int = 128
    queue_timeout_s: float = 10
    body_silence_s: float = 30
    drain_timeout_s: int = 10
    max_execution_time_s: int = 60
    max_query_memory_bytes: int = 2 << 30
    max_result_bytes: int = 256 << 20
    max_memory_bytes: int = 4 << 30


class EmbeddedClickHouse:
    """The engine and its HTTP interface; one per process."""

    def __init__(self, settings: EmbeddedSettings) -> None:
        self._settings = settings
        self._engine = Engine(settings.directory, _limits(settings), [page(settings.database)])
        self._port = settings.port
        self._running: _Running | None = None

    @property
    def address(self) -> str:
        """Where it answers, as http://host:port; the real port once started, where port 0 was asked for."""
        host = f"[{self._settings.host}]" if ":" in self._settings.host else self._settings.host
        return f"http://{host}:{self._port}"

    def start(self) -> None:
        """Listen, open the directory, and return when it answers.

        Raises:
            PermanentError: the port is taken, another process has the directory, chdb is not installed, or the
                address is not loopback and nobody said `insecure`.
        """
        _check(self._settings)
        listener = _listen(self._settings)
        try:
            self._engine.open(self._settings.database)
            self._port = listener.getsockname()[1]
            self._running = _Running(self._settings, self._engine, listener)
        except BaseException:
            listener.close()
            self._engine.close()
            raise
        logger.info("the embedded ClickHouse engine answers at %s", self.address)

    def shutdown(self) -> None:
        """Let running requests end within the drain timeout, then close the engine. Safe before `start`, and twice."""
        running, self._running = self._running, None
        if running is not None:
            running.stop(self._engine)
        self._engine.close()


class _Running:
    """The HTTP server in a thread of its own."""

    def __init__(self, settings: EmbeddedSettings, engine: Engine, listener: socket.socket) -> None:
        self._drain_timeout_s = settings.drain_timeout_s
        self._interface = Interface(engine, _accounts(settings), _bounds(settings), database=settings.database)
        self._server = _Server(
            uvicorn.Config(
                self._interface,
                lifespan="off",
                ws="none",
                log_config=None,
                log_level="warning",
                access_log=False,
                server_header=False,
                limit_concurrency=settings.max_connections,
                timeout_keep_alive=_KEEP_ALIVE_S,
                timeout_graceful_shutdown=settings.drain_timeout_s,
            )
        )
        self._thread = threading.Thread(
            target=self._server.run, args=([listener],), name="clickhouse-http", daemon=True
        )
        self._thread.start()
        if not self._server.answers.wait(_START_TIMEOUT_S):
            raise PermanentError(f"the embedded engine's HTTP server did not start within {_START_TIMEOUT_S} s")

    def stop(self, engine: Engine) -> None:
        self._server.should_exit = True
        self._thread.join(self._drain_timeout_s + _GRACE_S)
        engine.interrupt()
        self._interface.close()


class _Server(uvicorn.Server):
    """Says when it answers."""

    def __init__(self, config: uvicorn.Config) -> None:
        super().__init__(config)
        self.answers = threading.Event()

    async def startup(self, sockets: list[socket.socket] | None = None) -> None:
        await super().startup(sockets)
        self.answers.set()


def _check(settings: EmbeddedSettings) -> None:
    if not settings.insecure and not is_loopback(f"{settings.host}:0"):
        raise PermanentError(
            f"expected a loopback address to listen on, got {settings.host}: its HTTP is not encrypted. "
            "Say insecure if whoever can reach it may"
        )
    users = [
        settings.username,
        settings.readonly_username,
        *([settings.page_username] if settings.page_password else []),
    ]
    if twice := [user for user in users if users.count(user) > 1]:
        raise PermanentError(f"expected different users, got {twice[0]} twice")
    if not settings.password or not settings.readonly_password:
        raise PermanentError("expected a password for each user, got an empty one")


def _listen(settings: EmbeddedSettings) -> socket.socket:
    family = socket.AF_INET6 if ":" in settings.host else socket.AF_INET
    listener = socket.socket(family, socket.SOCK_STREAM)
    listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    try:
        listener.bind((settings.host, settings.port))
        listener.listen(128)
    except OSError as exc:
        listener.close()
        raise PermanentError(f"cannot listen on {settings.host}:{settings.port}: {exc.strerror or exc}") from exc
    return listener


def _accounts(settings: EmbeddedSettings) -> list[Account]:
    accounts = [
        Account.of(settings.username, settings.password, may_write=True),
        Account.of(settings.readonly_username, settings.readonly_password, may_write=False),
    ]
    if settings.page_password:
        role = page(settings.database).name
        accounts.append(Account.of(settings.page_username, settings.page_password, may_write=False, role=role))
    return accounts


def _limits(settings: EmbeddedSettings) -> Limits:
    return Limits(
        execution_time_s=settings.max_execution_time_s,
        query_memory_bytes=settings.max_query_memory_bytes,
        result_bytes=settings.max_result_bytes,
        memory_bytes=settings.max_memory_bytes,
    )


def _bounds(settings: EmbeddedSettings) -> Bounds:
    return Bounds(
        request_bytes=settings.max_request_bytes,
        buffered_bytes=settings.max_buffered_bytes,
        concurrent_queries=settings.max_concurrent_queries,
        queue_timeout_s=settings.queue_timeout_s,
        body_silence_s=settings.body_silence_s,
    )
