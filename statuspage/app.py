"""The page over HTTP, and as a component.

In: a configuration, a read-only query, a clock. Out: GET and HEAD answered from memory. The refresher lives as long as
the app does; no request ever reads the store.
"""

import socket
import threading
import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import uvicorn
from fastapi import FastAPI, Request, Response
from starlette.exceptions import HTTPException

from pipeline.clock import NS_PER_S, Clock
from pipeline.component import Query
from pipeline.errors import PermanentError
from statuspage.config import StatusPageConfig
from statuspage.desk import Desk
from statuspage.disk import load
from statuspage.refresh import Refresher
from statuspage.responses import READS, answer, refusal
from statuspage.store import Recount, Store

START_TIMEOUT_S = 10
STOP_TIMEOUT_S = 15
GRACE_S = 3
LISTEN_BACKLOG = 512
POLL_S = 0.01


def create_app(config: StatusPageConfig, query: Query, clock: Clock, *, recount: Recount | None = None) -> FastAPI:
    """The app. Its lifespan reads the store in a thread of its own; before that it shows the snapshot kept on disk.

    `recount` turns an SLI document and a window into a query over the raw spans, for the evidence pages.
    """
    desk = Desk(clock, name=config.name, url=config.url or f"http://{config.endpoint}", snapshot=load(config.snapshot))
    store = Store(query, clock, recount=recount)
    refresher = Refresher(store.read, desk, clock, every_s=config.refresh / NS_PER_S, path=config.snapshot)

    @asynccontextmanager
    async def lifespan(_app: FastAPI) -> AsyncIterator[None]:
        refresher.start()
        yield
        refresher.shutdown()

    app = FastAPI(title=f"{config.name} status", docs_url=None, redoc_url=None, openapi_url=None, lifespan=lifespan)

    @app.api_route("/{path:path}", methods=list(READS))
    async def read(request: Request) -> Response:
        return answer(request, desk)

    @app.exception_handler(HTTPException)
    async def refuse(_request: Request, error: Exception) -> Response:
        return refusal(error)

    return app


class StatusPage:
    """Serves the page from `start` until `shutdown`; uvicorn runs in a thread of its own."""

    def __init__(self, config: StatusPageConfig, query: Query, clock: Clock, *, recount: Recount | None = None) -> None:
        self._config = config
        self._query = query
        self._clock = clock
        self._recount = recount
        self._socket: socket.socket | None = None
        self._bound: tuple[str, int] = (config.host, config.port)
        self._server: uvicorn.Server | None = None
        self._thread: threading.Thread | None = None

    @property
    def address(self) -> str:
        """`http://host:port`, with the port that was really bound."""
        host, port = self._bound
        return f"http://[{host}]:{port}" if ":" in host else f"http://{host}:{port}"

    def start(self) -> None:
        """Answer requests when this returns.

        Raises:
            PermanentError: the endpoint cannot be bound, or the server does not come up.
        """
        self._socket = listen(self._config)
        self._bound = self._socket.getsockname()[:2]
        self._server = self._new_server()
        self._thread = threading.Thread(
            target=self._server.run, kwargs={"sockets": [self._socket]}, name="statuspage", daemon=True
        )
        self._thread.start()
        if not self._is_up():
            self.shutdown()
            raise PermanentError(f"expected the status page to come up at {self.address}, but it did not")

    def shutdown(self) -> None:
        """Finish what is being answered, save the snapshot, close. Safe before `start`, and twice."""
        if self._server is not None and self._thread is not None and self._socket is not None:
            self._server.should_exit = True
            self._thread.join(STOP_TIMEOUT_S)
            self._socket.close()

    def _new_server(self) -> uvicorn.Server:
        config = self._config.model_copy(update={"url": self._config.url or self.address})
        app = create_app(config, self._query, self._clock, recount=self._recount)
        return uvicorn.Server(
            uvicorn.Config(
                app,
                log_config=None,
                access_log=False,
                server_header=False,
                lifespan="on",
                timeout_graceful_shutdown=GRACE_S,
            )
        )

    def _is_up(self) -> bool:
        assert self._server is not None
        assert self._thread is not None
        deadline = time.monotonic() + START_TIMEOUT_S
        while not self._server.started and self._thread.is_alive() and time.monotonic() < deadline:
            self._thread.join(POLL_S)
        return self._server.started


def listen(config: StatusPageConfig) -> socket.socket:
    """A socket listening on the configured endpoint.

    Raises:
        PermanentError: it cannot be had.
    """
    family = socket.AF_INET6 if ":" in config.host else socket.AF_INET
    try:
        return socket.create_server((config.host, config.port), family=family, backlog=LISTEN_BACKLOG)
    except OSError as error:
        raise PermanentError(f"expected {config.endpoint} to be free for the status page, got: {error}") from error
