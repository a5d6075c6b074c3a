"""`andon ingest`: from OTLP requests to rows.

    receivers ──bytes──▶ spool ──sealed chunk──▶ decode ─┬─▶ count ──▶ sli_slices
    (acknowledge after the sync)                         └───────────▶ otel_traces ──▶ the chunk's file is deleted

In: OTLP over gRPC and HTTP. Out: one insert per table and chunk, whose token is the chunk's id. Promised: whatever was
acknowledged is stored once, through `kill -9` of this process or of ClickHouse. Slices go first: should the second
insert wait, the page already knows. A chunk that ClickHouse refuses for good is put aside, with the reason beside it.
"""

import logging
from dataclasses import asdict

from exporters.clickhouse.insert import Inserts
from exporters.clickhouse.tables import RECEIVER_LEDGER
from pipeline.allocator import keep_freed_memory
from pipeline.assembly import Assembly
from pipeline.background import Background
from pipeline.clock import NS_PER_S, Clock, SystemClock
from pipeline.component import Write
from pipeline.drain import Drain
from pipeline.errors import AndonError
from pipeline.health import Contact, Health, HealthServer
from pipeline.instruments import observe_ledger, observe_one, observe_process, observe_spools
from pipeline.lane import ChunkProcessor
from pipeline.ledger import Ledger
from pipeline.passage import ChunkTelemetry
from pipeline.spool import Spool
from pipeline.telemetry import Telemetry
from processors.sli.slices import SliceCounter
from processors.slo.documents import load_objectives
from receivers.otlp.admission import Admission
from receivers.otlp.grpc import GrpcReceiver
from receivers.otlp.http import HttpReceiver
from receivers.otlp.signals import TRACES, warm_up

log = logging.getLogger("andon")

DRAIN_TIMEOUT_S = 30.0
LEDGER_PERIOD_S = 1.0
STUCK_TIMEOUTS = 4  # as often as an insert may take before it is given up: then nobody works on the oldest chunk


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
        self._spool = Spool(config.spool, TRACES.name, clock)
        self._ledger = Ledger(clock)
        self._telemetry = Telemetry(assembly.telemetry(), "ingest")
        self._into_itself = assembly.telemetry_into_itself
        processor = ChunkProcessor(
            TRACES,
            SliceCounter(objectives.indicators),
            Inserts(self._client),
            ChunkTelemetry(self._telemetry.meter, self._telemetry.tracer, clock),
        )
        self._clickhouse, self._draining = Contact(clock), Contact(clock)
        self._stuck_s = STUCK_TIMEOUTS * config.clickhouse.timeout / NS_PER_S
        self._drain = Drain(self._spool, self._draining.watch(self._clickhouse.watch(processor.process)))
        write = self._clickhouse.watch(self._client.write)
        self._ledger_writer = LedgerWriter(self._ledger, write, self._spool, clock)
        self._admission = Admission(config.receivers.otlp, {TRACES.name: self._spool}, self._ledger, clock)
        self.grpc = GrpcReceiver(config.receivers.otlp, self._admission)
        self.http = HttpReceiver(config.receivers.otlp, self._admission)
        self._health = Health(
            checks={"doors": self._doors_shut, "spool": self._spool.refusal, "drain": self._drain_stuck},
            facts={"clickhouse": self._clickhouse.state, "spool": lambda: {TRACES.name: asdict(self._spool.stats())}},
        )
        endpoint = config.telemetry.health.endpoint if config.telemetry.health else None
        self._health_server = HealthServer(endpoint, self._health.routes(self._telemetry.exposition))
        self._instrument()

    def _instrument(self) -> None:
        meter = self._telemetry.meter
        observe_process(meter)
        observe_ledger(meter, self._ledger)
        observe_spools(meter, {TRACES.name: self._spool.stats})
        observe_one(meter, "andon.clickhouse.up", lambda: self._clickhouse.up)

    def _doors_shut(self) -> str:
        return "" if self._ledger.doors else "no door is open"

    def _drain_stuck(self) -> str:
        """Nothing was stored or tried for long, though something waits."""
        waits_s = min(self._draining.still_s, self._spool.stats().oldest_age_s)
        return "" if waits_s < self._stuck_s else f"chunks wait, and none was tried for {waits_s:.0f} s"

    def doors(self) -> str:
        """Where telemetry is taken."""
        return f"ingest     OTLP/gRPC {self.grpc.endpoint}  OTLP/HTTP {self.http.endpoint}"

    def start(self) -> None:
        """Open the doors once there is somebody behind them."""
        self._health_server.start()
        log.info("preparing kernels (the first start compiles them: some seconds)")
        warm_up()
        self._spool.start()
        self._drain.start()
        self._ledger_writer.start()
        self._admission.start()
        self.grpc.start()
        self.http.start()
        self._telemetry.start()
        self._health.started = True

    def shutdown(self) -> None:
        """Close the doors, empty the spool as far as ClickHouse lets us, then stop."""
        self._health.stopping = True
        if self._into_itself:
            self._telemetry.shutdown()  # while the door is open
        self.grpc.shutdown()
        self.http.shutdown()
        self._admission.shutdown()
        self._spool.shutdown()
        if not self._spool.wait_empty(DRAIN_TIMEOUT_S):
            log.warning("the spool still holds %d chunks; the next start stores them", self._spool.stats().chunks)
        self._drain.shutdown()
        self._ledger_writer.shutdown()
        self._spool.close()
        self._client.close()
        self._telemetry.shutdown()
        self._health_server.shutdown()
