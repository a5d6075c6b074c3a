"""From spool to store: the thread that takes sealed chunks, oldest first, until each is stored or put aside.

In: a spool, and what to do with a chunk. Promised: a chunk is deleted only after all of it is stored; while the store
is away it waits, and everything behind it too, so order and disk stay bounded; a chunk that can never be stored is put
aside with the reason, and the queue moves on.
"""

import logging
from collections.abc import Callable

from pipeline.background import Background
from pipeline.errors import PermanentError, RetryableError
from pipeline.spool import SealedChunk, Spool

log = logging.getLogger("andon")

TAKE_TIMEOUT_S = 0.5
PAUSES_S = (0.2, 0.5, 1.0, 2.0)


class Drain:
    """The thread that takes sealed chunks to ClickHouse, oldest first."""

    def __init__(self, spool: Spool, process: Callable[[SealedChunk], None]) -> None:
        self._spool = spool
        self._process = process
        self._background = Background("drain", self._run)
        self._failures = 0

    def start(self) -> None:
        self._background.start()

    def shutdown(self) -> None:
        """Finish the chunk in hand; the others stay on disk."""
        self._background.shutdown()

    def _run(self) -> None:
        while not self._background.stopping.is_set():
            chunk = self._spool.take(TAKE_TIMEOUT_S)
            if chunk is not None:
                self._settle(chunk)

    def _settle(self, chunk: SealedChunk) -> None:
        try:
            self._process(chunk)
            self._spool.done(chunk)
            self._recovered()
        except RetryableError as error:
            self._spool.give_back(chunk)
            self._back_off(error)
        except PermanentError as error:
            self._bury(chunk, str(error))
        except Exception as error:
            # A bug must not stop the queue, nor lose what was acknowledged: the chunk can be put back once it is
            # mended.
            log.exception("chunk %s", chunk.id)
            self._bury(chunk, f"{type(error).__name__}: {error}")

    def _bury(self, chunk: SealedChunk, reason: str) -> None:
        log.error("chunk %s is put aside: %s", chunk.id, reason)
        try:
            self._spool.bury(chunk, reason)
        except RetryableError as error:
            self._spool.give_back(chunk)
            self._back_off(error)

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
