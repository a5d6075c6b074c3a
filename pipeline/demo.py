"""`andon demo`: real applications break and recover, and everybody can watch.

In: nothing but a directory to keep, if any. Out: the play on the terminal; with `once` a verdict as exit code, and as
one JSON object on stdout if asked. Promised: all that was started is ended, whatever happens.

    demo_script    what is played and what must be seen of it (pure)
    demo_play      plays it
    demo_stage     Andon, the shop and the shoppers as children
    demo_watch     looks at the page, the API and the tables
"""

import json
import signal
import tempfile
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from types import FrameType

from rich.console import Console
from rich.table import Table

from pipeline.clock import Clock, SystemClock
from pipeline.demo_play import Play
from pipeline.demo_script import INCIDENT_LIMIT_S, REST, SCRIPT, Act, Moment, problems, timeline
from pipeline.demo_stage import READER, DemoStage
from pipeline.errors import AndonError

LIMIT_S = 480
EXIT_OK, EXIT_FAILED, EXIT_STOPPED = 0, 1, 130
QUERIES = (
    "SELECT At, Promise, Previous, State, round(BurnRate, 1) AS Burn FROM breaches ORDER BY At",
    "SELECT StatusCode, count() FROM otel_traces WHERE SpanName = 'POST /checkout' AND SpanKind = 'Server' GROUP BY 1",
)


def run_demo(*, once: bool, as_json: bool = False, keep: Path | None = None) -> int:
    """Play the demo; the exit code. `keep` is a directory to work in that stays, else a temporary one."""
    console = Console(stderr=as_json, highlight=False, soft_wrap=True)
    narrator = Narrator(console)
    try:
        with _sigterm_interrupts(), _directory(keep) as directory:
            return _on_stage(directory, narrator, once=once, as_json=as_json)
    except KeyboardInterrupt:
        narrator.say("Stopped. Everything that was started has ended.")
        return EXIT_STOPPED if once else EXIT_OK
    except AndonError as error:
        console.print(f"The demo ended early: {error}", style="red", markup=False)
        if as_json:
            print(json.dumps({"ok": False, "problems": [str(error)], "timeline": []}))  # noqa: T201
        return EXIT_FAILED


def _on_stage(directory: Path, narrator: "Narrator", *, once: bool, as_json: bool) -> int:
    clock = SystemClock()
    with DemoStage(directory, clock, narrator.say) as stage:
        narrator.open(stage)
        play = _play(stage, clock, narrator, SCRIPT, limit_s=LIMIT_S)
        while not once:
            play = _play(stage, clock, narrator, (REST, *SCRIPT[1:]), limit_s=LIMIT_S + REST.at_most_s)
        wrong = problems(play.marks, play.sightings)
        moments = timeline(play.marks, play.sightings)
        narrator.close(moments, wrong)
        if as_json:
            print(json.dumps(_report(stage, moments, wrong)))  # noqa: T201
    return EXIT_FAILED if wrong else EXIT_OK


def _play(stage: DemoStage, clock: Clock, narrator: "Narrator", script: Sequence[Act], *, limit_s: float) -> Play:
    play = Play(stage, clock, limit_s=limit_s, tell_act=narrator.act, tell_moment=narrator.moment)
    play.perform(script)
    return play


def _report(stage: DemoStage, moments: Sequence[Moment], wrong: Sequence[str]) -> dict[str, object]:
    return {
        "ok": not wrong,
        "problems": list(wrong),
        "page": stage.page_url,
        "incident_limit_s": INCIDENT_LIMIT_S,
        "timeline": [moment.as_json() for moment in moments],
    }


class Narrator:
    """Tells people what happens and what to look at."""

    def __init__(self, console: Console) -> None:
        self._console = console

    def say(self, text: str) -> None:
        self._console.print(text, markup=False)

    def open(self, stage: DemoStage) -> None:
        """Where to look, once there is something to see."""
        self._console.rule("[bold]Andon[/bold]")
        self._console.print(f"[bold]The page[/bold]   {stage.page_url}")
        self._console.print(f"[bold]The API[/bold]    {stage.page_url}/api/v2/summary.json")
        self._console.print("[bold]The store[/bold]  ClickHouse over HTTP, with a user that may only read:")
        for query in QUERIES:
            user = f"{READER}:{stage.passwords[READER]}"
            self._console.print(
                f"\n  curl -u {user} '{stage.clickhouse_url}/?database=andon&default_format=PrettyCompact' "
                f'--data-binary "{query}"',
                markup=False,
            )
        self._console.print()

    def act(self, act: Act) -> None:
        self._console.print(f"[bold]{act.name.capitalize()}.[/bold] {act.tells}")
        if act.look:
            self._console.print(f"  [dim]Look: {act.look}[/dim]")

    def moment(self, moment: Moment) -> None:
        self._console.print(f"  [cyan]+{moment.since_fault_s:5.1f} s[/cyan]  {moment.event}")

    def close(self, moments: Sequence[Moment], wrong: Sequence[str]) -> None:
        """The timeline and the verdict."""
        table = Table(title="Seconds since the fault", title_justify="left")
        for column in ("fault", "what was seen", "after"):
            table.add_column(column, justify="right" if column == "after" else "left")
        for moment in moments:
            after = "not seen" if moment.since_fault_s is None else f"{moment.since_fault_s:.1f} s"
            table.add_row(moment.fault, moment.event, after)
        self._console.print(table)
        for problem in wrong:
            self._console.print(f"Not as it should be: {problem}", style="red", markup=False)
        if not wrong:
            self.say("The page, the API and the breaches table each showed the outage and the recovery.")


@contextmanager
def _directory(keep: Path | None) -> Iterator[Path]:
    if keep is not None:
        keep.mkdir(parents=True, exist_ok=True)
        yield keep
        return
    with tempfile.TemporaryDirectory(prefix="andon-demo-") as temporary:
        yield Path(temporary)


@contextmanager
def _sigterm_interrupts() -> Iterator[None]:
    """Being told to end is the same as Ctrl-C: clean up, then go."""

    def interrupt(_signal: int, _frame: FrameType | None) -> None:
        raise KeyboardInterrupt

    before = signal.signal(signal.SIGTERM, interrupt)
    try:
        yield
    finally:
        signal.signal(signal.SIGTERM, before)
