"""Sampled spans count for as many as their sampler says."""

from fractions import Fraction
from typing import Any

import pytest

from fixtures.spans import FakeSpan, batch
from processors.sli.indicator import Indicator
from processors.sli.selector import Selector
from processors.sli.slices import SliceCounter
from processors.sli.tracestate import TraceState
from processors.sli.weights import MILLION, MOST, weight_of
from processors.slo.budget import sli
from processors.slo.sampling import effective_size
from processors.slo.sums import Counted

SERVED = {"where": {"kind": "server"}}
GOOD = Selector.model_validate({"where": {"outcome": "success"}})
SUMS = ("Good", "Valid", "GoodExtra", "ValidExtra", "Squares", "Weighted")


def works(**sampling: Any) -> Indicator:
    return Indicator(name="a", generation="1", valid=Selector.model_validate(SERVED | sampling), good=GOOD)


def counted(spans: list[FakeSpan], indicator: Indicator) -> Counted:
    """The sums of one slice."""
    rows = SliceCounter([indicator]).count(batch(spans)).records.to_pylist()
    return Counted(*(sum(row[name] for row in rows) for name in SUMS))


def mixed(bad: str, good: str) -> list[FakeSpan]:
    """50 errors and 100 successes, as samplers leave them."""
    return [FakeSpan(status="ERROR", trace_state=bad)] * 50 + [FakeSpan(trace_state=good)] * 100


@pytest.mark.parametrize(
    ("tracestate", "weight"),
    [
        ("ot=th:0", 1),
        ("ot=th:8", 2),
        ("ot=th:c", 4),
        ("ot=p:2", 4),
        ("ot=p:63", 0),
        ("ot=p:64", None),
        ("ot=p:3;th:c", 4),
        ("", None),
        ("ot=th:x", None),
    ],
)
def test_oracle_16_adjusted_counts_are_exact(tracestate: str, weight: int | None) -> None:
    """The specification's examples; without a threshold the count is undefined."""
    assert TraceState.parse(tracestate).weight == weight


@pytest.mark.parametrize(
    ("threshold", "weight"), [("fd70a4", Fraction("100.000095")), ("e666666666668", Fraction("10.000000"))]
)
def test_oracle_16_adjusted_counts_to_the_millionth(threshold: str, weight: Fraction) -> None:
    """As sums keep them."""
    assert MILLION + weight_of(f"ot=th:{threshold}").extra == weight * MILLION


def test_oracle_16_the_biased_mix_is_seen_through() -> None:
    """50 errors that were all kept beside 1 % of the rest: naively a third failed, in truth one in two hundred."""
    seen = counted(mixed("ot=th:0", "ot=th:fd70a4"), works())
    assert round(float(1 - Fraction(seen.good, seen.valid)) * 100, 2) == 33.33
    assert round(float(1 - sli(seen.counts)) * 100, 5) == 0.49751
    assert seen.squared_weights is not None
    assert round(float(effective_size(seen.counts.valid, seen.squared_weights)), 1) == 101.0
    assert seen.unweighted_share == 0


def test_spans_without_a_threshold_count_once_and_their_share_is_known() -> None:
    """Undefined is not zero, and not hidden."""
    seen = counted(mixed("", "ot=th:8"), works())
    assert (seen.counts.good, seen.counts.valid) == (200, 250)
    assert seen.unweighted_share == Fraction(50, 150)


def test_none_ignores_what_samplers_say() -> None:
    """And so does p:63, which stands for nothing otherwise."""
    spans = mixed("ot=p:63", "ot=th:fd70a4")
    assert counted(spans, works(sampling="none")) == Counted(good=100, valid=150)
    assert counted(spans, works()).valid == 100


def test_weights_beyond_the_cap_are_counted_as_the_cap_and_said() -> None:
    """So no sum passes 64 bits."""
    counter = SliceCounter([works()])
    (row,) = counter.count(batch([FakeSpan(trace_state="ot=th:ffffffffffffff")] * 3)).records.to_pylist()
    assert row["ValidExtra"] == 3 * (MOST - 1) * MILLION
    assert row["Squares"] == 3 * (MOST * MOST - 1)
    assert counter.capped_total == 3


def test_weights_add_up_whatever_the_cut() -> None:
    """Whole numbers merge in any order."""
    spans = mixed("ot=th:8", "ot=th:fd70a4")
    whole, parts = counted(spans, works()), [counted(spans[:70], works()), counted(spans[70:], works())]
    for name in ("good", "valid", "good_extra", "valid_extra", "squares", "weighted"):
        assert getattr(whole, name) == sum(getattr(part, name) for part in parts)


def test_tail_sampling_must_be_asked_for_in_words() -> None:
    """Its bias is not refused twice."""
    assert sli(counted(mixed("", ""), works(sampling="tail", acceptBias=True)).counts) == Fraction(2, 3)
