"""Pairs of windows: which thresholds, when they fire, which window governs."""

from dataclasses import replace
from fractions import Fraction
from math import sqrt

import pytest
from hypothesis import given
from hypothesis import strategies as st

from fixtures.promises import NOW, promise
from processors.slo.budget import Counts, burn_rate
from processors.slo.burn import PLENTY, Measured, PairStatus, default_policy, surely_reaches
from processors.slo.promise import Promise
from processors.slo.windows import last

HOUR_S, DAY_S = 3_600, 86_400


def pair_status(of: Promise, long: Counts, short: Counts) -> PairStatus:
    pair = of.burn.pairs[0]
    return PairStatus(
        pair=pair,
        target=of.target,
        minimum_bad=of.burn.minimum_bad,
        long=Measured(name="long", bounds=last(HOUR_S, NOW), counts=long),
        short=Measured(name="short", bounds=last(300, NOW), counts=short),
    )


@pytest.mark.parametrize(
    ("long", "short", "fires"),
    [
        (Counts(9_856, 10_000), Counts(985, 1_000), True),
        (Counts(9_857, 10_000), Counts(985, 1_000), False),
        (Counts(9_856, 10_000), Counts(1_000, 1_000), False),
        (Counts(0, 2), Counts(0, 2), True),
        (Counts(9, 10), Counts(9, 10), False),
        (Counts(), Counts(), False),
    ],
    ids=["exactly at it", "one below it", "long alone", "total outage", "one bad event", "nothing measured"],
)
def test_a_pair_fires_if_both_windows_reach_the_threshold(long: Counts, short: Counts, fires: bool) -> None:
    """At 99.9 % and 14.4, at least two bad events in each."""
    assert pair_status(promise(target="0.999"), long, short).fires is fires


def test_threshold_at_the_highest_rate_fires_in_a_total_outage() -> None:
    """At least is at least."""
    assert pair_status(promise(target="0.9"), Counts(0, 50), Counts(0, 5)).fires


@pytest.mark.parametrize(
    ("target", "days", "thresholds", "warnings"),
    [
        ("0.999", 30, "14.4 6 3 1", ()),
        ("0.9", 30, "10 6 3 1", ("1h/5m alerts from burn rate 10, not 14.4: a total outage burns at 10",)),
        (
            "0.999",
            28,
            "13.44 5.6 2.8 1",
            ("3d/6h alerts from burn rate 1, not 0.933333: burning slower than 1 keeps the promise",),
        ),
        (
            "0.99",
            1,
            "1 1 1",
            (
                "1h/5m alerts from burn rate 1, not 0.48: burning slower than 1 keeps the promise",
                "6h/30m alerts from burn rate 1, not 0.2: burning slower than 1 keeps the promise",
                "1d/2h alerts from burn rate 1, not 0.1: burning slower than 1 keeps the promise",
            ),
        ),
    ],
    ids=["nothing to bend", "a threshold that nothing can reach", "one below 1", "a day"],
)
def test_usual_thresholds_are_bent_where_they_make_no_sense_and_that_is_said(
    target: str, days: int, thresholds: str, warnings: tuple[str, ...]
) -> None:
    """You did not ask for the number; a pair that is longer than the period is left out."""
    policy, said = default_policy(Fraction(target), days * DAY_S)
    assert [pair.threshold for pair in policy.pairs] == [Fraction(threshold) for threshold in thresholds.split()]
    assert said == warnings


def test_a_window_has_two_slices_at_least() -> None:
    """With slices of ten minutes five are none, and that is said; an hour's slices make the long window longer too."""
    policy, warnings = default_policy(Fraction("0.999"), 30 * DAY_S, slice_s=600)
    assert [pair.name for pair in policy.pairs] == ["1h/20m", "6h/30m", "1d/2h", "3d/6h"]
    assert warnings == ("1h/5m alerts look at 1h/20m: two slices are 20m",)
    policy, _ = default_policy(Fraction("0.999"), 30 * DAY_S, slice_s=HOUR_S)
    assert [pair.name for pair in policy.pairs] == ["2h/2h", "6h/2h", "1d/2h", "3d/6h"]
    assert policy.pairs[0].threshold == Fraction("7.2")


@pytest.mark.parametrize(
    ("bad", "whole"), [(2, 60), (3, 60), (5, 60), (1, 1), (2, 2), (9, 10), (0, 10), (7, 1_000_000)]
)
@pytest.mark.parametrize("share", ["0.0144", "0.06", "0.36", "0.72", "0.999"])
def test_wilsons_bound_needs_no_root(bad: int, whole: int, share: str) -> None:
    """The lower end as textbooks write it, in floats; none of these lies near it. At share 1 the ends meet."""
    ratio, z2 = bad / whole, 1.645**2
    centre = ratio + z2 / (2 * whole)
    spread = 1.645 * sqrt(ratio * (1 - ratio) / whole + z2 / (4 * whole**2))
    lower = (centre - spread) / (1 + z2 / whole)
    assert surely_reaches(bad, whole, Fraction(share)) == (lower >= float(share))


@pytest.mark.parametrize(
    ("long", "short", "fires"),
    [
        (Counts(58, 60), Counts(3, 5), False),
        (Counts(57, 60), Counts(2, 5), True),
        (Counts(2, 4), Counts(2, 4), True),
        (Counts(590, 600), Counts(0, 5), True),
        (Counts(591, 600), Counts(0, 5), False),
    ],
    ids=["2 of 60", "3 of 60", "half of a few", "ten are plenty", "nine are not"],
)
def test_few_bad_events_must_leave_no_doubt(long: Counts, short: Counts, fires: bool) -> None:
    """At 99.9 % and 14.4, so from 1.44 % on: with fewer than ten the Wilson bound decides."""
    assert pair_status(promise(target="0.999", pairs=[("1h", "5m", "14.4")]), long, short).fires is fires


def test_two_of_two_bad_fire_whatever_the_target() -> None:
    """A total failure of a service with hardly any traffic is one."""
    for target in ("0.5", "0.9", "0.95", "0.99", "0.9999"):
        assert pair_status(promise(target=target), Counts(0, 2), Counts(0, 2)).fires


def test_sampled_events_tell_as_much_as_were_kept() -> None:
    """One kept of a hundred is one bad event, whatever it stands for; twenty of them are twenty."""
    of = promise(target="0.99")

    def kept(bad: int, good: int) -> Measured:
        counts = Counts(100 * good, 100 * (good + bad))
        return Measured(name="w", bounds=last(300, NOW), counts=counts, squares=100**2 * (good + bad))

    def fires(bad: int, good: int) -> bool:
        both = kept(bad, good)
        return PairStatus(pair=of.burn.pairs[0], target=of.target, minimum_bad=2, long=both, short=both).fires

    assert not fires(1, 1)
    assert fires(2, 2)
    assert not fires(2, 11)
    assert fires(20, 110)


def test_a_pair_holds_in_doubt() -> None:
    """Unseen events that may be good do not fire, that may be bad do not clear; an empty short window says nothing."""
    of = promise(target="0.9", pairs=[("1h", "5m", "2")])

    def status(counts: Counts, unseen: int) -> PairStatus:
        window = Measured(name="w", bounds=last(300, NOW), counts=counts, unseen=unseen)
        return PairStatus(pair=of.burn.pairs[0], target=of.target, minimum_bad=2, long=window, short=window)

    burning, calm = Counts(80, 100), Counts(90, 100)
    assert [(status(burning, unseen).fires, status(burning, unseen).clears) for unseen in (0, 1)] == [
        (True, False),
        (False, False),
    ]
    assert [(status(calm, unseen).fires, status(calm, unseen).clears) for unseen in (12, 13)] == [
        (False, True),
        (False, False),
    ]
    assert not status(Counts(), 0).clears
    assert not status(Counts(), 5).clears


def test_a_spent_budget_is_reason_enough_where_a_policy_says_so() -> None:
    """From the share on that it names; by itself no policy says so."""
    policy = promise().burn
    assert not policy.overspends(Fraction(7))
    assert [replace(policy, consumed=Fraction(1, 2)).overspends(Fraction(n, 4)) for n in (1, 2, 3)] == [
        False,
        True,
        True,
    ]


@given(
    st.lists(st.tuples(st.integers(0, 50), st.integers(0, 50)), min_size=30, max_size=30),
    st.sampled_from(["0.9", "0.99", "0.999"]),
)
def test_a_pair_never_fires_where_one_of_its_windows_is_calm(slices: list[tuple[int, int]], target: str) -> None:
    """Firing means both, whatever the traffic; with plenty of bad events it means nothing else, and never clear."""
    of = promise(target=target)
    each = [Counts(good, good + bad) for good, bad in slices]
    long, short = sum(each, Counts()), sum(each[-3:], Counts())
    status = pair_status(of, long, short)
    reach = [burn_rate(window, of.target) >= of.burn.pairs[0].threshold and window.bad >= 2 for window in (long, short)]
    assert all(reach) or not status.fires
    assert min(long.bad, short.bad) < PLENTY or status.fires == all(reach)
    assert not (status.fires and status.clears)
