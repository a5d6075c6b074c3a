"""What a request is told: errors become gRPC and HTTP statuses here and nowhere else.

In: an error, or the outcome of a request. Out: `Answer`, in the request's own encoding. Promised: as the OTLP
specification has it, only what may be tried again says so (UNAVAILABLE with RetryInfo, 503 with Retry-After); every
refusal carries a google.rpc.Status; an answer stays far below the 4 MiB a client must be able to read.

    error                  gRPC                 HTTP
    QuotaError             RESOURCE_EXHAUSTED   429    with RetryInfo, Retry-After
    RetryableError         UNAVAILABLE          503    with RetryInfo, Retry-After
    UnauthenticatedError   UNAUTHENTICATED      401
    NotAllowedError        PERMISSION_DENIED    403
    TooLargeError          RESOURCE_EXHAUSTED   413    without RetryInfo: the same request will never fit
    NotStoredError         UNIMPLEMENTED        404    a signal that is not stored, or nobody's path
    WrongMethodError       UNIMPLEMENTED        405
    WrongMediaError        INVALID_ARGUMENT     415    content type or encoding
    PermanentError         INVALID_ARGUMENT     400    with BadRequest
    anything else          INTERNAL             500    a bug; what it was stays in the log
"""

import math
from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import StrEnum
from http import HTTPStatus
from types import MappingProxyType
from typing import TYPE_CHECKING, Any, cast

import grpc
from google.protobuf.json_format import MessageToJson
from google.protobuf.message import Message
from google.rpc.error_details_pb2 import BadRequest, RetryInfo
from google.rpc.status_pb2 import Status

from pipeline.errors import PermanentError, RetryableError

if TYPE_CHECKING:
    from receivers.otlp.signals import Signal  # which knows the errors below

MAX_MESSAGE_CHARS = 4096
DEFAULT_RETRY_AFTER_S = 5.0
STATUS_DETAILS = "grpc-status-details-bin"


class Encoding(StrEnum):
    """The two encodings of OTLP/HTTP, by their content type."""

    PROTOBUF = "application/x-protobuf"
    JSON = "application/json"


class UnauthenticatedError(PermanentError):
    """No token, or an unknown one."""

    reason = "unauthenticated"


class NotAllowedError(PermanentError):
    """A known token, but not for this."""

    reason = "not_allowed"


class QuotaError(RetryableError):
    """More than a tenant may send now."""


class TooLargeError(PermanentError):
    """More bytes or items than a request may have, as sent or inflated."""

    reason = "too_large"


class NotStoredError(PermanentError):
    """A signal or path that nothing here stores."""

    reason = "not_stored"


class WrongMethodError(PermanentError):
    """Not a POST."""

    reason = "wrong_method"


class WrongMediaError(PermanentError):
    """A content type or encoding that is not spoken here."""

    reason = "wrong_media"


class InvalidFieldError(PermanentError):
    """Bad data whose place is known: `path` names the field."""

    def __init__(self, path: str, message: str) -> None:
        self.path = path
        super().__init__(f"{path}: {message}")


@dataclass(frozen=True, slots=True, kw_only=True)
class Outcome:
    """What became of a request's items; `message` says in English why some were rejected, or what else is wrong."""

    accepted: int
    rejected: int = 0
    message: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class Answer:
    """One answer, for either transport; gRPC reads `grpc` and `status`, HTTP the rest."""

    grpc: grpc.StatusCode
    http: HTTPStatus
    status: Status
    headers: Mapping[str, str] = field(default_factory=lambda: MappingProxyType({}))


_ANSWERS: tuple[tuple[type[Exception], grpc.StatusCode, HTTPStatus], ...] = (
    (QuotaError, grpc.StatusCode.RESOURCE_EXHAUSTED, HTTPStatus.TOO_MANY_REQUESTS),
    (RetryableError, grpc.StatusCode.UNAVAILABLE, HTTPStatus.SERVICE_UNAVAILABLE),
    (UnauthenticatedError, grpc.StatusCode.UNAUTHENTICATED, HTTPStatus.UNAUTHORIZED),
    (NotAllowedError, grpc.StatusCode.PERMISSION_DENIED, HTTPStatus.FORBIDDEN),
    (TooLargeError, grpc.StatusCode.RESOURCE_EXHAUSTED, HTTPStatus.REQUEST_ENTITY_TOO_LARGE),
    (NotStoredError, grpc.StatusCode.UNIMPLEMENTED, HTTPStatus.NOT_FOUND),
    (WrongMethodError, grpc.StatusCode.UNIMPLEMENTED, HTTPStatus.METHOD_NOT_ALLOWED),
    (WrongMediaError, grpc.StatusCode.INVALID_ARGUMENT, HTTPStatus.UNSUPPORTED_MEDIA_TYPE),
    (PermanentError, grpc.StatusCode.INVALID_ARGUMENT, HTTPStatus.BAD_REQUEST),
    (Exception, grpc.StatusCode.INTERNAL, HTTPStatus.INTERNAL_SERVER_ERROR),
)


def refusal(error: Exception) -> Answer:
    """The answer that `error` is for its request."""
    code, http = next((code, http) for kind, code, http in _ANSWERS if isinstance(error, kind))
    message = "internal error" if code is grpc.StatusCode.INTERNAL else str(error)[:MAX_MESSAGE_CHARS]
    status = Status(code=code.value[0], message=message)
    for detail in _details(error, http, message):
        status.details.add().Pack(detail)
    return Answer(grpc=code, http=http, status=status, headers=MappingProxyType(_headers(error)))


def _details(error: Exception, http: HTTPStatus, message: str) -> list[Message]:
    if isinstance(error, RetryableError):
        retry_info = RetryInfo()
        retry_info.retry_delay.FromMilliseconds(round(_retry_after_s(error) * 1000))
        return [retry_info]
    if http is HTTPStatus.BAD_REQUEST:
        path = error.path if isinstance(error, InvalidFieldError) else ""
        return [BadRequest(field_violations=[BadRequest.FieldViolation(field=path, description=message)])]
    return []


def _headers(error: Exception) -> dict[str, str]:
    match error:
        case RetryableError():
            return {"retry-after": str(max(1, math.ceil(_retry_after_s(error))))}
        case UnauthenticatedError():
            return {"www-authenticate": "Bearer"}
        case WrongMethodError():
            return {"allow": "POST"}
        case _:
            return {}


def _retry_after_s(error: RetryableError) -> float:
    return DEFAULT_RETRY_AFTER_S if error.retry_after_s is None else error.retry_after_s


def success(signal: "Signal", outcome: Outcome) -> Message:
    """The response of Export: empty, or with `partial_success` where something was rejected or is to be said."""
    response: Any = signal.response()
    if outcome.rejected or outcome.message:
        setattr(response.partial_success, signal.rejected, outcome.rejected)
        response.partial_success.error_message = outcome.message[:MAX_MESSAGE_CHARS]
    return cast("Message", response)


def encode(message: Message, encoding: Encoding) -> bytes:
    """`message` as the body of an HTTP response."""
    if encoding is Encoding.JSON:
        return MessageToJson(message, indent=None).encode()
    return message.SerializeToString()
