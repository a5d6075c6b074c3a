"""Saturation for minutes: whether memory stays flat, and how long a first and a later start take.

In: a collector and signals. Out: resident memory every 30 s, the start times, and a `Run` over all of it. The first
start finds no compiled kernels. Bodies of the signals take turns.
"""

import time
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from pipeline.bench.bodies import Bodies
from pipeline.bench.cell import Run, Subject, tables_of
from pipeline.bench.collectors import Collector
from pipeline.bench.engine import Stage, stage
from pipeline.bench.load import Load, Pace
from pipeline.bench.plan import CURVE_SIZE, Plan
from pipeline.bench.usage import Memory

PERIOD_S = 30.0
LEAST_SAMPLES = 12  # of a short soak


@dataclass(frozen=True, slots=True, kw_only=True)
class Soak:
    """One collector's soak; `memory` is seconds since its start and MiB."""

    collector: str
    signals: str
    first_start_s: float
    later_start_s: float
    memory: Sequence[tuple[float, float]]
    run: Run

    @property
    def growth(self) -> float:
        """The peak of the last quarter over that of the second, by when everything has been warm for long."""
        quarter = len(self.memory) // 4
        peaks = [max(mib for _, mib in part) for part in (self.memory[quarter : 2 * quarter], self.memory[-quarter:])]
        return peaks[1] / peaks[0]

    def as_json(self) -> dict[str, Any]:
        """As it is printed."""
        return asdict(self) | {"growth": self.growth, "run": self.run.as_json()}


def soak(collector: Collector, plan: Plan, folder: Path) -> Soak:
    """Start twice, then hold saturation.

    Raises:
        AndonError: it refused, or lost something, or did not work.
    """
    sources = [Bodies(signal, CURVE_SIZE) for signal in plan.signals]
    environment = {"NUMBA_CACHE_DIR": str(folder / "kernels")}
    with stage(folder) as here:
        first_s = start_and_end(collector, here, environment)
        begin_s = time.monotonic()
        with collector.running(here, environment) as process, Load(here.endpoint, sources) as load:
            later_s = time.monotonic() - begin_s
            memory = Memory(process.process, min(PERIOD_S, plan.soak_s / LEAST_SAMPLES))
            run = Subject(here, process, load, tables_of(sources)).watched(Pace(seconds=plan.soak_s), memory)
    return Soak(
        collector=collector.name,
        signals=",".join(signal.name for signal in plan.signals),
        first_start_s=first_s,
        later_start_s=later_s,
        memory=memory.samples,
        run=run,
    )


def start_and_end(collector: Collector, here: Stage, environment: Mapping[str, str]) -> float:
    """How many seconds it takes to start."""
    begin_s = time.monotonic()
    with collector.running(here, environment):
        return time.monotonic() - begin_s
