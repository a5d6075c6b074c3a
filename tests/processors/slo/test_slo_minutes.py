"""The copy of `sli_minutes`: what was read bit by bit is what would be read at once."""

from datetime import UTC, datetime, timedelta

from fixtures.store import Store
from processors.slo.heard import Heard
from processors.slo.minutes import Minutes, read_grids
from processors.slo.promise import IndicatorKey
from processors.slo.windows import Bounds

NOON = datetime(2026, 11, 22, 12, 0, tzinfo=UTC)
NOON_S = int(NOON.timestamp())
A, B = IndicatorKey("a", "1"), IndicatorKey("b", "2")


def add(store: Store, key: IndicatorKey, second: int, good: int, valid: int, *, extra: int = 0) -> None:
    row = {"Indicator": key.name, "Generation": key.generation, "Group": "", "Slice": NOON_S + second}
    counts = {"Good": good, "Valid": valid, "ValidExtra": extra, "GoodExtra": extra}
    store.client.write("sli_slices", [row | counts], token=f"{key} {second} {good} {valid}")


def test_what_came_since_is_read_and_nothing_is_counted_twice(store: Store) -> None:
    """New minutes, more of an old one, another indicator, a start further back."""
    minutes, heard = Minutes(), Heard("traces", NOON)
    heard.refresh(store.client.query, NOON)
    add(store, A, 0, 1, 2)
    minutes.refresh(store.client.query, {A: NOON_S})
    before = minutes.version(A)
    add(store, A, 30, 3, 3)
    add(store, A, 120, 5, 8)
    add(store, B, 60, 1, 1)
    minutes.refresh(store.client.query, {A: NOON_S, B: NOON_S})
    grid = minutes.grid(A, NOON_S - 60, NOON_S + 240, heard, NOON)
    assert (grid.good.tolist(), grid.valid.tolist()) == ([0, 4, 0, 5, 0], [0, 5, 0, 8, 0])
    assert minutes.grid(B, NOON_S, NOON_S + 120, heard, NOON).valid.tolist() == [0, 1]
    assert minutes.version(A) > before
    unchanged = minutes.version(A)
    minutes.refresh(store.client.query, {A: NOON_S, B: NOON_S})
    assert minutes.version(A) == unchanged
    add(store, A, -60, 2, 2)
    minutes.refresh(store.client.query, {A: NOON_S - 60, B: NOON_S})
    assert minutes.grid(A, NOON_S - 60, NOON_S + 60, heard, NOON).valid.tolist() == [2, 5]


def test_sampled_events_count_in_millionths(store: Store) -> None:
    """Where some stand for more than one, all are counted in the finer unit."""
    add(store, A, 0, 1, 1, extra=1_500_000)
    add(store, A, 60, 1, 2)
    bounds = Bounds(NOON, NOON + timedelta(minutes=2))
    grid = read_grids(store.client.query, [A, B], bounds, NOON)[A]
    assert (grid.unit, grid.valid.tolist()) == (1_000_000, [2_500_000, 2_000_000])


def test_minutes_are_settled_once_late_data_had_its_time(store: Store) -> None:
    bounds = Bounds(NOON, NOON + timedelta(minutes=4))
    grid = read_grids(store.client.query, [A], bounds, NOON + timedelta(minutes=3, seconds=10))[A]
    assert grid.settled.tolist() == [True, True, False, False]


def test_what_comes_after_a_first_look_at_nothing_is_read(store: Store) -> None:
    """On a new install the evaluator is there before the first request."""
    minutes, heard = Minutes(), Heard("traces", NOON)
    heard.refresh(store.client.query, NOON)
    minutes.refresh(store.client.query, {A: NOON_S})
    add(store, A, 0, 1, 2)
    minutes.refresh(store.client.query, {A: NOON_S})
    assert minutes.grid(A, NOON_S, NOON_S + 60, heard, NOON).valid.tolist() == [2]


def test_what_is_no_longer_needed_is_let_go_of(store: Store) -> None:
    """A window that rolls on for years keeps its own length in memory, and says the same."""
    minutes, heard = Minutes(), Heard("traces", NOON)
    heard.refresh(store.client.query, NOON)
    add(store, A, 0, 1, 2)
    later_s = NOON_S + 10 * 86_400
    add(store, A, 10 * 86_400, 3, 4)
    minutes.refresh(store.client.query, {A: NOON_S})
    minutes.refresh(store.client.query, {A: later_s})
    assert minutes.grid(A, later_s, later_s + 60, heard, NOON).valid.tolist() == [4]
    assert minutes.grid(A, NOON_S, NOON_S + 60, heard, NOON).valid.tolist() == [0]
