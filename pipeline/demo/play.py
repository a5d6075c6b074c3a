"""Plays the script on a stage and keeps what was seen.

In: a stage (something to break, something to look at), acts, a clock. Out: marks and sightings, and every moment of the
timeline told as it comes. Promised: an act ends after its longest time, the play after `limit_s`, whatever is seen.
"""

import threading
from collections.abc import Callable, Sequence
from typing import Protocol

from pipeline.clock import NS_PER_S, Clock
from pipeline.demo.script import Act, Event, Fault, Mark, Moment, Sighting, holds, timeline
from pipeline.errors import AndonError

POLL_S = 0.5


class Stage(Protocol):
    """What a play needs of the world."""

    def set_fault(self, fault: Fault) -> None:
        """Break payment, or mend it."""
        ...

    def look(self, mark: Mark) -> list[Sighting]:
        """What every source shows now, while the act of `mark` is played."""
        ...

    def check(self) -> None:
        """Raise if something on the stage has died."""
        ...


class Play:
    """One performance; `tell_act` and `tell_moment` are told what happens as it happens."""

    def __init__(
        self,
        stage: Stage,
        clock: Clock,
        *,
        limit_s: float,
        tell_act: Callable[[Act], None],
        tell_moment: Callable[[Moment], None],
    ) -> None:
        self.marks: list[Mark] = []
        self.sightings: list[Sighting] = []
        self._stage = stage
        self._clock = clock
        self._until_ns = clock.now_ns() + round(limit_s * NS_PER_S)
        self._limit_s = limit_s
        self._tell_act = tell_act
        self._tell_moment = tell_moment
        self._told: set[tuple[str, Event]] = set()

    def perform(self, script: Sequence[Act]) -> None:
        """All acts, one after the other.

        Raises:
            AndonError: the play took longer than its limit, or something on the stage died.
        """
        for act in script:
            self._tell_act(act)
            self._stage.set_fault(act.fault)
            self.marks.append(Mark(at_ns=self._clock.now_ns(), act=act))
            self._watch(act)

    def _watch(self, act: Act) -> None:
        while not self._over(act):
            self._stage.check()
            self.sightings += self._stage.look(self.marks[-1])
            self._tell()
            self._clock.wait(threading.Event(), POLL_S)

    def _over(self, act: Act) -> bool:
        now_ns = self._clock.now_ns()
        if now_ns > self._until_ns:
            raise AndonError(f"the play took more than {self._limit_s:g} s, in the act {act.name!r}")
        played_s = (now_ns - self.marks[-1].at_ns) / NS_PER_S
        waited = played_s >= act.at_least_s and holds(act.until, self.marks, self.sightings)
        return waited or played_s >= act.at_most_s

    def _tell(self) -> None:
        for moment in timeline(self.marks, self.sightings):
            if moment.at_ns is not None and (moment.fault, moment.event) not in self._told:
                self._told.add((moment.fault, moment.event))
                self._tell_moment(moment)
