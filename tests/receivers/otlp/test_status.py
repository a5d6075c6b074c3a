"""Errors become statuses in one table: what may be tried again says so, nothing else does."""

import json

import grpc
import pytest
from google.rpc.error_details_pb2 import BadRequest, RetryInfo
from google.rpc.status_pb2 import Status

from pipeline.errors import PermanentError, RetryableError
from receivers.otlp.signals import SIGNALS
from receivers.otlp.status import (
    MAX_MESSAGE_CHARS,
    Encoding,
    InvalidFieldError,
    NotAllowedError,
    NotStoredError,
    Outcome,
    QuotaError,
    TooLargeError,
    UnauthenticatedError,
    WrongMediaError,
    WrongMethodError,
    encode,
    refusal,
    success,
)
from receivers.otlp.wire import MalformedError

CODES = grpc.StatusCode


@pytest.mark.parametrize(
    ("error", "code", "http"),
    [
        (RetryableError("full"), CODES.UNAVAILABLE, 503),
        (QuotaError("less"), CODES.RESOURCE_EXHAUSTED, 429),
        (UnauthenticatedError("who"), CODES.UNAUTHENTICATED, 401),
        (NotAllowedError("not this"), CODES.PERMISSION_DENIED, 403),
        (TooLargeError("big"), CODES.RESOURCE_EXHAUSTED, 413),
        (NotStoredError("logs"), CODES.UNIMPLEMENTED, 404),
        (WrongMethodError("GET"), CODES.UNIMPLEMENTED, 405),
        (WrongMediaError("text"), CODES.INVALID_ARGUMENT, 415),
        (InvalidFieldError("$.a", "wrong"), CODES.INVALID_ARGUMENT, 400),
        (MalformedError("a lie", 3), CODES.INVALID_ARGUMENT, 400),
        (PermanentError("bad"), CODES.INVALID_ARGUMENT, 400),
        (KeyError("secret"), CODES.INTERNAL, 500),
    ],
    ids=lambda value: type(value).__name__ if isinstance(value, Exception) else "",
)
def test_every_error_has_one_status_a_transport(error, code, http):
    """And the Status in it agrees with the gRPC code."""
    answer = refusal(error)
    assert (answer.grpc, answer.http, answer.status.code) == (code, http, code.value[0])


def test_only_retryable_errors_carry_retry_info_and_retry_after():
    """A client that sees neither must not come again."""
    for retryable in (RetryableError, QuotaError):
        answer = refusal(retryable("full", retry_after_s=2.5))
        info = RetryInfo()
        assert answer.status.details[0].Unpack(info)
        assert info.retry_delay.ToMilliseconds() == 2500
        assert answer.headers["retry-after"] == "3"
    for error in (PermanentError("x"), TooLargeError("x"), NotStoredError("x"), KeyError("x")):
        other = refusal(error)
        assert "retry-after" not in other.headers
        assert not any(detail.Is(RetryInfo.DESCRIPTOR) for detail in other.status.details)


def test_bad_data_names_the_field():
    """BadRequest holds the path that the message holds too."""
    detail = BadRequest()
    assert refusal(InvalidFieldError("$.a[0]", "expected text, got 5")).status.details[0].Unpack(detail)
    assert detail.field_violations[0].field == "$.a[0]"
    assert detail.field_violations[0].description == "$.a[0]: expected text, got 5"


def test_a_bug_tells_nothing_of_itself():
    """What went wrong inside belongs into the log."""
    assert refusal(KeyError("secret")).status.message == "internal error"


def test_answers_stay_small():
    """Long messages are cut."""
    assert len(refusal(PermanentError("x" * 100_000)).status.message) == MAX_MESSAGE_CHARS
    outcome = Outcome(accepted=0, rejected=1, message="x" * 100_000)
    for signal in SIGNALS:
        assert len(success(signal, outcome).partial_success.error_message) == MAX_MESSAGE_CHARS


@pytest.mark.parametrize("signal", SIGNALS, ids=[signal.name for signal in SIGNALS])
def test_full_success_leaves_partial_success_unset(signal):
    """As the specification asks; else each signal has its own field for what was rejected."""
    assert success(signal, Outcome(accepted=5)) == signal.response()
    assert not success(signal, Outcome(accepted=5)).HasField("partial_success")
    partial = success(signal, Outcome(accepted=5, rejected=1, message="m")).partial_success
    assert getattr(partial, signal.rejected) == 1
    assert success(signal, Outcome(accepted=5, message="a warning")).partial_success.error_message == "a warning"


def test_a_status_is_encoded_in_either_encoding():
    """Decodable by whoever sent the request."""
    status = refusal(RetryableError("full", retry_after_s=1)).status
    assert Status.FromString(encode(status, Encoding.PROTOBUF)) == status
    parsed = json.loads(encode(status, Encoding.JSON))
    assert (parsed["code"], parsed["message"]) == (14, "full")
    assert parsed["details"] == [{"@type": "type.googleapis.com/google.rpc.RetryInfo", "retryDelay": "1s"}]
