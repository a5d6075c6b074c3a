"""Record batches into tables: one insert per table and chunk, whose token is the chunk's id.

In: batches whose columns are the table's. Out: rows, stored when the call returns, and stored once however often the
same chunk comes. Memory: the room of the largest body of each table is kept; one `Inserts` serves one thread.
"""

from collections import defaultdict
from collections.abc import Sequence
from typing import Any

import pyarrow as pa

from exporters.clickhouse.client import Client


class Inserts:
    """Record batches into any table."""

    def __init__(self, client: Client) -> None:
        self._client = client
        self._bodies: defaultdict[str, ArrowBody] = defaultdict(ArrowBody)

    def __call__(self, table: str, records: Sequence[pa.RecordBatch], *, token: str) -> None:
        """Store `records`; see `Client.insert` for the errors."""
        if any(record.num_rows for record in records):
            columns = records[0].schema.names
            self._client.insert(table, columns, self._bodies[table](records), "ArrowStream", token=token)


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
