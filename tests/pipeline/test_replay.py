"""The same requests, however they come, close the same books: byte for byte, from chunk to record."""

import random
from collections.abc import Sequence
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from fixtures.documents import around
from fixtures.engine import Engine
from fixtures.spans import FakeSpan, request
from fixtures.store import Store, open_store
from pipeline.clock import FakeClock, SystemClock, to_ns
from pipeline.evaluate import Evaluator
from pipeline.lane import ChunkProcessor
from pipeline.passage import unwatched
from processors.incidents.config import EvaluateConfig
from processors.sli.slices import SliceCounter
from processors.slo.documents import load_objectives
from processors.slo.objectives import Objectives
from processors.stored.config import ProcessorsConfig
from processors.stored.data import StoredData
from receivers.otlp.limits import DEFAULT
from receivers.otlp.signals import TRACES

DOCUMENTS = (
    around("orders", "shop")
    + """---
apiVersion: openslo/v1
kind: SLO
metadata: {name: daily}
spec:
  service: shop
  indicatorRef: orders
  timeWindow: [{duration: 1d, calendar: {startTime: 2026-01-01 00:00:00, timeZone: UTC}}]
  budgetingMethod: Timeslices
  objectives: [{target: 0.9, timeSliceTarget: 0.95, timeSliceWindow: 1m}]
---
apiVersion: andon/v1
kind: Agreement
metadata: {name: terms}
spec:
  service: shop
  period: month
  law: {type: mean_interval_availability, slice: 5m}
  objectives: [{indicatorRef: orders, target: 0.99}]
"""
)
MIDNIGHT = datetime(2026, 10, 31, tzinfo=UTC)
BEGIN = MIDNIGHT + timedelta(hours=23, minutes=40)  # the last minutes of a day, a month and an hour
MINUTES, PER_MINUTE = 18, 4
CLOSED = MIDNIGHT + timedelta(days=5)


@pytest.fixture(scope="module")
def objectives(tmp_path_factory: pytest.TempPathFactory) -> Objectives:
    folder: Path = tmp_path_factory.mktemp("slo")
    (folder / "all.yaml").write_text(DOCUMENTS)
    return load_objectives(folder)


def spans() -> list[FakeSpan]:
    """Requests that fail by half in three of the minutes."""
    failing = {4, 5, 11}
    return [
        FakeSpan(
            at_ms=60_000 * minute + 15_000 * number,
            trace_id=1 + minute * PER_MINUTE + number,
            status="ERROR" if minute in failing and number % 2 else "UNSET",
        )
        for minute in range(MINUTES)
        for number in range(PER_MINUTE)
    ]


def records(engine: Engine, objectives: Objectives, order: Sequence[int], seed: int) -> list[str]:
    """What the books say when the requests come in this order, cut into chunks and with restarts by `seed`."""
    chance = random.Random(seed)
    store = open_store(engine, f"replay_{random.getrandbits(40):x}")
    try:
        clock = FakeClock(BEGIN)
        evaluator = evaluator_of(store, objectives, clock)
        listened(store)
        evaluator.tick()  # from here on it is promised
        processor, every = processor_of(store, objectives), spans()
        for number, chunk in enumerate(pieces(order, chance)):
            for _ in range(chance.choice([1, 1, 2])):  # a chunk is replayed when nobody could say that it was stored
                body = request([every[place] for place in chunk], to_ns(BEGIN))
                processor.store(f"chunk {number}", to_ns(BEGIN + timedelta(minutes=20)), body)
            if chance.random() < 0.4:
                clock.advance(chance.choice([2, 60, 300]))
                evaluator = evaluator_of(store, objectives, clock) if chance.random() < 0.5 else evaluator
                evaluator.tick()
        clock.advance((CLOSED - BEGIN).total_seconds())
        evaluator_of(store, objectives, clock).tick()
        rows = store.client.query("SELECT Record FROM period_results ORDER BY Promise, PeriodStart").to_pylist()
        return [row["Record"] for row in rows]
    finally:
        store.client.command(f"DROP DATABASE {store.client.database}")
        store.client.close()
        store.reader.close()


def pieces(order: Sequence[int], chance: random.Random) -> list[list[int]]:
    """Chunks of any size."""
    rest, chunks = list(order), []
    while rest:
        size = chance.randint(1, 30)
        chunks.append(rest[:size])
        rest = rest[size:]
    return chunks


def evaluator_of(store: Store, objectives: Objectives, clock: FakeClock) -> Evaluator:
    return Evaluator(objectives, store.client.query, store.client.write, clock, EvaluateConfig())


def processor_of(store: Store, objectives: Objectives) -> ChunkProcessor:
    return ChunkProcessor(
        TRACES,
        limits=DEFAULT,
        counter=SliceCounter(objectives.indicators),
        stored=StoredData(ProcessorsConfig(), objectives.indicators),
        client=store.client,
        telemetry=unwatched(SystemClock()),
    )


def listened(store: Store) -> None:
    """Somebody listened from the 31st on, but for two minutes."""
    start_s, end_s = int(MIDNIGHT.timestamp()), int((MIDNIGHT + timedelta(days=2)).timestamp())
    gap_s = int((BEGIN + timedelta(minutes=8)).timestamp())
    store.client.command(
        "INSERT INTO receiver_ledger (Worker, Signal, Slice, ListeningMs) "
        f"SELECT 'w', 'traces', toDateTime({start_s} + 10 * number, 'UTC') AS at, "
        f"if(at >= toDateTime({gap_s}, 'UTC') AND at < toDateTime({gap_s + 120}, 'UTC'), 0, 10000) "
        f"FROM numbers({(end_s - start_s) // 10})"
    )


def test_oracle_22_however_requests_come_the_books_close_the_same(clickhouse: Engine, objectives: Objectives) -> None:
    """Shuffled, split, late, in chunks that come twice, with the evaluator started again at any moment."""
    in_order = list(range(MINUTES * PER_MINUTE))
    expected = records(clickhouse, objectives, in_order, 0)
    assert [record.count('"verdict":"') for record in expected] == [1, 1, 1]
    assert '"period":"2026-10"' in "".join(expected)

    @settings(max_examples=4, deadline=None, suppress_health_check=list(HealthCheck))
    @given(order=st.permutations(in_order), seed=st.integers(0, 1 << 30))
    def holds(order: list[int], seed: int) -> None:
        assert records(clickhouse, objectives, order, seed) == expected

    holds()
