"""Points of sums and histograms, written down for whoever counts them once their neighbours are known.

In: batches of `otel_metrics_sum`, `_histogram` and `_exp_histogram`. Out: rows of `sli_points`: for each indicator the
events that a point counts, on the side of the valid ones and on that of the good or bad. Pure but for the group names
seen, so any worker may see any point of a series. What has no value, no time, no temporality, or may fall as well as
rise is left out.

A side that says `name` is of a metric of its own, and its series stand for themselves: good ones are added to what is
good of the valid ones, which is nothing, bad ones taken from what is good of them, which is all. Any other selects
among the valid ones, and is written beside them as good.
"""

import json
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from hashlib import blake2b

import numpy as np
import numpy.typing as npt
import pyarrow as pa

from pipeline.batch import Batch
from processors.sli import buckets
from processors.sli.columns import Ints, Mask, MetricColumns
from processors.sli.groups import GroupNames
from processors.sli.indicator import Indicator
from processors.sli.mask import selected, where_mask
from processors.sli.selector import Condition, Where, conditions

SUMS, HISTOGRAMS, EXPONENTIAL = "otel_metrics_sum", "otel_metrics_histogram", "otel_metrics_exp_histogram"
SERIES_TABLES = (SUMS, HISTOGRAMS, EXPONENTIAL)
VALID, GOOD, BAD = "valid", "good", "bad"
DELTA, CUMULATIVE = 1, 2  # metrics.proto: AggregationTemporality
VALUE = "value"
IDENTITY = (
    *("ServiceName", "ResourceAttributes", "ScopeName", "ScopeVersion", "ScopeAttributes"),
    *("MetricName", "MetricUnit", "Attributes"),
)
NAME = pa.dictionary(pa.int32(), pa.string())
SCHEMA = pa.schema(
    {
        "Indicator": NAME,
        "Generation": NAME,
        "Group": pa.string(),
        "Side": NAME,
        "Series": pa.uint64(),
        "StartTimeUnix": pa.timestamp("ns"),
        "TimeUnix": pa.timestamp("ns"),
        "Temporality": pa.uint8(),
        "Value": pa.float64(),
        "ReceivedAt": pa.timestamp("ms", "UTC"),
    }
)
NONE = pa.RecordBatch.from_pylist([], schema=SCHEMA)

Floats = npt.NDArray[np.float64]


@dataclass(frozen=True, slots=True, kw_only=True)
class Side:
    """How many events of which side each of some points counts."""

    name: str
    rows: Ints
    values: Floats  # of every point of the batch


class SeriesPoints:
    """Picks the points that indicators count."""

    def __init__(self, indicators: Sequence[Indicator], groups: Sequence[GroupNames]) -> None:
        pairs = zip(indicators, groups, strict=True)
        self._indicators = [(indicator, names) for indicator, names in pairs if indicator.signal == "metrics"]

    def points(self, batch: Batch) -> pa.RecordBatch:
        """The rows of `sli_points` of one batch."""
        if not self._indicators:
            return NONE
        rows = [
            one
            for table in SERIES_TABLES
            for record in batch.tables.get(table, ())
            for indicator, names in self._indicators
            for one in _rows(indicator, names, _Points(table, record), batch.received_ns)
        ]
        if not rows:
            return NONE
        (together,) = pa.Table.from_batches(rows).combine_chunks().to_batches()
        return together


class _Points:
    """One batch of points of sums or histograms."""

    def __init__(self, table: str, record: pa.RecordBatch) -> None:
        self.table, self.record = table, record
        self.columns = MetricColumns(record)
        value = "Value" if table == SUMS else "Count"
        self.totals: Floats = np.asarray(record.column(value).to_numpy(), np.float64)
        self.temporality = np.asarray(record.column("AggregationTemporality").to_numpy(), np.int64)

    @property
    def usable(self) -> Mask:
        """Which points can be counted."""
        with np.errstate(invalid="ignore"):
            usable = self.columns.recorded & np.isfinite(self.totals) & (self.totals >= 0)
        usable &= (self.columns.event_ns > 0) & np.isin(self.temporality, (DELTA, CUMULATIVE))
        if self.table == SUMS:
            usable &= self.record.column("IsMonotonic").to_numpy(zero_copy_only=False)
        return np.asarray(usable, np.bool_)

    def within(self, condition: Condition) -> Floats:
        """How many events of each point were surely within; a sum knows nothing of values."""
        count = buckets.explicit if self.table == HISTOGRAMS else buckets.exponential
        return count(self.record, condition).certain.astype(np.float64)

    def series(self, rows: Ints) -> Iterator[int]:
        """Who each of some points belongs to."""
        taken = self.record.select(list(IDENTITY)).take(pa.array(rows))
        for one in zip(*(column.to_pylist() for column in taken.columns), strict=True):
            identity = [self.table, *(sorted(part) if isinstance(part, list) else part for part in one)]
            digest = blake2b(json.dumps(identity, ensure_ascii=False).encode("utf-8", "surrogatepass"), digest_size=8)
            yield int.from_bytes(digest.digest(), "big")


def parts(where: Where) -> tuple[Condition | None, Where]:
    """What is asked of the value of an event, and what of the point that counts it."""
    value = where.get(VALUE)
    rest = {key: clause for key, clause in where.items() if key != VALUE}
    return value if isinstance(value, Condition) else None, rest


def stands_alone(where: Where) -> bool:
    """Whether a side is of a metric of its own."""
    return any(field == "name" for field, _ in conditions(where))


def _sides(indicator: Indicator, points: _Points) -> Iterator[Side]:
    value, rest = parts(indicator.part.where)
    if points.table == SUMS and value is not None:
        return
    is_good = indicator.good is not None
    usable = points.usable
    valid, part = selected(indicator.valid, points.columns) & usable, where_mask(rest, points.columns)
    yield Side(name=VALID, rows=np.flatnonzero(valid), values=points.totals)
    counted = points.totals
    if value is not None:
        counted = points.within(value) if is_good else points.totals - points.within(buckets.negated(value))
    if stands_alone(rest):
        yield Side(name=GOOD if is_good else BAD, rows=np.flatnonzero(part & usable), values=counted)
        if not is_good:
            yield Side(name=GOOD, rows=np.flatnonzero(valid), values=points.totals)
    else:
        good = np.where(part, counted, 0.0) if is_good else points.totals - np.where(part, counted, 0.0)
        yield Side(name=GOOD, rows=np.flatnonzero(valid), values=good)


def _rows(indicator: Indicator, names: GroupNames, points: _Points, received_ns: int) -> Iterator[pa.RecordBatch]:
    for side in _sides(indicator, points):
        if len(side.rows):
            yield _record(indicator, names, points, side, received_ns)


def _record(indicator: Indicator, names: GroupNames, points: _Points, side: Side, received_ns: int) -> pa.RecordBatch:
    rows, count = side.rows, len(side.rows)
    groups, codes = names.codes(indicator.group_by, points.columns, rows)
    start = np.asarray(points.record.column("StartTimeUnix").cast(pa.int64()).to_numpy(), np.int64)[rows]
    columns: Mapping[str, pa.Array] = {
        "Indicator": _same(indicator.name, count),
        "Generation": _same(indicator.generation, count),
        "Group": pa.array(groups, pa.string()).take(pa.array(codes)),
        "Side": _same(side.name, count),
        "Series": pa.array(points.series(rows), pa.uint64()),
        "StartTimeUnix": pa.array(start).cast(pa.timestamp("ns")),
        "TimeUnix": pa.array(np.minimum(points.columns.event_ns[rows], received_ns)).cast(pa.timestamp("ns")),
        "Temporality": pa.array(points.temporality[rows].astype(np.uint8)),
        "Value": pa.array(side.values[rows]),
        "ReceivedAt": pa.array([received_ns // 1_000_000] * count, pa.timestamp("ms", "UTC")),
    }
    return pa.RecordBatch.from_arrays([columns[name] for name in SCHEMA.names], schema=SCHEMA)


def _same(text: str, count: int) -> pa.DictionaryArray:
    return pa.DictionaryArray.from_arrays(pa.array(np.zeros(count, np.int32)), pa.array([text], pa.string()))
