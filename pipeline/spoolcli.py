"""`andon spool …`: what waits and what is dead, for people, beside running workers."""

import json
import time
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from pipeline.console import DEFAULT_CONFIG, ConfigPath, assembly_of, explained
from pipeline.errors import PermanentError

if TYPE_CHECKING:
    from pipeline.inventory import Entry

COLUMNS = ("id", "state", "worker", "signal", "age", "size", "requests", "tenants", "reason")
MAX_ROWS, MAX_REASON = 100, 120
MAX_SHOWN = 100_000  # characters
MAX_REQUEST = 64 << 20  # bytes

app = typer.Typer(no_args_is_help=True, help="Look at what waits in the spool, and at what ClickHouse refused.")
Ids = Annotated[list[str] | None, typer.Argument(metavar="ID…", help="As `list` shows them")]
All = Annotated[bool, typer.Option("--all", help="Everything that is dead")]


@app.command("list")
def list_(
    config: ConfigPath = DEFAULT_CONFIG,
    as_json: Annotated[bool, typer.Option("--json", help="One JSON object an entry")] = False,
) -> None:
    """Show every chunk that waits, and every request that was put aside."""
    with explained("spool"):
        from pipeline.inventory import entries

        found = entries(_directory(config))
        if as_json:
            for entry in found:
                typer.echo(json.dumps(_facts(entry), ensure_ascii=False))
        else:
            _print(found)


@app.command()
def show(
    entry_id: Annotated[str, typer.Argument(metavar="ID", help="As `list` shows it")],
    config: ConfigPath = DEFAULT_CONFIG,
) -> None:
    """Say why a request was put aside, and print it as JSON, long lists and long output cut."""
    with explained("spool"):
        from pipeline.inventory import find

        (entry,) = find(_directory(config), [entry_id])
        room = MAX_SHOWN
        for text in (entry.reason(), *_requests(entry)):
            typer.echo(text[:room])
            room -= len(text)
            if room <= 0:
                typer.echo(f"… cut after {MAX_SHOWN} characters; the whole is {entry.path}")
                return


@app.command()
def retry(ids: Ids = None, all_: All = False, config: ConfigPath = DEFAULT_CONFIG) -> None:
    """Have dead letters taken again, by the ingest that runs or by the next one.

    Each goes only into tables that do not have it yet.
    """
    with explained("spool"):
        from pipeline.deadletters import retry as take_again

        chosen = _dead(_directory(config), ids, all_=all_)
        for entry in chosen:
            take_again(entry.path)
        typer.echo(f"{len(chosen)} to be taken again: within seconds, where ingest runs")


@app.command()
def drop(
    ids: Ids = None,
    all_: All = False,
    yes: Annotated[bool, typer.Option("--yes", help="Do not ask")] = False,
    config: ConfigPath = DEFAULT_CONFIG,
) -> None:
    """Delete dead letters for good."""
    with explained("spool"):
        from pipeline.deadletters import drop as delete

        chosen = _dead(_directory(config), ids, all_=all_)
        if chosen and not yes:
            typer.confirm(f"Delete {len(chosen)} dead letter(s), which were acknowledged to their senders?", abort=True)
        for entry in chosen:
            delete(entry.path)
        typer.echo(f"{len(chosen)} deleted")


def _directory(config: Path) -> Path:
    return assembly_of(config).config.spool.directory


def _dead(directory: Path, ids: list[str] | None, *, all_: bool) -> list["Entry"]:
    from pipeline.inventory import State, dead, entries, find

    if bool(ids) == all_:
        raise PermanentError("expected ids or --all, got " + ("both" if ids else "neither"))
    if all_:
        return [entry for entry in entries(directory) if entry.state is State.DEAD]
    return list(dead(find(directory, list(dict.fromkeys(ids or ())))))


def _facts(entry: "Entry") -> dict[str, Any]:
    return {
        "id": entry.id,
        "state": entry.state,
        "worker": entry.place.number,
        "signal": entry.place.signal,
        "age_s": _age_s(entry),
        "size_bytes": entry.size_bytes,
        "requests": entry.requests,
        "tenants": entry.tenants,
        "stored": entry.stored,
        "reason": entry.reason().partition("\n")[0],
        "path": str(entry.path),
    }


def _print(found: list["Entry"]) -> None:
    """A line an entry, in columns that fit; the reason, which may be long, comes last."""
    if not found:
        typer.echo("nothing waits, nothing is dead")
        return
    rows = [COLUMNS, *(_row(entry) for entry in found[:MAX_ROWS])]
    widths = [max(map(len, column)) for column in zip(*rows, strict=True)]
    for row in rows:
        typer.echo("  ".join(cell.ljust(width) for cell, width in zip(row, widths, strict=True)).rstrip())
    if len(found) > MAX_ROWS:
        typer.echo(f"… and {len(found) - MAX_ROWS} more: --json lists all")


def _row(entry: "Entry") -> tuple[str, ...]:
    return (
        entry.id,
        entry.state,
        str(entry.place.number),
        entry.place.signal,
        f"{_age_s(entry):.0f} s",
        f"{entry.size_bytes} B",
        str(entry.requests),
        ",".join(entry.tenants),
        entry.reason().partition("\n")[0][:MAX_REASON],
    )


def _age_s(entry: "Entry") -> float:
    return round(max(0.0, time.time() - entry.received_ns / 1e9), 3)


def _requests(entry: "Entry") -> Iterator[str]:
    """Every request of a file as JSON text."""
    from pipeline.chunk import mapped
    from pipeline.frame import frames
    from receivers.otlp.readable import readable

    with mapped(entry.path) as view:
        for frame in frames(view, check=False):
            if frame.end - frame.start > MAX_REQUEST:
                yield f"a request of {frame.end - frame.start} bytes, too large to show"
                continue
            request = readable(entry.place.signal, bytes(view[frame.start : frame.end]))
            yield json.dumps(request, indent=2, ensure_ascii=False)
