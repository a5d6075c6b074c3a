"""Promises over several indicators through the evaluator on a real engine, beside the same things promised alone."""

import json
from datetime import UTC, datetime, timedelta
from fractions import Fraction
from pathlib import Path
from typing import Any

import pytest

from fixtures.store import Store
from pipeline.clock import FakeClock
from pipeline.evaluate import Evaluator
from pipeline.slodiff import differences
from processors.incidents.config import EvaluateConfig
from processors.slo.documents import load_objectives
from processors.slo.objectives import Objectives
from statuspage.evidence import recount_sql
from statuspage.render import Site
from statuspage.store import Store as Page

START = datetime(2026, 11, 22, 10, tzinfo=UTC)
TRACES = {"orders": "4bf92f3577b34da6a3ce929d0e0e4736", "quick/lte-500ms": "00f067aa0ba902b700f067aa0ba902b7"}
SLOS = {
    "orders-work": ("Occurrences", ["indicatorRef: orders, target: 0.99"]),
    "journey": (
        "Occurrences",
        [
            "indicatorRef: orders, target: 0.99",
            "indicatorRef: quick, op: lte, value: 500ms, target: 0.95, compositeWeight: 2",
        ],
    ),
    "journey-by-minutes": (
        "Timeslices",
        [
            "indicatorRef: orders, target: 0.99, timeSliceTarget: 0.9",
            "indicatorRef: quick, op: lte, value: 500ms, target: 0.95, timeSliceTarget: 0.95",
        ],
    ),
    "journey-by-shares": (
        "RatioTimeslices",
        ["indicatorRef: orders, target: 0.99", "indicatorRef: quick, op: lte, value: 500ms, target: 0.95"],
    ),
}
DOCUMENTS = """
apiVersion: openslo/v1
kind: Service
metadata: {name: checkout, displayName: Checkout}
---
apiVersion: openslo/v1
kind: SLI
metadata: {name: orders}
spec:
  ratioMetric:
    good: {metricSource: {type: andon, spec: {where: {outcome: success}}}}
    total: {metricSource: {type: andon, spec: {where: {kind: server}}}}
---
apiVersion: openslo/v1
kind: SLI
metadata: {name: quick}
spec: {thresholdMetric: {metricSource: {type: andon, spec: {where: {kind: server}}}}}
---
apiVersion: openslo/v1
kind: SLO
metadata: {name: orders-alone}
spec:
  service: checkout
  indicatorRef: orders
  timeWindow: [{duration: 30d, isRolling: true}]
  budgetingMethod: Occurrences
  objectives: [{target: 0.99}]
"""
# Good orders and quick ones, of 20, in each slice: the second minute fails by half, the fourth is slow by half.
STORY = [(20, 20)] * 6 + [(10, 20)] * 6 + [(20, 20)] * 6 + [(20, 10)] * 6


def slo(name: str, method: str, objectives: list[str]) -> str:
    return f"""---
apiVersion: openslo/v1
kind: SLO
metadata: {{name: {name}}}
spec:
  service: checkout
  timeWindow: [{{duration: 30d, isRolling: true}}]
  budgetingMethod: {method}
  objectives: [{", ".join(f"{{{one}}}" for one in objectives)}]
"""


def objectives_of(folder: Path, documents: str) -> Objectives:
    folder.mkdir(parents=True, exist_ok=True)
    (folder / "all.yaml").write_text(documents)
    return load_objectives(folder)


@pytest.fixture
def objectives(tmp_path: Path) -> Objectives:
    return objectives_of(tmp_path / "slo", DOCUMENTS + "".join(slo(name, *told) for name, told in SLOS.items()))


def rows(store: Store, sql: str) -> list[dict[str, Any]]:
    found: list[dict[str, Any]] = store.reader.query(sql).to_pylist()
    return found


def play(store: Store, objectives: Objectives, *, looks: bool = True) -> FakeClock:
    """The story, somebody listening all the time; looked at after each slice, and once all of it has settled."""
    clock = FakeClock(START)
    looking = Evaluator(objectives, store.client.query, store.client.write, clock, EvaluateConfig())
    generations = {one.name: one.generation for one in objectives.indicators}
    store.client.command(
        "INSERT INTO receiver_ledger (Worker, Signal, Slice, ListeningMs) SELECT 'w', 'traces', "
        f"toDateTime({int(START.timestamp())} + 600 - 10 * number, 'UTC'), 10000 FROM numbers({35 * 8_640})"
    )
    for number, counts in enumerate(STORY):
        batch = [
            {
                "Indicator": name,
                "Generation": generations[name],
                "Group": "",
                "Slice": int(START.timestamp()) + 10 * number,
                "Good": good,
                "Valid": 20,
                "BadTraceIds": [TRACES[name]] if good < 20 else [],
            }
            for name, good in zip(TRACES, counts, strict=True)
        ]
        store.client.write("sli_slices", batch, token=f"slice {number}")
        clock.advance(10)
        if looks:
            looking.tick()
    clock.advance(130)
    looking.tick()
    return clock


def test_composites_are_evaluated_like_any_promise(store: Store, objectives: Objectives) -> None:
    """By all three methods, from requests to breaches, incidents and the page."""
    clock = play(store, objectives)
    told = {row["Promise"]: row for row in rows(store, "SELECT * FROM slo_status ORDER BY At DESC LIMIT 1 BY Promise")}
    orders, slow = Fraction(60, 480) / Fraction("0.01"), Fraction(60, 480) / Fraction("0.05")
    assert told["orders-alone"]["BudgetRemaining"] == told["orders-work"]["BudgetRemaining"] == float(1 - orders)
    assert told["journey"]["BudgetRemaining"] == float(1 - orders - 2 * slow)
    assert (told["journey-by-minutes"]["Good"], told["journey-by-minutes"]["Valid"]) == (2, 4)
    assert (told["journey-by-shares"]["Good"], told["journey-by-shares"]["Valid"]) == (3, 4)
    assert told["journey-by-minutes"]["BudgetRemaining"] == float(1 - Fraction(2, 4) / Fraction("0.01"))
    assert {name for name, row in told.items() if row["State"] == "breached"} == {*told} - {"journey-by-shares"}
    assert {row["Coverage"] for row in told.values()} == {1.0}
    states = rows(store, "SELECT Promise, State FROM slice_states WHERE State != 'empty' ORDER BY Promise, Slice")
    by_minutes = [row["State"] for row in states if row["Promise"] == "journey-by-minutes"]
    assert by_minutes == ["good", "bad", "good", "bad"]
    _same_breaches_alone_and_composed(store)
    _evidence_names_every_member(store)
    _the_page_shows_them(store, clock)


def _same_breaches_alone_and_composed(store: Store) -> None:
    """An SLO over one objective with an indicator of its own is the SLO over that indicator."""
    columns = "Event, Previous, State, At, Since, Window, Good, Valid, Target, BurnRate, Threshold, EvidenceTraceIds"
    alone, composed, journey = (
        rows(store, f"SELECT {columns} FROM breaches WHERE Promise = '{name}' ORDER BY At")
        for name in ("orders-alone", "orders-work", "journey")
    )
    assert [row["Event"] for row in alone] == ["measured", "burn_started", "target_missed"]
    assert composed == alone
    assert [(row["Event"], row["Since"]) for row in journey] == [(row["Event"], row["Since"]) for row in alone]
    (incident,) = rows(store, "SELECT * FROM incidents_current")
    assert {"orders-alone", "orders-work", "journey"} <= set(incident["Promises"])
    assert incident["StartedAt"] == START + timedelta(seconds=60)


def _evidence_names_every_member(store: Store) -> None:
    """And counts each of them again."""
    found = rows(store, "SELECT * FROM breaches WHERE Promise = 'journey' AND Event = 'target_missed'")
    (evidence,) = [json.loads(row["Evidence"]) for row in found]
    assert evidence["members"] == [
        {"indicator": "orders", "target": 0.99, "weight": 1.0},
        {"indicator": "quick/lte-500ms", "target": 0.95, "weight": 2.0},
    ]
    counted = rows(store, evidence["sql"])
    assert [(row["Indicator"], row["Valid"]) for row in counted] == [("orders", 140), ("quick/lte-500ms", 140)]


def _the_page_shows_them(store: Store, clock: FakeClock) -> None:
    """After the promises over one indicator, with a query for the counts of every member."""
    snapshot = Page(store.reader.query, clock).read()
    (component,) = snapshot.components
    assert component.promises[0].name == "orders-alone"
    journey = next(one for one in component.promises if one.name == "journey")
    assert [name for name, _ in journey.members] == ["orders", "quick/lte-500ms"]
    assert [(row["good"], row["valid"]) for row in rows(store, recount_sql(journey))] == [(420, 480), (420, 480)]
    pages = Site(snapshot, datetime.fromtimestamp(clock.now_ns() / 10**9, UTC), name="Shop", url="https://status.test")
    body = pages.find("/evidence/journey").body.decode()
    assert "composed of 2 measurements" in body
    assert "gives what each measurement counted" in body
    assert pages.find("/").status == 200


def test_a_changed_composite_is_held_against_what_was_counted(
    store: Store, objectives: Objectives, tmp_path: Path
) -> None:
    """Another weight, over the same slices."""
    clock = play(store, objectives, looks=False)
    method, told = SLOS["journey"]
    changed = SLOS | {"journey": (method, [one.replace("compositeWeight: 2", "compositeWeight: 4") for one in told])}
    documents = DOCUMENTS + "".join(slo(name, *each) for name, each in changed.items())
    now = datetime.fromtimestamp(clock.now_ns() / 10**9, UTC)
    (found,) = differences(store.reader.query, objectives_of(tmp_path / "changed", documents), now)
    assert found.before is not None
    assert found.after is not None
    assert found.before.remaining == 1 - Fraction("12.5") - 2 * Fraction("2.5")
    assert found.after.remaining == 1 - Fraction("12.5") - 4 * Fraction("2.5")


def test_where_a_member_was_not_heard_the_whole_is_held(store: Store, tmp_path: Path) -> None:
    """Logs that nobody listened for: the outage of the other member shows, and its end does not end the alert."""
    logs = """---
apiVersion: openslo/v1
kind: SLI
metadata: {name: receipts}
spec:
  ratioMetric:
    bad: {metricSource: {type: andon, spec: {signal: logs, where: {severity: error}}}}
    total: {metricSource: {type: andon, spec: {signal: logs, where: {resource.service.name: mail}}}}
"""
    told = ["indicatorRef: orders, target: 0.99", "indicatorRef: receipts, target: 0.9, compositeWeight: 2"]
    objectives = objectives_of(tmp_path / "logs", DOCUMENTS + logs + slo("journey", "Occurrences", told))
    journey = next(one for one in objectives.promises if one.name == "journey")
    assert journey.signals == ("traces", "logs")
    clock = FakeClock(START + timedelta(seconds=60))
    store.client.command(
        "INSERT INTO receiver_ledger (Worker, Signal, Slice, ListeningMs) SELECT 'w', 'traces', "
        f"toDateTime({int(START.timestamp())} + 60 - 10 * number, 'UTC'), 10000 FROM numbers({35 * 8_640})"
    )
    row = {
        "Indicator": "orders",
        "Generation": objectives.indicators[0].generation,
        "Group": "",
        "Good": 10,
        "Valid": 20,
    }
    store.client.write("sli_slices", [row | {"Slice": int(START.timestamp())}], token="one")
    Evaluator(objectives, store.client.query, store.client.write, clock, EvaluateConfig()).tick()
    (status,) = rows(store, "SELECT * FROM slo_status WHERE Promise = 'journey' ORDER BY At DESC LIMIT 1")
    assert (status["Coverage"], status["State"]) == (0.0, "breached")
    assert status["BudgetRemaining"] == -49
    assert status["Lower"] == pytest.approx(1 - 70 / 120)
    assert status["Upper"] == pytest.approx(1 - 50 / 120)
