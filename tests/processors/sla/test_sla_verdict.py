"""Verdicts of whole periods under every law, and the minute each was broken."""

from collections.abc import Sequence
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from fractions import Fraction
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from fixtures.grids import grid_of, spread
from processors.sla.compare import OWN, laws_table
from processors.sla.credit import credit, percent
from processors.sla.documents import Agreement, LawField
from processors.sla.verdict import Verdict, broken_at, verdict
from processors.slo.grid import Exclusion, Grid
from processors.slo.law import Counting, Delivered, Empty, Law, deliver
from processors.slo.windows import month

TIERS = [
    {"below": 0.999, "atLeast": 0.99, "credit": 0.10},
    {"below": 0.99, "atLeast": 0.95, "credit": 0.25},
    {"below": 0.95, "credit": 0.50},
]
TARGET = Fraction("0.999")
SEPTEMBER = month("UTC").bounds(datetime(2026, 9, 15, tzinfo=UTC))
MARCH = month("UTC").bounds(datetime(2026, 3, 15, tzinfo=UTC))


def agreement(law: Any = "request_ratio", tiers: Sequence[Any] = TIERS) -> Agreement:
    spec = {
        "service": "checkout",
        "period": "month",
        "law": law,
        "objectives": [{"indicatorRef": "checkout-good", "target": 0.999}],
        "credits": {"tiers": tiers, "base": {"monthlyFee": 1000, "currency": "USD"}},
    }
    written = {"apiVersion": "andon/v1", "kind": "Agreement", "metadata": {"name": "terms"}, "spec": spec}
    return Agreement.model_validate(written)


def oracle_14() -> Grid:
    """8640 five-minute intervals, 4320 of them with 1000 requests each, and in one hour of those 20 % errors."""
    slices = [(1000, 1000), (0, 0)] * 2_000 + [(800, 1000)] * 12 + [(1000, 1000)] * 2_308 + [(0, 0)] * 2_320
    minutes = [(good // 5, valid // 5) for good, valid in slices for _ in range(5)]
    return grid_of(minutes, start_s=int(SEPTEMBER.start.timestamp()))


@pytest.mark.parametrize(
    ("law", "share", "kept"),
    [
        ({"type": "request_ratio"}, Fraction(4_320_000 - 2_400, 4_320_000), True),
        ({"type": "mean_interval_availability", "slice": "5m"}, 1 - Fraction(12, 5 * 8_640), True),
        ({"type": "downtime_minutes", "errorRate": 0.1}, 1 - Fraction(60, 43_200), False),
        ({"type": "downtime_minutes", "errorRate": 0.1, "slice": "5m"}, 1 - Fraction(12, 8_640), False),
        ({"type": "downtime_minutes", "errorRate": 0.1, "minimumConsecutive": 61}, Fraction(1), True),
        ({"type": "downtime_minutes", "errorRate": 0.2}, Fraction(1), True),
        ({"type": "downtime_minutes", "errorRateFrom": 0.2}, 1 - Fraction(60, 43_200), False),
    ],
)
def test_oracle_14_one_month_under_three_laws(law: dict[str, Any], share: Fraction, kept: bool) -> None:
    """99.9444 %, 99.9722 % and 99.8611 % against 99.9 %: the same hour is forgiven twice and owed for once."""
    delivered = deliver(LawField.model_validate(law).counting, oracle_14())
    assert delivered.ratio == share
    assert (verdict(delivered, TARGET) is Verdict.KEPT) == kept


def test_oracle_14_the_same_month_side_by_side() -> None:
    """Delivered, verdict, credit, and the minute in which the budget of the month was spent."""
    rows = laws_table(agreement(), TARGET, oracle_14(), SEPTEMBER)
    hour = SEPTEMBER.start + timedelta(minutes=5 * 4_000)
    assert [
        (
            row.name,
            percent(row.delivered.ratio or Fraction(0)),
            row.verdict,
            row.credit and row.credit.share,
            row.broken_at,
        )
        for row in rows
    ] == [
        (f"{OWN}: request ratio", "99.9444 %", Verdict.KEPT, 0, None),
        ("mean of 5 min intervals", "99.9722 %", Verdict.KEPT, 0, None),
        (
            "minutes over 5 % bad",
            "99.8611 %",
            Verdict.BROKEN,
            Fraction(1, 10),
            hour + timedelta(minutes=43),
        ),
        (
            "minutes over 10 % bad",
            "99.8611 %",
            Verdict.BROKEN,
            Fraction(1, 10),
            hour + timedelta(minutes=43),
        ),
        ("the same, 10 in a row", "99.8611 %", Verdict.BROKEN, Fraction(1, 10), hour + timedelta(minutes=43)),
    ]


def test_oracle_12_a_tenth_of_the_intervals_at_90_percent_owes_10_percent() -> None:
    """8640 intervals, 864 of them at 90 %: 99.0 %, which is in [95 %, 99.9 %)."""
    grid = grid_of(spread([(9, 10)] * 864 + [(10, 10)] * 7_776, 5), start_s=int(SEPTEMBER.start.timestamp()))
    terms = agreement(
        "mean_interval_availability",
        [{"below": 0.999, "atLeast": 0.95, "credit": 0.10}, {"below": 0.95, "credit": 0.30}],
    )
    delivered = deliver(terms.spec.counting, grid)
    assert delivered.ratio == Fraction(99, 100)
    assert terms.spec.credits
    owed = credit(terms.spec.credits, delivered.ratio, terms.spec.window, SEPTEMBER)
    assert (owed.share, str(owed.amount)) == (Fraction(1, 10), "100.00")


@pytest.mark.parametrize(
    ("down", "owed"),
    [(44, "0"), (45, "0.1"), (446, "0.1"), (447, "0.25"), (2_232, "0.25"), (2_233, "0.5")],
)
def test_oracle_13_minutes_down_in_march_and_what_they_cost(down: int, owed: str) -> None:
    """From minutes to money in one go."""
    law = {"type": "downtime_minutes", "errorRate": 0.05}
    terms = agreement(law)
    minutes = [(0, 10)] * down + [(10, 10)] * (44_640 - down)
    delivered = deliver(terms.spec.counting, grid_of(minutes))
    assert delivered.ratio == Fraction(44_640 - down, 44_640)
    assert terms.spec.credits
    assert credit(terms.spec.credits, delivered.ratio, terms.spec.window, MARCH).share == Fraction(owed)


def test_oracle_19_21_hours_of_744() -> None:
    """97.177 %: 21 h down in a 31-day month."""
    minutes = [(0, 1)] * (21 * 60) + [(1, 1)] * (723 * 60)
    ratio = deliver(
        LawField.model_validate({"type": "downtime_minutes", "errorRate": 0}).counting, grid_of(minutes)
    ).ratio
    assert ratio == Fraction(723, 744)
    assert percent(ratio) == "97.1774 %"


def test_minutes_without_requests_are_good_unless_the_agreement_says_otherwise() -> None:
    """The published laws count silence as available; a heartbeat does not."""
    grid = grid_of([(1, 1), (0, 0), (0, 0), (0, 1)])
    ratios = {
        empty: deliver(
            LawField.model_validate({"type": "downtime_minutes", "errorRate": 0, "emptySlices": empty}).counting, grid
        ).ratio
        for empty in ("good", "bad", "ignore")
    }
    assert ratios == {"good": Fraction(3, 4), "bad": Fraction(1, 4), "ignore": Fraction(1, 2)}


@pytest.mark.parametrize(
    ("good", "unseen", "coverage", "expected"),
    [
        ("999", "0", "1", Verdict.KEPT),
        ("998", "0", "1", Verdict.BROKEN),
        ("998", "1500", "0.5", Verdict.NO_DATA),
        ("900", "100", "0.5", Verdict.BROKEN),
        ("1000", "1", "0.999", Verdict.KEPT),
        ("999", "10", "0.99", Verdict.KEPT),
        ("999", "1000", "0.5", Verdict.NO_DATA),
    ],
)
def test_gaps_decide_nothing_by_themselves(good: str, unseen: str, coverage: str, expected: Verdict) -> None:
    """Against 99.9 % of 1000: broken at best or kept at worst is certain; else nine tenths must have been measured."""
    delivered = Delivered(
        good=Fraction(good), eligible=Fraction(1000), unseen=Fraction(unseen), coverage=Fraction(coverage)
    )
    assert verdict(delivered, TARGET) is expected


def test_nothing_measured_is_no_data() -> None:
    """0 of 0, whatever was listened to."""
    assert verdict(
        Delivered(good=Fraction(), eligible=Fraction(), unseen=Fraction(), coverage=Fraction(1)), TARGET
    ) is (Verdict.NO_DATA)


counts = st.tuples(st.integers(0, 4), st.integers(0, 4)).map(lambda pair: (min(pair), max(pair)))
countings = st.builds(
    Counting,
    law=st.sampled_from([Law.REQUEST_RATIO, Law.MEAN_INTERVAL, Law.DOWNTIME_MINUTES]),
    slice_s=st.sampled_from([60, 300]),
    slice_target=st.sampled_from([Fraction(1), Fraction("0.9"), Fraction("0.5")]),
    minimum_consecutive=st.sampled_from([1, 3]),
    empty=st.sampled_from(Empty),
)


@settings(deadline=None)
@given(
    minutes=st.lists(counts, max_size=40),
    counting=countings,
    target=st.sampled_from([Fraction("0.9"), Fraction("0.5")]),
    excluded=st.dictionaries(st.integers(0, 39), st.sampled_from(Exclusion), max_size=5),
)
def test_the_minute_it_was_broken_is_the_first_that_good_luck_could_not_mend(
    minutes: list[tuple[int, int]], counting: Counting, target: Fraction, excluded: dict[int, Exclusion]
) -> None:
    """The slow twin tries every minute: what follows is as good as can be, silence included."""
    excluded = {minute: code for minute, code in excluded.items() if minute < len(minutes)}
    grid = grid_of(minutes, excluded=excluded)
    found = broken_at(counting, target, grid)
    missed = [number for number in range(len(grid) + 1) if _misses(counting, target, grid, number)]
    whole = deliver(counting, grid).ratio
    if whole is None or whole >= target or 0 in missed:
        assert found is None
    else:
        assert found is not None
        first = (found - datetime.fromtimestamp(grid.start_s, UTC)) // timedelta(minutes=1)
        assert missed == list(range(first + 1, len(grid) + 1))


def _misses(counting: Counting, target: Fraction, grid: Grid, number: int) -> bool:
    """Whether the period is broken if all from `number` on is good; what is silent is left to the law if it is good."""
    slice_minutes = counting.slice_s // 60 if counting.by_slices else 1
    good, codes = grid.good.copy(), grid.excluded.copy()
    good[number:] = grid.valid[number:]
    if counting.by_slices and counting.empty is Empty.BAD:
        for minute in range(number, len(grid)):
            lead = grid.start_s // 60 % slice_minutes
            first = max(0, (minute + lead) // slice_minutes * slice_minutes - lead)
            inside = [
                other
                for other in range(
                    first, min(len(grid), (minute + lead) // slice_minutes * slice_minutes - lead + slice_minutes)
                )
                if grid.excluded[other] == Exclusion.NONE
            ]
            if minute in inside and not grid.valid[inside].any():
                codes[minute] = Exclusion.GOOD
    ratio = deliver(counting, replace(grid, good=good, excluded=codes)).ratio
    return ratio is not None and ratio < target


def test_a_run_breaks_a_promise_when_it_is_long_enough() -> None:
    """Ten bad minutes in a row count from the tenth on, all at once."""
    counting = Counting(
        law=Law.DOWNTIME_MINUTES, slice_target=Fraction("0.9"), minimum_consecutive=10, empty=Empty.GOOD
    )
    grid = grid_of([(1, 1)] * 20 + [(0, 1)] * 9 + [(1, 1)] * 11 + [(0, 1)] * 10 + [(1, 1)] * 50)
    found = broken_at(counting, Fraction("0.95"), grid)
    assert found == datetime.fromtimestamp(grid.start_s, UTC) + timedelta(minutes=49)
