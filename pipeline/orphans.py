"""Chunks of a worker that is gone: drained by whoever finds its folder unlocked.

In: a spool of our own. Out: the spool in an orphaned folder, locked, one at a time. Promised: chunks keep their ids,
so their tokens; a folder is let go after `VISIT_S` and the chunk in hand at the latest, and not touched again for
`PAUSE_S`, so that its own worker, which waits for the lock, gets it.
"""

import logging
import time

from pipeline.errors import PermanentError
from pipeline.spool import Spool

log = logging.getLogger("andon")

LOOK_PERIOD_S = 2.0
VISIT_S = 2.0
PAUSE_S = 0.5


class Orphans:
    """The orphaned folders beside a spool. Serves one thread."""

    def __init__(self, own: Spool) -> None:
        self._own = own
        self._visited: Spool | None = None
        self._due_s = 0.0

    @property
    def visiting(self) -> bool:
        """Whether there is one in hand."""
        return self._visited is not None

    def spool(self) -> Spool | None:
        """The one in hand, or the next; None if nobody is gone, or it is not time to look."""
        if time.monotonic() < self._due_s:
            return self._visited
        if self._visited is not None:
            self.let_go(PAUSE_S)
            return None
        self._visited = self._find()
        self._due_s = time.monotonic() + (VISIT_S if self._visited else LOOK_PERIOD_S)
        return self._visited

    def let_go(self, pause_s: float = LOOK_PERIOD_S) -> None:
        """Leave the one in hand to others, and all of them for `pause_s`."""
        visited, self._visited = self._visited, None
        self._due_s = time.monotonic() + pause_s
        if visited is not None:
            visited.close()

    def _find(self) -> Spool | None:
        for place in self._own.orphans():
            try:
                return self._own.adopt(place)
            except PermanentError as error:  # mostly: somebody holds it
                log.debug("not adopted: %s", error)
        return None
