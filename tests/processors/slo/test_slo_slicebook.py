"""Slices of time as they were written down: once, and again when they read differently."""

from dataclasses import replace
from datetime import UTC, datetime, timedelta

from fixtures.grids import grid_of
from fixtures.promises import promise
from fixtures.store import Store
from processors.slo.grid import Grid
from processors.slo.law import Counting, Law, states
from processors.slo.promise import Promise
from processors.slo.slicebook import SliceBook

COUNTING = Counting(law=Law.TIMESLICES, slice_s=60)
START_S = 1_790_000_040
NOW = datetime(2026, 11, 22, 12, 0, tzinfo=UTC)


def timed() -> Promise:
    return replace(promise(), counting=COUNTING)


def news(book: SliceBook, grid: Grid, now: datetime = NOW) -> list[tuple[int, int, str, int, int]]:
    rows = book.news(states(COUNTING, grid), now)
    keys = ("Revision", "State", "Good", "Valid")
    return [((int(row["Slice"].timestamp()) - START_S) // 60, *(row[key] for key in keys)) for row in rows]


def test_a_slice_is_written_once_and_again_when_it_reads_differently() -> None:
    """Late data make a revision; what stays the same makes no row."""
    book = SliceBook(timed(), START_S)
    grid = replace(grid_of([(3, 3), (1, 2), (0, 0)]), start_s=START_S)
    assert news(book, grid) == [(0, 1, "good", 3, 3), (1, 1, "bad", 1, 2), (2, 1, "empty", 0, 0)]
    assert news(book, grid) == []
    late = replace(grid_of([(3, 3), (2, 3), (4, 4)]), start_s=START_S)
    assert news(book, late) == [(1, 2, "bad", 2, 3), (2, 2, "good", 4, 4)]


def test_what_may_still_change_is_not_written() -> None:
    """A slice is pending until it is settled."""
    book = SliceBook(timed(), START_S)
    grid = replace(grid_of([(3, 3), (1, 2)]), start_s=START_S)
    pending = replace(grid, settled=grid.settled & [True, False])
    assert [row[0] for row in news(book, pending)] == [0]
    assert [row[0] for row in news(book, grid)] == [1]


def test_nothing_is_written_of_a_time_before_the_promise() -> None:
    """Of a period that is over only what follows the first slice that was ever written, else of the running one."""
    grid = replace(grid_of([(3, 3), (1, 2), (2, 2)]), start_s=START_S)
    young, old = SliceBook(timed(), START_S), SliceBook(timed(), START_S)
    assert [row["Good"] for row in young.news(states(COUNTING, grid), NOW, START_S + 120)] == [2]
    assert news(old, replace(grid, settled=grid.settled & [False, True, False])) == [(1, 1, "bad", 1, 2)]
    late = replace(grid_of([(3, 3), (2, 3), (2, 2)]), start_s=START_S)
    assert [row["Good"] for row in old.news(states(COUNTING, late), NOW, START_S + 120)] == [2, 2]


def test_another_process_goes_on_where_the_last_one_stopped(store: Store) -> None:
    """What was written is read back, revisions too, and nothing is written again."""
    first = SliceBook(timed(), START_S)
    grid = replace(grid_of([(3, 3), (1, 2)]), start_s=START_S)
    rows = first.news(states(COUNTING, grid), NOW)
    store.client.write("slice_states", rows, token="first")
    second = SliceBook(timed(), START_S)
    second.read(store.client.query)
    assert news(second, grid) == []
    late = replace(grid_of([(3, 3), (2, 2)]), start_s=START_S)
    rows = second.news(states(COUNTING, late), NOW + timedelta(hours=1))
    store.client.write("slice_states", rows, token="second")
    kept = store.client.query("SELECT Revision, State FROM slice_states ORDER BY Slice, Revision").to_pylist()
    assert [(row["Revision"], row["State"]) for row in kept] == [(1, "good"), (1, "bad"), (2, "good")]
    current = store.client.query("SELECT State FROM slice_states_current ORDER BY Slice").to_pylist()
    assert [row["State"] for row in current] == ["good", "good"]
