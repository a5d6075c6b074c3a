"""`andon slo diff`: both lines of a changed promise, through the real command."""

import json
import time
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest
from typer.testing import CliRunner

from fixtures.store import Store, leading_to
from pipeline.cli import app
from pipeline.clock import FakeClock
from pipeline.evaluate import Evaluator
from processors.incidents.config import EvaluateConfig
from processors.slo.documents import load_objectives

DOCUMENTS = """
apiVersion: openslo/v1
kind: Service
metadata: {name: shop}
---
apiVersion: openslo/v1
kind: SLO
metadata: {name: works}
spec:
  service: shop
  indicator:
    metadata: {name: orders}
    spec:
      ratioMetric:
        total: {metricSource: {type: andon, spec: {where: {kind: server}}}}
        good: {metricSource: {type: andon, spec: {where: {outcome: success}}}}
  timeWindow: [{duration: 1h, isRolling: true}]
  budgetingMethod: Occurrences
  objectives: [{target: 0.9}]
"""
BY_SLICES = DOCUMENTS.replace("Occurrences", "Timeslices").replace(
    "{target: 0.9}", "{target: 0.9, timeSliceTarget: 0.95, timeSliceWindow: 1m}"
)


@pytest.fixture
def folder(tmp_path: Path, store: Store) -> Path:
    """Documents in force, ten minutes of requests of which one minute failed by half, and a configuration."""
    (tmp_path / "slo").mkdir()
    (tmp_path / "slo" / "all.yaml").write_text(DOCUMENTS)
    objectives = load_objectives(tmp_path / "slo")
    now = datetime.now(UTC)
    Evaluator(objectives, store.client.query, store.client.write, FakeClock(now), EvaluateConfig()).tick()
    start_s = int(time.time()) // 60 * 60 - 1_800
    rows = [
        {
            "Indicator": "orders",
            "Generation": objectives.indicators[0].generation,
            "Group": "",
            "Slice": start_s + 60 * number,
            "Good": 50 if number == 3 else 100,
            "Valid": 100,
        }
        for number in range(10)
    ]
    store.client.write("sli_slices", rows, token="all")
    (tmp_path / "andon.yaml").write_text(leading_to(store))
    return tmp_path


def diff(folder: Path, documents: str) -> list[dict[str, Any]]:
    (folder / "changed.yaml").write_text(documents)
    command = ["slo", "diff", str(folder / "changed.yaml"), "--json", "--config", str(folder / "andon.yaml")]
    done = CliRunner().invoke(app, command)
    assert done.exit_code == 0, done.output
    return [json.loads(line) for line in done.stdout.splitlines()]


def test_another_method_is_computed_over_the_slices_of_before(folder: Path) -> None:
    """By events 950 of 1 000 were good, by minutes nine of ten: both are told, each with its generation."""
    (found,) = diff(folder, BY_SLICES)
    before, after = found["before"], found["after"]
    assert (before["law"], before["good"], before["eligible"]) == ("occurrences", "950", "1000")
    assert (after["law"], after["good"], after["eligible"]) == ("timeslices", "9", "10")
    assert before["generation"] != after["generation"]


def test_what_was_never_counted_is_said_to_be_so(folder: Path) -> None:
    """Another indicator counts other events: no slices of it can be made up."""
    (found,) = diff(folder, DOCUMENTS.replace("kind: server}}", "kind: client}}"))
    assert (found["before"]["good"], found["after"]["counted"], found["after"]["good"]) == ("950", False, None)


def test_the_same_documents_differ_in_nothing(folder: Path) -> None:
    assert diff(folder, DOCUMENTS) == []
