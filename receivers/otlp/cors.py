"""Cross-origin requests: which web pages may send, by the rules of the Fetch standard.

In: the headers of a request. Out: the headers that its answer must have for the page to be told of it; none for a page
that may not, nor for a client that is no page. Promised: an answer for one origin is not taken for another's by a
cache. This keeps pages from sending, not clients: those show tokens.
"""

import re
from collections.abc import Mapping

from pipeline.clock import NS_PER_S
from receivers.otlp.config import CorsConfig

ANY = "*"
ANY_HOST = "[a-z0-9.:-]*"
ALWAYS_ALLOWED = ("content-type", "content-encoding")
_NAMES = re.compile(r"[a-z0-9, _-]+", re.IGNORECASE)

Headers = Mapping[str, str]


class Cors:
    """The rules of one door."""

    def __init__(self, config: CorsConfig) -> None:
        self._config = config
        self._anybody = ANY in config.allowed_origins
        patterns = (re.escape(origin).replace(re.escape(ANY), ANY_HOST) for origin in config.allowed_origins)
        self._origins = re.compile("|".join(patterns) or r"(?!)", re.IGNORECASE)

    def headers(self, request: Headers) -> Headers:
        """What every answer to `request` must have, refusals too."""
        origin = request.get("origin")
        if origin is None or not (self._anybody or self._origins.fullmatch(origin)):
            return {}
        if self._anybody:
            return {"access-control-allow-origin": ANY, "access-control-expose-headers": "retry-after"}
        return {
            "access-control-allow-origin": origin,
            "access-control-allow-credentials": "true",  # a beacon always comes with them
            "access-control-expose-headers": "retry-after",
            "vary": "origin",
        }

    def preflight(self, method: str, request: Headers) -> Headers | None:
        """What the answer to a page that asks before it sends must have; None if this is no such question."""
        allowed = self.headers(request)
        if method != "OPTIONS" or not allowed or "access-control-request-method" not in request:
            return None
        names = [*ALWAYS_ALLOWED, *(name.lower() for name in self._config.allowed_headers)]
        asked = request.get("access-control-request-headers", "")
        if ANY in names and _NAMES.fullmatch(asked):
            names = [asked]  # browsers take no `*` for `authorization`
        return {
            **allowed,
            "access-control-allow-methods": "POST",
            "access-control-allow-headers": ", ".join(names),
            "access-control-max-age": str(self._config.max_age // NS_PER_S),
        }
