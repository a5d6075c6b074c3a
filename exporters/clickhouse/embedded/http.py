"""ClickHouse's HTTP interface as an ASGI application: requests in, statements to the engine, results or exceptions out.

In: GET and POST with the query in the URL, the body, or both. Out: what ClickHouse's own server would send, with its
headers and statuses. Promised: who asks is known before a body is read; as many statements run at once as allowed, the
next waits a bounded time; the event loop only moves bytes, all else happens in the statements' threads.
"""

import asyncio
import functools
import gzip
import json
import logging
import re
import uuid
from collections.abc import Awaitable, Callable, Mapping, MutableMapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import AsyncExitStack
from dataclasses import dataclass
from http import HTTPStatus
from typing import Any
from urllib.parse import parse_qsl

import lz4.frame  # type: ignore[import-untyped]

from exporters.clickhouse.embedded.body import Body, Budget, Receive
from exporters.clickhouse.embedded.engine import Engine, Result
from exporters.clickhouse.embedded.errors import Code, EngineError, refusal, status_of
from exporters.clickhouse.embedded.request import Account, Request, authenticate, check_revision, statement_of
from exporters.clickhouse.embedded.statement import output_format

logger = logging.getLogger(__name__)

Scope = MutableMapping[str, Any]
Send = Callable[[MutableMapping[str, Any]], Awaitable[None]]

_SEND_BYTES = 1 << 20
_WORTH_COMPRESSING_BYTES = 4 << 10
_TEXT = "text/plain; charset=UTF-8"
_CONTENT_TYPES = {
    "TabSeparated": "text/tab-separated-values; charset=UTF-8",
    "TSV": "text/tab-separated-values; charset=UTF-8",
    "CSV": "text/csv; charset=UTF-8; header=absent",
    "CSVWithNames": "text/csv; charset=UTF-8; header=present",
    "JSON": "application/json; charset=UTF-8",
    "JSONCompact": "application/json; charset=UTF-8",
    "JSONEachRow": "application/x-ndjson; charset=UTF-8",
} | dict.fromkeys(("Native", "RowBinary", "RowBinaryWithNamesAndTypes", "ArrowStream"), "application/octet-stream")


@dataclass(frozen=True, slots=True, kw_only=True)
class Bounds:
    """What the interface takes on: bytes of a body and of all bodies, statements at once, and seconds of patience."""

    request_bytes: int
    buffered_bytes: int
    concurrent_queries: int
    queue_timeout_s: float
    body_silence_s: float


class Interface:
    """The application. It calls `engine.run` from at most `bounds.concurrent_queries` threads at once."""

    def __init__(self, engine: Engine, accounts: Sequence[Account], bounds: Bounds, *, database: str) -> None:
        self._engine = engine
        self._accounts = accounts
        self._bounds = bounds
        self._database = database
        self._budget = Budget(bounds.buffered_bytes)
        self._slots = asyncio.Semaphore(bounds.concurrent_queries)
        self._reader_slots = asyncio.Semaphore(max(1, bounds.concurrent_queries // 2))
        self._threads = ThreadPoolExecutor(bounds.concurrent_queries, thread_name_prefix="clickhouse")

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            return
        request = _request(scope)
        reply = _Reply(send, request, self._engine.timezone)
        try:
            await self._answer(request, receive, reply)
        except EngineError as exc:
            await reply.exception(exc)
        except Exception:
            logger.exception("the embedded engine failed at a request")
            await reply.exception(refusal(Code.UNKNOWN_EXCEPTION, "Unexpected failure, the log says more"))

    def close(self) -> None:
        """Wait for the statements that run."""
        self._threads.shutdown(wait=True)

    async def _answer(self, request: Request, receive: Receive, reply: "_Reply") -> None:
        idle = request.method in {"GET", "HEAD"} and "query" not in request.url
        if idle and request.path in {"/", "/ping", "/replicas_status"}:
            await reply.text(200, "Ok.\n")
        elif request.path not in {"/", "/query"}:
            await reply.text(404, f"There is no handle {request.path}\n\nUse /ping for health checks, / for queries.\n")
        elif request.method not in {"GET", "HEAD", "POST"}:
            await reply.text(405, f"expected GET or POST, got {request.method}\n")
        else:
            await self._query(request, receive, reply)

    async def _query(self, request: Request, receive: Receive, reply: "_Reply") -> None:
        account = authenticate(request, self._accounts)
        with Body(self._budget, cap=self._bounds.request_bytes, silence_s=self._bounds.body_silence_s) as body:
            await body.read(receive)
            async with AsyncExitStack() as slots:
                await self._take_slots(slots, account)
                run = functools.partial(self._run, request, account, body)
                answer = await asyncio.get_running_loop().run_in_executor(self._threads, run)
        await reply.result(answer)

    async def _take_slots(self, slots: AsyncExitStack, account: Account) -> None:
        """Wait for a turn. Readers have half of the slots, so that they cannot keep the writer out."""
        needed = (self._slots,) if account.may_write else (self._reader_slots, self._slots)
        try:
            async with asyncio.timeout(self._bounds.queue_timeout_s):
                for semaphore in needed:
                    await slots.enter_async_context(semaphore)
        except TimeoutError:
            text = (
                f"Too many simultaneous queries. Maximum: {self._bounds.concurrent_queries}, half of them for readers"
            )
            raise refusal(Code.TOO_MANY_SIMULTANEOUS_QUERIES, text) from None

    def _run(self, request: Request, account: Account, body: Body) -> "_Answer":
        chunks = body.inflated(request.headers.get("content-encoding", ""))
        statement = statement_of(request, chunks, account, self._database)
        named = output_format(statement.sql, statement.format)
        check_revision(request, named)
        result = self._engine.run(statement)
        encoding, content = _compressed(result.body, request)
        return _Answer(result=result, content=content, encoding=encoding, format=named)


@dataclass(frozen=True, slots=True, kw_only=True)
class _Answer:
    """A result as it goes over the wire."""

    result: Result
    content: bytes
    encoding: str
    format: str


class _Reply:
    """The one response to a request."""

    def __init__(self, send: Send, request: Request, timezone: str) -> None:
        self._send = send
        self._bodiless = request.method == "HEAD"
        self._headers = {
            "X-ClickHouse-Server-Display-Name": "andon-embedded",
            "X-ClickHouse-Query-Id": _query_id(request),
            "X-ClickHouse-Timezone": timezone,
        }

    async def text(self, status: int, text: str) -> None:
        await self._whole(status, {"Content-Type": _TEXT}, text.encode())

    async def exception(self, exc: EngineError) -> None:
        """ClickHouse's error, its code in the header that clients read."""
        status = status_of(exc.code)
        headers = {"Content-Type": _TEXT, "X-ClickHouse-Exception-Code": str(exc.code)}
        if status == HTTPStatus.UNAUTHORIZED:
            headers["WWW-Authenticate"] = 'Basic realm="ClickHouse server HTTP API"'
        if status == HTTPStatus.SERVICE_UNAVAILABLE:
            headers["Retry-After"] = "1"
        await self._whole(status, headers, f"{exc.text.rstrip()}\n".encode(errors="replace"))

    async def result(self, answer: _Answer) -> None:
        headers = {
            "Content-Type": _CONTENT_TYPES.get(answer.format, _TEXT),
            "X-ClickHouse-Format": answer.format,
            "X-ClickHouse-Summary": _summary(answer.result),
        }
        if answer.encoding:
            headers["Content-Encoding"] = answer.encoding
        await self._whole(200, headers, answer.content)

    async def _whole(self, status: int, headers: Mapping[str, str], body: bytes) -> None:
        all_headers = {**self._headers, **headers, "Content-Length": str(len(body))}
        pairs = [(name.encode(), value.encode(errors="replace")) for name, value in all_headers.items()]
        await self._send({"type": "http.response.start", "status": status, "headers": pairs})
        for at in range(0, 0 if self._bodiless else len(body), _SEND_BYTES):
            await self._send({"type": "http.response.body", "body": body[at : at + _SEND_BYTES], "more_body": True})
        await self._send({"type": "http.response.body", "body": b""})


def _request(scope: Scope) -> Request:
    headers = {name.decode("latin-1").lower(): value.decode("latin-1") for name, value in scope["headers"]}
    url = dict(parse_qsl(scope["query_string"].decode("latin-1"), keep_blank_values=True, errors="surrogateescape"))
    return Request(method=scope["method"], path=scope["path"], headers=headers, url=url)


def _query_id(request: Request) -> str:
    asked = request.url.get("query_id", "")
    return asked if re.fullmatch(r"[\w.:-]{1,128}", asked, re.ASCII) else str(uuid.uuid4())


def _compressed(body: bytes, request: Request) -> tuple[str, bytes]:
    """The cheapest encoding that the client takes, where it asked for one and it is worth the work."""
    accepted = request.headers.get("accept-encoding", "").replace(" ", "").split(",")
    if request.url.get("enable_http_compression") != "1" or len(body) < _WORTH_COMPRESSING_BYTES:
        return "", body
    if "lz4" in accepted:
        return "lz4", lz4.frame.compress(body)
    if "gzip" in accepted:
        return "gzip", gzip.compress(body, compresslevel=1)
    return "", body


def _summary(result: Result) -> str:
    return json.dumps(
        {
            "read_rows": str(result.rows_read),
            "read_bytes": str(result.bytes_read),
            "written_rows": str(result.rows_written),
            "written_bytes": str(result.bytes_written),
            "total_rows_to_read": "0",
            "result_rows": "0",
            "result_bytes": str(len(result.body)),
            "elapsed_ns": str(round(result.elapsed_s * 1e9)),
        }
    )
