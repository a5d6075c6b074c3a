"""Promises over several indicators."""

from fractions import Fraction

import pytest
from hypothesis import given
from hypothesis import strategies as st

from fixtures.grids import grid_of
from processors.slo.composite import Weighted, composite_burn_rate, composite_ledger, composite_ratio
from processors.slo.grid import Exclusion
from processors.slo.law import Counting, Empty, Law, of_slices, states

COUNTING = Counting(law=Law.TIMESLICES)
OTHERS = {"good": (1, 1), "bad": (0, 1), "empty": (0, 0), "gap": (0, 0)}


def test_burn_rates_are_weighed() -> None:
    """A member that counts twice pulls twice as hard; one of which nothing was measured does not pull."""
    members = [Weighted(Fraction(3)), Weighted(Fraction(6), Fraction(2)), Weighted(None, Fraction(9))]
    assert composite_burn_rate(members) == 5
    assert composite_burn_rate([Weighted(None)]) is None


def test_what_members_miss_adds_up() -> None:
    """And more than everything cannot be missed."""
    assert composite_ratio([Fraction("0.95"), None, Fraction("0.9")]) == Fraction("0.85")
    assert composite_ratio([Fraction("0.3"), Fraction("0.3")]) == 0
    assert composite_ratio([None]) is None


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
