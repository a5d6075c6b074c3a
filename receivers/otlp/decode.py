"""OTLP traces: from the bytes of requests to Arrow record batches with the columns of `otel_traces`.

In: one `ExportTraceServiceRequest`, or many concatenated, which is the same thing to protobuf; so also a whole spool
chunk, whose frame headers are fields that no message has. Out: counts (`scan_traces`), the canonical form
(`normalise_traces`), or a row for each span (`decode_traces`). Promised: rows in wire order, the same for the same
bytes; a span without valid ids is left out and counted, by scan and decode alike; batches do not refer to the chunk; no
Python object per span, and memory bounded for any input.
"""

from collections import deque
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from functools import cache

from google.protobuf.message import DecodeError
from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import ExportTraceServiceRequest

from receivers.otlp import scanner, spans
from receivers.otlp.arrays import Chunk
from receivers.otlp.schema import Program, compile_program
from receivers.otlp.spans import IDS, RESOURCES, SPANS, WANTED, DecodedSpans
from receivers.otlp.tolerant import tolerant
from receivers.otlp.wire import MalformedError


@dataclass(frozen=True, slots=True, kw_only=True)
class Scan:
    """What admission needs to know of a request.

    `spans` counts all, `rejected_spans` those without valid ids or with more than `wire.ITEM_ROWS` attributes, events
    or links. `inherited_bytes` is what repeating resource and scope for every span costs. A request that is not
    `canonical` must pass `normalise_traces` before it may be decoded. `rows` has the accepted rows of each table.
    """

    spans: int
    rejected_spans: int
    resource_spans: int
    inherited_bytes: int
    canonical: bool
    rows: Mapping[str, int]


def scan_traces(body: Chunk) -> Scan:
    """Check and count a request without decoding it.

    Raises:
        MalformedError: protobuf could not read it, or it passes a limit in `wire`.
    """
    counts = scanner.count(body, program())
    return Scan(
        spans=counts.rows[SPANS] + counts.rejected,
        rejected_spans=counts.rejected,
        resource_spans=counts.rows[RESOURCES],
        inherited_bytes=counts.inherited_bytes,
        canonical=counts.canonical,
        rows=counts.rows,
    )


def normalise_traces(body: bytes) -> bytes:
    """The same request in canonical form, without unknown fields.

    Raises:
        MalformedError: protobuf cannot read it.
    """
    try:
        request = tolerant(ExportTraceServiceRequest).FromString(body)
    except DecodeError as error:
        raise MalformedError(str(error), 0) from error
    request.DiscardUnknownFields()
    return request.SerializeToString()


def decode_traces(chunk: Chunk) -> Iterator[DecodedSpans]:
    """The spans of all requests in `chunk`, in wire order, in as few batches as memory allows; at least one.

    Raises:
        MalformedError: as `scan_traces`, or a request is not canonical.
    """
    for window in scanner.windows(chunk, program()):
        yield from spans.batches(window)


@cache
def program() -> Program:
    """The scan program of traces: the same to count and to decode, for what is not wanted is not checked either."""
    return compile_program(ExportTraceServiceRequest.DESCRIPTOR, item=SPANS, ids=IDS, wanted=WANTED)


def warm_up() -> None:
    """Compile every kernel, or load it from the disk cache, so that no request waits for that."""
    scan_traces(b"")
    deque(decode_traces(b""), maxlen=0)
