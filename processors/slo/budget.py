"""What a promise allows, what was delivered, and what is left: exact, in integers and rationals.

In: counts of good and valid events, or slices, and a target. Out: `Fraction`s. Nothing is rounded and nothing is
clamped: in floating point (1 - 0.9856) / (1 - 0.999) is 14.399999999999956, and a burn rate of exactly 14.4 would go
unnoticed. Overspending is a remainder below zero.

    error = 1 - good/valid      budget = 1 - target      burn rate = error/budget
    consumed = burn rate x elapsed share of the period   remaining = 1 - consumed

A calendar period that is not over has two readings. *So far*: of what was allowed for what happened until now, without
`elapsed`. *Committed*: of what the whole period allows, which is known where slices of time are counted and projected
at the traffic so far where events are.

Source: Google, The Site Reliability Workbook, chapter 5.
"""

from dataclasses import dataclass
from fractions import Fraction
from functools import lru_cache

Count = int | Fraction  # of events that may each stand for more than one, or of slices that may be cut


NO_RATE, ALL_OF_IT = Fraction(0), Fraction(1)


@dataclass(frozen=True, slots=True)
class Counts:
    """`good` of `valid` events. Adding is associative and commutative, so they may come in any order and any pieces."""

    good: Count = 0
    valid: Count = 0

    def __post_init__(self) -> None:
        if not 0 <= self.good <= self.valid:
            raise ValueError(f"expected 0 <= good <= valid, got {self.good} of {self.valid}")

    def __add__(self, other: "Counts") -> "Counts":
        return Counts(self.good + other.good, self.valid + other.valid)

    @property
    def bad(self) -> Count:
        return self.valid - self.good

    @property
    def bad_share(self) -> Fraction:
        """The share of bad events; 0 where nothing was measured, so ask `valid` first."""
        return Fraction(self.bad, self.valid) if self.valid else Fraction(0)


def sli(counts: Counts) -> Fraction:
    """The share of good events.

    Raises:
        ZeroDivisionError: nothing was measured, so there is no such share.
    """
    return Fraction(counts.good, counts.valid)


def budget(target: Fraction) -> Fraction:
    """The share of events that may be bad."""
    return 1 - target


def burn_rate(counts: Counts, target: Fraction) -> Fraction:
    """How many times faster than allowed the budget goes: 1 spends it exactly; 0 where nothing was measured."""
    return rate_of(counts.bad, counts.valid, target)


def rate_of(bad: Count, whole: Count, target: Fraction) -> Fraction:
    """The burn rate of so many bad events of all; 0 where there are none."""
    if not bad:
        return NO_RATE
    allowed_share = budget(target)
    return Fraction(bad * allowed_share.denominator) / (whole * allowed_share.numerator)


@lru_cache(maxsize=100_000)
def share_at(rate: Fraction, target: Fraction) -> tuple[int, int]:
    """The share of bad events at which a budget burns at `rate`, as a numerator and a denominator."""
    return (rate * budget(target)).as_integer_ratio()


def max_burn_rate(target: Fraction) -> Fraction:
    """The burn rate of a total outage: no threshold above it can ever be reached."""
    return 1 / budget(target)


def consumed(counts: Counts, target: Fraction, elapsed: Fraction = Fraction(1)) -> Fraction:
    """The share of the budget that is spent: of what was allowed so far, or of the whole period's at this traffic.

    `elapsed` is the share of the period that is over, for the second reading.
    """
    return burn_rate(counts, target) * elapsed


def remaining(counts: Counts, target: Fraction, elapsed: Fraction = Fraction(1)) -> Fraction:
    """The share of the budget that is left: 1 is all of it, below 0 is overspent."""
    return 1 - consumed(counts, target, elapsed)


def projected(valid: Count, elapsed: Fraction) -> Fraction:
    """How many events the whole period will have at the traffic so far; `elapsed` is the share of it that is over."""
    return Fraction(valid) / elapsed


def allowed(whole: Count, target: Fraction) -> Fraction:
    """How many of all events, or slices, of a period may be bad."""
    return whole * budget(target)


def committed(counts: Counts, target: Fraction, whole: Count) -> Fraction:
    """The share of a whole period's budget that is spent for good; `whole` is all its slices, or its projected events.

    Raises:
        ZeroDivisionError: nothing is eligible in the period, so nothing is allowed.
    """
    return counts.bad / allowed(whole, target)


def exhausted_in_s(left: Fraction, period_s: int, rate: Fraction) -> Fraction | None:
    """Seconds until a budget of which `left` remains is spent at burn rate `rate`; None if it never is.

    `left` is what remains after what is spent, so a budget half spent lasts half as long as a whole one.
    """
    return max(left, Fraction(0)) * period_s / rate if rate > 0 else None


def misses(counts: Counts, target: Fraction, minimum_bad: int) -> bool:
    """Whether these counts fall short of the target by at least so many bad events.

    One failure among the first three requests of a window says little about the promise, so a few are waited for.
    """
    numerator, denominator = share_at(ALL_OF_IT, target)
    return counts.bad >= minimum_bad and counts.bad * denominator > numerator * counts.valid
