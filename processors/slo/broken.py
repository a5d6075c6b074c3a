"""The minute in which the promise of a period was broken for good.

In: how it is counted, the grid of the whole period, its future as minutes that are not settled, and the target. Out:
seconds since the epoch, or nothing. Pure.

Where slices are counted, how many the period has is known: a promise is broken at the end of the first slice after
which it could not be kept even if all that followed were good. Slices that turned out not to count, because nothing
happened in them or nobody listened, are known from their end on. Bad slices that count in runs are known from where the
run is long enough. Whoever is broken stays so, and exactly those are broken whose ratio misses the target in the end.

Where events are counted, good ones can always make up for bad ones as long as more may come: a promise is broken at the
end of the slice from which on the ratio of the period so far was below the target and stayed there to the last settled
minute. It can be kept again as long as the period is not over, and so can the moment change.
"""

from bisect import bisect_left
from collections.abc import Callable
from fractions import Fraction

import numpy as np

from processors.slo.budget import budget
from processors.slo.grid import MINUTE_S, Grid, Ints, below, room_for
from processors.slo.law import Counting, counts_in, shares_missed, states
from processors.slo.shares import sum_of_shares
from processors.slo.states import Ledger, SliceState


def broken_at(counting: Counting, grid: Grid, target: Fraction) -> int | None:
    """When the promise was broken for good; None if it was not."""
    return _of_slices(counting, grid, target) if counting.by_slices else _of_events(counting, grid, target)


def _of_events(counting: Counting, grid: Grid, target: Fraction) -> int | None:
    counted, granted = grid.counted, grid.granted
    good = room_for(np.where(counted, grid.good, np.where(granted, grid.valid, 0)), len(grid))
    valid = room_for(np.where(counted | granted, grid.valid, 0), len(grid))
    minutes = grid.start_s // MINUTE_S + 1 + np.arange(len(grid), dtype=np.int64)
    edges = np.flatnonzero((minutes * MINUTE_S % counting.slice_s == 0) | (minutes * MINUTE_S == grid.end_s))
    short = below(good.cumsum()[edges], valid.cumsum()[edges], target.as_integer_ratio())
    kept = np.flatnonzero(~short)
    first = int(kept[-1]) + 1 if len(kept) else 0
    return int(minutes[edges[first]]) * MINUTE_S if first < len(edges) else None


def _of_slices(counting: Counting, grid: Grid, target: Fraction) -> int | None:
    ledger = states(counting, grid)
    slices = ledger.slices
    whole = slices.inside + slices.granted
    dropped = (whole - np.where(ledger.are(SliceState.PENDING), whole, counts_in(counting, ledger))).cumsum()
    eligible = (int(whole.sum()) - dropped).tolist()
    missed = _missed_by_shares(counting, ledger) if counting.by_shares else _missed_in_runs(counting, ledger)

    def broken(place: int) -> bool:
        return bool(missed(place) > budget(target) * eligible[place])

    first = bisect_left(range(len(ledger)), 1, key=broken)
    return min(int(slices.start_s[first]) + slices.slice_s, grid.end_s) if first < len(ledger) else None


def _missed_in_runs(counting: Counting, ledger: Ledger) -> Callable[[int], Fraction]:
    """Bad minutes up to a slice; those of a run from the slice on that makes it long enough."""
    places = np.arange(len(ledger), dtype=np.int64)
    begins = ledger.bad & ~np.concatenate([[False], ledger.bad[:-1]])
    begun = np.maximum.accumulate(np.where(begins, places, 0))
    known = np.maximum(places, begun + counting.minimum_consecutive - 1)
    missed: Ints = np.zeros(len(ledger), np.int64)
    np.add.at(missed, known[ledger.bad], ledger.slices.inside[ledger.bad])
    sums = missed.cumsum().tolist()
    return lambda place: Fraction(sums[place])


def _missed_by_shares(counting: Counting, ledger: Ledger) -> Callable[[int], Fraction]:
    """The minutes that failures add up to, up to a slice."""
    places, shares = shares_missed(counting, ledger)
    return lambda place: sum_of_shares(shares[: bisect_left(places, place + 1)])
