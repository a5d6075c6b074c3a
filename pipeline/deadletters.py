"""Dead letters: requests that a store refused for good, each with the reason, for a human to look at.

    dead/<id>.pb       the request, still valid OTLP
    dead/<id>.reason   what happened to it, and what can be done
    retry/<id>.pb      to be taken again; whoever holds the folder looks here every second

In: a chunk and the error. Out: the two files, beside the spool they come from. Promised: what is here was acknowledged
and is kept, oldest dropped first when it outgrows `max_size` or `MAX_LETTERS`, and counted; every step is one rename,
so a letter is never in two places.
"""

from dataclasses import dataclass
from pathlib import Path

from pipeline.chunk import SEALED, SealedChunk, content
from pipeline.clock import to_datetime
from pipeline.errors import PermanentError
from pipeline.files import sync_folder, write_synced
from pipeline.folder import DEAD, RETRY

REASON = ".reason"
MAX_LETTERS = 10_000
MAX_ERROR = 2_000
# signal: package, service, request
REQUESTS = {
    "traces": ("trace", "ExportTraceServiceRequest"),
    "metrics": ("metrics", "ExportMetricsServiceRequest"),
    "logs": ("logs", "ExportLogsServiceRequest"),
}


@dataclass(slots=True)
class DeadLetters:
    """The dead letters beside one spool. `size` and `letters` never say less than there is."""

    folder: Path
    max_size: int
    size: int = 0
    letters: int = 0

    @property
    def dead(self) -> Path:
        return self.folder / DEAD

    @property
    def retry(self) -> Path:
        return self.folder / RETRY

    def start(self) -> None:
        """Make room, and finish what a crash left half done."""
        for folder in (self.dead, self.retry):
            folder.mkdir(parents=True, exist_ok=True)
        for left in (*self.dead.glob("*.new"), *self.dead.glob(f"*{REASON}")):
            if not left.with_suffix(SEALED).exists() or left.suffix != REASON:
                left.unlink()
        for path in self.dead.glob(f"*{SEALED}"):
            (self.folder / path.name).unlink(missing_ok=True)
        self._measure()

    def bury(self, chunk: SealedChunk, error: str, now_ns: int) -> int:
        """Put `chunk` here instead of where it was; how many older ones made room for it.

        Raises:
            OSError: the chunk is where it was.
        """
        letter = self.dead / f"{chunk.id}{SEALED}"
        write_synced(letter.with_suffix(REASON), [reason(chunk, error, now_ns).encode()])
        if chunk.noted():
            chunk.path.rename(letter)
        else:
            written = letter.with_suffix(".new")
            write_synced(written, chunk.with_note())
            written.rename(letter)
            sync_folder(self.dead)
            chunk.path.unlink()
        self.size += letter.stat().st_size
        self.letters += 1
        return self._trim()

    def returned(self) -> list[Path]:
        """Move what is to be taken again back to the folder; where it stands now."""
        return [path.rename(self.folder / path.name) for path in sorted(self.retry.glob(f"*{SEALED}"))]

    def measured(self) -> int:
        """The size of all letters now."""
        return sum(size_of(path) for path in self.dead.glob(f"*{SEALED}"))

    def _measure(self) -> list[tuple[Path, int]]:
        found = [(path, size_of(path)) for path in sorted(self.dead.glob(f"*{SEALED}"))]
        self.size, self.letters = sum(size for _, size in found), len(found)
        return found

    def _trim(self) -> int:
        if not self._is_over():
            return 0
        dropped = 0
        for path, size in self._measure()[:-1]:
            if not self._is_over():
                break
            drop(path)
            self.size, self.letters, dropped = self.size - size, self.letters - 1, dropped + 1
        return dropped

    def _is_over(self) -> bool:
        return self.size > self.max_size or self.letters > MAX_LETTERS


def size_of(path: Path) -> int:
    """Of a file that may be gone by now."""
    try:
        return path.stat().st_size
    except FileNotFoundError:
        return 0


def retry(letter: Path) -> None:
    """Let a dead letter be taken again, under its own id: whoever holds its folder, or is next to, will find it.

    Raises:
        PermanentError: it is no longer there.
    """
    inbox = letter.parent.with_name(RETRY)
    inbox.mkdir(exist_ok=True)
    letter.with_suffix(REASON).unlink(missing_ok=True)  # first: the next refusal may come at once, with its own
    try:
        letter.rename(inbox / letter.name)
    except FileNotFoundError as error:
        raise PermanentError(f"{letter.stem}: expected a dead letter, got none: it is gone") from error


def drop(letter: Path) -> None:
    """Delete a dead letter."""
    letter.unlink(missing_ok=True)
    letter.with_suffix(REASON).unlink(missing_ok=True)


def reason(chunk: SealedChunk, error: str, now_ns: int) -> str:
    """What a human wants to know of a chunk that is put aside. The first line is the error."""
    package, request = REQUESTS.get(chunk.signal, ("…", "…"))
    proto = f"opentelemetry/proto/collector/{package}/v1/{package}_service.proto"
    message = f"opentelemetry.proto.collector.{package}.v1.{request}"
    tenants = content(chunk.path, check=False).tenants
    return f"""{" ".join(error.split())[:MAX_ERROR]}

put aside  {to_datetime(now_ns):%Y-%m-%d %H:%M:%S} UTC
received   {to_datetime(chunk.received_ns):%Y-%m-%d %H:%M:%S} UTC
signal     {chunk.signal}
tenant     {", ".join(tenants) or "-"}
size       {chunk.size_bytes} bytes, {chunk.requests} request{"" if chunk.requests == 1 else "s"}
stored     {"already in " + ", ".join(sorted(chunk.stored)) if chunk.stored else "nowhere"}

look       andon spool show {chunk.id}
           protoc --decode {message} {proto} < {chunk.id}{SEALED}
retry      andon spool retry {chunk.id}
drop       andon spool drop {chunk.id}
"""
