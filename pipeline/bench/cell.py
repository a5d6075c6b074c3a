"""One collector under one kind of body: at full speed, at half load, along the load curve.

In: a collector, a signal, a size, a plan. Out: a `Run` for each pace. Promised: a run is over when every item that was
acknowledged is in its table, each once; else it has failed.
"""

import contextlib
import time
from collections.abc import Iterator, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from pipeline.bench.bodies import Bodies, Signal
from pipeline.bench.child import Child
from pipeline.bench.collectors import Collector
from pipeline.bench.engine import Stage, stage
from pipeline.bench.load import Load, Pace, percentile
from pipeline.bench.plan import CURVE_SIZE, LEAST_REQUESTS, Plan
from pipeline.bench.usage import Memory, cpu
from pipeline.errors import PermanentError

MEMORY_PERIOD_S = 0.1
BACKLOG_TIMEOUT_S = 900.0  # a full spool, stored slowly


@dataclass(frozen=True, slots=True, kw_only=True)
class Run:
    """What a collector needed for what it was sent at one pace.

    `seconds` is from the first byte sent until all is stored, `sending_s` until all is acknowledged. `clients_cores` is
    how many cores the clients took meanwhile: near 1 they are the limit, for Python runs them one at a time.
    """

    offered_items_s: float | None
    requests: int
    items: int
    bytes: int
    refused: int
    sending_s: float
    seconds: float
    user_s: float
    system_s: float
    ack_ms_p50: float
    ack_ms_p99: float
    peak_mib: float
    clients_cores: float

    @property
    def items_s(self) -> float:
        return self.items / self.seconds

    @property
    def acknowledged_items_s(self) -> float:
        return self.items / self.sending_s

    @property
    def mb_s(self) -> float:
        return self.bytes / self.seconds / 1e6

    @property
    def cpu_us_per_item(self) -> float:
        return 1e6 * (self.user_s + self.system_s) / self.items

    @property
    def cpu_us_per_request(self) -> float:
        return 1e6 * (self.user_s + self.system_s) / self.requests

    def as_json(self) -> dict[str, Any]:
        """What was measured, and what follows from it."""
        names = ("items_s", "acknowledged_items_s", "mb_s", "cpu_us_per_item", "cpu_us_per_request")
        return asdict(self) | {name: getattr(self, name) for name in names}


@dataclass(frozen=True, slots=True, kw_only=True)
class Cell:
    """The runs of one collector, signal and size."""

    collector: str
    signal: str
    size: int
    full: Run
    half: Run
    curve: Sequence[Run]

    def as_json(self) -> dict[str, Any]:
        """As it is printed."""
        names = {"collector": self.collector, "signal": self.signal, "size": self.size}
        curve = [run.as_json() for run in self.curve]
        return names | {"full": self.full.as_json(), "half": self.half.as_json(), "curve": curve}


def measure(collector: Collector, signal: Signal, size: int, plan: Plan, folder: Path) -> Cell:
    """All paces, one after the other, of one process.

    Raises:
        AndonError: it refused, or lost something, or did not work.
    """
    with subject(collector, [Bodies(signal, size)], folder) as it:
        it.run(Pace(seconds=plan.warm_up_s))
        full = it.run(Pace(seconds=plan.seconds))
        half = it.run(paced(full.items_s / 2, size, plan.seconds))
        rates = [rate for rate in plan.rates if size == CURVE_SIZE and rate < full.items_s]
        curve = [it.run(paced(rate, size, plan.seconds)) for rate in rates]
    return Cell(collector=collector.name, signal=signal.name, size=size, full=full, half=half, curve=curve)


def paced(items_s: float, size: int, seconds: float) -> Pace:
    """For `seconds`, and longer if that is too short for a few requests."""
    rate = items_s / size
    return Pace(seconds=max(seconds, LEAST_REQUESTS / rate), rate=rate)


@contextlib.contextmanager
def subject(collector: Collector, sources: Sequence[Bodies], folder: Path) -> Iterator["Subject"]:
    """A collector, freshly started before a fresh engine, with clients connected."""
    with stage(folder) as here, collector.running(here, {}) as process, Load(here.endpoint, sources) as load:
        yield Subject(here, process, load, tables_of(sources))


def tables_of(sources: Sequence[Bodies]) -> list[str]:
    return [table for source in sources for table in source.signal.tables]


class Subject:
    """A running collector, measured while it is sent something."""

    def __init__(self, here: Stage, process: Child, load: Load, tables: Sequence[str]) -> None:
        self._here = here
        self._process = process
        self._load = load
        self._tables = tables
        self._stored = 0  # the engine is fresh

    def run(self, pace: Pace) -> Run:
        """Send at `pace`, wait until all of it is stored, and say what that took."""
        return self.watched(pace, Memory(self._process.process, MEMORY_PERIOD_S))

    def watched(self, pace: Pace, memory: Memory) -> Run:
        """The same, with `memory` for the caller to look at."""
        start_s, before, clients_s = time.monotonic(), cpu(self._process.process), time.process_time()
        with memory:
            sent = self._load.send(pace)
            sending_s, clients_s = time.monotonic() - start_s, time.process_time() - clients_s
            self._wait_stored(sent.items)
        used, seconds = cpu(self._process.process) - before, time.monotonic() - start_s
        return Run(
            offered_items_s=None if pace.rate is None else sent.items / pace.seconds,
            requests=len(sent.acks_s),
            items=sent.items,
            bytes=sent.bytes,
            refused=sent.refused,
            sending_s=sending_s,
            seconds=seconds,
            user_s=used.user_s,
            system_s=used.system_s,
            ack_ms_p50=1e3 * percentile(sent.acks_s, 0.5),
            ack_ms_p99=1e3 * percentile(sent.acks_s, 0.99),
            peak_mib=memory.peak_mib,
            clients_cores=clients_s / sending_s,
        )

    def _wait_stored(self, items: int) -> None:
        self._stored += items
        everything = f"{self._process.name} to store every item"
        self._process.wait_until(lambda: self._rows() >= self._stored, everything, timeout_s=BACKLOG_TIMEOUT_S)
        if (found := self._rows()) != self._stored:
            raise PermanentError(f"{self._process.name}: expected {self._stored} items stored, got {found}")

    def _rows(self) -> int:
        return self._here.stored(self._tables)
