"""Child processes that are started again whenever they die.

In: commands that print a line once they work. Out: running processes. Promised: one that dies is started again after a
pause that grows with every early death, and we say so; one that is asked to end and does not is killed; none outlives
whoever started it, by the pipe both hold (`--lifeline`).
"""

import logging
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from pipeline.errors import PermanentError

log = logging.getLogger("andon")

READY_TIMEOUT_S = 120.0  # the first start compiles kernels
PAUSES_S = (0.5, 1.0, 2.0, 4.0, 8.0, 15.0, 30.0)
LONG_LIFE_S = 60.0  # who lived this long starts afresh without a pause that grew
POLL_S = 0.2


def say(line: str) -> None:
    """What a part says on stdout is for whoever started us."""
    print(line, flush=True)  # noqa: T201


@dataclass(slots=True, eq=False)
class Part:
    """One child process, and how it has fared."""

    name: str
    command: Sequence[str]
    stop_timeout_s: float = 15.0
    hear: Callable[[str], None] = say
    process: subprocess.Popen[str] | None = None
    ready: threading.Event = field(default_factory=threading.Event)
    said: str = ""
    started_s: float = 0.0
    deaths: int = 0

    def start(self) -> None:
        """Start it; `ready` is set when it says that it works, or when it ends."""
        self.ready.clear()
        self.started_s = time.monotonic()
        self.process = subprocess.Popen(  # noqa: S603  # our own interpreter and arguments
            self.command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
        )
        threading.Thread(target=self._relay, args=(self.process,), name=f"{self.name} output", daemon=True).start()

    def _relay(self, process: subprocess.Popen[str]) -> None:
        assert process.stdout is not None
        for line in process.stdout:
            self.said = line.rstrip("\n")
            self.hear(self.said)
            self.ready.set()
        self.ready.set()

    @property
    def alive(self) -> bool:
        return self.process is not None and self.process.poll() is None

    def wait_ready(self) -> None:
        """Wait until it works.

        Raises:
            PermanentError: it ended, or said nothing in time.
        """
        if not self.ready.wait(READY_TIMEOUT_S):
            raise PermanentError(f"{self.name} did not become ready within {READY_TIMEOUT_S:.0f} s")
        if not self.alive:
            raise PermanentError(f"{self.name} ended before it was ready; its last words stand above")

    def pause_s(self) -> float:
        """How long to wait before it is started again."""
        if time.monotonic() - self.started_s > LONG_LIFE_S:
            self.deaths = 0
        self.deaths += 1
        return PAUSES_S[min(self.deaths, len(PAUSES_S)) - 1]

    def ask_to_end(self) -> None:
        """Do not wait for it."""
        if self.process is not None:
            self.process.terminate()

    def stop(self) -> None:
        """Ask it to end, and make it end if it does not in time."""
        self.ask_to_end()
        self.wait_ended(time.monotonic() + self.stop_timeout_s)

    def wait_ended(self, until_s: float) -> None:
        """Wait for its end, until the monotonic clock says `until_s`; then kill it."""
        if self.process is None:
            return
        try:
            self.process.wait(max(0.0, until_s - time.monotonic()))
        except subprocess.TimeoutExpired:
            log.warning("%s did not stop in time and is killed", self.name)
            self.process.kill()
            self.process.wait()


class Supervisor:
    """Looks after parts, a thread each."""

    def __init__(self) -> None:
        self._stopping = threading.Event()
        self._watchers: list[threading.Thread] = []

    def begin(self, *parts: Part) -> None:
        """Start `parts` together, and look after each once it works.

        Raises:
            PermanentError: one of them cannot work.
        """
        for part in parts:
            part.start()
        for part in parts:
            part.wait_ready()
            watcher = threading.Thread(target=self._watch, args=(part,), name=f"{part.name} watcher", daemon=True)
            watcher.start()
            self._watchers.append(watcher)

    def _watch(self, part: Part) -> None:
        """Start `part` again whenever it dies, until we stop."""
        while not self._stopping.wait(POLL_S):
            if part.alive:
                continue
            assert part.process is not None
            pause_s = part.pause_s()
            log.warning("%s ended with %s; starting it again in %.1f s", part.name, part.process.returncode, pause_s)
            if self._stopping.wait(pause_s):
                return
            part.start()

    def shutdown(self) -> None:
        """Start nothing again from now on; the parts are the caller's to stop."""
        self._stopping.set()
        for watcher in self._watchers:
            watcher.join(timeout=1)


def command(config: Path, *arguments: str) -> list[str]:
    """How a part of Andon is started."""
    return [sys.executable, "-m", "pipeline.cli", *arguments, "--config", str(config), "--lifeline"]
