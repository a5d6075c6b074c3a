"""What is rehearsed: made-up traffic, and what goes wrong on the way.

In: `timeline.yaml`. Out: frozen models, and the moments at which promises are looked at. Every time in it is since the
start. Pure.
"""

from collections.abc import Iterator
from datetime import datetime
from fractions import Fraction
from itertools import chain
from math import ceil
from typing import Annotated, Literal

from pydantic import AfterValidator, BeforeValidator, Field, field_validator

from pipeline.clock import NS_PER_S, to_ns
from pipeline.config import Config, DurationNs, parse_moment, section, written
from processors.sli.slices import SLICE_NS


def parse_share(value: object) -> Fraction:
    """`0.25`, `1/3`, exactly.

    Raises:
        ValueError: saying what a share looks like.
    """
    share = _fraction(value)
    if share is None or not 0 <= share <= 1:
        raise ValueError("a share between 0 and 1, such as 0.25 or 1/3")
    return share


def parse_rate(value: object) -> Fraction:
    """`10`, `0.5`, `1/60`, exactly.

    Raises:
        ValueError: saying what a rate looks like.
    """
    rate = _fraction(value)
    if rate is None or rate <= 0:
        raise ValueError("so many a second, more than none, such as 10 or 1/60")
    return rate


def _fraction(value: object) -> Fraction | None:
    try:
        return Fraction(str(value))
    except (ValueError, ZeroDivisionError):
        return None


def of_slices(duration_ns: int) -> int:
    """A duration of whole slices: the ledger of who listened knows nothing shorter.

    Raises:
        ValueError: saying that.
    """
    if duration_ns % SLICE_NS:
        raise ValueError("a multiple of 10s")
    return duration_ns


def some(duration_ns: int) -> int:
    """A duration that is not nothing.

    Raises:
        ValueError: saying that.
    """
    if not duration_ns:
        raise ValueError("more than 0s")
    return duration_ns


Share = Annotated[Fraction, BeforeValidator(parse_share)]
Rate = Annotated[Fraction, BeforeValidator(parse_rate)]
Moment = Annotated[DurationNs, AfterValidator(of_slices)]
Length = Annotated[Moment, AfterValidator(some)]


class Part(Config):
    """A time within the rehearsal."""

    from_: Moment = Field(alias="from")
    to: Moment


class Step(Part):
    """A time in which promises are looked at more often, or less."""

    step: Length


class Stream(Config):
    """Events of one service, evenly spread, of which some fail, as evenly."""

    service: str
    per_second: Rate
    from_: DurationNs = Field("0s", alias="from")  # type: ignore[assignment]  # spelled as users spell it
    to: DurationNs | None = None
    failing: Share = Fraction(0)
    late: DurationNs = written("0s")
    attributes: dict[str, str] = section()

    def until(self, elapsed_ns: int) -> int:
        """How many events there were so long after the stream began; the first one comes at once."""
        return ceil(self.per_second * max(0, elapsed_ns) / NS_PER_S)

    def failed_of(self, count: int) -> int:
        """How many of the first `count` failed."""
        return int(count * self.failing)

    def failed(self, number: int) -> bool:
        """Whether the event of that number did."""
        return self.failed_of(number + 1) > self.failed_of(number)

    def happens_ns(self, number: int) -> int:
        """When it happens, in nanoseconds since the start."""
        return self.from_ + int(number * NS_PER_S / self.per_second)

    def received(self, since_ns: int, until_ns: int, end_ns: int) -> range:
        """The events that are received between two moments; the rehearsal ends at `end_ns`."""
        last_ns = end_ns if self.to is None else self.to
        return range(*(self.until(min(edge_ns - self.late, last_ns) - self.from_) for edge_ns in (since_ns, until_ns)))


class Traffic(Stream):
    """Server spans. `sampled`: of those that failed and of the others this share is sent, and says so."""

    took: DurationNs = written("50ms")
    name: str = "GET /"
    sampled: Share = Fraction(1)

    def kept(self, number: int) -> bool:
        """Whether a sampler keeps the event of that number."""
        if self.sampled == 1:
            return True
        before = self.failed_of(number)
        place = before if self.failed(number) else number - before
        return int((place + 1) * self.sampled) > int(place * self.sampled)


class Logs(Stream):
    """Log records: errors where something failed, else information."""

    body: str = "request"


class Counter(Stream):
    """A counter of requests, in a process of its own.

    It is exported `every` so often, and at its end. In each of the `restarts` the process dies, and takes with it what
    it had not exported; the next one begins at zero.
    """

    name: str
    every: Length = written("60s")
    temporality: Literal["cumulative", "delta"] = "cumulative"
    restarts: tuple[DurationNs, ...] = Field((), strict=False)

    def exports(self, since_ns: int, until_ns: int, end_ns: int) -> Iterator[int]:
        """When points are taken that are received between two moments."""
        last_ns = end_ns if self.to is None else self.to
        first = (max(since_ns - self.late, self.from_) - self.from_) // self.every + 1
        yield from range(self.from_ + first * self.every, min(until_ns - self.late, last_ns) + 1, self.every)
        if (last_ns - self.from_) % self.every and since_ns < last_ns + self.late <= until_ns:
            yield last_ns

    def began_ns(self, taken_ns: int) -> int:
        """When the process began that takes a point."""
        return max(began_ns for began_ns in (self.from_, *self.restarts) if began_ns < taken_ns)

    def since_ns(self, taken_ns: int) -> int:
        """From when on a point counts."""
        began_ns = self.began_ns(taken_ns)
        if self.temporality == "cumulative":
            return began_ns
        return max(began_ns, self.from_ + (taken_ns - self.from_ - 1) // self.every * self.every)


class Timeline(Config):
    """All of it. Before `start` receivers listened for `heard_for`, and nothing came."""

    start: Annotated[datetime, BeforeValidator(parse_moment)]
    duration: Length
    step: Length = written("10s")
    steps: tuple[Step, ...] = Field((), strict=False)
    heard_for: Moment = written("35d")
    traffic: tuple[Traffic, ...] = Field((), strict=False)
    logs: tuple[Logs, ...] = Field((), strict=False)
    counters: tuple[Counter, ...] = Field((), strict=False)
    deaf: tuple[Part, ...] = Field((), strict=False)
    restarts: tuple[Moment, ...] = Field((), strict=False)

    @field_validator("start")
    @classmethod
    def _begins_with_a_slice(cls, start: datetime) -> datetime:
        if to_ns(start) % SLICE_NS:
            raise ValueError("a time of whole ten seconds")
        return start

    def moments(self) -> Iterator[int]:
        """When promises are looked at: step by step, and wherever something changes."""
        edges = {self.duration, *self.restarts, *chain.from_iterable((one.from_, one.to) for one in self.parts)}
        now_ns = 0
        while now_ns < self.duration:
            now_ns = min([now_ns + self._step_at(now_ns), *(edge for edge in edges if edge > now_ns)])
            yield now_ns

    @property
    def parts(self) -> tuple[Part, ...]:
        return *self.deaf, *self.steps

    def _step_at(self, now_ns: int) -> int:
        return next((one.step for one in self.steps if one.from_ <= now_ns < one.to), self.step)

    def hears(self, until_ns: int) -> bool:
        """Whether anybody listens in the step that ends then."""
        return not any(one.from_ < until_ns <= one.to for one in self.deaf)
