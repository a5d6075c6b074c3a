"""Data points as rows of `otel_metrics_*`: the columns of the collector's ClickHouse exporter, a table for each kind.

In: a `scanner.Window` filled by a program that wants WANTED. Out: record batches, one row a data point, for the tables
that have any. Promised, besides what `reader` says: integers become doubles, as the columns are; a value, sum, minimum
or maximum that is not there is 0, and a point without a recorded value has that in its `Flags`; temporalities are the
numbers of metrics.proto.
"""

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass

import numpy as np
import pyarrow as pa

from receivers.otlp import columns
from receivers.otlp.arrays import Codes
from receivers.otlp.columns import Attributes, Packed
from receivers.otlp.reader import PAIR, Decoded, Reader, Repeated, Sheet
from receivers.otlp.scanner import Window
from receivers.otlp.schema import Item

RESOURCES = "resource_metrics"
SCOPES = f"{RESOURCES}.scope_metrics"
METRICS = f"{SCOPES}.metrics"
RESOURCE_ATTRIBUTES = f"{RESOURCES}.resource.attributes"
SCOPE_ATTRIBUTES = f"{SCOPES}.scope.attributes"
AS_DOUBLE, AS_INT = 4, 6  # metrics.proto: NumberDataPoint.value
EXEMPLAR_DOUBLE, EXEMPLAR_INT = 3, 6  # metrics.proto: Exemplar.value

TIMES = {"StartTimeUnix": "start_time_unix_nano", "TimeUnix": "time_unix_nano"}
EXEMPLARS = {
    "Exemplars.FilteredAttributes": columns.ATTRIBUTES,
    "Exemplars.TimeUnix": columns.TIMESTAMP,
    "Exemplars.Value": pa.float64(),
    "Exemplars.SpanId": pa.string(),
    "Exemplars.TraceId": pa.string(),
}
POINT = {
    "ResourceAttributes": columns.ATTRIBUTES,
    "ResourceSchemaUrl": columns.NAME,
    "ScopeName": columns.NAME,
    "ScopeVersion": columns.NAME,
    "ScopeAttributes": columns.ATTRIBUTES,
    "ScopeDroppedAttrCount": pa.uint32(),
    "ScopeSchemaUrl": columns.NAME,
    "ServiceName": columns.NAME,
    "MetricName": columns.NAME,
    "MetricDescription": columns.NAME,
    "MetricUnit": columns.NAME,
    "Attributes": columns.ATTRIBUTES,
    "StartTimeUnix": columns.TIMESTAMP,
    "TimeUnix": columns.TIMESTAMP,
}

Column = Callable[["_Points"], pa.Array]


@dataclass(frozen=True, slots=True, kw_only=True)
class Kind:
    """One kind of metric: its field of `Metric`, its table, what of its points and of itself is stored, and how."""

    field: str
    table: str
    points: tuple[str, ...]
    columns: Mapping[str, tuple[pa.DataType, Column]]
    metric: tuple[str, ...] = ()
    exemplars: bool = True
    quantiles: bool = False

    @property
    def path(self) -> str:
        return f"{METRICS}.{self.field}.data_points"

    @property
    def schema(self) -> pa.Schema:
        own = {name: kind for name, (kind, _) in self.columns.items()}
        listed = {name: pa.list_(kind) for name, kind in EXEMPLARS.items()} if self.exemplars else {}
        return pa.schema(POINT | own | listed)


def _value() -> tuple[pa.DataType, Column]:
    return pa.float64(), lambda points: pa.array(points.reader.numbers(points.path, "value", AS_DOUBLE, AS_INT))


def _double(column: str) -> tuple[pa.DataType, Column]:
    return pa.float64(), lambda points: pa.array(points.reader.doubles(points.path, column))


def _whole(column: str, kind: type[np.integer]) -> tuple[pa.DataType, Column]:
    return pa.from_numpy_dtype(kind), lambda points: pa.array(points.reader.words(points.path, column).astype(kind))


def _zigzag(column: str) -> tuple[pa.DataType, Column]:
    """A sint32 (encoding.md, Signed Integers)."""

    def make(points: "_Points") -> pa.Array:
        word = points.reader.words(points.path, column).astype(np.uint32)  # as protobuf, before undoing the zigzag
        return pa.array((word >> 1).view(np.int32) ^ -(word & 1).view(np.int32))

    return pa.int32(), make


def _packed(column: str, kind: Packed) -> tuple[pa.DataType, Column]:
    return pa.list_(kind.type), lambda points: points.reader.packed(points.path, column, kind)


def _of_metric(column: str, kind: type[np.generic]) -> tuple[pa.DataType, Column]:
    def make(points: "_Points") -> pa.Array:
        return pa.array(points.reader.words(METRICS, column).astype(kind)[points.metric_of])

    return pa.from_numpy_dtype(kind), make


FLAGS = {"Flags": _whole("flags", np.uint32)}
COUNT_AND_SUM = {"Count": _whole("count", np.uint64), "Sum": _double("sum")}
MIN_AND_MAX = {"Min": _double("min"), "Max": _double("max")}

GAUGE = Kind(
    field="gauge",
    table="otel_metrics_gauge",
    points=("value", "flags"),
    columns={"Value": _value(), **FLAGS},
)
SUM = Kind(
    field="sum",
    table="otel_metrics_sum",
    points=("value", "flags"),
    metric=("sum.aggregation_temporality", "sum.is_monotonic"),
    columns={
        "Value": _value(),
        **FLAGS,
        "AggregationTemporality": _of_metric("sum.aggregation_temporality", np.int32),
        "IsMonotonic": _of_metric("sum.is_monotonic", np.bool_),
    },
)
HISTOGRAM = Kind(
    field="histogram",
    table="otel_metrics_histogram",
    points=("count", "sum", "bucket_counts", "explicit_bounds", "flags", "min", "max"),
    metric=("histogram.aggregation_temporality",),
    columns={
        **COUNT_AND_SUM,
        "BucketCounts": _packed("bucket_counts", Packed.FIXED64),
        "ExplicitBounds": _packed("explicit_bounds", Packed.DOUBLES),
        **FLAGS,
        **MIN_AND_MAX,
        "AggregationTemporality": _of_metric("histogram.aggregation_temporality", np.int32),
    },
)
EXPONENTIAL_HISTOGRAM = Kind(
    field="exponential_histogram",
    table="otel_metrics_exp_histogram",
    points=(
        *("count", "sum", "scale", "zero_count", "positive.offset", "positive.bucket_counts", "negative.offset"),
        *("negative.bucket_counts", "flags", "min", "max", "zero_threshold"),
    ),
    metric=("exponential_histogram.aggregation_temporality",),
    columns={
        **COUNT_AND_SUM,
        "Scale": _zigzag("scale"),
        "ZeroCount": _whole("zero_count", np.uint64),
        "PositiveOffset": _zigzag("positive.offset"),
        "PositiveBucketCounts": _packed("positive.bucket_counts", Packed.VARINTS),
        "NegativeOffset": _zigzag("negative.offset"),
        "NegativeBucketCounts": _packed("negative.bucket_counts", Packed.VARINTS),
        **FLAGS,
        **MIN_AND_MAX,
        "AggregationTemporality": _of_metric("exponential_histogram.aggregation_temporality", np.int32),
        "ZeroThreshold": _double("zero_threshold"),
    },
)
SUMMARY = Kind(
    field="summary",
    table="otel_metrics_summary",
    points=("count", "sum", "flags"),
    exemplars=False,
    quantiles=True,
    columns={
        **COUNT_AND_SUM,
        "ValueAtQuantiles.Quantile": (pa.list_(pa.float64()), lambda points: points.quantiles("quantile")),
        "ValueAtQuantiles.Value": (pa.list_(pa.float64()), lambda points: points.quantiles("value")),
        **FLAGS,
    },
)
KINDS = (GAUGE, SUM, HISTOGRAM, EXPONENTIAL_HISTOGRAM, SUMMARY)
SCHEMAS = {kind.table: kind.schema for kind in KINDS}
NO_EXEMPLARS = columns.nothing(SCHEMAS[GAUGE.table], "Exemplars.")

ITEMS = {kind.path: Item(times=("time_unix_nano", "time_unix_nano")) for kind in KINDS}


def _tables(kind: Kind) -> dict[str, tuple[str, ...]]:
    tables = {kind.path: (*TIMES.values(), *kind.points), f"{kind.path}.attributes": PAIR}
    if kind.exemplars:
        exemplars = f"{kind.path}.exemplars"
        tables[exemplars] = ("time_unix_nano", "value", "span_id", "trace_id")
        tables[f"{exemplars}.filtered_attributes"] = PAIR
    if kind.quantiles:
        tables[f"{kind.path}.quantile_values"] = ("quantile", "value")
    return tables


WANTED = {
    RESOURCES: ("schema_url",),
    SCOPES: ("scope.name", "scope.version", "scope.dropped_attributes_count", "schema_url"),
    METRICS: ("name", "description", "unit", *(column for kind in KINDS for column in kind.metric)),
    RESOURCE_ATTRIBUTES: PAIR,
    SCOPE_ATTRIBUTES: PAIR,
    **{path: wanted for kind in KINDS for path, wanted in _tables(kind).items()},
}


def batches(window: Window, _received_ns: int) -> Iterator[Decoded]:
    """The window's data points, in order within each table; at least one batch."""
    reader = Reader(window)
    resources = reader.attributes(RESOURCES, RESOURCE_ATTRIBUTES)
    scopes = reader.attributes(SCOPES, SCOPE_ATTRIBUTES)
    found = [kind for kind in KINDS if len(window.rows[kind.path])] or [GAUGE]
    points = [_Points(reader, kind, resources, scopes) for kind in found]
    for number, one in enumerate(points):
        yield from one.sheet().batches(reader, 0 if number else window.rejected)


class _Points:
    """The points of one kind in a window. All are made before the first is turned into columns: they share keys."""

    def __init__(self, reader: Reader, kind: Kind, resources: Attributes, scopes: Attributes) -> None:
        window = reader.window
        self.reader, self.kind, self.path = reader, kind, kind.path
        self.resources, self.scopes = resources, scopes
        self.metric_of: Codes = columns.owners(window.first(METRICS, kind.path))
        self.scope_of = columns.owners(window.first(SCOPES, METRICS))[self.metric_of]
        self.resource_of = columns.owners(window.first(RESOURCES, SCOPES))[self.scope_of]
        self.attributes = reader.attributes(kind.path, f"{kind.path}.attributes")
        exemplars = f"{kind.path}.exemplars"
        has_exemplars = kind.exemplars and len(window.rows[exemplars]) > 0
        self.exemplars = reader.attributes(exemplars, f"{exemplars}.filtered_attributes") if has_exemplars else None

    def sheet(self) -> Sheet:
        reader = self.reader
        dropped = reader.words(SCOPES, "scope.dropped_attributes_count")[self.scope_of].astype(np.uint32)
        arrays = {
            "ResourceSchemaUrl": reader.labels(RESOURCES, "schema_url", self.resource_of),
            "ScopeName": reader.labels(SCOPES, "scope.name", self.scope_of),
            "ScopeVersion": reader.labels(SCOPES, "scope.version", self.scope_of),
            "ScopeDroppedAttrCount": pa.array(dropped),
            "ScopeSchemaUrl": reader.labels(SCOPES, "schema_url", self.scope_of),
            "ServiceName": reader.service_names(self.resources, self.resource_of),
            "MetricName": reader.labels(METRICS, "name", self.metric_of),
            "MetricDescription": reader.labels(METRICS, "description", self.metric_of),
            "MetricUnit": reader.labels(METRICS, "unit", self.metric_of),
            "Attributes": self.attributes.array(reader.names),
            **{name: columns.timestamps(reader.times(self.path, column)) for name, column in TIMES.items()},
            **{name: make(self) for name, (_, make) in self.kind.columns.items()},
            **(self._exemplars() if self.kind.exemplars else {}),
        }
        repeated = [
            Repeated("ResourceAttributes", self.resources, self.resource_of),
            Repeated("ScopeAttributes", self.scopes, self.scope_of),
        ]
        return Sheet(table=self.kind.table, schema=SCHEMAS[self.kind.table], arrays=arrays, repeated=repeated)

    def quantiles(self, column: str) -> pa.ListArray:
        path = f"{self.path}.quantile_values"
        return columns.lists(self.reader.window.first(self.path, path), pa.array(self.reader.doubles(path, column)))

    def _exemplars(self) -> dict[str, pa.Array]:
        path = f"{self.path}.exemplars"
        return self.reader.lists(self.path, path, self._exemplar_columns(path))

    def _exemplar_columns(self, path: str) -> dict[str, pa.Array]:
        reader = self.reader
        if self.exemplars is None:
            return NO_EXEMPLARS
        return {
            "Exemplars.FilteredAttributes": self.exemplars.array(reader.names),
            "Exemplars.TimeUnix": columns.timestamps(reader.times(path, "time_unix_nano")),
            "Exemplars.Value": pa.array(reader.numbers(path, "value", EXEMPLAR_DOUBLE, EXEMPLAR_INT)),
            "Exemplars.SpanId": reader.ids(path, "span_id"),
            "Exemplars.TraceId": reader.ids(path, "trace_id"),
        }
