"""The examples of the top README work as they stand."""

import re
from pathlib import Path

import pytest

from pipeline.check import check_file

README = Path(__file__).parents[2] / "README.md"


def test_the_first_promise_of_the_readme_is_valid(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """What a newcomer copies must pass `andon check`."""
    monkeypatch.setenv("ANDON_WRITER_PASSWORD", "w")
    monkeypatch.setenv("ANDON_READER_PASSWORD", "r")
    config, objectives = re.findall(r"```yaml\n(.*?)```", README.read_text(), re.DOTALL)
    (tmp_path / "slo").mkdir()
    (tmp_path / "slo" / "checkout.yaml").write_text(objectives)
    (tmp_path / "andon.yaml").write_text(config)
    assert "1 service, 1 indicator, 1 promise" in check_file(tmp_path / "andon.yaml")
