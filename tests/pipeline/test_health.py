"""Alive, ready, and what is told: by HTTP, for one process and for several."""

import http.client
import json
import socket
import subprocess
import sys
import time
import urllib.error
import urllib.request
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager, suppress
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest

from pipeline.clock import FakeClock
from pipeline.errors import PermanentError, RetryableError
from pipeline.health import MAX_CONNECTIONS, Contact, Health, HealthServer, Routes
from pipeline.merged_health import MergedHealth, announced, merge

START = datetime(2026, 11, 22, 10, 0, 0, tzinfo=UTC)
METRICS = """# HELP andon_items_stored_total In ClickHouse
# TYPE andon_items_stored_total counter
andon_items_stored_total{signal="traces"} %d
# HELP andon_ingest_delay_seconds Delay
# TYPE andon_ingest_delay_seconds histogram
andon_ingest_delay_seconds_bucket{le="1"} 1.0
andon_ingest_delay_seconds_bucket{le="+Inf"} 2.0
andon_ingest_delay_seconds_count 2.0
andon_ingest_delay_seconds_sum 1.5
"""


@contextmanager
def served(routes: Routes, **options: Any) -> Iterator[HealthServer]:
    """A server on a free port."""
    server = HealthServer("127.0.0.1:0", routes, **options)
    server.start()
    try:
        yield server
    finally:
        server.shutdown()


def get(url: str, method: str = "GET") -> tuple[int, str, bytes]:
    """Status, content type and body."""
    try:
        with urllib.request.urlopen(urllib.request.Request(url, method=method), timeout=10) as response:
            return response.status, response.headers["content-type"], response.read()
    except urllib.error.HTTPError as error:
        with error:
            return error.code, error.headers["content-type"], error.read()


def health(*, started: bool = True, **reasons: str) -> Health:
    """A health whose checks answer with `reasons`."""
    checks = {name: lambda reason=reason: reason for name, reason in reasons.items()}
    return Health(checks=checks, facts={"clickhouse": lambda: {"status": "away", "since": START}}, started=started)


def routes(stored: int = 0, **options: Any) -> Routes:
    """Routes with metrics."""
    return health(**options).routes((METRICS % stored).encode)


@pytest.mark.parametrize(
    ("made", "status", "reasons"),
    [
        pytest.param(health(doors="", spool=""), 200, {}, id="all checks hold"),
        pytest.param(health(doors="", spool="full"), 503, {"spool": "full"}, id="one does not"),
        pytest.param(health(started=False), 503, {"process": "starting"}, id="not started yet"),
    ],
)
def test_ready_is_503_with_the_reasons_unless_every_check_holds(made: Health, status: int, reasons: Any) -> None:
    """What is wrong with ClickHouse is told, and decides nothing."""
    with served(made.routes(bytes)) as server:
        code, _, body = get(f"{server.url}/readyz")
        assert code == status
        assert json.loads(body)["reasons"] == reasons
        assert json.loads(body)["clickhouse"] == {"status": "away", "since": "2026-11-22T10:00:00.000Z"}
        assert get(f"{server.url}/healthz")[0] == 200


def test_a_process_that_stops_is_not_ready() -> None:
    """So that nobody sends it anything more."""
    made = health()
    assert made.ready().status == 200
    made.stopping = True
    assert json.loads(made.ready().body)["reasons"] == {"process": "stopping"}


def test_the_server_answers_its_paths_and_nothing_else() -> None:
    """With the content type that scrapers ask for; HEAD without a body; a query does not matter."""
    with served(routes(7)) as server:
        status, content_type, body = get(f"{server.url}/metrics?x=1")
        assert (status, content_type) == (200, "text/plain; version=0.0.4; charset=utf-8")
        assert b"andon_items_stored_total" in body
        assert get(f"{server.url}/healthz", "HEAD") == (200, "application/json", b"")
        assert get(f"{server.url}/secrets")[0] == 404
        assert get(f"{server.url}/healthz", "POST")[0] == 501


def test_idle_connections_are_few_and_are_cut() -> None:
    """Whoever opens connections and says nothing keeps nobody else from asking for long."""
    with served(routes(), timeout_s=1.5) as server, ExitStack() as stack:
        address = ("127.0.0.1", int(server.url.rpartition(":")[2]))
        idle = [stack.enter_context(socket.create_connection(address, 5)) for _ in range(MAX_CONNECTIONS)]
        began = time.monotonic()
        with pytest.raises((OSError, http.client.HTTPException)):
            get(f"{server.url}/healthz")
        assert time.monotonic() - began < 1
        assert [connection.recv(1) for connection in idle] == [b""] * MAX_CONNECTIONS
        assert get(f"{server.url}/healthz")[0] == 200


def test_an_endpoint_that_is_taken_is_refused_with_its_name() -> None:
    """Two programs, one port."""
    with served(routes()) as server:
        taken = server.url.removeprefix("http://")
        with pytest.raises(PermanentError, match=taken):
            HealthServer(taken, routes()).start()


def test_contact_is_away_since_the_first_failure_and_back_with_the_first_success() -> None:
    """What is refused for good was answered, so somebody is there."""
    clock = FakeClock(START)
    contact = Contact(clock)
    errors: list[Exception] = []

    def call() -> None:
        if errors:
            raise errors.pop()

    def outcome(*given: Exception) -> dict[str, Any]:
        errors[:] = given
        with suppress(RetryableError, PermanentError):
            contact.watch(call)()
        clock.advance(1)
        return contact.state()

    assert (contact.up, contact.state()) == (None, {"status": "unknown"})
    assert outcome() == {"status": "up"}
    away = {"status": "away", "since": datetime(2026, 11, 22, 10, 0, 1, tzinfo=UTC)}
    assert outcome(RetryableError("refused")) == away | {"error": "refused"}
    assert outcome(RetryableError("timed out")) == away | {"error": "timed out"}
    assert contact.up is False
    assert outcome(PermanentError("bad rows")) == {"status": "up"}
    assert contact.up is True


def test_a_call_that_does_not_return_stands_still() -> None:
    """That is how a stuck drain is known, whatever it hangs in."""
    contact = Contact(FakeClock(START))
    seen: list[float] = []

    def call() -> None:
        time.sleep(0.05)
        seen.append(contact.still_s)

    contact.watch(call)()
    assert seen[0] >= 0.05
    assert contact.still_s < seen[0]


@pytest.mark.parametrize(
    ("reasons", "status"),
    [
        pytest.param(["", "full"], 200, id="one of two is ready"),
        pytest.param(["full", "full"], 503, id="none is"),
    ],
)
def test_several_are_ready_if_one_is_and_all_are_listed(reasons: list[str], status: int, tmp_path: Path) -> None:
    """The one that never answers, too."""
    with served(routes(spool=reasons[0])) as one, served(routes(spool=reasons[1]), announce=tmp_path / "at") as two:
        merged = MergedHealth({"0": one.url, "1": announced(tmp_path / "at"), "2": announced(tmp_path / "nowhere")})
        with served(merged.routes()) as server:
            code, _, body = get(f"{server.url}/readyz")
            workers = json.loads(body)["workers"]
            assert code == status
            assert [worker["status"] for worker in workers.values()][1:] == ["unavailable", "silent"]
            assert workers["1"]["reasons"] == {"spool": "full"}
            alive = json.loads(get(f"{server.url}/healthz")[2])
            assert alive["workers"] == {"0": "ok", "1": "ok", "2": "silent"}
            assert two.url == announced(tmp_path / "at")()
    assert announced(tmp_path / "at")() is None


def test_metrics_of_several_are_one_family_each_with_a_label_of_the_worker() -> None:
    """As a scraper needs it: TYPE once, then all samples."""
    with served(routes(3)) as one, served(routes(4)) as two:
        merged = MergedHealth({"a": one.url, "b": two.url, "c": "http://127.0.0.1:9"})
        text = merged.metrics().body.decode()
    assert text.count("# TYPE andon_items_stored_total counter") == 1
    assert 'andon_items_stored_total{signal="traces",worker="a"} 3.0' in text
    assert 'andon_items_stored_total{signal="traces",worker="b"} 4.0' in text
    assert 'andon_ingest_delay_seconds_bucket{le="+Inf",worker="b"} 2.0' in text
    assert "_created" not in text


def test_a_sample_that_has_a_worker_keeps_it() -> None:
    """Merging what is merged already loses nothing."""
    families = merge({"machine": 'up{worker="a"} 1.0\n'})
    assert [sample.labels for sample in families["up"].samples] == [{"worker": "a"}]


def test_a_supervisor_loads_no_kernels_no_grpc_and_no_sdk() -> None:
    """It merges text."""
    heavy = ["grpc", "numba", "numpy", "pyarrow", "opentelemetry"]
    code = f"import sys, pipeline.merged_health; print([name for name in {heavy} if name in sys.modules])"
    assert subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True).stdout == "[]\n"
