"""Looking at what everybody else can see: the page's HTML, its API, and the tables over ClickHouse's HTTP interface.

In: addresses and a read-only user. Out: sightings, with their time; a source that does not answer gives none. Nothing
is read in a way that is not open to a visitor or to whoever has the read-only password.
"""

import json
from collections.abc import Callable, Iterator
from html.parser import HTMLParser
from typing import Any

import httpx

from pipeline.clock import Clock
from pipeline.demo.script import Mark, Mode, Sighting, Source

TIMEOUT_S = 3

# A broken promise stays broken for its whole window; what passes is that it burns.
AT_RISK = """
SELECT Promise FROM breaches WHERE Event IN ('burn_started', 'burn_stopped', 'data_ended')
GROUP BY Kind, Promise HAVING argMax(Event, At) = 'burn_started' FORMAT TSV
"""
BAD_SPANS = """
SELECT count() FROM otel_traces WHERE ServiceName = 'payment' AND SpanKind = 'Server'
AND Timestamp >= fromUnixTimestamp64Nano({since:Int64}) AND (StatusCode = 'Error' OR Duration > 1e9) FORMAT TSV
"""


class Watch:
    """Everybody's eyes."""

    def __init__(self, *, page_url: str, clickhouse_url: str, user: str, password: str, clock: Clock) -> None:
        self._page_url = page_url
        self._clickhouse_url = clickhouse_url
        self._clock = clock
        self._http = httpx.Client(timeout=TIMEOUT_S, trust_env=False)
        self._login = httpx.BasicAuth(user, password)

    def close(self) -> None:
        self._http.close()

    def look(self, mark: Mark) -> list[Sighting]:
        """What every source shows now, while the act of `mark` is played."""
        sources: dict[Source, Callable[[], frozenset[str]]] = {
            Source.SPANS: lambda: self._bad_spans(mark),
            Source.BREACHES: lambda: frozenset(self._sql(AT_RISK).split()),
            Source.API: lambda: incidents_in_summary(json.loads(self._get("/api/v2/summary.json"))),
            Source.PAGE: lambda: incidents_on_page(self._get("/")),
        }
        return [sighting for source, show in sources.items() for sighting in self._sighting(source, show)]

    def _sighting(self, source: Source, show: Callable[[], frozenset[str]]) -> Iterator[Sighting]:
        try:
            troubled = show()
        except (httpx.HTTPError, ValueError):
            return
        yield Sighting(at_ns=self._clock.now_ns(), source=source, troubled=troubled)

    def _bad_spans(self, mark: Mark) -> frozenset[str]:
        bad = mark.act.fault.mode is not Mode.OK and int(self._sql(BAD_SPANS, since=mark.at_ns))
        return frozenset({mark.act.name} if bad else ())

    def _get(self, path: str) -> str:
        return self._http.get(self._page_url + path).raise_for_status().text

    def _sql(self, query: str, **parameters: int) -> str:
        answer = self._http.post(
            self._clickhouse_url,
            params={"database": "andon", **{f"param_{name}": str(value) for name, value in parameters.items()}},
            content=query,
            auth=self._login,
        )
        return answer.raise_for_status().text


def incidents_in_summary(summary: dict[str, Any]) -> frozenset[str]:
    """The ids of the incidents that `/api/v2/summary.json` calls unresolved."""
    return frozenset(incident["id"] for incident in summary["incidents"])


def incidents_on_page(html: str) -> frozenset[str]:
    """The ids of the incidents the page tells of as open: where their own articles lead."""
    finder = _OpenIncidents()
    finder.feed(html)
    return frozenset(finder.found)


class _OpenIncidents(HTMLParser):
    """Collects the links inside every `<article class="incident …">`."""

    def __init__(self) -> None:
        super().__init__()
        self.found: set[str] = set()
        self._inside = False

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        given = dict(attrs)
        if tag == "article":
            self._inside = "incident" in (given.get("class") or "").split()
        elif tag == "a" and self._inside:
            self.found.add((given.get("href") or "").rpartition("/")[2])

    def handle_endtag(self, tag: str) -> None:
        self._inside = self._inside and tag != "article"
