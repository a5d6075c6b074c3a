"""OTLP/JSON to OTLP protobuf, by OTLP's own rules, which are not those of protobuf's JSON.

In: the body of a request and the message it should be. Out: the same message in protobuf bytes. Promised, as the OTLP
specification has it: ids in hex of either case, other bytes in base64; enums as integers only; lowerCamelCase keys
only; 64-bit integers as numbers or strings; null as if it were absent; unknown keys ignored. Driven by the message's
descriptor, so it serves every signal. At most `MAX_DEPTH` messages deep, and every error names the JSON path.
"""

import base64
import json
import re
from collections.abc import Callable, Mapping
from contextlib import suppress
from dataclasses import dataclass
from functools import cache
from typing import Any, cast

from google.protobuf.descriptor import Descriptor, FieldDescriptor
from google.protobuf.message import Message

from pipeline.errors import PermanentError
from receivers.otlp.status import InvalidFieldError

MAX_DEPTH = 100  # nested messages, as in protobuf itself
MAX_NUMBER = 40  # characters: more digits than any field holds
MAX_SHOWN = 40
HEX_FIELDS = frozenset({"trace_id", "span_id", "parent_span_id"})
NOT_FINITE = frozenset({"NaN", "Infinity", "-Infinity"})
_HEX = re.compile(r"(?:[0-9a-fA-F]{2})*")
_STANDARD = str.maketrans("-_", "+/")
_NUMBER = re.compile(r"-?\d+(\.\d+)?([eE][-+]?\d+)?", re.ASCII)

Convert = Callable[[Any], Any]


class _WrongError(Exception):
    """A value that is not what its field takes. Its path is collected on the way up: good values pay nothing for it."""

    def __init__(self, expected: str, got: str) -> None:
        self.message = f"expected {expected}, got {got}"
        self.steps: list[str] = []
        super().__init__(self.message)


@dataclass(frozen=True, slots=True)
class _Field:
    """How one key of a JSON object becomes a field: `convert` for scalars, `message` for the others."""

    name: str
    repeated: bool
    message: Descriptor | None
    convert: Convert


def to_protobuf(body: bytes, message: type[Message]) -> bytes:
    """`body` as the protobuf bytes of `message`.

    Raises:
        PermanentError: it is not JSON, or (`InvalidFieldError`) a field is not what it should be.
    """
    try:
        fields = _object(_parse(body), cast("Descriptor", message.DESCRIPTOR), MAX_DEPTH)
    except _WrongError as error:
        raise InvalidFieldError("".join(["$", *reversed(error.steps)]), error.message) from None
    return message(**fields).SerializeToString()


def _parse(body: bytes) -> Any:
    try:
        return json.loads(body.decode(), parse_constant=_no_constant)
    except UnicodeDecodeError as error:
        raise PermanentError(f"expected JSON in UTF-8, got a wrong byte at {error.start}") from error
    except RecursionError as error:
        raise PermanentError("expected JSON of sane depth, got deeper nesting than any message has") from error
    except ValueError as error:
        raise PermanentError(f"expected JSON, got: {error}") from error


def _no_constant(name: str) -> Any:
    raise ValueError(f"the bare word {name}, which JSON has not")


def _object(value: Any, descriptor: Descriptor, depth: int) -> dict[str, Any]:
    """A JSON object as the arguments of a message's constructor."""
    if not isinstance(value, dict):
        raise _WrongError("an object", _show(value))
    if depth == 0:
        raise _WrongError(f"at most {MAX_DEPTH} nested messages", "more")
    known = _fields(descriptor)
    arguments: dict[str, Any] = {}
    for key, item in value.items():
        field = known.get(key)
        if field is None or item is None:
            continue
        try:
            if field.repeated:
                arguments[field.name] = _list(item, field, depth)
            elif field.message is None:
                arguments[field.name] = field.convert(item)
            else:
                arguments[field.name] = _object(item, field.message, depth - 1)
        except _WrongError as error:
            error.steps.append(f".{key}")
            raise
    return arguments


def _list(items: Any, field: _Field, depth: int) -> list[Any]:
    if not isinstance(items, list):
        raise _WrongError("a list", _show(items))
    made: list[Any] = []
    for number, item in enumerate(items):
        try:
            made.append(field.convert(item) if field.message is None else _object(item, field.message, depth - 1))
        except _WrongError as error:
            error.steps.append(f"[{number}]")
            raise
    return made


@cache
def _fields(descriptor: Descriptor) -> Mapping[str, _Field]:
    return {
        field.camelcase_name: _Field(field.name, field.is_repeated, field.message_type, _converter(field))
        for field in descriptor.fields
    }


def _converter(field: FieldDescriptor) -> Convert:
    if field.name in HEX_FIELDS:
        return _hex
    if field.type in _RANGES:
        low, high = _RANGES[field.type]
        return lambda value: _integer(value, low, high)
    return _CONVERT.get(field.type, _text)


def _text(value: Any) -> str:
    if not isinstance(value, str):
        raise _WrongError("text", _show(value))
    if value.isascii():
        return value
    try:
        value.encode()
    except UnicodeEncodeError:  # half a surrogate pair, which no protobuf text can hold
        return value.encode("utf-16", "surrogatepass").decode("utf-16", "replace")
    return value


def _hex(value: Any) -> bytes:
    if isinstance(value, str) and _HEX.fullmatch(value):
        return bytes.fromhex(value)
    raise _WrongError("pairs of hexadecimal digits", _show(value))


def _bytes(value: Any) -> bytes:
    """Base64 of either alphabet, padded or not, as protobuf's own JSON reads it."""
    if isinstance(value, str):
        text = value.translate(_STANDARD).rstrip("=")
        with suppress(ValueError):
            return base64.b64decode(text + "=" * (-len(text) % 4), validate=True)
    raise _WrongError("bytes in base64", _show(value))


def _integer(value: Any, low: int, high: int) -> int:
    number = value
    if isinstance(number, str) and len(number) <= MAX_NUMBER and _NUMBER.fullmatch(number):
        number = int(number) if number.lstrip("-").isdigit() else float(number)
    if isinstance(number, float) and number.is_integer():
        number = int(number)
    if not isinstance(number, int) or isinstance(number, bool):
        raise _WrongError("a whole number", _show(value))
    if not low <= number <= high:
        raise _WrongError(f"a whole number from {low} to {high}", _show(value))
    return number


def _enum(value: Any) -> int:
    if isinstance(value, int) and not isinstance(value, bool) and -(1 << 31) <= value < 1 << 31:
        return value
    raise _WrongError("an enum's number", _show(value))


def _double(value: Any) -> float:
    if isinstance(value, str) and (value in NOT_FINITE or _NUMBER.fullmatch(value)):
        return float(value)
    if isinstance(value, int | float) and not isinstance(value, bool):
        with suppress(OverflowError):
            return float(value)
    raise _WrongError('a number, "NaN", "Infinity" or "-Infinity"', _show(value))


def _boolean(value: Any) -> bool:
    if isinstance(value, bool):
        return value
    raise _WrongError("true or false", _show(value))


_INT32, _UINT32 = (-(1 << 31), (1 << 31) - 1), (0, (1 << 32) - 1)
_INT64, _UINT64 = (-(1 << 63), (1 << 63) - 1), (0, (1 << 64) - 1)
_RANGES: Mapping[int, tuple[int, int]] = {
    FieldDescriptor.TYPE_INT32: _INT32,
    FieldDescriptor.TYPE_SINT32: _INT32,
    FieldDescriptor.TYPE_SFIXED32: _INT32,
    FieldDescriptor.TYPE_UINT32: _UINT32,
    FieldDescriptor.TYPE_FIXED32: _UINT32,
    FieldDescriptor.TYPE_INT64: _INT64,
    FieldDescriptor.TYPE_SINT64: _INT64,
    FieldDescriptor.TYPE_SFIXED64: _INT64,
    FieldDescriptor.TYPE_UINT64: _UINT64,
    FieldDescriptor.TYPE_FIXED64: _UINT64,
}
_CONVERT: Mapping[int, Convert] = {
    FieldDescriptor.TYPE_BYTES: _bytes,
    FieldDescriptor.TYPE_ENUM: _enum,
    FieldDescriptor.TYPE_BOOL: _boolean,
    FieldDescriptor.TYPE_DOUBLE: _double,
    FieldDescriptor.TYPE_FLOAT: _double,
}


def _show(value: Any) -> str:
    if isinstance(value, dict | list):
        return "an object" if isinstance(value, dict) else "a list"
    text = json.dumps(value, ensure_ascii=True)
    return text if len(text) <= MAX_SHOWN else f"{text[: MAX_SHOWN - 3]}..."
