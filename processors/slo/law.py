"""How delivery is counted: the law of a promise, as data, and what it makes of a grid of minutes.

    law                            what is counted, good of eligible                    said by
    occurrences, request_ratio     events                                               OpenSLO; agreements
    timeslices, downtime_minutes   slices that are not bad                              OpenSLO; GCP, Azure
    ratio_timeslices,              the mean of each slice's share of good events        OpenSLO; AWS
    mean_interval_availability

In: a `Counting` and a `Grid`. Out: `Delivered`, in exact numbers. Pure. The two names of one law differ in what people
call it and in nothing else.
"""

from dataclasses import dataclass
from enum import StrEnum
from fractions import Fraction


class Law(StrEnum):
    """How delivery is counted."""

    OCCURRENCES = "occurrences"
    TIMESLICES = "timeslices"
    RATIO_TIMESLICES = "ratio_timeslices"
    REQUEST_RATIO = "request_ratio"
    DOWNTIME_MINUTES = "downtime_minutes"
    MEAN_INTERVAL = "mean_interval_availability"


class Empty(StrEnum):
    """What a slice is in which somebody listened and nothing valid happened."""

    IGNORE = "ignore"
    GOOD = "good"
    BAD = "bad"


@dataclass(frozen=True, slots=True, kw_only=True)
class Counting:
    """A law and its parameters; those of slices are for laws that have slices.

    A slice is bad if its share of good events is below `slice_target` (`exclusive`: or equal to it) and it has at least
    `minimum_valid` valid ones; bad slices count in runs of at least `minimum_consecutive`.
    """

    law: Law = Law.OCCURRENCES
    slice_s: int = 60
    slice_target: Fraction = Fraction(1)
    exclusive: bool = False
    minimum_valid: int = 1
    minimum_consecutive: int = 1
    empty: Empty = Empty.IGNORE

    @property
    def by_slices(self) -> bool:
        """Whether slices of time are counted rather than events."""
        return self.law not in {Law.OCCURRENCES, Law.REQUEST_RATIO}


@dataclass(frozen=True, slots=True, kw_only=True)
class Delivered:
    """What was delivered in a stretch of time: `good` of `eligible` events or slices, as the law counts.

    `unseen` is how much more there would have been in the time that nobody listened, estimated from the rest: it lies
    between the two bounds. `coverage` is the share of the time, exclusions taken out, that was measured.
    """

    good: Fraction
    eligible: Fraction
    unseen: Fraction
    coverage: Fraction

    @property
    def ratio(self) -> Fraction | None:
        """The share that was good; None where nothing was measured."""
        return self.good / self.eligible if self.eligible else None

    @property
    def lower(self) -> Fraction | None:
        """The share if all that was not seen was bad."""
        whole = self.eligible + self.unseen
        return self.good / whole if whole else None

    @property
    def upper(self) -> Fraction | None:
        """The share if all that was not seen was good."""
        whole = self.eligible + self.unseen
        return (self.good + self.unseen) / whole if whole else None
