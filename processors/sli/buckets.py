"""How many events of a histogram were surely within a threshold, and how many may have been.

In: record batches of histograms, and a condition on the value of an event. Out: per point two counts: of the buckets
that lie within as a whole, which is what counts as good, and of those that reach into it. The bucket that straddles the
threshold is the difference: the error bar. Bounds are upper-inclusive (metrics.proto), of explicit and of exponential
buckets; a bound of the latter is never computed: an index is compared with that of the threshold, which is exact.
"""

from collections.abc import Callable
from dataclasses import dataclass
from math import floor, frexp, inf, log2
from typing import NamedTuple

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.compute as pc

from processors.sli.columns import Ints, Mask, within
from processors.sli.selector import ORDERING, Condition

# semantic conventions, http-metrics: what SDKs use unless they are told
USUAL_BOUNDS = (0.005, 0.01, 0.025, 0.05, 0.075, 0.1, 0.25, 0.5, 0.75, 1, 2.5, 5, 7.5, 10)
NEGATED = {"gt": "lte", "gte": "lt", "lt": "gte", "lte": "gt"}
HALF = 0.5


class Count(NamedTuple):
    """Per point: events that were surely within, and events that may have been."""

    certain: Ints
    possible: Ints


class Limit(NamedTuple):
    """Where a threshold lies between the bounds of exponential buckets: at the bound `at`, or above it."""

    at: int
    exact: bool


def limit(threshold: float, scale: int) -> Limit:
    """The largest i with base^i <= threshold, where base is 2^(2^-scale); a threshold above 0."""
    mantissa, exponent = frexp(threshold)
    power = exponent - 1  # 2^power <= threshold < 2^(power + 1)
    is_power = mantissa == HALF
    if scale <= 0:
        index = power >> -scale
        return Limit(index, is_power and index << -scale == power)
    if is_power:
        return Limit(power << scale, True)
    # Between powers of two bounds are irrational, so none is the threshold.
    index = floor(log2(threshold) * 2**scale)
    return Limit(min(max(index, power << scale), (exponent << scale) - 1), False)


def negated(condition: Condition) -> Condition:
    """What holds of a value where `condition`, of one operator, does not."""
    (operator,) = condition.asked & ORDERING
    return Condition.model_validate({NEGATED[operator]: getattr(condition, operator)})


def explicit(record: pa.RecordBatch, condition: Condition) -> Count:
    """Of explicit buckets; a point without buckets says nothing, so all of its events may have been within."""
    buckets, bounds = _Lists.of(record.column("BucketCounts")), _Lists.of(record.column("ExplicitBounds"))
    last = bounds.lengths[buckets.owners]
    index, first = buckets.places, bounds.first[buckets.owners]
    padded = np.append(bounds.values.astype(np.float64), np.nan)
    upper = np.where(index < last, padded[np.minimum(first + index, len(padded) - 1)], inf)
    lower = np.where(index > 0, padded[np.clip(first + index - 1, 0, len(padded) - 1)], -inf)
    sound = index <= last
    certain = buckets.sums(sound & _all_within(condition, lower, upper))
    possible = buckets.sums(_some_within(condition, lower, upper) | ~sound)
    counts = np.asarray(record.column("Count").to_numpy(), np.int64)
    return Count(certain, np.where(buckets.lengths == 0, counts, possible))


def exponential(record: pa.RecordBatch, condition: Condition) -> Count:
    """Of the zero bucket and of exponential buckets."""
    zero = np.asarray(record.column("ZeroCount").to_numpy(), np.int64)
    width = np.asarray(record.column("ZeroThreshold").to_numpy(), np.float64)
    certain = np.where(_zero_within(condition, width, np.all), zero, 0)
    possible = np.where(_zero_within(condition, width, np.any), zero, 0)
    scales = np.asarray(record.column("Scale").to_numpy(), np.int64)
    offset = np.asarray(record.column("PositiveOffset").to_numpy(), np.int64)
    positive, negative = (_Lists.of(record.column(f"{sign}BucketCounts")) for sign in ("Positive", "Negative"))
    index, of = positive.places + offset[positive.owners], scales[positive.owners]
    below = {operator: _below(operator, condition) for operator in sorted(condition.asked & ORDERING)}
    surely, maybe = np.ones(len(of), np.bool_), np.ones(len(of), np.bool_)
    for scale in np.unique(of).tolist():
        here = of == scale
        for operator, threshold in below.items():
            surely[here] &= _indices_within(operator, threshold, scale, index[here])
            maybe[here] &= ~_indices_within(NEGATED[operator], threshold, scale, index[here])
    under_zero = all(operator in {"lt", "lte"} and threshold >= 0 for operator, threshold in below.items())
    return Count(
        certain + positive.sums(surely) + (negative.sums() if under_zero else 0),
        possible + positive.sums(maybe) + negative.sums(),
    )


def _below(operator: str, condition: Condition) -> float:
    return float(getattr(condition, operator))


def _indices_within(operator: str, threshold: float, scale: int, index: Ints) -> Mask:
    """Which buckets (base^index, base^(index + 1)] lie within as a whole."""
    if threshold <= 0:
        return np.full(len(index), operator in {"gt", "gte"})
    at, exact = limit(threshold, scale)
    if operator == "lte":
        return index + 1 <= at
    if operator == "lt":
        return index + 1 <= at - exact
    return index >= (at if exact else at + 1)


def _zero_within(
    condition: Condition, width: npt.NDArray[np.float64], combine: Callable[..., npt.NDArray[np.bool_]]
) -> Mask:
    """Whether all, or any, of [-width, width] is within."""
    ends = np.stack([within(condition, -width), within(condition, width)])
    return np.asarray(combine(ends, axis=0), np.bool_)


def _all_within(condition: Condition, lower: npt.NDArray[np.float64], upper: npt.NDArray[np.float64]) -> Mask:
    """Whether every value in (lower, upper] is within."""
    mask = np.ones(len(lower), np.bool_)
    if condition.lte is not None:
        mask &= upper <= condition.lte
    if condition.lt is not None:
        mask &= upper < condition.lt
    for bound in (condition.gt, condition.gte):
        if bound is not None:
            mask &= lower >= bound
    return mask


def _some_within(condition: Condition, lower: npt.NDArray[np.float64], upper: npt.NDArray[np.float64]) -> Mask:
    """Whether a value in (lower, upper] may be within."""
    mask = np.ones(len(lower), np.bool_)
    for bound in (condition.lt, condition.lte):
        if bound is not None:
            mask &= lower < bound
    if condition.gt is not None:
        mask &= upper > condition.gt
    if condition.gte is not None:
        mask &= upper >= condition.gte
    return mask


@dataclass(frozen=True, slots=True, kw_only=True)
class _Lists:
    """A column of lists: all values, and for each whose it is and its place there."""

    values: npt.NDArray[np.generic]
    lengths: Ints
    first: Ints
    owners: Ints
    places: Ints

    @classmethod
    def of(cls, column: pa.ListArray) -> "_Lists":
        lengths = np.asarray(pc.list_value_length(column).to_numpy(zero_copy_only=False), np.int64)
        first = np.cumsum(lengths) - lengths
        owners = np.repeat(np.arange(len(lengths)), lengths)
        return cls(
            values=column.flatten().to_numpy(),
            lengths=lengths,
            first=first,
            owners=owners,
            places=np.arange(len(owners)) - first[owners],
        )

    def sums(self, wanted: Mask | None = None) -> Ints:
        """The sum of each list, or of the wanted values in it."""
        sums = np.zeros(len(self.lengths), np.int64)
        values = self.values.astype(np.int64)
        np.add.at(sums, self.owners, values if wanted is None else np.where(wanted, values, 0))
        return sums
