"""The health of several processes as one, for whoever supervises them.

In: sources, each a name and the URL of a `HealthServer`, or a callable that finds it. Out: routes for a `HealthServer`.
Promised: ready if at least one is; the body lists all, those too that do not answer; metrics carry the label `worker`
and are otherwise untouched. A source that does not answer within `TIMEOUT_S` holds up nobody longer. Light: no kernels,
no gRPC, no SDK.

`/healthz` is 200 while the supervisor runs: it starts again what dies, and whoever restarted it too would only add to
the trouble.
"""

import http.client
import json
import urllib.error
import urllib.request
from collections.abc import Callable, Iterator, Mapping
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from http import HTTPStatus
from pathlib import Path
from typing import Any

from prometheus_client import CollectorRegistry, generate_latest
from prometheus_client.core import Metric
from prometheus_client.parser import text_string_to_metric_families
from prometheus_client.registry import Collector

from pipeline.health import Answer, Routes, as_json, as_text

WORKER = "worker"
TIMEOUT_S = 3.0
MAX_BYTES = 4 << 20
MAX_THREADS = 32
Source = str | Callable[[], str | None]
"""`http://127.0.0.1:41234`, or what finds it; None while nobody knows."""


def announced(path: Path) -> Callable[[], str | None]:
    """The source whose `HealthServer` was told to announce itself in the file at `path`."""

    def read() -> str | None:
        try:
            return path.read_text(encoding="ascii")
        except (OSError, UnicodeDecodeError):
            return None

    return read


@dataclass(frozen=True, slots=True)
class Reply:
    """What a source said; `status` 0 is nothing, and then `body` says why."""

    status: int
    body: bytes

    def state(self) -> Any:
        """The body of `/readyz`, or what can be said without one."""
        try:
            return json.loads(self.body)
        except ValueError:
            return {"status": "silent", "error": self.body.decode(errors="replace")}


class MergedHealth:
    """Asks every source, and answers for all."""

    def __init__(self, sources: Mapping[str, Source]) -> None:
        self._sources = dict(sources)
        self._opener = urllib.request.build_opener(urllib.request.ProxyHandler({}))

    def routes(self) -> Routes:
        """What to serve at which path."""
        return {"/healthz": self.alive, "/readyz": self.ready, "/metrics": self.metrics}

    def alive(self) -> Answer:
        """The supervisor is; of the others it is told."""
        replies = self._ask_all("/healthz")
        workers = {name: "ok" if reply.status == HTTPStatus.OK else "silent" for name, reply in replies.items()}
        return as_json(HTTPStatus.OK, {"status": "ok", "workers": workers})

    def ready(self) -> Answer:
        """Ready if one is."""
        replies = self._ask_all("/readyz")
        ready = any(reply.status == HTTPStatus.OK for reply in replies.values())
        workers = {name: reply.state() for name, reply in replies.items()}
        status = HTTPStatus.OK if ready else HTTPStatus.SERVICE_UNAVAILABLE
        return as_json(status, {"status": "ready" if ready else "unavailable", "workers": workers})

    def metrics(self) -> Answer:
        """The metrics of all that answer, each sample with its worker."""
        replies = self._ask_all("/metrics")
        texts = {name: reply.body.decode() for name, reply in replies.items() if reply.status == HTTPStatus.OK}
        registry = CollectorRegistry()
        registry.register(_Families(merge(texts)))
        return as_text(generate_latest(registry))

    def _ask_all(self, path: str) -> dict[str, Reply]:
        with ThreadPoolExecutor(max(1, min(MAX_THREADS, len(self._sources)))) as pool:
            replies = pool.map(lambda source: self._ask(source, path), self._sources.values())
            return dict(zip(self._sources, replies, strict=True))

    def _ask(self, source: Source, path: str) -> Reply:
        url = source if isinstance(source, str) else source()
        if url is None:
            return Reply(0, b"it has not said where it answers")
        try:
            with self._opener.open(url + path, timeout=TIMEOUT_S) as response:
                return Reply(response.status, response.read(MAX_BYTES))
        except urllib.error.HTTPError as error:
            with error:
                return Reply(error.code, error.read(MAX_BYTES))
        except (OSError, http.client.HTTPException) as error:
            return Reply(0, str(error).encode())


def merge(texts: Mapping[str, str]) -> dict[str, Metric]:
    """Families of the same name are one; each sample gets the label `worker`."""
    families: dict[str, Metric] = {}
    for worker, text in texts.items():
        for family in text_string_to_metric_families(text):
            merged = families.setdefault(family.name, Metric(family.name, family.documentation, family.type))
            for sample in family.samples:
                merged.samples.append(sample._replace(labels={WORKER: worker} | sample.labels))
    return families


class _Families(Collector):
    """What `generate_latest` asks."""

    def __init__(self, families: Mapping[str, Metric]) -> None:
        self._families = families

    def collect(self) -> Iterator[Metric]:
        yield from self._families.values()
