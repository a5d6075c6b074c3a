"""`andon ingest`: from OTLP requests to rows.

    receivers ──bytes──▶ a spool for each signal ──sealed chunk──▶ its lane ──▶ sli_slices, otel_*
    (acknowledge after the sync)

In: OTLP over gRPC and HTTP. Out: one insert per table and chunk, whose token is the chunk's id. Promised: whatever was
acknowledged is stored once, through `kill -9` of this process or of ClickHouse. A request that ClickHouse refuses for
good is put aside, with the reason beside it; it was counted all the same, once, for it was answered. Signals do not
wait for each other.
"""

import logging
import time
from collections.abc import Mapping
from dataclasses import asdict
from typing import Any

from exporters.clickhouse.tables import RECEIVER_LEDGER
from pipeline.allocator import keep_freed_memory
from pipeline.assembly import Assembly
from pipeline.background import Background
from pipeline.clock import NS_PER_S, Clock, SystemClock
from pipeline.component import Write
from pipeline.errors import AndonError
from pipeline.health import Contact, Health, HealthServer
from pipeline.instruments import observe_ledger, observe_one, observe_process, observe_spools, observe_stored
from pipeline.lane import ChunkProcessor, Lane
from pipeline.ledger import Ledger
from pipeline.passage import ChunkTelemetry
from pipeline.telemetry import Telemetry
from processors.sli.slices import SliceCounter
from processors.slo.documents import load_objectives
from processors.stored.data import StoredData
from receivers.otlp.admission import Admission
from receivers.otlp.grpc import GrpcReceiver
from receivers.otlp.http import HttpReceiver
from receivers.otlp.signals import SIGNALS, TRACES, Signal, warm_up

log = logging.getLogger("andon")

DRAIN_TIMEOUT_S = 30.0
LOCK_TIMEOUT_S = 60.0  # while the last process on the folder ends, or a neighbour drains it
LEDGER_PERIOD_S = 1.0
STUCK_TIMEOUTS = 4  # as often as an insert may take before it is given up: then nobody works on the oldest chunk


class LedgerWriter:
    """The thread that tells ClickHouse who listened, and what came of what arrived."""

    def __init__(self, ledger: Ledger, write: Write, lanes: Mapping[str, Lane], clock: Clock) -> None:
        self._ledger = ledger
        self._write = write
        self._lanes = lanes
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
            worker = self._lanes[TRACES.name].spool.worker
            while batch := self._ledger.take(self._clock.now_ns(), worker, waiting_ns=self._waiting_ns(), last=last):
                self._write(RECEIVER_LEDGER.name, batch.rows, token=batch.token)
                self._ledger.written(batch)
        except AndonError as error:
            log.debug("the ledger waits: %s", error)

    def _waiting_ns(self) -> dict[str, int]:
        """How old the oldest item of each signal is that is not stored yet."""
        return {name: round(lane.spool.stats().oldest_age_s * NS_PER_S) for name, lane in self._lanes.items()}


class Ingest:
    """All of ingest, from doors to lanes: by itself, or worker `number` of several under one supervisor."""

    def __init__(self, assembly: Assembly, number: int | None = None) -> None:
        keep_freed_memory()
        config, clock = assembly.config, SystemClock()
        self._config, self._number, self._clock = config, number or 0, clock
        self._client = assembly.writer()
        self._ledger = Ledger(clock)
        self._telemetry = Telemetry(assembly.telemetry(), "ingest" if number is None else f"ingest-{number}")
        self._into_itself = assembly.telemetry_into_itself
        self._clickhouse, self._draining = Contact(clock), Contact(clock)
        self._passages = ChunkTelemetry(self._telemetry.meter, self._telemetry.tracer, clock)
        self._indicators = load_objectives(config.objectives).indicators
        max_services = config.receivers.otlp.limits.max_services
        self._stored = StoredData(config.processors, self._indicators, max_services)
        self._lanes = {signal.name: self._lane(signal) for signal in SIGNALS}
        write = self._clickhouse.watch(self._client.write)
        self._ledger_writer = LedgerWriter(self._ledger, write, self._lanes, clock)
        spools = {name: lane.spool for name, lane in self._lanes.items()}
        self._admission = Admission(config.receivers.otlp, spools, self._ledger, clock)
        self.grpc = GrpcReceiver(config.receivers.otlp, self._admission)
        self.http = HttpReceiver(config.receivers.otlp, self._admission)
        self._health = Health(
            checks={"doors": self._doors_shut, "spool": self._full, "drain": self._drain_stuck},
            facts={"clickhouse": self._clickhouse.state, "spool": self._spool_stats},
        )
        routes = self._health.routes(self._telemetry.exposition)
        if number is None:
            self._health_server = HealthServer(assembly.health_endpoint, routes)
        else:
            self._health_server = HealthServer("127.0.0.1:0", routes, assembly.health_file(number))
        self._instrument()

    def _lane(self, signal: Signal) -> Lane:
        # A counter and an exporter of its own: lanes run side by side.
        processor = ChunkProcessor(
            signal,
            limits=self._config.receivers.otlp.limits.of_items(),
            counter=SliceCounter(self._indicators),
            stored=self._stored,
            client=self._client,
            telemetry=self._passages,
        )
        process = self._draining.watch(self._clickhouse.watch(processor.process))
        return Lane(signal, self._config.spool, process, clock=self._clock, number=self._number)

    def _instrument(self) -> None:
        meter = self._telemetry.meter
        observe_process(meter)
        observe_ledger(meter, self._ledger)
        observe_spools(meter, {name: lane.spool.stats for name, lane in self._lanes.items()})
        observe_stored(meter, self._stored.stats)
        observe_one(
            meter, "andon.clickhouse.up", lambda: None if self._clickhouse.up is None else int(self._clickhouse.up)
        )

    def _doors_shut(self) -> str:
        return "" if self._ledger.doors else "no door is open"

    def _full(self) -> str:
        refusals = {name: lane.spool.refusal() for name, lane in self._lanes.items()}
        return "; ".join(f"{name}: {refusal}" for name, refusal in refusals.items() if refusal)

    def _drain_stuck(self) -> str:
        """Nothing was stored or tried for long, though something waits."""
        oldest_s = max(lane.spool.stats().oldest_age_s for lane in self._lanes.values())
        waits_s = min(self._draining.still_s, oldest_s)
        is_stuck = waits_s >= STUCK_TIMEOUTS * self._config.clickhouse.timeout / NS_PER_S
        return f"chunks wait, and none was tried for {waits_s:.0f} s" if is_stuck else ""

    def _spool_stats(self) -> dict[str, Any]:
        return {name: asdict(lane.spool.stats()) for name, lane in self._lanes.items()}

    def doors(self) -> str:
        """Where telemetry is taken."""
        return f"ingest     OTLP/gRPC {self.grpc.endpoint}  OTLP/HTTP {self.http.endpoint}"

    def start(self) -> None:
        """Open the doors once there is somebody behind them."""
        for lane in self._lanes.values():
            lane.lock(LOCK_TIMEOUT_S)
        self._health_server.start()
        log.info("preparing kernels (the first start compiles them: some seconds)")
        warm_up()
        self._admission.start()
        for lane in self._lanes.values():
            lane.start()
        self._ledger_writer.start()
        self.grpc.start()
        self.http.start()
        self._telemetry.start()
        self._health.started = True

    def shutdown(self) -> None:
        """Close the doors, empty the spools as far as ClickHouse lets us, then stop."""
        self._health.stopping = True
        if self._into_itself:
            self._telemetry.shutdown()  # while the door is open
        self.grpc.shutdown()
        self.http.shutdown()
        self._admission.shutdown()
        until_s = time.monotonic() + DRAIN_TIMEOUT_S
        for lane in self._lanes.values():
            lane.empty(until_s - time.monotonic())
        self._ledger_writer.shutdown()
        for lane in self._lanes.values():
            lane.spool.close()
        self._client.close()
        self._telemetry.shutdown()
        self._health_server.shutdown()
