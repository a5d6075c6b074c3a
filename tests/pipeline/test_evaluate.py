"""The evaluator on a real engine: a timeline of requests in, breaches and incidents out, whatever is interrupted."""

import json
import random
import socket
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
from pydantic import SecretStr

from exporters.clickhouse.client import ClickHouseConfig, Client, Credentials
from fixtures.engine import Engine, start_engine
from fixtures.store import Store, open_store
from pipeline.clock import FakeClock
from pipeline.component import Write
from pipeline.errors import RetryableError
from pipeline.evaluate import Evaluator
from processors.incidents.config import EvaluateConfig
from processors.slo.documents import load_objectives
from processors.slo.objectives import Objectives

START = datetime(2026, 11, 22, 10, tzinfo=UTC)
TRACE = "4bf92f3577b34da6a3ce929d0e0e4736"
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
    total: {metricSource: {type: andon, spec: {where: {kind: server}, groupBy: span.shop}}}
---
apiVersion: openslo/v1
kind: SLI
metadata: {name: quick-orders}
spec:
  ratioMetric:
    good: {metricSource: {type: andon, spec: {where: {duration: {lte: 500ms}}}}}
    total: {metricSource: {type: andon, spec: {where: {kind: server}}}}
---
apiVersion: openslo/v1
kind: SLO
metadata: {name: orders-work}
spec:
  service: checkout
  indicatorRef: orders
  timeWindow: [{duration: 30d, isRolling: true}]
  budgetingMethod: Occurrences
  objectives: [{target: 0.99}]
---
apiVersion: openslo/v1
kind: SLO
metadata: {name: orders-fast}
spec:
  service: checkout
  indicatorRef: quick-orders
  timeWindow: [{duration: 30d, isRolling: true}]
  budgetingMethod: Occurrences
  objectives: [{target: 0.95}]
---
apiVersion: andon/v1
kind: Agreement
metadata: {name: terms}
spec: {service: checkout, period: month, law: request_ratio, objectives: [{indicatorRef: orders, target: 0.9}]}
"""
# Good of valid orders per slice; every slice's 20 orders come from two shops.
STORY = [20] * 6 + [8] * 5 + [20] * 13
TABLES = ("breaches", "incidents", "incident_updates")


def objectives_of(folder: Path, documents: str = DOCUMENTS) -> Objectives:
    folder.mkdir(parents=True, exist_ok=True)
    (folder / "all.yaml").write_text(documents)
    return load_objectives(folder)


@pytest.fixture(scope="module")
def objectives(tmp_path_factory: pytest.TempPathFactory) -> Objectives:
    return objectives_of(tmp_path_factory.mktemp("slo"))


@pytest.fixture(scope="module")
def undisturbed(clickhouse: Engine, objectives: Objectives) -> dict[str, list[dict[str, Any]]]:
    """What the story leaves behind when nothing goes wrong."""
    return outcome(clickhouse, objectives)


def slices_of(objectives: Objectives, number: int, good: int, *, valid: int = 20) -> list[dict[str, Any]]:
    """What ingest would have written for slice `number` of the story."""
    start = START + timedelta(seconds=10 * number)
    generations = {indicator.name: indicator.generation for indicator in objectives.indicators}

    def row(indicator: str, group: str, good: int, valid: int) -> dict[str, Any]:
        return {
            "Indicator": indicator,
            "Generation": generations[indicator],
            "Group": group,
            "Slice": int(start.timestamp()),
            "Good": good,
            "Valid": valid,
            "Late": 0,
            "BadTraceIds": [TRACE] if good < valid else [],
            "ReceivedAt": start + timedelta(seconds=10),
        }

    return [
        row("orders", "north", good // 2, valid // 2),
        row("orders", "south", good - good // 2, valid - valid // 2),
        row("quick-orders", "", valid, valid),
    ]


def evaluator(store: Store, objectives: Objectives, clock: FakeClock, write: Write | None = None) -> Evaluator:
    return Evaluator(objectives, store.client.query, write or store.client.write, clock, EvaluateConfig())


def rows(store: Store, sql: str) -> list[dict[str, Any]]:
    found: list[dict[str, Any]] = store.reader.query(sql).to_pylist()
    return found


def written(store: Store) -> dict[str, list[dict[str, Any]]]:
    """Everything that was decided, in order."""
    return {table: rows(store, f"SELECT * FROM {table} ORDER BY ALL") for table in TABLES}


def listened(store: Store, slices: int) -> None:
    """Somebody listened in all of the story's slices and the month before."""
    end_s, before = int(START.timestamp()) + 10 * slices, 35 * 8_640
    store.client.command(
        "INSERT INTO receiver_ledger (Worker, Signal, Slice, ListeningMs) "
        f"SELECT 'w', 'traces', toDateTime({end_s} - 10 * (1 + number), 'UTC'), 10000 FROM numbers({before + slices})"
    )


def play(
    store: Store,
    objectives: Objectives,
    make: Callable[[FakeClock], Evaluator],
    *,
    story: Sequence[int] = STORY,
    restart: bool = False,
    always_heard: bool = True,
) -> None:
    """The story in slices: each is stored and then looked at."""
    clock = FakeClock(START)
    looking = make(clock)
    if always_heard:
        listened(store, len(story))
    for number, good in enumerate(story):
        store.client.write("sli_slices", slices_of(objectives, number, good), token=f"slice {number}")
        clock.advance(10)
        looking = make(clock) if restart else looking
        looking.tick()


def test_an_outage_is_recorded_told_and_resolved(store: Store, objectives: Objectives) -> None:
    """A minute well, fifty seconds in which 3 of 5 orders fail, then well."""
    play(store, objectives, lambda clock: evaluator(store, objectives, clock))
    steps = rows(store, "SELECT Promise, Event, Previous, State, Since FROM breaches ORDER BY Promise, At")
    fault = START + timedelta(seconds=60)
    assert [tuple(step.values()) for step in steps] == [
        ("orders-fast", "measured", "no_data", "met", START + timedelta(seconds=10)),
        ("orders-work", "measured", "no_data", "met", START + timedelta(seconds=10)),
        ("orders-work", "burn_started", "met", "at_risk", fault),
        ("orders-work", "target_missed", "at_risk", "breached", fault),
        ("terms", "measured", "no_data", "met", START + timedelta(seconds=10)),
        ("terms", "burn_started", "met", "at_risk", fault),
        ("terms", "target_missed", "at_risk", "breached", fault),
    ]
    (incident,) = rows(store, "SELECT * FROM incidents_current")
    assert incident["State"] == "resolved"
    assert incident["StartedAt"] == fault
    assert incident["DetectedAt"] == START + timedelta(seconds=70)
    assert sorted(incident["Promises"]) == ["orders-work", "terms"]
    assert (incident["Good"], incident["Valid"]) == (40, 100)
    assert incident["Title"] == "About 3 in 5 Checkout requests failed"
    assert incident["Impact"] == "critical"
    updates = rows(store, "SELECT Status, Body, Automatic, Author FROM incident_updates ORDER BY At")
    assert [update["Body"] for update in updates] == [
        "Measurement crossed the promised level; opened automatically after 10 s.",
        "Requests succeed again; watching.",
        "Resolved after 50 s; about 3 in 5 requests failed while it lasted.",
    ]
    assert [update["Status"] for update in updates] == ["investigating", "monitoring", "resolved"]
    assert {(update["Automatic"], update["Author"]) for update in updates} == {(True, "andon")}


def test_evidence_can_be_counted_again(store: Store, objectives: Objectives) -> None:
    """The query beside each breach gives its counts, and its trace is one that was bad."""
    play(store, objectives, lambda clock: evaluator(store, objectives, clock), story=STORY[:11])
    found = rows(store, "SELECT * FROM breaches WHERE Event != 'measured'")
    assert found
    for row in found:
        assert row["EvidenceTraceIds"] == [TRACE]
        (counted,) = rows(store, f"{json.loads(row['Evidence'])['sql']} AND Slice < '{row['At']:%Y-%m-%d %H:%M:%S}'")
        assert (counted["Good"], counted["Valid"]) == (row["Good"], row["Valid"])


def test_status_says_what_is_known_now(store: Store, objectives: Objectives) -> None:
    """Counts of the promise's own window, of its alerts and of the newest minute, and how much was measured."""
    for number in range(11):
        ledger = {
            "Worker": "w",
            "Signal": "traces",
            "Slice": int(START.timestamp()) + 10 * number,
            "ListeningMs": 10_000 if number % 2 else 4_000,
            "Accepted": 20,
            "Refused": 0,
            "Shed": 0,
        }
        store.client.write("receiver_ledger", [ledger], token=f"ledger {number}")
    play(store, objectives, lambda clock: evaluator(store, objectives, clock), story=STORY[:11], always_heard=False)
    (status,) = rows(store, "SELECT * FROM slo_status WHERE Promise = 'orders-work' ORDER BY At DESC LIMIT 1")
    assert (status["State"], status["Good"], status["Valid"]) == ("breached", 160, 220)
    assert (status["LiveGood"], status["LiveValid"]) == (60, 120)
    assert status["BudgetRemaining"] == pytest.approx(1 - (60 / 220) / 0.01)
    assert status["Windows.Name"] == ["1h", "5m", "6h", "30m", "1d", "2h", "3d"]
    assert status["Windows.Valid"] == [220] * 7
    assert status["WindowEnd"] - status["WindowStart"] == timedelta(days=30)
    assert status["LastEventAt"] == START + timedelta(seconds=110)
    (month,) = rows(store, "SELECT * FROM slo_status WHERE Promise = 'terms' ORDER BY At DESC LIMIT 1")
    assert (month["Kind"], month["Law"]) == ("Agreement", "request_ratio")
    assert (month["WindowStart"], month["WindowEnd"]) == (
        datetime(2026, 11, 1, tzinfo=UTC),
        datetime(2026, 12, 1, tzinfo=UTC),
    )
    assert 0 < month["Coverage"] < 0.001


def test_coverage_is_the_share_of_time_in_which_somebody_listened(store: Store, tmp_path: Path) -> None:
    """Two workers: where one is deaf the other is heard; a slice where none was is a hole."""
    hourly = DOCUMENTS.replace("duration: 30d", "duration: 1h")
    objectives = objectives_of(tmp_path / "hourly", hourly)
    first = int(START.timestamp()) - 3_600
    for number in range(360):
        heard = {"a": 10_000 if number < 180 else 0, "b": 5_000 if 90 <= number < 270 else 0}
        ledger = [
            {"Worker": worker, "Signal": "traces", "Slice": first + 10 * number, "ListeningMs": heard[worker]}
            | dict.fromkeys(("Accepted", "Refused", "Shed"), 0)
            for worker in ("a", "b")
        ]
        if number % 90 == 0:
            batch: list[dict[str, Any]] = []
        batch += ledger
        if number % 90 == 89:
            store.client.write("receiver_ledger", batch, token=f"ledger {number}")
    evaluator(store, objectives, FakeClock(START)).tick()
    (status,) = rows(store, "SELECT Coverage FROM slo_status WHERE Promise = 'orders-work'")
    assert status["Coverage"] == pytest.approx((180 + 45) / 360)


def test_restarting_before_every_tick_changes_nothing(
    clickhouse: Engine, objectives: Objectives, undisturbed: dict[str, list[dict[str, Any]]]
) -> None:
    """A tick depends on the store and the time, and on nothing else."""
    assert outcome(clickhouse, objectives, restart=True) == undisturbed


def test_ticks_that_are_cut_off_are_finished_by_the_next_one(
    clickhouse: Engine, objectives: Objectives, undisturbed: dict[str, list[dict[str, Any]]]
) -> None:
    """Every third write fails, before or after it is done: same incidents, same breaches, each row once."""
    torn = outcome(clickhouse, objectives, torn=True)
    for table, column in (("breaches", "Id"), ("incident_updates", "Id")):
        assert len({row[column] for row in torn[table]}) == len(torn[table])
    for table, columns in (("breaches", ("Promise", "Event", "State")), ("incidents", ("Id", "Revision", "State"))):
        assert columns_of(torn[table], *columns) == columns_of(undisturbed[table], *columns)
    assert {row["Body"].partition(";")[0] for row in torn["incident_updates"]} >= {
        "Requests succeed again",
        "Resolved after 50 s",
    }


def columns_of(found: list[dict[str, Any]], *columns: str) -> list[tuple[Any, ...]]:
    return sorted(tuple(row[column] for column in columns) for row in found)


class Torn:
    """A connection that breaks on every third write: now before the store has it, now after."""

    def __init__(self, write: Write) -> None:
        self._write = write
        self._calls = 0

    def __call__(self, table: str, rows: Sequence[Mapping[str, Any]], *, token: str) -> None:
        self._calls += 1
        if self._calls % 6 == 3:
            raise RetryableError("lost on the way there")
        self._write(table, rows, token=token)
        if self._calls % 6 == 0:
            raise RetryableError("lost on the way back")


def outcome(
    engine: Engine, objectives: Objectives, *, restart: bool = False, torn: bool = False
) -> dict[str, list[dict[str, Any]]]:
    """All that the story leaves behind, in a database of its own."""
    database = f"outcome_{restart}_{torn}_{random.getrandbits(32):x}".lower()
    store = open_store(engine, database)
    write = Torn(store.client.write) if torn else store.client.write
    try:
        if torn:
            stubborn_play(store, objectives, write)
        else:
            play(store, objectives, lambda clock: evaluator(store, objectives, clock, write), restart=restart)
        return written(store)
    finally:
        store.client.command(f"DROP DATABASE {database}")
        store.client.close()
        store.reader.close()


def stubborn_play(store: Store, objectives: Objectives, write: Write) -> None:
    """As `play`, but a tick that fails is followed by another one 100 ms later."""
    clock = FakeClock(START)
    looking = evaluator(store, objectives, clock, write)
    listened(store, len(STORY))
    for number, good in enumerate(STORY):
        store.client.write("sli_slices", slices_of(objectives, number, good), token=f"slice {number}")
        clock.advance(9)
        while not ticks(looking):
            clock.advance(0.1)
        clock.advance(1 - (clock.now_ns() % 10**9) / 10**9)


def ticks(looking: Evaluator) -> bool:
    try:
        looking.tick()
    except RetryableError:
        return False
    return True


def test_order_and_pieces_of_the_sums_do_not_matter(store: Store, objectives: Objectives) -> None:
    """Shuffled, split in two, and all before the first look."""
    pieces = [row for number, good in enumerate(STORY[:11]) for row in slices_of(objectives, number, good)]
    halves = [
        row | {"Good": good, "Valid": valid}
        for row in pieces
        for good, valid in (
            (row["Good"] // 2, row["Valid"] // 2),
            (row["Good"] - row["Good"] // 2, row["Valid"] - row["Valid"] // 2),
        )
    ]
    random.Random(7).shuffle(halves)
    for number in range(0, len(halves), 20):
        store.client.write("sli_slices", halves[number : number + 20], token=f"piece {number}")
    evaluator(store, objectives, FakeClock(START + timedelta(seconds=110))).tick()
    (status,) = rows(store, "SELECT Good, Valid, State FROM slo_status WHERE Promise = 'orders-work'")
    assert (status["Good"], status["Valid"], status["State"]) == (160, 220, "breached")
    (incident,) = rows(store, "SELECT StartedAt FROM incidents_current")
    assert incident["StartedAt"] == START + timedelta(seconds=60)


def test_late_requests_count_where_they_belong(store: Store, objectives: Objectives) -> None:
    """An hour late: they change the window they are in, and open nothing."""
    clock = FakeClock(START)
    looking = evaluator(store, objectives, clock)
    for number in range(6):
        store.client.write("sli_slices", slices_of(objectives, number, 20), token=f"slice {number}")
    clock.advance(60)
    looking.tick()
    clock.advance(3_600)
    store.client.write("sli_slices", slices_of(objectives, 1, 0), token="late")
    store.client.write("sli_slices", slices_of(objectives, 365, 20), token="now")
    looking.tick()
    (status,) = rows(store, "SELECT Good, Valid FROM slo_status WHERE Promise = 'orders-work' ORDER BY At DESC LIMIT 1")
    assert (status["Good"], status["Valid"]) == (140, 160)
    assert rows(store, "SELECT count() AS n FROM incidents") == [{"n": 0}]
    (breach,) = rows(store, "SELECT Since FROM breaches WHERE Promise = 'orders-work' AND Event = 'target_missed'")
    assert breach["Since"] == START + timedelta(seconds=10)


def test_nothing_measured_is_told_as_nothing(store: Store, objectives: Objectives) -> None:
    """No data, no breach, no percentage."""
    evaluator(store, objectives, FakeClock(START)).tick()
    status = rows(
        store, "SELECT DISTINCT State, Good, Valid, Coverage, toUnixTimestamp(LastEventAt) AS last FROM slo_status"
    )
    assert status == [{"State": "no_data", "Good": 0, "Valid": 0, "Coverage": 0.0, "last": 0}]
    assert written(store) == {table: [] for table in TABLES}


def test_status_is_told_when_it_changes_and_every_half_minute(store: Store, objectives: Objectives) -> None:
    """A quiet promise costs two rows a minute."""
    clock = FakeClock(START)
    looking = evaluator(store, objectives, clock)
    for _ in range(31):
        looking.tick()
        clock.advance(2)
    assert rows(store, "SELECT count() AS n FROM slo_status WHERE Promise = 'terms'") == [{"n": 3}]
    store.client.write("sli_slices", slices_of(objectives, 5, 20), token="traffic")
    looking.tick()
    assert rows(store, "SELECT count() AS n FROM slo_status WHERE Promise = 'terms'") == [{"n": 4}]


def test_definitions_in_force_are_remembered_once(store: Store, objectives: Objectives, tmp_path: Path) -> None:
    """A second life adds nothing; what was withdrawn is no longer in force, and may come back."""
    clock = FakeClock(START)
    for _ in range(2):
        clock.advance(1)
        evaluator(store, objectives, clock).tick()
    first = rows(store, "SELECT Kind, Name, Active, Service, Document FROM definitions ORDER BY Kind, Name")
    assert [(row["Kind"], row["Name"]) for row in first] == [
        ("Agreement", "terms"),
        ("SLI", "orders"),
        ("SLI", "quick-orders"),
        ("SLO", "orders-fast"),
        ("SLO", "orders-work"),
        ("Service", "checkout"),
    ]
    assert json.loads(first[0]["Document"])["spec"]["law"] == "request_ratio"
    fewer = objectives_of(tmp_path / "fewer", DOCUMENTS.rpartition("---")[0])
    for wanted in (fewer, objectives, fewer):
        clock.advance(1)
        evaluator(store, wanted, clock).tick()
    changes = rows(store, "SELECT Active FROM definitions WHERE Name = 'terms' ORDER BY At")
    assert [row["Active"] for row in changes] == [True, False, True, False]
    assert rows(store, "SELECT count() AS n FROM definitions") == [{"n": 9}]


def test_an_incident_is_closed_when_its_promises_are_withdrawn(
    store: Store, objectives: Objectives, tmp_path: Path
) -> None:
    """It would stay open for ever."""
    play(store, objectives, lambda clock: evaluator(store, objectives, clock), story=STORY[:9])
    without = objectives_of(tmp_path / "without", DOCUMENTS.partition("---")[0])
    evaluator(store, without, FakeClock(START + timedelta(seconds=200))).tick()
    (incident,) = rows(store, "SELECT State, ResolvedAt FROM incidents_current")
    assert incident == {"State": "resolved", "ResolvedAt": START + timedelta(seconds=200)}


@dataclass(frozen=True)
class Away:
    """Where an engine will be, and a client that is ready for it."""

    port: int
    client: Client


@pytest.fixture
def away() -> Iterator[Away]:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
    config = ClickHouseConfig(endpoint=f"http://127.0.0.1:{port}", database="andon")
    client = Client(config, Credentials(username="andon", password=SecretStr("andon-secret")))
    yield Away(port, client)
    client.close()


def test_it_waits_for_a_store_that_is_away(away: Away, objectives: Objectives, tmp_path: Path) -> None:
    """Started before the engine, it evaluates as soon as there is one, and stops when told."""
    clock = FakeClock(START)
    looking = Evaluator(objectives, away.client.query, away.client.write, clock, EvaluateConfig())
    with pytest.raises(RetryableError, match="ClickHouse is away"):
        looking.tick()
    looking.start()
    engine = start_engine(tmp_path / "data", port=away.port)
    try:
        store = open_store(engine, "andon")
        for _ in range(200):
            clock.advance(2)
            if rows(store, "SELECT count() AS n FROM slo_status") != [{"n": 0}]:
                break
        else:
            pytest.fail("it never evaluated")
        store.client.close()
        store.reader.close()
    finally:
        looking.shutdown()
        looking.shutdown()
        engine.stop()
