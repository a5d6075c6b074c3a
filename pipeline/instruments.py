"""What Andon measures of itself: one table of instruments, and what counts by itself behind them.

In: a meter; the ledger, the spools, this process. Out: instruments. Promised: nothing is counted in two ways. What
happens per request is counted in plain integers where it happens, and read here when somebody asks; what happens per
chunk, about once a second, is told to an instrument (`passage.py`).

Names are OpenTelemetry's where it has one, else begin with `andon.`; a test holds the README to this table.
"""

import time
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass
from enum import StrEnum
from typing import Protocol, TypeVar

import psutil
from opentelemetry.metrics import CallbackOptions, Counter, Histogram, Meter, Observation

from pipeline.ledger import ACCEPTED, DUPLICATES, REFUSED, REQUESTS, SHED, Ledger
from pipeline.spool import SpoolStats

Read = Callable[[], Iterable[Observation]]
Stats = Callable[[], SpoolStats]
ValueT = TypeVar("ValueT")
SIGNAL, REASON, TRANSPORT = "signal", "error.type", "transport"
LATE_S, LATE_LOOKS = 60.0, 4  # how old, and how often missed, a look may be
KEPT_S = 0.5  # how long a look at a spool serves all instruments that ask for it


class Look(Protocol):
    """What the evaluator knows of its last look."""

    @property
    def ended_s(self) -> float: ...
    @property
    def duration_s(self) -> float: ...
    @property
    def promises(self) -> int: ...


class Kind(StrEnum):
    """How an instrument is asked or told."""

    COUNTER = "counter"
    UP_DOWN = "updowncounter"
    GAUGE = "gauge"
    HISTOGRAM = "histogram"


@dataclass(frozen=True, slots=True)
class Instrument:
    """One line of the table. A histogram has bounds."""

    name: str
    kind: Kind
    unit: str
    description: str
    bounds: tuple[float, ...] = ()


# https://opentelemetry.io/docs/specs/semconv/database/database-metrics/
INSERT_BOUNDS_S = (0.001, 0.005, 0.01, 0.05, 0.1, 0.5, 1, 5, 10)
DELAY_BOUNDS_S = (0.25, 0.5, 1, 1.5, 2, 3, 5, 10, 30, 60, 300, 1800, 7200, 86400)

INSTRUMENTS: Mapping[str, Instrument] = {
    one.name: one
    for one in (
        Instrument("andon.items.accepted", Kind.COUNTER, "{item}", "Spans, points, records acknowledged"),
        Instrument(
            "andon.items.refused", Kind.COUNTER, "{item}", "Refused for good; requests that cannot be counted are 1"
        ),
        Instrument("andon.items.shed", Kind.COUNTER, "{item}", "Asked to come again"),
        Instrument("andon.items.stored", Kind.COUNTER, "{item}", "In ClickHouse"),
        Instrument("andon.items.late", Kind.COUNTER, "{item}", "Stored, but received long after they ended"),
        Instrument("andon.items.filtered", Kind.COUNTER, "{item}", "Counted, but not stored, by table and rule"),
        Instrument("andon.items.sampled", Kind.COUNTER, "{item}", "Spans by what sampling decided"),
        Instrument("andon.items.overflowed", Kind.COUNTER, "{item}", "Stored as of service andon.overflow"),
        Instrument("andon.values.redacted", Kind.COUNTER, "{value}", "Changed or taken out, by table and rule"),
        Instrument("andon.requests.received", Kind.COUNTER, "{request}", "Export requests, whatever came of them"),
        Instrument("andon.requests.duplicate", Kind.COUNTER, "{request}", "Retries of what was already acknowledged"),
        Instrument("andon.ingest.delay", Kind.HISTOGRAM, "s", "From a chunk's first request to stored", DELAY_BOUNDS_S),
        Instrument("andon.chunks.buried", Kind.COUNTER, "{chunk}", "Put aside: ClickHouse refused them for good"),
        Instrument("andon.chunks.dropped", Kind.COUNTER, "{chunk}", "Of those, deleted to make room: lost"),
        Instrument("andon.ledger.slices.dropped", Kind.COUNTER, "{slice}", "Counts that ClickHouse never got"),
        Instrument("andon.spool.usage", Kind.UP_DOWN, "By", "On disk, not stored yet"),
        Instrument("andon.spool.chunks", Kind.UP_DOWN, "{chunk}", "Open, sealed and being stored"),
        Instrument("andon.spool.oldest.age", Kind.GAUGE, "s", "Of the oldest chunk: how far ClickHouse lags behind"),
        Instrument("andon.spool.holding", Kind.UP_DOWN, "{request}", "Waiting for room"),
        Instrument("andon.spool.dead.usage", Kind.UP_DOWN, "By", "Put aside, still on disk"),
        Instrument("andon.spool.requests", Kind.COUNTER, "{request}", "Appended"),
        Instrument("andon.spool.syncs", Kind.COUNTER, "{sync}", "That they shared"),
        Instrument("andon.spool.errors", Kind.COUNTER, "{error}", "Failed writes and syncs"),
        Instrument("andon.spool.cut", Kind.COUNTER, "By", "Torn tails cut at start"),
        Instrument("andon.clickhouse.up", Kind.GAUGE, "1", "1 if it answered the last time, else 0"),
        Instrument("db.client.operation.duration", Kind.HISTOGRAM, "s", "Of an insert, by table", INSERT_BOUNDS_S),
        Instrument("andon.evaluate.duration", Kind.GAUGE, "s", "Of the last look at all promises"),
        Instrument("andon.evaluate.age", Kind.GAUGE, "s", "Since that look came to its end"),
        Instrument("andon.evaluate.promises", Kind.UP_DOWN, "{promise}", "That it looked at"),
        Instrument("process.cpu.time", Kind.COUNTER, "s", "By cpu.mode"),
        Instrument("process.memory.usage", Kind.UP_DOWN, "By", "Resident"),
        Instrument("process.memory.virtual", Kind.UP_DOWN, "By", "Committed"),
        Instrument("process.thread.count", Kind.UP_DOWN, "{thread}", "Threads"),
        Instrument("process.unix.file_descriptor.count", Kind.UP_DOWN, "{file_descriptor}", "Open files and sockets"),
        Instrument("process.uptime", Kind.GAUGE, "s", "Since the process started"),
    )
}


def observe(meter: Meter, name: str, read: Read) -> None:
    """Have `read` asked whenever somebody wants the value of `name`."""
    one = INSTRUMENTS[name]
    create = {
        Kind.COUNTER: meter.create_observable_counter,
        Kind.UP_DOWN: meter.create_observable_up_down_counter,
        Kind.GAUGE: meter.create_observable_gauge,
    }[one.kind]

    def answer(_options: CallbackOptions) -> Iterable[Observation]:
        return read()

    create(name, [answer], one.unit, one.description)


def observe_one(meter: Meter, name: str, read: Callable[[], float | None]) -> None:
    """The same for a single number without attributes; None is none."""

    def answer() -> Iterable[Observation]:
        value = read()
        return () if value is None else (Observation(value),)

    observe(meter, name, answer)


def counter(meter: Meter, name: str) -> Counter:
    """A counter of the table that is told, not asked."""
    one = INSTRUMENTS[name]
    return meter.create_counter(name, one.unit, one.description)


def histogram(meter: Meter, name: str) -> Histogram:
    """A histogram of the table."""
    one = INSTRUMENTS[name]
    return meter.create_histogram(name, one.unit, one.description, explicit_bucket_boundaries_advisory=one.bounds)


LEDGER_TOTALS = {
    "andon.items.accepted": (ACCEPTED, None),
    "andon.items.refused": (REFUSED, REASON),
    "andon.items.shed": (SHED, REASON),
    "andon.requests.received": (REQUESTS, TRANSPORT),
    "andon.requests.duplicate": (DUPLICATES, None),
}
SPOOL_STATS: Mapping[str, Callable[[SpoolStats], float]] = {
    "andon.chunks.buried": lambda stats: stats.buried_chunks_total,
    "andon.chunks.dropped": lambda stats: stats.dropped_dead_chunks_total,
    "andon.spool.usage": lambda stats: stats.bytes,
    "andon.spool.chunks": lambda stats: stats.chunks,
    "andon.spool.oldest.age": lambda stats: stats.oldest_age_s,
    "andon.spool.holding": lambda stats: stats.holding,
    "andon.spool.dead.usage": lambda stats: stats.dead_bytes,
    "andon.spool.requests": lambda stats: stats.requests_total,
    "andon.spool.syncs": lambda stats: stats.syncs_total,
    "andon.spool.errors": lambda stats: stats.io_errors_total,
    "andon.spool.cut": lambda stats: stats.cut_bytes_total,
}


def observe_ledger(meter: Meter, ledger: Ledger) -> None:
    """What came of every item and request."""

    def totals(what: str, attribute: str | None) -> Read:
        def read() -> Iterator[Observation]:
            for (kind, signal, detail), number in ledger.totals().items():
                if kind == what:
                    yield Observation(number, {SIGNAL: signal} | ({attribute: detail} if attribute else {}))

        return read

    for name, (what, attribute) in LEDGER_TOTALS.items():
        observe(meter, name, totals(what, attribute))
    observe_one(meter, "andon.ledger.slices.dropped", lambda: ledger.dropped_slices)


def observe_spools(meter: Meter, spools: Mapping[str, Stats]) -> None:
    """What the spool of each signal holds."""
    kept = {signal: _kept(stats) for signal, stats in spools.items()}

    def values(value: Callable[[SpoolStats], float]) -> Read:
        return lambda: [Observation(value(stats()), {SIGNAL: signal}) for signal, stats in kept.items()]

    for name, value in SPOOL_STATS.items():
        observe(meter, name, values(value))


class Stored(Protocol):
    """What became of records between counting and storing."""

    @property
    def filtered_total(self) -> Mapping[tuple[str, str], int]: ...
    @property
    def sampled_total(self) -> Mapping[str, int]: ...
    @property
    def redacted_total(self) -> Mapping[tuple[str, str], int]: ...
    @property
    def overflowed_total(self) -> int: ...


def observe_stored(meter: Meter, look: Callable[[], Stored]) -> None:
    """What was left out or changed before it was stored."""

    def by_rule(totals: Callable[[Stored], Mapping[tuple[str, str], int]]) -> Read:
        return lambda: [
            Observation(count, {"db.collection.name": table, "rule": rule})
            for (table, rule), count in totals(look()).items()
        ]

    observe(meter, "andon.items.filtered", by_rule(lambda stored: stored.filtered_total))
    observe(meter, "andon.values.redacted", by_rule(lambda stored: stored.redacted_total))
    observe_one(meter, "andon.items.overflowed", lambda: look().overflowed_total)
    observe(
        meter,
        "andon.items.sampled",
        lambda: [Observation(count, {"decision": decision}) for decision, count in look().sampled_total.items()],
    )


def _kept(look: Callable[[], ValueT]) -> Callable[[], ValueT]:
    """`look`, not more often than it matters: a collection asks once per instrument."""
    kept: list[tuple[float, ValueT]] = []

    def read() -> ValueT:
        now_s = time.monotonic()
        if not kept or now_s - kept[0][0] > KEPT_S:
            kept[:] = [(now_s, look())]
        return kept[0][1]

    return read


def observe_looks(meter: Meter, looked: Callable[[], Look | None]) -> None:
    """How the evaluator gets on; nothing before its first look."""

    def value(of: Callable[[Look], float]) -> Callable[[], float | None]:
        return lambda: of(look) if (look := looked()) else None

    observe_one(meter, "andon.evaluate.duration", value(lambda look: look.duration_s))
    observe_one(meter, "andon.evaluate.age", value(lambda look: time.monotonic() - look.ended_s))
    observe_one(meter, "andon.evaluate.promises", value(lambda look: look.promises))


def late(look: Look | None, interval_s: float) -> str:
    """Why the last look is not what it should be; nothing if it is."""
    if look is None:
        return "no look at the promises has come to its end yet"
    age_s = time.monotonic() - look.ended_s
    return f"the last look ended {age_s:.0f} s ago" if age_s > max(LATE_S, LATE_LOOKS * interval_s) else ""


def observe_process(meter: Meter) -> None:
    """CPU, memory, threads and files of this process, as psutil has them."""
    process = psutil.Process()

    def cpu() -> Iterable[Observation]:
        times = process.cpu_times()
        return Observation(times.user, {"cpu.mode": "user"}), Observation(times.system, {"cpu.mode": "system"})

    observe(meter, "process.cpu.time", cpu)
    observe_one(meter, "process.memory.usage", lambda: process.memory_info().rss)
    observe_one(meter, "process.memory.virtual", lambda: process.memory_info().vms)
    observe_one(meter, "process.thread.count", process.num_threads)
    observe_one(meter, "process.unix.file_descriptor.count", process.num_fds)
    observe_one(meter, "process.uptime", lambda: time.time() - process.create_time())
