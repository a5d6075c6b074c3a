"""Columns of numbers, one entry a step of time, that grow as time does: copies of what the store has."""

from collections.abc import Mapping
from typing import Any

import numpy as np
import numpy.typing as npt

from processors.slo.grid import Ints

ROOM = 1_440  # entries that are added at a time


class Track:
    """Columns from `start_s` on, an entry each `step_s`; what was never put there is 0."""

    def __init__(self, start_s: int, step_s: int, types: Mapping[str, npt.DTypeLike]) -> None:
        self.start_s = start_s - start_s % step_s
        self._step_s = step_s
        self._columns = {name: np.zeros(ROOM, kind) for name, kind in types.items()}

    def __getitem__(self, name: str) -> npt.NDArray[Any]:
        return self._columns[name]

    def get(self, name: str, places: Ints) -> npt.NDArray[Any]:
        """The entries at some places, 0 before the first."""
        column = self._columns[name]
        return np.where(places >= 0, column[np.maximum(places, 0)], column.dtype.type(0))

    def places(self, starts_s: npt.ArrayLike) -> Ints:
        """Where the entries of those times are, below 0 where that is before the first; there is room for all."""
        places: Ints = (np.asarray(starts_s, np.int64) - self.start_s) // self._step_s
        missing = int(places.max(initial=-1)) + 1 - len(next(iter(self._columns.values())))
        if missing > 0:
            for name, column in self._columns.items():
                self._columns[name] = np.concatenate([column, np.zeros(missing + ROOM, column.dtype)])
        return places
