"""Scenarios: traffic in, promises and incidents out, through the command that users have. Each folder is one.

`andon.yaml` and `slo/` are what is promised, `timeline.yaml` what happens, `expected.yaml` every change there must be.
"""

import json
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
import yaml

SCENARIOS = sorted(path.parent for path in Path(__file__).parent.glob("*/timeline.yaml"))


@pytest.mark.parametrize("scenario", SCENARIOS, ids=lambda path: path.name)
def test_scenario(scenario: Path) -> None:
    """What is expected, all of it and nothing else, in order."""
    assert rehearsed(scenario) == yaml.safe_load((scenario / "expected.yaml").read_text())


def rehearsed(scenario: Path) -> list[dict[str, Any]]:
    command = [sys.executable, "-m", "pipeline.cli", "rehearse", str(scenario), "--json"]
    done = subprocess.run(command, capture_output=True, text=True, timeout=240, check=False)
    assert done.returncode == 0, done.stderr
    return [json.loads(line) for line in done.stdout.splitlines()]
