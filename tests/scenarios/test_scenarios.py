"""Scenarios: traffic in, promises and incidents out. Each folder is one; the README says how to write one.

`andon.yaml` and `slo/` are what is promised, `timeline.yaml` what happens, `expected.yaml` every change there must be.
"""

import json
import subprocess
import sys
import uuid
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import yaml

from fixtures.engine import Engine
from fixtures.store import Store, open_store
from pipeline.rehearse.play import Rehearsal, read_timeline
from pipeline.rehearse.timeline import Timeline

HERE = Path(__file__).parent
SCENARIOS = sorted(path.parent for path in HERE.glob("*/timeline.yaml"))


@pytest.mark.parametrize("scenario", SCENARIOS, ids=lambda path: path.name)
def test_scenario(scenario: Path, store: Store) -> None:
    """What is expected, all of it and nothing else, in order."""
    assert Rehearsal(scenario, store.client).play() == expected(scenario)


def test_the_command_says_the_same() -> None:
    """`andon rehearse` plays in a store of its own and prints what there is."""
    scenario = HERE / "late-spans"
    command = [sys.executable, "-m", "pipeline.cli", "rehearse", str(scenario), "--json"]
    done = subprocess.run(command, capture_output=True, text=True, timeout=240, check=False)
    assert done.returncode == 0, done.stderr
    assert [json.loads(line) for line in done.stdout.splitlines()] == expected(scenario)


def expected(scenario: Path) -> list[dict[str, Any]]:
    changes: list[dict[str, Any]] = yaml.safe_load((scenario / "expected.yaml").read_text())
    return changes


@pytest.mark.parametrize("name", ["counter-reset", "late-data"])
def test_who_is_started_again_at_every_moment_says_the_same(name: str, store: Store) -> None:
    """The evaluator keeps nothing that it could lose."""
    assert Rehearsal(HERE / name, store.client, restless(HERE / name)).play() == expected(HERE / name)


def test_who_is_started_again_at_every_moment_writes_the_same(store: Store, twin: Store) -> None:
    """Same changes, same ids, same slices and same records, byte for byte."""
    scenario = HERE / "deaf-mid-outage"
    assert Rehearsal(scenario, store.client, restless(scenario)).play() == Rehearsal(scenario, twin.client).play()
    for what in ("Id FROM breaches", "* FROM incidents", "Record FROM period_results", "* FROM slice_states"):
        assert written(store, what) == written(twin, what)


def restless(scenario: Path) -> Timeline:
    timeline = read_timeline(scenario)
    return timeline.model_copy(update={"restarts": tuple(timeline.moments())})


def written(store: Store, what: str) -> list[dict[str, Any]]:
    rows = store.client.query(f"SELECT {what}").to_pylist()
    assert rows
    return sorted(rows, key=str)


@pytest.fixture
def twin(clickhouse: Engine) -> Iterator[Store]:
    """A second store like `store`."""
    opened = open_store(clickhouse, f"t_{uuid.uuid4().hex[:12]}")
    yield opened
    opened.client.command(f"DROP DATABASE {opened.client.database}")
    opened.client.close()
    opened.reader.close()
