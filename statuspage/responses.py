"""Finished bytes as HTTP answers, with the headers that let a cache carry the crowd.

In: a request and what was rendered. Out: an answer, tagged and compressed, and never a stack trace. Caches may keep it
as they may Statuspage's own pages: ten seconds, twenty more while they fetch a new one, an hour if we are away.
"""

import json
import logging
from http import HTTPStatus

from fastapi import Request, Response

from statuspage.api import stamp
from statuspage.desk import Desk
from statuspage.render import JSON, NEVER, Rendered, static_files

log = logging.getLogger(__name__)
POLICY = (
    "default-src 'none'; style-src 'self'; img-src 'self' data:; script-src 'self'; connect-src 'self'; "
    "font-src 'self'; form-action 'self'; base-uri 'none'; frame-ancestors 'none'"
)
HEADERS = {
    "Content-Security-Policy": POLICY,
    "Cross-Origin-Opener-Policy": "same-origin",
    "Permissions-Policy": "camera=(), geolocation=(), microphone=()",
    "Referrer-Policy": "strict-origin-when-cross-origin",
    "Vary": "Accept-Encoding",
    "X-Content-Type-Options": "nosniff",
}
OPEN_TO_ALL = {"Access-Control-Allow-Origin": "*", "Access-Control-Expose-Headers": "ETag"}
RETRY_AFTER_S = 5
READS = ("GET", "HEAD")
FAULT = Rendered(
    body=b"This page has a fault. Please try again.\n",
    media_type="text/plain; charset=utf-8",
    status=500,
    caching=NEVER,
)


def answer(request: Request, desk: Desk) -> Response:
    """What is at the request's path."""
    path: str = request.scope["path"]
    try:
        if path == "/healthz":
            return respond(request, health(desk))
        return respond(request, static_files().get(path) or desk.site().find(path))
    except Exception:
        log.exception("a fault while answering %s", path)
        return respond(request, FAULT)


def refusal(error: Exception) -> Response:
    """What is said to a request that is no reading."""
    status = getattr(error, "status_code", HTTPStatus.BAD_REQUEST)
    headers = {"Allow": ", ".join(READS)} if status == HTTPStatus.METHOD_NOT_ALLOWED else {}
    return Response(status_code=status, headers=HEADERS | headers)


def health(desk: Desk) -> Rendered:
    """That this process answers, and how old what it shows is."""
    taken_at = stamp(desk.snapshot.taken_at) if desk.snapshot else None
    return Rendered(body=json.dumps({"status": "ok", "taken_at": taken_at}).encode(), media_type=JSON, caching=NEVER)


def respond(request: Request, rendered: Rendered) -> Response:
    """`rendered` as this client may have it: compressed, or not at all if it has it already."""
    headers = HEADERS | {"Cache-Control": rendered.caching, "ETag": rendered.tag}
    if request.scope["path"].startswith("/api/"):
        headers |= OPEN_TO_ALL
    if rendered.status == HTTPStatus.SERVICE_UNAVAILABLE:
        headers["Retry-After"] = str(RETRY_AFTER_S)
    if rendered.status == HTTPStatus.OK and has_it(request.headers.get("If-None-Match", ""), rendered.tag):
        return Response(status_code=HTTPStatus.NOT_MODIFIED, headers=headers)
    body = rendered.body
    if rendered.zipped is not None and "gzip" in request.headers.get("Accept-Encoding", ""):
        body = rendered.zipped
        headers["Content-Encoding"] = "gzip"
    headers |= {"Content-Type": rendered.media_type, "Content-Length": str(len(body))}
    return Response(b"" if request.method == "HEAD" else body, status_code=rendered.status, headers=headers)


def has_it(if_none_match: str, tag: str) -> bool:
    """Whether the client's tags, compared weakly (RFC 9110, 13.1.2), hold `tag`."""
    theirs = [one.strip().removeprefix("W/") for one in if_none_match.split(",")]
    return "*" in theirs or tag.removeprefix("W/") in theirs
