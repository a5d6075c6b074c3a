"""The laws over a grid of minutes: each held against a slow twin, and what gaps, silence and exclusions do to them."""

from collections import defaultdict
from fractions import Fraction

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from fixtures.grids import MONTH_S, grid_of
from processors.slo.grid import MINUTE_MS, Exclusion, Grid, by_slices
from processors.slo.law import Counting, Delivered, Empty, Law, deliver, states, unseen_events
from processors.slo.states import SliceState, in_runs

SLICED = Counting(law=Law.TIMESLICES, slice_target=Fraction("0.9"))
FIVE = Counting(law=Law.DOWNTIME_MINUTES, slice_s=300, slice_target=Fraction("0.9"))
G, B, E, P, X, W = (
    SliceState.GOOD,
    SliceState.BAD,
    SliceState.EMPTY,
    SliceState.GAP,
    SliceState.EXCLUDED,
    SliceState.PENDING,
)


@st.composite
def counts(draw: st.DrawFn, most: int = 12) -> tuple[int, int]:
    valid = draw(st.one_of(st.just(0), st.integers(0, most), st.integers(0, 10**18)))
    return draw(st.one_of(st.just(valid), st.integers(0, valid))), valid


@st.composite
def grids(draw: st.DrawFn, *, longest: int = 25) -> Grid:
    length = draw(st.integers(0, longest))
    minutes = st.integers(0, max(0, length - 1))
    some = st.sets(minutes, max_size=length)
    return grid_of(
        draw(st.lists(counts(), min_size=length, max_size=length)),
        start_s=MONTH_S + 60 * draw(st.integers(0, 9)),
        heard_ms=draw(st.dictionaries(minutes, st.integers(0, MINUTE_MS), max_size=length)),
        unheard=draw(some),
        excluded=draw(st.dictionaries(minutes, st.sampled_from(Exclusion), max_size=length)),
        pending=draw(some) if draw(st.booleans()) else (),
        unit=draw(st.sampled_from([1, 10**6])),
    )


countings = st.builds(
    Counting,
    law=st.sampled_from(Law),
    slice_s=st.sampled_from([60, 120, 300]),
    slice_target=st.sampled_from([Fraction(1), Fraction("0.9"), Fraction(1, 3), Fraction("0.999999999999")]),
    exclusive=st.booleans(),
    minimum_valid=st.sampled_from([0, 1, 5]),
    minimum_consecutive=st.sampled_from([1, 2, 3]),
    empty=st.sampled_from(Empty),
)


def slow(counting: Counting, grid: Grid) -> Delivered:
    """The same law in plain fractions, minute by minute and slice by slice."""
    return _slow_events(grid) if not counting.by_slices else _slow_slices(counting, grid)


def _slow_coverage(grid: Grid) -> Fraction:
    heard = [
        min(Fraction(int(grid.heard_ms[n]), MINUTE_MS), Fraction(1))
        for n in range(len(grid))
        if grid.settled[n] and grid.excluded[n] == Exclusion.NONE
    ]
    return sum(heard, Fraction(0)) / len(heard) if heard else Fraction(int(any(grid.settled)))


def _slow_events(grid: Grid) -> Delivered:
    good = eligible = free = took = missing = Fraction(0)
    for n in range(len(grid)):
        events, of_them = Fraction(int(grid.valid[n]), grid.unit), Fraction(int(grid.good[n]), grid.unit)
        if not grid.settled[n] or grid.excluded[n] == Exclusion.REMOVED:
            continue
        if grid.excluded[n] == Exclusion.GOOD:
            good, eligible = good + events, eligible + events
            continue
        good, eligible, free = good + of_them, eligible + events, free + events
        heard = Fraction(int(grid.heard_ms[n]), MINUTE_MS)
        heard = Fraction(1) if events and not heard else heard
        took, missing = took + heard, missing + 1 - heard
    unseen = free / took * missing if took else Fraction(0)
    return Delivered(good=good, eligible=eligible, unseen=unseen, coverage=_slow_coverage(grid))


def _slow_slices(counting: Counting, grid: Grid) -> Delivered:
    minutes = counting.slice_s // 60
    slices: dict[int, list[int]] = defaultdict(list)
    for n in range(len(grid)):
        slices[(grid.start_s // 60 + n) // minutes].append(n)
    verdicts = [_slow_verdict(counting, grid, members) for _, members in sorted(slices.items())]
    shortest = 1 if counting.by_shares else counting.minimum_consecutive
    eligible = good = unseen = Fraction(0)
    for place, (verdict, share) in enumerate(verdicts):
        members = sorted(slices.items())[place][1]
        free = Fraction(sum(bool(grid.excluded[n] == Exclusion.NONE) for n in members), minutes)
        granted = Fraction(sum(bool(grid.excluded[n] == Exclusion.GOOD) for n in members), minutes)
        if verdict != "pending":
            eligible, good = eligible + granted, good + granted
        if verdict == "gap":
            unseen += free
        elif verdict == "good" or (verdict == "bad" and _run(verdicts, place, {"bad"}) >= shortest):
            eligible, good = eligible + free, good + free * share
        elif verdict == "bad" and _run(verdicts, place, {"bad", "gap"}) >= shortest:
            unseen += free
        elif verdict == "bad":
            eligible, good = eligible + free, good + free
    return Delivered(good=good, eligible=eligible, unseen=unseen, coverage=_slow_coverage(grid))


def _slow_verdict(counting: Counting, grid: Grid, members: list[int]) -> tuple[str, Fraction]:
    """What a slice is by itself, and which share of its time was delivered."""
    if any(not grid.settled[n] and grid.excluded[n] != Exclusion.REMOVED for n in members):
        return "pending", Fraction(0)
    free = [n for n in members if grid.excluded[n] == Exclusion.NONE]
    if not free:
        return "excluded", Fraction(0)
    valid, good = (sum(int(column[n]) for n in free) for column in (grid.valid, grid.good))
    if not valid:
        if any(grid.heard_ms[n] < MINUTE_MS for n in free):
            return "gap", Fraction(0)
        empty = {Empty.IGNORE: "ignored", Empty.GOOD: "good", Empty.BAD: "bad"}[counting.empty]
        return empty, Fraction(int(empty == "good"))
    enough = Fraction(valid, grid.unit) >= counting.minimum_valid
    share = Fraction(good, valid)
    if counting.by_shares:
        return "good", share if enough else Fraction(1)
    short = share <= counting.slice_target if counting.exclusive else share < counting.slice_target
    return ("bad", Fraction(0)) if enough and short else ("good", Fraction(1))


def _run(verdicts: list[tuple[str, Fraction]], place: int, kinds: set[str]) -> int:
    """How many neighbours in a row, itself included, are of these kinds."""
    first = last = place
    while first > 0 and verdicts[first - 1][0] in kinds:
        first -= 1
    while last + 1 < len(verdicts) and verdicts[last + 1][0] in kinds:
        last += 1
    return last - first + 1


@given(countings, grids())
def test_every_law_is_its_slow_twin(counting: Counting, grid: Grid) -> None:
    """Vectorised and in plain fractions, with counts that outgrow 64 bits: the same numbers."""
    assert deliver(counting, grid) == slow(counting, grid)


@given(countings, grids(), st.integers(0, 25))
def test_a_grid_cut_between_slices_adds_up_to_the_whole(counting: Counting, grid: Grid, cut: int) -> None:
    """Where runs do not matter, it does not matter either who counts which part."""
    minutes = counting.slice_s // 60
    counting = Counting(**{name: getattr(counting, name) for name in Counting.__slots__} | {"minimum_consecutive": 1})
    cut = min(max(0, cut - (grid.start_s // 60 + cut) % minutes), len(grid))
    parts = deliver(counting, piece(grid, 0, cut)), deliver(counting, piece(grid, cut, len(grid)))
    whole = deliver(counting, grid)
    assert whole.good == parts[0].good + parts[1].good
    assert whole.eligible == parts[0].eligible + parts[1].eligible
    if counting.by_slices:
        assert whole.unseen == parts[0].unseen + parts[1].unseen


def piece(grid: Grid, first: int, end: int) -> Grid:
    columns = {name: getattr(grid, name)[first:end] for name in ("good", "valid", "heard_ms", "excluded", "settled")}
    return Grid(start_s=grid.start_s + 60 * first, unit=grid.unit, **columns)


@given(grids(), st.sampled_from([60, 120, 300]))
def test_slices_keep_every_count_for_audit(grid: Grid, slice_s: int) -> None:
    """Excluded or not, settled or not: the raw counts are all there."""
    slices = by_slices(grid, slice_s)
    assert sum(slices.raw_valid.tolist()) == sum(grid.valid.tolist())
    assert sum(slices.raw_good.tolist()) == sum(grid.good.tolist())
    assert all(start_s % slice_s == 0 for start_s in slices.start_s.tolist())


def codes(counting: Counting, grid: Grid) -> list[SliceState]:
    return [one.state for one in states(counting, grid)]


def test_each_slice_has_a_state() -> None:
    """What was measured, what was silence, what nobody heard, what was excluded, what is to come."""
    grid = grid_of(
        [(9, 10), (8, 10), (0, 0), (0, 0), (0, 10), (10, 10)],
        unheard=[3],
        excluded={4: Exclusion.REMOVED},
        pending=[5],
    )
    assert codes(SLICED, grid) == [G, B, E, P, X, W]
    assert [(one.good, one.valid, one.inside_s) for one in states(SLICED, grid)][4] == (0, 10, 0)


def test_a_slice_that_was_heard_in_part_is_judged_by_what_was_measured() -> None:
    """What was not heard of it lowers the coverage, and that is all."""
    delivered = deliver(FIVE, grid_of([(10, 10)] * 3 + [(0, 0)] * 2, unheard=[3, 4]))
    assert (delivered.ratio, delivered.unseen, delivered.coverage) == (1, 0, Fraction(3, 5))


@pytest.mark.parametrize(
    ("empty", "ratio"), [(Empty.IGNORE, Fraction(1, 2)), (Empty.GOOD, Fraction(3, 4)), (Empty.BAD, Fraction(1, 4))]
)
@pytest.mark.parametrize("law", [Law.TIMESLICES, Law.MEAN_INTERVAL])
def test_silence_is_what_the_contract_says(law: Law, empty: Empty, ratio: Fraction) -> None:
    """One good slice, one bad, two in which somebody listened and nothing happened."""
    grid = grid_of([(10, 10), (0, 10), (0, 0), (0, 0)])
    assert deliver(Counting(law=law, empty=empty), grid).ratio == ratio


@pytest.mark.parametrize(("exclusive", "ratio"), [(False, 1), (True, 0)])
def test_a_share_equal_to_the_target_is_bad_only_if_the_bound_is_exclusive(exclusive: bool, ratio: int) -> None:
    """More than 10 % of errors, or 10 % and more."""
    counting = Counting(law=Law.DOWNTIME_MINUTES, slice_target=Fraction("0.9"), exclusive=exclusive)
    assert deliver(counting, grid_of([(9, 10)])).ratio == ratio


def test_a_slice_with_too_few_events_is_not_bad() -> None:
    """Nor does it lower a mean of shares; events that stand for more count as many."""
    for law in (Law.DOWNTIME_MINUTES, Law.MEAN_INTERVAL):
        counting = Counting(law=law, minimum_valid=100)
        assert deliver(counting, grid_of([(0, 99), (0, 100)])).ratio == Fraction(1, 2)
        assert deliver(counting, grid_of([(0, 99 * 10**6), (0, 100 * 10**6)], unit=10**6)).ratio == Fraction(1, 2)


def test_bad_slices_count_in_runs() -> None:
    """Two of three in a row are not enough; a slice between them ends the run, and so does an exclusion."""
    counting = Counting(law=Law.DOWNTIME_MINUTES, minimum_consecutive=3)
    good, bad = (1, 1), (0, 1)
    assert deliver(counting, grid_of([bad, bad, good, bad, bad, bad])).good == 3
    assert deliver(counting, grid_of([bad, bad, bad, bad], excluded={1: Exclusion.REMOVED})).ratio == 1


def test_a_run_that_a_gap_interrupts_is_as_open_as_the_gap() -> None:
    """Whether four bad minutes were five in a row nobody knows: neither good nor bad."""
    counting = Counting(law=Law.DOWNTIME_MINUTES, minimum_consecutive=5)
    grid = grid_of([(1, 1)] * 5 + [(0, 1)] * 2 + [(0, 0)] + [(0, 1)] * 2, unheard=[7])
    delivered = deliver(counting, grid)
    assert (delivered.good, delivered.eligible, delivered.unseen) == (5, 5, 5)
    assert codes(counting, grid)[5:] == [P] * 5


def test_a_slice_that_an_edge_or_an_exclusion_cuts_counts_with_what_is_inside() -> None:
    """Two fifths of the first, all of the second, three fifths of the third."""
    grid = grid_of([(10, 10)] * 2 + [(0, 10)] * 5 + [(10, 10)] * 5, start_s=MONTH_S + 180, excluded={7: 1, 8: 1})
    delivered = deliver(FIVE, grid)
    assert (delivered.good, delivered.eligible) == (1, 2)
    assert [one.inside_s for one in states(FIVE, grid)] == [120, 300, 180]


def test_an_exclusion_removes_time_or_makes_it_good() -> None:
    """A bad minute of ten: out of the denominator, or good in it; of events likewise."""
    counts = [(0, 10)] + [(10, 10)] * 8 + [(0, 10)]
    for counting in (Counting(), SLICED, Counting(law=Law.MEAN_INTERVAL)):
        removed = deliver(counting, grid_of(counts, excluded={0: Exclusion.REMOVED}))
        good = deliver(counting, grid_of(counts, excluded={0: Exclusion.GOOD}))
        assert (removed.ratio, good.ratio) == (Fraction(8, 9), Fraction(9, 10))
        assert removed.coverage == good.coverage == 1


def test_what_is_not_settled_is_not_counted() -> None:
    """Neither events nor a slice of which one minute is to come."""
    grid = grid_of([(10, 10)] * 5 + [(0, 10)] * 5, pending=[9])
    assert deliver(Counting(), grid).eligible == 90
    assert deliver(FIVE, grid).ratio == 1


def test_events_of_unheard_time_are_estimated_from_the_rest() -> None:
    """Ten a minute in nine minutes: ten more in the tenth, which lie between the bounds."""
    delivered = deliver(Counting(), grid_of([(9, 10)] * 9 + [(0, 0)], unheard=[9]))
    assert (delivered.ratio, delivered.unseen, delivered.coverage) == (Fraction(81, 90), 10, Fraction(9, 10))
    assert (delivered.lower, delivered.upper) == (Fraction(81, 100), Fraction(91, 100))


def test_events_that_were_counted_prove_that_somebody_listened() -> None:
    """A minute with events and no proof of listening is no reason to expect more of them."""
    delivered = deliver(Counting(), grid_of([(10, 10)], unheard=[0]))
    assert (delivered.ratio, delivered.unseen, delivered.coverage) == (1, 0, 0)
    assert unseen_events(5, 0, 60_000) == 0


def test_nothing_at_all_is_nothing_measured() -> None:
    """No minutes, or none that is settled: no ratio and no coverage; all excluded: nothing is missing."""
    for counting in (Counting(), SLICED, Counting(law=Law.MEAN_INTERVAL)):
        for grid in (grid_of([]), grid_of([(1, 1)], pending=[0])):
            delivered = deliver(counting, grid)
            assert (delivered.ratio, delivered.lower, delivered.upper, delivered.coverage) == (None, None, None, 0)
        assert deliver(counting, grid_of([(0, 1)], excluded={0: Exclusion.REMOVED})).coverage == 1


@given(st.lists(st.booleans(), max_size=20), st.integers(1, 5))
def test_runs_are_what_they_look_like(flags: list[bool], shortest: int) -> None:
    """The words of a sentence that are long enough."""
    text = "".join("x" if flag else " " for flag in flags)
    words = [word if len(word) >= shortest else " " * len(word) for word in text.split(" ")]
    found = in_runs(np.array(flags, np.bool_), shortest)
    assert "".join("x" if flag else " " for flag in found) == " ".join(words)
