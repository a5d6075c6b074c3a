"""`andon serve`: all of Andon on one machine, each part a process of its own.

In: an `Assembly`. Promised: parts start in the order of who needs whom, each only when the one before it answers; a
part that dies is started again; on shutdown receivers stop first and the spool empties, then the rest.

    clickhouse ◀─ (schema) ◀─ ingest ◀─ evaluate ◀─ statuspage
"""

import logging
import time
from collections.abc import Callable
from typing import TypeVar

from exporters.clickhouse.migrate import migrate
from pipeline.assembly import Assembly
from pipeline.errors import RetryableError
from pipeline.supervisor import Part, Supervisor
from pipeline.supervisor import command as command_of

log = logging.getLogger("andon")
ResultT = TypeVar("ResultT")

MIGRATE_TIMEOUT_S = 60.0
STOP_ORDER = ("ingest", "evaluate", "statuspage", "clickhouse")
STOP_TIMEOUT_S = {"ingest": 60.0}  # its workers have 45 s
DEFAULT_STOP_TIMEOUT_S = 15.0


class Serve:
    """The supervisor."""

    def __init__(self, assembly: Assembly) -> None:
        self._assembly = assembly
        names = (["clickhouse"] if assembly.config.embedded else []) + ["ingest", "evaluate", "statuspage"]
        self._parts = [
            Part(name, command(assembly, name), STOP_TIMEOUT_S.get(name, DEFAULT_STOP_TIMEOUT_S)) for name in names
        ]
        self._supervisor = Supervisor()

    def start(self) -> None:
        """Start every part, in order of need.

        Raises:
            PermanentError: one of them cannot work.
        """
        if self._assembly.config.embedded:
            self._supervisor.begin(self._parts[0])
        self._migrate()
        for part in self._parts:
            if part.process is None:
                self._supervisor.begin(part)

    def _migrate(self) -> None:
        client = self._assembly.writer()
        try:
            applied = retried(lambda: migrate(client), MIGRATE_TIMEOUT_S)
        finally:
            client.close()
        for name in applied:
            log.info("schema: %s applied", name)

    def shutdown(self) -> None:
        """Stop the doors first and let the spool empty, then the readers, the store last."""
        self._supervisor.shutdown()
        for part in sorted(self._parts, key=lambda part: STOP_ORDER.index(part.name)):
            part.stop()


def command(assembly: Assembly, name: str) -> list[str]:
    """How a part is started."""
    return command_of(assembly.path, name)


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
