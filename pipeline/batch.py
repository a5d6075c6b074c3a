"""Columnar batches: all that passes between components.

A batch is Arrow with the table's own column names, so the exporter sends it as it is and a processor reads the very
values that will be stored: a figure computed here can be recomputed from the store.
"""

from collections.abc import Mapping
from dataclasses import dataclass

import pyarrow as pa


@dataclass(frozen=True, slots=True, kw_only=True)
class Batch:
    """The items of one sealed chunk, one row a span, data point or log record.

    `tables` has the record batches of each table, which share its columns; there is more than one only where a buffer
    would grow past its bound. `received_ns` is when its last request was received, in nanoseconds since the epoch; a
    replay brings the same.
    """

    chunk_id: str
    received_ns: int
    tables: Mapping[str, tuple[pa.RecordBatch, ...]]

    @property
    def rows(self) -> int:
        return sum(record.num_rows for records in self.tables.values() for record in records)


@dataclass(frozen=True, slots=True, kw_only=True)
class SliceBatch:
    """What one chunk adds to `sli_slices`: sums per indicator, group and slice of event time.

    `points` are rows of `sli_points`: data points that cannot be counted without their neighbours.
    """

    chunk_id: str
    records: pa.RecordBatch
    points: pa.RecordBatch
