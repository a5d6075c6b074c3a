"""Child processes of the demo: each with a name, a log file, a process group of its own and a bounded end.

In: a `Command`. Out: a `Child` that is running, or `ChildError` with the end of its log. Promised: `stop` ends the
whole group, asking first (SIGTERM) and insisting (SIGKILL) after the grace; a terminal's Ctrl-C reaches only us.
"""

import os
import signal
import socket
import subprocess
import time
from collections.abc import Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path

from pipeline.errors import AndonError

LOG_END_LINES = 15
LOG_END_BYTES = 4_096
POLL_S = 0.1
LOOPBACK = "127.0.0.1"


class ChildError(AndonError):
    """A child died or was not ready in time; the message ends with the last lines of its log."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Command:
    """What to start. `ports` are those it answers on once it is ready; `env` is laid over the parent's."""

    name: str
    argv: Sequence[str]
    env: Mapping[str, str] = field(default_factory=dict)
    ports: Sequence[int] = ()


class Child:
    """One running command; its output goes to `log`."""

    def __init__(self, command: Command, log: Path) -> None:
        self.command = command
        self.log = log
        with log.open("ab") as output:
            self._process = subprocess.Popen(  # noqa: S603 - our own commands
                command.argv,
                env=environment(command.env),
                stdin=subprocess.PIPE,  # held open while we live: who watches it ends with us
                stdout=output,
                stderr=subprocess.STDOUT,
                start_new_session=True,
            )

    @property
    def pid(self) -> int:
        return self._process.pid

    def check(self) -> None:
        """Raises: ChildError: it is not running any more."""
        code = self._process.poll()
        if code is not None:
            raise ChildError(f"{self.command.name} ended by itself, exit code {code}.\n{self.log_end()}")

    def wait_until_ready(self, timeout_s: float) -> None:
        """Return when every port answers.

        Raises:
            ChildError: it died, or a port was silent for `timeout_s`.
        """
        until = time.monotonic() + timeout_s
        while silent := [port for port in self.command.ports if not answers(port)]:
            self.check()
            if time.monotonic() > until:
                names = ", ".join(str(port) for port in silent)
                raise ChildError(
                    f"{self.command.name} did not listen on {names} within {timeout_s:g} s.\n{self.log_end()}"
                )
            time.sleep(POLL_S)

    def log_end(self) -> str:
        """The last lines of its log, indented, under a heading."""
        with self.log.open("rb") as log:
            log.seek(max(0, self.log.stat().st_size - LOG_END_BYTES))
            lines = log.read().decode(errors="replace").splitlines()[-LOG_END_LINES:]
        return "\n".join((f"Its log ends ({self.log}):", *(f"  {line}" for line in lines or ["(nothing)"])))

    def stop(self, grace_s: float) -> int:
        """End it and all it started; its exit code, negative for the signal that ended it."""
        if self._process.poll() is None:
            self._process.terminate()
        try:
            with suppress(subprocess.TimeoutExpired):
                self._process.wait(grace_s)
        finally:
            self._kill_group()
        with self._process as ended:  # closes the lifeline
            return ended.wait()

    def _kill_group(self) -> None:
        with suppress(ProcessLookupError):
            os.killpg(self._process.pid, signal.SIGKILL)


def environment(extra: Mapping[str, str]) -> dict[str, str]:
    """The parent's environment with `extra`: without its OTel settings, and never by a proxy to this machine."""
    kept = {name: value for name, value in os.environ.items() if not name.startswith("OTEL_")}
    return kept | {"NO_PROXY": LOOPBACK, "no_proxy": LOOPBACK, "PYTHONUNBUFFERED": "1"} | dict(extra)


def answers(port: int) -> bool:
    """Whether something listens on `port` of this machine."""
    with socket.socket() as probe:
        probe.settimeout(1)
        return probe.connect_ex((LOOPBACK, port)) == 0


def free_port(preferred: int, taken: frozenset[int] = frozenset()) -> int:
    """`preferred` when nothing has it, else a port the kernel calls free; never one of `taken`."""
    for candidate in (preferred, *(0 for _ in range(20))):
        with socket.socket() as probe:
            probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            try:
                probe.bind((LOOPBACK, candidate))
            except OSError:
                continue
            port: int = probe.getsockname()[1]
            if port not in taken:
                return port
    raise ChildError(f"found no free port on {LOOPBACK}")
