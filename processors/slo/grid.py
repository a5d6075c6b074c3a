"""Minutes in a row and what was counted in them: what time slices, downtime laws and closed periods are computed from.

In: counts per minute of event time, and how long somebody listened. Out: the same by longer slices. Pure. A grid begins
and ends on whole minutes, and so do exclusions and calendar windows; a slice that a window or an exclusion cuts counts
with what is inside.
"""

from dataclasses import dataclass
from enum import IntEnum

import numpy as np
import numpy.typing as npt

MINUTE_S = 60
MINUTE_MS = 60_000

Ints = npt.NDArray[np.int64]


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
