"""The page over HTTP: headers, tags, errors, and a life."""

import gzip
import re
import socket
from collections.abc import Iterator
from pathlib import Path

import httpx
import pytest

from fixtures.page_facts import NOW, component, incident, live, snapshot, update
from fixtures.page_scenes import Serve, away
from fixtures.page_seed import NOW as SEEDED
from fixtures.store import Store as Database
from pipeline.clock import FakeClock
from pipeline.config import Document
from pipeline.errors import ConfigError, PermanentError
from statuspage.app import StatusPage
from statuspage.config import StatusPageConfig
from statuspage.snapshot import Snapshot

SHORT = "public, max-age=10, s-maxage=10, stale-while-revalidate=20, stale-if-error=3600"
PATHS = [
    "/",
    "/history",
    "/how-we-measure",
    "/incidents/{incident}",
    "/evidence/checkout-terms",
    "/api/v2/summary.json",
]


@pytest.fixture
def site(serve: Serve, scenes: dict[str, Snapshot]) -> Iterator[httpx.Client]:
    """The page in the outage."""
    with httpx.Client(base_url=serve(scenes["outage"]).address, trust_env=False) as client:
        yield client


def filled(path: str, scenes: dict[str, Snapshot]) -> str:
    return path.format(incident=scenes["outage"].incidents[0].id)


@pytest.mark.parametrize("path", PATHS)
def test_every_page_may_be_cached_shortly_and_is_tagged(
    site: httpx.Client, scenes: dict[str, Snapshot], path: str
) -> None:
    """A crowd is carried by caches; an older page is better than none."""
    answer = site.get(filled(path, scenes))
    assert answer.status_code == 200
    assert answer.headers["cache-control"] == SHORT
    assert answer.headers["vary"] == "Accept-Encoding"
    assert re.fullmatch(r'W/"[0-9a-f]{20}"', answer.headers["etag"])


@pytest.mark.parametrize("path", PATHS)
def test_who_has_a_page_is_not_sent_it_again(site: httpx.Client, scenes: dict[str, Snapshot], path: str) -> None:
    """By any of several tags, weak or strong."""
    path = filled(path, scenes)
    tag = site.get(path).headers["etag"]
    for theirs in (tag, f'"other", {tag}', tag.removeprefix("W/"), "*"):
        answer = site.get(path, headers={"If-None-Match": theirs})
        assert (answer.status_code, answer.content, answer.headers["etag"]) == (304, b"", tag)
    assert site.get(path, headers={"If-None-Match": '"other"'}).status_code == 200


@pytest.mark.parametrize("path", [*PATHS, "/nope", "/static/page.css", "/healthz"])
def test_head_is_get_without_the_body(site: httpx.Client, scenes: dict[str, Snapshot], path: str) -> None:
    """Length included."""
    path = filled(path, scenes)
    head, get = site.head(path), site.get(path)
    assert head.content == b""
    assert (head.status_code, dict(head.headers) | {"date": ""}) == (get.status_code, dict(get.headers) | {"date": ""})


@pytest.mark.parametrize("path", ["/", "/nope", "/static/live.js", "/api/v2/nope.json", "/healthz"])
def test_no_answer_allows_anything_from_elsewhere(site: httpx.Client, path: str) -> None:
    """Nor inline, nor in a frame, nor another type than it says."""
    headers = site.get(path).headers
    policy = dict(part.strip().split(" ", 1) for part in headers["content-security-policy"].split(";"))
    assert policy["default-src"] == policy["base-uri"] == policy["frame-ancestors"] == "'none'"
    assert policy["script-src"] == policy["style-src"] == policy["connect-src"] == "'self'"
    assert headers["x-content-type-options"] == "nosniff"
    assert headers["referrer-policy"] == "strict-origin-when-cross-origin"
    assert "server" not in headers


def test_pages_are_compressed_for_who_takes_it(site: httpx.Client) -> None:
    """And are the same underneath."""
    plain = site.get("/", headers={"Accept-Encoding": "identity"})
    assert "content-encoding" not in plain.headers
    with site.stream("GET", "/", headers={"Accept-Encoding": "gzip"}) as answer:
        raw = b"".join(answer.iter_raw())
    assert gzip.decompress(raw) == plain.content


def test_a_page_of_thirty_components_is_small(serve: Serve, scenes: dict[str, Snapshot]) -> None:
    """With its style and script at most 60 kB over the wire."""
    many = tuple(scenes["outage"].components[place % 4] for place in range(30))
    known = snapshot(*many, incidents=scenes["outage"].incidents, taken_at=SEEDED)
    address = serve(known).address
    size = 0
    for path in ("/", "/static/page.css", "/static/live.js"):
        answer = httpx.get(address + path, headers={"Accept-Encoding": "gzip"}, trust_env=False)
        size += int(answer.headers["content-length"])
    assert size <= 60_000


@pytest.mark.parametrize(
    "path", ["/nope", "/incidents/nope", "/evidence/nope", "/static/nope.css", "/history/", "/%00", "//"]
)
def test_an_unknown_path_is_a_real_404_in_our_style(site: httpx.Client, path: str) -> None:
    """With a way home, and never kept by a cache."""
    answer = site.get(site.base_url.copy_with(raw_path=path.encode()))
    assert answer.status_code == 404
    assert "Nothing is here" in answer.text
    assert 'href="/"' in answer.text
    assert answer.headers["cache-control"] == "no-store"


@pytest.mark.parametrize("method", ["POST", "PUT", "DELETE", "PATCH", "OPTIONS"])
def test_the_page_is_only_read(site: httpx.Client, method: str) -> None:
    """There is nothing to change here."""
    answer = site.request(method, "/")
    assert (answer.status_code, answer.headers["allow"]) == (405, "GET, HEAD")
    assert "content-security-policy" in answer.headers


def test_static_files_are_kept_for_ever_under_the_version_the_page_names(site: httpx.Client) -> None:
    """Every one that the page asks for is there."""
    asked = re.findall(r'(?:href|src)="(/static/[^"]+)"', site.get("/").text)
    assert len(asked) == 3
    for path in asked:
        assert "?v=" in path
        assert site.get(path).headers["cache-control"] == "public, max-age=31536000, immutable"


def test_nothing_on_any_page_leads_elsewhere_or_stands_inline(site: httpx.Client, scenes: dict[str, Snapshot]) -> None:
    """Every link, picture, style and script is our own; no style or script inside the page."""
    for path in PATHS[:-1]:
        html = site.get(filled(path, scenes)).text
        targets = re.findall(r'\b(?:href|src|action|data|poster|srcset)="([^"]*)"', html)
        assert [target for target in targets if not target.startswith(("/", "#"))] == []
        assert re.search(r"<style|\bstyle=|\bon\w+=|<script(?![^>]*\bsrc=)|javascript:", html) is None


def test_what_people_write_is_never_markup(serve: Serve) -> None:
    """Names and texts come out as they were written."""
    evil = '"><script>alert(1)</script>'
    bad = component(live(100), title=evil)
    known = snapshot(bad, incidents=(incident(component=bad.name, title=evil, updates=(update(body=evil),)),))
    with httpx.Client(base_url=serve(known).address, trust_env=False) as client:
        for path in ("/", "/history", "/incidents/a1b2c3d4e5f6", "/evidence/checkout-works"):
            text = client.get(path).text
            assert "<script>alert" not in text
            assert "&lt;script&gt;alert(1)" in text
        assert client.get("/api/v2/summary.json").json()["incidents"][0]["name"] == evil


def test_health_says_how_old_the_page_is(site: httpx.Client) -> None:
    """Of this process, whatever the store does."""
    assert site.get("/healthz").json() == {"status": "ok", "taken_at": "2026-11-22T14:36:30.000Z"}


def test_before_the_first_measurement_the_page_says_so(serve: Serve) -> None:
    """It is unavailable, calmly; what needs no figures is there."""
    with httpx.Client(base_url=serve(None).address, trust_env=False) as client:
        assert client.get("/").status_code == client.get("/history").status_code == 503
        assert "Nothing to show yet" in client.get("/").text
        assert client.get("/how-we-measure").status_code == 200
        assert client.get("/healthz").json() == {"status": "ok", "taken_at": None}


def test_with_the_store_away_the_last_figures_stay_with_their_age(serve: Serve, scenes: dict[str, Snapshot]) -> None:
    """Half a minute: still believed. Four minutes: nobody knows."""
    soon = httpx.get(serve(scenes["outage"], age_s=30).address, trust_env=False).text
    assert "Checkout is failing for some people</span>" in soon
    assert re.search(r'role="status">These are our last saved measurements, from 14:36.UTC \(32.s ago\)', soon)
    late = httpx.get(serve(scenes["outage"], age_s=240).address, trust_env=False)
    assert late.status_code == 200
    assert "We have no measurements right now</span>" in late.text
    assert late.text.count("No signal since") == 4


def test_the_page_reads_the_store_by_itself(databases: dict[str, Database], tmp_path: Path) -> None:
    """From the first start to figures, as the read-only user."""
    config = StatusPageConfig(endpoint="127.0.0.1:0", snapshot=str(tmp_path / "page.json"))
    page = StatusPage(config, databases["outage"].reader.query, FakeClock(SEEDED))
    page.start()
    try:
        with httpx.Client(base_url=page.address, trust_env=False) as client:
            while client.get("/healthz").json()["taken_at"] is None:
                pass
            assert "Checkout is failing for some people" in client.get("/").text
            assert client.get("/api/v2/summary.json").json()["page"]["url"] == page.address
    finally:
        page.shutdown()
    assert (tmp_path / "page.json").stat().st_size > 1_000


def test_a_component_may_be_shut_down_before_it_starts_and_twice(tmp_path: Path) -> None:
    """As every component."""
    page = StatusPage(StatusPageConfig(endpoint="127.0.0.1:0", snapshot=str(tmp_path / "p.json")), away, FakeClock(NOW))
    page.shutdown()
    page.start()
    page.shutdown()
    page.shutdown()


def test_a_taken_port_is_told(tmp_path: Path) -> None:
    """With the endpoint and the reason."""
    with socket.create_server(("127.0.0.1", 0)) as other:
        endpoint = f"127.0.0.1:{other.getsockname()[1]}"
        page = StatusPage(StatusPageConfig(endpoint=endpoint, snapshot=str(tmp_path / "p.json")), away, FakeClock(NOW))
        with pytest.raises(PermanentError, match=f"expected {endpoint} to be free"):
            page.start()


@pytest.mark.parametrize("endpoint", ["127.0.0.1:8080", "[::1]:8080", "localhost:8080", "127.0.0.53:1"])
def test_loopback_needs_no_leave(endpoint: str) -> None:
    """Whatever it is called."""
    assert StatusPageConfig(endpoint=endpoint).endpoint == endpoint


@pytest.mark.parametrize("endpoint", ["0.0.0.0:8080", "[::]:8080", "status.example.com:80", "10.0.0.1:80"])
def test_listening_elsewhere_must_be_said_in_words(endpoint: str) -> None:
    """`insecure: true`, because the page speaks no TLS."""
    written = Document(file="andon.yaml", data={"endpoint": endpoint}, lines={})
    with pytest.raises(ConfigError, match=r"andon.yaml:1: endpoint: expected a loopback endpoint .* or insecure: true"):
        written.parse(StatusPageConfig)
    assert StatusPageConfig(endpoint=endpoint, insecure=True).endpoint == endpoint


def test_a_public_address_is_a_web_address() -> None:
    """Without its last slash."""
    written = Document(file="andon.yaml", data={"url": "status.example.com"}, lines={})
    with pytest.raises(ConfigError, match="url: expected the page's public address, such as https://"):
        written.parse(StatusPageConfig)
    assert StatusPageConfig(url="https://status.example.com/").url == "https://status.example.com"
