"""A whole benchmark: kind of body by kind of body, ours before the peer's, so that both meet the same machine.

In: what a user asked for. Out: the report on stdout, progress on stderr. What cannot be measured is said at once,
stands in the report, and makes the benchmark fail when all the rest is done.
"""

import contextlib
import tempfile
from collections.abc import Iterator, Sequence
from itertools import product
from pathlib import Path

from rich.console import Console

from pipeline.bench import report
from pipeline.bench.cell import Cell, measure
from pipeline.bench.collectors import Collector, collectors
from pipeline.bench.evaluation import OBJECTIVES, measure_look
from pipeline.bench.machine import machine
from pipeline.bench.plan import Plan
from pipeline.bench.report import Found, Refusal
from pipeline.bench.soak import soak
from pipeline.bench.work import steps
from pipeline.errors import AndonError, PermanentError

INGEST, STEPS, EVALUATE, REPORT = "ingest", "steps", "evaluate", "report"
progress = Console(stderr=True, highlight=False, soft_wrap=True)


def run_bench(what: str, planned: Plan, *, peer: str, as_json: bool, markdown: Path | None) -> None:
    """Measure `what` beside `peer` and print it.

    Raises:
        PermanentError: it cannot be measured, or not all of it, and why.
    """
    if what not in (INGEST, STEPS, EVALUATE):
        raise PermanentError(f"expected {INGEST}, {STEPS}, {EVALUATE} or {REPORT}, got {what!r}")
    found = Found(machine=machine())
    programs = collectors(peer) if what == INGEST else []
    if what == EVALUATE:
        measure_looks(found)
    elif planned.soak_s:
        measure_soaks(planned, programs, found)
    else:
        measure_steps(planned, found)
        measure_cells(planned, programs, found)
    publish(found, as_json=as_json, markdown=markdown)


def measure_steps(planned: Plan, found: Found) -> None:
    for signal in planned.signals:
        with attempt(f"andon's steps of {signal.name}", found):
            found.steps += [step for size in planned.sizes for step in steps(signal, size)]


def measure_cells(planned: Plan, programs: Sequence[Collector], found: Found) -> None:
    for signal, size, program in product(planned.signals, planned.sizes, programs):
        with attempt(f"{program.name} {signal.name} {size}", found) as folder:
            cell = measure(program, signal, size, planned, folder)
            found.cells.append(cell)
            progress.print(line_of(cell))


def measure_looks(found: Found) -> None:
    for size in OBJECTIVES:
        with attempt(f"{size} objectives", found) as folder:
            found.looks.append(measure_look(size, folder))
            progress.print(f"{size} objectives: {found.looks[-1].seconds:.2f} s")


def measure_soaks(planned: Plan, programs: Sequence[Collector], found: Found) -> None:
    for program in programs:
        progress.print(f"{program.name}: soaking for {planned.soak_s:.0f} s")
        with attempt(f"{program.name} soak", found) as folder:
            found.soaks.append(soak(program, planned, folder))


@contextlib.contextmanager
def attempt(what: str, found: Found) -> Iterator[Path]:
    """A folder for `what`; if it fails, that is found, and the next can be measured."""
    with tempfile.TemporaryDirectory(prefix="andon-bench-") as folder:
        try:
            yield Path(folder)
        except AndonError as error:
            progress.print(f"{what}: {error}", markup=False)
            found.refusals.append(Refusal(what=what, why=str(error)))


def line_of(cell: Cell) -> str:
    """One cell, as soon as it is known."""
    full, half = cell.full, cell.half
    return (
        f"{cell.collector:8} {cell.signal:8} {cell.size:5}  {full.cpu_us_per_item:7.2f} µs/item  "
        f"{full.items_s:10,.0f} items/s  ack p99 {full.ack_ms_p99:.1f} ms, at half load {half.ack_ms_p99:.1f} ms"
    )


def publish(found: Found, *, as_json: bool, markdown: Path | None) -> None:
    """Print what was found, and say so if it is not all that was asked for."""
    if markdown is not None:
        markdown.write_text(report.as_markdown(found))
    if as_json:
        print(report.as_json(found))  # noqa: T201
    else:
        report.print_tables(found, Console(width=max(report.WIDTH, Console().width)))
    if found.refusals:
        raise PermanentError(f"not measured: {', '.join(refusal.what for refusal in found.refusals)}")
