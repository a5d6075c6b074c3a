"""Where readers and the refresher meet: the newest snapshot, as a site for now.

In: snapshots, whenever one was read. Out: a `Site` not older than a second, so that "12 s ago" is true while nothing is
rendered twice in that second, however many ask. Memory: one snapshot, one site.
"""

from datetime import timedelta

from pipeline.clock import Clock, to_datetime
from statuspage.render import Site
from statuspage.snapshot import Snapshot

SITE_LIFE = timedelta(seconds=1)


class Desk:
    """Holds the newest snapshot; `site` is safe to call from the serving thread while `put` comes from another."""

    def __init__(self, clock: Clock, *, name: str, url: str, snapshot: Snapshot | None = None) -> None:
        self._clock = clock
        self._name = name
        self._url = url
        self._snapshot = snapshot
        self._site = self._new_site()

    @property
    def snapshot(self) -> Snapshot | None:
        return self._snapshot

    def put(self, snapshot: Snapshot) -> None:
        """What `site` shows from now on."""
        self._snapshot = snapshot

    def site(self) -> Site:
        """The site of this second."""
        now = to_datetime(self._clock.now_ns())
        fresh = self._site.snapshot is self._snapshot and timedelta(0) <= now - self._site.now < SITE_LIFE
        if not fresh:
            self._site = self._new_site()
        return self._site

    def _new_site(self) -> Site:
        return Site(self._snapshot, to_datetime(self._clock.now_ns()), name=self._name, url=self._url)
