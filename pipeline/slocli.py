"""`andon slo …`: promises and what they rest on, tried by hand."""

import json
from collections.abc import Sequence
from datetime import UTC, datetime, timedelta
from fractions import Fraction
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from pipeline.console import DEFAULT_CONFIG, ConfigPath, assembly_of, err, explained
from pipeline.errors import PermanentError

if TYPE_CHECKING:
    from pipeline.slodiff import Line
    from pipeline.trial import Trial
    from processors.sli.indicator import Indicator

MAX_SHOWN = 160  # characters of a sample
DECIMALS = 6

app = typer.Typer(no_args_is_help=True, help="Try what you promise on what is stored.")


@app.callback()
def slo() -> None:
    """A group, however few commands it has."""


@app.command("try")
def try_(
    file: Annotated[Path, typer.Argument(metavar="FILE", help="A file of objectives, or a folder of them")],
    since: Annotated[str, typer.Option(help="How far back, say 30m, 1h or 2d")] = "1h",
    indicator: Annotated[str | None, typer.Option(help="Only the SLI of this name")] = None,
    as_json: Annotated[bool, typer.Option("--json", help="One JSON object an indicator")] = False,
    config: ConfigPath = DEFAULT_CONFIG,
) -> None:
    """Say what each indicator would have counted: how much, some of it, and the SLI.

    Read from what is stored, with the read-only user; nothing is written.
    """
    with explained("slo"):
        from pipeline.trial import attempt

        assembly = assembly_of(config)
        chosen = _chosen(file, indicator)
        end = datetime.now(UTC)
        start = end - _length(since)
        client = assembly.reader()
        if not assembly.config.processors.stores_all_spans:
            err.print("Spans are not stored as they came: these are the figures of those that are.")
        for one in chosen:
            trial = attempt(one, client.query, start, end)
            typer.echo(json.dumps(_facts(trial), ensure_ascii=False) if as_json else _told(trial, since))


@app.command()
def diff(
    folder: Annotated[Path, typer.Argument(help="The changed objectives: a folder of them, or a file")],
    as_json: Annotated[bool, typer.Option("--json", help="One JSON object a promise")] = False,
    config: ConfigPath = DEFAULT_CONFIG,
) -> None:
    """Show what changed promises would have said, beside what those in force say, over the same stored slices."""
    with explained("slo"):
        from pipeline.slodiff import differences
        from processors.slo.documents import objectives_at

        changed = objectives_at(folder)
        found = list(differences(assembly_of(config).reader().query, changed, datetime.now(UTC)))
        for one in found:
            sides = {"before": one.before, "after": one.after}
            facts = {side: None if line is None else _line_facts(line) for side, line in sides.items()}
            typer.echo(json.dumps(facts, ensure_ascii=False) if as_json else _both(facts))
        if not found and not as_json:
            err.print("no promise differs from those in force")


def _line_facts(line: "Line") -> dict[str, Any]:
    promise, delivered = line.promise, line.delivered
    ratio = delivered.ratio if delivered else None
    return {
        "promise": promise.name,
        "generation": promise.generation,
        "law": promise.law.value,
        "target": str(promise.target),
        "start": line.bounds.start.isoformat(),
        "end": line.bounds.end.isoformat(),
        "counted": delivered is not None,
        "good": str(delivered.good) if delivered else None,
        "eligible": str(delivered.eligible) if delivered else None,
        "coverage": None if delivered is None else float(delivered.coverage),
        "delivered": None if ratio is None else float(ratio),
        "budget_remaining": None if line.remaining is None else float(line.remaining),
    }


def _both(facts: dict[str, Any]) -> str:
    name = next(side["promise"] for side in facts.values() if side)
    return "\n".join([name, *(f"  {side:7}{_one_line(line)}" for side, line in facts.items())])


def _one_line(line: dict[str, Any] | None) -> str:
    if line is None:
        return "not promised"
    said = f"{line['generation']}  {line['law']}, target {float(Fraction(line['target'])):g}, since {line['start']}: "
    if not line["counted"]:
        return said + "what it counts was never counted; `andon slo try` asks what is stored"
    if line["delivered"] is None:
        return said + "nothing was measured"
    left = f"budget left {line['budget_remaining'] * 100:.2f} %"
    return said + f"{line['delivered'] * 100:.4f} % ({line['good']} of {line['eligible']}), {left}"


def _chosen(path: Path, name: str | None) -> "Sequence[Indicator]":
    from processors.slo.documents import objectives_at

    objectives = objectives_at(path)
    known = {one.name: one for one in objectives.indicators}
    if name is None and known:
        return list(known.values())
    if name not in known:
        among = ", ".join(known) or "none"
        raise PermanentError(f"expected an SLI that stands in {path}, of which there are: {among}; got {name}")
    return [known[name]]


def _length(since: str) -> timedelta:
    from pipeline.config import parse_duration

    try:
        length = timedelta(microseconds=parse_duration(since) // 1_000)
        datetime.now(UTC) - length
    except (ValueError, OverflowError):
        raise PermanentError(f"--since: expected a duration such as 30m, 1h or 2d, got {since!r}") from None
    return length


def _facts(trial: "Trial") -> dict[str, Any]:
    return {
        "indicator": trial.indicator.name,
        "generation": trial.indicator.generation,
        "signal": trial.indicator.signal,
        "start": trial.start.isoformat(),
        "end": trial.end.isoformat(),
        "good": trial.good,
        "bad": trial.valid - trial.good,
        "valid": trial.valid,
        "rejected": trial.rejected,
        "sli": None if trial.ratio is None else _floored(trial.ratio),
        "apdex": None if trial.apdex is None else _floored(trial.apdex),
        "samples": {word: [plain(one) for one in some] for word, some in trial.samples.items()},
    }


def _told(trial: "Trial", since: str) -> str:
    """A block of lines: the SLI, and below it what it comes from."""
    share = "nothing was counted" if trial.ratio is None else f"SLI {float(_floored(trial.ratio)) * 100:.4f} %"
    lines = [f"{trial.indicator.name}: {share}, {trial.indicator.signal} of the last {since}"]
    if trial.apdex is not None:
        lines[0] += f"; Apdex {_floored(trial.apdex)}"
    counts = {"good": trial.good, "bad": trial.valid - trial.good, "rejected": trial.rejected}
    for word, count in counts.items():
        lines.append(f"  {word:9}{count:>12}")
        lines += [f"    {plain(one)}" for one in trial.samples[word]]
    return "\n".join(lines)


def _floored(ratio: Fraction) -> str:
    """A ratio for people, never rounded up."""
    whole = ratio.numerator * 10**DECIMALS // ratio.denominator
    return f"{whole // 10**DECIMALS}.{whole % 10**DECIMALS:0{DECIMALS}}"


def plain(text: str) -> str:
    """Text that a sender wrote, on one line and harmless to a terminal."""
    shown = "".join(char if char.isprintable() else repr(char)[1:-1] for char in text[:MAX_SHOWN])
    return shown if len(text) <= MAX_SHOWN else f"{shown}…"
