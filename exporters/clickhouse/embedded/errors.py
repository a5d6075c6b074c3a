"""ClickHouse's exceptions: their codes, their text, and the HTTP status a ClickHouse server gives each."""

from enum import IntEnum


class Code(IntEnum):
    """The codes raised on this side of the engine; names and numbers are those of ClickHouse's ErrorCodes.cpp."""

    BAD_ARGUMENTS = 36
    NOT_IMPLEMENTED = 48
    SYNTAX_ERROR = 62
    UNKNOWN_FORMAT = 73
    UNKNOWN_COMPRESSION_METHOD = 89
    REQUIRED_PASSWORD = 194
    TOO_MANY_SIMULTANEOUS_QUERIES = 202
    SOCKET_TIMEOUT = 209
    ABORTED = 236
    CANNOT_DECOMPRESS = 271
    TOO_MANY_BYTES = 307
    ACCESS_DENIED = 497
    AUTHENTICATION_FAILED = 516
    UNKNOWN_EXCEPTION = 1002


class EngineError(Exception):
    """A statement that was not run to its end: ClickHouse's code, and the text a client shows."""

    def __init__(self, code: int, text: str) -> None:
        self.code = code
        self.text = text
        super().__init__(text)


def refusal(code: Code, text: str) -> EngineError:
    """An error of our own, worded as ClickHouse words its own."""
    return EngineError(code, f"Code: {code}. DB::Exception: {text}. ({code.name})")


def status_of(code: int) -> int:
    """The HTTP status of an error code."""
    return _STATUS_OF_CODE.get(code, 500)


# ClickHouse's exceptionCodeToHTTPStatus.cpp, and the codes of the bounds kept on this side of the engine.
_CODES_OF_STATUS = {
    400: (
        *(6, 8, 15, 25, 26, 27, 36, 38, 41, 44, 53, 62, 72, 89, 117, 167, 168),
        *(223, 271, 321, 376, 427, 441, 452, 675, 676),
    ),
    401: (194,),
    403: (164, 192, 193, 497, 512, 516),
    404: (46, 47, 50, 56, 60, 63, 73, 78, 81, 115, 336, 511),
    408: (159, 209),
    413: (307,),
    501: (48,),
    503: (76, 202, 439),
}
_STATUS_OF_CODE = {code: status for status, codes in _CODES_OF_STATUS.items() for code in codes}
