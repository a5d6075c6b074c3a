"""Minutes in a row and what was counted in them: what time slices, downtime laws and closed periods are computed from.

In: counts per minute of event time, and how long somebody listened. Out: the same by longer slices. Pure. A grid begins
and ends on whole minutes, and so do exclusions and calendar windows; a slice that a window or an exclusion cuts counts
with what is inside. Sums are exact: what could outgrow 64 bits is added up in integers that have no end.
"""

from dataclasses import dataclass
from enum import IntEnum
from typing import Any

import numpy as np
import numpy.typing as npt

MINUTE_S = 60
MINUTE_MS = 60_000
INT64_MAX = 2**63 - 1

Ints = npt.NDArray[np.int64]
Flags = npt.NDArray[np.bool_]
Exact = npt.NDArray[Any]  # integers: of 64 bits where they suffice, else of Python


class Exclusion(IntEnum):
    """What becomes of a minute that an exclusion covers; to be counted all the same is no exclusion."""

    NONE = 0
    REMOVED = 1  # the denominator shrinks
    GOOD = 2  # the denominator stays, nothing in it was bad


@dataclass(frozen=True, slots=True, kw_only=True)
class Grid:
    """Consecutive minutes from `start_s`, in seconds since the epoch; every array has one entry a minute.

    `good` and `valid` are events times `unit`: 1, or 1 000 000 where sampled events stand for more than one.
    `heard_ms` is how long of the minute it is proved that somebody listened, `excluded` an `Exclusion`, and
    `settled` whether nothing more is to be expected for it.
    """

    start_s: int
    good: Ints
    valid: Ints
    heard_ms: Ints
    excluded: npt.NDArray[np.int8]
    settled: npt.NDArray[np.bool_]
    unit: int = 1

    def __len__(self) -> int:
        return len(self.valid)

    @property
    def end_s(self) -> int:
        return self.start_s + MINUTE_S * len(self)

    @property
    def counted(self) -> Flags:
        """Minutes that are judged by what was measured in them: settled and not excluded."""
        return self.settled & np.equal(self.excluded, Exclusion.NONE)

    @property
    def granted(self) -> Flags:
        """Settled minutes that are good because they are excluded."""
        return self.settled & np.equal(self.excluded, Exclusion.GOOD)


@dataclass(frozen=True, slots=True, kw_only=True)
class Slices:
    """A grid by slices of `slice_s`, aligned to the epoch; every array has one entry a slice.

    `inside` is how many of its minutes lie in the grid and outside of exclusions, `granted` how many an exclusion makes
    good; `good`, `valid` and `heard_ms` are of those inside, `raw_good` and `raw_valid` of all that the grid has of it.
    A slice is `settled` if all minutes are that are not removed.
    """

    slice_s: int
    unit: int
    start_s: Ints
    inside: Ints
    granted: Ints
    good: Exact
    valid: Exact
    raw_good: Exact
    raw_valid: Exact
    heard_ms: Ints
    settled: Flags

    def __len__(self) -> int:
        return len(self.start_s)

    @property
    def minutes(self) -> int:
        """How many minutes a whole slice has."""
        return self.slice_s // MINUTE_S


def by_slices(grid: Grid, slice_s: int) -> Slices:
    """The grid by slices of `slice_s`, a multiple of a minute."""
    minutes = slice_s // MINUTE_S
    numbers = (grid.start_s // MINUTE_S + np.arange(len(grid), dtype=np.int64)) // minutes
    edges = np.flatnonzero(np.diff(numbers, prepend=-1))
    inside, granted = grid.excluded == Exclusion.NONE, grid.excluded == Exclusion.GOOD
    good, valid = (room_for(counts, minutes) for counts in (grid.good, grid.valid))
    heard_ms = np.minimum(grid.heard_ms, MINUTE_MS)

    def summed(values: Exact) -> Exact:
        return np.add.reduceat(values, edges) if len(edges) else values

    return Slices(
        slice_s=slice_s,
        unit=grid.unit,
        start_s=numbers[edges] * slice_s,
        inside=summed(inside.astype(np.int64)),
        granted=summed(granted.astype(np.int64)),
        good=summed(np.where(inside, good, 0)),
        valid=summed(np.where(inside, valid, 0)),
        raw_good=summed(good),
        raw_valid=summed(valid),
        heard_ms=summed(np.where(inside, heard_ms, 0)),
        settled=summed((~grid.settled & (inside | granted)).astype(np.int64)) == 0,
    )


def room_for(values: Exact, factor: int) -> Exact:
    """`values` as integers that may be multiplied by `factor`, or so many of them added, without overflowing."""
    largest = int(values.max(initial=0))
    return values if max(largest, 1) * factor <= INT64_MAX else values.astype(object)


def total(values: Exact) -> int:
    """The sum of `values`, exactly."""
    return int(room_for(values, len(values)).sum()) if len(values) else 0


def below(part: Exact, whole: Exact, share: tuple[int, int], *, or_equal: bool = False) -> Flags:
    """Where `part` of `whole` is less than `share`, a numerator and a denominator; `or_equal`: or just as much."""
    left, right = room_for(part, share[1]) * share[1], room_for(whole, share[0]) * share[0]
    return np.asarray(left <= right if or_equal else left < right, np.bool_)
