"""One run of the demo: the stage, the plays on it, the verdict.

In: nothing but a directory to keep, if any. Out: the play on the terminal; with `once` a verdict as exit code, and as
one JSON object on stdout if asked. Promised: all that was started is ended, whatever happens.
"""

import json
import signal
import tempfile
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from types import FrameType

from rich.console import Console

from pipeline.clock import Clock, SystemClock
from pipeline.demo.narrator import Narrator
from pipeline.demo.play import Play
from pipeline.demo.script import INCIDENT_LIMIT_S, REST, SCRIPT, Act, Moment, problems, timeline
from pipeline.demo.stage import DemoStage
from pipeline.errors import AndonError

LIMIT_S = 480  # of the one play that gets a verdict
EACH_LIMIT_S = 900  # of each play where they go on
EXIT_OK, EXIT_FAILED, EXIT_STOPPED = 0, 1, 130


def run_demo(*, once: bool, as_json: bool = False, keep: Path | None = None) -> int:
    """Play the demo; the exit code. `keep` is a directory to work in that stays, else a temporary one."""
    narrator = Narrator(Console(stderr=as_json, highlight=False, soft_wrap=True))
    try:
        with _sigterm_interrupts(), _directory(keep) as directory:
            report = _perform(directory, narrator, once=once)
    except KeyboardInterrupt:
        narrator.say("Stopped. Everything that was started has ended.")
        report = Report(problems=["it was stopped"] if once else [], code=EXIT_STOPPED if once else EXIT_OK)
    except AndonError as error:
        narrator.complain(f"The demo ended early: {error}")
        report = Report(problems=[str(error)], code=EXIT_FAILED)
    if as_json:
        print(json.dumps(report.as_json()))  # noqa: T201 (what was asked for)
    return report.code


@dataclass(frozen=True, slots=True, kw_only=True)
class Report:
    """What a play came to."""

    code: int
    problems: Sequence[str]
    page: str = ""
    timeline: Sequence[Moment] = ()

    def as_json(self) -> dict[str, object]:
        return {
            "ok": self.code == EXIT_OK,
            "problems": list(self.problems),
            "page": self.page,
            "incident_limit_s": INCIDENT_LIMIT_S,
            "timeline": [moment.as_json() for moment in self.timeline],
        }


def _perform(directory: Path, narrator: Narrator, *, once: bool) -> Report:
    """One play, or plays without end."""
    clock = SystemClock()
    with DemoStage(directory, clock, narrator.say) as stage:
        narrator.open(stage)
        play = _play(stage, clock, narrator, SCRIPT, LIMIT_S if once else EACH_LIMIT_S)
        while not once:
            play = _play(stage, clock, narrator, (REST, *SCRIPT[1:]), EACH_LIMIT_S)
        wrong, moments = problems(play.marks, play.sightings), timeline(play.marks, play.sightings)
        narrator.close(moments, wrong)
    return Report(code=EXIT_FAILED if wrong else EXIT_OK, problems=wrong, page=stage.page_url, timeline=moments)


def _play(stage: DemoStage, clock: Clock, narrator: Narrator, script: Sequence[Act], limit_s: float) -> Play:
    play = Play(stage, clock, limit_s=limit_s, tell_act=narrator.act, tell_moment=narrator.moment)
    play.perform(script)
    return play


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
