"""A sealed chunk: a file that never changes again, and how it becomes two when it cannot be stored whole.

In: the path of a file of whole frames. Out: what a processor needs of it; its halves. Promised: a chunk's id is never
used for other rows, and the ids of its halves follow from its own, so that tokens made of ids are good for all time.

    <id>.pb ──(the halves are written and synced beside it)──▶ <id>.split ──▶ <id>-0.pb, <id>-1.pb

The first rename decides: before it only the whole counts, after it only the halves, whatever crash comes in between.
A half of a half is <id>-00, so every id still sorts by age.
"""

import mmap
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from itertools import islice
from pathlib import Path

from pipeline.files import sync_folder, write_synced
from pipeline.frame import frames, frames_start, note, noted

SEALED, HALF, SPLIT = ".pb", ".half", ".split"
PARTS_OF_A_PIECE = 4  # time, worker, start, and which half of which half
Once = Callable[[str, Callable[[], None]], None]


def always(_table: str, store: Callable[[], None]) -> None:
    """`SealedChunk.once` for rows that are in no chunk."""
    store()


@dataclass(frozen=True, slots=True, kw_only=True)
class SealedChunk:
    """A chunk file that will never change again. `received_ns` is the receive time of its last request.

    `stored` names the tables that have all of it. Where one refuses what another took, the halves inherit it: no table
    sees a row under two ids, and a dead letter that is retried after a year goes only where it never arrived.
    """

    id: str
    signal: str
    path: Path
    size_bytes: int
    requests: int
    received_ns: int
    stored: set[str] = field(default_factory=set, compare=False)

    @property
    def opened_ns(self) -> int:
        """When its first request came: its id begins with that."""
        return int(self.id.partition("-")[0])

    @property
    def root(self) -> str:
        """The id of the chunk that this one is a piece of, or its own."""
        return "-".join(self.id.split("-")[: PARTS_OF_A_PIECE - 1])

    def read(self) -> memoryview:
        """The whole chunk, mapped read-only: one protobuf message."""
        with self.path.open("rb") as file:
            return memoryview(mmap.mmap(file.fileno(), self.size_bytes, access=mmap.ACCESS_READ))

    def once(self, table: str, store: Callable[[], None]) -> None:
        """Do `store`, which brings all of this chunk into `table`, unless that is there already."""
        if table not in self.stored:
            store()
            self.stored.add(table)

    def noted(self) -> bool:
        """Whether the file says by itself which tables have it."""
        return not self.stored or noted(self.read()) == self.stored

    def with_note(self) -> list[bytes | memoryview]:
        """What a file that says so holds."""
        view = self.read()
        return [note(self.stored), view[frames_start(view) :]]


@dataclass(frozen=True, slots=True)
class Content:
    """What a chunk file holds: how many whole frames, up to where, and what its note says."""

    requests: int
    end: int
    received_ns: int
    tenants: tuple[str, ...]
    stored: frozenset[str]


def content(path: Path, *, check: bool) -> Content:
    """Read the frames of a file; with `check`, only those whose crc is right count."""
    with mapped(path) as whole:
        requests, end, received_ns, tenants = 0, 0, 0, dict[str, None]()
        for frame in frames(whole, check=check):
            requests, end, received_ns = requests + 1, frame.end, frame.received_ns
            tenants[frame.tenant] = None
        return Content(requests, end, received_ns, tuple(tenants), noted(whole))


@contextmanager
def mapped(path: Path) -> Iterator[mmap.mmap | memoryview]:
    """The bytes of a file, for as long as the block lasts."""
    size = path.stat().st_size
    if size == 0:
        yield memoryview(b"")
        return
    with path.open("rb") as file, mmap.mmap(file.fileno(), size, access=mmap.ACCESS_READ) as whole:
        yield whole


def split(chunk: SealedChunk) -> list[SealedChunk]:
    """The halves of a chunk of two requests or more, on disk instead of it.

    Raises:
        OSError: before the decision, and `chunk` is as it was; afterwards, and `finish_split` will find the halves.
    """
    view = chunk.read()
    first = chunk.requests // 2
    middle = next(islice(frames(view, check=False), first - 1, None))
    halves = [
        _write_half(chunk, "0", view[frames_start(view) : middle.end], first, middle.received_ns),
        _write_half(chunk, "1", view[middle.end :], chunk.requests - first, chunk.received_ns),
    ]
    sync_folder(chunk.path.parent)
    chunk.path.rename(chunk.path.with_suffix(SPLIT))
    sync_folder(chunk.path.parent)
    finish_split(chunk.path.with_suffix(SPLIT))
    return halves


def finish_split(whole: Path) -> None:
    """Give the halves of what was decided to be split their names, however far that came."""
    for which in "01":
        half = whole.with_name(f"{_half_id(whole.stem, which)}{HALF}")
        if half.exists():
            half.rename(half.with_suffix(SEALED))
    sync_folder(whole.parent)
    whole.unlink()
    sync_folder(whole.parent)


def _write_half(chunk: SealedChunk, which: str, body: memoryview, requests: int, received_ns: int) -> SealedChunk:
    half_id = _half_id(chunk.id, which)
    buffers: list[bytes | memoryview] = [note(chunk.stored), body]
    path = chunk.path.with_name(f"{half_id}{SEALED}")
    write_synced(path.with_suffix(HALF), buffers)
    return SealedChunk(
        id=half_id,
        signal=chunk.signal,
        path=path,
        size_bytes=sum(map(len, buffers)),
        requests=requests,
        received_ns=received_ns,
        stored=set(chunk.stored),
    )


def _half_id(chunk_id: str, which: str) -> str:
    is_piece = chunk_id.count("-") + 1 >= PARTS_OF_A_PIECE
    return f"{chunk_id}{which}" if is_piece else f"{chunk_id}-{which}"
