"""The web SDK in a real browser: a page of another origin sends through CORS."""

import subprocess
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from functools import partial
from http.server import SimpleHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import pytest
from playwright.sync_api import Browser

from fixtures.arrivals import RUN, Arrivals
from fixtures.programs import House
from fixtures.toolchains import node_packages, tool

FOLDER = Path(__file__).parent / "browser"
BUNDLE_S = 60
PAGE = '<!doctype html><meta charset="utf-8"><link rel="icon" href="data:,"><script src="page.js"></script>'


class Quiet(SimpleHTTPRequestHandler):
    """Files of a folder."""

    def log_message(self, format: str, *args: object) -> None:  # noqa: A002 - its name there
        pass


@pytest.fixture(scope="session")
def site(tmp_path_factory: pytest.TempPathFactory) -> Iterator[int]:
    """The port of a page with the bundled SDK."""
    packages, folder = node_packages(FOLDER), tmp_path_factory.mktemp("site")
    command = [tool("node"), str(packages / "node_modules" / "esbuild" / "bin" / "esbuild"), str(FOLDER / "page.js")]
    environment = {"NODE_PATH": str(packages / "node_modules"), "PATH": str(Path(tool("node")).parent)}
    subprocess.run(
        [*command, "--bundle", "--log-level=warning", f"--outfile={folder / 'page.js'}"],
        env=environment,
        timeout=BUNDLE_S,
        check=True,
    )
    (folder / "index.html").write_text(PAGE)
    with ThreadingHTTPServer(("127.0.0.1", 0), partial(Quiet, directory=folder)) as server:
        thread = threading.Thread(target=server.serve_forever, args=(0.05,), daemon=True)
        thread.start()
        yield server.server_port
        server.shutdown()
        thread.join(10)


@contextmanager
def visited(browser: Browser, andon: House, origin: str, run: str, headers: dict[str, str]) -> Iterator[list[str]]:
    """A visit of the page at `origin`; what the browser complained of."""
    context = browser.new_context()
    try:
        page, complaints = context.new_page(), list[str]()
        page.on("console", lambda message: complaints.append(message.text))
        page.goto(origin)
        endpoint = f"http://{andon.address('http')}"
        page.evaluate("([endpoint, run, headers]) => visit(endpoint, run, headers)", [endpoint, run, headers])
        yield complaints
    finally:
        context.close()


@pytest.mark.timeout(60, func_only=True)
@pytest.mark.parametrize("headers", [{}, {"x-shop": "1"}], ids=["as it is", "with a header"])
def test_i05_a_page_of_an_allowed_origin_sends_every_signal(
    andon: House, browser: Browser, site: int, run: str, headers: dict[str, str]
) -> None:
    """The browser asks first, is told that it may, and all arrives."""
    page = Arrivals(andon, run)
    with visited(browser, andon, f"http://127.0.0.1:{site}/", run, headers) as complaints:
        columns = "SpanName, SpanKind, ServiceName, ScopeVersion, StatusCode, StatusMessage, SpanAttributes"
        click, visit = page.rows("otel_traces", columns, count=2)
        assert click == ("click", "Internal", "page", "1.2.3", "Error", "käse", [])
        assert visit == ("visit", "Internal", "page", "1.2.3", "Unset", "", [("browser.mobile", "false")])
        assert page.rows("otel_logs", "SeverityNumber, SeverityText, Body", count=1) == [(13, "WARN", "slow")]
        clicks = page.rows("otel_metrics_sum", "MetricName, Value, Attributes", count=1)
        assert clicks == [("clicks", 3, [("button", "buy")])]
        assert complaints == []


@pytest.mark.timeout(60, func_only=True)
def test_i05_a_page_of_another_origin_is_kept_from_sending(andon: House, browser: Browser, site: int, run: str) -> None:
    """The browser asks first, hears no, and nothing is stored; what an allowed page sends afterwards is."""
    with visited(browser, andon, f"http://localhost:{site}/", run, {}) as complaints:
        assert any("blocked by CORS policy" in complaint for complaint in complaints)
    with visited(browser, andon, f"http://127.0.0.1:{site}/", f"{run}-after", {}):
        Arrivals(andon, f"{run}-after").rows("otel_traces", "1", count=2)
    assert andon.query(f"SELECT count() AS n FROM otel_traces WHERE ResourceAttributes['{RUN}'] = '{run}'") == [
        {"n": 0}
    ]
