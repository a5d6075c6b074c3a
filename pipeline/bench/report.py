"""What was found, as JSON, as tables for a terminal, as markdown for `tests/bench/RESULTS.md`.

In: cells, steps, soaks, looks, refusals. Out: text. Each table is made once, whatever it is printed as.
"""

import json
from collections.abc import Sequence
from dataclasses import asdict, dataclass, field
from typing import TypeAlias

from rich import box
from rich.console import Console
from rich.table import Table

from pipeline.bench.cell import Cell
from pipeline.bench.evaluation import Look
from pipeline.bench.machine import Machine
from pipeline.bench.soak import Soak
from pipeline.bench.work import YARDSTICK, Step

Kind: TypeAlias = tuple[str, int]  # a signal, and items in a body
NONE = ""
WIDTH = 130  # also where nobody says how wide the terminal is


@dataclass(frozen=True, slots=True, kw_only=True)
class Refusal:
    """What could not be measured, and why."""

    what: str
    why: str


@dataclass(slots=True, kw_only=True)
class Found:
    """All of one benchmark."""

    machine: Machine
    cells: list[Cell] = field(default_factory=list)
    steps: list[Step] = field(default_factory=list)
    soaks: list[Soak] = field(default_factory=list)
    looks: list[Look] = field(default_factory=list)
    refusals: list[Refusal] = field(default_factory=list)

    def kinds(self) -> list[Kind]:
        """What was sent, in the order it was."""
        sent: list[Cell | Step] = [*self.cells, *self.steps]
        return list(dict.fromkeys((one.signal, one.size) for one in sent))

    def cell(self, kind: Kind, collector: str) -> Cell | None:
        return next((one for one in self.cells if (one.signal, one.size, one.collector) == (*kind, collector)), None)

    def ours(self, kind: Kind) -> Cell | None:
        return self.cell(kind, "andon")

    def ratio(self, one: Cell) -> float | None:
        """Our CPU time per item over that of `one`, for the same."""
        ours = self.ours((one.signal, one.size))
        return ours.full.cpu_us_per_item / one.full.cpu_us_per_item if ours and ours is not one else None


@dataclass(frozen=True, slots=True, kw_only=True)
class Grid:
    """A table before it is printed."""

    title: str
    headings: Sequence[str]
    rows: Sequence[Sequence[str]]


def as_json(found: Found) -> str:
    """One object with everything."""
    return json.dumps(
        {
            "machine": asdict(found.machine),
            "cells": [{**cell.as_json(), "andon_over_this": found.ratio(cell)} for cell in found.cells],
            "steps": [asdict(step) for step in found.steps],
            "soaks": [soak.as_json() for soak in found.soaks],
            "looks": [asdict(look) for look in found.looks],
            "refusals": [asdict(refusal) for refusal in found.refusals],
        }
    )


def print_tables(found: Found, console: Console) -> None:
    """For people at a terminal."""
    for grid in grids(found):
        table = Table(title=grid.title, box=box.SIMPLE_HEAD, title_justify="left")
        for heading in grid.headings:
            table.add_column(heading, justify="right", overflow="fold")
        for row in grid.rows:
            table.add_row(*row)
        console.print(table)


def as_markdown(found: Found) -> str:
    """For people who were not there."""
    here = found.machine
    lines = [f"## {here.date}: {here.cores} cores of {here.cpu}, {here.ram_gib:g} GiB"]
    lines += ["", f"Python {here.python}, commit {here.commit}."]
    for grid in grids(found):
        lines += ["", f"### {grid.title}", "", markdown_row(grid.headings), "|" + "---|" * len(grid.headings)]
        lines += [markdown_row(row) for row in grid.rows]
    return "\n".join(lines) + "\n"


def markdown_row(row: Sequence[str]) -> str:
    return "| " + " | ".join(cell.replace("|", "\\|") for cell in row) + " |"


def grids(found: Found) -> list[Grid]:
    """All tables that have rows."""
    made = (
        *(costs(found), acknowledgements(found), steps(found), curve(found), *soaks(found)),
        *(looks(found), refusals(found)),
    )
    return [grid for grid in made if grid.rows]


def costs(found: Found) -> Grid:
    """What an item costs at full speed."""
    rows = [
        [
            *(one.signal, str(one.size), one.collector),
            *(f"{one.full.cpu_us_per_item:.2f}", f"{one.full.cpu_us_per_request:.0f}"),
            ratio_of(found.ratio(one)),
            *(f"{one.full.items_s:,.0f}", f"{one.full.mb_s:.1f}", f"{one.full.clients_cores:.2f}"),
            f"{max(run.peak_mib for run in (one.full, one.half, *one.curve)):.0f}",
        ]
        for one in found.cells
    ]
    headings = ("signal", "items a body", "collector", "CPU µs/item", "CPU µs/request", "andon / this")
    return Grid(
        title="Cost at full speed",
        headings=(*headings, "stored/s", "MB/s", "clients' cores", "peak RSS MiB"),
        rows=rows,
    )


def ratio_of(ratio: float | None) -> str:
    return NONE if ratio is None else f"{ratio:.2f}"


def acknowledgements(found: Found) -> Grid:
    """How long a client waits."""
    rows = [
        [
            *(one.signal, str(one.size), one.collector),
            *(f"{ms:.1f}" for run in (one.full, one.half) for ms in (run.ack_ms_p50, run.ack_ms_p99)),
            *(f"{one.half.items_s:,.0f}", f"{one.half.cpu_us_per_item:.2f}"),
            str(one.full.refused + one.half.refused),
        ]
        for one in found.cells
    ]
    headings = ("signal", "items a body", "collector", "full p50 ms", "full p99 ms", "half p50 ms", "half p99 ms")
    return Grid(
        title="Acknowledgement at full speed and at half load",
        headings=(*headings, "half stored/s", "half CPU µs/item", "refused"),
        rows=rows,
    )


def steps(found: Found) -> Grid:
    """Where our own time goes."""
    names = list(dict.fromkeys(step.name for step in found.steps))
    kinds = [kind for kind in found.kinds() if any((step.signal, step.size) == kind for step in found.steps)]
    return Grid(
        title="Andon's own steps, µs per item, and their share of all its CPU time",
        headings=("signal", "items a body", *names, "end to end"),
        rows=[[kind[0], str(kind[1]), *steps_of(found, kind, names), end_to_end(found, kind)] for kind in kinds],
    )


def steps_of(found: Found, kind: Kind, names: Sequence[str]) -> list[str]:
    us = {step.name: step.us_per_item for step in found.steps if (step.signal, step.size) == kind}
    ours = found.ours(kind)
    return [share_of(us[name], ours, name) if name in us else NONE for name in names]


def share_of(us: float, ours: Cell | None, name: str) -> str:
    if ours is None or name == YARDSTICK:
        return f"{us:.2f}"
    return f"{us:.2f} ({us / ours.full.cpu_us_per_item:.0%})"


def end_to_end(found: Found, kind: Kind) -> str:
    ours = found.ours(kind)
    return NONE if ours is None else f"{ours.full.cpu_us_per_item:.2f}"


def curve(found: Found) -> Grid:
    """What an item costs at less than full speed; the last row of each is the machine's limit."""
    rows = [
        [
            *(cell.signal, cell.collector, "max" if run is cell.full else f"{run.offered_items_s:,.0f}"),
            *(f"{run.items_s:,.0f}", f"{run.cpu_us_per_item:.2f}", f"{run.ack_ms_p50:.1f}", f"{run.ack_ms_p99:.1f}"),
        ]
        for cell in found.cells
        if cell.curve
        for run in (*cell.curve, cell.full)
    ]
    return Grid(
        title="Load curve",
        headings=(
            "signal",
            "collector",
            "offered items/s",
            "stored/s",
            "CPU µs/item",
            "ack p50 ms",
            "ack p99 ms",
        ),
        rows=rows,
    )


def soaks(found: Found) -> list[Grid]:
    """Starts and growth of each soak, then its memory over time."""
    rows = [
        [
            *(soak.collector, soak.signals, f"{soak.first_start_s:.1f}", f"{soak.later_start_s:.1f}"),
            *(f"{soak.run.seconds:.0f}", f"{soak.run.items_s:,.0f}", f"{soak.run.cpu_us_per_item:.2f}"),
            *(f"{soak.run.ack_ms_p99:.1f}", str(soak.run.refused), f"{soak.growth:.3f}"),
        ]
        for soak in found.soaks
    ]
    headings = ("collector", "signals", "first start s", "later start s", "seconds", "items/s", "CPU µs/item")
    title = "Soak; growth is the peak RSS of the last quarter over that of the second"
    whole = Grid(title=title, headings=(*headings, "ack p99 ms", "refused", "growth"), rows=rows)
    return [whole, *(memory(soak) for soak in found.soaks)]


def memory(soak: Soak) -> Grid:
    return Grid(
        title=f"Resident memory of {soak.collector}",
        headings=("after s", "RSS MiB"),
        rows=[[f"{at:.0f}", f"{mib:.0f}"] for at, mib in soak.memory],
    )


def looks(found: Found) -> Grid:
    """What a look at every promise costs."""
    return Grid(
        title="A look at every promise, ten groups each",
        headings=("objectives", "seconds", "CPU s", "CPU s of the engine", "RSS MiB"),
        rows=[
            [
                str(one.objectives),
                *(f"{n:.2f}" for n in (one.seconds, one.cpu_s, one.engine_cpu_s)),
                f"{one.rss_mib:.0f}",
            ]
            for one in found.looks
        ],
    )


def refusals(found: Found) -> Grid:
    """What could not be measured."""
    rows = [[refusal.what, refusal.why] for refusal in found.refusals]
    return Grid(title="Not measured", headings=("what", "why"), rows=rows)
