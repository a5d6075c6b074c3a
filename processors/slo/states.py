"""The state of each slice of time: what can be said of it, and how sure that is.

    PENDING ──▶ EXCLUDED   an exclusion covers all of it, whatever happened in it
            ├─▶ GOOD, BAD  something valid was measured in it; what was not heard of it lowers the coverage
            ├─▶ EMPTY      somebody listened all the time and nothing valid happened
            └─▶ GAP        nobody can tell

In: slices of a grid. Out: a `Ledger`, which keeps the raw counts of all of them. Pure; late data make a new ledger.
"""

from collections.abc import Iterator
from dataclasses import dataclass
from enum import StrEnum
from fractions import Fraction
from typing import NamedTuple

import numpy as np
import numpy.typing as npt

from processors.slo.grid import MINUTE_MS, MINUTE_S, Flags, Slices, below


class SliceState(StrEnum):
    """What can be said of a slice."""

    GOOD = "good"
    BAD = "bad"
    EMPTY = "empty"
    GAP = "gap"
    EXCLUDED = "excluded"
    PENDING = "pending"


STATES = tuple(SliceState)


class Slice(NamedTuple):
    """One slice: `good` and `valid` are all that was measured in it, times the unit; `inside_s` is what is judged."""

    start_s: int
    state: SliceState
    good: int
    valid: int
    inside_s: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Ledger:
    """Slices and their states: `codes` are places in `STATES`.

    `bad` are those that count as bad where time is counted: bad ones, and empty ones where silence is bad.
    """

    slices: Slices
    codes: npt.NDArray[np.int8]
    bad: Flags

    def __len__(self) -> int:
        return len(self.codes)

    def __iter__(self) -> Iterator[Slice]:
        slices = self.slices
        columns = (slices.start_s, self.codes, slices.raw_good, slices.raw_valid, slices.inside * MINUTE_S)
        for start_s, code, good, valid, inside_s in zip(*(column.tolist() for column in columns), strict=True):
            yield Slice(start_s, STATES[code], good, valid, inside_s)

    def are(self, *states: SliceState) -> Flags:
        """Which slices are in one of `states`."""
        return np.isin(self.codes, [STATES.index(state) for state in states])


@dataclass(frozen=True, slots=True, kw_only=True)
class Test:
    """When a slice is bad; see `Counting`."""

    __test__ = False

    target: Fraction
    or_equal: bool
    minimum_valid: int
    minimum_consecutive: int
    empty_is_bad: bool


def judged(slices: Slices, test: Test) -> Ledger:
    """The ledger of slices.

    A bad slice of a run that would be long enough only if the gaps beside it were bad as well is as open as they are.
    """
    excluded, pending = slices.settled & (slices.inside == 0), ~slices.settled
    open_to_us = ~excluded & ~pending
    silent, heard = slices.valid == 0, slices.heard_ms >= slices.inside * MINUTE_MS
    empty, gap = open_to_us & silent & heard, open_to_us & silent & ~heard
    failing = _failing(slices, test) & open_to_us | (empty & test.empty_is_bad)
    bad = in_runs(failing, test.minimum_consecutive)
    doubtful = failing & ~bad & in_runs(failing | gap, test.minimum_consecutive)
    states = {
        SliceState.EXCLUDED: excluded,
        SliceState.PENDING: pending,
        SliceState.GAP: gap | doubtful,
        SliceState.EMPTY: empty,
        SliceState.BAD: bad,
    }
    codes = np.select(list(states.values()), [STATES.index(state) for state in states], STATES.index(SliceState.GOOD))
    return Ledger(slices=slices, codes=codes.astype(np.int8), bad=bad)


def _failing(slices: Slices, test: Test) -> Flags:
    """Slices that are bad by themselves, runs or not."""
    enough = np.asarray(slices.valid >= max(1, test.minimum_valid * slices.unit), np.bool_)
    share = test.target.as_integer_ratio()
    return enough & below(slices.good, slices.valid, share, or_equal=test.or_equal)


def in_runs(flags: Flags, shortest: int) -> Flags:
    """Those flags that stand in a run of at least `shortest`."""
    if shortest <= 1:
        return flags
    edges = np.flatnonzero(np.diff(flags.astype(np.int8), prepend=0, append=0))
    starts, ends = edges[::2], edges[1::2]
    long = ends - starts >= shortest
    steps = np.zeros(len(flags) + 1, np.int8)
    steps[starts[long]], steps[ends[long]] = 1, -1
    return np.cumsum(steps[:-1]) > 0
