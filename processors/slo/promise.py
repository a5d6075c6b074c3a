"""A promise: one objective of an SLO or of an agreement, ready to be evaluated.

Every figure belongs to a promise's generation. What changes the numbers (indicator, window, method) starts a new one,
so that figures of two definitions are never mixed; a new target is a new line over the same figures.
"""

import hashlib
import json
from collections.abc import Callable
from dataclasses import dataclass, field
from enum import StrEnum
from fractions import Fraction
from typing import Any, NamedTuple

import numpy as np
import numpy.typing as npt

from processors.slo.burn import BurnPolicy
from processors.slo.law import Counting, Law
from processors.slo.windows import Bounds, Window

GENERATION_DIGITS = 12


Excluder = Callable[[Bounds], npt.NDArray[np.int8]]
"""What exclusions make of each minute of a stretch of time."""


class Kind(StrEnum):
    """Who a promise is made to: ourselves, or somebody who holds us to it."""

    SLO = "SLO"
    AGREEMENT = "Agreement"


class IndicatorKey(NamedTuple):
    """One generation of one indicator: what sums of slices are kept under."""

    name: str
    generation: str


class PromiseKey(NamedTuple):
    """One generation of one promise: what its states follow each other under."""

    kind: str
    name: str
    generation: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Member:
    """One of several objectives that together are a promise: `weight` multiplies what it costs the whole."""

    indicator: IndicatorKey
    target: Fraction
    weight: Fraction
    counting: Counting
    signal: str

    @property
    def bar(self) -> Fraction:
        """The share of good events that a moment is held against by itself."""
        return self.counting.slice_target if self.counting.by_slices else self.target


@dataclass(frozen=True, slots=True, kw_only=True)
class Promise:
    """At least `target` of the valid events of `indicator` are good in `window`.

    `slow` tells that the bad events are slow ones rather than failed ones, `excluded` what exclusions make of each
    minute of a stretch of time, as `grid.Exclusion`. No other SLO or agreement has the name. A composite has `members`;
    `indicator` and `signal` are those of the first, `target` is `composite.target_of` them.
    """

    kind: Kind
    name: str
    service: str
    indicator: IndicatorKey
    generation: str
    target: Fraction
    window: Window
    counting: Counting
    burn: BurnPolicy
    slow: bool = field(default=False)
    signal: str = field(default="traces")
    excluded: Excluder | None = field(default=None, compare=False)
    members: tuple[Member, ...] = ()

    @property
    def law(self) -> Law:
        return self.counting.law

    @property
    def indicators(self) -> tuple[IndicatorKey, ...]:
        """All that is counted for it."""
        return tuple(member.indicator for member in self.members) if self.members else (self.indicator,)

    @property
    def signals(self) -> tuple[str, ...]:
        """The signal of each of `indicators`."""
        return tuple(member.signal for member in self.members) if self.members else (self.signal,)

    @property
    def document(self) -> str:
        """The name of the document that the promise is an objective of."""
        return self.name.partition("/")[0]

    @property
    def by_minute(self) -> bool:
        """Whether every minute counts by itself: in slices of time, or because some are excluded."""
        return self.counting.by_slices or self.excluded is not None

    @property
    def bar(self) -> Fraction:
        """The share of good events that a moment is held against by itself."""
        return self.counting.slice_target if self.counting.by_slices else self.target

    @property
    def key(self) -> PromiseKey:
        return PromiseKey(self.kind.value, self.name, self.generation)


def canonical(value: Any) -> str:
    """JSON with sorted keys and without spaces: the same text for the same content."""
    return json.dumps(value, sort_keys=True, separators=(",", ":"), ensure_ascii=False)


def fingerprint(content: Any) -> str:
    """The SHA-256 of the canonical JSON of `content`, in hex digits."""
    return hashlib.sha256(canonical(content).encode()).hexdigest()


def generation(content: Any) -> str:
    """The name of a generation: the first 12 hex digits of its fingerprint."""
    return fingerprint(content)[:GENERATION_DIGITS]
