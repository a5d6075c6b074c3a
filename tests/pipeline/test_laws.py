"""`andon sla laws`: the same month of every agreement under every law."""

from datetime import UTC, date, datetime
from pathlib import Path

import pytest

from fixtures.documents import around
from fixtures.grids import grid_of
from pipeline.errors import PermanentError
from pipeline.laws import compare, facts, parse_month, period_of, refused
from processors.sla.calendar import minutes
from processors.sla.documents import PeriodField
from processors.slo.documents import load_objectives
from processors.slo.grid import Grid
from processors.slo.objectives import Objectives
from processors.slo.promise import Promise
from processors.slo.windows import Bounds

DOCUMENTS = (
    around("checkout-good")
    + """---
apiVersion: andon/v1
kind: Agreement
metadata: {name: terms}
spec:
  service: checkout
  period: month
  timeZone: Europe/Paris
  law: {type: downtime_minutes, errorRate: 0.05}
  objectives: [{indicatorRef: checkout-good, target: 0.999}]
  credits: {tiers: [{below: 0.999, credit: 0.1}]}
  exclusions: [disks]
---
apiVersion: andon/v1
kind: Exclusion
metadata: {name: disks}
spec:
  category: maintenance
  reason: disks are changed
  author: ops@shop.example
  effect: remove
  windows:
    - {start: 2026-10-01 10:00, duration: 1h, announcedAt: 2026-09-01T00:00:00Z}
    - {start: 2026-10-02 10:00, duration: 1h, announcedAt: 2026-10-02T09:00:00Z}
  notice: {atLeast: 72h}
"""
)


def objectives(folder: Path, documents: str = DOCUMENTS) -> Objectives:
    (folder / "all.yaml").write_text(documents)
    return load_objectives(folder)


def test_a_month_is_compared_under_every_law_with_its_exclusions(tmp_path: Path) -> None:
    """An hour of maintenance is taken out, another was announced too late; between them 50 minutes are down."""
    asked: list[tuple[Promise, Bounds]] = []

    def read(promise: Promise, bounds: Bounds) -> Grid:
        asked.append((promise, bounds))
        down = range(12 * 60 + 30, 14 * 60 + 20)  # from 10:30 UTC, 12:30 in Paris
        counts = [(0, 1) if number in down else (1, 1) for number in range(minutes(bounds))]
        return grid_of(counts, start_s=int(bounds.start.timestamp()))

    (compared,) = compare(objectives(tmp_path), date(2026, 10, 1), read)
    assert asked == [
        (
            compared.promise,
            Bounds(datetime(2026, 9, 30, 22, tzinfo=UTC), datetime(2026, 10, 31, 23, tzinfo=UTC)),
        )
    ]
    rows = list(facts(compared))
    assert [row["name"] for row in rows][:2] == ["agreed: minutes over 5 % bad", "request ratio"]
    assert (rows[0]["good"], rows[0]["eligible"]) == (f"{44_700 - 60 - 80}/1", f"{44_700 - 60}/1")
    assert (rows[0]["verdict"], rows[0]["broken_at"]) == ("broken", "2026-10-01T11:44:00Z")
    assert [window["start"] for window in refused(compared)] == ["2026-10-02T10:00:00Z"]


def test_without_an_agreement_there_is_nothing_to_compare(tmp_path: Path) -> None:
    """It says so instead of printing nothing."""
    found = objectives(tmp_path, DOCUMENTS.partition("---\napiVersion: andon/v1")[0])
    with pytest.raises(PermanentError, match="expected an Agreement"):
        list(compare(found, date(2026, 10, 1), lambda promise, bounds: grid_of([])))


def test_a_month_that_is_still_running_is_told_as_so_far(tmp_path: Path) -> None:
    """What is not settled yet is not judged, nor held to have failed."""

    def read(promise: Promise, bounds: Bounds) -> Grid:
        count = minutes(bounds)
        counts = [(1, 1)] * 1_000 + [(0, 1)] * (count - 1_000)
        return grid_of(counts, start_s=int(bounds.start.timestamp()), pending=range(1_000, count))

    (compared,) = compare(objectives(tmp_path), date(2026, 10, 1), read)
    assert {(row["so_far"], row["verdict"]) for row in facts(compared)} == {(True, "kept")}


@pytest.mark.parametrize("text", ["2026", "10-2026", "2026-13", "last"])
def test_a_month_is_told_from_what_is_none(text: str) -> None:
    """In words."""
    with pytest.raises(PermanentError, match="a month such as 2026-10"):
        parse_month(text)


@pytest.mark.parametrize(
    ("written", "start", "end"),
    [
        ("month", "2026-10-01", "2026-11-01"),
        ({"billingDay": 15}, "2026-10-15", "2026-11-15"),
        ({"every": "30d", "from": "2026-10-20"}, "2026-10-20", "2026-11-19"),
    ],
)
def test_the_period_of_a_month_is_the_one_that_runs_at_its_end(written: object, start: str, end: str) -> None:
    """The one that begins in it, where one does."""
    bounds = period_of(PeriodField.model_validate(written).window("UTC"), date(2026, 10, 1))
    assert [edge.date().isoformat() for edge in bounds] == [start, end]
