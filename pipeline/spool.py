"""Sealed chunk files: request bodies safe on disk before they are acknowledged, handed on in pieces that never change.

In: the body of one OTLP request at a time, from many threads. Out: `SealedChunk`s, oldest first, each to one taker.

    append ──▶ <id>.open ──1 s or 16 MiB──▶ <id>.pb ──take──▶ done (deleted) | give_back | split (in two) | bury (dead/)

Promised:
- Durability: when `append` returns, the body survives `kill -9` and power loss. Appenders that wait share one sync.
- Exactly once, with a store that deduplicates by chunk id: ids are never used twice, and what stands in a sealed chunk
  never changes, so handing a chunk over again after a crash is harmless.
- Format: each body follows a frame header that protobuf sees as unknown field 1000, so a chunk file is one valid
  message of its signal's request type: protobuf merges the repeated fields of concatenated messages.
- Bounds: `max_size` bytes on disk, but for the one chunk that is being split; a full spool makes `append` wait
  `max_hold`, then refuse with `RetryableError`, whose time grows while the spool stays full.
- One process per folder, by lock. No thread of its own: whoever appends or takes also seals what is due, and whoever
  takes also finds what was put into `retry/`.
"""

import heapq
import logging
import os
import threading
import time
from collections import deque
from collections.abc import Sequence
from contextlib import suppress
from dataclasses import asdict, dataclass, field
from pathlib import Path

from pydantic import Field

from pipeline.chunk import HALF, SEALED, SPLIT, SealedChunk, content, finish_split, split
from pipeline.clock import NS_PER_S, Clock, SystemClock
from pipeline.config import Config, DurationNs, FilePath, SizeBytes, written
from pipeline.deadletters import DeadLetters
from pipeline.errors import PermanentError, RetryableError
from pipeline.files import sync_folder, write_all
from pipeline.folder import FolderLock, Place, identify, place, places
from pipeline.frame import frame_header
from pipeline.pressure import Pressure

log = logging.getLogger("andon")

MAX_GROUP = 512  # two buffers a frame in one writev, and Linux takes 1024
FULL_SHARE = 32  # with less free than this part of it, a spool is called full
SYNC_TIMEOUT_S = 30.0  # longer than any client waits for its answer
RETRY_PERIOD_S = 1.0  # how often `retry/` is looked into


class SpoolConfig(Config):
    """What users write under `spool`."""

    directory: FilePath = written("data/spool")
    max_size: SizeBytes = written("2GiB")
    max_dead_size: SizeBytes = written("256MiB")
    max_chunk_size: SizeBytes = written("16MiB")
    flush_timeout: DurationNs = written("1s")
    max_hold: DurationNs = written("2s")
    max_holding: int = Field(default=4, ge=0)
    retry_after: DurationNs = written("5s")
    max_retry_after: DurationNs = written("1m")


@dataclass(frozen=True, slots=True, kw_only=True)
class SpoolStats:
    """What the spool holds now, and counters since it started."""

    bytes: int
    chunks: int
    holding: int
    oldest_age_s: float
    retry_after_s: float
    dead_bytes: int
    requests_total: int
    syncs_total: int
    refused_total: int
    io_errors_total: int
    cut_bytes_total: int
    split_chunks_total: int
    retried_chunks_total: int
    adopted_chunks_total: int
    buried_chunks_total: int
    dropped_dead_chunks_total: int


@dataclass(slots=True)
class _Counters:
    requests_total: int = 0
    syncs_total: int = 0
    refused_total: int = 0
    io_errors_total: int = 0
    cut_bytes_total: int = 0
    split_chunks_total: int = 0
    retried_chunks_total: int = 0
    adopted_chunks_total: int = 0
    buried_chunks_total: int = 0
    dropped_dead_chunks_total: int = 0


def _taken_lock() -> threading.Lock:
    lock = threading.Lock()
    lock.acquire()
    return lock


@dataclass(slots=True, eq=False)
class _Ticket:
    """One append on its way: written when `done`, unless `error`. `turn` is released when it is done or must lead."""

    header: bytes
    body: bytes | memoryview
    received_ns: int
    done: bool = False
    error: OSError | None = None
    turn: threading.Lock = field(default_factory=_taken_lock)

    @property
    def size(self) -> int:
        return len(self.header) + len(self.body)


@dataclass(slots=True, eq=False)
class _OpenChunk:
    """The file being written. `length` bytes of it are synced."""

    id: str
    path: Path
    fd: int
    due_s: float
    length: int = 0
    requests: int = 0
    received_ns: int = 0


@dataclass(slots=True)
class _State:
    """All that the condition guards."""

    accepting: bool = False
    leading: bool = False
    bytes: int = 0
    holding: int = 0
    pending: deque[_Ticket] = field(default_factory=deque)
    open: _OpenChunk | None = None
    sealed: list[tuple[str, SealedChunk]] = field(default_factory=list)
    taken: dict[str, SealedChunk] = field(default_factory=dict)
    count: _Counters = field(default_factory=_Counters)


class Spool:
    """The chunk files of one signal of one worker, in a folder of their own under the spool's directory."""

    def __init__(
        self, config: SpoolConfig, signal: str, clock: Clock | None = None, *, number: int = 0, at: Path | None = None
    ) -> None:
        self.signal = signal
        self.worker = ""  # nobody writes here, until it is started
        self._config = config
        self._clock = clock or SystemClock()
        self._folder = at or place(config.directory, number, signal).path
        self._dead = DeadLetters(self._folder, config.max_dead_size)
        self._pressure = Pressure(config.retry_after, config.max_retry_after)
        self._state = _State()
        self._changed = threading.Condition()
        self._file = threading.Lock()  # guards the open file; taken before `_changed`, never inside it
        self._lock = FolderLock(self._folder)
        self._starts = 0
        self._last_id_ns = 0
        self._retry_due_s = 0.0

    def start(self, wait_s: float = 0.0) -> None:
        """Lock the folder, then bring what a crash left into order: torn tails cut, open files sealed.

        Whoever holds the folder now has `wait_s` to let go: the last process while it ends, or one that drains it.

        Raises:
            PermanentError: another process uses the folder, or the folder cannot be used.
        """
        self._open(wait_s)
        try:
            self.worker, self._starts = identify(self._folder)
        except (OSError, ValueError) as error:
            self.close()
            raise self._unusable(error) from error
        with self._changed:
            self._state.accepting = True

    def orphans(self) -> list[Place]:
        """The folders of this signal where something waits, but this one: another's, or nobody's."""
        found = places(self._config.directory)
        return [one for one in found if one.signal == self.signal and one.path != self._folder and one.waiting]

    def adopt(self, orphan: Place) -> "Spool":
        """The spool in another folder, to be drained for a worker that is gone; this one's stats count for it.

        Raises:
            PermanentError: somebody uses that folder.
        """
        adopted = Spool(self._config, self.signal, self._clock, at=orphan.path)
        adopted._state.count = self._state.count
        adopted._open(0.0)
        return adopted

    def _open(self, wait_s: float) -> None:
        try:
            self._folder.mkdir(parents=True, exist_ok=True)
            self._lock.acquire(wait_s)
            self._dead.start()
            self._recover()
        except (OSError, ValueError, RetryableError) as error:
            self.close()
            raise self._unusable(error) from error

    def _unusable(self, error: Exception) -> PermanentError:
        return PermanentError(f"{self._folder}: expected a folder to write in, got: {error}")

    def shutdown(self) -> None:
        """Refuse new bodies and seal the open chunk; what is left can still be taken. `close` ends that."""
        with self._changed:
            self._state.accepting = False
            self._changed.notify_all()
            self._changed.wait_for(lambda: not self._state.leading, SYNC_TIMEOUT_S)
        with self._file:
            self._seal()

    def close(self) -> None:
        """Let go of the folder, so that another process may start on it."""
        self.shutdown()
        self._lock.release()

    # ---- appending

    def append(self, body: bytes | memoryview, received_ns: int, tenant: str = "") -> None:
        """Return when `body` is safe on disk.

        Raises:
            RetryableError: full, shut, or the disk failed; the body is not in the spool, or not acknowledged as such.
            PermanentError: it could never fit.
        """
        ticket = _Ticket(frame_header(body, received_ns, tenant), body, received_ns)
        if not self._enter(ticket):
            self._await_turn(ticket)
        if not ticket.done:
            self._lead()
        if ticket.error is not None:
            raise self._retry(f"the spool could not be written: {ticket.error}") from ticket.error

    def _enter(self, ticket: _Ticket) -> bool:
        """Queue `ticket`; tell whether this thread leads, that is, commits for all who queue behind it meanwhile."""
        if ticket.size > self._config.max_size:
            raise PermanentError(f"expected at most max_size = {self._config.max_size} bytes, got {ticket.size}")
        state = self._state
        with self._changed:
            has_room = self._has_room(ticket.size) or self._hold(ticket.size)
            if not state.accepting:
                raise self._retry("the spool is not open", "shutting_down")
            if not has_room:
                state.count.refused_total += 1
                raise self._retry(self._full(), "spool_full", self._pressure.refused(self._clock.now_ns()))
            state.bytes += ticket.size
            state.pending.append(ticket)
            leads, state.leading = not state.leading, True
        return leads

    def _full(self) -> str:
        return f"the spool is full: {self._state.bytes} of max_size = {self._config.max_size} bytes"

    def _has_room(self, size: int) -> bool:
        return self._state.bytes + size <= self._config.max_size

    def _hold(self, size: int) -> bool:
        """Wait for room. Only `max_holding` may, so that a full spool does not eat every thread of the receivers."""
        state = self._state
        if state.holding >= self._config.max_holding:
            return False
        state.holding += 1
        hold_s = self._config.max_hold / NS_PER_S
        self._changed.wait_for(lambda: self._has_room(size) or not state.accepting, hold_s)
        state.holding -= 1
        return self._has_room(size)

    def _retry(self, message: str, reason: str = "disk", after_ns: int | None = None) -> RetryableError:
        after_ns = self._config.retry_after if after_ns is None else after_ns
        return RetryableError(message, retry_after_s=after_ns / NS_PER_S, reason=reason)

    def _await_turn(self, ticket: _Ticket) -> None:
        """Wait until `ticket` is done, or first in the queue with nobody leading."""
        if ticket.turn.acquire(timeout=SYNC_TIMEOUT_S):
            return
        with self._changed:
            if ticket.turn.acquire(blocking=False):
                return
            if ticket in self._state.pending:
                self._state.pending.remove(ticket)
                self._state.bytes -= ticket.size
        raise self._retry(f"the disk did not sync within {SYNC_TIMEOUT_S:.0f} s")

    def _lead(self) -> None:
        """Commit once, this thread's ticket among others, then let the next in the queue lead."""
        state = self._state
        try:
            with self._file:
                self._commit()
        finally:
            with self._changed:
                if state.pending:
                    state.pending[0].turn.release()
                else:
                    state.leading = False
                    self._changed.notify_all()

    def _commit(self) -> None:
        """Write and sync what waits, as far as it fits into one chunk. The caller holds `_file`."""
        if self._is_due():
            self._seal()
        group = self._next_group()
        error = self._write(group)
        with self._changed:
            self._settle(group, error)
        chunk = self._state.open
        if chunk and chunk.length >= self._config.max_chunk_size:
            self._seal()

    def _settle(self, group: Sequence[_Ticket], error: OSError | None) -> None:
        state, count = self._state, self._state.count
        if error is None:
            count.requests_total += len(group)
            count.syncs_total += 1
        else:
            count.io_errors_total += 1
            state.bytes -= sum(ticket.size for ticket in group)
        for ticket in group:
            ticket.done, ticket.error = True, error
            ticket.turn.release()

    def _next_group(self) -> list[_Ticket]:
        """The tickets that go into the open chunk next, at least one; the chunk is sealed if that one does not fit."""
        state, limit = self._state, self._config.max_chunk_size
        if state.open and state.open.length + state.pending[0].size > limit:
            self._seal()
        room = limit - (state.open.length if state.open else 0)
        group: list[_Ticket] = []
        with self._changed:
            while state.pending and len(group) < MAX_GROUP and (not group or state.pending[0].size <= room):
                group.append(state.pending.popleft())
                room -= group[-1].size
        return group

    def _write(self, group: Sequence[_Ticket]) -> OSError | None:
        try:
            chunk = self._state.open or self._create()
            write_all(chunk.fd, [buffer for ticket in group for buffer in (ticket.header, ticket.body)])
            os.fdatasync(chunk.fd)
        except OSError as error:
            # After a failed sync the kernel may have forgotten the dirty pages, so nothing more goes into this file.
            self._seal()
            return error
        chunk.length += sum(ticket.size for ticket in group)
        chunk.requests += len(group)
        chunk.received_ns = group[-1].received_ns
        return None

    def _create(self) -> _OpenChunk:
        self._last_id_ns = max(self._last_id_ns + 1, self._clock.now_ns())
        chunk_id = f"{self._last_id_ns:019d}-{self.worker}-{self._starts}"
        path = self._folder / f"{chunk_id}.open"
        fd = os.open(path, os.O_WRONLY | os.O_APPEND | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, 0o600)
        chunk = _OpenChunk(chunk_id, path, fd, time.monotonic() + self._config.flush_timeout / NS_PER_S)
        with self._changed:
            self._state.open = chunk
            self._changed.notify_all()
        sync_folder(self._folder)
        return chunk

    # ---- sealing

    def _is_due(self) -> bool:
        chunk = self._state.open
        return chunk is not None and time.monotonic() >= chunk.due_s

    def _seal(self) -> None:
        """Close the open chunk at its synced length. The caller holds `_file`."""
        chunk = self._state.open
        if chunk is None:
            return
        if chunk.length == 0:
            self._discard(chunk)
        else:
            path = self._finish(chunk)
        with self._changed:
            self._state.open = None
            if chunk.length:
                sealed = SealedChunk(
                    id=chunk.id,
                    signal=self.signal,
                    path=path,
                    size_bytes=chunk.length,
                    requests=chunk.requests,
                    received_ns=chunk.received_ns,
                )
                self._add(sealed)
            self._changed.notify_all()

    def _finish(self, chunk: _OpenChunk) -> Path:
        """The sealed file. Where the disk refuses even that, the file keeps its name: only its synced part counts."""
        sealed = chunk.path.with_suffix(SEALED)
        path = chunk.path
        with suppress(OSError):
            if os.fstat(chunk.fd).st_size > chunk.length:
                os.ftruncate(chunk.fd, chunk.length)
                os.fsync(chunk.fd)
            path = chunk.path.rename(sealed)
            sync_folder(self._folder)
        with suppress(OSError):
            os.close(chunk.fd)
        return path

    def _discard(self, chunk: _OpenChunk) -> None:
        """Remove a file in which nothing was ever synced."""
        with suppress(OSError):
            os.close(chunk.fd)
            chunk.path.unlink()

    def _add(self, chunk: SealedChunk) -> None:
        heapq.heappush(self._state.sealed, (chunk.id, chunk))

    # ---- taking

    def take(self, timeout_s: float) -> SealedChunk | None:
        """The oldest sealed chunk, now this caller's; None when there was none for `timeout_s`."""
        deadline_s = time.monotonic() + timeout_s
        while True:
            self._seal_if_due(deadline_s)
            self._take_back()
            with self._changed:
                if self._state.sealed:
                    chunk = heapq.heappop(self._state.sealed)[1]
                    self._state.taken[chunk.id] = chunk
                    return chunk
                if not self._wait(deadline_s):
                    return None

    def _seal_if_due(self, deadline_s: float) -> None:
        if self._is_due() and self._file.acquire(timeout=max(0.0, deadline_s - time.monotonic())):
            try:
                if self._is_due():
                    self._seal()
            finally:
                self._file.release()

    def _wait(self, deadline_s: float) -> bool:
        """Wait for a change, or for the open chunk to be due; False at the deadline."""
        now_s = time.monotonic()
        chunk = self._state.open
        until_s = min(deadline_s, chunk.due_s) if chunk else deadline_s
        self._changed.wait(max(0.0, until_s - now_s))
        return now_s < deadline_s

    def done(self, chunk: SealedChunk) -> None:
        """All of `chunk` is stored elsewhere: delete it.

        Raises:
            RetryableError: it could not be deleted; it is still this caller's.
        """
        try:
            chunk.path.unlink(missing_ok=True)
        except OSError as error:
            raise self._retry(f"{chunk.path}: could not be deleted: {error}") from error
        self._forget(chunk)
        if not self.worker:
            self._state.count.adopted_chunks_total += 1

    def give_back(self, chunk: SealedChunk) -> None:
        """Let `chunk` be taken again, before all younger ones."""
        with self._changed:
            del self._state.taken[chunk.id]
            self._add(chunk)
            self._changed.notify_all()

    def split(self, chunk: SealedChunk) -> None:
        """Let the halves of `chunk`, which holds two requests or more, be taken instead of it, each under its own id.

        Raises:
            RetryableError: the disk refused; the chunk is still this caller's.
        """
        halves: list[SealedChunk] = []
        try:
            halves = split(chunk)
        except OSError as error:
            if not chunk.path.with_suffix(SPLIT).exists():
                raise self._retry(f"{chunk.path}: could not be split: {error}") from error
            log.exception("chunk %s is split, and stored after the next start", chunk.id)
        self._forget(chunk, halves)
        with self._changed:
            self._state.count.split_chunks_total += 1

    def bury(self, chunk: SealedChunk, reason: str) -> None:
        """Put `chunk` aside for a human, with `reason` beside it; the oldest of the dead make room for it.

        Raises:
            RetryableError: the disk refused; the chunk is still this caller's.
        """
        try:
            dropped = self._dead.bury(chunk, reason, self._clock.now_ns())
        except OSError as error:
            raise self._retry(f"{chunk.path}: could not be buried: {error}") from error
        with self._changed:
            self._state.count.buried_chunks_total += 1
            self._state.count.dropped_dead_chunks_total += dropped
        self._forget(chunk)

    def _forget(self, chunk: SealedChunk, instead: Sequence[SealedChunk] = ()) -> None:
        state = self._state
        with self._changed:
            del state.taken[chunk.id]
            state.bytes -= chunk.size_bytes
            for other in instead:
                state.bytes += other.size_bytes
                self._add(other)
            if self._has_room(1):
                self._pressure.relieved(self._clock.now_ns())
            self._changed.notify_all()

    def _take_back(self) -> None:
        """What was put into `retry/` is sealed again; a look there each `RETRY_PERIOD_S`."""
        with self._changed:
            if time.monotonic() < self._retry_due_s:
                return
            self._retry_due_s = time.monotonic() + RETRY_PERIOD_S
        try:
            for path in self._dead.returned():
                log.info("chunk %s is tried again", path.stem)
                self._state.count.retried_chunks_total += 1
                self._enlist(path)
        except (OSError, RetryableError):
            log.exception("%s: what is to be tried again waits for the next start", self._folder)

    # ---- watching

    def refusal(self) -> str:
        """Why a body of some size would be refused now; nothing if it would be taken."""
        with self._changed:
            if not self._state.accepting:
                return "the spool is not open"
            return "" if self._has_room(self._config.max_size // FULL_SHARE) else self._full()

    @property
    def drained(self) -> bool:
        """Whether nothing is open, sealed or taken."""
        state = self._state
        with self._changed:
            return not (state.pending or state.open or state.sealed or state.taken)

    def wait_empty(self, timeout_s: float) -> bool:
        """Wait until `drained`; tell whether it is."""
        with self._changed:
            return self._changed.wait_for(lambda: self.drained, timeout_s)

    def stats(self) -> SpoolStats:
        """What the spool holds now, and counters since it started."""
        state = self._state
        dead_bytes = self._dead.measured()
        now_ns = self._clock.now_ns()
        with self._changed:
            ids = [*state.taken, *(chunk_id for chunk_id, _ in state.sealed), *([state.open.id] if state.open else [])]
            oldest_ns = min((int(chunk_id.split("-")[0]) for chunk_id in ids), default=None)
            return SpoolStats(
                bytes=state.bytes,
                chunks=len(ids),
                holding=state.holding,
                oldest_age_s=0.0 if oldest_ns is None else max(0, now_ns - oldest_ns) / NS_PER_S,
                retry_after_s=self._pressure.after_ns(now_ns) / NS_PER_S,
                dead_bytes=dead_bytes,
                **asdict(state.count),
            )

    # ---- starting

    def _recover(self) -> None:
        for path in self._folder.glob(f"*{SPLIT}"):
            finish_split(path)
        for path in self._folder.glob(f"*{HALF}"):
            path.unlink()  # the whole is still there
        for path in self._folder.glob("*.open"):
            self._seal_left_over(path)
        self._dead.returned()
        for path in sorted(self._folder.glob(f"*{SEALED}")):
            self._enlist(path)
        sync_folder(self._folder)

    def _seal_left_over(self, path: Path) -> None:
        """Cut what the last process could not finish; nothing of that was acknowledged."""
        whole = content(path, check=True).end
        with path.open("r+b") as file:
            size = file.seek(0, os.SEEK_END)
            if whole < size:
                self._state.count.cut_bytes_total += size - whole
                file.truncate(whole)
                os.fsync(file.fileno())
        if whole:
            path.rename(path.with_suffix(SEALED))
        else:
            path.unlink()

    def _enlist(self, path: Path) -> None:
        """Let the chunk in a sealed file be taken; a damaged one is put aside."""
        size, found = path.stat().st_size, content(path, check=False)
        chunk = SealedChunk(
            id=path.stem,
            signal=self.signal,
            path=path,
            size_bytes=size,
            requests=found.requests,
            received_ns=found.received_ns,
            stored=set(found.stored),
        )
        with self._changed:
            self._last_id_ns = max(self._last_id_ns, chunk.opened_ns)
            self._state.bytes += size
            if found.requests and found.end == size:
                self._add(chunk)
                self._changed.notify_all()
                return
            self._state.taken[chunk.id] = chunk
        self.bury(chunk, f"expected {size} bytes of whole frames, got {found.end}")
