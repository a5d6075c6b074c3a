"""`andon sla …`: what customers were promised, for people."""

import json
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from pipeline.console import DEFAULT_CONFIG, EXIT_ERROR, ConfigPath, assembly_of, err, explained

if TYPE_CHECKING:
    from rich.table import Table

    from pipeline.books import Books
    from pipeline.laws import Compared, ReadGrid
    from processors.sla.compare import LawRow
    from processors.sla.credit import Credit

PromiseName = Annotated[str, typer.Argument(metavar="PROMISE", help="Its name, say checkout-terms")]
PeriodName = Annotated[str, typer.Option("--period", help="Which closed period, say 2026-10")]
app = typer.Typer(no_args_is_help=True, help="Look at agreements: what was delivered, and what it costs.")


@app.command()
def laws(
    file: Annotated[Path, typer.Argument(help="A file or folder of objectives, with an Agreement in it")],
    month: Annotated[str, typer.Option(help="Which month, say 2026-10")],
    config: ConfigPath = DEFAULT_CONFIG,
    as_json: Annotated[bool, typer.Option("--json", help="One JSON object a law")] = False,
) -> None:
    """Ask what the same month would have been worth under every law."""
    with explained("sla"):
        from pipeline.laws import compare, facts, parse_month, refused
        from processors.slo.documents import objectives_at

        objectives = objectives_at(file)
        for compared in compare(objectives, parse_month(month), _reader(config)):
            if as_json:
                for row in facts(compared):
                    typer.echo(json.dumps(row, ensure_ascii=False))
            else:
                _print(compared)
            for window in refused(compared):
                typer.echo(f"not excluded: {window['exclusion']} {window['start']}: {window['refused']}", err=True)


@app.command()
def verify(
    promise: Annotated[str | None, typer.Argument(help="Only this one's periods")] = None,
    config: ConfigPath = DEFAULT_CONFIG,
) -> None:
    """Check that no closed period was changed, put between or left out since it was closed."""
    with explained("sla"):
        from pipeline.laws import closed_faults

        count, found = closed_faults(assembly_of(config).reader().query, promise)
        for fault in found:
            err.print(fault, markup=False, soft_wrap=True)
        if found:
            raise typer.Exit(EXIT_ERROR)
        typer.echo(f"closed periods: {count}, each as it was closed and following from the one before")


@app.command()
def replay(
    promise: PromiseName,
    period: PeriodName,
    config: ConfigPath = DEFAULT_CONFIG,
) -> None:
    """Compute a closed period again from what is stored, and compare every byte."""
    with explained("sla"):
        stored, again = _books(config).replay(promise, period)
        if stored != again:
            err.print("What is stored now gives another record: something came in since, or was changed.")
            typer.echo(again)
            raise typer.Exit(EXIT_ERROR)
        typer.echo(f"{promise} {period}: the same record, byte for byte")


@app.command()
def correct(
    promise: PromiseName,
    period: PeriodName,
    author: Annotated[str, typer.Option(help="Who corrects it")],
    reason: Annotated[str, typer.Option(help="Why, for whoever reads the books")],
    config: ConfigPath = DEFAULT_CONFIG,
) -> None:
    """Close a period once more by what is stored and written now; the record before stays."""
    with explained("sla"):
        from datetime import UTC, datetime

        record = _books(config).correct(promise, period, datetime.now(UTC), author=author, reason=reason)
        typer.echo(f"{promise} {period}: revision {record['revision']}, {record['verdict']}, {record['shown']}")


def _books(config: Path) -> "Books":
    from pipeline.books import Books
    from processors.slo.documents import load_objectives

    assembly = assembly_of(config)
    writer = assembly.writer()
    return Books(load_objectives(assembly.config.objectives), writer.query, writer.write)


def _reader(config: Path) -> "ReadGrid":
    """The minutes as they stand in ClickHouse now."""
    from datetime import UTC, datetime

    from processors.slo.grid import Grid
    from processors.slo.minutes import read_grids
    from processors.slo.promise import Promise
    from processors.slo.windows import Bounds

    query, now = assembly_of(config).reader().query, datetime.now(UTC)

    def read(promise: Promise, bounds: Bounds) -> Grid:
        return read_grids(query, [promise.indicator], bounds, now, promise.signal)[promise.indicator]

    return read


def _print(compared: "Compared") -> None:
    from rich.console import Console

    from processors.sla.credit import exact_percent, percent

    period = compared.promise.window.name(compared.bounds.start) + (" so far" if compared.so_far else "")
    promised = f"{compared.promise.name}, {period}, {exact_percent(compared.promise.target)}"
    measured = percent(compared.rows[0].delivered.coverage)  # the same for all of them
    typer.echo(f"{compared.agreement.title}: {promised}; measured {measured} of the time")
    Console().print(_table(compared))


def _table(compared: "Compared") -> "Table":
    from rich import box
    from rich.table import Table

    table = Table(box=box.SIMPLE_HEAD, pad_edge=False)
    for name in ("law", "delivered", "verdict", "credit", "broken at"):
        table.add_column(name, overflow="fold")
    for row in compared.rows:
        table.add_row(*_cells(row, compared.agreement.spec.time_zone))
    return table


def _cells(row: "LawRow", zone: str) -> tuple[str, ...]:
    from zoneinfo import ZoneInfo

    from processors.sla.credit import percent

    ratio = row.delivered.ratio
    broken = row.broken_at.astimezone(ZoneInfo(zone)) if row.broken_at else None
    return (
        row.name,
        "nothing" if ratio is None else percent(ratio),
        row.verdict.value,
        _credit(row.credit),
        f"{broken:%m-%d %H:%M}" if broken else "",
    )


def _credit(owed: "Credit | None") -> str:
    from processors.sla.credit import exact_percent

    if owed is None:
        return ""
    amount = f", {owed.amount} {owed.currency}".rstrip() if owed.amount is not None and owed.share else ""
    return f"{exact_percent(owed.share)}{amount}"
