"""Pairs of windows: which thresholds, when they fire, which window governs."""

from fractions import Fraction

import pytest
from hypothesis import given
from hypothesis import strategies as st

from fixtures.promises import NOW, after, promise, status_at
from processors.slo.budget import Counts, burn_rate
from processors.slo.burn import DEFAULT_PAIRS, Measured, PairStatus, burn_factor, default_policy
from processors.slo.promise import Promise
from processors.slo.windows import last

HOUR_S, DAY_S = 3_600, 86_400
WINDOWS_S = (HOUR_S, 6 * HOUR_S, DAY_S, 3 * DAY_S)


@pytest.mark.parametrize(
    ("days", "shares", "windows_s", "factors"),
    [
        (30, "2 5 10 10", WINDOWS_S, "14.4 6 3 1"),
        (28, "2 5 10 10", WINDOWS_S, "13.44 5.6 2.8 14/15"),
        (31, "2 5 10 10", WINDOWS_S, "14.88 6.2 3.1 31/30"),
        (7, "10 20 40", (HOUR_S, 6 * HOUR_S, DAY_S), "16.8 5.6 2.8"),
        (90, "1 3 5", (HOUR_S, 6 * HOUR_S, DAY_S), "21.6 10.8 4.5"),
    ],
    ids=["30 days", "28 days", "31 days", "a week", "a quarter"],
)
def test_factors_follow_from_budget_shares(days: int, shares: str, windows_s: tuple[int, ...], factors: str) -> None:
    """share x period / window, as the Workbook, Sloth and others publish them."""
    found = [
        burn_factor(Fraction(share) / 100, days * DAY_S, window_s)
        for share, window_s in zip(shares.split(), windows_s, strict=True)
    ]
    assert found == [Fraction(factor) for factor in factors.split()]


def test_default_pairs_are_14_4_and_6_for_30_days() -> None:
    """Nothing to warn of at 99.9 %."""
    policy, warnings = default_policy(Fraction("0.999"), 30 * DAY_S)
    assert [(pair.name, pair.threshold) for pair in policy.pairs] == [("1h/5m", Fraction("14.4")), ("6h/30m", 6)]
    assert warnings == ()


def test_default_threshold_that_nothing_can_reach_is_lowered_and_said() -> None:
    """At 90 % a total outage burns at 10, so 14.4 would never fire."""
    policy, warnings = default_policy(Fraction("0.9"), 30 * DAY_S)
    assert [pair.threshold for pair in policy.pairs] == [10, 6]
    assert warnings == ("1h/5m alerts from burn rate 10, not 14.4: a total outage burns at 10",)


def test_default_threshold_below_one_is_raised_and_said() -> None:
    """Over a day, 2 % of the budget in an hour is less than what is allowed anyway."""
    policy, warnings = default_policy(Fraction("0.99"), DAY_S)
    assert [pair.threshold for pair in policy.pairs] == [1, 1]
    assert len(warnings) == len(DEFAULT_PAIRS)


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


def test_the_window_that_burns_less_governs() -> None:
    """Long .987 and short .654: the report says .654, which is below a warning at .8."""
    target = Fraction("0.9")
    status = pair_status(promise(target="0.9"), Counts(9_013, 10_000), Counts(9_346, 10_000))
    assert burn_rate(status.long.counts, target) == Fraction("0.987")
    assert status.governing is status.short
    assert status.rate == Fraction("0.654")


def test_one_request_a_minute_all_bad_fires_at_the_second() -> None:
    """36 times over an hour at 99.9 %: 1/60 is below it, 2/60 is not; two bad events are enough."""
    of = promise(target="0.999", pairs=[("1h", "5m", "14.4")])
    fired = [
        minute
        for minute in range(1, 6)
        if status_at(after(60 * minute), of, burn={"1h": (60 - minute, 60), "5m": (5 - minute, 5)}).fires
    ]
    assert fired[0] == 2


@given(
    st.lists(st.tuples(st.integers(0, 50), st.integers(0, 50)), min_size=30, max_size=30),
    st.sampled_from(["0.9", "0.99", "0.999"]),
)
def test_a_pair_never_fires_where_one_of_its_windows_is_calm(slices: list[tuple[int, int]], target: str) -> None:
    """Firing means both, whatever the traffic."""
    of = promise(target=target)
    each = [Counts(good, good + bad) for good, bad in slices]
    long, short = sum(each, Counts()), sum(each[-3:], Counts())
    status = pair_status(of, long, short)
    reach = [burn_rate(window, of.target) >= of.burn.pairs[0].threshold and window.bad >= 2 for window in (long, short)]
    assert status.fires == all(reach)


@pytest.mark.parametrize(
    ("long", "short", "threshold"), [("1h", "5m", "9"), ("12h", "1h", "3"), ("7d", "14h", "1.5"), ("28d", "56h", "1")]
)
def test_a_policy_of_ones_own_fires_at_its_thresholds(long: str, short: str, threshold: str) -> None:
    """Google's slo-generator policy: 9x in 1 h, 3x in 12 h, 1.5x in 7 d, 1x in 28 d."""
    of = promise(target="0.99", pairs=[(long, short, threshold)])
    bad = int(Fraction(threshold) * 1_000)
    assert status_at(NOW, of, burn=(100_000 - bad, 100_000)).fires
    assert not status_at(NOW, of, burn=(100_000 - bad + 1, 100_000)).fires
