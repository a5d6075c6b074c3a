"""Apdex: one number for how satisfied those are who wait.

In: how many were satisfied (at most T), how many tolerated it (at most 4 T), and how many there were; an error is never
satisfying, however fast it came. Out: a ratio.

Source: Apdex Alliance, "Apdex Technical Specification", version 1.1.
"""

from fractions import Fraction

TOLERATED = 4  # times T


def apdex(satisfied: int, tolerating: int, total: int) -> Fraction | None:
    """(satisfied + tolerating / 2) / total; None where nobody waited.

    Raises:
        ValueError: there are more of the two than there are of all.
    """
    if satisfied + tolerating > total:
        raise ValueError(f"expected at most {total} satisfied and tolerating, got {satisfied} and {tolerating}")
    return (satisfied + Fraction(tolerating, 2)) / total if total else None
