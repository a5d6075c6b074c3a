"""The slices of a promise as they were written down, and what has to be written now.

In: slices as they are judged now. Out: a row of `slice_states` for each that was never written or reads differently:
revision 1, 2, … Promised: nothing that was written is changed, so what was known on any day can be asked for. What
was written is read once, when the promise is first looked at. Memory: 21 bytes a slice.
"""

from datetime import UTC, datetime
from typing import Any

import numpy as np
import numpy.typing as npt

from pipeline.component import Query
from processors.slo.grid import MINUTE_S, Ints
from processors.slo.promise import Promise
from processors.slo.states import STATES, Ledger, SliceState
from processors.slo.track import Track

KNOWN_SQL = """
    SELECT toUnixTimestamp(Slice) AS start, Revision, State, Good, Valid FROM slice_states
    WHERE Kind = {kind:String} AND Promise = {promise:String} AND Generation = {generation:String}
        AND Slice >= fromUnixTimestamp({start:UInt32})
    ORDER BY Revision DESC LIMIT 1 BY Slice"""
PENDING = STATES.index(SliceState.PENDING)
TYPES = {"revision": np.int32, "code": np.int8, "good": np.int64, "valid": np.int64}


class SliceBook:
    """What was written of one promise's slices since `start_s`."""

    def __init__(self, promise: Promise, start_s: int) -> None:
        self._promise = promise
        self._track = Track(start_s, promise.counting.slice_s, TYPES)

    @property
    def start_s(self) -> int:
        return self._track.start_s

    def read(self, query: Query) -> None:
        """Learn what was written before."""
        kind, name, generation = self._promise.key
        asked = {"kind": kind, "promise": name, "generation": generation, "start": self.start_s}
        rows = query(KNOWN_SQL, asked)
        codes = [STATES.index(SliceState(state)) for state in rows["State"].to_pylist()]
        self._put(self._track.places(rows["start"].to_numpy()), rows["Revision"], codes, rows["Good"], rows["Valid"])

    def news(self, ledger: Ledger, now: datetime, since_s: int = 0) -> list[dict[str, Any]]:
        """The rows that say what changed since then, and from the first slice that was ever written on.

        They count as written.
        """
        if not len(ledger):
            return []
        slices = ledger.slices
        places = self._track.places(slices.start_s)
        good, valid = (np.asarray(counts // slices.unit, np.int64) for counts in (slices.raw_good, slices.raw_valid))
        old = {name: self._track.get(name, places) for name in TYPES}
        same = (old["code"] == ledger.codes) & (old["good"] == good) & (old["valid"] == valid)
        changed = (places >= self._first(since_s)) & (ledger.codes != PENDING) & ((old["revision"] == 0) | ~same)
        revisions = old["revision"][changed] + 1
        self._put(places[changed], revisions, ledger.codes[changed], good[changed], valid[changed])
        numbers = np.flatnonzero(changed).tolist()
        return [self._row(ledger, number, int(places[number]), now) for number in numbers]

    def _put(self, places: Ints, *columns: npt.ArrayLike) -> None:
        for name, values in zip(TYPES, columns, strict=True):
            self._track[name][places] = values

    def _row(self, ledger: Ledger, number: int, place: int, now: datetime) -> dict[str, Any]:
        kind, name, generation = self._promise.key
        slices = ledger.slices
        return {
            "Kind": kind,
            "Promise": name,
            "Generation": generation,
            "Slice": datetime.fromtimestamp(int(slices.start_s[number]), UTC),
            "Revision": int(self._track["revision"][place]),
            "At": now,
            "Seconds": MINUTE_S * int(slices.inside[number]),
            "State": STATES[ledger.codes[number]],
            "Good": int(self._track["good"][place]),
            "Valid": int(self._track["valid"][place]),
            "HeardMs": int(slices.heard_ms[number]),
        }

    def _first(self, since_s: int) -> int:
        """The place of the first slice to be written: none of a time before the promise was made."""
        written: list[int] = np.flatnonzero(self._track["revision"])[:1].tolist()
        since = (since_s - self.start_s) // self._promise.counting.slice_s
        return max(0, min(since, *written) if written else since)
