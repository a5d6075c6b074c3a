"""What the page knows at one moment: pure data, the same on disk as in memory.

In: rows the store read. Out: values the page words and the API prints. A snapshot holds facts only (counts, times,
texts), never a judgement: whether something "works" depends on how old the facts are, so that is decided when they are
shown. Order: components by title, promises with the main one first, days oldest first, incidents and updates newest
first.
"""

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import date, datetime
from decimal import Decimal
from fractions import Fraction

from pydantic import TypeAdapter, ValidationError

from pipeline.errors import PermanentError

FORMAT = 1


@dataclass(frozen=True, slots=True, kw_only=True)
class Promise:
    """What was promised and what was delivered so far, with everything needed to count it again.

    `good` of `valid` requests in [`window_start`, `window_end`); `live_good` of `live_valid` in the newest minute.
    `budget_left` is the signed share of what may fail that is left; `coverage` the share of the time that was measured.
    `method` says in words what counts; `raw_query` counts it again over the raw requests, where that is known.
    `members` are the indicators, with their generations, that a promise is composed of; `indicator` is the first.
    """

    kind: str
    name: str
    title: str
    description: str
    law: str
    generation: str
    indicator: str
    indicator_generation: str
    method: str
    about_time: bool
    window: str
    target: Decimal
    window_start: datetime
    window_end: datetime
    good: int
    valid: int
    budget_left: float
    coverage: float
    live_good: int
    live_valid: int
    evaluated_at: datetime
    last_event_at: datetime | None
    definition: str
    indicator_definition: str
    raw_query: str = ""
    members: tuple[tuple[str, str], ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class Day:
    """One UTC day of requests; nothing valid means nothing was measured."""

    day: date
    good: int
    valid: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Component:
    """One service that people use."""

    name: str
    title: str
    description: str
    since: datetime
    updated_at: datetime
    promises: tuple[Promise, ...]
    days: tuple[Day, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class Point:
    """A stretch of time beginning at `at`, in a curve of equal stretches."""

    at: datetime
    good: int
    valid: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Curve:
    """Good among valid requests around an incident; `step_s` seconds a point, no point where nothing came.

    `target` is what was promised, and `about_time` tells that requests which are not good are slow rather than failed.
    """

    start: datetime
    end: datetime
    step_s: int
    target: Decimal
    about_time: bool
    points: tuple[Point, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class Update:
    """Something said about an incident, by a person or by the measurement itself."""

    id: str
    at: datetime
    status: str
    body: str
    automatic: bool


@dataclass(frozen=True, slots=True, kw_only=True)
class Incident:
    """A time in which a promise was not kept, from `started_at` until `bad_until`, as far as that is known.

    `good` of `valid` requests are those of that time. It is called over at `resolved_at`, once it stayed good a while.
    """

    id: str
    component: str
    title: str
    state: str
    impact: str
    started_at: datetime
    detected_at: datetime
    resolved_at: datetime | None
    bad_until: datetime | None
    updated_at: datetime
    promises: tuple[str, ...]
    good: int
    valid: int
    updates: tuple[Update, ...]
    curve: Curve | None

    @property
    def calm(self) -> bool:
        """Whether requests are good again, open or not."""
        return self.state in {"monitoring", "resolved", "postmortem"}

    @property
    def slow(self) -> bool:
        """Whether its requests that were not good were slow ones."""
        return self.curve is not None and self.curve.about_time

    @property
    def bad_share(self) -> Fraction:
        return Fraction(self.valid - self.good, self.valid) if self.valid else Fraction(0)


@dataclass(frozen=True, slots=True, kw_only=True)
class Snapshot:
    """Everything the page shows, as it was known at `taken_at`."""

    taken_at: datetime
    components: tuple[Component, ...]
    incidents: tuple[Incident, ...]
    format: int = FORMAT

    @property
    def open_incidents(self) -> tuple[Incident, ...]:
        return tuple(incident for incident in self.incidents if incident.resolved_at is None)

    @property
    def promises(self) -> Iterator[tuple[Component, Promise]]:
        return ((component, promise) for component in self.components for promise in component.promises)


_SNAPSHOT = TypeAdapter(Snapshot)


def to_json(snapshot: Snapshot) -> bytes:
    """The snapshot as JSON; `from_json` gives the equal one back."""
    return _SNAPSHOT.dump_json(snapshot)


def from_json(data: bytes) -> Snapshot:
    """The snapshot that `to_json` wrote.

    Raises:
        PermanentError: these bytes are not a snapshot, or one of another format.
    """
    try:
        snapshot = _SNAPSHOT.validate_json(data)
    except ValidationError as error:
        raise PermanentError(f"expected a snapshot of the status page, got {error.error_count()} faults") from error
    if snapshot.format != FORMAT:
        raise PermanentError(f"expected a snapshot of format {FORMAT}, got {snapshot.format}")
    return snapshot
