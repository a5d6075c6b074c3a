"""Published figures, recomputed and held exactly: examples of the Workbook, of vendors' manuals and of the laws.

Where a publication errs, the figure that follows from its own definition stands here and the error is named.
"""

from collections.abc import Sequence
from datetime import UTC, datetime, timedelta
from fractions import Fraction
from typing import Any
from zoneinfo import ZoneInfo

import pytest
from hypothesis import assume, given
from hypothesis import strategies as st

from fixtures.grids import grid_of, spread
from fixtures.promises import NOW, promise, status_at
from processors.slo.budget import (
    Counts,
    allowed,
    budget,
    burn_rate,
    committed,
    consumed,
    exhausted_in_s,
    max_burn_rate,
    remaining,
    sli,
)
from processors.slo.burn import BurnPair, Measured, PairStatus, burn_factor, default_policy
from processors.slo.composite import composite_ledger
from processors.slo.grid import Exclusion, Grid
from processors.slo.law import Counting, Empty, Law, coverage, deliver, of_slices, states
from processors.slo.windows import first_instant, last, month, parse_length

HOUR_S, DAY_S = 3_600, 86_400
WINDOWS_S = (HOUR_S, 6 * HOUR_S, DAY_S, 3 * DAY_S)
WEEK = 7 * 24 * 60  # minutes
SLICES = Counting(law=Law.TIMESLICES, slice_s=300, slice_target=Fraction("0.95"))


def percent(ratio: Fraction | None, digits: int = 4) -> Fraction:
    """As publications print it."""
    assert ratio is not None
    return round(ratio * 100, digits)


def pair_status(long: Counts, short: Counts, *, target: str, threshold: str = "14.4", **more: Any) -> PairStatus:
    pair = BurnPair(long=parse_length("1h"), short=parse_length("5m"), threshold=Fraction(threshold))
    windows = {
        name: Measured(name=name, bounds=last(300, NOW), counts=counts, **more)
        for name, counts in (("long", long), ("short", short))
    }
    return PairStatus(pair=pair, target=Fraction(target), minimum_bad=2, **windows)


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
def test_oracle_01_factors_follow_from_budget_shares(
    days: int, shares: str, windows_s: tuple[int, ...], factors: str
) -> None:
    """share x period / window, as the Workbook, Sloth and Datadog publish them."""
    found = [
        burn_factor(Fraction(share) / 100, days * DAY_S, window_s)
        for share, window_s in zip(shares.split(), windows_s, strict=True)
    ]
    assert found == [Fraction(factor) for factor in factors.split()]


@pytest.mark.parametrize(("days", "thresholds"), [(30, "14.4 6 3 1"), (31, "14.88 6.2 3.1 31/30")])
def test_oracle_01_the_usual_pairs_are_the_workbooks(days: int, thresholds: str) -> None:
    """Two that page and two for a ticket, the short window a twelfth of the long one."""
    policy, warnings = default_policy(Fraction("0.999"), days * DAY_S)
    assert [pair.threshold for pair in policy.pairs] == [Fraction(threshold) for threshold in thresholds.split()]
    assert [pair.long.seconds / pair.short.seconds for pair in policy.pairs] == [12] * 4
    assert [pair.severity for pair in policy.pairs] == ["page", "page", "ticket", "ticket"]
    assert warnings == ()


@pytest.mark.parametrize(("target", "highest"), [("0.9", 10), ("0.96", 25), ("0.99", 100), ("0.999", 1_000)])
def test_oracle_02_highest_burn_rate_is_that_of_a_total_outage(target: str, highest: int) -> None:
    """1/(1 - target)."""
    assert max_burn_rate(Fraction(target)) == highest
    assert burn_rate(Counts(0, 7), Fraction(target)) == highest


def test_oracle_02_an_hour_of_total_outage_uses_little_of_a_90_percent_month() -> None:
    """The Workbook's 1.4 %: why such a promise can never burn at 14.4."""
    spent = consumed(Counts(0, 10), Fraction("0.9"), Fraction(HOUR_S, 30 * DAY_S))
    assert spent == Fraction(1, 72)
    assert percent(spent) == Fraction("1.3889")
    outage = pair_status(Counts(0, 1_000), Counts(0, 100), target="0.9")
    assert not outage.fires


def test_oracle_03_one_failure_of_ten_requests_burns_a_hundredfold() -> None:
    """Ten requests an hour, one fails, 99.9 % in 30 days; notes on the Workbook say a thousandfold, and err.

    13.89 % of the budget by one request: nobody is woken for it.
    """
    hour = Counts(9, 10)
    assert burn_rate(hour, Fraction("0.999")) == 100
    assert percent(consumed(hour, Fraction("0.999"), Fraction(1, 720)), 2) == Fraction("13.89")
    assert not pair_status(hour, Counts(0, 1), target="0.999").fires


@pytest.mark.parametrize(
    ("target", "days", "budget_s"),
    [("0.99999", 30, Fraction("25.92")), ("0.999", 30, Fraction("43.2") * 60), ("0.999", 7, Fraction("10.08") * 60)],
)
def test_oracle_04_a_budget_is_so_much_of_a_total_outage(target: str, days: int, budget_s: Fraction) -> None:
    """26 s, 43 min, 10 min."""
    assert allowed(days * DAY_S, Fraction(target)) == budget_s


def test_oracle_04_at_one_percent_errors_five_nines_last_43_minutes() -> None:
    """26 s of budget, spent at a thousand times the allowed rate."""
    rate = burn_rate(Counts(99, 100), Fraction("0.99999"))
    assert exhausted_in_s(Fraction(1), 30 * DAY_S, rate) == Fraction("43.2") * 60


def test_oracle_05_ten_minutes_of_15_percent_errors() -> None:
    """The Workbook's figure 5-6: on after 5.76 minutes, off 4.52 minutes after the end; the long window needs an hour.

    Time in hundredths of a minute, a hundred requests in each. The moments found are the last at which a window still
    burns at the threshold.
    """

    def window(now: int, ticks: int) -> Counts:
        bad = 15 * max(0, min(now, 1_000) - max(0, now - ticks))
        return Counts(100 * ticks - bad, 100 * ticks)

    def at(now: int) -> PairStatus:
        return pair_status(window(now, 6_000), window(now, 500), target="0.999")

    def on(flags: Sequence[bool]) -> tuple[Fraction, Fraction]:
        assert sum(flags) == len(flags) - flags[::-1].index(True) - flags.index(True)  # one stretch of time
        return Fraction(flags.index(True), 100), Fraction(len(flags) - 1 - flags[::-1].index(True), 100)

    story = [at(now) for now in range(7_000)]
    target = Fraction("0.999")
    assert on([status.fires for status in story]) == (Fraction("5.76"), Fraction("14.52"))
    assert on([burn_rate(status.short.counts, target) >= Fraction("14.4") for status in story]) == (
        Fraction("0.48"),
        Fraction("14.52"),
    )
    assert on([burn_rate(status.long.counts, target) >= Fraction("14.4") for status in story]) == (
        Fraction("5.76"),
        Fraction("64.24"),
    )


def test_oracle_06_one_request_a_minute_all_bad_reaches_36_at_the_third() -> None:
    """1/60, 2/60, 3/60 of an hour: the share is there at t=2, and beyond doubt two requests later."""
    target = Fraction("0.999")
    hours = [Counts(60 - bad, 60) for bad in range(1, 8)]
    assert [burn_rate(hour, target) >= 36 for hour in hours].index(True) == 2
    fires = [pair_status(hour, hour, target="0.999", threshold="36").fires for hour in hours]
    assert fires == [False] * 4 + [True] * 3


def test_oracle_07_exactly_14_4_fires() -> None:
    """98.56 % against 99.9 %, which floats take for less."""
    assert (1 - 0.9856) / (1 - 0.999) < 14.4
    assert pair_status(Counts(9_856, 10_000), Counts(985_600, 1_000_000), target="0.999").fires
    assert not pair_status(Counts(9_857, 10_000), Counts(985_600, 1_000_000), target="0.999").fires


@pytest.mark.parametrize(
    ("law", "good", "eligible", "ratio", "spent"),
    [
        (Law.OCCURRENCES, 111, 118, "94.0678", "118.644"),
        (Law.TIMESLICES, 6, 10, "60", "800"),
        (Law.RATIO_TIMESLICES, None, 10, "91.5714", "168.571"),
    ],
)
def test_oracle_08_three_methods_over_ten_slices(
    law: Law, good: int | None, eligible: int, ratio: str, spent: str
) -> None:
    """Against 95 %; the same traffic misses it in three ways."""
    counts = list(zip([2, 10, 12, 13, 13, 12, 13, 13, 12, 11], [4, 10, 12, 13, 14, 15, 14, 13, 12, 11], strict=True))
    counting = Counting(law=law, slice_s=300, slice_target=Fraction("0.95"))
    delivered = deliver(counting, grid_of(spread(counts, 5)))
    assert good is None or delivered.good == good
    assert (delivered.eligible, percent(delivered.ratio)) == (eligible, Fraction(ratio))
    counted = Counts(delivered.good, delivered.eligible)
    assert percent(burn_rate(counted, Fraction("0.95")), 3) == Fraction(spent)


def test_oracle_09_time_slices_of_groups() -> None:
    """Five bad minutes of twelve hours, two groups with five each. A day: 99.6528 (an older page prints 99.652)."""
    counting = Counting(law=Law.TIMESLICES)
    for minutes, alone, together in ((720, "99.3056", "98.6111"), (1_440, "99.6528", "99.3056")):
        grids = [grid_of([(int(n // 5 != place), 1) for n in range(minutes)]) for place in (20, 30)]
        assert percent(deliver(counting, grids[0]).ratio) == Fraction(alone)
        both = composite_ledger([states(counting, grid) for grid in grids])
        assert percent(of_slices(counting, both, Fraction(1)).ratio) == Fraction(together)


@pytest.mark.parametrize(
    ("exclusion", "bad", "eligible", "printed"),
    [(Exclusion.REMOVED, 60, 8_640, ".6944"), (Exclusion.GOOD, 60, 10_080, ".5952")],
)
def test_oracle_09_a_correction_removes_time_or_makes_it_good(
    exclusion: Exclusion, bad: int, eligible: int, printed: str
) -> None:
    """A day of maintenance in a week with an hour of trouble outside of it, and one inside."""
    counts = [(int(not (n < 60 or 2_000 <= n < 2_060)), 1) for n in range(WEEK)]
    delivered = deliver(Counting(law=Law.TIMESLICES), grid_of(counts, excluded=dict.fromkeys(range(1_440), exclusion)))
    assert (delivered.eligible - delivered.good, delivered.eligible) == (bad, eligible)
    assert percent(1 - delivered.good / delivered.eligible) == Fraction(printed)


@pytest.mark.parametrize(("slice_s", "bad", "printed"), [(60, 80, ".99206349"), (HOUR_S, 10, ".94047619")])
def test_oracle_10_minutes_and_hours_of_a_week(slice_s: int, bad: int, printed: str) -> None:
    """80 of 10 080, 10 of 168."""
    minutes = slice_s // 60
    counts = spread([(int(n >= bad), 1) for n in range(WEEK // minutes)], minutes)
    delivered = deliver(Counting(law=Law.TIMESLICES, slice_s=slice_s), grid_of(counts))
    assert round(Fraction(delivered.good, delivered.eligible), 8) == Fraction(printed)


def test_oracle_10_missing_slices_are_good_or_unmeasured() -> None:
    """2016 slices, 1800 seen, 50 bad: .97222 of what was measured, .97520 if what is missing was good."""
    counts = spread([(int(n >= 50), 1) for n in range(1_800)] + [(0, 0)] * 216, 5)
    heard = deliver(Counting(law=Law.TIMESLICES, slice_s=300, empty=Empty.GOOD), grid_of(counts))
    assert round(heard.good / heard.eligible, 5) == Fraction(".97520")
    gaps = deliver(SLICES, grid_of(counts, unheard=range(1_800 * 5, WEEK)))
    assert round(gaps.good / gaps.eligible, 5) == Fraction(".97222")
    assert gaps.upper == heard.ratio
    assert gaps.lower == Fraction(1_750, 2_016)
    assert round(gaps.coverage, 4) == Fraction(".8929") < Fraction("0.9")


def test_oracle_10_overspending_is_below_zero() -> None:
    """5 000 bad events of 1 000 allowed: 500 % used, -400 % left; a first version elsewhere showed 0."""
    month_of_events = Counts(995_000, 1_000_000)
    assert consumed(month_of_events, Fraction("0.999")) == 5
    assert remaining(month_of_events, Fraction("0.999")) == -4


def test_oracle_11_a_week_at_94_946_percent_against_94() -> None:
    """84.23 % of 10.08 hours used; what is left lasts, at the same rate, a good day and a quarter."""
    week, target = Counts(94_946, 100_000), Fraction("0.94")
    assert percent(consumed(week, target), 2) == Fraction("84.23")
    assert percent(remaining(week, target), 2) == Fraction("15.77")
    assert round(burn_rate(week, target), 3) == Fraction(".842")
    assert allowed(7 * 24, target) == Fraction("10.08")
    naive = exhausted_in_s(Fraction(1), 7 * DAY_S, burn_rate(week, target))
    honest = exhausted_in_s(remaining(week, target), 7 * DAY_S, burn_rate(week, target))
    assert naive is not None
    assert honest is not None
    assert round(naive / DAY_S, 2) == Fraction("8.31")
    assert honest == naive * remaining(week, target)
    assert round(honest / DAY_S, 2) == Fraction("1.31")


def test_oracle_11_one_bad_slice_weighs_by_its_events_or_by_its_time() -> None:
    """500 of 10 000 bad in five minutes: .0025 % of 20 million events, or half of a week's budget of time."""
    assert percent(Counts(20_000_000 - 500, 20_000_000).bad_share) == Fraction(".0025")
    counts = spread([(9_500, 10_000)] + [(10_000, 10_000)] * 2_015, 5)
    week = deliver(Counting(law=Law.TIMESLICES, slice_s=300, slice_target=Fraction("0.96")), grid_of(counts))
    assert percent(1 - week.good / week.eligible) == Fraction(".0496")
    assert percent(committed(Counts(week.good, week.eligible), Fraction("0.999"), week.eligible), 1) == Fraction("49.6")


def test_oracle_11_the_window_that_burns_less_governs() -> None:
    """Long .987 and short .654: the report says .654, which is below a warning at .8."""
    status = pair_status(Counts(9_013, 10_000), Counts(9_346, 10_000), target="0.9", threshold="0.8")
    assert burn_rate(status.long.counts, Fraction("0.9")) == Fraction(".987")
    assert (status.governing, status.rate) == (status.short, Fraction(".654"))
    assert not status.fires


def busy_month() -> Grid:
    """30 days of which half is busy with 200 requests a minute; one busy hour has 20 % errors."""
    minutes = range(30 * 24 * 60)
    return grid_of([(160 if 180 <= n < 240 else 200, 200) if n % 1_440 < 720 else (0, 0) for n in minutes])


@pytest.mark.parametrize(
    ("counting", "printed", "kept"),
    [
        (Counting(law=Law.REQUEST_RATIO), "99.9444", True),
        (Counting(law=Law.MEAN_INTERVAL, slice_s=300, empty=Empty.GOOD), "99.9722", True),
        (
            Counting(law=Law.DOWNTIME_MINUTES, slice_s=300, slice_target=Fraction("0.9"), empty=Empty.GOOD),
            "99.8611",
            False,
        ),
        (Counting(law=Law.DOWNTIME_MINUTES, slice_target=Fraction("0.9"), empty=Empty.GOOD), "99.8611", False),
        (
            Counting(law=Law.DOWNTIME_MINUTES, slice_target=Fraction("0.9"), empty=Empty.GOOD, minimum_consecutive=61),
            "100",
            True,
        ),
    ],
    ids=["requests", "mean of intervals", "five minutes down", "minutes down", "61 minutes in a row"],
)
def test_oracle_14_one_month_under_three_laws(counting: Counting, printed: str, kept: bool) -> None:
    """8640 intervals, half of them busy, an hour at 20 % errors, 99.9 % promised: it depends on the law."""
    ratio = deliver(counting, busy_month()).ratio
    assert percent(ratio) == Fraction(printed)
    assert ratio is not None
    assert (ratio >= Fraction("0.999")) is kept


@pytest.mark.parametrize(
    ("zone", "within", "length"),
    [
        ("UTC", "2026-03-15", 44_640),
        ("UTC", "2024-02-15", 41_760),
        ("Europe/Paris", "2026-03-15", 44_580),
        ("Europe/Paris", "2026-10-15", 44_700),
        ("America/New_York", "2026-11-15", 43_260),
        ("Australia/Lord_Howe", "2026-04-15", 43_230),
        ("Africa/Casablanca", "2026-02-15", 40_380),
    ],
)
def test_oracle_15_months_are_as_long_as_the_zone_makes_them(zone: str, within: str, length: int) -> None:
    """Clock changes lengthen and shorten them, by half an hour too; so much is a budget of 99.9 % worth."""
    start, end = month(zone).bounds(datetime.fromisoformat(f"{within}T12:00:00+00:00"))
    assert (end - start) // timedelta(minutes=1) == length
    assert allowed(length, Fraction("0.999")) == Fraction(length, 1_000)


@pytest.mark.parametrize(("day", "hours"), [("2026-03-29", 5), ("2026-10-25", 7), ("2026-06-01", 6)])
def test_oracle_15_a_paris_night_has_five_six_or_seven_hours(day: str, hours: int) -> None:
    """From midnight to six."""
    zone = ZoneInfo("Europe/Paris")
    start, end = (first_instant(datetime.fromisoformat(f"{day} {clock}"), zone) for clock in ("00:00", "06:00"))
    assert end - start == timedelta(hours=hours)
    assert start.tzinfo is UTC


def test_oracle_19_21_hours_down_in_a_long_month() -> None:
    """97.177 % of 744 hours."""
    counts = [(int(n >= 21 * 60), 1) for n in range(744 * 60)]
    assert percent(deliver(Counting(law=Law.DOWNTIME_MINUTES), grid_of(counts)).ratio, 3) == Fraction("97.177")


@pytest.mark.parametrize(("target", "outage_s", "wait_min"), [("0.99", Fraction(504), 10), ("0.999", "50.4", 3)])
def test_oracle_19_how_long_a_total_outage_needs_to_be_told(target: str, outage_s: str, wait_min: int) -> None:
    """Pyrra's wait for an absent metric: until an hour burns at 14, and two minutes."""
    lasts = Fraction(outage_s)
    assert burn_rate(Counts(HOUR_S - lasts, HOUR_S), Fraction(target)) == 14
    assert round((lasts + 120) / 60) == wait_min


@pytest.mark.parametrize(
    ("long", "short", "threshold"), [("1h", "5m", "9"), ("12h", "1h", "3"), ("7d", "14h", "1.5"), ("28d", "56h", "1")]
)
def test_oracle_20_a_policy_of_ones_own_fires_at_its_thresholds(long: str, short: str, threshold: str) -> None:
    """Google's slo-generator policy: 9x in 1 h, 3x in 12 h, 1.5x in 7 d, 1x in 28 d."""
    of = promise(target="0.99", pairs=[(long, short, threshold)])
    bad = int(Fraction(threshold) * 1_000)
    assert status_at(NOW, of, burn=(100_000 - bad, 100_000)).fires
    assert not status_at(NOW, of, burn=(100_000 - bad + 1, 100_000)).fires


def test_oracle_20_one_failure_in_a_hundred_is_99_percent() -> None:
    """OpenSLO's example, which prints (100 - 1) = 0.99."""
    assert sli(Counts(99, 100)) == Fraction(99, 100)


minutes = st.lists(st.tuples(st.integers(0, 20), st.integers(0, 20)), min_size=10, max_size=40)
holes = st.sets(st.integers(0, 39))


def without(counts: list[tuple[int, int]], lost: set[int]) -> list[tuple[int, int]]:
    return [(0, 0) if n in lost else pair for n, pair in enumerate(counts)]


@given(
    minutes,
    holes,
    st.builds(
        Counting,
        law=st.sampled_from(Law),
        slice_target=st.sampled_from([Fraction("0.5"), Fraction(1)]),
        minimum_valid=st.sampled_from([1, 10]),
        minimum_consecutive=st.sampled_from([1, 2, 4]),
        empty=st.sampled_from(Empty),
    ),
)
def test_oracle_21_what_was_delivered_lies_between_the_bounds(
    traffic: list[tuple[int, int]], lost: set[int], counting: Counting
) -> None:
    """Delete the data of any minutes: the truth is no secret to the interval, under every law."""
    counts = [(good, good + bad) for good, bad in traffic]
    lost = {n for n in lost if n < len(counts)}
    truth = deliver(counting, grid_of(counts)).ratio
    grid = grid_of(without(counts, lost), unheard=lost)
    known = deliver(counting, grid)
    assume(truth is not None)
    assume(counting.by_slices or known.unseen >= sum(counts[n][1] for n in lost))
    assert truth is not None
    assert known.lower is not None
    assert known.upper is not None
    assert known.lower <= truth <= known.upper
    assert known.coverage == coverage(grid) == 1 - Fraction(len(lost), len(counts))


@given(minutes, holes, st.integers(0, 50), st.sampled_from(["0.5", "0.9", "0.99", "0.999"]))
def test_oracle_21_no_alert_fires_or_resolves_from_a_gap(
    traffic: list[tuple[int, int]], lost: set[int], more: int, target: str
) -> None:
    """Whatever minutes are missing and however much more than their events is taken for unseen."""
    counts = [(good, good + bad) for good, bad in traffic]
    of, pair = Fraction(target), BurnPair(long=parse_length("1h"), short=parse_length("5m"), threshold=Fraction(2))

    def measured(first: int, lost: set[int], more: int) -> Measured:
        kept = sum((Counts(*counts[n]) for n in range(first, len(counts)) if n not in lost), Counts())
        unseen = sum(counts[n][1] for n in range(first, len(counts)) if n in lost) + more
        return Measured(name="window", bounds=last(300, NOW), counts=kept, unseen=unseen)

    def seen(lost: set[int], more: int) -> PairStatus:
        long, short = measured(0, lost, more), measured(len(counts) - 5, lost, more)
        return PairStatus(pair=pair, target=of, minimum_bad=2, long=long, short=short)

    truth, known = seen(set(), 0), seen(lost, more)
    for whole, part in ((truth.long, known.long), (truth.short, known.short)):
        if whole.counts.valid:
            assert part.lower_rate(of) <= burn_rate(whole.counts, of) <= part.upper_rate(of)
    assert truth.fires or not known.fires
    assert truth.clears or not known.clears
    assert budget(of) * known.rate <= 1


def test_oracle_21_a_real_outage_seen_in_part_fires() -> None:
    """Four fifths of the time heard and half of that failing: a frozen alert would say nothing."""
    hour, five = Counts(2_400, 4_800), Counts(200, 400)
    status = pair_status(hour, five, target="0.999", unseen=1_200)
    assert status.fires
    assert not status.clears
