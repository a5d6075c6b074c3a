"""Promises over several indicators."""

from collections.abc import Sequence
from dataclasses import replace
from fractions import Fraction

import pytest
from hypothesis import given
from hypothesis import strategies as st

from fixtures.grids import grid_of
from fixtures.promises import NOW, promise
from processors.slo.budget import Counts, budget, burn_rate, max_burn_rate
from processors.slo.burn import Measured
from processors.slo.byminute import measured_by
from processors.slo.composite import composite_ledger, delivered_slices, moment, slices_of, target_of, together
from processors.slo.grid import Exclusion, Grid
from processors.slo.law import Counting, Empty, Law, of_slices, states
from processors.slo.promise import IndicatorKey, Member, Promise
from processors.slo.status import SliceCounts
from processors.slo.windows import SLICE, Bounds, last

COUNTING = Counting(law=Law.TIMESLICES)
OTHERS = {"good": (1, 1), "bad": (0, 1), "empty": (0, 0), "gap": (0, 0)}
HOUR = last(3_600, NOW)
OCCURRENCES = Counting()


def composite(
    *members: tuple[str, int], counting: Counting = OCCURRENCES, bars: Sequence[Fraction] | None = None
) -> Promise:
    """A promise of members by target and weight; `bars` are their slice targets."""
    parts = tuple(
        Member(
            indicator=IndicatorKey(f"member-{number}", "0123456789ab"),
            target=Fraction(target),
            weight=Fraction(weight),
            counting=replace(counting, slice_target=bars[number]) if bars else counting,
            signal="traces",
        )
        for number, (target, weight) in enumerate(members)
    )
    whole = target_of(counting.law, [(one.target, one.weight) for one in parts])
    laxest = min((one.counting for one in parts), key=lambda one: one.slice_target)
    return replace(promise(), members=parts, target=whole, counting=laxest)


def window(good: int, valid: int, *, unseen: int = 0, bounds: Bounds = HOUR, **more: object) -> Measured:
    return Measured(name="1h", bounds=bounds, counts=Counts(good, valid), unseen=unseen, **more)  # type: ignore[arg-type]


def rate(of: Promise, whole: Measured) -> Fraction:
    return burn_rate(whole.counts, of.target)


def test_openslo_a_member_burns_the_whole_as_fast_as_itself() -> None:
    """Whatever the others do, and its weight multiplies that."""
    of = composite(("0.99", 1), ("0.95", 3))
    assert rate(of, together(of, [window(97, 100), window(50, 50)])) == 3
    assert rate(of, together(of, [window(100, 100), window(90, 100)])) == 6
    assert rate(of, together(of, [window(97, 100), window(90, 100)])) == 9


def test_an_outage_of_all_members_is_a_share_of_one_hundred_per_cent() -> None:
    """The target follows from that: two of 99 % make one of 99.5 %, of which each failing member is one half."""
    of = composite(("0.99", 1), ("0.99", 1))
    assert of.target == Fraction("0.995")
    assert together(of, [window(0, 10), window(0, 90)]).counts.bad_share == 1
    assert together(of, [window(0, 10), window(10, 10)]).counts.bad_share == Fraction(1, 2)
    assert target_of(Law.TIMESLICES, [(Fraction("0.9"), Fraction(1)), (Fraction("0.99"), Fraction(1))]) == Fraction(
        "0.99"
    )


def test_a_budget_without_end_is_rounded_down_to_what_is_stored() -> None:
    """The burn rate stays exact."""
    of = composite(("0.99", 1), ("0.95", 1))
    assert (of.target * 10**12).denominator == 1
    assert of.target > 1 - Fraction(1, 120)
    assert rate(of, together(of, [window(97, 100), window(90, 100)])) == 5


def test_few_failures_of_a_small_member_stay_few() -> None:
    """A single one says no more than it would say alone, however much traffic there is beside it."""
    of = composite(("0.99", 1), ("0.99", 1))
    whole = together(of, [window(9, 10), window(10**6, 10**6)])
    assert whole.counts == Counts(19, 20)
    assert rate(of, whole) == 10
    assert together(of, [window(10, 10), window(10**6, 10**6)]).counts == Counts(10**6 + 10, 10**6 + 10)


def test_a_silent_member_leaves_the_word_to_the_others_and_all_silent_are_silent() -> None:
    """None of it is a failure."""
    of = composite(("0.99", 1), ("0.99", 1))
    assert rate(of, together(of, [window(97, 100), window(0, 0)])) == 3
    assert together(of, [window(0, 0), window(0, 0)]).counts == Counts()


def test_where_one_member_was_not_heard_the_whole_may_be_worse_by_that() -> None:
    """The whole burns no faster and no slower than it may, to the fraction."""
    of = composite(("0.99", 1), ("0.95", 2))
    each = [window(97, 100, unseen=20), window(0, 0, unseen=1, heard=Fraction(0))]
    whole = together(of, each)
    assert rate(of, whole) == 3
    assert whole.lower_rate(of.target) == each[0].lower_rate(Fraction("0.99"))
    assert whole.upper_rate(of.target) == each[0].upper_rate(Fraction("0.99")) + 2 * max_burn_rate(Fraction("0.95"))
    assert whole.heard == 0


counts = st.integers(0, 60).flatmap(lambda valid: st.tuples(st.integers(0, valid), st.just(valid), st.integers(0, 9)))
targets = st.sampled_from(["0.5", "0.9", "0.99", "0.999"])


@given(st.lists(st.tuples(targets, st.integers(1, 5), counts), min_size=1, max_size=4))
def test_rates_and_their_bounds_add_up(members: list[tuple[str, int, tuple[int, int, int]]]) -> None:
    """By weight, exactly, with no more events than there were."""
    of = composite(*((target, weight) for target, weight, _ in members))
    each = [window(good, valid, unseen=unseen) for _, _, (good, valid, unseen) in members]
    whole = together(of, each)
    pairs = list(zip(of.members, each, strict=True))
    assert rate(of, whole) == sum(one.weight * burn_rate(part.counts, one.target) for one, part in pairs)
    assert whole.lower_rate(of.target) == sum(one.weight * part.lower_rate(one.target) for one, part in pairs)
    assert whole.upper_rate(of.target) == sum(one.weight * part.upper_rate(one.target) for one, part in pairs)
    assert whole.counts.bad <= sum(part.counts.bad for part in each)
    assert whole.counts.valid <= sum(part.counts.valid for part in each)


@given(targets, counts, st.sampled_from([None, 1, 4]))
def test_a_composite_of_one_member_is_the_member(
    target: str, counted: tuple[int, int, int], weight: int | None
) -> None:
    """In every number that anything is decided by."""
    good, valid, unseen = counted
    squares = None if weight is None or not valid else valid * weight
    alone = window(good, valid, unseen=unseen, squares=squares)
    of = composite((target, 1))
    whole = together(of, [alone])
    assert of.target == Fraction(target)
    for name in ("counts", "unseen", "whole", "worst", "heard", "squares", "unweighted_share"):
        assert getattr(whole, name) == getattr(alone, name), name
    share = 5 * budget(of.target)
    assert whole.tells(share, 2) == alone.tells(share, 2)


minutes = st.lists(st.sampled_from([(0, 0), (0, 1), (1, 1), (3, 4), (0, 7), (9, 9)]), min_size=10, max_size=30)
slice_laws = st.builds(
    Counting,
    law=st.sampled_from([Law.TIMESLICES, Law.RATIO_TIMESLICES]),
    slice_s=st.sampled_from([60, 300]),
    slice_target=st.sampled_from([Fraction(1), Fraction("0.7")]),
)


@given(slice_laws, minutes, st.sets(st.integers(0, 9)))
def test_a_composite_of_one_member_counts_slices_as_the_member(
    counting: Counting, pairs: list[tuple[int, int]], unheard: set[int]
) -> None:
    """By both methods that have slices."""
    grid = grid_of(pairs, unheard=sorted(unheard))
    of = composite(("0.9", 1), counting=counting)
    alone = measured_by(replace(of, members=()), "", HOUR, [grid])
    whole = measured_by(of, "", HOUR, [grid])
    for name in ("counts", "unseen", "whole", "worst", "heard"):
        assert getattr(whole, name) == getattr(alone, name), name


def shares(of: Promise, *grids: Grid) -> Measured:
    return measured_by(of, "", HOUR, grids)


def test_openslo_what_members_miss_adds_up() -> None:
    """95 % and 95 % deliver 90 %, a weight multiplies what is missed, and more than all cannot be."""
    counting = Counting(law=Law.RATIO_TIMESLICES)
    grids = [grid_of([(19, 20), (95, 100)]), grid_of([(18, 20), (10, 10)])]
    even, weighed, heavy = (composite(("0.99", 1), ("0.9", weight), counting=counting) for weight in (1, 2, 100))
    assert shares(even, *grids).counts.bad_share == Fraction("0.1")
    assert shares(weighed, *grids).counts.bad_share == Fraction("0.15")
    assert shares(heavy, *grids).counts.bad_share == 1
    assert even.target == Fraction("0.99")


def test_shares_of_a_member_that_nobody_heard_are_doubt() -> None:
    """An outage of the other one shows all the same."""
    of = composite(("0.9", 1), ("0.9", 1), counting=Counting(law=Law.RATIO_TIMESLICES))
    whole = shares(of, grid_of([(0, 1), (0, 1)]), grid_of([(0, 0), (0, 0)], unheard=[0, 1]))
    assert (whole.counts, whole.heard) == (Counts(0, 2), 0)
    assert whole.lower_rate(of.target) == whole.upper_rate(of.target) == 10
    calm = shares(of, grid_of([(1, 1), (1, 1)]), grid_of([(0, 0), (0, 0)], unheard=[0, 1]))
    assert (calm.lower_rate(of.target), calm.upper_rate(of.target)) == (0, 10)


@pytest.mark.parametrize(
    ("one", "other", "both"),
    [
        ("good", "bad", "bad"),
        ("good", "gap", "gap"),
        ("bad", "gap", "bad"),
        ("empty", "good", "good"),
        ("empty", "gap", "gap"),
        ("empty", "empty", "empty"),
    ],
)
def test_one_bad_member_makes_a_slice_bad(one: str, other: str, both: str) -> None:
    """And one that nobody heard makes it open, unless it is bad anyway."""
    members = [states(COUNTING, grid_of([OTHERS[name]], unheard=[0] if name == "gap" else [])) for name in (one, other)]
    for order in (members, members[::-1]):
        (found,) = composite_ledger(order)
        assert found.state == both


def test_slices_are_bad_by_the_target_of_each_member() -> None:
    """One takes 90 % for good, the other does not."""
    of = composite(("0.9", 1), ("0.9", 1), counting=COUNTING, bars=[Fraction("0.9"), Fraction("0.95")])
    grids = [grid_of([(9, 10), (9, 10), (8, 10)]), grid_of([(10, 10), (9, 10), (10, 10)])]
    delivered = delivered_slices(of, grids)
    assert (delivered.good, delivered.eligible) == (1, 3)


def test_sampled_and_unsampled_members_are_counted_in_one_unit() -> None:
    """What is written down of a slice is events, whatever they are kept as."""
    grids = [grid_of([(1, 2)]), grid_of([(3_000_000, 4_000_000)], unit=10**6)]
    both = composite_ledger([states(COUNTING, grid) for grid in grids])
    assert both.slices.unit == 10**6
    assert [(one.good, one.valid) for one in both] == [(4_000_000, 6_000_000)]


def test_a_slice_was_heard_as_long_as_the_member_heard_least() -> None:
    """Not as the first one."""
    grids = [grid_of([(1, 1)]), grid_of([(1, 1)], heard_ms={0: 5_000})]
    assert composite_ledger([states(COUNTING, grid) for grid in grids]).slices.heard_ms.tolist() == [5_000]


@pytest.mark.parametrize("bars", [("0.9", "0.9"), ("0.9", "0.99"), ("0.5", "1")])
@given(first=st.integers(0, 20), second=st.integers(0, 20))
def test_a_moment_is_bad_if_it_is_for_any_member(bars: tuple[str, str], first: int, second: int) -> None:
    """Each by its own slice target; incidents know only one."""
    own = [Fraction(bar) for bar in bars]
    of = composite(("0.9", 1), ("0.9", 1), counting=COUNTING, bars=own)
    each = [Counts(20 - first, 20), Counts(20 - second, 20)]
    found = moment(of, each)
    expected = any(one.bad_share > budget(bar) for one, bar in zip(each, own, strict=True))
    assert (found.bad_share > budget(of.bar)) == expected
    assert found.bad <= max(first, second)


def test_slices_of_ten_seconds_are_those_of_all_members() -> None:
    """In order of time; a member that is not among them was well."""
    of = composite(("0.99", 1), ("0.99", 1))
    each = [
        [SliceCounts(NOW, Counts(5, 10))],
        [SliceCounts(NOW - SLICE, Counts(9, 9)), SliceCounts(NOW, Counts(10, 10))],
    ]
    found = slices_of(of, each)
    assert [one.start for one in found] == [NOW - SLICE, NOW]
    assert [one.counts.bad_share for one in found] == [0, Fraction(1, 4)]


def test_silence_that_is_bad_is_bad_for_all() -> None:
    """Another member's good events do not make up for a heartbeat that stopped."""
    counting = Counting(law=Law.TIMESLICES, empty=Empty.BAD)
    both = composite_ledger([states(counting, grid_of([pair])) for pair in ((0, 0), (5, 5))])
    assert [(one.state, one.good, one.valid) for one in both] == [("bad", 5, 5)]
    assert of_slices(counting, both, Fraction(1)).ratio == 0


def test_members_have_the_same_slices() -> None:
    """Other hours or other exclusions are another promise."""
    members = [
        states(COUNTING, grid_of([(1, 1)], excluded={0: exclusion})) for exclusion in (Exclusion.NONE, Exclusion.GOOD)
    ]
    with pytest.raises(ValueError, match="the same slices and exclusions"):
        composite_ledger(members)


@given(st.lists(st.tuples(st.sampled_from([(0, 0), (0, 1), (1, 1)]), st.sampled_from([(0, 0), (0, 1), (1, 1)]))))
def test_a_composite_is_never_better_than_its_members(pairs: list[tuple[tuple[int, int], tuple[int, int]]]) -> None:
    """Heard all the time, and silence good."""
    counting = Counting(law=Law.TIMESLICES, empty=Empty.GOOD)
    members = [states(counting, grid_of([pair[side] for pair in pairs])) for side in (0, 1)]
    ratios = [of_slices(counting, one, Fraction(1)).ratio for one in (composite_ledger(members), *members)]
    whole, *each = ratios
    assert whole is None or all(ratio is not None and whole <= ratio for ratio in each)
