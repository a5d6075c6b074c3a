"""`andon report` and `andon evidence`: what a month was worth, for people, and the proof of it."""

import sys
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Literal

import typer

from pipeline.console import DEFAULT_CONFIG, EXIT_ERROR, ConfigPath, assembly_of, err, explained
from pipeline.errors import PermanentError

if TYPE_CHECKING:
    from exporters.report.document import Report
    from pipeline.reports import Reports

Month = Annotated[str, typer.Option(help="Which month, say 2026-10")]
Only = Annotated[str | None, typer.Option("--agreement", metavar="NAME", help="Only this agreement or objective")]
Form = Literal["html", "pdf", "csv", "json"]
evidence = typer.Typer(help="Pack all that a month was decided by, or check such a pack.")


def report(
    month: Month,
    agreement: Only = None,
    form: Annotated[Form, typer.Option("--format", help="What to write")] = "html",
    out: Annotated[Path | None, typer.Option(metavar="FILE", help="Where to [default: to standard output]")] = None,
    config: ConfigPath = DEFAULT_CONFIG,
) -> None:
    """Tell whether the promises of a month were kept, by how much, and what is owed."""
    with explained("report"):
        from pipeline.laws import parse_month

        if out is None and form == "pdf" and sys.stdout.isatty():
            raise PermanentError("expected --out for a PDF, got a terminal")
        made = _reports(config).report(parse_month(month), datetime.now(UTC), agreement)
        content = _formed(made, form)
        if out is None:
            typer.get_binary_stream("stdout").write(content)
        else:
            _write(out, content)


@evidence.callback(invoke_without_command=True)
def pack(
    context: typer.Context,
    month: Annotated[str | None, typer.Option(help="Which month, say 2026-10")] = None,
    agreement: Only = None,
    out: Annotated[Path | None, typer.Option(metavar="FILE", help="The zip to write")] = None,
    config: ConfigPath = DEFAULT_CONFIG,
) -> None:
    """Pack a month's report with the minutes, definitions, records and bad requests that it follows from."""
    if context.invoked_subcommand is not None:
        return
    with explained("evidence"):
        from pipeline.evidence import Evidence
        from pipeline.laws import parse_month

        if month is None or out is None:
            raise PermanentError("expected --month and --out, or `andon evidence verify FILE`")
        query = assembly_of(config).reader().query
        try:
            warnings = Evidence(_reports(config), query).write(out, parse_month(month), datetime.now(UTC), agreement)
        except OSError as error:
            raise PermanentError(f"{out}: expected a file that can be written, got {error}") from None
        for warning in warnings:
            err.print(warning, markup=False, soft_wrap=True)


@evidence.command()
def verify(file: Annotated[Path, typer.Argument(help="A pack that `andon evidence` wrote")]) -> None:
    """Check a pack from itself alone: sums, chains, hashes, and every record computed anew."""
    with explained("evidence"):
        from pipeline.proof import Proof

        proof = Proof(file)
        found = proof.faults()
        for fault in found:
            err.print(fault, markup=False, soft_wrap=True)
        if found:
            raise typer.Exit(EXIT_ERROR)
        typer.echo(f"promises: {len(proof.promises)}, each record as its minutes and definitions give it")


def _formed(made: "Report", form: Form) -> bytes:
    if form == "pdf":
        from exporters.report.paper import to_pdf

        return to_pdf(made)
    if form == "csv":
        from exporters.report.sheet import to_csv

        return to_csv(made).encode()
    if form == "json":
        from exporters.report.document import to_json

        return to_json(made).encode()
    from exporters.report.page import to_html

    return to_html(made).encode()


def _write(out: Path, content: bytes) -> None:
    try:
        out.write_bytes(content)
    except OSError as error:
        raise PermanentError(f"{out}: expected a file that can be written, got {error}") from None


def _reports(config: Path) -> "Reports":
    from pipeline.reports import Reports
    from processors.slo.documents import load_objectives

    assembly = assembly_of(config)
    return Reports(load_objectives(assembly.config.objectives), assembly.reader().query)
