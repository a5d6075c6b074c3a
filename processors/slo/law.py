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

import numpy as np

from processors.slo.grid import MINUTE_MS, Grid, Ints, by_slices, room_for, total
from processors.slo.shares import sum_of_shares
from processors.slo.states import Ledger, SliceState, Test, judged


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
    `minimum_valid` valid ones; bad slices count in runs of at least `minimum_consecutive`. For a mean of shares, a
    slice with fewer than `minimum_valid` valid events was all good, and runs do not matter.
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

    @property
    def by_shares(self) -> bool:
        """Whether each slice counts with its share of good events rather than as good or bad."""
        return self.law in {Law.RATIO_TIMESLICES, Law.MEAN_INTERVAL}


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


def states(counting: Counting, grid: Grid) -> Ledger:
    """The slice ledger: what can be said of each slice, by the law's parameters."""
    test = Test(
        target=counting.slice_target,
        or_equal=counting.exclusive,
        minimum_valid=counting.minimum_valid,
        minimum_consecutive=1 if counting.by_shares else counting.minimum_consecutive,
        empty_is_bad=counting.empty is Empty.BAD,
    )
    return judged(by_slices(grid, counting.slice_s), test)


def deliver(counting: Counting, grid: Grid) -> Delivered:
    """What the law makes of a grid: of its settled minutes, of whole slices only what nothing more is expected of."""
    if not counting.by_slices:
        return _of_events(grid)
    return of_slices(counting, states(counting, grid), coverage(grid))


def of_slices(counting: Counting, ledger: Ledger, coverage: Fraction) -> Delivered:
    """What a law that counts slices makes of a ledger."""
    slices = ledger.slices
    eligible = int(counts_in(counting, ledger).sum())
    return Delivered(
        good=(eligible - missed_minutes(counting, ledger)) / slices.minutes,
        eligible=Fraction(eligible, slices.minutes),
        unseen=Fraction(int(slices.inside[ledger.are(SliceState.GAP)].sum()), slices.minutes),
        coverage=coverage,
    )


def _of_events(grid: Grid) -> Delivered:
    counted = grid.counted
    valid, granted = total(grid.valid[counted]), total(grid.valid[grid.granted])
    return Delivered(
        good=Fraction(total(grid.good[counted]) + granted, grid.unit),
        eligible=Fraction(valid + granted, grid.unit),
        unseen=unseen_events(Fraction(valid, grid.unit), *_listened_ms(grid)),
        coverage=coverage(grid),
    )


def unseen_events(valid: Fraction | int, measured_ms: int, expected_ms: int) -> Fraction:
    """An estimate: how many more valid events there were in the time that nobody listened, at the mean rate."""
    return Fraction(valid) * (expected_ms - measured_ms) / measured_ms if measured_ms else Fraction(0)


def _listened_ms(grid: Grid) -> tuple[int, int]:
    """How long counts were taken and how long they should have been.

    Where something was counted in a minute of which no listening is proved, that minute was listened to all the same.
    """
    counted = grid.counted
    heard_ms = np.where((grid.heard_ms == 0) & (grid.valid > 0), MINUTE_MS, np.minimum(grid.heard_ms, MINUTE_MS))
    return int(heard_ms[counted].sum()), int(counted.sum()) * MINUTE_MS


def coverage(grid: Grid) -> Fraction:
    """The share of the settled time, exclusions taken out, in which it is proved that somebody listened.

    Where all of it is excluded, nothing is missing; where nothing is settled yet, nothing is measured.
    """
    counted = grid.counted
    if not counted.any():
        return Fraction(int(grid.settled.any()))
    return Fraction(int(np.minimum(grid.heard_ms, MINUTE_MS)[counted].sum()), int(counted.sum()) * MINUTE_MS)


def counts_in(counting: Counting, ledger: Ledger) -> Ints:
    """Of each slice the minutes that count, with those that are good by exclusion."""
    slices, silence = ledger.slices, () if counting.empty is Empty.IGNORE else (SliceState.EMPTY,)
    judged_ones = ledger.are(SliceState.GOOD, SliceState.BAD, *silence)
    return np.where(judged_ones, slices.inside, 0) + np.where(slices.settled, slices.granted, 0)


def missed_minutes(counting: Counting, ledger: Ledger) -> Fraction:
    """Minutes that were not delivered: of bad slices all, or of each slice the share of its events that was bad."""
    if counting.by_shares:
        return sum_of_shares(shares_missed(counting, ledger)[1])
    return Fraction(int(ledger.slices.inside[ledger.bad].sum()))


def shares_missed(counting: Counting, ledger: Ledger) -> tuple[list[int], list[tuple[int, int]]]:
    """Where shares are counted: the places of slices that missed something, and what, in minutes over events."""
    slices = ledger.slices
    enough = slices.valid >= counting.minimum_valid * slices.unit
    short = ledger.are(SliceState.GOOD, SliceState.BAD) & enough & (slices.good < slices.valid)
    silent = ledger.bad & ledger.are(SliceState.EMPTY)
    places = np.flatnonzero(short | silent)
    bad = np.where(silent, 1, room_for(slices.valid - slices.good, slices.minutes))[places] * slices.inside[places]
    valid = np.where(silent, 1, slices.valid)[places]
    return places.tolist(), list(zip(bad.tolist(), valid.tolist(), strict=True))
