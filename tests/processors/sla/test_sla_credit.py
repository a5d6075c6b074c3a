"""Credits: half-open tiers, caps, minimums, deadlines, and a computation that can be read."""

from collections.abc import Sequence
from datetime import UTC, datetime
from decimal import Decimal
from fractions import Fraction
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic import ValidationError

from processors.sla.credit import claim_by, credit, percent, rounded, tier_of
from processors.sla.documents import CreditsField, PeriodField, TierField
from processors.slo.windows import month

UTC_MONTH = month("UTC")
OCTOBER = UTC_MONTH.bounds(datetime(2026, 10, 15, tzinfo=UTC))
MARCH_MINUTES = 44_640
TIERS = [
    {"below": 0.999, "atLeast": 0.99, "credit": 0.10},
    {"below": 0.99, "atLeast": 0.95, "credit": 0.25},
    {"below": 0.95, "credit": 0.50},
]


def terms(**more: Any) -> CreditsField:
    return CreditsField.model_validate({"tiers": TIERS, **more})


def share(delivered: Fraction, **more: Any) -> Fraction:
    return credit(terms(**more), delivered, UTC_MONTH, OCTOBER).share


@pytest.mark.parametrize(
    ("down", "owed"),
    [(44, "0"), (45, "0.1"), (446, "0.1"), (447, "0.25"), (2_232, "0.25"), (2_233, "0.5")],
)
def test_oracle_13_a_minute_more_decides_the_tier(down: int, owed: str) -> None:
    """Of the 44 640 minutes of a 31-day month; 2 232 are exactly 5 %, and 95 % is not below 95 %."""
    assert share(Fraction(MARCH_MINUTES - down, MARCH_MINUTES)) == Fraction(owed)


@pytest.mark.parametrize(
    ("delivered", "owed"),
    [
        ("0.999", "0"),
        ("0.998999999999", "0.1"),
        ("0.99", "0.1"),
        ("0.989999999999", "0.25"),
        ("0.95", "0.25"),
        ("0", "1"),
    ],
)
def test_oracle_13_storage_tiers_of_10_25_and_100_percent(delivered: str, owed: str) -> None:
    """The tiers 99.9, 99 and 95 %, of which the last owes everything."""
    tiers = [*TIERS[:2], {"below": 0.95, "credit": 1}]
    assert share(Fraction(delivered), tiers=tiers) == Fraction(owed)


tier_edges = st.lists(st.integers(1, 1_000), min_size=1, max_size=6, unique=True).map(lambda n: sorted(n, reverse=True))


@given(edges=tier_edges, delivered=st.integers(0, 1_000))
def test_a_tier_is_the_one_that_a_scan_of_all_half_open_intervals_finds(edges: list[int], delivered: int) -> None:
    """Every ratio lies in at most one."""
    lowers = [*edges[1:], 0]
    written = [
        {"below": below / 1_000, "atLeast": lower / 1_000, "credit": 0.1}
        if lower
        else {"below": below / 1_000, "credit": 0.1}
        for below, lower in zip(edges, lowers, strict=True)
    ]
    tiers: Sequence[TierField] = terms(tiers=written).tiers
    ratio = Fraction(delivered, 1_000)
    scanned = [tier for tier in tiers if (tier.at_least or 0) <= ratio < tier.below]
    found = tier_of(tiers, ratio)
    assert scanned == ([found] if found else [])


def test_a_credit_says_how_it_came_about() -> None:
    """45 minutes down in October: 10 % of the fee, to be claimed by the end of November."""
    owed = credit(
        terms(base={"monthlyFee": 1200.00, "currency": "EUR"}, claimWithin="30d"),
        Fraction(MARCH_MINUTES - 45, MARCH_MINUTES),
        UTC_MONTH,
        OCTOBER,
    )
    assert (owed.share, owed.amount, owed.currency) == (Fraction(1, 10), Decimal("120.00"), "EUR")
    assert owed.words == (
        "99.8991 % was delivered, at least 99 % and below 99.9 %: 10 % credit.",
        "10 % of 1200.00 EUR is 120.00 EUR.",
        "It can be claimed before 2026-12-01 00:00 UTC.",
    )


def test_a_cap_limits_the_credit() -> None:
    """The lowest tier owes half, the agreement at most 30 %."""
    owed = credit(terms(cap=0.3), Fraction(1, 2), UTC_MONTH, OCTOBER)
    assert owed.share == Fraction(3, 10)
    assert owed.amount is None
    assert "It is capped at 30 %." in owed.words


@pytest.mark.parametrize(("fee", "paid"), [("10", "0"), ("10.01", "0.1")])
def test_what_is_not_more_than_the_minimum_is_not_paid(fee: str, paid: str) -> None:
    """One dollar is not more than one dollar."""
    base = {"monthlyFee": fee, "currency": "USD"}
    owed = credit(terms(base=base, minimumPayout=1, claimWithin="30d"), Fraction("0.995"), UTC_MONTH, OCTOBER)
    assert owed.share == Fraction(paid)
    assert (owed.claim_by is None) == (paid == "0")


def test_over_delivery_earns_the_highest_bonus_reached() -> None:
    """From 99.99 % on one per cent, from 100 % on two."""
    bonuses = [{"atLeast": 0.9999, "bonus": 0.01}, {"atLeast": 1, "bonus": 0.02}]
    earned = [
        credit(terms(bonuses=bonuses, base={"monthlyFee": 500}), Fraction(ratio), UTC_MONTH, OCTOBER)
        for ratio in ("0.99989", "0.9999", "1")
    ]
    assert [each.bonus for each in earned] == [0, Fraction(1, 100), Fraction(2, 100)]
    assert [each.bonus_amount for each in earned] == [Decimal("0.00"), Decimal("5.00"), Decimal("10.00")]


def test_nothing_measured_owes_nothing_and_says_so() -> None:
    """No data is neither kept nor broken."""
    owed = credit(terms(base={"monthlyFee": 500}), None, UTC_MONTH, OCTOBER)
    assert (owed.share, owed.bonus, owed.amount) == (0, 0, Decimal("0.00"))
    assert owed.words == ("Nothing was measured, so nothing is owed.",)


@pytest.mark.parametrize(
    ("within", "zone", "deadline"),
    [
        ("30d", "UTC", "2026-12-01T00:00:00+00:00"),
        ("30d", "America/New_York", "2026-12-01T05:00:00+00:00"),
        ("endOfSecondCycle", "UTC", "2027-01-01T00:00:00+00:00"),
        ("endOfSecondCycle", "Europe/Paris", "2026-12-31T23:00:00+00:00"),
        (None, "UTC", None),
    ],
)
def test_a_claim_has_a_deadline(within: str | None, zone: str, deadline: str | None) -> None:
    """Days are those of the zone's clocks; the second cycle after October is December."""
    window = month(zone)
    bounds = window.bounds(datetime(2026, 10, 15, tzinfo=UTC))
    found = claim_by(terms(**({"claimWithin": within} if within else {})), window, bounds)
    assert (found.isoformat() if found else None) == deadline


def test_billing_cycles_begin_on_their_day_and_the_claim_ends_with_the_second_after() -> None:
    """From the 31st on: the cycle that begins on 28 February 2026 ends on 31 March."""
    window = PeriodField.model_validate({"billingDay": 31}).window("UTC")
    bounds = window.bounds(datetime(2026, 3, 15, tzinfo=UTC))
    assert [edge.date().isoformat() for edge in bounds] == ["2026-02-28", "2026-03-31"]
    deadline = claim_by(terms(claimWithin="endOfSecondCycle"), window, bounds)
    assert deadline == datetime(2026, 5, 31, tzinfo=UTC)


@pytest.mark.parametrize(("exact", "shown"), [("0.005", "0.01"), ("0.0049", "0.00"), ("1.125", "1.13"), ("2", "2.00")])
def test_money_is_rounded_half_up(exact: str, shown: str) -> None:
    """And only at the very end."""
    assert rounded(Fraction(exact)) == Decimal(shown)


def test_a_percentage_is_never_rounded_up() -> None:
    """99.99999 % is not 100 %."""
    assert percent(Fraction("0.9999999")) == "99.9999 %"


@pytest.mark.parametrize(
    ("written", "words"),
    [
        ({"tiers": []}, "at least 1"),
        ({"tiers": TIERS[:2]}, "a last tier without atLeast"),
        ({"tiers": [TIERS[0], TIERS[2]]}, "number 1 does not join"),
        ({"tiers": TIERS[::-1]}, "number 1 does not join"),
        ({"tiers": [TIERS[0], {"below": 0.99, "credit": 0.05}]}, "no smaller credit for less"),
        (
            {"tiers": [{"below": 0.9, "atLeast": 0.95, "credit": 0.1}, {"below": 0.95, "credit": 0.2}]},
            "less than below",
        ),
        ({"tiers": [{"below": 99.9, "credit": 0.1}]}, "below at most 1"),
        ({"tiers": [{"below": 0.9, "credit": 10}]}, "a share from 0 to 1"),
        ({"cap": 1.5}, "a share from 0 to 1"),
        ({"minimumPayout": 1}, "a base with minimumPayout"),
        ({"base": {"monthlyFee": -1}}, "an amount of money"),
        ({"base": {"monthlyFee": 1, "currency": "euro"}}, "ISO 4217"),
        ({"claimWithin": "2h"}, "days such as 30d"),
        ({"bonuses": [{"atLeast": 0.99, "bonus": 0.1}]}, "begin at or above"),
        ({"bonuses": [{"atLeast": 1, "bonus": 0.2}, {"atLeast": 0.9999, "bonus": 0.1}]}, "in rising order"),
    ],
)
def test_credits_that_cannot_work_say_what_is_expected(written: dict[str, Any], words: str) -> None:
    """A gap between tiers would be a quarrel later."""
    with pytest.raises(ValidationError, match=words):
        terms(**written)
