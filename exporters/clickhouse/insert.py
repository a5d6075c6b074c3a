"""Batches into tables: one insert per table and chunk, whose token is the chunk's id.

In: batches whose columns are the table's. Out: rows, stored when `consume` returns, and stored once however often
the same chunk comes.
"""

from exporters.clickhouse.client import Client
from exporters.clickhouse.tables import OTEL_TRACES, SLI_SLICES
from pipeline.batch import SliceBatch, SpanBatch


class SpanExporter:
    """Spans into `otel_traces`."""

    def __init__(self, client: Client) -> None:
        self._client = client

    def consume(self, batch: SpanBatch) -> None:
        """Store the spans of one chunk; see `Client.insert` for the errors."""
        self._client.insert(OTEL_TRACES.name, batch.records, token=batch.chunk_id)


class SliceExporter:
    """Sums into `sli_slices`."""

    def __init__(self, client: Client) -> None:
        self._client = client

    def consume(self, batch: SliceBatch) -> None:
        """Store the sums of one chunk; see `Client.insert` for the errors."""
        self._client.insert(SLI_SLICES.name, [batch.records], token=batch.chunk_id)
