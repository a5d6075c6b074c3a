"""Log records as rows of `otel_logs`: the columns of the collector's ClickHouse exporter, names, order and spellings.

In: a `scanner.Window` filled by a program that wants WANTED. Out: record batches, one row a record. Promised, besides
what `reader` says: the time is that of the event, else that of its observation, else that of receipt (logs.proto); a
body is written as attribute values are; a record whose ids are not ids is kept without them.
"""

from collections.abc import Iterator

import numpy as np
import numpy.typing as npt
import pyarrow as pa

from receivers.otlp import columns
from receivers.otlp.reader import PAIR, Decoded, Reader, Repeated, Sheet
from receivers.otlp.scanner import Window
from receivers.otlp.schema import Item

TABLE = "otel_logs"
RESOURCES = "resource_logs"
SCOPES = f"{RESOURCES}.scope_logs"
RECORDS = f"{SCOPES}.log_records"
ATTRIBUTES_OF = {
    RESOURCES: f"{RESOURCES}.resource.attributes",
    SCOPES: f"{SCOPES}.scope.attributes",
    RECORDS: f"{RECORDS}.attributes",
}

ITEMS = {RECORDS: Item(times=("time_unix_nano", "observed_time_unix_nano"), either=True)}
WANTED = {
    RESOURCES: ("schema_url",),
    SCOPES: ("scope.name", "scope.version", "schema_url"),
    RECORDS: (
        *("time_unix_nano", "observed_time_unix_nano", "severity_number", "severity_text"),
        *("body.value", "trace_id", "span_id", "flags", "event_name"),
    ),
    **dict.fromkeys(ATTRIBUTES_OF.values(), PAIR),
}
TRACE_FLAGS_MASK = 0xFF  # logs.proto: LOG_RECORD_FLAGS_TRACE_FLAGS_MASK
MAX_SEVERITY = 24  # logs.proto: SEVERITY_NUMBER_FATAL4
SCHEMA = pa.schema(
    {
        "Timestamp": columns.TIMESTAMP,
        "TraceId": pa.string(),
        "SpanId": pa.string(),
        "TraceFlags": pa.uint8(),
        "SeverityText": columns.NAME,
        "SeverityNumber": pa.uint8(),
        "ServiceName": columns.NAME,
        "Body": pa.string(),
        "ResourceSchemaUrl": columns.NAME,
        "ResourceAttributes": columns.ATTRIBUTES,
        "ScopeSchemaUrl": columns.NAME,
        "ScopeName": columns.NAME,
        "ScopeVersion": columns.NAME,
        "ScopeAttributes": columns.ATTRIBUTES,
        "LogAttributes": columns.ATTRIBUTES,
        "EventName": columns.NAME,
    }
)


def batches(window: Window, received_ns: int) -> Iterator[Decoded]:
    """The window's log records, in order; at least one batch."""
    reader = Reader(window)
    yield from _sheet(reader, received_ns).batches(reader, window.rejected)


def _sheet(reader: Reader, received_ns: int) -> Sheet:
    window = reader.window
    scope_of = columns.owners(window.first(SCOPES, RECORDS))
    resource_of = columns.owners(window.first(RESOURCES, SCOPES))[scope_of]
    resources, scopes, records = (reader.attributes(owner, path) for owner, path in ATTRIBUTES_OF.items())
    arrays = {
        "Timestamp": columns.timestamps(_times(reader, received_ns)),
        "TraceId": reader.ids(RECORDS, "trace_id"),
        "SpanId": reader.ids(RECORDS, "span_id"),
        "TraceFlags": pa.array((reader.words(RECORDS, "flags") & TRACE_FLAGS_MASK).astype(np.uint8)),
        "SeverityText": reader.labels(RECORDS, "severity_text"),
        "SeverityNumber": pa.array(_severities(reader)),
        "ServiceName": reader.service_names(resources, resource_of),
        "Body": reader.values(RECORDS, "body.value"),
        "ResourceSchemaUrl": reader.labels(RESOURCES, "schema_url", resource_of),
        "ScopeSchemaUrl": reader.labels(SCOPES, "schema_url", scope_of),
        "ScopeName": reader.labels(SCOPES, "scope.name", scope_of),
        "ScopeVersion": reader.labels(SCOPES, "scope.version", scope_of),
        "LogAttributes": records.array(reader.names),
        "EventName": reader.labels(RECORDS, "event_name"),
    }
    repeated = [
        Repeated("ResourceAttributes", resources, resource_of),
        Repeated("ScopeAttributes", scopes, scope_of),
    ]
    return Sheet(table=TABLE, schema=SCHEMA, arrays=arrays, repeated=repeated)


def _times(reader: Reader, received_ns: int) -> npt.NDArray[np.uint64]:
    time, observed = reader.times(RECORDS, "time_unix_nano"), reader.times(RECORDS, "observed_time_unix_nano")
    known = np.where(time != 0, time, observed)
    return np.where(known != 0, known, np.uint64(received_ns))


def _severities(reader: Reader) -> npt.NDArray[np.uint8]:
    """Severity numbers; one that logs.proto does not have counts as unspecified."""
    numbers = reader.words(RECORDS, "severity_number").astype(np.int32)
    return np.where((numbers > 0) & (numbers <= MAX_SEVERITY), numbers, 0).astype(np.uint8)
