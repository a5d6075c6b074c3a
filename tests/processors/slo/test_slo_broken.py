"""When a promise was broken for good, against a slow twin that asks after each slice whether it can still be kept."""

from dataclasses import replace
from fractions import Fraction

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from fixtures.grids import MONTH_S, grid_of
from processors.slo.broken import broken_at
from processors.slo.grid import MINUTE_MS, Exclusion, Grid
from processors.slo.law import Counting, Empty, Law, deliver

DOWN = Counting(law=Law.DOWNTIME_MINUTES, empty=Empty.GOOD)
TARGETS = st.sampled_from([Fraction(1, 2), Fraction("0.8"), Fraction("0.95"), Fraction(1)])
MINUTE = st.sampled_from([(0, 0), (1, 1), (5, 5), (0, 1), (1, 2), (9, 10), (0, 20)])


@st.composite
def periods(draw: st.DrawFn, *, heard: bool = False) -> Grid:
    counts = draw(st.lists(MINUTE, max_size=24))
    places = st.integers(0, max(0, len(counts) - 1))
    some = st.sets(places, max_size=len(counts) // 3)
    return grid_of(
        counts,
        start_s=MONTH_S + 60 * draw(st.integers(0, 4)),
        unheard=() if heard else draw(some),
        excluded=draw(st.dictionaries(places, st.sampled_from(Exclusion), max_size=len(counts) // 3)),
        pending=range(len(counts) - draw(st.integers(0, len(counts) // 2)), len(counts)),
    )


def best_case(grid: Grid, slice_s: int, after: int) -> Grid:
    """The grid if all from this minute on, and every slice that is not settled, were good."""
    slices = (grid.start_s + 60 * np.arange(len(grid))) // slice_s
    pending = slices[~grid.settled & (grid.excluded != Exclusion.REMOVED)]
    later = (np.arange(len(grid)) >= after) | np.isin(slices, pending)
    return replace(
        grid,
        good=np.where(later, 1, grid.good),
        valid=np.where(later, 1, grid.valid),
        heard_ms=np.where(later, MINUTE_MS, grid.heard_ms),
        settled=np.ones(len(grid), np.bool_),
    )


def slice_ends(grid: Grid, slice_s: int) -> list[int]:
    return [n for n in range(1, len(grid) + 1) if (grid.start_s + 60 * n) % slice_s == 0 or n == len(grid)]


def misses(counting: Counting, grid: Grid, target: Fraction) -> bool:
    ratio = deliver(counting, grid).ratio
    return ratio is not None and ratio < target


def slow(counting: Counting, grid: Grid, target: Fraction) -> int | None:
    ends = slice_ends(grid, counting.slice_s)
    if counting.by_slices:
        broken = [misses(counting, best_case(grid, counting.slice_s, end), target) for end in ends]
        assert broken == sorted(broken)  # once broken, always broken
    else:
        upto = [replace(grid, settled=grid.settled & (np.arange(len(grid)) < end)) for end in ends]
        below = [misses(counting, one, target) for one in upto]
        broken = [all(below[n:]) for n in range(len(below))]
    return next((grid.start_s + 60 * end for end, over in zip(ends, broken, strict=True) if over), None)


countings = st.builds(
    Counting,
    law=st.sampled_from(Law),
    slice_s=st.sampled_from([60, 180, 300]),
    slice_target=st.sampled_from([Fraction(1), Fraction("0.9")]),
    empty=st.sampled_from(Empty),
)


@given(countings, periods(), TARGETS)
def test_the_moment_is_that_of_the_slow_twin(counting: Counting, grid: Grid, target: Fraction) -> None:
    """Whatever the law; slices cut, excluded, unheard, to come."""
    assert broken_at(counting, grid, target) == slow(counting, grid, target)


@given(countings, periods(heard=True), TARGETS, st.integers(2, 4))
def test_runs_are_known_from_where_they_are_long_enough(
    counting: Counting, grid: Grid, target: Fraction, shortest: int
) -> None:
    """Two bad minutes of three that would count are not yet bad."""
    counting = replace(counting, minimum_consecutive=shortest)
    assert broken_at(counting, grid, target) == slow(counting, grid, target)


@given(countings, periods(), TARGETS)
def test_exactly_those_are_broken_that_miss_in_the_end(counting: Counting, grid: Grid, target: Fraction) -> None:
    """Of periods that are over."""
    grid = replace(grid, settled=np.ones(len(grid), np.bool_))
    assert (broken_at(counting, grid, target) is not None) == misses(counting, grid, target)


def month(bad: set[int]) -> Grid:
    return grid_of([(int(n not in bad), 1) for n in range(44_640)])


def test_the_45th_bad_minute_breaks_999_in_a_long_month() -> None:
    """44 of 44 640 are allowed: at the end of the 45th it is over, whatever follows."""
    assert broken_at(DOWN, month(set(range(100, 144))), Fraction("0.999")) is None
    assert broken_at(DOWN, month(set(range(100, 145))), Fraction("0.999")) == MONTH_S + 145 * 60
    assert broken_at(DOWN, month({*range(100, 144), 44_639}), Fraction("0.999")) == MONTH_S + 44_640 * 60


def test_the_same_holds_while_the_month_still_runs() -> None:
    """The denominator is the whole month, not what is over of it."""
    grid = month(set(range(100, 145)))
    settled = np.arange(44_640) < 144
    assert broken_at(DOWN, replace(grid, settled=settled), Fraction("0.999")) is None
    settled[144] = True
    assert broken_at(DOWN, replace(grid, settled=settled), Fraction("0.999")) == MONTH_S + 145 * 60


@pytest.mark.parametrize(
    ("counts", "minute"),
    [([(0, 1), (9, 9), (9, 9)], None), ([(0, 1), (9, 9), (0, 1)], 3), ([(0, 1), (0, 0), (1, 1)], 1)],
    ids=["made up for", "missed in the end", "never made up for"],
)
def test_events_can_make_up_for_bad_ones(counts: list[tuple[int, int]], minute: int | None) -> None:
    """At 90 %: broken from where the ratio so far went below and stayed."""
    found = broken_at(Counting(), grid_of(counts), Fraction("0.9"))
    assert found == (minute and MONTH_S + 60 * minute)
