"""One promise over several indicators, as OpenSLO composes them.

    Occurrences        the mean of the members' burn rates, by weight
    Timeslices         a slice is bad if it is bad for any member
    RatioTimeslices    what the members miss adds up: 95 % and 95 % deliver 90 %

In: what each member delivered. Out: the same of the whole. Pure.
"""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from fractions import Fraction

import numpy as np

from processors.slo.grid import Exact, Slices, room_for
from processors.slo.states import STATES, Ledger, SliceState

# What one member says before what another does; a slice that no member is judged in is what all of them say.
PRECEDENCE = (
    SliceState.PENDING,
    SliceState.BAD,
    SliceState.GAP,
    SliceState.GOOD,
    SliceState.EMPTY,
    SliceState.EXCLUDED,
)


@dataclass(frozen=True, slots=True)
class Weighted:
    """A member's burn rate and its weight; None where nothing was measured of it."""

    rate: Fraction | None
    weight: Fraction = Fraction(1)


def composite_burn_rate(members: Sequence[Weighted]) -> Fraction | None:
    """The burn rate of a composite of events: the members' mean by weight, of those that were measured."""
    measured = [(member.rate, member.weight) for member in members if member.rate is not None]
    weights = sum((weight for _, weight in measured), Fraction(0))
    return sum((rate * weight for rate, weight in measured), Fraction(0)) / weights if weights else None


def composite_ratio(ratios: Sequence[Fraction | None]) -> Fraction | None:
    """The ratio of a composite of mean shares: 1 less all that the measured members miss, and never below 0."""
    measured = [ratio for ratio in ratios if ratio is not None]
    return max(Fraction(0), 1 - sum((1 - ratio for ratio in measured), Fraction(0))) if measured else None


def composite_ledger(members: Sequence[Ledger]) -> Ledger:
    """The ledger of a composite of time slices, from ledgers of the same slices; its counts are the members' sums.

    A slice is open as long as it is for any member; one that is a gap for a member is bad if it is for another, and
    else a gap. Members that were silent or excluded leave the word to the others.
    """
    ranks = np.array([PRECEDENCE.index(state) for state in STATES])
    places = np.array([STATES.index(state) for state in PRECEDENCE], np.int8)
    codes = places[np.min([ranks[member.codes] for member in members], axis=0)]
    bad = np.logical_or.reduce([member.bad for member in members]) & (codes != STATES.index(SliceState.PENDING))
    told_otherwise = bad & np.isin(codes, [STATES.index(state) for state in (SliceState.GOOD, SliceState.GAP)])
    return Ledger(
        slices=_together([member.slices for member in members]),
        codes=np.where(told_otherwise, STATES.index(SliceState.BAD), codes).astype(np.int8),
        bad=bad,
    )


def _together(members: Sequence[Slices]) -> Slices:
    """The same slices with the counts of all of them."""
    first = members[0]
    if any((member.start_s != first.start_s).any() or (member.inside != first.inside).any() for member in members):
        raise ValueError("expected members with the same slices and exclusions")

    def added(name: str) -> Exact:
        columns = [room_for(getattr(member, name), len(members)) for member in members]
        return np.asarray(sum(columns[1:], start=columns[0]))

    good, valid, raw_good, raw_valid = map(added, ("good", "valid", "raw_good", "raw_valid"))
    return replace(first, good=good, valid=valid, raw_good=raw_good, raw_valid=raw_valid)
