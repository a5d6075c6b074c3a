"""Apdex, by published examples."""

from fractions import Fraction

import pytest

from processors.sli.apdex import apdex


@pytest.mark.parametrize(
    ("satisfied", "tolerating", "frustrated", "expected"),
    [
        (60, 30, 10, Fraction(3, 4)),
        (40, 200, 48, Fraction(140, 288)),  # .4861; the page it is from ends with 0.47, which it is not
    ],
    ids=["the classic", "of 288 samples"],
)
def test_oracle_18_apdex(satisfied: int, tolerating: int, frustrated: int, expected: Fraction) -> None:
    assert apdex(satisfied, tolerating, satisfied + tolerating + frustrated) == expected


def test_nobody_waited() -> None:
    assert apdex(0, 0, 0) is None


def test_more_than_all_is_refused() -> None:
    with pytest.raises(ValueError, match="expected at most 1"):
        apdex(1, 1, 1)
