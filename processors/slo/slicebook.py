"""The slices of a promise as they were written down, and what has to be written now.

In: slices as they are judged now. Out: a row of `slice_states` for each that was never written or reads differently:
revision 1, 2, … Promised: nothing that was written is changed, so what was known on any day can be asked for. What
was written is read once, when the promise is first looked at. Memory: 21 bytes a slice.
"""

from collections.abc import Iterator
from datetime import UTC, datetime
from typing import Any

import numpy as np

from pipeline.component import Query
from processors.slo.promise import Promise
from processors.slo.states import STATES, Ledger, SliceState

KNOWN_SQL = """
    SELECT toUnixTimestamp(Slice) AS start, Revision, State, Good, Valid FROM slice_states
    WHERE Kind = {kind:String} AND Promise = {promise:String} AND Generation = {generation:String}
        AND Slice >= fromUnixTimestamp({start:UInt32})
    ORDER BY Revision DESC LIMIT 1 BY Slice"""
PENDING = STATES.index(SliceState.PENDING)
ROOM = 1_440


class SliceBook:
    """What was written of one promise's slices since `start_s`."""

    def __init__(self, promise: Promise, start_s: int) -> None:
        self._promise = promise
        self._start_s = start_s - start_s % promise.counting.slice_s
        self._revision = np.zeros(0, np.int32)
        self._code = np.zeros(0, np.int8)
        self._good = np.zeros(0, np.int64)
        self._valid = np.zeros(0, np.int64)

    @property
    def start_s(self) -> int:
        return self._start_s

    def read(self, query: Query) -> None:
        """Learn what was written before."""
        kind, name, generation = self._promise.key
        asked = {"kind": kind, "promise": name, "generation": generation, "start": self._start_s}
        rows = query(KNOWN_SQL, asked)
        if len(rows):
            places = self._places(rows["start"].to_numpy())
            self._make_room(int(places.max()) + 1)
            self._revision[places] = rows["Revision"].to_numpy()
            self._code[places] = [STATES.index(SliceState(state)) for state in rows["State"].to_pylist()]
            self._good[places], self._valid[places] = rows["Good"].to_numpy(), rows["Valid"].to_numpy()

    def news(self, ledger: Ledger, now: datetime, since_s: int = 0) -> list[dict[str, Any]]:
        """The rows that say what changed since then, and from the first slice that was ever written on.

        They count as written.
        """
        if not len(ledger):
            return []
        slices = ledger.slices
        places = self._places(slices.start_s)
        self._make_room(int(places.max()) + 1)
        good, valid = (np.asarray(counts // slices.unit, np.int64) for counts in (slices.raw_good, slices.raw_valid))
        changed = (places >= self._first(since_s)) & (ledger.codes != PENDING)
        old = np.maximum(places, 0)
        same = (self._code[old] == ledger.codes) & (self._good[old] == good) & (self._valid[old] == valid)
        changed &= (self._revision[old] == 0) | ~same
        where = places[changed]
        self._revision[where] += 1
        self._code[where], self._good[where], self._valid[where] = ledger.codes[changed], good[changed], valid[changed]
        return [*self._rows(ledger, np.flatnonzero(changed).tolist(), now)]

    def _rows(self, ledger: Ledger, numbers: list[int], now: datetime) -> Iterator[dict[str, Any]]:
        kind, name, generation = self._promise.key
        for number in numbers:
            start_s = int(ledger.slices.start_s[number])
            (place,) = self._places(np.array([start_s]))
            yield {
                "Kind": kind,
                "Promise": name,
                "Generation": generation,
                "Slice": datetime.fromtimestamp(start_s, UTC),
                "Revision": int(self._revision[place]),
                "At": now,
                "Seconds": 60 * int(ledger.slices.inside[number]),
                "State": STATES[ledger.codes[number]],
                "Good": int(self._good[place]),
                "Valid": int(self._valid[place]),
                "HeardMs": int(ledger.slices.heard_ms[number]),
            }

    def _first(self, since_s: int) -> int:
        """The place of the first slice to be written: none of a time before the promise was made."""
        written: list[int] = np.flatnonzero(self._revision)[:1].tolist()
        since = (since_s - self._start_s) // self._promise.counting.slice_s
        return max(0, min(since, *written) if written else since)

    def _places(self, starts_s: Any) -> Any:
        return (np.asarray(starts_s, np.int64) - self._start_s) // self._promise.counting.slice_s

    def _make_room(self, count: int) -> None:
        missing = count - len(self._revision)
        if missing > 0:
            for name in ("_revision", "_code", "_good", "_valid"):
                column = getattr(self, name)
                setattr(self, name, np.concatenate([column, np.zeros(missing + ROOM, column.dtype)]))
