"""Other writers' INSERTs into our tables: the columns that they name, in their order, and the bytes that they send.

rotel and the collector name their columns, so ours that they do not know must have defaults. rotel sends RowBinary,
which carries no types: ours must be as wide as what it sends. Its exponential histograms and summaries are not here:
the ones go to a table of ClickStack's name, which is a view with us, the others to a column `ValueAtQauntiles.Value`.
"""

from collections.abc import Mapping, Sequence

import pytest

from exporters.clickhouse import tables
from exporters.clickhouse.tables import ATTRIBUTES, Table
from fixtures.engine import Engine
from fixtures.store import Store

RESOURCE_AND_SCOPE = (
    "ResourceAttributes ResourceSchemaUrl ScopeName ScopeVersion ScopeAttributes ScopeDroppedAttrCount ScopeSchemaUrl "
    "ServiceName MetricName MetricDescription MetricUnit Attributes StartTimeUnix TimeUnix"
)
EXEMPLARS = "Exemplars.FilteredAttributes Exemplars.TimeUnix Exemplars.Value Exemplars.SpanId Exemplars.TraceId"
SPAN = (
    "Timestamp TraceId SpanId ParentSpanId TraceState SpanName SpanKind ServiceName ResourceAttributes ScopeName "
    "ScopeVersion SpanAttributes Duration StatusCode StatusMessage Events.Timestamp Events.Name Events.Attributes "
    "Links.TraceId Links.SpanId Links.TraceState Links.Attributes"
)
LOG = (
    "Timestamp TraceId SpanId TraceFlags SeverityText SeverityNumber ServiceName Body ResourceSchemaUrl "
    "ResourceAttributes ScopeSchemaUrl ScopeName ScopeVersion ScopeAttributes LogAttributes"
)
TAIL = "Flags Min Max AggregationTemporality"
EXP_BUCKETS = "Scale ZeroCount PositiveOffset PositiveBucketCounts NegativeOffset NegativeBucketCounts"
COLLECTOR = {
    "otel_traces": SPAN,
    "otel_logs": f"{LOG} EventName",
    "otel_metrics_gauge": f"{RESOURCE_AND_SCOPE} Value Flags {EXEMPLARS}",
    "otel_metrics_sum": f"{RESOURCE_AND_SCOPE} Value Flags {EXEMPLARS} AggregationTemporality IsMonotonic",
    "otel_metrics_histogram": f"{RESOURCE_AND_SCOPE} Count Sum BucketCounts ExplicitBounds {EXEMPLARS} {TAIL}",
    "otel_metrics_exp_histogram": f"{RESOURCE_AND_SCOPE} Count Sum {EXP_BUCKETS} {EXEMPLARS} {TAIL}",
    "otel_metrics_summary": f"{RESOURCE_AND_SCOPE} Count Sum ValueAtQuantiles.Quantile ValueAtQuantiles.Value Flags",
}
OLDER_COLLECTOR = {"otel_logs": LOG}
ROTEL = {
    "otel_traces": SPAN,
    "otel_logs": LOG,
    "otel_metrics_gauge": f"{RESOURCE_AND_SCOPE} Value Flags {EXEMPLARS}",
    "otel_metrics_sum": f"{RESOURCE_AND_SCOPE} Value Flags AggregationTemporality IsMonotonic {EXEMPLARS}",
    "otel_metrics_histogram": f"{RESOURCE_AND_SCOPE} Count Sum BucketCounts ExplicitBounds {TAIL} {EXEMPLARS}",
}
WRITERS = {"collector": COLLECTOR, "older collector": OLDER_COLLECTOR, "rotel": ROTEL}
INSERTS = [
    pytest.param(table, columns.split(), id=f"{writer} {table}")
    for writer, inserts in WRITERS.items()
    for table, columns in inserts.items()
]
# What rotel puts on the wire for a column, and the collector means: said again here, since a test of `tables.py` by
# itself would follow any change of it.
TYPES = {
    "Timestamp": "DateTime64(9)",
    "StartTimeUnix": "DateTime64(9)",
    "TimeUnix": "DateTime64(9)",
    "TraceFlags": "UInt8",
    "SeverityNumber": "UInt8",
    "Duration": "UInt64",
    "Value": "Float64",
    "Sum": "Float64",
    "Min": "Float64",
    "Max": "Float64",
    "Count": "UInt64",
    "ZeroCount": "UInt64",
    "Flags": "UInt32",
    "ScopeDroppedAttrCount": "UInt32",
    "AggregationTemporality": "Int32",
    "Scale": "Int32",
    "PositiveOffset": "Int32",
    "NegativeOffset": "Int32",
    "IsMonotonic": "Bool",
    "BucketCounts": "Array(UInt64)",
    "PositiveBucketCounts": "Array(UInt64)",
    "NegativeBucketCounts": "Array(UInt64)",
    "ExplicitBounds": "Array(Float64)",
    "Events.Timestamp": "Array(DateTime64(9))",
    "Exemplars.TimeUnix": "Array(DateTime64(9))",
    "Exemplars.Value": "Array(Float64)",
    "ValueAtQuantiles.Quantile": "Array(Float64)",
    "ValueAtQuantiles.Value": "Array(Float64)",
}
NESTED = ("Events.", "Links.", "Exemplars.")
TELEMETRY = {table.name: table for table in vars(tables).values() if isinstance(table, Table)}


def type_of(column: str) -> str:
    """The type of what is sent for a column; text if nothing else is known of it."""
    plain = ATTRIBUTES if column.endswith("Attributes") else "String"
    return TYPES.get(column) or (f"Array({plain})" if column.startswith(NESTED) else plain)


def sample(kind: str) -> str:
    """A value of a type that is not its default."""
    if kind.startswith("Array("):
        return f"[{sample(kind[6:-1])}]::{kind}"
    if kind == ATTRIBUTES:
        return f"map('key', 'value')::{kind}"
    values: Mapping[str, str] = {"String": "'text'", "Bool": "true", "DateTime64(9)": "'2026-11-01 12:00:00.123456789'"}
    return f"{values.get(kind, '7')}::{kind}"


@pytest.mark.parametrize(("table", "columns"), INSERTS)
def test_i08_what_others_insert_is_stored_as_they_sent_it(
    clickhouse: Engine, store: Store, table: str, columns: Sequence[str]
) -> None:
    """Every column that they name has what they sent, every other one its default."""
    database = store.client.database
    values = {column: sample(type_of(column)) for column in columns}
    row = clickhouse.ask(b"SELECT %s FORMAT RowBinary" % ", ".join(values.values()).encode())
    assert row.status == 200, row.text
    named = ", ".join(f"`{column}`" for column in columns)
    insert = f"INSERT INTO {table} ({named}) FORMAT RowBinary"
    answer = clickhouse.ask(row.body, database=database, query=insert, async_insert="1")
    assert answer.status == 200, answer.text
    held = " AND ".join(f"`{column}` = {value}" for column, value in values.items())
    rest = [column for column in TELEMETRY[table].columns if column not in columns]
    empty = " AND ".join(f"`{column}` = defaultValueOfArgumentType(`{column}`)" for column in rest) or "true"
    found = store.reader.query(f"SELECT {held} AS held, {empty} AS empty FROM {table}").to_pylist()
    assert [tuple(one.values()) for one in found] == [(True, True)]
