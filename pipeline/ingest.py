"""`andon ingest`: from OTLP requests to rows.

    receivers ──bytes──▶ spool ──sealed chunk──▶ decode ─┬─▶ count ──▶ sli_slices
    (acknowledge after the sync)                         └▶ processors ▶ otel_traces ──▶ the chunk's file is deleted

In: OTLP over gRPC and HTTP. Out: one insert per table and chunk, whose token is the chunk's id. Promised: whatever was
acknowledged is stored once, through `kill -9` of this process or of ClickHouse. Slices go first: should the second
insert wait, the page already knows. A chunk that ClickHouse refuses for good is put aside, with the reason beside it.
"""

import logging

from exporters.clickhouse.insert import SliceExporter, SpanExporter
from exporters.clickhouse.tables import RECEIVER_LEDGER
from pipeline.allocator import keep_freed_memory
from pipeline.assembly import Assembly
from pipeline.background import Background
from pipeline.batch import SpanBatch
from pipeline.clock import Clock, SystemClock
from pipeline.component import Write
from pipeline.drain import Drain
from pipeline.errors import AndonError
from pipeline.ledger import Ledger
from pipeline.spool import SealedChunk, Spool
from processors.sli.columns import SpanColumns
from processors.sli.slices import SliceCounter
from processors.slo.documents import load_objectives
from processors.stored.data import StoredData
from receivers.otlp.admission import Admission
from receivers.otlp.decode import decode_traces, warm_up
from receivers.otlp.grpc import GrpcReceiver
from receivers.otlp.http import HttpReceiver

log = logging.getLogger("andon")

TRACES = "traces"
DRAIN_TIMEOUT_S = 30.0
LEDGER_PERIOD_S = 1.0


class ChunkProcessor:
    """What becomes of one sealed chunk."""

    def __init__(self, counter: SliceCounter, slices: SliceExporter, stored: StoredData, spans: SpanExporter) -> None:
        self._counter = counter
        self._stored = stored
        self._slices = slices
        self._spans = spans

    def process(self, chunk: SealedChunk) -> None:
        """Store all of `chunk`; see `store`."""
        self.store(chunk.id, chunk.received_ns, chunk.read())

    def store(self, chunk_id: str, received_ns: int, message: bytes | memoryview) -> None:
        """Store all spans of an OTLP message; doing so twice under one id changes nothing.

        Raises:
            RetryableError: ClickHouse is away.
            PermanentError: the message cannot be decoded, or ClickHouse refuses it.
        """
        records = tuple(decoded.records for decoded in decode_traces(message))
        batch = SpanBatch(chunk_id=chunk_id, received_ns=received_ns, records=records)
        columns = [SpanColumns(record) for record in records]
        self._slices.consume(self._counter.count(batch, columns))
        self._spans.consume(self._stored.spans(batch, columns))


class LedgerWriter:
    """The thread that tells ClickHouse who listened, and what came of what arrived."""

    def __init__(self, ledger: Ledger, write: Write, spool: Spool, clock: Clock) -> None:
        self._ledger = ledger
        self._write = write
        self._spool = spool
        self._clock = clock
        self._background = Background("ledger", self._run)

    def start(self) -> None:
        self._background.start()

    def shutdown(self) -> None:
        """Write what there is, once."""
        self._background.shutdown()
        self._flush(last=True)

    def _run(self) -> None:
        while not self._background.stopping.wait(LEDGER_PERIOD_S):
            self._flush()

    def _flush(self, *, last: bool = False) -> None:
        """Write the slices that are over; what ClickHouse does not take now comes again."""
        try:
            while batch := self._ledger.take(self._clock.now_ns(), self._spool.worker, last=last):
                self._write(RECEIVER_LEDGER.name, batch.rows, token=batch.token)
                self._ledger.written(batch)
        except AndonError as error:
            log.debug("the ledger waits: %s", error)


class Ingest:
    """All of ingest, from doors to drain."""

    def __init__(self, assembly: Assembly) -> None:
        keep_freed_memory()
        config, clock = assembly.config, SystemClock()
        objectives = load_objectives(config.objectives)
        self._client = assembly.writer()
        self._spool = Spool(config.spool, TRACES, clock)
        self._ledger = Ledger(clock)
        processor = ChunkProcessor(
            SliceCounter(objectives.indicators),
            SliceExporter(self._client),
            StoredData(config.processors, objectives.indicators),
            SpanExporter(self._client),
        )
        self._drain = Drain(self._spool, processor.process)
        self._ledger_writer = LedgerWriter(self._ledger, self._client.write, self._spool, clock)
        admission = Admission(config.receivers.otlp, self._spool, self._ledger, clock)
        self.grpc = GrpcReceiver(config.receivers.otlp, admission)
        self.http = HttpReceiver(config.receivers.otlp, admission)

    def doors(self) -> str:
        """Where telemetry is taken."""
        return f"ingest     OTLP/gRPC {self.grpc.endpoint}  OTLP/HTTP {self.http.endpoint}"

    def start(self) -> None:
        """Open the doors once there is somebody behind them."""
        log.info("preparing kernels (the first start compiles them: some seconds)")
        warm_up()
        self._spool.start()
        self._drain.start()
        self._ledger_writer.start()
        self.grpc.start()
        self.http.start()

    def shutdown(self) -> None:
        """Close the doors, empty the spool as far as ClickHouse lets us, then stop."""
        self.grpc.shutdown()
        self.http.shutdown()
        self._spool.shutdown()
        if not self._spool.wait_empty(DRAIN_TIMEOUT_S):
            log.warning("the spool still holds %d chunks; the next start stores them", self._spool.stats().chunks)
        self._drain.shutdown()
        self._ledger_writer.shutdown()
        self._spool.close()
        self._client.close()
