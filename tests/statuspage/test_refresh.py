"""Keeping the snapshot new."""

import logging
from collections.abc import Iterator
from datetime import timedelta
from pathlib import Path

import pytest

from fixtures.page_facts import NOW, component, incident, live, snapshot
from pipeline.clock import FakeClock
from pipeline.errors import AndonError, PermanentError, RetryableError
from statuspage.desk import Desk
from statuspage.disk import load
from statuspage.refresh import Refresher
from statuspage.snapshot import Snapshot

FIRST = snapshot(component(live(0)))
SECOND = snapshot(component(live(0)), taken_at=NOW + timedelta(seconds=2))
WORSE = snapshot(component(live(100)), incidents=(incident(),), taken_at=NOW + timedelta(seconds=4))


class Script:
    """Answers reads from a list of snapshots and errors."""

    def __init__(self, *answers: Snapshot | Exception) -> None:
        self._answers: Iterator[Snapshot | Exception] = iter(answers)

    def __call__(self) -> Snapshot:
        answer = next(self._answers)
        if isinstance(answer, Exception):
            raise answer
        return answer


def refresher(tmp_path: Path, *answers: Snapshot | Exception) -> tuple[Refresher, Desk, FakeClock]:
    clock = FakeClock(NOW)
    desk = Desk(clock, name="Acme", url="http://127.0.0.1")
    return Refresher(Script(*answers), desk, clock, every_s=2, path=tmp_path / "page.json"), desk, clock


def test_what_was_read_is_shown_and_saved(tmp_path: Path) -> None:
    """The first read goes to disk at once."""
    made, desk, _ = refresher(tmp_path, FIRST)
    made.refresh()
    assert desk.snapshot == FIRST
    assert load(tmp_path / "page.json") == FIRST


def test_the_disk_is_spared_while_only_counts_change(tmp_path: Path) -> None:
    """Thirty seconds may be lost to a crash; an incident may not."""
    made, _, clock = refresher(tmp_path, FIRST, SECOND, SECOND, WORSE)
    made.refresh()
    made.refresh()
    assert load(tmp_path / "page.json") == FIRST
    clock.advance(30)
    made.refresh()
    assert load(tmp_path / "page.json") == SECOND
    made.refresh()
    assert load(tmp_path / "page.json") == WORSE


@pytest.mark.parametrize(
    "error", [RetryableError("away"), PermanentError("no such table"), ValueError("a fault of ours")]
)
def test_the_last_figures_stay_when_reading_fails(tmp_path: Path, error: Exception) -> None:
    """Whatever the reason, and reading goes on."""
    made, desk, _ = refresher(tmp_path, FIRST, error, SECOND)
    made.refresh()
    made.refresh()
    assert desk.snapshot == FIRST
    made.refresh()
    assert desk.snapshot == SECOND


def test_a_store_that_is_away_is_told_once_and_so_is_its_return(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    """An hour away is not 1 800 lines."""
    away: AndonError = RetryableError("away")
    made, _, _ = refresher(tmp_path, away, away, away, FIRST)
    with caplog.at_level(logging.INFO):
        for _ in range(4):
            made.refresh()
    assert [record.levelname for record in caplog.records] == ["WARNING", "INFO"]


def test_shutting_down_saves_what_is_known(tmp_path: Path) -> None:
    """Before `start`, after it, and twice."""
    made, desk, _ = refresher(tmp_path)
    desk.put(SECOND)
    made.shutdown()
    made.shutdown()
    assert load(tmp_path / "page.json") == SECOND


def test_a_disk_that_refuses_does_not_stop_the_page(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    """It is told."""
    (tmp_path / "page.json").mkdir()
    made, desk, _ = refresher(tmp_path, FIRST)
    made.refresh()
    assert desk.snapshot == FIRST
    assert "cannot be saved" in caplog.text


def test_a_page_is_rendered_once_a_second_however_many_ask(tmp_path: Path) -> None:
    """The same bytes, until time or the snapshot moves on."""
    _, desk, clock = refresher(tmp_path)
    desk.put(FIRST)
    page = desk.site().find("/")
    assert desk.site().find("/") is page
    clock.advance(0.9)
    assert desk.site().find("/") is page
    clock.advance(0.2)
    later = desk.site().find("/")
    assert later is not page
    desk.put(SECOND)
    assert desk.site().find("/") is not later
