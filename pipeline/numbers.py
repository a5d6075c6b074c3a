"""Rational numbers as people write them."""

from decimal import Decimal
from fractions import Fraction


def decimal(ratio: Fraction) -> str:
    """A ratio in decimals; exact for what was written in decimals."""
    return f"{(Decimal(ratio.numerator) / Decimal(ratio.denominator)).normalize():f}"
