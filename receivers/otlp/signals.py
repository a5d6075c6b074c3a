"""The signals of OTLP: what is particular to traces, metrics and logs, and what is done with all of them alike.

In: the bytes of one request, or of many concatenated, which is the same thing to protobuf; so also a whole spool chunk,
whose frame headers are fields that no message has. Out: counts (`scan`), the canonical form (`normalise`), or record
batches for the signal's tables (`decode`). Promised: rows in wire order, the same for the same bytes; what is left out
or cut is counted, by scan and decode alike; batches do not refer to the chunk; no Python object per item, and memory
bounded for any input.
"""

from collections import deque
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import cache
from typing import Any, cast

import pyarrow as pa
from google.protobuf.descriptor import Descriptor
from google.protobuf.message import DecodeError, Message
from opentelemetry.proto.collector.logs.v1 import logs_service_pb2
from opentelemetry.proto.collector.metrics.v1 import metrics_service_pb2
from opentelemetry.proto.collector.trace.v1 import trace_service_pb2

from receivers.otlp import limits, logs, metrics, scanner, spans
from receivers.otlp.arrays import Chunk
from receivers.otlp.limits import ANY_TIME, Limits
from receivers.otlp.reader import Decoded
from receivers.otlp.scanner import Counts, Window
from receivers.otlp.schema import Item, Program, compile_program
from receivers.otlp.status import TooLargeError
from receivers.otlp.tolerant import tolerant
from receivers.otlp.wire import MalformedError

MOST_REWRITTEN = 1 << 20  # nested messages: some hundred bytes each, once they are objects


@dataclass(frozen=True, slots=True, kw_only=True)
class Signal:
    """One signal; `name` is its word in paths, folders and the ledger, `rejected` its field of partial_success."""

    name: str
    item: str
    service: str
    rejected: str
    request: type[Message]
    response: type[Message]
    items: Mapping[str, Item]
    wanted: Mapping[str, Sequence[str]]
    batches: Callable[[Window, int], Iterator[Decoded]]

    @property
    def method(self) -> str:
        """The path of its gRPC method."""
        return f"/{self.service}/Export"

    @property
    def path(self) -> str:
        """The path of its HTTP endpoint."""
        return f"/v1/{self.name}"

    def scan(self, body: Chunk, limits: Limits = limits.DEFAULT, timely: tuple[int, int] = ANY_TIME) -> Counts:
        """Check and count a request without decoding it. `timely` is in nanoseconds since the epoch.

        One that is not canonical, or has untimely items, must pass `normalise` before it may be decoded.

        Raises:
            MalformedError: protobuf could not read it, or it is nested too deeply.
        """
        return scanner.count(body, self.program(), limits.words(timely))

    def normalise(self, body: bytes, timely: tuple[int, int] = ANY_TIME) -> bytes:
        """The same request in canonical form, where nobody sees the items outside of `timely`.

        Raises:
            MalformedError: protobuf cannot read it.
            TooLargeError: it is not canonical, and too much to be rewritten.
        """
        scan = self.scan(body, timely=timely)
        if not scan.canonical:
            body = self._rewritten(body)
            scan = self.scan(body, timely=timely)
        if not scan.untimely:
            return body
        return scanner.without_untimely(body, self.program(), limits.DEFAULT.words(timely), scan.untimely)

    def _rewritten(self, body: bytes) -> bytes:
        """The request as protobuf writes it, without unknown fields. It is made of objects on the way there."""
        count = scanner.messages(body, self.program())
        if count > MOST_REWRITTEN:
            raise TooLargeError(f"expected at most {MOST_REWRITTEN} messages in a request of unusual form, got {count}")
        try:
            request = tolerant(self.request).FromString(body)
        except DecodeError as error:
            raise MalformedError(str(error), 0) from error
        request.DiscardUnknownFields()
        return request.SerializeToString()

    def decode(self, chunk: Chunk, received_ns: int, limits: Limits = limits.DEFAULT) -> Iterator[Decoded]:
        """The items of all requests in `chunk`, in wire order, in as few batches as memory allows.

        What has no time of its own gets `received_ns`.

        Raises:
            MalformedError: as `scan`, or a request is not canonical.
        """
        for window in scanner.windows(chunk, self.program(), limits=limits.words()):
            yield from self.batches(window, received_ns)

    def tables(
        self, chunk: Chunk, received_ns: int, limits: Limits = limits.DEFAULT
    ) -> dict[str, tuple[pa.RecordBatch, ...]]:
        """All of `decode`, by table."""
        found: dict[str, tuple[pa.RecordBatch, ...]] = {}
        for decoded in self.decode(chunk, received_ns, limits):
            found[decoded.table] = (*found.get(decoded.table, ()), decoded.records)
        return found

    def program(self) -> Program:
        """The scan program: the same to count and to decode, for what is not wanted is not checked either."""
        return _program(self.name)


TRACES = Signal(
    name="traces",
    item="span",
    service="opentelemetry.proto.collector.trace.v1.TraceService",
    rejected="rejected_spans",
    request=trace_service_pb2.ExportTraceServiceRequest,
    response=trace_service_pb2.ExportTraceServiceResponse,
    items=spans.ITEMS,
    wanted=spans.WANTED,
    batches=spans.batches,
)
METRICS = Signal(
    name="metrics",
    item="data point",
    service="opentelemetry.proto.collector.metrics.v1.MetricsService",
    rejected="rejected_data_points",
    request=metrics_service_pb2.ExportMetricsServiceRequest,
    response=metrics_service_pb2.ExportMetricsServiceResponse,
    items=metrics.ITEMS,
    wanted=metrics.WANTED,
    batches=metrics.batches,
)
LOGS = Signal(
    name="logs",
    item="log record",
    service="opentelemetry.proto.collector.logs.v1.LogsService",
    rejected="rejected_log_records",
    request=logs_service_pb2.ExportLogsServiceRequest,
    response=logs_service_pb2.ExportLogsServiceResponse,
    items=logs.ITEMS,
    wanted=logs.WANTED,
    batches=logs.batches,
)
SIGNALS = (TRACES, METRICS, LOGS)
BY_NAME = {signal.name: signal for signal in SIGNALS}


@cache
def _program(name: str) -> Program:
    signal = BY_NAME[name]
    return compile_program(cast("Descriptor", signal.request.DESCRIPTOR), items=signal.items, wanted=signal.wanted)


def warm_up() -> None:
    """Compile every kernel, or load it from the disk cache, so that no request waits for that."""
    for signal in SIGNALS:
        signal.scan(b"")
        deque(signal.decode(b"", 0), maxlen=0)
    # What nothing has no use for: packed fields, and windows that leave a message open.
    kinds: list[dict[str, Any]] = [
        {"exponential_histogram": {"data_points": [{}, {}]}},
        {"histogram": {"data_points": [{}]}},
    ]
    request = METRICS.request(resource_metrics=[{"scope_metrics": [{"metrics": kinds}]}])
    for window in scanner.windows(request.SerializeToString(), METRICS.program(), capacity=1):
        deque(METRICS.batches(window, 0), maxlen=0)
