"""`andon serve`: all of Andon on one machine, each part a process of its own.

In: an `Assembly`. Promised: parts start in the order of who needs whom, each only when the one before it answers; a
part that dies is started again after a pause that grows with every early death, and we say so; on shutdown receivers
stop first and the spool empties, then the rest.

    clickhouse ◀─ (schema) ◀─ ingest ◀─ evaluate ◀─ statuspage
"""

import logging
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import TypeVar

from exporters.clickhouse.migrate import migrate
from pipeline.assembly import Assembly
from pipeline.errors import PermanentError, RetryableError

log = logging.getLogger("andon")
ResultT = TypeVar("ResultT")

READY_TIMEOUT_S = 120.0  # the first start compiles kernels
MIGRATE_TIMEOUT_S = 60.0
STOP_TIMEOUT_S = {"ingest": 45.0}
DEFAULT_STOP_TIMEOUT_S = 15.0
PAUSES_S = (0.5, 1.0, 2.0, 4.0, 8.0, 15.0, 30.0)
LONG_LIFE_S = 60.0  # who lived this long starts afresh without a pause that grew
POLL_S = 0.2


@dataclass(slots=True, eq=False)
class Part:
    """One child process, and how it has fared."""

    name: str
    command: Sequence[str]
    process: subprocess.Popen[str] | None = None
    ready: threading.Event = field(default_factory=threading.Event)
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
            print(line, end="", flush=True)  # noqa: T201  # what a part says on stdout is for whoever started us
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

    def stop(self) -> None:
        """Ask it to end, and make it end if it does not in time."""
        if self.process is None:
            return
        timeout_s = STOP_TIMEOUT_S.get(self.name, DEFAULT_STOP_TIMEOUT_S)
        self.process.terminate()
        try:
            self.process.wait(timeout_s)
        except subprocess.TimeoutExpired:
            log.warning("%s did not stop within %.0f s and is killed", self.name, timeout_s)
            self.process.kill()
            self.process.wait()


class Serve:
    """The supervisor."""

    def __init__(self, assembly: Assembly) -> None:
        self._assembly = assembly
        names = (["clickhouse"] if assembly.config.embedded else []) + ["ingest", "evaluate", "statuspage"]
        self._parts = [Part(name, command(assembly, name)) for name in names]
        self._stopping = threading.Event()
        self._watchers: list[threading.Thread] = []

    def start(self) -> None:
        """Start every part, in order of need.

        Raises:
            PermanentError: one of them cannot work.
        """
        if self._assembly.config.embedded:
            self._begin(self._parts[0])
        self._migrate()
        for part in self._parts:
            if part.process is None:
                self._begin(part)

    def _begin(self, part: Part) -> None:
        part.start()
        part.wait_ready()
        watcher = threading.Thread(target=self._watch, args=(part,), name=f"{part.name} watcher", daemon=True)
        watcher.start()
        self._watchers.append(watcher)

    def _migrate(self) -> None:
        client = self._assembly.writer()
        try:
            applied = retried(lambda: migrate(client), MIGRATE_TIMEOUT_S)
        finally:
            client.close()
        for name in applied:
            log.info("schema: %s applied", name)

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
        """Stop the doors first and let the spool empty, then the readers, the store last."""
        self._stopping.set()
        for watcher in self._watchers:
            watcher.join(timeout=1)
        for part in sorted(self._parts, key=lambda part: STOP_ORDER.index(part.name)):
            part.stop()


STOP_ORDER = ("ingest", "evaluate", "statuspage", "clickhouse")


def command(assembly: Assembly, name: str) -> list[str]:
    """How a part is started."""
    return [sys.executable, "-m", "pipeline.cli", name, "--config", str(assembly.path), "--lifeline"]


def retried(work: Callable[[], ResultT], timeout_s: float) -> ResultT:
    """Do `work`, again each second while the store is away, for at most `timeout_s`."""
    until = time.monotonic() + timeout_s
    while True:
        try:
            return work()
        except RetryableError:
            if time.monotonic() > until:
                raise
            time.sleep(1)
