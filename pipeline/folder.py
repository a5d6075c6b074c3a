"""The folders of the spool: where they stand, who holds one, and who writes there.

    <directory>/<number of the worker>/<signal>/     lock, worker, chunks, dead/, retry/
    <directory>/<signal>/                            the same, as it was before there were several workers

Promised: one process per folder, by a lock that ends with it; a writer and a number of its start that never come again.
"""

import fcntl
import logging
import os
import secrets
import time
from dataclasses import dataclass
from pathlib import Path

from pipeline.errors import PermanentError
from pipeline.files import sync_folder, write_synced

log = logging.getLogger("andon")

POLL_S = 0.05
DEAD, RETRY = "dead", "retry"
WAITING = ("*.pb", "*.open", "*.split", f"{RETRY}/*.pb")


@dataclass(frozen=True, slots=True, order=True)
class Place:
    """One signal's folder of one worker; -1 is the worker of the days when there was one."""

    number: int
    signal: str
    path: Path

    @property
    def waiting(self) -> bool:
        """Whether anything in it is to be stored."""
        return any(next(self.path.glob(pattern), None) for pattern in WAITING)


def place(directory: Path, number: int, signal: str) -> Place:
    """Where a worker keeps a signal."""
    return Place(number, signal, directory / str(number) / signal)


def places(directory: Path) -> list[Place]:
    """All there are, by worker and signal."""
    old = [Place(-1, lock.parent.name, lock.parent) for lock in directory.glob("*/lock")]
    new = [lock.parent for lock in directory.glob("*/*/lock") if lock.parts[-3].isdigit()]
    return sorted(old + [Place(int(folder.parent.name), folder.name, folder) for folder in new])


class FolderLock:
    """Held by one process at a time, and let go by the kernel when that dies."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._fd = -1

    def acquire(self, wait_s: float) -> None:
        """Hold it, once whoever holds it now has let go.

        Raises:
            PermanentError: that does not happen within `wait_s`.
        """
        until_s = time.monotonic() + wait_s
        fd = os.open(self._folder / "lock", os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
        has_waited = False
        while not _try(fd):
            owner = os.pread(fd, 32, 0).decode() or "unknown"
            if time.monotonic() >= until_s:
                os.close(fd)
                raise PermanentError(
                    f"{self._folder}: expected a spool folder of its own, got one in use by process {owner}"
                )
            if not has_waited:
                log.info("%s: waiting until process %s lets go of it", self._folder, owner)
            has_waited = True
            time.sleep(POLL_S)
        os.ftruncate(fd, 0)
        os.pwrite(fd, str(os.getpid()).encode(), 0)
        self._fd = fd

    def release(self) -> None:
        """Let go, if it is held."""
        fd, self._fd = self._fd, -1
        if fd >= 0:
            os.close(fd)


def _try(fd: int) -> bool:
    try:
        fcntl.flock(fd, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        return False
    return True


def identify(folder: Path) -> tuple[str, int]:
    """Who writes here, and for the how manyth time: with a time, what makes a chunk id the only one of its kind."""
    path = folder / "worker"
    text = path.read_text(encoding="ascii") if path.exists() else f"{secrets.token_hex(6)} 0"
    worker, starts = text.split()
    replacement = path.with_suffix(".new")
    write_synced(replacement, [f"{worker} {int(starts) + 1}".encode()])
    replacement.rename(path)
    sync_folder(folder)
    return worker, int(starts) + 1
