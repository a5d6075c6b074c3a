"""Our own work on the very bodies that are sent, step by step in this process: µs per item of each.

In: a signal and a size. Out: steps, each without those before it, the best of many rounds. Bodies are concatenated as
in a spool chunk, some 10 000 items long; only the scan, which admission does, takes each by itself. Beside them stands
what protobuf's own parser takes for the same bytes.
"""

import tempfile
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from functools import cache
from pathlib import Path

import pyarrow as pa

from exporters.clickhouse.insert import ArrowBody
from pipeline.batch import Batch
from pipeline.bench.bodies import Bodies, Signal
from pipeline.bench.engine import write_objectives
from processors.sli.slices import SliceCounter
from processors.slo.documents import load_objectives
from receivers.otlp.signals import Signal as OtlpSignal

ITEMS = 10_240
SECONDS = 0.3  # for a step's rounds
YARDSTICK = "protobuf FromString"


@dataclass(frozen=True, slots=True, kw_only=True)
class Step:
    """One step of our work. `size` is how many items a body has."""

    signal: str
    size: int
    name: str
    us_per_item: float


def count(tables: Mapping[str, tuple[pa.RecordBatch, ...]]) -> object:
    """What ingest does for indicators: nothing but for spans."""
    return slice_counter().count(Batch(chunk_id="bench", received_ns=time.time_ns(), tables=tables))


@cache
def slice_counter() -> SliceCounter:
    """The two indicators that are counted while a collector is measured."""
    with tempfile.TemporaryDirectory() as folder:
        write_objectives(Path(folder) / "slo")
        return SliceCounter(load_objectives(Path(folder) / "slo").indicators)


def steps(signal: Signal, size: int) -> list[Step]:
    """What each step costs."""
    source = Bodies(signal, size)
    bodies = [next(source) for _ in range(max(1, ITEMS // size))]
    return [
        Step(signal=signal.name, size=size, name=name, us_per_item=best_us(step) / (len(bodies) * size))
        for name, step in timed(signal.otlp, bodies).items()
    ]


def timed(signal: OtlpSignal, bodies: Sequence[bytes]) -> dict[str, Callable[[], object]]:
    """The steps by name, each ready to be run many times."""
    chunk = b"".join(bodies)
    decoded = signal.tables(chunk, 0)
    encoders = {table: ArrowBody() for table in decoded}
    return {
        "scan": lambda: [signal.scan(body) for body in bodies],
        "decode": lambda: signal.tables(chunk, 0),
        "count": lambda: count(decoded),
        "encode": lambda: [encoders[table](records) for table, records in decoded.items()],
        YARDSTICK: lambda: signal.request.FromString(chunk),
    }


def best_us(step: Callable[[], object]) -> float:
    """Microseconds of the quickest round: the others were disturbed. The first only warms up."""
    step()
    times: list[float] = []
    until = time.perf_counter() + SECONDS
    while not times or time.perf_counter() < until:
        begin = time.perf_counter()
        step()
        times.append(time.perf_counter() - begin)
    return 1e6 * min(times)
