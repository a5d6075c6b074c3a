"""What weighted events tell."""

from fractions import Fraction

from processors.slo.sampling import effective_size, variance


def test_events_of_one_weight_tell_as_much_as_were_kept() -> None:
    """A thousand events that stand for a hundred each are a thousand."""
    assert effective_size(100 * 1_000, 100**2 * 1_000) == 1_000
    assert effective_size(0, 0) == 0


def test_a_biased_mix_tells_little() -> None:
    """50 errors all kept and 100 others of which one in 100.000095 was: 150 records, and they tell as much as 101."""
    weight = Fraction(2**56, 2**56 - 0xFD70A400000000)
    size = effective_size(50 + 100 * weight, 50 + 100 * weight**2)
    assert round(float(weight), 6) == 100.000095
    assert round(size, 1) == Fraction("101.0")


def test_only_sampling_adds_variance() -> None:
    """An estimate of events that were all kept is no estimate; ten that stand for four each vary by 120."""
    assert variance(50, 50) == 0
    assert variance(10 * 4, 10 * 16) == 10 * 4 * 3
