"""Spans as rows of `otel_traces`: the columns of the collector's ClickHouse exporter, names, order and spellings.

In: a `scanner.Window` filled by a program that wants WANTED. Out: record batches, one row a span. Promised: resource
attributes, which are repeated for every span, make further batches rather than one of more than MAX_REPEATED_BYTES.

Where the collector leaves room: duplicate keys in one attribute list stay as they came, and the first `service.name`
names the service; a kind or status without a name counts as unset; a span that ends before it starts took no time; ids
of parents and links that are not ids are empty; key_strindex and string_value_strindex, which belong to profiles, count
as absent.
"""

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
import pyarrow as pa

from receivers.otlp import columns
from receivers.otlp.arrays import Bytes, Codes, Words
from receivers.otlp.columns import Attributes
from receivers.otlp.intern import Interner
from receivers.otlp.scanner import Window

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
SERVICE_NAME = "service.name"

IDS = {"trace_id": 16, "span_id": 8}  # bytes; trace.proto: not all zero
PAIR = ("key", "value.value")
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
NO_EVENTS, NO_LINKS = (
    {each.name: pa.array([], each.type.value_type) for each in SCHEMA if each.name.startswith(prefix)}
    for prefix in ("Events.", "Links.")
)
MAX_REPEATED_BYTES = 256 << 20  # of resource attributes in one record batch


@dataclass(frozen=True, slots=True, kw_only=True)
class DecodedSpans:
    """Consecutive spans, and what had to be mended on the way to them."""

    records: pa.RecordBatch
    rejected: int  # spans left out: without valid ids, or too large
    reversed: int  # spans that end before they start
    repaired: int  # strings that were not UTF-8; a name that comes often counts once


def batches(window: Window) -> Iterator[DecodedSpans]:
    """The window's spans, in order; at least one batch."""
    spans = _Spans(window)
    for number, (begin, end) in enumerate(spans.ranges()):
        yield DecodedSpans(
            records=spans.records(begin, end),
            rejected=0 if number else window.rejected,
            reversed=0 if number else spans.reversed,
            repaired=0 if number else spans.repaired,
        )


class _Spans:
    """One window on its way to Arrow; `repaired` grows as columns are made."""

    def __init__(self, window: Window) -> None:
        self.window = window
        self.keys = Interner(window.chunk)
        self.repaired = 0
        scope_of = columns.owners(window.first(SCOPES, SPANS))
        self.resource_of = columns.owners(window.first(RESOURCES, SCOPES))[scope_of]
        attributes = {path: self._attributes(path) for path in (RESOURCES, SPANS, EVENTS, LINKS)}
        self.resources = attributes[RESOURCES]
        self.names = self._count(columns.texts(window.chunk, self.keys.words, 0))
        start, end = self._times(SPANS, "start_time_unix_nano"), self._times(SPANS, "end_time_unix_nano")
        self.reversed = int(np.count_nonzero(end < start))
        self.arrays = {
            "Timestamp": columns.timestamps(start),
            "TraceId": self._ids(SPANS, "trace_id"),
            "SpanId": self._ids(SPANS, "span_id"),
            "ParentSpanId": self._ids(SPANS, "parent_span_id"),
            "TraceState": self._texts(SPANS, "trace_state"),
            "SpanName": self._names(SPANS, "name"),
            "SpanKind": columns.spellings(self._words(SPANS, "kind"), KINDS),
            "ServiceName": self._service_names(),
            "ScopeName": self._names(SCOPES, "scope.name", scope_of),
            "ScopeVersion": self._names(SCOPES, "scope.version", scope_of),
            "SpanAttributes": attributes[SPANS].array(self.names),
            "Duration": pa.array(np.where(end < start, np.uint64(0), end - start)),
            "StatusCode": columns.spellings(self._words(SPANS, "status.code"), STATUSES),
            "StatusMessage": self._texts(SPANS, "status.message"),
            **self._lists(EVENTS, self._events(attributes[EVENTS]) if len(window.rows[EVENTS]) else NO_EVENTS),
            **self._lists(LINKS, self._links(attributes[LINKS]) if len(window.rows[LINKS]) else NO_LINKS),
        }

    def _events(self, attributes: Attributes) -> dict[str, pa.Array]:
        return {
            "Events.Timestamp": columns.timestamps(self._times(EVENTS, "time_unix_nano")),
            "Events.Name": self._names(EVENTS, "name"),
            "Events.Attributes": attributes.array(self.names),
        }

    def _links(self, attributes: Attributes) -> dict[str, pa.Array]:
        return {
            "Links.TraceId": self._ids(LINKS, "trace_id"),
            "Links.SpanId": self._ids(LINKS, "span_id"),
            "Links.TraceState": self._texts(LINKS, "trace_state"),
            "Links.Attributes": attributes.array(self.names),
        }

    def _lists(self, path: str, arrays: dict[str, pa.Array]) -> dict[str, pa.Array]:
        first = self.window.first(SPANS, path)
        return {name: columns.lists(first, array) for name, array in arrays.items()}

    def _service_names(self) -> pa.DictionaryArray:
        """Each span's resource's first `service.name`, or nothing."""
        resources = self.resources
        words = np.zeros((len(resources.first) - 1, 1), np.int64)
        found = np.flatnonzero(resources.keys == self.names.index(SERVICE_NAME).as_py())[::-1]
        owner = np.searchsorted(resources.first, found, "right") - 1
        begin = resources.ends[found].astype(np.int64)
        words[owner, 0] = (resources.ends[found + 1] - begin) << 32 | begin
        return columns.names(resources.values, words, 0, self.resource_of)[0]

    def _attributes(self, owner: str) -> Attributes:
        window, path = self.window, ATTRIBUTES_OF[owner]
        key, value = (window.word(path, column) for column in PAIR)
        first = window.first(owner, path)
        attributes = columns.attributes(window.chunk, window.rows[path], key, value, first, self.keys)
        self.repaired += attributes.repaired
        return attributes

    def _words(self, path: str, column: str) -> Words:
        return self.window.rows[path][:, self.window.word(path, column)]

    def _times(self, path: str, column: str) -> npt.NDArray[np.uint64]:
        return self._words(path, column).view(np.uint64)

    def _ids(self, path: str, column: str) -> pa.StringArray:
        length = IDS["trace_id" if column == "trace_id" else "span_id"]
        return columns.ids(*self._place(path, column), length)

    def _names(self, path: str, column: str, owners: Codes | None = None) -> pa.DictionaryArray:
        return self._count(columns.names(*self._place(path, column), owners))

    def _texts(self, path: str, column: str) -> pa.StringArray:
        return self._count(columns.texts(*self._place(path, column)))

    def _place(self, path: str, column: str) -> tuple[Bytes, Words, int]:
        return self.window.chunk, self.window.rows[path], self.window.word(path, column)

    def _count(self, made: tuple[pa.Array, int]) -> pa.Array:
        array, repaired = made
        self.repaired += repaired
        return array

    def ranges(self) -> Iterator[tuple[int, int]]:
        """Where to cut, so that the resource attributes of each part stay below MAX_REPEATED_BYTES."""
        spent = np.cumsum(self.resources.cost()[self.resource_of])
        begin, count = 0, len(spent)
        while begin < count or begin == 0:
            bound = (spent[begin - 1] if begin else 0) + MAX_REPEATED_BYTES
            end = max(int(np.searchsorted(spent, bound, "right")), begin + 1)
            yield begin, min(end, count)
            begin = end

    def records(self, begin: int, end: int) -> pa.RecordBatch:
        resources = self.resources.repeat(self.resource_of[begin:end]).array(self.names)
        arrays = self.arrays
        if end - begin < len(self.resource_of):
            arrays = {name: array.slice(begin, end - begin) for name, array in arrays.items()}
        arrays = {**arrays, "ResourceAttributes": resources}
        return pa.RecordBatch.from_arrays([arrays[name] for name in SCHEMA.names], schema=SCHEMA)
