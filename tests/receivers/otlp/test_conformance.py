"""What OTLP asks of a server, over every transport, plain and compressed: one table."""

import pytest

from fixtures.doors import TRANSPORTS, doors, encoded, request, send, span

INVALID = {"grpc": "INVALID_ARGUMENT", "http/protobuf": 400, "http/json": 400}
TOO_LARGE = {"grpc": "RESOURCE_EXHAUSTED", "http/protobuf": 413, "http/json": 413}
UNAVAILABLE = {"grpc": "UNAVAILABLE", "http/protobuf": 503, "http/json": 503}
UNAUTHENTICATED = {"grpc": "UNAUTHENTICATED", "http/protobuf": 401, "http/json": 401}
OK = {"grpc": "OK", "http/protobuf": 200, "http/json": 200}
EMPTY = {"grpc": b"", "http/protobuf": b"", "http/json": b"{}"}

pytestmark = [
    pytest.mark.parametrize("transport", TRANSPORTS),
    pytest.mark.parametrize("compressed", [False, True], ids=["plain", "gzip"]),
]


@pytest.fixture(scope="module")
def shared(tmp_path_factory):
    """Doors with default settings, for all who leave nothing behind."""
    with doors(tmp_path_factory.mktemp("spool")) as at:
        yield at


def test_a_request_is_stored_and_answered_with_an_empty_response(shared, transport, compressed):
    """Success leaves partial_success unset: no bytes in protobuf, {} in JSON."""
    reply = send(shared, transport, encoded(transport, request("a", "b")), compressed=compressed)
    assert (reply.code, reply.body) == (OK[transport], EMPTY[transport])
    assert shared.stored() == ["a", "b"]
    assert shared.counted() == (2, 0, 0)


@pytest.mark.parametrize("spans", [None, ()], ids=["empty body", "empty envelope"])
def test_an_empty_request_is_a_success_and_stores_nothing(shared, transport, compressed, spans):
    """Nothing to store is nothing wrong."""
    body = request() if spans == () else b""
    reply = send(shared, transport, encoded(transport, body), compressed=compressed)
    assert (reply.code, reply.body) == (OK[transport], EMPTY[transport])
    assert shared.spool.drained


def test_spans_with_wrong_ids_are_rejected_and_the_rest_stored(shared, transport, compressed):
    """partial_success counts them and says what was expected; clients do not retry it."""
    bad = [span("bad", trace_id=b"short"), span("bad", span_id=bytes(8)), span("bad", trace_id=b"")]
    reply = send(shared, transport, encoded(transport, request("a", *bad, "b")), compressed=compressed)
    assert reply.code == OK[transport]
    assert reply.response.partial_success.rejected_spans == 3
    assert "rejected 3 of 5 spans: expected a trace_id of 16 bytes" in reply.response.partial_success.error_message
    assert shared.counted() == (2, 3, 0)
    assert {"a", "b"} <= set(shared.stored())


def test_a_request_of_rejected_spans_only_stores_nothing(shared, transport, compressed):
    """There is nothing in it worth a chunk."""
    reply = send(shared, transport, encoded(transport, request(span("bad", span_id=b""))), compressed=compressed)
    assert reply.response.partial_success.rejected_spans == 1
    assert shared.spool.drained
    assert shared.counted() == (0, 1, 0)


def test_a_malformed_body_is_bad_data(shared, transport, compressed):
    """Never to be retried, with BadRequest and a Status in the request's encoding; nothing is stored."""
    reply = send(shared, transport, encoded(transport, request("a"))[:-3], compressed=compressed)
    assert reply.code == INVALID[transport]
    assert reply.status.code == 3
    assert reply.status.message.startswith("expected")
    assert reply.details["BadRequest"]["fieldViolations"][0]["description"] == reply.status.message
    assert shared.counted() == (0, 1, 0)
    assert shared.spool.drained


def test_a_request_over_the_limit_is_refused_for_good(tmp_path, transport, compressed):
    """Also when it is over only once inflated; without RetryInfo, since it will never fit."""
    with doors(tmp_path, max_request_bytes="100KiB") as at:
        reply = send(at, transport, encoded(transport, request(span("x" * 200_000))), compressed=compressed)
        assert reply.code == TOO_LARGE[transport]
        assert "RetryInfo" not in reply.details
        assert "retry-after" not in reply.headers
        assert send(at, transport, encoded(transport, request("a")), compressed=compressed).code == OK[transport]
        assert at.stored() == ["a"]


def test_a_full_spool_asks_the_client_to_come_again(tmp_path, transport, compressed):
    """503 with Retry-After, UNAVAILABLE with RetryInfo, after holding the request for a while."""
    body = encoded(transport, request(span("x" * 1000)))
    settings = {"max_size": "1200B", "max_hold": "10ms", "retry_after": "7s"}
    with doors(tmp_path, spool=settings) as at:
        assert send(at, transport, body, compressed=compressed).code == OK[transport]
        reply = send(at, transport, body, compressed=compressed)
        assert reply.code == UNAVAILABLE[transport]
        assert reply.details == {"RetryInfo": {"retryDelay": "7s"}}
        assert transport == "grpc" or reply.headers["retry-after"] == "7"
        assert at.counted() == (1, 0, 1)


def test_without_a_valid_token_nothing_is_stored(tmp_path, transport, compressed):
    """Any of the configured tokens opens the door; none and a wrong one do not."""
    body = encoded(transport, request("a"))
    with doors(tmp_path, auth={"bearer_tokens": ["first", "second"]}) as at:
        for wrong in ("", "third", "firs"):
            reply = send(at, transport, body, compressed=compressed, token=wrong)
            assert (reply.code, reply.status.code) == (UNAUTHENTICATED[transport], 16)
        assert at.spool.drained
        for right in ("first", "second"):
            assert send(at, transport, body, compressed=compressed, token=right).code == OK[transport]
        assert at.counted() == (2, 3, 0)
