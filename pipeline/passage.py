"""Chunks on their way from spool to store: how long each part takes, as metrics and as a trace.

In: the stages of one chunk, as they pass. Out: `db.client.operation.duration` for each insert; once all is stored,
`andon.ingest.delay`, `andon.items.stored` and `.late`, and a trace if it is sampled. Promised: our own spans make no
spans. A trace of a chunk that held only spans of ours would be the next such chunk, and so on for ever; such a chunk
leaves none. Our metrics need no such rule: how many there are does not depend on what they say.
"""

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass

from opentelemetry.context import Context
from opentelemetry.metrics import Meter, NoOpMeter
from opentelemetry.trace import NoOpTracer, SpanKind, Tracer, set_span_in_context

from pipeline.clock import NS_PER_S, Clock
from pipeline.instruments import REASON, SIGNAL, counter, histogram


@dataclass(frozen=True, slots=True, kw_only=True)
class Stage:
    """A part of a chunk's way, and the table if it was an insert."""

    name: str
    table: str
    start_ns: int
    end_ns: int
    error: str

    def attributes(self) -> dict[str, str]:
        """As the conventions for database clients want it."""
        insert = {"db.system.name": "clickhouse", "db.operation.name": "INSERT", "db.collection.name": self.table}
        return (insert if self.table else {}) | ({REASON: self.error} if self.error else {})


def unwatched(clock: Clock) -> "ChunkTelemetry":
    """For chunks that nobody asks about."""
    return ChunkTelemetry(NoOpMeter("nobody"), NoOpTracer(), clock)


class ChunkTelemetry:
    """Makes a `Passage` of each chunk; feeds what is measured once per chunk."""

    def __init__(self, meter: Meter, tracer: Tracer, clock: Clock) -> None:
        self._tracer = tracer
        self._clock = clock
        self._insert = histogram(meter, "db.client.operation.duration")
        self._delay = histogram(meter, "andon.ingest.delay")
        self._stored = counter(meter, "andon.items.stored")
        self._late = counter(meter, "andon.items.late")

    def follow(self, signal: str, chunk_id: str, opened_ns: int) -> "Passage":
        """A chunk whose first request came at `opened_ns` is taken in hand now."""
        return Passage(self, signal, chunk_id, opened_ns, self._clock.now_ns())

    def ended(self, stage: Stage) -> None:
        """A stage is over, well or not."""
        if stage.table:
            self._insert.record((stage.end_ns - stage.start_ns) / NS_PER_S, stage.attributes())

    def stored(self, passage: "Passage", items: int, late: int) -> None:
        """All of a chunk is in ClickHouse."""
        attributes = {SIGNAL: passage.signal}
        self._stored.add(items, attributes)
        self._late.add(late, attributes)
        self._delay.record(max(0, self._clock.now_ns() - passage.opened_ns) / NS_PER_S, attributes)

    def trace(self, passage: "Passage", items: int) -> None:
        """One trace of the whole way, made afterwards: only then is it known whether there should be one."""
        attributes: dict[str, str | int] = {
            SIGNAL: passage.signal,
            "andon.chunk.id": passage.chunk_id,
            "andon.chunk.items": items,
        }
        root = self._tracer.start_span(
            f"store {passage.signal}", Context(), start_time=passage.opened_ns, attributes=attributes
        )
        context = set_span_in_context(root, Context())
        received = Stage(name="receive", table="", start_ns=passage.opened_ns, end_ns=passage.taken_ns, error="")
        for stage in (received, *passage.stages):
            kind = SpanKind.CLIENT if stage.table else SpanKind.INTERNAL
            name = f"{stage.name} {stage.table}".rstrip()
            span = self._tracer.start_span(name, context, kind, stage.attributes(), start_time=stage.start_ns)
            span.end(stage.end_ns)
        root.end(self._clock.now_ns())

    def now_ns(self) -> int:
        return self._clock.now_ns()


class Passage:
    """One chunk on its way to the store: how long each stage took."""

    def __init__(self, telemetry: ChunkTelemetry, signal: str, chunk_id: str, opened_ns: int, taken_ns: int) -> None:
        self.signal = signal
        self.chunk_id = chunk_id
        self.opened_ns = opened_ns
        self.taken_ns = max(taken_ns, opened_ns)
        self.stages: list[Stage] = []
        self._telemetry = telemetry

    @contextmanager
    def stage(self, name: str, table: str = "") -> Iterator[None]:
        """What runs in this block is stage `name`; with `table`, an insert into it."""
        start_ns, error = self._telemetry.now_ns(), ""
        try:
            yield
        except Exception as failure:
            error = type(failure).__name__
            raise
        finally:
            stage = Stage(name=name, table=table, start_ns=start_ns, end_ns=self._telemetry.now_ns(), error=error)
            self.stages.append(stage)
            self._telemetry.ended(stage)

    def stored(self, *, items: int, late: int, own: bool) -> None:
        """All of it is stored. One of nothing but our `own` telemetry leaves no trace, or traces would never end."""
        self._telemetry.stored(self, items, late)
        if not own:
            self._telemetry.trace(self, items)
