"""Spans as rows of `otel_traces`: the columns of the collector's ClickHouse exporter, names, order and spellings.

In: a `scanner.Window` filled by a program that wants WANTED. Out: record batches, one row a span. Promised, besides
what `reader` says: a kind or status without a name counts as unset; a span that ends before it starts took no time.
"""

from collections.abc import Iterator

import numpy as np
import pyarrow as pa

from receivers.otlp import columns
from receivers.otlp.columns import Attributes
from receivers.otlp.reader import PAIR, SPAN_ID, TRACE_ID, Decoded, Reader, Repeated, Sheet
from receivers.otlp.scanner import Window
from receivers.otlp.schema import Item

TABLE = "otel_traces"
RESOURCES = "resource_spans"
SCOPES = "resource_spans.scope_spans"
SPANS = "resource_spans.scope_spans.spans"
EVENTS = f"{SPANS}.events"
LINKS = f"{SPANS}.links"
ATTRIBUTES_OF = {
    RESOURCES: "resource_spans.resource.attributes",
    SPANS: f"{SPANS}.attributes",
    EVENTS: f"{EVENTS}.attributes",
    LINKS: f"{LINKS}.attributes",
}

# trace.proto: the ids are not all zero
ITEMS = {
    SPANS: Item(ids={"trace_id": TRACE_ID, "span_id": SPAN_ID}, times=("start_time_unix_nano", "end_time_unix_nano"))
}
WANTED = {
    RESOURCES: (),
    SCOPES: ("scope.name", "scope.version"),
    SPANS: (
        *("trace_id", "span_id", "parent_span_id", "trace_state", "name", "kind"),
        *("start_time_unix_nano", "end_time_unix_nano", "status.message", "status.code"),
    ),
    EVENTS: ("time_unix_nano", "name"),
    LINKS: ("trace_id", "span_id", "trace_state"),
    **dict.fromkeys(ATTRIBUTES_OF.values(), PAIR),
}
KINDS = pa.array(["Unspecified", "Internal", "Server", "Client", "Producer", "Consumer"])
STATUSES = pa.array(["Unset", "Ok", "Error"])
SCHEMA = pa.schema(
    {
        "Timestamp": columns.TIMESTAMP,
        "TraceId": pa.string(),
        "SpanId": pa.string(),
        "ParentSpanId": pa.string(),
        "TraceState": pa.string(),
        "SpanName": columns.NAME,
        "SpanKind": columns.NAME,
        "ServiceName": columns.NAME,
        "ResourceAttributes": columns.ATTRIBUTES,
        "ScopeName": columns.NAME,
        "ScopeVersion": columns.NAME,
        "SpanAttributes": columns.ATTRIBUTES,
        "Duration": pa.uint64(),
        "StatusCode": columns.NAME,
        "StatusMessage": pa.string(),
        "Events.Timestamp": pa.list_(columns.TIMESTAMP),
        "Events.Name": pa.list_(columns.NAME),
        "Events.Attributes": pa.list_(columns.ATTRIBUTES),
        "Links.TraceId": pa.list_(pa.string()),
        "Links.SpanId": pa.list_(pa.string()),
        "Links.TraceState": pa.list_(pa.string()),
        "Links.Attributes": pa.list_(columns.ATTRIBUTES),
    }
)
NO_EVENTS, NO_LINKS = (columns.nothing(SCHEMA, prefix) for prefix in ("Events.", "Links."))


def batches(window: Window, _received_ns: int) -> Iterator[Decoded]:
    """The window's spans, in order; at least one batch."""
    reader = Reader(window)
    yield from _sheet(reader).batches(reader, window.rejected)


def _sheet(reader: Reader) -> Sheet:
    window = reader.window
    scope_of = columns.owners(window.first(SCOPES, SPANS))
    resource_of = columns.owners(window.first(RESOURCES, SCOPES))[scope_of]
    resources, spans, events, links = (reader.attributes(owner, path) for owner, path in ATTRIBUTES_OF.items())
    start, end = reader.times(SPANS, "start_time_unix_nano"), reader.times(SPANS, "end_time_unix_nano")
    reader.mended.reversed = int(np.count_nonzero(end < start))
    arrays = {
        "Timestamp": columns.timestamps(start),
        "TraceId": reader.ids(SPANS, "trace_id"),
        "SpanId": reader.ids(SPANS, "span_id"),
        "ParentSpanId": reader.ids(SPANS, "parent_span_id"),
        "TraceState": reader.texts(SPANS, "trace_state"),
        "SpanName": reader.labels(SPANS, "name"),
        "SpanKind": columns.spellings(reader.words(SPANS, "kind"), KINDS),
        "ServiceName": reader.service_names(resources, resource_of),
        "ScopeName": reader.labels(SCOPES, "scope.name", scope_of),
        "ScopeVersion": reader.labels(SCOPES, "scope.version", scope_of),
        "SpanAttributes": spans.array(reader.names),
        "Duration": pa.array(np.where(end < start, np.uint64(0), end - start)),
        "StatusCode": columns.spellings(reader.words(SPANS, "status.code"), STATUSES),
        "StatusMessage": reader.texts(SPANS, "status.message"),
        **reader.lists(SPANS, EVENTS, _events(reader, events) if len(window.rows[EVENTS]) else NO_EVENTS),
        **reader.lists(SPANS, LINKS, _links(reader, links) if len(window.rows[LINKS]) else NO_LINKS),
    }
    return Sheet(
        table=TABLE,
        schema=SCHEMA,
        arrays=arrays,
        repeated=[Repeated("ResourceAttributes", resources, resource_of)],
    )


def _events(reader: Reader, attributes: Attributes) -> dict[str, pa.Array]:
    return {
        "Events.Timestamp": columns.timestamps(reader.times(EVENTS, "time_unix_nano")),
        "Events.Name": reader.labels(EVENTS, "name"),
        "Events.Attributes": attributes.array(reader.names),
    }


def _links(reader: Reader, attributes: Attributes) -> dict[str, pa.Array]:
    return {
        "Links.TraceId": reader.ids(LINKS, "trace_id"),
        "Links.SpanId": reader.ids(LINKS, "span_id"),
        "Links.TraceState": reader.texts(LINKS, "trace_state"),
        "Links.Attributes": attributes.array(reader.names),
    }
