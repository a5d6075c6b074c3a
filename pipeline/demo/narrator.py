"""The voice of the demo: tells people, warmly and shortly, what happens and what to look at.

In: acts and moments as they come, the stage's addresses, the verdict. Out: text on a console.
"""

from collections.abc import Sequence

from rich.console import Console
from rich.table import Table

from pipeline.demo.script import Act, Moment
from pipeline.demo.stage import READER, DemoStage

QUERIES = (
    "SELECT At, Promise, Event, State, round(BurnRate, 1) AS Burn FROM breaches ORDER BY At",
    "SELECT StatusCode, count() FROM otel_traces WHERE SpanName = 'POST /checkout' AND SpanKind = 'Server' GROUP BY 1",
)


class Narrator:
    """Tells people what happens and what to look at."""

    def __init__(self, console: Console) -> None:
        self._console = console

    def say(self, text: str) -> None:
        self._console.print(text, markup=False)

    def complain(self, text: str) -> None:
        self._console.print(text, style="red", markup=False)

    def open(self, stage: DemoStage) -> None:
        """Where to look, once there is something to see."""
        self._console.rule("[bold]Andon[/bold]")
        self._console.print(f"[bold]The page[/bold]   {stage.page_url}")
        self._console.print(f"[bold]The API[/bold]    {stage.page_url}/api/v2/summary.json")
        self._console.print("[bold]The store[/bold]  ClickHouse over HTTP, with a user that may only read:")
        for query in QUERIES:
            user = f"{READER}:{stage.passwords[READER]}"
            self._console.print(
                f"\n  curl -s -u {user} '{stage.clickhouse_url}/?database=andon&default_format=PrettyCompact' "
                f'--data-binary "{query}"',
                markup=False,
            )
        self._console.print()

    def act(self, act: Act) -> None:
        self._console.print(f"[bold]{act.name.capitalize()}.[/bold] {act.tells}")
        if act.look:
            self._console.print(f"  [dim]Look: {act.look}[/dim]")

    def moment(self, moment: Moment) -> None:
        self._console.print(
            f"  [cyan]+{moment.since_fault_s:5.1f} s[/cyan]  {moment.event:22}[dim]since {moment.fault}[/dim]"
        )

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
            self.complain(f"Not as it should be: {problem}")
        if not wrong:
            self.say("The page, the API and the breaches table each showed the outage and the recovery.")
