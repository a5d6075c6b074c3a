"""`andon demo` as a newcomer runs it: real processes, a real shop, the real page."""

import json
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import psutil
import pytest

PLAY_S = 540
START_S = 300
CLEAN_UP_S = 150


@contextmanager
def demo(directory: Path, *arguments: str) -> Iterator[subprocess.Popen[str]]:
    """The demo running in `directory`; ended by SIGTERM, so that it can clean up, if it is still there."""
    command = [sys.executable, "-m", "pipeline.cli", "demo", "--keep", str(directory), *arguments]
    process = subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)
    try:
        yield process
    finally:
        if process.poll() is None:
            process.terminate()
            process.communicate(timeout=CLEAN_UP_S)


def descendants(process: subprocess.Popen[str]) -> list[psutil.Process]:
    """Every process that the demo started, and those that they started."""
    return psutil.Process(process.pid).children(recursive=True)


@pytest.mark.timeout(PLAY_S + CLEAN_UP_S)
def test_the_demo_shows_the_outage_in_time_and_the_recovery_everywhere(tmp_path: Path) -> None:
    """`demo --once --json` exits 0 and prints one JSON object, whose timeline is in order and in time."""
    with demo(tmp_path, "--once", "--json") as process:
        stdout, stderr = process.communicate(timeout=PLAY_S)
    assert process.returncode == 0, f"{stdout}\n{stderr}"
    report = json.loads(stdout)
    assert report["ok"] is True
    assert report["problems"] == []
    errors = {one["event"]: one["since_fault_s"] for one in report["timeline"] if one["fault"] == "payment errors"}
    assert list(errors) == [
        "fault",
        "first bad span stored",
        "at risk",
        "incident on the page",
        "recovery",
        "resolved on the page",
    ]
    assert errors["fault"] == 0
    assert errors["first bad span stored"] <= errors["incident on the page"] <= 20
    assert errors["at risk"] <= 20
    assert errors["incident on the page"] < errors["resolved on the page"]
    assert errors["recovery"] < errors["resolved on the page"]


@pytest.mark.timeout(START_S + CLEAN_UP_S)
def test_the_demo_told_to_end_takes_everything_with_it(tmp_path: Path) -> None:
    """SIGTERM in the middle of the play ends Andon, the shop and the shoppers too."""
    with demo(tmp_path) as process:
        wait_for(process, "Warm-up")
        started = descendants(process)
        process.send_signal(signal.SIGTERM)
        process.communicate(timeout=CLEAN_UP_S)
    assert process.returncode == 0
    assert len(started) >= len(("serve", "frontend", "checkout", "payment", "shoppers"))
    assert [one for one in started if one.is_running()] == []


def wait_for(process: subprocess.Popen[str], word: str) -> None:
    """Read the narration until `word` is in it."""
    assert process.stdout is not None
    until = time.monotonic() + START_S
    for line in process.stdout:
        if word in line:
            return
        assert time.monotonic() < until, f"no {word!r} within {START_S} s"
    pytest.fail(f"the demo ended without saying {word!r}: {process.stderr.read() if process.stderr else ''}")
