"""One signal's way from the spool to the store.

    sealed chunk ──▶ decode ─┬─▶ count ──▶ sli_slices
                             └───────────▶ otel_* ──▶ the chunk's file is deleted

In: sealed chunks. Out: one insert per table and chunk, whose token is the chunk's id. Promised: what was acknowledged
is stored once, through `kill -9` of this process or of ClickHouse. Slices go first: should a later insert wait, the
page already knows.
"""

from collections.abc import Mapping

import numpy as np
import numpy.typing as npt
import pyarrow as pa

from exporters.clickhouse.insert import Inserts
from exporters.clickhouse.tables import SLI_SLICES
from pipeline.batch import Batch
from pipeline.passage import ChunkTelemetry, Passage
from pipeline.spool import SealedChunk
from pipeline.telemetry_config import SERVICE
from processors.sli.slices import LATE_NS, SliceCounter
from receivers.otlp.signals import Signal

Tables = Mapping[str, tuple[pa.RecordBatch, ...]]


class ChunkProcessor:
    """What becomes of one sealed chunk of a signal."""

    def __init__(self, signal: Signal, counter: SliceCounter, inserts: Inserts, telemetry: ChunkTelemetry) -> None:
        self._signal = signal
        self._counter = counter
        self._inserts = inserts
        self._telemetry = telemetry

    def process(self, chunk: SealedChunk) -> None:
        """Store all of `chunk`; see `store`."""
        self._store(chunk.id, chunk.received_ns, chunk.read(), self._follow(chunk.id, chunk.opened_ns))

    def store(self, chunk_id: str, received_ns: int, message: bytes | memoryview) -> None:
        """Store all items of an OTLP message; doing so twice under one id changes nothing.

        Raises:
            RetryableError: ClickHouse is away.
            PermanentError: the message cannot be decoded, or ClickHouse refuses it.
        """
        self._store(chunk_id, received_ns, message, self._follow(chunk_id, received_ns))

    def _follow(self, chunk_id: str, opened_ns: int) -> Passage:
        return self._telemetry.follow(self._signal.name, chunk_id, opened_ns)

    def _store(self, chunk_id: str, received_ns: int, message: bytes | memoryview, passage: Passage) -> None:
        with passage.stage("decode"):
            tables = self._signal.tables(message, received_ns)
        batch = Batch(chunk_id=chunk_id, received_ns=received_ns, tables=tables)
        with passage.stage("count"):
            slices = self._counter.count(batch)
        self._insert(SLI_SLICES.name, (slices.records,), chunk_id, passage)
        for table, records in tables.items():
            self._insert(table, records, chunk_id, passage)
        passage.stored(items=batch.rows, late=_late(batch), own=_is_own(tables))

    def _insert(self, table: str, records: tuple[pa.RecordBatch, ...], chunk_id: str, passage: Passage) -> None:
        with passage.stage("insert", table):
            self._inserts(table, records, token=chunk_id)


def _late(batch: Batch) -> int:
    """How many items came long after their time."""
    limit_ns = batch.received_ns - LATE_NS
    return sum(
        int(np.count_nonzero(_times_ns(record) < limit_ns)) for records in batch.tables.values() for record in records
    )


def _times_ns(record: pa.RecordBatch) -> npt.NDArray[np.int64]:
    """When each span ended, or point or record was taken."""
    columns = record.schema.names
    times: npt.NDArray[np.int64] = (
        record.column("TimeUnix" if "TimeUnix" in columns else "Timestamp").cast(pa.int64()).to_numpy()
    )
    return times + record.column("Duration").to_numpy().astype(np.int64) if "Duration" in columns else times


def _is_own(tables: Tables) -> bool:
    """Whether there is nothing in it but Andon's own telemetry."""
    records = [record for batches in tables.values() for record in batches]
    return {name for record in records for name in record.column("ServiceName").unique().to_pylist()} <= {SERVICE}
