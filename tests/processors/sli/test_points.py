"""Deriving from the store: told once, whatever is restarted, doubled or late."""

import random
from collections.abc import Mapping, Sequence
from datetime import timedelta
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from fixtures.otlp_bodies import as_bytes, request_of
from fixtures.spans import NOON_NS
from fixtures.store import Store
from pipeline.clock import SystemClock, to_datetime
from pipeline.errors import RetryableError
from pipeline.lane import ChunkProcessor
from pipeline.passage import unwatched
from processors.sli.indicator import Indicator
from processors.sli.points import LATENESS_S, PointDeriver
from processors.sli.selector import Selector
from processors.sli.slices import SliceCounter
from processors.sli.sql import recount
from processors.stored.config import ProcessorsConfig
from processors.stored.data import StoredData
from receivers.otlp.limits import DEFAULT
from receivers.otlp.signals import METRICS

S = 10**9
NOON = to_datetime(NOON_NS)
NOON_S = NOON_NS // S
CUMULATIVE = 2
STEP_S, STEPS = 10, 20


def metrics(**where: Any) -> Selector:
    return Selector.model_validate({"signal": "metrics", "where": where})


FAST = Indicator(
    name="fast",
    generation="1",
    valid=metrics(name="http.server.request.duration"),
    good=metrics(value={"lte": 0.25}),
    group_by="point.http.route",
)
WORKS = Indicator(
    name="works", generation="1", valid=metrics(name="requests"), bad=metrics(**{"point.code": {"prefix": "5"}})
)
PAID = Indicator(name="paid", generation="1", valid=metrics(name="orders"), bad=metrics(name="orders.failed"))
ROOM = Indicator(name="room", generation="1", valid=metrics(name="load"), good=metrics(value={"lte": 0.8}))


class Crashing:
    """A way to write that fails before or after its n-th insert, as a program that is killed does."""

    def __init__(self, store: Store, at: int, *, after: bool) -> None:
        self._store, self._left, self._after = store, at, after

    def __call__(self, table: str, rows: Sequence[Mapping[str, Any]], *, token: str) -> None:
        self._left -= 1
        if self._left == 0 and not self._after:
            raise RetryableError("killed")
        self._store.client.write(table, rows, token=token)
        if self._left == 0:
            raise RetryableError("killed")


def ingest(store: Store, items: list[dict[str, Any]], at_s: int, chunk: str = "c") -> None:
    """Metrics through the very steps of ingest, received `at_s` after noon."""
    indicators = [FAST, WORKS, PAID, ROOM]
    processor = ChunkProcessor(
        METRICS,
        limits=DEFAULT,
        counter=SliceCounter(indicators),
        stored=StoredData(ProcessorsConfig(), indicators),
        client=store.client,
        telemetry=unwatched(SystemClock()),
    )
    processor.store(f"{chunk}-{at_s}", NOON_NS + at_s * S, request_of("metrics", as_bytes(items)))


def a_sum(name: str, value: float, at_s: int, **attributes: str) -> dict[str, Any]:
    point = {
        "start_time_unix_nano": NOON_NS,
        "time_unix_nano": NOON_NS + at_s * S,
        "as_double": value,
        "attributes": [{"key": key, "value": {"string_value": text}} for key, text in attributes.items()],
    }
    return {
        "name": name,
        "sum": {"aggregation_temporality": CUMULATIVE, "is_monotonic": True, "data_points": [point]},
    }


def told(store: Store, indicator: Indicator, column: str = "Valid") -> dict[int, int]:
    """What `sli_slices` has, by seconds after noon."""
    rows = store.reader.query(
        f"SELECT toUnixTimestamp(Slice) AS slice, sum({column}) AS n FROM sli_slices "
        f"WHERE Indicator = '{indicator.name}' GROUP BY slice ORDER BY slice"
    ).to_pylist()
    return {row["slice"] - NOON_S: row["n"] for row in rows}


def at(seconds: float) -> Any:
    return NOON + timedelta(seconds=seconds)


def test_counters_are_counted_once_their_lateness_is_over(store: Store) -> None:
    """What is good follows from an attribute of the series; nothing is told before its time."""
    deriver = PointDeriver(store.client.query, store.client.write)
    for step in (1, 2):
        points = [a_sum("requests", 10 * step, 10 * step, code="200"), a_sum("requests", step, 10 * step, code="503")]
        ingest(store, points, 10 * step)
    deriver.tick(at(10 + LATENESS_S - 1))
    assert told(store, WORKS) == {}
    deriver.tick(at(10 + LATENESS_S))
    assert told(store, WORKS) == {0: 11}
    deriver.tick(at(20 + LATENESS_S))
    assert told(store, WORKS) == {0: 11, 10: 11}
    assert told(store, WORKS, "Good") == {0: 10, 10: 10}
    assert told(store, WORKS, "Late") == {0: 0, 10: 0}


def test_failures_of_a_metric_of_their_own_are_taken_from_all(store: Store) -> None:
    """And where there are none, nothing failed."""
    ingest(store, [a_sum("orders", 8, 10)], 10)
    ingest(store, [a_sum("orders", 16, 20), a_sum("orders.failed", 0, 10), a_sum("orders.failed", 3, 20)], 20)
    PointDeriver(store.client.query, store.client.write).tick(at(500))
    assert (told(store, PAID), told(store, PAID, "Good")) == ({0: 8, 10: 8}, {0: 8, 10: 5})


def test_histograms_are_counted_by_their_buckets_and_groups(store: Store) -> None:
    """0.25 is a bound, and belongs to what is fast."""
    point = {
        "start_time_unix_nano": NOON_NS,
        "time_unix_nano": NOON_NS + 10 * S,
        "count": 9,
        "bucket_counts": [4, 2, 3],
        "explicit_bounds": [0.1, 0.25],
        "attributes": [{"key": "http.route", "value": {"string_value": "/pay"}}],
    }
    metric = {
        "name": "http.server.request.duration",
        "histogram": {"aggregation_temporality": 1, "data_points": [point]},
    }
    ingest(store, [metric], 11)
    PointDeriver(store.client.query, store.client.write).tick(at(500))
    rows = store.reader.query("SELECT Indicator, `Group`, Good, Valid FROM sli_slices").to_pylist()
    assert rows == [{"Indicator": "fast", "Group": "/pay", "Good": 6, "Valid": 9}]


def test_gauges_are_counted_where_they_are_received(store: Store) -> None:
    """Each point is an event; nobody has to wait for its neighbours."""
    values = (0.5, 0.8, 0.9)
    points = [{"time_unix_nano": NOON_NS + n * S, "as_double": value} for n, value in enumerate(values)]
    ingest(store, [{"name": "load", "gauge": {"data_points": points}}], 11)
    assert (told(store, ROOM), told(store, ROOM, "Good")) == ({0: 3}, {0: 2})


def test_what_comes_later_is_added_and_said_to_be_late(store: Store) -> None:
    """A point that nobody waited for any more."""
    deriver = PointDeriver(store.client.query, store.client.write)
    ingest(store, [a_sum("requests", 10, 10, code="200")], 10)
    deriver.tick(at(600))
    ingest(store, [a_sum("requests", 4, 10, code="503")], 600)
    deriver.tick(at(601))
    assert (told(store, WORKS), told(store, WORKS, "Late")) == ({0: 14}, {0: 4})
    assert store.reader.query(recount(WORKS, NOON, at(600))).to_pylist() == [{"good": 10, "valid": 14}]
    assert deriver.stats().late_total == 4


def test_what_a_late_point_takes_away_stays_and_is_counted(store: Store) -> None:
    """Ten events in two slices were spread as five and five; in truth it was eight and two."""
    deriver = PointDeriver(store.client.query, store.client.write)
    ingest(store, [a_sum("requests", 0, 10, code="200"), a_sum("requests", 10, 30, code="200")], 30)
    deriver.tick(at(600))
    assert told(store, WORKS) == {10: 5, 20: 5}
    ingest(store, [a_sum("requests", 8, 20, code="200")], 600)
    deriver.tick(at(601))
    assert told(store, WORKS) == {10: 5, 20: 5}
    assert deriver.stats().withheld_total == 3


POINTS = [
    {
        "Indicator": "works",
        "Generation": "1",
        "Group": "",
        "Side": side,
        "Series": series,
        "StartTimeUnix": NOON,
        "TimeUnix": at(STEP_S * step),
        "Temporality": CUMULATIVE,
        "Value": (side == "valid") * step * series + 7 * step * series,
        "ReceivedAt": NOON,
    }
    for step in range(1, STEPS + 1)
    for series in (1, 2, 3)
    for side in ("valid", "good")
]
EXPECTED = {STEP_S * step: 8 * 6 for step in range(STEPS)}


@pytest.mark.parametrize("after", [False, True], ids=["before", "after"])
@pytest.mark.parametrize("at_write", [1, 2, 3, 4, 5, 6])
def test_a_restart_at_any_moment_changes_nothing(store: Store, at_write: int, after: bool) -> None:
    """Killed around any of its inserts, the next one finishes what there is to finish."""
    for number in (0, 1):
        half = POINTS[number * 60 : number * 60 + 60]
        store.client.write("sli_points", half, token=str(number))
        crashing = PointDeriver(store.client.query, Crashing(store, at_write, after=after))
        try:
            crashing.tick(at(150 + 200 * number))
            crashing.tick(at(155 + 200 * number))
        except RetryableError:
            PointDeriver(store.client.query, store.client.write).tick(at(156 + 200 * number))
    PointDeriver(store.client.query, store.client.write).tick(at(900))
    assert told(store, WORKS) == EXPECTED


@pytest.mark.parametrize("turn", [1, 2, 3])
def test_two_at_once_tell_each_slice_once(store: Store, turn: int) -> None:
    """Another looks, and knows more, just before one of this one's inserts: whoever is first, both tell the same."""
    store.client.write("sli_points", POINTS[:60], token="half")
    other = PointDeriver(store.client.query, store.client.write)
    inserts = []

    def overtaken(table: str, rows: Sequence[Mapping[str, Any]], *, token: str) -> None:
        inserts.append(token)
        if len(inserts) == turn:
            store.client.write("sli_points", POINTS[60:], token="rest")
            other.tick(at(450))
        store.client.write(table, rows, token=token)

    PointDeriver(store.client.query, overtaken).tick(at(150))
    assert len(inserts) >= turn
    other.tick(at(900))
    assert told(store, WORKS) == EXPECTED


@settings(deadline=None, max_examples=15, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(seed=st.integers(0, 10**6), derivers=st.integers(1, 3))
def test_oracle_22_late_shuffled_doubled_points_and_several_evaluators_tell_the_same(
    store: Store, seed: int, derivers: int
) -> None:
    """Points come within their lateness, in any order and some twice; evaluators look whenever they like."""
    for table in ("sli_points", "sli_slices", "sli_derived"):
        store.client.command(f"TRUNCATE TABLE {table}")
    chance = random.Random(seed)
    deliveries = [
        (STEP_S * (number // 6 + 1) + chance.uniform(0, LATENESS_S - STEP_S), chance.random(), point)
        for number, point in enumerate(POINTS)
        for _ in range(chance.choice((1, 1, 2)))
    ]
    looking = [PointDeriver(store.client.query, store.client.write) for _ in range(derivers)]
    looks = sorted(chance.uniform(0, 300) for _ in range(12))
    previous = 0.0
    for number, moment in enumerate([*looks, 900]):
        come = [point for when, _, point in sorted(deliveries, key=lambda one: one[:2]) if previous <= when < moment]
        store.client.write("sli_points", come, token=f"{seed} {derivers} {number}")
        chance.choice(looking).tick(at(moment))
        previous = moment
    assert told(store, WORKS) == EXPECTED
    assert told(store, WORKS, "Good") == dict.fromkeys(EXPECTED, 7 * 6)
    assert told(store, WORKS, "Late") == dict.fromkeys(EXPECTED, 0)
