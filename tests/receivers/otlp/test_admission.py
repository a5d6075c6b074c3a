"""The one door behind both transports."""

from datetime import UTC, datetime

import pytest
from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import ExportTraceServiceRequest
from opentelemetry.proto.common.v1.common_pb2 import AnyValue, KeyValue
from opentelemetry.proto.resource.v1.resource_pb2 import Resource

from fixtures import doors
from pipeline.clock import NS_PER_S, FakeClock, to_ns
from pipeline.errors import PermanentError, RetryableError
from pipeline.frame import frames
from pipeline.ledger import Ledger
from pipeline.spool import Spool, SpoolConfig
from receivers.otlp.admission import Admission
from receivers.otlp.config import OtlpConfig
from receivers.otlp.signals import LOGS, TRACES
from receivers.otlp.status import (
    NotAllowedError,
    NotStoredError,
    QuotaError,
    TooLargeError,
    UnauthenticatedError,
    success,
)
from receivers.otlp.tokens import new_token
from receivers.otlp.wire import MalformedError

NOW = datetime(2026, 11, 22, 10, 0, 7, tzinfo=UTC)
NOW_NS = to_ns(NOW)
DAY_NS = 86_400 * NS_PER_S


def span(name, start_ns=NOW_NS, end_ns=NOW_NS, **fields):
    """A good span of these times."""
    return doors.span(name, start_time_unix_nano=start_ns, end_time_unix_nano=end_ns, **fields)


def request(*spans, **fields):
    """A request with these spans, or with good ones of these names."""
    return doors.request(*(span(one) if isinstance(one, str) else one for one in spans), **fields)


class Door:
    """An admission with all that stands behind it."""

    def __init__(self, folder, *, spool=None, **otlp):
        self.clock = FakeClock(NOW)
        config = SpoolConfig(directory=str(folder), **{"flush_timeout": "0s", "max_hold": "0s", **(spool or {})})
        self.spool = Spool(config, "traces")
        self.ledger = Ledger(self.clock)
        self.admission = Admission(OtlpConfig(**otlp), {"traces": self.spool}, self.ledger, self.clock)

    def admit(self, body, tenant=""):
        """Let `body` in as traces."""
        return self.admission.admit(TRACES, body, tenant)

    def authorize(self, header, signal=TRACES):
        """The tenant of who shows this header."""
        return self.admission.authorize(signal, header)

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
        assert door.admit(body).accepted == 2
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
    times = b"".join(bytes([tag]) + NOW_NS.to_bytes(8, "little") for tag in (0x39, 0x41))
    body = name + ids + times + halves
    for tag in (b"\x12", b"\x12", b"\x0a"):
        body = tag + bytes([len(body)]) + body
    parsed = ExportTraceServiceRequest.FromString(body)
    assert parsed.resource_spans[0].scope_spans[0].spans[0].status.code == 2
    with Door(tmp_path) as door:
        assert door.admit(body).accepted == 1
        view = door.spool.take(0).read()
        assert ExportTraceServiceRequest.FromString(bytes(view)).resource_spans == parsed.resource_spans
        assert sum(batch.records.num_rows for batch in TRACES.decode(view, 0)) == 1


def test_malformed_bytes_are_refused_and_counted_as_one(tmp_path):
    """Their items cannot be counted."""
    with Door(tmp_path) as door:
        with pytest.raises(MalformedError):
            door.admit(request("a")[:-1])
        assert door.spool.drained
        assert door.counted() == (0, 1, 0)


def test_a_body_over_the_limit_is_refused(tmp_path):
    """Whoever carried it here."""
    with Door(tmp_path, max_request_bytes="100B") as door, pytest.raises(TooLargeError, match="at most 100 bytes"):
        door.admit(request("a" * 100))


def test_a_small_request_that_asks_for_endless_rows_is_refused(tmp_path):
    """A large resource over many tiny spans is a bomb without compression."""
    parsed = ExportTraceServiceRequest.FromString(request(*[span("") for _ in range(1000)]))
    wide = KeyValue(key="k", value=AnyValue(string_value="x" * 60_000))
    parsed.resource_spans[0].resource.CopyFrom(Resource(attributes=[wide]))
    with Door(tmp_path, max_request_bytes="120KiB") as door:
        with pytest.raises(TooLargeError, match="repeated for every span"):
            door.admit(parsed.SerializeToString())
        assert door.counted() == (0, 1000, 0)


def test_what_finds_no_room_is_shed_with_all_its_items(tmp_path):
    """Asked to come again, and counted as such."""
    with Door(tmp_path, spool={"max_size": "500B"}) as door:
        door.admit(request("a" * 300))
        with pytest.raises(RetryableError):
            door.admit(request("a" * 100, "b" * 100))
        assert door.counted() == (1, 0, 2)


@pytest.mark.parametrize(
    "header", [None, "", "Bearer", "Bearer ", "Bearer wrong", "Basic right", "right", "Bearer right2"]
)
def test_wrong_authorization_is_refused(tmp_path, header):
    """Scheme and token must both be right."""
    with Door(tmp_path, auth={"bearer_tokens": ["right"]}) as door, pytest.raises(UnauthenticatedError):
        door.authorize(header)


@pytest.mark.parametrize("header", ["Bearer right", "bearer right", "BEARER  right", "Bearer other"])
def test_any_of_the_tokens_is_right_and_the_scheme_has_no_case(tmp_path, header):
    """As HTTP has it."""
    with Door(tmp_path, auth={"bearer_tokens": ["right", "other"]}) as door:
        door.authorize(header)


def test_without_tokens_everybody_may_send(tmp_path):
    """The default, on loopback; nobody is anybody's tenant then."""
    with Door(tmp_path) as door:
        assert door.authorize(None) == ""


def test_a_token_of_a_tenant_is_for_the_signals_it_names(tmp_path):
    """And tells whose it is."""
    token, lines = new_token("shop")
    path = tmp_path / "tokens.yaml"
    path.write_text(f"tokens:\n{lines}\n    signals: [metrics]\n")
    with Door(tmp_path, auth={"tokens_file": str(path)}) as door:
        with pytest.raises(NotAllowedError, match="expected metrics, for which this token is, got traces"):
            door.authorize(f"Bearer {token}")
        with pytest.raises(UnauthenticatedError):
            door.authorize(None)


def test_a_signal_without_a_spool_is_not_stored_and_said_not_to_be(tmp_path):
    """Never a silent OK."""
    with Door(tmp_path) as door, pytest.raises(NotStoredError, match="logs are not stored here"):
        door.authorize(None, LOGS)


@pytest.mark.parametrize(
    ("start_ns", "end_ns", "accepted"),
    [
        (NOW_NS, NOW_NS, 1),
        (NOW_NS - 2 * DAY_NS, NOW_NS, 1),
        (NOW_NS - 2 * DAY_NS - 1, NOW_NS, 0),
        (NOW_NS, NOW_NS + DAY_NS, 1),
        (NOW_NS, NOW_NS + DAY_NS + 1, 0),
        (0, 0, 0),
        (2**64 - 1, 2**64 - 1, 0),
    ],
)
def test_items_out_of_time_never_reach_the_spool(tmp_path, start_ns, end_ns, accepted):
    """They would go to partitions that no deletion ever reaches; the others of their request are stored."""
    limits = {"max_age": "2d", "max_future": "1d"}
    with Door(tmp_path, limits=limits) as door:
        outcome = door.admit(request("a", span("b", start_ns, end_ns)))
        assert (outcome.accepted, outcome.rejected) == (1 + accepted, 1 - accepted)
        stored = TRACES.request.FromString(bytes(door.spool.take(0).read()))
        assert doors.names(TRACES, stored) == ["a", "b"][: 1 + accepted]
        assert door.counted() == (1 + accepted, 1 - accepted, 0)


def test_nobody_can_say_whose_a_request_is_but_its_token(tmp_path):
    """Without a tenant, what the sender says of one is left out; and nothing else of its resource."""
    claim = {"attributes": [KeyValue(key="andon.tenant", value=AnyValue(string_value="a")), KeyValue(key="k")]}
    with Door(tmp_path) as door:
        body = request("a", resource=claim)
        for tenant, kept in (("", [("k", "")]), ("shop", [("andon.tenant", "shop"), ("k", "")])):
            door.admit(body, tenant)
            view = door.spool.take(0).read()
            (stored,) = TRACES.request.FromString(bytes(view)).resource_spans
            assert [(pair.key, pair.value.string_value) for pair in stored.resource.attributes] == kept
            assert [frame.tenant for frame in frames(view)] == [tenant]


def test_a_request_that_comes_again_is_stored_once_for_each_tenant(tmp_path):
    """What was rejected is answered the same, and counted once."""
    body = request("a", span("bad", span_id=b""))
    with Door(tmp_path) as door:
        first, again = door.admit(body, "a"), door.admit(body, "a")
        assert first == again
        assert success(TRACES, again).partial_success.rejected_spans == 1
        door.admit(body, "b")
        chunks = [door.spool.take(0), door.spool.take(0)]
        assert [frame.tenant for chunk in chunks for frame in frames(chunk.read())] == ["a", "b"]
        assert door.counted() == (2, 2, 0)


def test_a_request_is_stored_again_once_the_window_is_over(tmp_path):
    """Or from the first, where retries are not to be told."""
    body = request("a")
    with Door(tmp_path, retries={"window": "10s"}) as door:
        door.admit(body)
        door.clock.advance(9.9)
        door.admit(body)
        door.clock.advance(0.1)
        door.admit(body)
        assert sum(row["Accepted"] for row in door.ledger.take(door.clock.now_ns(), "w", last=True).rows) == 2
    with Door(tmp_path, retries={"enabled": False}) as door:
        door.admit(body)
        door.admit(body)
        assert door.counted() == (2, 0, 0)


def test_a_request_that_found_no_room_may_come_again(tmp_path):
    """Only what was acknowledged is remembered."""
    body = request("a" * 200)
    with Door(tmp_path, spool={"max_size": "600B"}) as door:
        door.admit(request("b" * 400))
        with pytest.raises(RetryableError):
            door.admit(body)
        door.spool.done(door.spool.take(0))
        door.admit(body)
        assert doors.names(TRACES, TRACES.request.FromString(bytes(door.spool.take(0).read()))) == ["a" * 200]


@pytest.mark.parametrize(
    "quota",
    [{"requests_per_second": 1, "burst": "1s"}, {"bytes_per_second": "100B", "burst": "1s"}, {"items_per_second": 1}],
    ids=["requests", "bytes", "items"],
)
def test_what_passes_a_quota_is_shed(tmp_path, quota):
    """And let in when the time has come that the answer named."""
    with Door(tmp_path, quotas={"default": {"burst": "1s", **quota}}) as door:
        door.admit(request("a" * 100))
        with pytest.raises(QuotaError) as refused:
            door.admit(request("b" * 10))
        door.clock.advance(refused.value.retry_after_s)
        door.admit(request("b" * 10))
        rows = door.ledger.take(door.clock.now_ns(), "w", last=True).rows
        assert [sum(row[what] for row in rows) for what in ("Accepted", "Refused", "Shed")] == [2, 0, 1]


def test_a_body_that_could_never_fit_is_refused_not_shed(tmp_path):
    """Otherwise the client would come again for ever."""
    with Door(tmp_path, spool={"max_size": "100B"}) as door:
        with pytest.raises(PermanentError, match="max_size"):
            door.admit(request("a" * 300))
        assert door.counted() == (0, 1, 0)
