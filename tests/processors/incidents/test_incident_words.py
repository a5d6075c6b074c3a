"""Incidents speak plainly, and never make it smaller than it is by a wrong word."""

from datetime import timedelta
from fractions import Fraction

import pytest

from processors.incidents.words import happened, happening, sentence, spoken


@pytest.mark.parametrize(
    ("share", "text"),
    [
        ("1", "all checkout requests are failing"),
        ("0.97", "nearly all checkout requests are failing"),
        ("0.88", "about 9 in 10 checkout requests are failing"),
        ("0.6", "about 3 in 5 checkout requests are failing"),
        ("0.5", "about 1 in 2 checkout requests is failing"),
        ("0.33", "about 1 in 3 checkout requests is failing"),
        ("0.07", "about 1 in 14 checkout requests is failing"),
        ("0.0041", "about 1 in 240 checkout requests is failing"),
        ("0.0001", "fewer than 1 in 1,000 checkout requests are failing"),
    ],
)
def test_shares_are_told_as_people_count(share: str, text: str) -> None:
    """One in so many, or most of them."""
    assert happening(Fraction(share), "checkout requests", slow=False) == text


def test_slowness_is_told_as_slowness() -> None:
    """A request that was slow did not fail."""
    assert happening(Fraction(1, 3), "requests", slow=True) == "about 1 in 3 requests is slow"
    assert happened(Fraction(2, 3), "requests", slow=True) == "about 2 in 3 requests were slow"
    assert happened(Fraction(1, 14), "requests", slow=False) == "about 1 in 14 requests failed"


@pytest.mark.parametrize(
    ("seconds", "text"),
    [
        (0, "0 s"),
        (18.9, "18 s"),
        (200, "3 min 20 s"),
        (180, "3 min"),
        (7_530, "2 h 5 min"),
        (90_061, "1 d 1 h"),
        (3_605, "1 h"),
        (-5, "0 s"),
    ],
)
def test_lengths_have_two_units_at_most(seconds: float, text: str) -> None:
    """Cut, not rounded."""
    assert spoken(timedelta(seconds=seconds)) == text


def test_sentences_begin_with_a_capital() -> None:
    """And only that is changed."""
    assert sentence("about 1 in 3 API requests") == "About 1 in 3 API requests"
