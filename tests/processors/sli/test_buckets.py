"""Histograms against a threshold: what was surely within, and the error bar."""

from bisect import bisect_left
from fractions import Fraction
from math import inf
from typing import Any

import pyarrow as pa
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from processors.sli.buckets import Count, explicit, exponential, limit, negated
from processors.sli.selector import Condition

BOUNDS = [0.0, 0.1, 0.25, 0.5, 1.0]
VALUES = st.lists(st.sampled_from([0.05, 0.1, 0.2, 0.25, 0.3, 0.5, 0.7, 1.0, 2.0]), max_size=20)
CONDITIONS = st.builds(
    lambda operator, threshold: Condition.model_validate({operator: threshold}),
    st.sampled_from(["lt", "lte", "gt", "gte"]),
    st.sampled_from([0.1, 0.2, 0.25, 0.3, 1, 3]),
)


def explicit_of(points: list[list[float]]) -> pa.RecordBatch:
    """Points of explicit buckets that hold such values."""
    counts = [[0] * (len(BOUNDS) + 1) for _ in points]
    for values, buckets in zip(points, counts, strict=True):
        for value in values:
            buckets[bisect_left(BOUNDS, value)] += 1
    return pa.RecordBatch.from_pydict(
        {
            "Count": pa.array([len(values) for values in points], pa.uint64()),
            "BucketCounts": pa.array(counts, pa.list_(pa.uint64())),
            "ExplicitBounds": pa.array([BOUNDS] * len(points), pa.list_(pa.float64())),
        }
    )


def exponential_of(points: list[dict[int, int]], scale: int, zero: int = 0) -> pa.RecordBatch:
    """Points of exponential buckets, counts by index."""
    offsets = [min(point, default=0) for point in points]
    counts = [
        [point.get(index, 0) for index in range(offset, max(point, default=-1) + 1)] if point else []
        for point, offset in zip(points, offsets, strict=True)
    ]
    empty: list[list[int]] = [[] for _ in points]
    columns: dict[str, Any] = {
        "Scale": pa.array([scale] * len(points), pa.int32()),
        "ZeroCount": pa.array([zero] * len(points), pa.uint64()),
        "ZeroThreshold": pa.array([0.0] * len(points), pa.float64()),
        "PositiveOffset": pa.array(offsets, pa.int32()),
        "PositiveBucketCounts": pa.array(counts, pa.list_(pa.uint64())),
        "NegativeOffset": pa.array([0] * len(points), pa.int32()),
        "NegativeBucketCounts": pa.array(empty, pa.list_(pa.uint64())),
    }
    return pa.RecordBatch.from_pydict(columns)


def test_oracle_17_indices_of_exponential_buckets() -> None:
    """Scale 3 has base 1.09051; 0.3 s falls into index -14, which is (.29730, .32421]."""
    assert round(2.0**0.125, 5) == 1.09051
    bounds = [1, 1.09051, 1.18921, 1.29684, 1.41421, 1.54221, 1.68179, 1.83401]
    assert [round(2 ** (index / 8), 5) for index in range(8)] == bounds
    assert [limit(bound + 1e-5, 3).at for bound in bounds] == list(range(8))
    assert limit(0.3, 3) == (-14, False)
    assert (round(2 ** (-14 / 8), 5), round(2 ** (-13 / 8), 5)) == (0.29730, 0.32421)
    assert exponential(exponential_of([{-15: 4, -14: 2, -13: 1}], 3, zero=3), Condition(lte=0.3)) == (
        pytest.approx([7]),
        pytest.approx([9]),
    )


def test_a_bound_belongs_to_the_bucket_below_it() -> None:
    """Explicit and exponential bounds are upper-inclusive."""
    assert explicit(explicit_of([[0.25]]), Condition(lte=0.25)).certain.tolist() == [1]
    assert explicit(explicit_of([[0.25]]), Condition(lt=0.25)).certain.tolist() == [0]
    ends_at_two = exponential_of([{7: 1}], 3)
    assert limit(2, 3) == (8, True)
    assert exponential(ends_at_two, Condition(lte=2)).certain.tolist() == [1]
    assert exponential(ends_at_two, Condition(lt=2)).certain.tolist() == [0]


@settings(deadline=None)
@given(points=st.lists(VALUES, min_size=1, max_size=4), condition=CONDITIONS)
def test_the_truth_lies_between_what_is_certain_and_what_is_possible(
    points: list[list[float]], condition: Condition
) -> None:
    """Nothing is called good that may not have been."""
    count = explicit(explicit_of(points), condition)
    for values, certain, possible in zip(points, count.certain, count.possible, strict=True):
        assert certain <= sum(holds(condition, value) for value in values) <= possible


@settings(deadline=None)
@given(counts=st.dictionaries(st.integers(-40, 40), st.integers(1, 5), max_size=8), condition=CONDITIONS)
def test_a_coarser_scale_widens_the_error_bar_and_moves_nothing_out_of_it(
    counts: dict[int, int], condition: Condition
) -> None:
    """Perfect subsetting: two buckets become one."""
    coarse: dict[int, int] = {}
    for index, count in counts.items():
        coarse[index >> 1] = coarse.get(index >> 1, 0) + count
    fine_count, coarse_count = (
        exponential(exponential_of([buckets], scale), condition) for buckets, scale in ((counts, 3), (coarse, 2))
    )
    assert coarse_count.certain[0] <= fine_count.certain[0] <= fine_count.possible[0] <= coarse_count.possible[0]


@pytest.mark.parametrize("scale", [-3, -1, 0, 1, 4, 10])
@pytest.mark.parametrize("threshold", [0.125, 0.3, 1, 1.5, 2, 1000])
def test_the_index_of_a_threshold_is_exact(scale: int, threshold: float) -> None:
    """base^index <= threshold < base^(index + 1), in whole numbers."""
    index, exact = limit(threshold, scale)
    power = 2 ** max(scale, 0)
    raised, step = Fraction(threshold) ** power, 2 ** max(-scale, 0)
    assert Fraction(2) ** (index * step) <= raised < Fraction(2) ** ((index + 1) * step)
    assert exact == (Fraction(2) ** (index * step) == raised)


def test_bad_is_whatever_a_threshold_is_not() -> None:
    """`bad: {gt: T}` and `good: {lte: T}` say the same."""
    assert [negated(Condition.model_validate({sign: 1})) for sign in ("gt", "gte", "lt", "lte")] == [
        Condition(lte=1), Condition(lt=1), Condition(gte=1), Condition(gt=1)
    ]  # fmt: skip


def test_a_histogram_without_buckets_says_nothing() -> None:
    """All of its events may have been within, and none surely was."""
    record = pa.RecordBatch.from_pydict(
        {
            "Count": pa.array([5], pa.uint64()),
            "BucketCounts": pa.array([[]], pa.list_(pa.uint64())),
            "ExplicitBounds": pa.array([[]], pa.list_(pa.float64())),
        }
    )
    assert explicit(record, Condition(lte=1)) == Count(pytest.approx([0]), pytest.approx([5]))


def holds(condition: Condition, value: float) -> bool:
    least, most = condition.gte, condition.lte
    return (
        value > (-inf if condition.gt is None else condition.gt)
        and value >= (-inf if least is None else least)
        and value < (inf if condition.lt is None else condition.lt)
        and value <= (inf if most is None else most)
    )
