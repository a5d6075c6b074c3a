"""The one declaration of columns: what the migrations create, the exporter sends and readers select.

A test applies the migrations to a real engine and compares `system.columns` with what stands here. A column added
later comes last, with a default, so that older writers keep working.
"""

from collections.abc import Mapping
from dataclasses import dataclass

DEDUPLICATION_WINDOW = 10_000  # inserts a table remembers: hours of chunks, and far more than a replay can bring back

ATTRIBUTES = "Map(LowCardinality(String), String)"
STATE = "LowCardinality(String)"


@dataclass(frozen=True, slots=True)
class Table:
    """A table's name and its columns, ClickHouse type by name, in order."""

    name: str
    columns: Mapping[str, str]


# The collector's clickhouseexporter, column for column, so that Grafana, HyperDX and other writers work on it.
OTEL_TRACES = Table(
    "otel_traces",
    {
        "Timestamp": "DateTime64(9)",
        "TraceId": "String",
        "SpanId": "String",
        "ParentSpanId": "String",
        "TraceState": "String",
        "SpanName": "LowCardinality(String)",
        "SpanKind": "LowCardinality(String)",
        "ServiceName": "LowCardinality(String)",
        "ResourceAttributes": ATTRIBUTES,
        "ScopeName": "String",
        "ScopeVersion": "String",
        "SpanAttributes": ATTRIBUTES,
        "Duration": "UInt64",
        "StatusCode": "LowCardinality(String)",
        "StatusMessage": "String",
        "Events.Timestamp": "Array(DateTime64(9))",
        "Events.Name": "Array(LowCardinality(String))",
        "Events.Attributes": f"Array({ATTRIBUTES})",
        "Links.TraceId": "Array(String)",
        "Links.SpanId": "Array(String)",
        "Links.TraceState": "Array(String)",
        "Links.Attributes": f"Array({ATTRIBUTES})",
    },
)

OTEL_LOGS = Table(
    "otel_logs",
    {
        "Timestamp": "DateTime64(9)",
        "TraceId": "String",
        "SpanId": "String",
        "TraceFlags": "UInt8",
        "SeverityText": "LowCardinality(String)",
        "SeverityNumber": "UInt8",
        "ServiceName": "LowCardinality(String)",
        "Body": "String",
        "ResourceSchemaUrl": "LowCardinality(String)",
        "ResourceAttributes": ATTRIBUTES,
        "ScopeSchemaUrl": "LowCardinality(String)",
        "ScopeName": "String",
        "ScopeVersion": "LowCardinality(String)",
        "ScopeAttributes": ATTRIBUTES,
        "LogAttributes": ATTRIBUTES,
        "EventName": "String",
    },
)

_POINT = {
    "ResourceAttributes": ATTRIBUTES,
    "ResourceSchemaUrl": "String",
    "ScopeName": "String",
    "ScopeVersion": "String",
    "ScopeAttributes": ATTRIBUTES,
    "ScopeDroppedAttrCount": "UInt32",
    "ScopeSchemaUrl": "String",
    "ServiceName": "LowCardinality(String)",
    "MetricName": "String",
    "MetricDescription": "String",
    "MetricUnit": "String",
    "Attributes": ATTRIBUTES,
    "StartTimeUnix": "DateTime64(9)",
    "TimeUnix": "DateTime64(9)",
}
_EXEMPLARS = {
    "Exemplars.FilteredAttributes": f"Array({ATTRIBUTES})",
    "Exemplars.TimeUnix": "Array(DateTime64(9))",
    "Exemplars.Value": "Array(Float64)",
    "Exemplars.SpanId": "Array(String)",
    "Exemplars.TraceId": "Array(String)",
}
_COUNT_AND_SUM = {"Count": "UInt64", "Sum": "Float64"}
_MIN_AND_MAX = {"Min": "Float64", "Max": "Float64"}
_FLAGS = {"Flags": "UInt32"}
_TEMPORALITY = {"AggregationTemporality": "Int32"}

OTEL_METRICS_GAUGE = Table("otel_metrics_gauge", {**_POINT, "Value": "Float64", **_FLAGS, **_EXEMPLARS})
OTEL_METRICS_SUM = Table(
    "otel_metrics_sum",
    {**_POINT, "Value": "Float64", **_FLAGS, **_TEMPORALITY, "IsMonotonic": "Bool", **_EXEMPLARS},
)
OTEL_METRICS_HISTOGRAM = Table(
    "otel_metrics_histogram",
    {
        **_POINT,
        **_COUNT_AND_SUM,
        "BucketCounts": "Array(UInt64)",
        "ExplicitBounds": "Array(Float64)",
        **_EXEMPLARS,
        **_FLAGS,
        **_MIN_AND_MAX,
        **_TEMPORALITY,
    },
)
OTEL_METRICS_EXP_HISTOGRAM = Table(
    "otel_metrics_exp_histogram",
    {
        **_POINT,
        **_COUNT_AND_SUM,
        "Scale": "Int32",
        "ZeroCount": "UInt64",
        "PositiveOffset": "Int32",
        "PositiveBucketCounts": "Array(UInt64)",
        "NegativeOffset": "Int32",
        "NegativeBucketCounts": "Array(UInt64)",
        **_EXEMPLARS,
        **_FLAGS,
        **_MIN_AND_MAX,
        **_TEMPORALITY,
        "ZeroThreshold": "Float64",
    },
)
OTEL_METRICS_SUMMARY = Table(
    "otel_metrics_summary",
    {
        **_POINT,
        **_COUNT_AND_SUM,
        "ValueAtQuantiles.Quantile": "Array(Float64)",
        "ValueAtQuantiles.Value": "Array(Float64)",
        **_FLAGS,
    },
)

OTEL_TRACES_TRACE_ID_TS = Table(
    "otel_traces_trace_id_ts", {"TraceId": "String", "Start": "DateTime", "End": "DateTime"}
)

# Data points that mean nothing without the one before them, as they came.
SLI_POINTS = Table(
    "sli_points",
    {
        "Indicator": "LowCardinality(String)",
        "Generation": "LowCardinality(String)",
        "Group": "String",
        "Side": "LowCardinality(String)",
        "Series": "UInt64",
        "StartTimeUnix": "DateTime64(9)",
        "TimeUnix": "DateTime64(9)",
        "Temporality": "UInt8",
        "Value": "Float64",
        "ReceivedAt": "DateTime64(3, 'UTC')",
    },
)

# The tables of telemetry, and the column that says how old a row is.
TELEMETRY = {
    OTEL_TRACES.name: "Timestamp",
    OTEL_TRACES_TRACE_ID_TS.name: "Start",
    OTEL_LOGS.name: "Timestamp",
    OTEL_METRICS_GAUGE.name: "TimeUnix",
    OTEL_METRICS_SUM.name: "TimeUnix",
    OTEL_METRICS_HISTOGRAM.name: "TimeUnix",
    OTEL_METRICS_EXP_HISTOGRAM.name: "TimeUnix",
    OTEL_METRICS_SUMMARY.name: "TimeUnix",
    SLI_POINTS.name: "TimeUnix",
}

# Sums that merge: what every chunk adds to an indicator's 10 seconds of event time.
SLI_SLICES = Table(
    "sli_slices",
    {
        "Indicator": "LowCardinality(String)",
        "Generation": "LowCardinality(String)",
        "Group": "String",
        "Slice": "DateTime('UTC')",
        "Good": "SimpleAggregateFunction(sum, UInt64)",
        "Valid": "SimpleAggregateFunction(sum, UInt64)",
        "Late": "SimpleAggregateFunction(sum, UInt64)",
        "BadTraceIds": "SimpleAggregateFunction(groupUniqArrayArray(5), Array(String))",
        "ReceivedAt": "SimpleAggregateFunction(max, DateTime64(3, 'UTC'))",
        "GoodExtra": "SimpleAggregateFunction(sum, UInt64)",
        "ValidExtra": "SimpleAggregateFunction(sum, UInt64)",
        "Squares": "SimpleAggregateFunction(sum, UInt64)",
        "Weighted": "SimpleAggregateFunction(sum, UInt64)",
    },
)

# What was made of `sli_points`: totals of each slice so far, and what each batch added to `sli_slices`.
SLI_DERIVED = Table(
    "sli_derived",
    {
        "Batch": "UInt64",
        "Previous": "UInt64",
        "Indicator": "LowCardinality(String)",
        "Generation": "LowCardinality(String)",
        "Group": "String",
        "Slice": "DateTime('UTC')",
        "Good": "UInt64",
        "Valid": "UInt64",
        "GoodAdded": "UInt64",
        "ValidAdded": "UInt64",
        "LateAdded": "UInt64",
    },
)

_SUMMED = ("Good", "Valid", "GoodExtra", "ValidExtra", "Squares", "Weighted")
_SUMS = dict.fromkeys(_SUMMED, "SimpleAggregateFunction(sum, UInt64)")
_INDICATOR = {"Indicator": "LowCardinality(String)", "Generation": "LowCardinality(String)"}

# The same by the minute and by the hour, groups summed; views fill them.
SLI_MINUTES = Table(
    "sli_minutes",
    {
        **_INDICATOR,
        "Minute": "DateTime('UTC')",
        **_SUMS,
        "Newest": "SimpleAggregateFunction(max, DateTime('UTC'))",
        "StoredAt": "SimpleAggregateFunction(max, DateTime64(3, 'UTC'))",
    },
)
SLI_HOURS = Table(
    "sli_hours",
    {**_INDICATOR, "Hour": "DateTime('UTC')", **_SUMS, "Newest": "SimpleAggregateFunction(max, DateTime('UTC'))"},
)

# The proof that silence was silence: who listened when, and what came of what arrived.
RECEIVER_LEDGER = Table(
    "receiver_ledger",
    {
        "Worker": "String",
        "Signal": "LowCardinality(String)",
        "Slice": "DateTime('UTC')",
        "ListeningMs": "SimpleAggregateFunction(sum, UInt64)",
        "Accepted": "SimpleAggregateFunction(sum, UInt64)",
        "Refused": "SimpleAggregateFunction(sum, UInt64)",
        "Shed": "SimpleAggregateFunction(sum, UInt64)",
        "StoredUntil": "SimpleAggregateFunction(max, DateTime64(3, 'UTC'))",
    },
)

# Every generation of every document; the newest row of a (Kind, Name) says which is in force, or that none is.
DEFINITIONS = Table(
    "definitions",
    {
        "At": "DateTime64(3, 'UTC')",
        "Kind": "LowCardinality(String)",
        "Name": "String",
        "Generation": "String",
        "Active": "Bool",
        "Service": "String",
        "Document": "String",
        "Hash": "String",
    },
)

# What was known of each promise at each evaluation. A promise is an objective of an SLO or of an agreement.
SLO_STATUS = Table(
    "slo_status",
    {
        "At": "DateTime64(3, 'UTC')",
        "Kind": "LowCardinality(String)",
        "Promise": "String",
        "Generation": "LowCardinality(String)",
        "Service": "LowCardinality(String)",
        "Indicator": "LowCardinality(String)",
        "IndicatorGeneration": "LowCardinality(String)",
        "Law": "LowCardinality(String)",
        "State": STATE,
        "Target": "Decimal(18, 12)",
        "WindowStart": "DateTime64(3, 'UTC')",
        "WindowEnd": "DateTime64(3, 'UTC')",
        "Good": "UInt64",
        "Valid": "UInt64",
        "BudgetRemaining": "Float64",
        "Coverage": "Float64",
        "LiveGood": "UInt64",
        "LiveValid": "UInt64",
        "LastEventAt": "DateTime64(3, 'UTC')",
        "Windows.Name": "Array(LowCardinality(String))",
        "Windows.Good": "Array(UInt64)",
        "Windows.Valid": "Array(UInt64)",
        "Windows.BurnRate": "Array(Float64)",
        "Unseen": "Float64",
        "Lower": "Nullable(Float64)",
        "Upper": "Nullable(Float64)",
        "ExhaustedInS": "Nullable(Float64)",
        "UnweightedShare": "Nullable(Float64)",
    },
)

# What became of each slice of time that a law counts, with every revision.
SLICE_STATES = Table(
    "slice_states",
    {
        "Kind": "LowCardinality(String)",
        "Promise": "String",
        "Generation": "LowCardinality(String)",
        "Slice": "DateTime('UTC')",
        "Revision": "UInt32",
        "At": "DateTime64(3, 'UTC')",
        "Seconds": "UInt32",
        "State": STATE,
        "Good": "UInt64",
        "Valid": "UInt64",
        "HeardMs": "UInt64",
    },
)

# Closed periods; a correction is another revision.
PERIOD_RESULTS = Table(
    "period_results",
    {
        "Kind": "LowCardinality(String)",
        "Promise": "String",
        "Generation": "LowCardinality(String)",
        "Agreement": "String",
        "Service": "LowCardinality(String)",
        "Period": "String",
        "PeriodStart": "DateTime64(3, 'UTC')",
        "PeriodEnd": "DateTime64(3, 'UTC')",
        "Revision": "UInt32",
        "ClosedAt": "DateTime64(3, 'UTC')",
        "Law": "LowCardinality(String)",
        "Target": "Decimal(18, 12)",
        "Good": "String",
        "Eligible": "String",
        "Delivered": "Nullable(Float64)",
        "Lower": "Nullable(Float64)",
        "Upper": "Nullable(Float64)",
        "Coverage": "Float64",
        "Verdict": STATE,
        "DowntimeS": "UInt64",
        "CreditShare": "Decimal(18, 12)",
        "Record": "String",
        "InputsHash": "String",
        "PreviousHash": "String",
        "Hash": "String",
        "Author": "String",
        "Reason": "String",
    },
)

# One row a change of a promise's state: when, under which law, by which numbers, with what evidence.
BREACHES = Table(
    "breaches",
    {
        "Id": "String",
        "At": "DateTime64(3, 'UTC')",
        "Kind": "LowCardinality(String)",
        "Promise": "String",
        "Generation": "LowCardinality(String)",
        "Service": "LowCardinality(String)",
        "Law": "LowCardinality(String)",
        "Event": STATE,
        "Previous": STATE,
        "State": STATE,
        "Since": "DateTime64(3, 'UTC')",
        "Window": "LowCardinality(String)",
        "WindowStart": "DateTime64(3, 'UTC')",
        "WindowEnd": "DateTime64(3, 'UTC')",
        "Good": "UInt64",
        "Valid": "UInt64",
        "Target": "Decimal(18, 12)",
        "BurnRate": "Float64",
        "Threshold": "Float64",
        "EvidenceTraceIds": "Array(String)",
        "Evidence": "String",
    },
)

# Event-sourced: one row a revision of an incident; `incidents_current` is a view of the newest.
INCIDENTS = Table(
    "incidents",
    {
        "Id": "String",
        "Revision": "UInt32",
        "At": "DateTime64(3, 'UTC')",
        "State": STATE,
        "Service": "LowCardinality(String)",
        "Title": "String",
        "Impact": STATE,
        "StartedAt": "DateTime64(3, 'UTC')",
        "DetectedAt": "DateTime64(3, 'UTC')",
        "ResolvedAt": "Nullable(DateTime64(3, 'UTC'))",
        "Promises": "Array(String)",
        "Good": "UInt64",
        "Valid": "UInt64",
    },
)

INCIDENT_UPDATES = Table(
    "incident_updates",
    {
        "Id": "String",
        "IncidentId": "String",
        "At": "DateTime64(3, 'UTC')",
        "Status": STATE,
        "Body": "String",
        "Automatic": "Bool",
        "Author": "String",
    },
)

TABLES = (
    OTEL_TRACES,
    OTEL_TRACES_TRACE_ID_TS,
    OTEL_LOGS,
    OTEL_METRICS_GAUGE,
    OTEL_METRICS_SUM,
    OTEL_METRICS_HISTOGRAM,
    OTEL_METRICS_EXP_HISTOGRAM,
    OTEL_METRICS_SUMMARY,
    SLI_SLICES,
    SLI_POINTS,
    SLI_DERIVED,
    SLI_MINUTES,
    SLI_HOURS,
    RECEIVER_LEDGER,
    DEFINITIONS,
    SLO_STATUS,
    SLICE_STATES,
    PERIOD_RESULTS,
    BREACHES,
    INCIDENTS,
    INCIDENT_UPDATES,
)
