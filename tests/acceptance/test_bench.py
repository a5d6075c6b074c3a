"""`andon bench`: real programs under load, measured beside rotel."""

import json
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from fixtures.toolchains import rotel

TIMEOUT_S = 180


@pytest.fixture(scope="module")
def bench(tmp_path_factory: pytest.TempPathFactory) -> tuple[dict[str, Any], str]:
    """One quick run: its JSON and its markdown."""
    rotel()
    markdown = tmp_path_factory.mktemp("bench") / "results.md"
    narrow = ("--quick", "--signals", "traces", "--sizes", "512", "--peer", "rotel")
    command = [sys.executable, "-m", "pipeline.cli", "bench", "ingest", *narrow, "--json", "--markdown", str(markdown)]
    done = subprocess.run(command, capture_output=True, text=True, timeout=TIMEOUT_S, check=False)
    assert done.returncode == 0, done.stderr
    return json.loads(done.stdout), markdown.read_text()


def test_what_a_span_costs_us_is_measured(bench: tuple[dict[str, Any], str]) -> None:
    """Every pace has its figures, and every span sent was stored."""
    cell = bench[0]["cells"][0]
    assert (cell["collector"], cell["signal"], cell["size"]) == ("andon", "traces", 512)
    for run in (cell["full"], cell["half"], *cell["curve"]):
        assert run["items"] == 512 * run["requests"] > 0
        assert run["cpu_us_per_item"] > 0
        assert 0 < run["ack_ms_p50"] <= run["ack_ms_p99"]
        assert run["peak_mib"] > 50
    assert cell["half"]["offered_items_s"] == pytest.approx(cell["full"]["items_s"] / 2, rel=0.1)


def test_our_own_steps_are_part_of_that(bench: tuple[dict[str, Any], str]) -> None:
    """Scanning, decoding, counting and encoding cost something, and together less than the whole."""
    us = {step["name"]: step["us_per_item"] for step in bench[0]["steps"]}
    assert list(us) == ["scan", "decode", "count", "encode", "protobuf FromString"]
    assert all(value > 0 for value in us.values())
    ours = sum(value for name, value in us.items() if not name.startswith("protobuf"))
    assert ours < bench[0]["cells"][0]["full"]["cpu_us_per_item"]


def test_the_markdown_has_the_same_figures(bench: tuple[dict[str, Any], str]) -> None:
    """Ready for the results."""
    found, markdown = bench
    assert f"commit {found['machine']['commit']}" in markdown
    assert f"| traces | 512 | andon | {found['cells'][0]['full']['cpu_us_per_item']:.2f} |" in markdown


def test_the_peer_is_measured_in_the_same_run(bench: tuple[dict[str, Any], str]) -> None:
    """The same bodies into the same kind of engine, and a ratio of the two."""
    ours, theirs = bench[0]["cells"]
    assert theirs["collector"] == "rotel"
    ratio = ours["full"]["cpu_us_per_item"] / theirs["full"]["cpu_us_per_item"]
    assert theirs["andon_over_this"] == pytest.approx(ratio)


def test_what_there_is_no_peer_for_is_refused(tmp_path: Path) -> None:
    """Nothing is measured, and nothing is printed as if it were."""
    command = [sys.executable, "-m", "pipeline.cli", "bench", "ingest", "--peer", "nobody", "--json"]
    done = subprocess.run(command, capture_output=True, text=True, timeout=TIMEOUT_S, check=False, cwd=tmp_path)
    assert (done.returncode, done.stdout) == (1, "")
    assert "peer: expected one of rotel, none, got 'nobody'" in done.stderr
