"""The README of agreements is true: its documents load, its example is computed, its tables have every setting."""

import re
from datetime import UTC, datetime
from pathlib import Path

import numpy as np
import pytest
from pydantic import BaseModel

from fixtures.documents import around
from fixtures.grids import grid_of
from pipeline.config import keys_of, models_in
from processors.sla import documents
from processors.sla.compare import laws_table
from processors.sla.credit import exact_percent, percent
from processors.sla.documents import AgreementSpec, ExclusionSpec, ServiceCalendarSpec
from processors.sla.exclusions import excluded, with_exclusions
from processors.slo.documents import load_objectives
from processors.slo.objectives import Objectives

README = (Path(documents.__file__).parent / "README.md").read_text()
AROUND = around("checkout-availability")


@pytest.fixture
def objectives(tmp_path: Path) -> Objectives:
    (tmp_path / "around.yaml").write_text(AROUND)
    for number, block in enumerate(re.findall(r"```yaml\n(.*?)```", README, re.DOTALL)):
        (tmp_path / f"{number}.yaml").write_text(block)
    return load_objectives(tmp_path)


def test_every_document_of_the_readme_is_valid(objectives: Objectives) -> None:
    """Whoever copies one has something that works."""
    assert [agreement.name for agreement in objectives.agreements] == ["checkout-terms"]
    assert [calendar.name for calendar in objectives.calendars] == ["office-hours"]
    assert [exclusion.name for exclusion in objectives.exclusions] == ["disks", "sunday-nights"]


def test_the_worked_example_is_what_is_computed(objectives: Objectives) -> None:
    """From 100 requests a minute to the table of laws, line by line."""
    (agreement,) = objectives.agreements
    bounds = agreement.spec.window.bounds(datetime(2026, 10, 15, tzinfo=UTC))
    found = excluded(objectives.exclusions_of(agreement), objectives.calendar_of(agreement), bounds)
    assert (len(found.codes), found.refused) == (44_700, ())
    minutes = np.full((44_700, 2), 100)
    trouble = int((datetime(2026, 10, 14, 8, tzinfo=UTC) - bounds.start).total_seconds()) // 60
    minutes[trouble : trouble + 60, 0] = 80
    grid = grid_of([(int(good), int(valid)) for good, valid in minutes], start_s=int(bounds.start.timestamp()))
    (promised,) = agreement.spec.objectives
    rows = laws_table(agreement, promised.target, with_exclusions(grid, found), bounds)
    for row in rows:
        assert row.credit
        cells = (row.name, percent(row.delivered.ratio or 0), row.verdict, exact_percent(row.credit.share))
        assert f"| {' | '.join(cells)} |" in README
    own = rows[0]
    assert own.credit
    assert f"{own.delivered.good} / {own.delivered.eligible}" == "44650 / 44700"
    assert own.broken_at == datetime(2026, 10, 14, 8, 44, tzinfo=UTC)
    assert f"{own.credit.amount} EUR of 1200.00 EUR" in README
    assert own.credit.claim_by == datetime(2026, 11, 30, 23, tzinfo=UTC)


def settings(model: type[BaseModel]) -> set[str]:
    fields = keys_of(model)
    return set(fields) | {
        key for info in fields.values() for inner in models_in(info.annotation) for key in settings(inner)
    }


@pytest.mark.parametrize("spec", [AgreementSpec, ServiceCalendarSpec, ExclusionSpec])
def test_every_setting_of_a_document_is_explained(spec: type[BaseModel]) -> None:
    """A key that nobody can look up does not exist."""
    keys = settings(spec) - {"description"}
    assert len(keys) > 3
    assert sorted(key for key in keys if f"`{key}`" not in README and f"{key}:" not in README) == []
