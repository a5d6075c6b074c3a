"""The one door behind both transports."""

from datetime import UTC, datetime

import pytest
from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import ExportTraceServiceRequest
from opentelemetry.proto.common.v1.common_pb2 import AnyValue, KeyValue
from opentelemetry.proto.resource.v1.resource_pb2 import Resource

from fixtures.doors import request, span
from pipeline.clock import FakeClock
from pipeline.errors import PermanentError, RetryableError
from pipeline.frame import frames
from pipeline.ledger import Ledger
from pipeline.spool import Spool, SpoolConfig
from receivers.otlp.admission import Admission
from receivers.otlp.config import OtlpConfig
from receivers.otlp.signals import TRACES
from receivers.otlp.status import TooLargeError, UnauthenticatedError
from receivers.otlp.wire import MalformedError

NOW = datetime(2026, 11, 22, 10, 0, 7, tzinfo=UTC)


class Door:
    """An admission with all that stands behind it."""

    def __init__(self, folder, *, spool=None, **otlp):
        self.clock = FakeClock(NOW)
        config = SpoolConfig(directory=str(folder), **{"flush_timeout": "0s", "max_hold": "0s", **(spool or {})})
        self.spool = Spool(config, "traces")
        self.ledger = Ledger(self.clock)
        self.admission = Admission(OtlpConfig(**otlp), self.spool, self.ledger, self.clock)

    def __enter__(self):
        self.spool.start()
        return self

    def __exit__(self, *_):
        self.spool.close()

    def counted(self):
        """Accepted, refused, shed, by the one row there is."""
        (row,) = self.ledger.take(self.clock.now_ns(), "w", last=True).rows
        return (row["Accepted"], row["Refused"], row["Shed"])


def test_what_is_admitted_is_in_the_spool_with_its_receive_time(tmp_path):
    """Byte for byte, if it was in canonical form."""
    with Door(tmp_path) as door:
        body = request("a", "b")
        assert door.admission.admit(body).accepted == 2
        view = door.spool.take(0).read()
        (frame,) = frames(view)
        assert bytes(view[frame.start : frame.end]) == body
        assert frame.received_ns == door.clock.now_ns()
        assert door.counted() == (2, 0, 0)


def test_what_is_not_canonical_is_normalised_before_it_is_stored(tmp_path):
    """A legal but unusual form (here a span's status in two halves) must not reach the decoder."""
    name = b"\x2a\x01n"
    ids = b"\x0a\x10" + b"t" * 16 + b"\x12\x08" + b"s" * 8
    halves = b"\x7a\x03\x12\x01m" + b"\x7a\x02\x18\x02"
    body = name + ids + halves
    for tag in (b"\x12", b"\x12", b"\x0a"):
        body = tag + bytes([len(body)]) + body
    parsed = ExportTraceServiceRequest.FromString(body)
    assert parsed.resource_spans[0].scope_spans[0].spans[0].status.code == 2
    with Door(tmp_path) as door:
        assert door.admission.admit(body).accepted == 1
        view = door.spool.take(0).read()
        assert ExportTraceServiceRequest.FromString(bytes(view)).resource_spans == parsed.resource_spans
        assert sum(batch.records.num_rows for batch in TRACES.decode(view, 0)) == 1


def test_malformed_bytes_are_refused_and_counted_as_one(tmp_path):
    """Their items cannot be counted."""
    with Door(tmp_path) as door:
        with pytest.raises(MalformedError):
            door.admission.admit(request("a")[:-1])
        assert door.spool.drained
        assert door.counted() == (0, 1, 0)


def test_a_body_over_the_limit_is_refused(tmp_path):
    """Whoever carried it here."""
    with Door(tmp_path, max_request_bytes="100B") as door, pytest.raises(TooLargeError, match="at most 100 bytes"):
        door.admission.admit(request("a" * 100))


def test_a_small_request_that_asks_for_endless_rows_is_refused(tmp_path):
    """A large resource over many tiny spans is a bomb without compression."""
    parsed = ExportTraceServiceRequest.FromString(request(*[span("") for _ in range(1000)]))
    wide = KeyValue(key="k", value=AnyValue(string_value="x" * 60_000))
    parsed.resource_spans[0].resource.CopyFrom(Resource(attributes=[wide]))
    with Door(tmp_path, max_request_bytes="100KiB") as door:
        with pytest.raises(TooLargeError, match="repeated for every span"):
            door.admission.admit(parsed.SerializeToString())
        assert door.counted() == (0, 1000, 0)


def test_what_finds_no_room_is_shed_with_all_its_items(tmp_path):
    """Asked to come again, and counted as such."""
    with Door(tmp_path, spool={"max_size": "500B"}) as door:
        door.admission.admit(request("a" * 300))
        with pytest.raises(RetryableError):
            door.admission.admit(request("a" * 100, "b" * 100))
        assert door.counted() == (1, 0, 2)


@pytest.mark.parametrize(
    "header", [None, "", "Bearer", "Bearer ", "Bearer wrong", "Basic right", "right", "Bearer right2"]
)
def test_wrong_authorization_is_refused(tmp_path, header):
    """Scheme and token must both be right."""
    with Door(tmp_path, auth={"bearer_tokens": ["right"]}) as door, pytest.raises(UnauthenticatedError):
        door.admission.authorize(header)


@pytest.mark.parametrize("header", ["Bearer right", "bearer right", "BEARER  right", "Bearer other"])
def test_any_of_the_tokens_is_right_and_the_scheme_has_no_case(tmp_path, header):
    """As HTTP has it."""
    with Door(tmp_path, auth={"bearer_tokens": ["right", "other"]}) as door:
        door.admission.authorize(header)


def test_without_tokens_everybody_may_send(tmp_path):
    """The default, on loopback."""
    with Door(tmp_path) as door:
        door.admission.authorize(None)


def test_a_body_that_could_never_fit_is_refused_not_shed(tmp_path):
    """Otherwise the client would come again for ever."""
    with Door(tmp_path, spool={"max_size": "100B"}) as door:
        with pytest.raises(PermanentError, match="max_size"):
            door.admission.admit(request("a" * 300))
        assert door.counted() == (0, 1, 0)
