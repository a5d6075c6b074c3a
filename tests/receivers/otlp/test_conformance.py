"""What OTLP asks of a server: over every transport, plain and compressed, for every signal where it makes sense.

The number in a name is that of the rule; 1, 6 and 7 are about rows, and stand with the decoder.
"""

import gzip
import http.client
import json
import logging
import threading

import grpc
import pytest
from opentelemetry.proto.common.v1.common_pb2 import AnyValue, KeyValue

from fixtures.doors import (
    EXPORT,
    JSON,
    PROTOBUF,
    TRANSPORTS,
    as_json,
    call,
    doors,
    encoded,
    item,
    log_record,
    metric,
    post,
    read_reply,
    request,
    send,
    span,
)
from receivers.otlp.signals import LOGS, METRICS, SIGNALS, TRACES

OK = {"grpc": "OK", "http/protobuf": 200, "http/json": 200}
EMPTY = {"grpc": b"", "http/protobuf": b"", "http/json": b"{}"}
INVALID = {"grpc": "INVALID_ARGUMENT", "http/protobuf": 400, "http/json": 400}
UNAUTHENTICATED = {"grpc": "UNAUTHENTICATED", "http/protobuf": 401, "http/json": 401}
FORBIDDEN = {"grpc": "PERMISSION_DENIED", "http/protobuf": 403, "http/json": 403}
NOT_FOUND = {"grpc": "UNIMPLEMENTED", "http/protobuf": 404, "http/json": 404}
TOO_LARGE = {"grpc": "RESOURCE_EXHAUSTED", "http/protobuf": 413, "http/json": 413}
TOO_MANY = {"grpc": "RESOURCE_EXHAUSTED", "http/protobuf": 429, "http/json": 429}
UNAVAILABLE = {"grpc": "UNAVAILABLE", "http/protobuf": 503, "http/json": 503}
PROFILES = {
    "grpc": "/opentelemetry.proto.collector.profiles.v1development.ProfilesService/Export",
    "http": "/v1development/profiles",
}

every_transport = pytest.mark.parametrize("transport", TRANSPORTS)
plain_and_gzip = pytest.mark.parametrize("compressed", [False, True], ids=["plain", "gzip"])
every_signal = pytest.mark.parametrize("signal", SIGNALS, ids=[signal.name for signal in SIGNALS])
both_encodings = pytest.mark.parametrize("encoding", [PROTOBUF, JSON])


@pytest.fixture(scope="module")
def usual(tmp_path_factory):
    """Doors with default settings."""
    with doors(tmp_path_factory.mktemp("spool")) as at:
        yield at


@pytest.fixture
def shared(usual):
    """The same, with counts of nothing, for all who leave no request behind."""
    usual.counted()
    return usual


@every_transport
@plain_and_gzip
@every_signal
def test_c02_a_request_is_stored_and_answered_with_an_empty_response(shared, transport, compressed, signal):
    """Success leaves partial_success unset: no bytes in protobuf, {} in JSON."""
    body = encoded(transport, request("a", "b", signal=signal), signal)
    reply = send(shared, transport, body, signal=signal, compressed=compressed)
    assert (reply.code, reply.body) == (OK[transport], EMPTY[transport])
    assert shared.stored(signal) == ["a", "b"]
    assert shared.counted(signal) == (2, 0, 0)
    assert shared.empty


@every_transport
@plain_and_gzip
@every_signal
@pytest.mark.parametrize("envelope", [False, True], ids=["empty body", "empty envelope"])
def test_c02_an_empty_request_is_a_success_and_stores_nothing(shared, transport, compressed, signal, envelope):
    """Nothing to store is nothing wrong."""
    body = encoded(transport, request(signal=signal) if envelope else b"", signal)
    reply = send(shared, transport, body, signal=signal, compressed=compressed)
    assert (reply.code, reply.body) == (OK[transport], EMPTY[transport])
    assert shared.empty


@every_signal
@pytest.mark.parametrize(
    ("content_type", "encoding"),
    [
        ("application/json; charset=utf-8", JSON),
        ("APPLICATION/JSON", JSON),
        ("application/x-protobuf", PROTOBUF),
        ("application/x-protobuf;messageType=x", PROTOBUF),
    ],
)
def test_c03_the_response_has_the_content_type_of_the_request(shared, signal, content_type, encoding):
    """Whose parameters and case are tolerated."""
    body = request("a", signal=signal)
    body = as_json(body, signal) if encoding == JSON else body
    reply = post(shared.http.endpoint, body, {"content-type": content_type}, path=signal.path)
    assert (reply.code, reply.headers["content-type"]) == (200, encoding)
    assert shared.stored(signal) == ["a"]


@pytest.mark.parametrize("headers", [{}, {"content-type": "text/plain"}, {"content-type": "application/x-protobuf-x"}])
def test_c03_other_content_types_are_415(shared, headers):
    """With a Status that people can read, since there is no encoding to answer in."""
    reply = post(shared.http.endpoint, request("a"), headers)
    assert (reply.code, reply.status.code, reply.headers["content-type"]) == (415, 3, JSON)
    assert "expected content-type application/x-protobuf or application/json" in reply.status.message


@every_signal
@pytest.mark.parametrize("method", ["GET", "PUT", "OPTIONS"])
def test_c03_other_methods_are_405(shared, signal, method):
    """And the answer says which is allowed."""
    reply = post(shared.http.endpoint, b"", {"content-type": PROTOBUF}, path=signal.path, method=method)
    assert (reply.code, reply.headers["allow"], reply.headers["content-type"]) == (405, "POST", PROTOBUF)


@both_encodings
@pytest.mark.parametrize("path", ["/", "/v1/traces/", "/v1/spans"])
def test_c03_other_paths_are_404_with_a_status(shared, path, encoding):
    """That says where one may post."""
    reply = post(shared.http.endpoint, b"", {"content-type": encoding}, path=path)
    assert (reply.code, reply.headers["content-type"]) == (404, encoding)
    assert (reply.status.code, reply.status.message) == (12, f"expected /v1/traces, /v1/metrics, /v1/logs, got {path}")


def test_c03_unknown_methods_are_unimplemented(shared):
    """gRPC's own answer."""
    assert call(shared.grpc.endpoint, b"", path="/some.Service/Method").code == "UNIMPLEMENTED"


@every_transport
@plain_and_gzip
@every_signal
def test_c04_a_malformed_body_is_bad_data(shared, transport, compressed, signal):
    """Never to be retried, with BadRequest and a Status in the request's encoding; nothing is stored."""
    body = encoded(transport, request("a", signal=signal), signal)[:-3]
    reply = send(shared, transport, body, signal=signal, compressed=compressed)
    assert reply.code == INVALID[transport]
    assert reply.status.code == 3
    assert reply.status.message.startswith("expected")
    assert reply.details["BadRequest"]["fieldViolations"][0]["description"] == reply.status.message
    assert shared.counted(signal) == (0, 1, 0)
    assert shared.empty


@both_encodings
@pytest.mark.parametrize("cut", [0, 5, 40, -1])
def test_c04_truncated_gzip_is_bad_data(shared, encoding, cut):
    """400 with a Status that says so, in the request's encoding."""
    body = gzip.compress(request("a" * 100))[:cut]
    reply = post(shared.http.endpoint, body, {"content-type": encoding, "content-encoding": "gzip"})
    assert (reply.code, reply.headers["content-type"], reply.status.code) == (400, encoding, 3)
    assert reply.status.message.startswith("expected whole gzip, got one cut off after")


@both_encodings
def test_c04_what_is_not_gzip_is_bad_data(shared, encoding):
    """A wrong Content-Encoding is the client's mistake."""
    reply = post(shared.http.endpoint, request("a"), {"content-type": encoding, "content-encoding": "gzip"})
    assert (reply.code, reply.status.message[:34]) == (400, "expected gzip, got something else:")


@both_encodings
def test_c04_other_content_encodings_are_415(shared, encoding):
    """Only gzip and none are spoken."""
    reply = post(shared.http.endpoint, b"", {"content-type": encoding, "content-encoding": "br"})
    assert (reply.code, reply.status.message) == (415, "expected content-encoding gzip or none, got 'br'")


def test_c04_malformed_json_names_the_place(shared):
    """In BadRequest and in the message."""
    body = b'{"resourceSpans": [{"scopeSpans": [{"spans": [{"kind": "SPAN_KIND_SERVER"}]}]}]}'
    reply = post(shared.http.endpoint, body, {"content-type": JSON})
    path = "$.resourceSpans[0].scopeSpans[0].spans[0].kind"
    assert reply.code == 400
    assert reply.status.message == f'{path}: expected an enum\'s number, got "SPAN_KIND_SERVER"'
    assert reply.details["BadRequest"]["fieldViolations"][0]["field"] == path


@plain_and_gzip
@every_signal
def test_c05_json_is_read_by_the_rules_of_otlp(shared, compressed, signal):
    """Ids of either case, unknown keys at every level, null as absent, 64 bits as text: stored as its protobuf is.

    Each rule for each kind of field stands with `to_protobuf`.
    """
    body = request(item(signal, "a"), signal=signal)
    loose = _loosened(json.loads(as_json(body, signal)))
    reply = send(shared, "http/json", json.dumps(loose).encode(), signal=signal, compressed=compressed)
    assert (reply.code, reply.body) == (200, b"{}")
    assert shared.requests(signal) == [signal.request.FromString(body)]


def _loosened(value):
    """The same in JSON, with what readers must bear in every object."""
    if isinstance(value, list):
        return [_loosened(one) for one in value]
    if not isinstance(value, dict):
        return value
    upper = {key: one.upper() if key.endswith("Id") else _loosened(one) for key, one in value.items()}
    return {**upper, "future": {"x": [None]}, "time_unix_nano": 5, "traceState": None, "schemaUrl": None}


BAD_SPANS = [span("bad", trace_id=b"short"), span("bad", span_id=bytes(8)), span("bad", trace_id=b"")]


@every_transport
@plain_and_gzip
def test_c08_spans_with_wrong_ids_are_rejected_and_the_rest_stored(shared, transport, compressed):
    """partial_success counts them and says what was expected; clients do not retry it."""
    reply = send(shared, transport, encoded(transport, request("a", *BAD_SPANS, "b")), compressed=compressed)
    assert reply.code == OK[transport]
    assert reply.response.partial_success.rejected_spans == 3
    assert "rejected 3 of 5 spans: expected a trace_id of 16 bytes" in reply.response.partial_success.error_message
    assert shared.counted() == (2, 3, 0)
    assert {"a", "b"} <= set(shared.stored())


@every_transport
@plain_and_gzip
@every_signal
def test_c08_items_out_of_time_are_rejected_and_the_rest_stored(shared, transport, compressed, signal):
    """Counted in the signal's own field; a time before all others would have a partition of its own, for ever."""
    early = {"start_time_unix_nano": 1} if signal is TRACES else {"time_unix_nano": 1}
    body = encoded(transport, request("a", item(signal, "old", **early), "b", signal=signal), signal)
    reply = send(shared, transport, body, signal=signal, compressed=compressed)
    assert reply.code == OK[transport]
    assert getattr(reply.response.partial_success, signal.rejected) == 1
    message = reply.response.partial_success.error_message
    assert f"rejected 1 of 3 {signal.item}s: expected times from max_age" in message
    assert shared.counted(signal) == (2, 1, 0)
    assert [name for name in shared.stored(signal) if name != "old"] == ["a", "b"]


@every_transport
@plain_and_gzip
def test_c08_logs_with_wrong_ids_are_stored(shared, transport, compressed):
    """To a log record an id that is not one means that it belongs to no span."""
    record = log_record("a", trace_id=b"short", span_id=bytes(8))
    reply = send(
        shared, transport, encoded(transport, request(record, signal=LOGS), LOGS), signal=LOGS, compressed=compressed
    )
    assert (reply.code, reply.body) == (OK[transport], EMPTY[transport])
    assert shared.stored(LOGS) == ["a"]


@every_transport
@plain_and_gzip
def test_c08_a_request_of_rejected_spans_only_stores_nothing(shared, transport, compressed):
    """There is nothing in it worth a chunk."""
    reply = send(shared, transport, encoded(transport, request(span("bad", span_id=b""))), compressed=compressed)
    assert reply.response.partial_success.rejected_spans == 1
    assert shared.empty
    assert shared.counted() == (0, 1, 0)


@every_transport
@every_signal
def test_c08_what_is_cut_is_a_warning(tmp_path, transport, signal):
    """Nothing is rejected, but the sender is told."""
    many = [KeyValue(key=f"k{n}", value=AnyValue(string_value="v")) for n in range(5)]
    long = KeyValue(key="k" * 300, value=AnyValue(string_value="v" * 300))
    fields = {"attributes": [*many, long][:6]}
    limits = {"max_attributes": 6, "max_key_length": "256B", "max_value_length": "256B"}
    with doors(tmp_path, limits=limits) as at:
        one = item(signal, "a", **fields)
        more = item(signal, "b", attributes=[*many, *many])
        reply = send(at, transport, encoded(transport, request(one, more, signal=signal), signal), signal=signal)
        partial = reply.response.partial_success
        assert (reply.code, getattr(partial, signal.rejected)) == (OK[transport], 0)
        assert partial.error_message == (
            "left out 4 attributes: expected at most 6 each; "
            "cut 2 texts: expected at most 256 bytes of a key and 256 of any other"
        )
        assert at.counted(signal) == (2, 0, 0)


def test_c08_a_partial_success_in_json_has_its_count_as_text(shared):
    """64-bit integers are strings in OTLP/JSON."""
    reply = post(shared.http.endpoint, as_json(request(span("bad", trace_id=b""))), {"content-type": JSON})
    assert json.loads(reply.body)["partialSuccess"]["rejectedSpans"] == "1"


@every_transport
@plain_and_gzip
@every_signal
def test_c09_a_full_spool_asks_the_client_to_come_again(tmp_path, transport, compressed, signal):
    """503 with Retry-After, UNAVAILABLE with RetryInfo, after holding the request for a while."""
    first, second = (encoded(transport, request(name * 1000, signal=signal), signal) for name in "ab")
    settings = {"max_size": "1300B", "max_hold": "10ms", "retry_after": "7s"}
    with doors(tmp_path, spool=settings) as at:
        assert send(at, transport, first, signal=signal, compressed=compressed).code == OK[transport]
        reply = send(at, transport, second, signal=signal, compressed=compressed)
        assert reply.code == UNAVAILABLE[transport]
        assert set(reply.details) == {"RetryInfo"}
        assert transport == "grpc" or int(reply.headers["retry-after"]) >= 7
        assert at.counted(signal) == (1, 0, 1)
        assert at.stored(signal) == ["a" * 1000]
        assert send(at, transport, second, signal=signal, compressed=compressed).code == OK[transport]


@every_transport
@every_signal
def test_c09_more_than_a_tenants_quota_is_to_come_again(tmp_path, transport, signal):
    """429 with Retry-After, RESOURCE_EXHAUSTED with RetryInfo, without which a client would drop it."""
    quotas = {"default": {"items_per_second": 1, "burst": "2s"}}
    body = encoded(transport, request("a", "b", signal=signal), signal)
    with doors(tmp_path, quotas=quotas, retries={"enabled": False}) as at:
        assert send(at, transport, body, signal=signal).code == OK[transport]
        reply = send(at, transport, body, signal=signal)
        assert (reply.code, reply.status.code) == (TOO_MANY[transport], 8)
        assert set(reply.details) == {"RetryInfo"}
        assert transport == "grpc" or reply.headers["retry-after"] in ("1", "2")
        assert at.counted(signal) == (2, 0, 2)


@every_transport
@plain_and_gzip
@every_signal
def test_c10_a_request_over_the_limit_is_refused_for_good(tmp_path, transport, compressed, signal):
    """Also when it is over only once inflated; without RetryInfo, since it will never fit."""
    with doors(tmp_path, max_request_bytes="100KiB") as at:
        body = encoded(transport, request("x" * 200_000, signal=signal), signal)
        reply = send(at, transport, body, signal=signal, compressed=compressed)
        assert reply.code == TOO_LARGE[transport]
        assert "RetryInfo" not in reply.details
        assert "retry-after" not in reply.headers
        good = encoded(transport, request("a", signal=signal), signal)
        assert send(at, transport, good, signal=signal, compressed=compressed).code == OK[transport]
        assert at.stored(signal) == ["a"]


@every_transport
@every_signal
def test_c10_a_request_of_too_many_items_is_refused_for_good(tmp_path, transport, signal):
    """Few bytes can ask for many rows."""
    with doors(tmp_path, limits={"max_items": 2}) as at:
        reply = send(at, transport, encoded(transport, request(*"abc", signal=signal), signal), signal=signal)
        assert (reply.code, reply.status.code) == (TOO_LARGE[transport], 8)
        assert reply.status.message == f"expected at most max_items = 2 {signal.item}s a request, got 3"
        assert reply.details == {}
        assert at.counted(signal) == (0, 3, 0)
        assert at.empty


@both_encodings
def test_c10_a_body_in_chunks_without_a_length_is_stored(shared, encoding):
    """As the Node SDK sends it."""
    body = request("a") if encoding == PROTOBUF else as_json(request("a"))
    reply = post(shared.http.endpoint, iter([body[:5], body[5:9], body[9:]]), {"content-type": encoding})
    assert reply.code == 200
    assert shared.stored() == ["a"]


@both_encodings
def test_c10_a_body_in_chunks_is_refused_as_soon_as_it_is_too_large(tmp_path, encoding):
    """The limit is enforced while streaming, since there is no length to look at."""
    with doors(tmp_path, max_request_bytes="100KiB") as at:
        reply = post(at.http.endpoint, iter([bytes(1024)] * 1000), {"content-type": encoding})
        assert (reply.code, reply.status.code) == (413, 8)
        assert at.counted() == (0, 1, 0)


def test_c10_a_length_that_is_too_large_is_refused_before_the_body_comes(tmp_path):
    """There is no need to wait for it."""
    with doors(tmp_path, max_request_bytes="100KiB") as at:
        connection = http.client.HTTPConnection(at.http.endpoint, timeout=10)
        connection.putrequest("POST", "/v1/traces")
        connection.putheader("content-type", PROTOBUF)
        connection.putheader("content-length", "1000000")
        connection.endheaders()
        assert read_reply(connection.getresponse()).code == 413
        connection.close()


@every_transport
@every_signal
def test_c11_fields_that_only_profiles_have_are_absent_and_told_of_once(tmp_path, caplog, transport, signal):
    """Accepted without a word to the sender."""
    entry = KeyValue(key="k", key_strindex=3, value=AnyValue(string_value_strindex=7))
    with doors(tmp_path) as at, caplog.at_level(logging.WARNING, "andon"):
        for name in "ab":
            body = request(item(signal, name, attributes=[entry]), signal=signal)
            reply = send(at, transport, encoded(transport, body, signal), signal=signal)
            assert (reply.code, reply.body) == (OK[transport], EMPTY[transport])
        assert at.stored(signal) == ["a", "b"]
    assert [record.getMessage() for record in caplog.records if record.name == "andon"] == [
        f"{signal.name} came with fields that only profiles have; they count as absent"
    ]


@every_transport
def test_c11_profiles_are_not_stored_and_said_not_to_be(shared, transport):
    """Never a silent OK."""
    if transport == "grpc":
        reply = call(shared.grpc.endpoint, b"", path=PROFILES["grpc"])
    else:
        kind = PROTOBUF if transport == "http/protobuf" else JSON
        reply = post(shared.http.endpoint, b"", {"content-type": kind}, path=PROFILES["http"])
    assert (reply.code, reply.status.code) == (NOT_FOUND[transport], 12)
    assert reply.status.message == "profiles are not stored"


PAGE = "https://shop.example.com"
ORIGINS = {"allowed_origins": ["https://*.example.com", "http://localhost:3000"]}
PREFLIGHT = {"access-control-request-method": "POST", "access-control-request-headers": "content-type,x-key"}


@pytest.fixture(scope="module")
def open_to_pages(tmp_path_factory):
    """Doors that take from some pages."""
    cors = {**ORIGINS, "allowed_headers": ["X-Key"], "max_age": "1h"}
    with doors(tmp_path_factory.mktemp("spool"), protocols={"http": {"cors": cors}}) as at:
        yield at


@every_signal
@pytest.mark.parametrize("origin", [PAGE, "http://localhost:3000", "https://a.b.example.com"])
def test_c12_a_page_of_an_allowed_origin_may_ask_and_send(open_to_pages, signal, origin):
    """The preflight tells what it may send; the answer, that it may read it."""
    endpoint = open_to_pages.http.endpoint
    asked = post(endpoint, b"", {"origin": origin, **PREFLIGHT}, path=signal.path, method="OPTIONS")
    assert (asked.code, asked.body) == (204, b"")
    assert asked.headers["access-control-allow-origin"] == origin
    assert asked.headers["access-control-allow-methods"] == "POST"
    assert asked.headers["access-control-allow-headers"] == "content-type, content-encoding, x-key"
    assert asked.headers["access-control-max-age"] == "3600"
    sent = as_json(request("a", signal=signal), signal)
    reply = post(endpoint, sent, {"content-type": JSON, "origin": origin}, path=signal.path)
    assert (reply.code, reply.headers["access-control-allow-origin"]) == (200, origin)
    assert reply.headers["vary"] == "origin"
    assert open_to_pages.stored(signal) == ["a"]


def test_c12_refusals_are_readable_by_an_allowed_page_too(open_to_pages):
    """Otherwise the page sees nothing but a failure."""
    reply = post(open_to_pages.http.endpoint, b"{", {"content-type": JSON, "origin": PAGE})
    assert (reply.code, reply.headers["access-control-allow-origin"]) == (400, PAGE)


@pytest.mark.parametrize(
    "origin",
    ["https://example.com", "http://shop.example.com", "https://shop.example.com.evil.org", "http://localhost", "null"],
)
def test_c12_a_page_of_another_origin_may_not(open_to_pages, origin):
    """The browser finds no word of it in the answers, and so does not send."""
    endpoint = open_to_pages.http.endpoint
    asked = post(endpoint, b"", {"origin": origin, **PREFLIGHT}, method="OPTIONS")
    sent = post(endpoint, as_json(request("a")), {"content-type": JSON, "origin": origin})
    assert asked.code == 405
    assert not [name for reply in (asked, sent) for name in reply.headers if name.startswith("access-control")]
    open_to_pages.stored()


def test_c12_no_page_may_by_default(shared):
    """It is off unless somebody says which pages."""
    asked = post(shared.http.endpoint, b"", {"origin": PAGE, **PREFLIGHT}, method="OPTIONS")
    assert asked.code == 405
    assert "access-control-allow-origin" not in asked.headers


def test_c12_any_page_may_where_that_is_said(tmp_path):
    """`*` is for all, without credentials."""
    cors = {"allowed_origins": ["*"], "allowed_headers": ["*"]}
    with doors(tmp_path, protocols={"http": {"cors": cors}}) as at:
        asked = post(at.http.endpoint, b"", {"origin": "https://any.org", **PREFLIGHT}, method="OPTIONS")
        assert (asked.code, asked.headers["access-control-allow-origin"]) == (204, "*")
        assert asked.headers["access-control-allow-headers"] == "content-type,x-key"
        assert "access-control-allow-credentials" not in asked.headers


@both_encodings
def test_c13_a_hundred_requests_share_one_connection(shared, encoding):
    """Keep-alive."""
    connection = http.client.HTTPConnection(shared.http.endpoint, timeout=10)
    connection.connect()
    opened = connection.sock
    for number in range(100):
        body = request(f"{number}")
        body = as_json(body) if encoding == JSON else body
        connection.request("POST", "/v1/traces", body, {"content-type": encoding})
        assert read_reply(connection.getresponse()).code == 200
        assert connection.sock is opened
    connection.close()
    assert shared.stored() == [f"{number}" for number in range(100)]


def test_c13_an_idle_client_may_ping_every_ten_seconds(tmp_path):
    """Some SDKs keep their connection warm; grpc's own default would hang up with too_many_pings. Scaled down here."""
    options = [("grpc.keepalive_time_ms", 1000), ("grpc.keepalive_permit_without_calls", 1)]
    keepalive = {"enforcement_policy": {"min_time": "500ms"}}
    states = []
    with doors(tmp_path, protocols={"grpc": {"keepalive": keepalive}}) as at:
        with grpc.insecure_channel(
            at.grpc.endpoint, options=[*options, ("grpc.http2.max_pings_without_data", 0)]
        ) as channel:
            export = channel.unary_unary(EXPORT)
            export(request("a"))
            channel.subscribe(states.append)
            threading.Event().wait(4.5)  # the pings are the client core's own; no clock of ours moves them
            export(request("b"))
        assert grpc.ChannelConnectivity.IDLE not in states
        assert at.stored() == ["a", "b"]


@every_transport
@plain_and_gzip
def test_without_a_valid_token_nothing_is_stored(tmp_path, transport, compressed):
    """Any of the configured tokens opens the door; none and a wrong one do not."""
    body = encoded(transport, request("a"))
    with doors(tmp_path, auth={"bearer_tokens": ["first", "second"]}, retries={"enabled": False}) as at:
        for wrong in ("", "third", "firs"):
            reply = send(at, transport, body, compressed=compressed, token=wrong)
            assert (reply.code, reply.status.code) == (UNAUTHENTICATED[transport], 16)
        assert at.empty
        for right in ("first", "second"):
            assert send(at, transport, body, compressed=compressed, token=right).code == OK[transport]
        assert at.counted() == (2, 3, 0)


@every_transport
@every_signal
def test_a_token_is_for_its_tenant_and_its_signals(tmp_path, transport, signal):
    """Every resource says whose it is, whatever its sender said; a signal that the token is not for is refused."""
    from receivers.otlp.tokens import new_token

    token, lines = new_token("shop")
    tokens = tmp_path / "tokens.yaml"
    tokens.write_text(f"tokens:\n{lines}\n    signals: [{signal.name}]\n")
    claim = {"attributes": [KeyValue(key="andon.tenant", value=AnyValue(string_value="other"))]}
    with doors(tmp_path / "spool", auth={"tokens_file": str(tokens)}) as at:
        body = encoded(transport, request("a", signal=signal, resource=claim), signal)
        assert send(at, transport, body, signal=signal, token=token).code == OK[transport]
        (stored,) = at.requests(signal)
        (envelope,) = next(iter(stored.ListFields()))[1]
        assert [(pair.key, pair.value.string_value) for pair in envelope.resource.attributes] == [
            ("andon.tenant", "shop")
        ]
        for other in SIGNALS:
            if other is not signal:
                reply = send(at, transport, b"", signal=other, token=token)
                assert (reply.code, reply.status.code) == (FORBIDDEN[transport], 7)


@every_transport
@every_signal
def test_a_request_that_comes_again_is_acknowledged_and_stored_once(shared, transport, signal):
    """Its acknowledgement was lost; the client sends the same bytes, compressed or not."""
    body = encoded(transport, request("a", signal=signal), signal)
    for compressed in (False, True, False):
        reply = send(shared, transport, body, signal=signal, compressed=compressed)
        assert (reply.code, reply.body) == (OK[transport], EMPTY[transport])
    assert shared.stored(signal) == ["a"]
    assert shared.counted(signal) == (1, 0, 0)


def test_metrics_are_counted_by_data_point(shared):
    """As partial_success counts them."""
    two = metric("m", exemplars=[])
    two.gauge.data_points.add(time_unix_nano=two.gauge.data_points[0].time_unix_nano)
    assert send(shared, "grpc", request(two, "n", signal=METRICS), signal=METRICS).code == "OK"
    assert shared.counted(METRICS) == (3, 0, 0)
    assert shared.stored(METRICS) == ["m", "n"]
