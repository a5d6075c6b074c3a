"""OTLP as people read it: what `andon spool show` prints.

In: the bytes of a request. Out: what JSON is made of, in OTLP/JSON's spelling but for two things that help the eye:
enums have their names, and a list longer than `MAX_LISTED` ends with how many more there are. Promised: any bytes for
text, since a request may be refused for just those.
"""

import base64
from typing import Any

from google.protobuf.descriptor import Descriptor, FieldDescriptor
from google.protobuf.message import DecodeError, Message

from receivers.otlp.json import HEX_FIELDS
from receivers.otlp.signals import BY_NAME
from receivers.otlp.tolerant import tolerant
from receivers.otlp.wire import MalformedError

MAX_LISTED = 20


def readable(signal: str, body: bytes) -> dict[str, Any]:
    """A request of `signal` as JSON would have it.

    Raises:
        MalformedError: it is none.
    """
    request: Any = BY_NAME[signal].request
    try:
        message = tolerant(request).FromString(body)
    except DecodeError as error:
        raise MalformedError(str(error), 0) from error
    return _message(message, request.DESCRIPTOR)


def _message(message: Message, kind: Descriptor) -> dict[str, Any]:
    """The fields that are set; `kind` knows which of them are text."""
    return {
        kind.fields_by_name[field.name].json_name: _field(value, kind.fields_by_name[field.name])
        for field, value in message.ListFields()
    }


def _field(value: Any, field: FieldDescriptor) -> Any:
    if not field.is_repeated:
        return _value(value, field)
    listed = [_value(one, field) for one in value[:MAX_LISTED]]
    return [*listed, f"… {len(value) - MAX_LISTED} more"] if len(value) > MAX_LISTED else listed


def _value(value: Any, field: FieldDescriptor) -> Any:
    if field.message_type is not None:
        return _message(value, field.message_type)
    if field.enum_type is not None:
        known = field.enum_type.values_by_number.get(value)
        return known.name if known else value
    if field.type == FieldDescriptor.TYPE_STRING:
        return value.decode(errors="backslashreplace")
    if field.type == FieldDescriptor.TYPE_BYTES:
        return value.hex() if field.name in HEX_FIELDS else base64.b64encode(value).decode()
    return value
