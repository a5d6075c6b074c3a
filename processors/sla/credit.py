"""What a period costs: its tier, its credit, what is really paid, and until when it can be claimed.

In: the credits of an agreement and what was delivered, as an exact ratio. Out: a `Credit` that tells its own
computation. Pure. Tiers are half-open, `[atLeast, below)`: exactly 99 % is not below 99 %. Shares are rationals, money
is `Decimal`; only the amount is rounded, to hundredths, half up.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from decimal import Decimal
from fractions import Fraction
from zoneinfo import ZoneInfo

from pipeline.numbers import decimal
from processors.sla.documents import END_OF_SECOND_CYCLE, BaseField, BonusField, CreditsField, TierField
from processors.slo.windows import Bounds, Calendar, Length, first_instant

CENTS = 100
PERCENT = 100
SHOWN_DECIMALS = 4
NOTHING = Fraction(0)


@dataclass(frozen=True, slots=True, kw_only=True)
class Credit:
    """What is owed: `share` of the base to the customer, `bonus` of it to the provider; amounts where there is a base.

    `words` is how it came about, sentence by sentence.
    """

    share: Fraction
    bonus: Fraction
    amount: Decimal | None
    bonus_amount: Decimal | None
    currency: str
    claim_by: datetime | None
    words: tuple[str, ...]


def tier_of(tiers: Sequence[TierField], delivered: Fraction) -> TierField | None:
    """The tier that `delivered` falls into, if it is low enough for one; they stand from the highest down."""
    reached = [tier for tier in tiers if delivered < tier.below]
    return reached[-1] if reached else None


def bonus_of(bonuses: Sequence[BonusField], delivered: Fraction) -> BonusField | None:
    """The highest bonus that was reached; they stand from the lowest up."""
    reached = [bonus for bonus in bonuses if delivered >= bonus.at_least]
    return reached[-1] if reached else None


def credit(terms: CreditsField, delivered: Fraction | None, window: Calendar, bounds: Bounds) -> Credit:
    """What a period in which `delivered` was delivered costs; nothing where nothing was measured."""
    if delivered is None:
        return _credit(terms, NOTHING, NOTHING, None, ["Nothing was measured, so nothing is owed."])
    tier, bonus = tier_of(terms.tiers, delivered), bonus_of(terms.bonuses, delivered)
    if tier is None:
        words = [f"{percent(delivered)} was delivered, not below {exact_percent(terms.tiers[0].below)}: no credit."]
        if bonus is not None:
            words.append(f"From {exact_percent(bonus.at_least)} on the bonus is {exact_percent(bonus.bonus)}.")
        return _credit(terms, NOTHING, bonus.bonus if bonus else NOTHING, None, words)
    lowest = f"at least {exact_percent(tier.at_least)} and " if tier.at_least else ""
    said = f"{percent(delivered)} was delivered, {lowest}below {exact_percent(tier.below)}"
    words = [f"{said}: {exact_percent(tier.credit)} credit."]
    share = min(tier.credit, terms.cap)
    if share < tier.credit:
        words.append(f"It is capped at {exact_percent(terms.cap)}.")
    if terms.base is not None and not _is_paid(terms, share):
        words.append(
            f"{_money(share * Fraction(terms.base.monthly_fee), terms.base)} is not more than the minimum of "
            f"{_money(Fraction(terms.minimum_payout or 0), terms.base)}: nothing is paid."
        )
        share = NOTHING
    return _credit(terms, share, NOTHING, claim_by(terms, window, bounds) if share else None, words)


def _is_paid(terms: CreditsField, share: Fraction) -> bool:
    """Whether an amount is worth paying: more than the minimum."""
    if terms.base is None or terms.minimum_payout is None or not share:
        return True
    return share * Fraction(terms.base.monthly_fee) > Fraction(terms.minimum_payout)


def _credit(
    terms: CreditsField, share: Fraction, bonus: Fraction, deadline: datetime | None, words: list[str]
) -> Credit:
    base = terms.base
    fee = Fraction(base.monthly_fee) if base else None
    if base is not None and (share or bonus):
        assert fee is not None
        words.append(
            f"{exact_percent(share or bonus)} of {_money(fee, base)} is {_money((share or bonus) * fee, base)}."
        )
    if deadline is not None:
        words.append(f"It can be claimed before {deadline:%Y-%m-%d %H:%M} UTC.")
    return Credit(
        share=share,
        bonus=bonus,
        amount=None if fee is None else rounded(share * fee),
        bonus_amount=None if fee is None else rounded(bonus * fee),
        currency=(base.currency or "") if base else "",
        claim_by=deadline,
        words=tuple(words),
    )


def claim_by(terms: CreditsField, window: Calendar, bounds: Bounds) -> datetime | None:
    """Until when a credit of the period `bounds` can be claimed; None where the agreement sets no end."""
    if terms.claim_within == END_OF_SECOND_CYCLE:
        following = window.bounds(bounds.end)
        return window.bounds(following.end).end
    if not isinstance(terms.claim_within, Length):
        return None
    zone = ZoneInfo(window.zone)
    local = bounds.end.astimezone(zone).replace(tzinfo=None)
    return first_instant(local + timedelta(seconds=terms.claim_within.seconds), zone)


def rounded(amount: Fraction) -> Decimal:
    """Money to hundredths, half up."""
    return Decimal((amount * CENTS * 2 + 1) // 2).scaleb(-2)


def _money(amount: Fraction, base: BaseField) -> str:
    return f"{rounded(amount)} {base.currency or ''}".rstrip()


def percent(ratio: Fraction) -> str:
    """A ratio for people, in per cent, never rounded up."""
    return f"{_digits(ratio * PERCENT, SHOWN_DECIMALS)} %"


def exact_percent(ratio: Fraction) -> str:
    """A ratio as it was written, in per cent."""
    return f"{decimal(ratio * PERCENT)} %"


def _digits(number: Fraction, decimals: int) -> str:
    return f"{Decimal(number.numerator * 10**decimals // number.denominator).scaleb(-decimals):f}"
