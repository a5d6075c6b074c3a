"""From a snapshot to bytes: every page and document of one moment, made when first asked for and then kept.

In: a snapshot (or none yet), now, and the page's settings. Out: `Rendered` bytes with type, tag and caching. A `Site`
stands for one moment; whoever serves it makes a new one when time has moved on. Memory: one rendering per known path.
"""

import gzip
import hashlib
import json
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from functools import cache, cached_property
from importlib.resources import files
from typing import Any
from urllib.parse import quote

from jinja2 import Environment, PackageLoader, StrictUndefined

from statuspage import words
from statuspage.api import Api
from statuspage.evidence import recount_sql
from statuspage.shapes import DRAWINGS, icon
from statuspage.snapshot import Component, Incident, Promise, Snapshot
from statuspage.states import LOOKS, State
from statuspage.view import DAYS_SHOWN, day_views, earlier, incident_view, page_view, promise_view

SHORT = "public, max-age=10, s-maxage=10, stale-while-revalidate=20, stale-if-error=3600"
LONG = "public, max-age=31536000, immutable"
NEVER = "no-store"
HTML = "text/html; charset=utf-8"
JSON = "application/json; charset=utf-8"
GZIP_FROM_BYTES = 500


@dataclass(frozen=True, slots=True, kw_only=True)
class Rendered:
    """An answer that is ready to be sent."""

    body: bytes
    media_type: str
    status: int = 200
    caching: str = SHORT
    zipped: bytes | None = field(init=False)
    tag: str = field(init=False)

    def __post_init__(self) -> None:
        small = len(self.body) < GZIP_FROM_BYTES
        object.__setattr__(self, "zipped", None if small else gzip.compress(self.body, 6, mtime=0))
        object.__setattr__(self, "tag", f'W/"{hashlib.sha256(self.body).hexdigest()[:20]}"')


class Site:
    """All that the page answers at one moment."""

    def __init__(self, snapshot: Snapshot | None, now: datetime, *, name: str, url: str) -> None:
        self.snapshot = snapshot
        self.now = now
        self._name = name
        self._url = url
        self._done: dict[str, Rendered] = {}

    def find(self, path: str) -> Rendered:
        """The answer to `path`, rendered at most once. What is not known is answered too, by a page that says so."""
        make = self._pages.get(path)
        if make is None and path.startswith("/api/"):
            return self._once("404 api", lambda: Rendered(body=b"", media_type=JSON, status=404))
        return self._once(path, make) if make else self.not_found()

    def not_found(self) -> Rendered:
        text = "There is no such page here. It may have moved, or the address has a typo."
        return self._once("404", lambda: self._plain("Nothing is here", text, status=404))

    def _once(self, key: str, make: Callable[[], Rendered]) -> Rendered:
        if key not in self._done:
            self._done[key] = make()
        return self._done[key]

    @cached_property
    def _pages(self) -> Mapping[str, Callable[[], Rendered]]:
        """Every known path and how to render it."""
        pages: dict[str, Callable[[], Rendered]] = {
            "/how-we-measure": self._how,
            "/": self._empty,
            "/history": self._empty,
        }
        if self.snapshot is None:
            return pages | {f"/api/v2/{path}": _no_data for path in API_PATHS}
        pages |= {"/": self._home, "/history": self._history}
        pages |= {incident_path(one.id): _bound(self._incident, one) for one in self.snapshot.incidents}
        pages |= {evidence_path(one.name): _bound(self._evidence, who, one) for who, one in self.snapshot.promises}
        return pages | {f"/api/v2/{path}": _bound(self._document, path) for path in API_PATHS}

    def _home(self) -> Rendered:
        page = page_view(self._known, self.now)
        return self._html("home.html", here="/", page=page, live=True, icon=page.condition.state)

    def _history(self) -> Rendered:
        known = self._known
        return self._html(
            "history.html",
            here="/history",
            stretched=list(earlier(known, self.now, days=DAYS_SHOWN, open_too=True)),
            summary=_history_summary(known),
        )

    def _incident(self, incident: Incident) -> Rendered:
        titles = {promise.name: promise.title for _, promise in self._known.promises}
        view = incident_view(incident, self._known, self.now)
        return self._html(
            "incident.html",
            incident=view,
            live=view.open,
            icon=view.condition.state,
            noticed=words.when(incident.detected_at, self.now),
            requests=words.count(incident.valid),
            bad=words.count(incident.valid - incident.good),
            promises=[(name, titles[name]) for name in incident.promises if name in titles],
        )

    def _evidence(self, component: Component, promise: Promise) -> Rendered:
        is_main = promise is component.promises[0]
        return self._html(
            "evidence.html",
            component=component,
            one=promise_view(promise, component, self.now),
            good=words.count(promise.good),
            window_start=words.when(promise.window_start, self.now),
            window_end=words.when(promise.window_end, self.now),
            evaluated_at=words.when(promise.evaluated_at, self.now),
            covered=words.percent(words.exact(promise.coverage), 1),
            sql=recount_sql(promise),
            days=list(day_views(component, self._known))[::-1] if is_main else [],
        )

    def _how(self) -> Rendered:
        return self._html("how.html", here="/how-we-measure", signs=SIGNS)

    def _empty(self) -> Rendered:
        text = "This page has just started. It will show the first measurements as soon as it has read them."
        return self._plain("Nothing to show yet", text, status=503)

    def _document(self, path: str) -> Rendered:
        return _json(self._documents[path])

    @cached_property
    def _documents(self) -> Mapping[str, Any]:
        return Api(snapshot=self._known, now=self.now, name=self._name, url=self._url).documents()

    @property
    def _known(self) -> Snapshot:
        assert self.snapshot is not None
        return self.snapshot

    def _plain(self, heading: str, text: str, *, status: int) -> Rendered:
        page = self._html("plain.html", heading=heading, text=text, back=status == 404)  # noqa: PLR2004
        return Rendered(body=page.body, media_type=HTML, status=status, caching=NEVER)

    def _html(self, template: str, **values: Any) -> Rendered:
        site = {"name": self._name, "version": version()}
        defaults = {"site": site, "here": "", "live": False, "icon": State.WORKING}
        return Rendered(body=_environment().get_template(template).render(defaults | values).encode(), media_type=HTML)


API_PATHS = (
    "summary.json",
    "status.json",
    "components.json",
    "incidents.json",
    "incidents/unresolved.json",
    "scheduled-maintenances.json",
    "scheduled-maintenances/upcoming.json",
    "scheduled-maintenances/active.json",
)
MEANINGS = {
    State.WORKING: "Requests now are as good as promised.",
    State.RECOVERING: "An incident is still open, but the newest requests are good again.",
    State.SOME: "Clearly more requests fail, or are too slow, than promised.",
    State.MOST: "At least half of the requests fail or are too slow.",
    State.DOWN: "Nearly every request fails.",
    State.NO_SIGNAL: "We hear nothing, so we cannot say. That is neither good nor bad.",
    State.LOW_TRAFFIC: "Too few requests came in the last minute to say anything fair.",
}
SIGNS = [({"shape": LOOKS[state].shape, "state": state}, LOOKS[state].word, text) for state, text in MEANINGS.items()]


def _history_summary(snapshot: Snapshot) -> str:
    if not snapshot.components:
        return "Nothing is measured yet."
    since = min(component.since for component in snapshot.components)
    incidents = words.plural(len(snapshot.incidents), "incident") if snapshot.incidents else "No incident"
    recent = since > snapshot.taken_at - timedelta(days=DAYS_SHOWN)
    return (
        f"{incidents} {f'since measuring began on {words.day(since)}' if recent else f'in the last {DAYS_SHOWN} days'}."
    )


def _bound(make: Callable[..., Rendered], *values: Any) -> Callable[[], Rendered]:
    return lambda: make(*values)


def _json(document: Any) -> Rendered:
    return Rendered(body=json.dumps(document, ensure_ascii=False).encode(), media_type=JSON)


def _no_data() -> Rendered:
    body = json.dumps({"error": "no measurements have been read yet"}).encode()
    return Rendered(body=body, media_type=JSON, status=503, caching=NEVER)


def incident_path(incident_id: str) -> str:
    """Where an incident's page is."""
    return f"/incidents/{incident_id}"


def evidence_path(promise: str) -> str:
    """Where a promise's evidence is."""
    return f"/evidence/{promise}"


@cache
def _environment() -> Environment:
    environment = Environment(
        loader=PackageLoader("statuspage"),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    environment.globals |= {
        "drawings": DRAWINGS,
        "incident_path": _linked(incident_path),
        "evidence_path": _linked(evidence_path),
    }
    return environment


def _linked(path: Callable[[str], str]) -> Callable[[str], str]:
    """Paths are looked up decoded and written encoded."""
    return lambda name: quote(path(name))


@cache
def static_files() -> Mapping[str, Rendered]:
    """Every static file by its path: style, script, and an icon for each state."""
    folder = files("statuspage") / "static"
    types = {"page.css": "text/css; charset=utf-8", "live.js": "text/javascript; charset=utf-8"}
    found = {
        f"/static/{name}": Rendered(body=(folder / name).read_bytes(), media_type=kind, caching=LONG)
        for name, kind in types.items()
    }
    return found | {f"/static/{state}.svg": _icon(state) for state in State}


def _icon(state: State) -> Rendered:
    return Rendered(body=icon(state).encode(), media_type="image/svg+xml", caching=LONG)


@cache
def version() -> str:
    """Changes when a static file does, so that each may be kept for ever."""
    return hashlib.sha256(b"".join(one.body for one in static_files().values())).hexdigest()[:10]
