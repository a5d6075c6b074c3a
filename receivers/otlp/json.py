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
from typing import Any

from google.protobuf.descriptor import Descriptor, FieldDescriptor
from google.protobuf.message import Message

from pipeline.errors import PermanentError
from receivers.otlp.status import InvalidFieldError

MAX_DEPTH = 100  # nested messages, as in protobuf itself
MAX_SHOWN = 40
HEX_FIELDS = frozenset({"trace_id", "span_id", "parent_span_id"})
NOT_FINITE = frozenset({"NaN", "Infinity", "-Infinity"})
_HEX = re.compile(r"(?:[0-9a-fA-F]{2})*")
_STANDARD = str.maketrans("-_", "+/")
_NUMBER = re.compile(r"-?\d+(\.\d+)?([eE][-+]?\d+)?", re.ASCII)

Convert = Callable[[Any], Any]


class _WrongError(Exception):
    """A value that is not what its field takes; says what was expected."""


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
    parsed = message()
    _fill(parsed, _parse(body), "$", MAX_DEPTH)
    return parsed.SerializeToString()


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


def _fill(message: Message, value: Any, path: str, depth: int) -> None:
    """Set the fields of `message` from a JSON object."""
    if not isinstance(value, dict):
        raise InvalidFieldError(path, f"expected an object, got {_show(value)}")
    if depth == 0:
        raise InvalidFieldError(path, f"expected at most {MAX_DEPTH} nested messages, got more")
    fields = _fields(message.DESCRIPTOR)
    for key, item in value.items():
        field = fields.get(key)
        if field is not None and item is not None:
            _set(message, field, item, f"{path}.{key}", depth)


def _set(message: Message, field: _Field, item: Any, path: str, depth: int) -> None:
    if field.repeated:
        _extend(getattr(message, field.name), field, item, path, depth)
    elif field.message is not None:
        child = getattr(message, field.name)
        child.SetInParent()
        _fill(child, item, path, depth - 1)
    else:
        _assign(lambda value: setattr(message, field.name, value), field, item, path)


def _extend(target: Any, field: _Field, items: Any, path: str, depth: int) -> None:
    if not isinstance(items, list):
        raise InvalidFieldError(path, f"expected a list, got {_show(items)}")
    for index, item in enumerate(items):
        if field.message is not None:
            _fill(target.add(), item, f"{path}[{index}]", depth - 1)
        else:
            _assign(target.append, field, item, f"{path}[{index}]")


def _assign(assign: Callable[[Any], None], field: _Field, item: Any, path: str) -> None:
    try:
        assign(field.convert(item))
    except _WrongError as error:
        raise InvalidFieldError(path, f"expected {error}, got {_show(item)}") from None
    except (ValueError, OverflowError) as error:
        raise InvalidFieldError(path, f"expected a value in range, got {_show(item)}") from error


@cache
def _fields(descriptor: Descriptor) -> Mapping[str, _Field]:
    return {
        field.camelcase_name: _Field(field.name, field.is_repeated, field.message_type, _converter(field))
        for field in descriptor.fields
    }


def _converter(field: FieldDescriptor) -> Convert:
    return _hex if field.name in HEX_FIELDS else _CONVERT.get(field.type, _text)


def _text(value: Any) -> str:
    if not isinstance(value, str):
        raise _WrongError("text")
    try:
        value.encode()
    except UnicodeEncodeError:  # half a surrogate pair, which no protobuf text can hold
        return value.encode("utf-16", "surrogatepass").decode("utf-16", "replace")
    return value


def _hex(value: Any) -> bytes:
    if isinstance(value, str) and _HEX.fullmatch(value):
        return bytes.fromhex(value)
    raise _WrongError("pairs of hexadecimal digits")


def _bytes(value: Any) -> bytes:
    """Base64 of either alphabet, padded or not, as protobuf's own JSON reads it."""
    if isinstance(value, str):
        text = value.translate(_STANDARD).rstrip("=")
        with suppress(ValueError):
            return base64.b64decode(text + "=" * (-len(text) % 4), validate=True)
    raise _WrongError("bytes in base64")


def _integer(value: Any) -> int:
    if isinstance(value, str) and _NUMBER.fullmatch(value):
        value = int(value) if value.lstrip("-").isdigit() else float(value)
    if isinstance(value, float) and value.is_integer():
        return int(value)
    if isinstance(value, int) and not isinstance(value, bool):
        return value
    raise _WrongError("a whole number")


def _enum(value: Any) -> int:
    if isinstance(value, int) and not isinstance(value, bool):
        return value
    raise _WrongError("an enum's number")


def _double(value: Any) -> float:
    if isinstance(value, str) and (value in NOT_FINITE or _NUMBER.fullmatch(value)):
        return float(value)
    if isinstance(value, int | float) and not isinstance(value, bool):
        return float(value)
    raise _WrongError('a number, "NaN", "Infinity" or "-Infinity"')


def _boolean(value: Any) -> bool:
    if isinstance(value, bool):
        return value
    raise _WrongError("true or false")


_INTEGERS = (
    FieldDescriptor.TYPE_INT32,
    FieldDescriptor.TYPE_INT64,
    FieldDescriptor.TYPE_UINT32,
    FieldDescriptor.TYPE_UINT64,
    FieldDescriptor.TYPE_SINT32,
    FieldDescriptor.TYPE_SINT64,
    FieldDescriptor.TYPE_FIXED32,
    FieldDescriptor.TYPE_FIXED64,
    FieldDescriptor.TYPE_SFIXED32,
    FieldDescriptor.TYPE_SFIXED64,
)
_CONVERT: Mapping[int, Convert] = {
    FieldDescriptor.TYPE_STRING: _text,
    FieldDescriptor.TYPE_BYTES: _bytes,
    FieldDescriptor.TYPE_ENUM: _enum,
    FieldDescriptor.TYPE_BOOL: _boolean,
    FieldDescriptor.TYPE_DOUBLE: _double,
    FieldDescriptor.TYPE_FLOAT: _double,
    **dict.fromkeys(_INTEGERS, _integer),
}


def _show(value: Any) -> str:
    if isinstance(value, dict | list):
        return "an object" if isinstance(value, dict) else "a list"
    text = json.dumps(value, ensure_ascii=True)
    return text if len(text) <= MAX_SHOWN else f"{text[: MAX_SHOWN - 3]}..."
