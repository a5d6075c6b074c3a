"""One signal's way from the spool to the store, on a thread of its own.

    sealed chunk ──▶ decode ─┬─▶ count ──────────────────────▶ sli_slices, sli_points
                             └─▶ filter, sample, redact ─────▶ otel_* ──▶ the chunk's file is deleted

In: sealed chunks. Out: one insert per table and chunk, whose token is the chunk's id. Promised: what was acknowledged
is stored once, through `kill -9` of this process or of ClickHouse. Slices go first: should a later insert wait, the
page already knows.
"""

import logging
from collections.abc import Callable, Mapping

import numpy as np
import numpy.typing as npt
import pyarrow as pa

from exporters.clickhouse.client import Client
from exporters.clickhouse.insert import Inserts
from exporters.clickhouse.tables import OTEL_TRACES, SLI_POINTS, SLI_SLICES
from pipeline.batch import Batch
from pipeline.chunk import Once, SealedChunk, always
from pipeline.clock import Clock
from pipeline.drain import Drain
from pipeline.passage import ChunkTelemetry, Passage
from pipeline.spool import Spool, SpoolConfig
from pipeline.telemetry_config import SERVICE
from processors.sli.columns import SpanColumns
from processors.sli.slices import LATE_NS, SliceCounter
from processors.stored.data import StoredData
from receivers.otlp.limits import Limits
from receivers.otlp.signals import Signal

log = logging.getLogger("andon")

Records = tuple[pa.RecordBatch, ...]


class Lane:
    """A spool and whoever empties it."""

    def __init__(
        self,
        signal: Signal,
        config: SpoolConfig,
        process: Callable[[SealedChunk], None],
        *,
        clock: Clock,
        number: int,
    ) -> None:
        self.spool = Spool(config, signal.name, clock, number=number)
        self._drain = Drain(self.spool, process)

    def lock(self, wait_s: float) -> None:
        """Have the spool's folder to oneself; see `Spool.start` for the errors."""
        self.spool.start(wait_s)

    def start(self) -> None:
        """Begin to store what waits."""
        self._drain.start()

    def empty(self, timeout_s: float) -> None:
        """Take nothing more, and store what waits as far as ClickHouse lets us in time."""
        self.spool.shutdown()
        if not self.spool.wait_empty(max(0.0, timeout_s)):
            chunks = self.spool.stats().chunks
            log.warning("the spool still holds %d chunks of %s; the next start stores them", chunks, self.spool.signal)
        self._drain.shutdown()


class ChunkProcessor:
    """What becomes of one sealed chunk of a signal. Serves one thread."""

    def __init__(
        self,
        signal: Signal,
        *,
        limits: Limits,
        counter: SliceCounter,
        stored: StoredData,
        client: Client,
        telemetry: ChunkTelemetry,
    ) -> None:
        self._stored = stored
        self._signal = signal
        self._limits = limits
        self._counter = counter
        self._insert = Inserts(client)
        self._telemetry = telemetry

    def process(self, chunk: SealedChunk) -> None:
        """Store all items of `chunk`, in each table once; see `store`."""
        passage = self._follow(chunk.id, chunk.opened_ns)
        self._store(chunk.id, chunk.received_ns, chunk.read(), chunk.once, passage)

    def store(self, chunk_id: str, received_ns: int, message: bytes | memoryview) -> None:
        """Store all items of an OTLP message; doing so twice under one id changes nothing.

        Raises:
            RetryableError: ClickHouse is away.
            PermanentError: the message cannot be decoded, or ClickHouse refuses it.
        """
        self._store(chunk_id, received_ns, message, always, self._follow(chunk_id, received_ns))

    def _follow(self, chunk_id: str, opened_ns: int) -> Passage:
        return self._telemetry.follow(self._signal.name, chunk_id, opened_ns)

    def _store(
        self, chunk_id: str, received_ns: int, message: bytes | memoryview, once: Once, passage: Passage
    ) -> None:
        with passage.stage("decode"):
            tables = self._signal.tables(message, received_ns, self._limits)
        batch = Batch(chunk_id=chunk_id, received_ns=received_ns, tables=tables)
        with passage.stage("count"):
            columns = [SpanColumns(record) for record in tables.get(OTEL_TRACES.name, ())]
            slices = self._counter.count(batch, columns)
        with passage.stage("process"):
            stored = self._stored.batch(batch, columns)
        counted = {SLI_SLICES.name: (slices.records,)}
        if slices.points.num_rows:
            counted[SLI_POINTS.name] = (slices.points,)
        for table, records in {**counted, **stored.tables}.items():
            with passage.stage("insert", table):
                once(table, lambda table=table, records=records: self._insert(table, records, token=chunk_id))  # type: ignore[misc]
        passage.stored(items=stored.rows, late=_late(batch), own=_is_own(tables))


def _late(batch: Batch) -> int:
    """How many items came long after their time."""
    limit_ns = batch.received_ns - LATE_NS
    records = [record for records in batch.tables.values() for record in records]
    return sum(int(np.count_nonzero(_times_ns(record) < limit_ns)) for record in records)


def _times_ns(record: pa.RecordBatch) -> npt.NDArray[np.int64]:
    """When each span ended, or point or record was taken."""
    names = record.schema.names
    if "Duration" in names:
        return SpanColumns(record).end_ns
    times: npt.NDArray[np.int64] = record.column("TimeUnix" if "TimeUnix" in names else "Timestamp").cast(pa.int64())
    return np.asarray(times, np.int64)


def _is_own(tables: Mapping[str, Records]) -> bool:
    """Whether there is nothing in it but Andon's own telemetry."""
    records = [record for batches in tables.values() for record in batches]
    return {name for record in records for name in record.column("ServiceName").unique().to_pylist()} <= {SERVICE}
