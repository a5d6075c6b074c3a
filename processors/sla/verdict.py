"""Whether a closed period kept its promise, and the minute in which it was broken.

In: a law, a target and the grid of a whole period. Out: kept, broken or no data. Pure; the arithmetic is that of
`processors.slo.law` and no other. Time that nobody listened is held neither for nor against anybody: a period is broken
if even the upper bound misses the target, kept if even the lower bound meets it, and where the gaps decide, what was
measured decides as long as it is nine tenths of the time.
"""

from dataclasses import replace
from datetime import UTC, datetime
from enum import StrEnum
from fractions import Fraction

import numpy as np

from processors.slo.grid import MINUTE_S, Exclusion, Flags, Grid
from processors.slo.law import Counting, Delivered, Empty, deliver, states
from processors.slo.states import SliceState

COVERAGE_FLOOR = Fraction(9, 10)


class Verdict(StrEnum):
    """What became of a promise in a period."""

    KEPT = "kept"
    BROKEN = "broken"
    NO_DATA = "no_data"


def verdict(delivered: Delivered, target: Fraction) -> Verdict:
    """What a period delivered, held against its target."""
    if delivered.ratio is None or delivered.lower is None or delivered.upper is None:
        return Verdict.NO_DATA
    if delivered.upper < target:
        return Verdict.BROKEN
    if delivered.lower >= target:
        return Verdict.KEPT
    if delivered.coverage < COVERAGE_FLOOR:
        return Verdict.NO_DATA
    return Verdict.KEPT if delivered.ratio >= target else Verdict.BROKEN


def broken_at(counting: Counting, target: Fraction, grid: Grid) -> datetime | None:
    """The minute after which the period could not be kept any more, had all that came after it been good.

    None if what was measured meets the target. More bad minutes never make a period better, so it is found by halves.
    """
    empty = _empty(counting, grid)

    def misses(number: int) -> bool:
        ratio = deliver(counting, _good_from(grid, number, empty)).ratio
        return ratio is not None and ratio < target

    low, high = 0, len(grid)
    if not misses(high) or misses(low):
        return None
    while high - low > 1:
        middle = (low + high) // 2
        low, high = (low, middle) if misses(middle) else (middle, high)
    return datetime.fromtimestamp(grid.start_s + low * MINUTE_S, UTC)


def _good_from(grid: Grid, number: int, empty: Flags) -> Grid:
    """The grid, had nothing bad happened from minute `number` on."""
    later = np.arange(len(grid)) >= number
    return replace(
        grid,
        good=np.where(later, grid.valid, grid.good),
        excluded=np.where(later & empty, Exclusion.GOOD, grid.excluded).astype(np.int8),
    )


def _empty(counting: Counting, grid: Grid) -> Flags:
    """The minutes of slices that are bad because nothing happened in them, where the law has it so."""
    if not counting.by_slices or counting.empty is not Empty.BAD:
        return np.zeros(len(grid), np.bool_)
    ledger = states(counting, grid)
    starts = ledger.slices.start_s[ledger.are(SliceState.EMPTY)]
    minutes = grid.start_s + MINUTE_S * np.arange(len(grid), dtype=np.int64)
    silent = np.isin(minutes - minutes % counting.slice_s, starts)
    return np.asarray(silent & (grid.excluded == Exclusion.NONE), np.bool_)
