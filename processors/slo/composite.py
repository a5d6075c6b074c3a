"""One promise over several objectives, each with its own indicator, target and weight, as OpenSLO composes them.

    Occurrences        burn rates add up: a member burns the budget of the whole as fast as its own
    Timeslices         a slice is bad if it is bad for any member
    RatioTimeslices    what the members miss adds up: 95 % and 95 % deliver 90 %

A weight multiplies what a member adds; a slice is bad or it is not, whatever the weight. OpenSLO gives a composite no
target of its own. Over slices it is the strictest of its members', so it is kept only if each of theirs is. Over events
it is 1 - 1/sum(weight/budget): no other lets a total outage of all members, and nothing less, be a share of 100 %.

In: what each member counted. Out: the same of the whole, in the forms that one indicator has. Pure. A member without
data leaves the word to the others; where one was not heard, the whole may have been as much worse as it may.

Source: https://openslo.com, `openslo/v1`, "Notes (Composite SLO)".
"""

from collections.abc import Mapping, Sequence
from dataclasses import replace
from datetime import datetime
from fractions import Fraction

import numpy as np

from processors.slo.budget import ALL_OF_IT, Count, Counts, budget, max_burn_rate
from processors.slo.burn import Measured
from processors.slo.grid import Exact, Grid, Slices, room_for
from processors.slo.law import Delivered, Law, coverage, of_slices, states
from processors.slo.promise import Promise
from processors.slo.sampling import effective_size
from processors.slo.states import STATES, Ledger, SliceState
from processors.slo.status import NOTHING, SliceCounts

UNIT = 10**12  # targets have so many decimals
# What one member says before what another does; a slice that no member is judged in is what all of them say.
PRECEDENCE = (
    SliceState.PENDING,
    SliceState.BAD,
    SliceState.GAP,
    SliceState.GOOD,
    SliceState.EMPTY,
    SliceState.EXCLUDED,
)


def target_of(law: Law, members: Sequence[tuple[Fraction, Fraction]]) -> Fraction:
    """The target of the whole, of targets and weights; over events its budget is rounded down to 12 decimals."""
    if law is not Law.OCCURRENCES:
        return max(target for target, _ in members)
    highest = sum((weight * max_burn_rate(target) for target, weight in members), Fraction(0))
    return 1 - Fraction(int(UNIT / highest), UNIT)


def together(promise: Promise, each: Sequence[Measured]) -> Measured:
    """A window in which every member was measured, in events or in shares of slices.

    The whole burns exactly at the rate that the members give it, and so it does if all unseen was good, or bad. Of
    events it has as many as its members together, but no more bad ones than there were: few failures of a member with
    little traffic stay few. Of slices it has as many as the member with the most.
    """
    pulls = _pulls(promise)
    counts = _counts(promise, [one.counts for one in each])
    most = _added(pulls, [(one.worst, one.whole) for one in each])
    least = _added(pulls, [(one.counts.bad, one.whole) for one in each])
    whole = counts.bad / least if least else _of_all(promise, [one.whole for one in each])
    return Measured(
        name=each[0].name,
        bounds=each[0].bounds,
        counts=counts,
        unseen=whole - counts.valid,
        doubt=most * whole - counts.bad,
        heard=min(one.heard for one in each),
        squares=_squares(counts.valid, each),
        unweighted_share=max((one.unweighted_share for one in each if one.unweighted_share is not None), default=None),
    )


def _pulls(promise: Promise) -> list[Fraction]:
    """What each member's share of bad events, or of what it missed, adds to that of the whole, as a factor."""
    if promise.counting.by_shares:
        return [member.weight for member in promise.members]
    allowed = budget(promise.target)
    return [member.weight * allowed / budget(member.target) for member in promise.members]


def _counts(promise: Promise, each: Sequence[Counts]) -> Counts:
    share = _added(_pulls(promise), [(one.bad, one.valid) for one in each])
    return _sharing(share, sum(one.bad for one in each), _of_all(promise, [one.valid for one in each]))


def _added(pulls: Sequence[Fraction], shares: Sequence[tuple[Count, Count]]) -> Fraction:
    """The shares of bad ones in their wholes, each times its factor, up to all."""
    added = (pull * bad / whole for pull, (bad, whole) in zip(pulls, shares, strict=True) if whole)
    return min(ALL_OF_IT, sum(added, Fraction(0)))


def _of_all(promise: Promise, wholes: Sequence[Count]) -> Count:
    """Events of different members are different ones, slices are the same."""
    return max(wholes) if promise.counting.by_shares else sum(wholes)


def _sharing(share: Fraction, bad: Count, valid: Count) -> Counts:
    """Counts with that share of bad ones, of at most so many bad and so many valid ones."""
    if not share:
        return Counts(valid, valid)
    whole = min(Fraction(valid), bad / share)
    return Counts(whole - whole * share, whole)


def _squares(valid: Count, each: Sequence[Measured]) -> Count | None:
    """As if all events stood for as many as those of the member that was sampled most."""
    sampled = [effective_size(one.counts.valid, one.squares) / one.counts.valid for one in each if one.squares]
    return valid / min(sampled) if sampled else None


def moment(promise: Promise, each: Sequence[Counts]) -> Counts:
    """What was counted in a moment, which is bad by itself or is not: where slices are counted, as the worst member's.

    Its share is put on the scale of `promise.bar`, the laxest of the members', so that it falls short of that one
    exactly if a member falls short of its own.
    """
    if not promise.counting.by_slices:
        return _counts(promise, each)
    shares = [_on_scale(one, member.bar, promise.bar) for member, one in zip(promise.members, each, strict=True)]
    share, _, number = max((share, each[number].valid, number) for number, share in enumerate(shares))
    return _sharing(share, each[number].bad, each[number].valid)


def _on_scale(counts: Counts, bar: Fraction, scale: Fraction) -> Fraction:
    if bar == scale:
        return counts.bad_share
    return min(ALL_OF_IT, counts.bad_share * budget(scale) / budget(bar)) if bar < 1 else Fraction(counts.bad > 0)


def slices_of(promise: Promise, each: Sequence[Sequence[SliceCounts]]) -> tuple[SliceCounts, ...]:
    """Slices of ten seconds, in order of time, in which any member counted something."""
    by_start: list[Mapping[datetime, Counts]] = [{one.start: one.counts for one in slices} for slices in each]
    starts = sorted({start for counts in by_start for start in counts})
    return tuple(
        SliceCounts(start, moment(promise, [counts.get(start, NOTHING) for counts in by_start])) for start in starts
    )


def delivered_slices(promise: Promise, grids: Sequence[Grid]) -> Delivered:
    """What was delivered in slices that are bad or not; the member of which the least was heard counts for all."""
    return of_slices(promise.counting, ledger_of(promise, grids), min(map(coverage, grids)))


def ledger_of(promise: Promise, grids: Sequence[Grid]) -> Ledger:
    """The ledger of the whole, from the members' grids of the same minutes."""
    pairs = zip(promise.members, grids, strict=True)
    return composite_ledger([states(member.counting, grid) for member, grid in pairs])


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
        slices=_slices([member.slices for member in members]),
        codes=np.where(told_otherwise, STATES.index(SliceState.BAD), codes).astype(np.int8),
        bad=bad,
    )


def _slices(members: Sequence[Slices]) -> Slices:
    """The same slices with the counts of all of them, heard and settled as far as every one is."""
    first = members[0]
    if any((member.start_s != first.start_s).any() or (member.inside != first.inside).any() for member in members):
        raise ValueError("expected members with the same slices and exclusions")
    unit = max(member.unit for member in members)

    def added(name: str) -> Exact:
        stretched = [
            room_for(getattr(one, name), len(members) * unit // one.unit) * (unit // one.unit) for one in members
        ]
        return np.asarray(sum(stretched[1:], start=stretched[0]))

    good, valid, raw_good, raw_valid = map(added, ("good", "valid", "raw_good", "raw_valid"))
    return replace(
        first,
        unit=unit,
        good=good,
        valid=valid,
        raw_good=raw_good,
        raw_valid=raw_valid,
        heard_ms=np.minimum.reduce([member.heard_ms for member in members]),
        settled=np.logical_and.reduce([member.settled for member in members]),
    )
