"""The snapshot, in memory and on disk."""

import logging
from pathlib import Path

import pytest

from fixtures.page_facts import component, incident, live, snapshot
from pipeline.errors import PermanentError
from statuspage.disk import load, save
from statuspage.snapshot import Snapshot, from_json, to_json


def test_a_snapshot_survives_json(scenes: dict[str, Snapshot]) -> None:
    """Equal to the last digit, for what a real store gave."""
    assert from_json(to_json(scenes["outage"])) == scenes["outage"]


def test_a_snapshot_survives_the_disk(tmp_path: Path) -> None:
    """And leaves nothing else behind."""
    known = snapshot(component(live(3)), incidents=(incident(),))
    save(known, tmp_path / "deep" / "page.json")
    assert load(tmp_path / "deep" / "page.json") == known
    assert [path.name for path in (tmp_path / "deep").iterdir()] == ["page.json"]


@pytest.mark.parametrize("data", [b"", b"{", b"[]", b'{"taken_at": 3}'])
def test_what_is_no_snapshot_is_refused(data: bytes) -> None:
    """With what was expected."""
    with pytest.raises(PermanentError, match="expected a snapshot of the status page"):
        from_json(data)


def test_a_snapshot_of_another_format_is_refused() -> None:
    """A newer version may have written it."""
    other = to_json(snapshot()).replace(b'"format":1', b'"format":7')
    with pytest.raises(PermanentError, match="format 1, got 7"):
        from_json(other)


def test_a_broken_file_is_told_in_the_log_and_no_snapshot(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    """The page starts without it."""
    (tmp_path / "page.json").write_bytes(b"\x00")
    with caplog.at_level(logging.WARNING):
        assert load(tmp_path / "page.json") is None
    assert "cannot be used" in caplog.text


def test_no_file_is_no_news(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    """The first start."""
    assert load(tmp_path / "page.json") is None
    assert caplog.text == ""
