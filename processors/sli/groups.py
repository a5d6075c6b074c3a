"""The groups of an indicator: the value of `groupBy` of each record, and a bound to how many there are."""

import numpy as np
import numpy.typing as npt

from processors.sli.columns import Columns, Ints

OVERFLOW = "andon.overflow"
UNGROUPED = ""


class GroupNames:
    """The first names come in; the rest share one."""

    def __init__(self, limit: int) -> None:
        self._limit = limit
        self._names: set[str] = set()

    def admit(self, name: str) -> str:
        """`name` if it is known or there is room, else `OVERFLOW`."""
        if name not in self._names and len(self._names) < self._limit:
            self._names.add(name)
        return name if name in self._names else OVERFLOW

    def codes(self, field: str | None, columns: Columns, rows: Ints) -> tuple[list[str], npt.NDArray[np.int64]]:
        """The group of each row as a code into names; absence is the group without a name."""
        if field is None:
            return [UNGROUPED], np.zeros(len(rows), np.int64)
        words = columns.words(field)
        seen, places = np.unique(words.codes[rows], return_inverse=True)
        names = [UNGROUPED if code < 0 else self.admit(words.values[code]) for code in seen.tolist()]
        merged = {name: code for code, name in enumerate(dict.fromkeys(names))}
        return list(merged), np.array([merged[name] for name in names], np.int64)[places]
