"""A process that is started, waited for and ended.

In: a command. Promised: it ends with the block that started it; if it ends before, or does not do in time what it is
waited for, the error has the end of its log.
"""

import contextlib
import os
import subprocess
import tempfile
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import IO

import psutil

from pipeline.errors import PermanentError

TIMEOUT_S = 180.0
STOP_TIMEOUT_S = 60.0
POLL_S = 0.05


@dataclass(frozen=True, slots=True)
class Child:
    """A running process and its log."""

    name: str
    popen: "subprocess.Popen[bytes]"
    process: psutil.Process
    log: IO[bytes]

    def said(self, text: str) -> bool:
        """Whether it has printed `text`."""
        self.log.seek(0)
        return text.encode() in self.log.read()

    def wait_until(self, happened: Callable[[], bool], what: str, *, timeout_s: float = TIMEOUT_S) -> None:
        """Wait for what this process, or another with its help, is to bring about.

        Raises:
            PermanentError: it ended, or it took too long.
        """
        until = time.monotonic() + timeout_s
        while not happened():
            if self.popen.poll() is not None:
                raise PermanentError(f"{self.name} ended while we waited for {what}; it said:\n{self._last_words()}")
            if time.monotonic() > until:
                raise PermanentError(f"waited {timeout_s:.0f} s for {what}; {self.name} said:\n{self._last_words()}")
            time.sleep(POLL_S)

    def _last_words(self) -> str:
        self.log.seek(0)
        return self.log.read()[-2000:].decode(errors="replace")


@contextlib.contextmanager
def child(name: str, arguments: Sequence[str], environment: Mapping[str, str]) -> Iterator[Child]:
    """A process that ends with this block. What it prints goes into a file, where nobody has to read it in time."""
    with tempfile.NamedTemporaryFile() as log, open(log.name, "rb") as reader:  # noqa: PTH123  # by name: a position of its own
        popen = subprocess.Popen(  # noqa: S603  # our own programs and arguments
            arguments, stdin=subprocess.PIPE, stdout=log, stderr=log, env={**os.environ, **environment}
        )
        try:
            yield Child(name, popen, psutil.Process(popen.pid), reader)
        finally:
            end(popen)


def end(popen: "subprocess.Popen[bytes]") -> None:
    """Ask it to end, and make it end if it does not in time."""
    popen.terminate()
    with contextlib.suppress(subprocess.TimeoutExpired):
        popen.wait(STOP_TIMEOUT_S)
    popen.kill()
    popen.wait()
