"""What the newest minute says of a promise: the only thing that opens an incident, and the only thing that ends one.

In: counts of a short window. Out: a `Verdict`. Old windows stay hot long after the traffic is well again, so they have
no say here.
"""

from enum import StrEnum
from fractions import Fraction

from processors.slo.budget import Counts, budget, misses

STRAY = Fraction(1, 10)  # too few failures to mean anything, and at most this share


class Verdict(StrEnum):
    """From well to bad; silence and doubt neither open nor end anything."""

    WELL = "well"
    SILENT = "silent"
    DOUBTFUL = "doubtful"
    TROUBLED = "troubled"


def verdict(live: Counts, target: Fraction, minimum_bad: int) -> Verdict:
    """Troubled if the target is missed by enough events; well if it is kept, or a stray event misses it."""
    if not live.valid:
        return Verdict.SILENT
    if misses(live, target, minimum_bad):
        return Verdict.TROUBLED
    kept = live.bad_share <= max(budget(target), STRAY)
    return Verdict.WELL if kept else Verdict.DOUBTFUL
