"""`andon …`: the only place that prints for people, and the only one that ends the process."""

import json
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer
from rich import box
from rich.console import Console
from rich.table import Table
from rich.text import Text

from pipeline import reportcli, slacli, slocli, spoolcli
from pipeline.console import DEFAULT_CONFIG, EXIT_CONFIG, ConfigPath, assembly_of, err, explained
from pipeline.errors import ConfigError

# Everything else is imported by the command that needs it: `--help` answers at once, and the status page loads no
# kernels.
if TYPE_CHECKING:
    import pyarrow as pa

    from pipeline.assembly import Assembly
    from pipeline.component import Component
    from pipeline.evaluate import Evaluator

app = typer.Typer(
    name="andon",
    no_args_is_help=True,
    add_completion=False,
    rich_markup_mode="markdown",
    pretty_exceptions_enable=False,
    help="""
    **Andon** turns the telemetry your applications already send into promises kept or broken.

    It receives OpenTelemetry over OTLP, counts from real requests how well each promise is kept, records every breach
    with its evidence in ClickHouse, and tells the people who depend on you on a public status page.

    To see it at work:  `andon demo`    To run it here:  `andon serve`
    """,
    epilog="Point any OpenTelemetry SDK at it: `OTEL_EXPORTER_OTLP_ENDPOINT=http://127.0.0.1:4317`",
)
ONE_MACHINE, EACH, BY_HAND = "All on one machine", "Each program by itself", "By hand"
token = typer.Typer(no_args_is_help=True, help="Tokens with which a tenant sends.")
app.add_typer(token, name="token", rich_help_panel=BY_HAND)
Lifeline = Annotated[bool, typer.Option("--lifeline", hidden=True)]
app.add_typer(slocli.app, name="slo", rich_help_panel=BY_HAND)
app.add_typer(spoolcli.app, name="spool", rich_help_panel=BY_HAND)
app.add_typer(slacli.app, name="sla", rich_help_panel=BY_HAND)
app.command("report", rich_help_panel=BY_HAND)(reportcli.report)
app.add_typer(reportcli.evidence, name="evidence", rich_help_panel=BY_HAND)


@app.command(rich_help_panel=ONE_MACHINE)
def serve(config: ConfigPath = DEFAULT_CONFIG, lifeline: Lifeline = False) -> None:
    """Run everything: ClickHouse's engine if configured, ingest, evaluator, status page.

    Parts start in the order they need each other, and one that dies is started again. Ctrl-C or SIGTERM closes the
    doors, stores what was accepted, then stops the rest.
    """
    with explained("serve"):
        from pipeline.process import run
        from pipeline.serve import Serve

        run(Serve(assembly_of(config)), ready=lambda: "andon is ready", lifeline=lifeline)


@app.command(rich_help_panel=EACH)
def ingest(
    config: ConfigPath = DEFAULT_CONFIG,
    workers: Annotated[
        int | None, typer.Option("--workers", min=1, help="Processes that share the ports [default: one a core]")
    ] = None,
    worker: Annotated[int | None, typer.Option("--worker", hidden=True, min=0)] = None,
    lifeline: Lifeline = False,
) -> None:
    """Receive OTLP, spool it, count it, store it."""
    with explained("ingest" if worker is None else f"ingest/{worker}"):
        from pipeline.process import run
        from pipeline.workers import Workers, count_of

        assembly = assembly_of(config)
        count = count_of(assembly, workers) if worker is None else 1
        if count > 1:
            supervisor = Workers(assembly, count)
            run(supervisor, ready=supervisor.doors, lifeline=lifeline)
        else:
            from pipeline.ingest import Ingest

            part = Ingest(assembly, worker)
            run(part, ready=part.doors, lifeline=lifeline)


@app.command(rich_help_panel=EACH)
def evaluate(config: ConfigPath = DEFAULT_CONFIG, lifeline: Lifeline = False) -> None:
    """Hold what was delivered against what was promised; write states, breaches and incidents."""
    with explained("evaluate"):
        from pipeline.evaluate import evaluator
        from pipeline.process import run

        assembly = assembly_of(config)
        part = evaluator(assembly)
        # Without a reader the SDK is not loaded.
        is_read = assembly.config.telemetry.otlp is not None or assembly.evaluate_health_endpoint is not None
        component = _watched(assembly, part) if is_read else part
        run(component, ready=lambda: "evaluate   every promise, every few seconds", lifeline=lifeline)


@app.command(rich_help_panel=EACH)
def statuspage(config: ConfigPath = DEFAULT_CONFIG, lifeline: Lifeline = False) -> None:
    """Serve the public page, from the last good snapshot if need be."""
    with explained("statuspage"):
        from pipeline.process import run
        from pipeline.publish import status_page

        part = status_page(assembly_of(config))
        run(part, ready=lambda: f"statuspage {part.address}", lifeline=lifeline)


@app.command(rich_help_panel=EACH)
def clickhouse(config: ConfigPath = DEFAULT_CONFIG, lifeline: Lifeline = False) -> None:
    """Run ClickHouse's engine here, behind ClickHouse's HTTP interface."""
    with explained("clickhouse"):
        from exporters.clickhouse.embedded import EmbeddedClickHouse
        from pipeline.process import run

        part = EmbeddedClickHouse(assembly_of(config).embedded_settings())
        run(part, ready=lambda: f"clickhouse {part.address}", lifeline=lifeline)


@app.command(rich_help_panel=BY_HAND)
def check(
    files: Annotated[list[Path], typer.Argument(metavar="FILE…", help="andon.yaml, objectives, or folders of them")],
) -> None:
    """Validate configuration and objectives; say all that is wrong, and where."""
    from pipeline.check import check_file

    problems = 0
    for path in files:
        try:
            err.print(f"{path}: {check_file(path)}", markup=False, soft_wrap=True)
        except ConfigError as error:
            problems += len(error.problems)
            err.print(str(error), markup=False, soft_wrap=True)
    if problems:
        err.print(f"{problems} problem{'s' if problems > 1 else ''}")
        raise typer.Exit(EXIT_CONFIG)


@app.command(rich_help_panel=BY_HAND)
def schema(
    kind: Annotated[str | None, typer.Option(help="Of this kind alone, say SLO")] = None,
    out: Annotated[Path | None, typer.Option(metavar="DIR", help="Write files into this folder, one a kind")] = None,
) -> None:
    """Print the JSON Schema of objectives, with which editors complete and check them."""
    from pipeline.check import schema_texts

    with explained("schema"):
        for name, text in schema_texts(kind, all_kinds=out is not None).items():
            if out is None:
                typer.echo(text)
            else:
                out.mkdir(parents=True, exist_ok=True)
                (out / name).write_text(f"{text}\n")
                err.print(str(out / name), markup=False)


@app.command(rich_help_panel=BY_HAND)
def rehearse(
    folder: Annotated[Path, typer.Argument(help="With andon.yaml, its objectives, and timeline.yaml: made-up traffic")],
    as_json: Annotated[bool, typer.Option("--json", help="One JSON object a change")] = False,
) -> None:
    """Ask what your promises would say if traffic went like this. An hour takes seconds."""
    with explained("rehearse"):
        from pipeline.rehearse.play import rehearse as play

        for change in play(folder):
            line = "  ".join(f"{key} {value}" for key, value in change.items())
            typer.echo(json.dumps(change) if as_json else line)


@app.command(rich_help_panel=BY_HAND)
def migrate(config: ConfigPath = DEFAULT_CONFIG) -> None:
    """Bring ClickHouse's tables up to date. Safe to run twice."""
    with explained("migrate"):
        from exporters.clickhouse.migrate import migrate as bring_up_to_date

        applied = bring_up_to_date(assembly_of(config).writer())
        err.print("\n".join(f"applied {name}" for name in applied) or "nothing to do")


@app.command(rich_help_panel=BY_HAND)
def roles(
    config: ConfigPath = DEFAULT_CONFIG,
    apply: Annotated[
        str | None,
        typer.Option(
            metavar="ADMIN", help="Run it as this user of ClickHouse, whose password is in ANDON_ADMIN_PASSWORD"
        ),
    ] = None,
) -> None:
    """Print the SQL by which a ClickHouse server lets each user do what they need and no more."""
    with explained("roles"):
        from exporters.clickhouse.roles import make, script

        assembly = assembly_of(config)
        if apply is None:
            typer.echo("\n".join(script(assembly.roles())))
        else:
            err.print("\n".join(make(assembly.administrator(apply), assembly.roles())))


@app.command(rich_help_panel=BY_HAND)
def sql(
    query: Annotated[str, typer.Argument(help="A SELECT, read with the read-only user")],
    config: ConfigPath = DEFAULT_CONFIG,
    as_json: Annotated[bool, typer.Option("--json", help="One JSON object a row")] = False,
) -> None:
    """Ask ClickHouse."""
    with explained("sql"):
        rows = assembly_of(config).reader().query(query)
        if as_json:
            for row in rows.to_pylist():
                typer.echo(json.dumps(row, default=str, ensure_ascii=False))
        else:
            Console().print(_as_table(rows))


@app.command(rich_help_panel=ONE_MACHINE)
def demo(
    once: Annotated[bool, typer.Option("--once", help="Play it through once; exit 0 only if all was seen")] = False,
    as_json: Annotated[bool, typer.Option("--json", help="Print the timeline as one JSON object")] = False,
    keep: Annotated[Path | None, typer.Option(help="Keep data and logs in this folder")] = None,
) -> None:
    """Watch a small shop break and recover on its public status page."""
    with explained("demo"):
        from pipeline.demo import run_demo

        raise typer.Exit(run_demo(once=once, as_json=as_json, keep=keep))


@token.command("new")
def token_new(tenant: Annotated[str, typer.Option(help="Who sends with it")]) -> None:
    """Make a token: it is shown this once, and its digest goes into `receivers.otlp.auth.tokens_file`."""
    with explained("token"):
        from receivers.otlp.tokens import new_token

        secret, entry = new_token(tenant)
        err.print("The token, which nobody can show again:")
        typer.echo(secret)
        err.print("Below `tokens:` in the file of tokens:")
        typer.echo(entry)


@app.command(rich_help_panel=BY_HAND)
def bench(
    what: Annotated[
        str,
        typer.Argument(help="`ingest`: the programs; `steps`: our own work; `evaluate`: promises; `report`: SQL"),
    ] = "ingest",
    peer: Annotated[str, typer.Option(help="Measured beside us in the same run: rotel, or none")] = "rotel",
    signals: Annotated[str, typer.Option(help="Which of OTLP's signals")] = "traces,logs,metrics",
    sizes: Annotated[str, typer.Option(help="How many items a body has")] = "5,50,512,5000",
    quick: Annotated[bool, typer.Option("--quick", help="A second each and one rate: only whether it works")] = False,
    soak: Annotated[str | None, typer.Option(help="Hold saturation for so long instead, say 10m")] = None,
    as_json: Annotated[bool, typer.Option("--json", help="Print the results as one JSON object")] = False,
    markdown: Annotated[Path | None, typer.Option(help="Also write the tables to this file")] = None,
) -> None:
    """Measure our own cost beside a peer's, fed the same."""
    with explained("bench"):
        from pipeline.bench import REPORT, plan, run_bench, run_questions

        if what == REPORT:
            run_questions(quick=quick, as_json=as_json)
        else:
            planned = plan(signals=signals, sizes=sizes, quick=quick, soak=soak)
            run_bench(what, planned, peer=peer, as_json=as_json, markdown=markdown)


def _watched(assembly: "Assembly", part: "Evaluator") -> "Component":
    from pipeline.health import Health
    from pipeline.instruments import late, observe_looks, observe_process
    from pipeline.telemetry import Telemetry, Watched

    telemetry = Telemetry(assembly.telemetry(), "evaluate")
    observe_process(telemetry.meter)
    observe_looks(telemetry.meter, lambda: part.looked)
    health = Health(checks={"looks": lambda: late(part.looked, assembly.config.evaluate.interval_s)})
    return Watched(part, telemetry, health, assembly.evaluate_health_endpoint)


def _as_table(rows: "pa.Table") -> Table:
    table = Table(box=box.SIMPLE_HEAD, pad_edge=False)
    for name in rows.column_names:
        table.add_column(name, overflow="fold")
    for row in rows.to_pylist():
        table.add_row(*(Text(str(value)) for value in row.values()))
    return table


def main() -> None:
    """Run the command line."""
    app()


if __name__ == "__main__":
    main()
