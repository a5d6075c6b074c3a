"""One background thread that keeps the desk's snapshot new, and the copy on disk not far behind.

Every `every_s`: read the store, hand the snapshot to the desk. The store being away is no error here: the desk keeps
what it has. The copy on disk follows at once when components or incidents change, else every 30 s, and at the end.
"""

import logging
import threading
from collections.abc import Callable
from pathlib import Path

from pipeline.clock import NS_PER_S, Clock
from pipeline.errors import AndonError
from statuspage.desk import Desk
from statuspage.disk import save
from statuspage.snapshot import Snapshot

log = logging.getLogger(__name__)
SAVE_EVERY_S = 30
STOP_TIMEOUT_S = 10


class Refresher:
    """Reads, hands over, saves, until it is stopped."""

    def __init__(self, read: Callable[[], Snapshot], desk: Desk, clock: Clock, *, every_s: float, path: Path) -> None:
        self._read = read
        self._desk = desk
        self._clock = clock
        self._every_s = every_s
        self._path = path
        self._stop = threading.Event()
        self._thread = threading.Thread(target=self._run, name="statuspage-refresh", daemon=True)
        self._saved: Snapshot | None = desk.snapshot
        self._saved_ns = 0
        self._away = False

    def start(self) -> None:
        self._thread.start()

    def shutdown(self) -> None:
        """Stop reading and save what is known. Safe before `start`, and twice."""
        self._stop.set()
        if self._thread.is_alive():
            self._thread.join(STOP_TIMEOUT_S)
        self._save()

    def _run(self) -> None:
        while not self._stop.is_set():
            self.refresh()
            self._clock.wait(self._stop, self._every_s)

    def refresh(self) -> None:
        """Read once. Whatever goes wrong is told once in the log, and the page goes on with what it has."""
        try:
            snapshot = self._read()
        except AndonError as error:
            self._tell_away(error)
            return
        except Exception:
            log.exception("a fault while reading the status page's figures; showing the last ones")
            return
        if self._away:
            log.info("the store is back")
        self._away = False
        self._desk.put(snapshot)
        if self._is_due(snapshot):
            self._save()

    def _tell_away(self, error: AndonError) -> None:
        if not self._away:
            log.warning("the store does not answer, showing the last figures: %s", error)
        self._away = True

    def _is_due(self, snapshot: Snapshot) -> bool:
        waited_ns = self._clock.now_ns() - self._saved_ns
        return waited_ns >= SAVE_EVERY_S * NS_PER_S or _gist(snapshot) != _gist(self._saved)

    def _save(self) -> None:
        snapshot = self._desk.snapshot
        if snapshot is None or snapshot is self._saved:
            return
        try:
            save(snapshot, self._path)
        except OSError as error:
            log.warning("the status page cannot be saved to %s: %s", self._path, error)
        self._saved, self._saved_ns = snapshot, self._clock.now_ns()


def _gist(snapshot: Snapshot | None) -> object:
    """What should be on disk without delay when it changes."""
    if snapshot is None:
        return None
    components = [(one.name, one.title, len(one.promises)) for one in snapshot.components]
    return components, [(one.id, one.state, len(one.updates)) for one in snapshot.incidents]
