"""A zip for evidence: written so that the same files give the same bytes, read as if a stranger had made it.

In: files by name. Out: the zip, with `sha256sums.txt` as its last file, which `sha256sum -c` understands. Promised on
reading: nothing is unpacked to a disk, and names, counts and sizes are bounded before a byte is believed.
"""

import hashlib
import re
import zipfile
import zlib
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import IO

from pipeline.errors import PermanentError

SUMS = "sha256sums.txt"
EPOCH = (1980, 1, 1, 0, 0, 0)  # the first day that zip knows
MODE = 0o100644 << 16
UNIX = 3
MAX_FILES = 10_000
MAX_FILE_BYTES = 64 << 20
MAX_BYTES = 2 << 30
_NAME = re.compile(r"[A-Za-z0-9_][A-Za-z0-9._-]{0,120}(/[A-Za-z0-9_][A-Za-z0-9._-]{0,120}){0,3}")
_SUM = re.compile(r"([0-9a-f]{64})  (\S+)")


def write_pack(out: IO[bytes], files: Iterable[tuple[str, bytes]]) -> None:
    """Write files, which come sorted by name, and their sums."""
    sums: list[str] = []
    with zipfile.ZipFile(out, "w", zipfile.ZIP_DEFLATED, compresslevel=6) as archive:
        for name, content in files:
            _add(archive, name, content)
            sums.append(f"{hashlib.sha256(content).hexdigest()}  {name}\n")
        _add(archive, SUMS, "".join(sums).encode())


def _add(archive: zipfile.ZipFile, name: str, content: bytes) -> None:
    if not _NAME.fullmatch(name) or len(content) > MAX_FILE_BYTES:
        raise PermanentError(f"expected a file of at most {MAX_FILE_BYTES} bytes with a plain name, got {name!r}")
    info = zipfile.ZipInfo(name, EPOCH)
    info.compress_type, info.external_attr, info.create_system = zipfile.ZIP_DEFLATED, MODE, UNIX
    archive.writestr(info, content)


class Pack:
    """A pack that is read file by file."""

    def __init__(self, path: Path) -> None:
        """Open it and look at its list of files.

        Raises:
            PermanentError: it is no zip, or one that nobody should unpack.
        """
        try:
            self._archive = zipfile.ZipFile(path)
        except (OSError, ValueError, NotImplementedError, zipfile.BadZipFile) as error:
            raise PermanentError(f"{path}: expected a zip with evidence, got {error}") from None
        self._infos = {info.filename: info for info in self._archive.infolist()}
        if problem := self._problem():
            self.close()
            raise PermanentError(f"{path}: {problem}")

    def close(self) -> None:
        """Let go of the file."""
        self._archive.close()

    def _problem(self) -> str:
        infos = self._archive.infolist()
        if len(infos) > MAX_FILES or len(infos) != len(self._infos):
            return f"expected at most {MAX_FILES} files, each once, got {len(infos)}"
        if unsound := [info.filename for info in infos if not _NAME.fullmatch(info.filename)]:
            return f"expected plain names of files, got {unsound[0]!r}"
        if any(info.file_size > MAX_FILE_BYTES for info in infos) or sum(info.file_size for info in infos) > MAX_BYTES:
            return f"expected at most {MAX_BYTES} bytes, and {MAX_FILE_BYTES} a file, got more"
        return "" if SUMS in self._infos else f"expected {SUMS}, got none"

    @property
    def names(self) -> list[str]:
        """Its files."""
        return list(self._infos)

    def read(self, name: str) -> bytes:
        """One file.

        Raises:
            PermanentError: it is not there, or cannot be read, or is longer than it says.
        """
        if name not in self._infos:
            raise PermanentError(f"{name}: expected a file, got none")
        info = self._infos[name]
        try:
            with self._archive.open(info) as file:
                content = file.read(info.file_size + 1)
        except (
            OSError,
            EOFError,
            ValueError,
            RuntimeError,
            NotImplementedError,
            zipfile.BadZipFile,
            zlib.error,
        ) as error:
            raise PermanentError(f"{name}: expected a file that can be read, got {error}") from None
        if len(content) != info.file_size:
            raise PermanentError(f"{name}: expected {info.file_size} bytes, got others")
        return content

    def faults(self) -> Iterator[str]:
        """The files that are not what the sums say, are missing, or are not listed; nothing if all hold."""
        try:
            lines = self.read(SUMS).decode("ascii").splitlines(keepends=True)
        except (PermanentError, UnicodeDecodeError) as error:
            yield str(error)
            return
        listed: dict[str, str] = {}
        for line in lines:
            match = _SUM.fullmatch(line.removesuffix("\n"))
            if not match or not line.endswith("\n"):
                yield f"{SUMS}: expected a sum and a name, got {line!r}"
                continue
            listed[match[2]] = match[1]
        if list(listed) != [name for name in self._infos if name != SUMS]:
            yield f"{SUMS}: expected every file once and in order"
        yield from (f"{name}: expected a file, got none" for name in listed if name not in self._infos)
        for name in self._infos:
            if name != SUMS:
                yield from self._sum_fault(name, listed.get(name))

    def _sum_fault(self, name: str, expected: str | None) -> Iterator[str]:
        try:
            found = hashlib.sha256(self.read(name)).hexdigest()
        except PermanentError as error:
            yield str(error)
            return
        if found != expected:
            yield f"{name}: expected SHA-256 {expected or 'none, for it is not listed'}, got {found}"
