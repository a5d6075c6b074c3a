"""A bound to the names of services, lest one sender fills the store's dictionaries with made-up ones.

In: record batches of any table of telemetry. Out: the same, with OVERFLOW for the service names beyond the limit; the
name a sender gave stays in the resource attributes. Promised: at most `limit` names at a time; one that was not seen
for a day makes room. Names that are known cost next to nothing.
"""

import threading

import pyarrow as pa
import pyarrow.compute as pc

from pipeline.clock import NS_PER_S

OVERFLOW = "andon.overflow"
SERVICE_NAME = "ServiceName"
DAY_NS = 86_400 * NS_PER_S


class Services:
    """The names that were let in, today and yesterday. Safe for many threads."""

    def __init__(self, limit: int) -> None:
        self._limit = limit
        self._lock = threading.Lock()
        self._day = 0
        self._today: set[str] = set()
        self._yesterday: set[str] = set()
        self._known = 0  # of both days together
        self.overflowed_total = 0

    def bounded(self, records: pa.RecordBatch, received_ns: int) -> pa.RecordBatch:
        """`records`, received at that time, with no more names than there is room for."""
        column = records.column(SERVICE_NAME)
        names = column.dictionary.to_pylist()
        with self._lock:
            self._turn(received_ns // DAY_NS)
            kept = [name if self._admits(name) else OVERFLOW for name in names]
        if kept == names:
            return records
        bounded = pc.take(pa.array(kept, pa.string()).dictionary_encode(), column.indices)
        with self._lock:
            self.overflowed_total += pc.sum(pc.equal(bounded, OVERFLOW)).as_py() or 0
        field = records.schema.get_field_index(SERVICE_NAME)
        return records.set_column(field, records.schema.field(field), bounded)

    def _admits(self, name: str) -> bool:
        if name not in self._today:
            if name not in self._yesterday:
                if self._known >= self._limit:
                    return False
                self._known += 1
            self._today.add(name)
        return True

    def _turn(self, day: int) -> None:
        if day > self._day:
            self._yesterday = self._today if day == self._day + 1 else set()
            self._today, self._day, self._known = set(), day, len(self._yesterday)
