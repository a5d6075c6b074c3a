"""What sampled events tell: those that stand for more than one say less than as many events would.

In: sums of weights and of their squares. Out: rationals. Pure. Weights are adjusted counts: an event that is kept with
probability p stands for w = 1/p.
"""

from fractions import Fraction

from processors.slo.budget import Count


def effective_size(weights: Count, squares: Count) -> Fraction:
    """Kish's effective sample size: how many unweighted events tell as much, (sum of w)^2 / (sum of w^2)."""
    return Fraction(weights) ** 2 / squares if squares else Fraction(0)


def variance(weights: Count, squares: Count) -> Fraction:
    """The variance of an estimated number of events, sum of w(w - 1): what sampling adds, and nothing if all were kept.

    The sums are of those events whose number is estimated: of the bad ones for the number of bad events.
    """
    return Fraction(squares) - weights
