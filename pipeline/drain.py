"""From spool to store: the thread that takes sealed chunks, oldest first, until each is stored or put aside.

In: a spool, and what to do with a chunk. Promised: a chunk is deleted only after all of it is stored; while the store
is away it waits, and everything behind it too, so order and disk stay bounded. A chunk that is refused for good is cut
in halves, and those again, until a refused one holds a single request: that is put aside with the reason, all others
are stored, and the queue moves on. Between chunks of its own it takes one of a worker that is gone.

Every acknowledged item arrives once in every table, poison or not: what a chunk's `stored` names is not sent again
under the ids of its halves, and a crash at any moment finds either the whole or both halves, never both.
"""

import logging
from collections.abc import Callable

from pipeline.background import Background
from pipeline.chunk import SealedChunk
from pipeline.errors import PermanentError, RetryableError
from pipeline.orphans import Orphans
from pipeline.spool import Spool

log = logging.getLogger("andon")

TAKE_TIMEOUT_S = 0.5
PAUSES_S = (0.2, 0.5, 1.0, 2.0)


class Drain:
    """The thread that takes sealed chunks to ClickHouse, oldest first."""

    def __init__(self, spool: Spool, process: Callable[[SealedChunk], None]) -> None:
        self._spool = spool
        self._process = process
        self._orphans = Orphans(spool)
        self._background = Background("drain", self._run)
        self._failures = 0
        self._told = ""

    def start(self) -> None:
        self._background.start()

    def shutdown(self) -> None:
        """Finish the chunk in hand; the others stay on disk."""
        self._background.shutdown()

    def _run(self) -> None:
        while not self._background.stopping.is_set():
            self.step(TAKE_TIMEOUT_S)
        self._orphans.let_go()

    def step(self, timeout_s: float) -> None:
        """Settle one chunk of our own, which has `timeout_s` to come, then one that has nobody else."""
        chunk = self._spool.take(0 if self._orphans.visiting else timeout_s)
        if chunk is not None and not self._settle(self._spool, chunk):
            return
        orphan = self._orphans.spool()
        if orphan is not None:
            chunk = orphan.take(0)
            if chunk is None or not self._settle(orphan, chunk):
                self._orphans.let_go()

    def _settle(self, spool: Spool, chunk: SealedChunk) -> bool:
        """Be done with `chunk`; False if it has to wait for the store."""
        try:
            refusal = self._store(spool, chunk)
            if refusal:
                self._refused(spool, chunk, refusal)
        except RetryableError as error:
            spool.give_back(chunk)
            self._back_off(error)
            return False
        return True

    def _store(self, spool: Spool, chunk: SealedChunk) -> str:
        """Why it never will be stored, if it was not."""
        try:
            self._process(chunk)
        except RetryableError:
            raise
        except PermanentError as error:
            return str(error) or "refused"
        except Exception as error:
            # A bug must not stop the queue, nor lose what was acknowledged: it can be tried again once it is mended.
            log.exception("chunk %s", chunk.id)
            return f"{type(error).__name__}: {error}"
        spool.done(chunk)
        self._recovered()
        return ""

    def _refused(self, spool: Spool, chunk: SealedChunk, reason: str) -> None:
        # Said once for all that comes of one chunk.
        level = logging.DEBUG if chunk.root == self._told else logging.ERROR
        if chunk.requests > 1:
            spool.split(chunk)
            log.log(level, "chunk %s of %d requests is cut in halves: %s", chunk.id, chunk.requests, reason)
        else:
            spool.bury(chunk, reason)
            log.log(level, "chunk %s is put aside (andon spool list): %s", chunk.id, reason)
        self._told = chunk.root

    def _recovered(self) -> None:
        if self._failures:
            log.info("storing again after %d failures", self._failures)
        self._failures = 0

    def _back_off(self, error: RetryableError) -> None:
        if not self._failures:
            log.warning("waiting to store: %s", error)
        pause_s = PAUSES_S[min(self._failures, len(PAUSES_S) - 1)]
        self._failures += 1
        self._background.stopping.wait(pause_s)
