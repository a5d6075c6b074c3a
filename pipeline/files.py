"""Files that are safe once a function returns: every byte written, synced, and named durably."""

import os
from collections.abc import Sequence
from pathlib import Path


def write_all(fd: int, buffers: Sequence[bytes | memoryview]) -> None:
    """Write every byte of `buffers`, which are not copied together; a full disk shows as a short write first."""
    left = list(buffers)
    while left:
        written = os.writev(fd, left)
        while left and written >= len(left[0]):
            written -= len(left.pop(0))
        if left and written:
            left[0] = memoryview(left[0])[written:]


def write_synced(path: Path, buffers: Sequence[bytes | memoryview]) -> None:
    """A file of `buffers`, instead of any that was there; its name is durable once its folder is synced."""
    fd = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_TRUNC | os.O_CLOEXEC, 0o600)
    try:
        write_all(fd, buffers)
        os.fsync(fd)
    finally:
        os.close(fd)


def sync_folder(folder: Path) -> None:
    """Make the names in `folder` durable."""
    fd = os.open(folder, os.O_RDONLY | os.O_DIRECTORY)
    try:
        os.fsync(fd)
    finally:
        os.close(fd)
