"""Batches into tables: one insert per table and chunk, whose token is the chunk's id.

In: batches whose columns are the table's. Out: rows, stored when `consume` returns, and stored once however often the
same chunk comes. Memory: an exporter keeps the room of its largest body, and serves one thread.
"""

from collections.abc import Sequence
from typing import Any

import pyarrow as pa

from exporters.clickhouse.client import Client
from exporters.clickhouse.tables import SLI_SLICES
from pipeline.batch import Batch, SliceBatch


class TelemetryExporter:
    """Spans, data points and log records into the tables of their kinds."""

    def __init__(self, client: Client) -> None:
        self._client = client
        self._inserts: dict[str, ArrowInsert] = {}

    def consume(self, batch: Batch) -> None:
        """Store the items of one chunk, table by table; see `Client.insert` for the errors."""
        for table, records in batch.tables.items():
            if table not in self._inserts:
                self._inserts[table] = ArrowInsert(self._client, table)
            self._inserts[table](records, batch.chunk_id)


class SliceExporter:
    """Sums into `sli_slices`."""

    def __init__(self, client: Client) -> None:
        self._insert = ArrowInsert(client, SLI_SLICES.name)

    def consume(self, batch: SliceBatch) -> None:
        """Store the sums of one chunk; see `Client.insert` for the errors."""
        self._insert([batch.records], batch.chunk_id)


class ArrowInsert:
    """Record batches into one table."""

    def __init__(self, client: Client, table: str) -> None:
        self._client = client
        self._table = table
        self._body = ArrowBody()

    def __call__(self, records: Sequence[pa.RecordBatch], token: str) -> None:
        if any(record.num_rows for record in records):
            columns = records[0].schema.names
            self._client.insert(self._table, columns, self._body(records), "ArrowStream", token=token)


class ArrowBody:
    """Record batches as an Arrow IPC stream, in room that is used again.

    A stream that grows, or a copy of it, is fresh memory: the kernel zeroing its pages cost more than decoding them.
    """

    def __init__(self) -> None:
        self._room = pa.allocate_buffer(0)

    def __call__(self, records: Sequence[pa.RecordBatch]) -> memoryview:
        """The stream, valid until the next one."""
        measure = pa.MockOutputStream()
        _write(records, measure)
        if measure.size() > self._room.size:
            # To the next power of two: a body that is a little larger does not begin afresh.
            self._room = pa.allocate_buffer(1 << measure.size().bit_length())
        _write(records, pa.FixedSizeBufferWriter(self._room))
        return memoryview(self._room)[: measure.size()]


def _write(records: Sequence[pa.RecordBatch], sink: Any) -> None:
    with pa.ipc.new_stream(sink, records[0].schema) as stream:
        for record in records:
            stream.write_batch(record)
