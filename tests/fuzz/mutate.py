"""Inputs that nobody would write, made from those that somebody did.

In: a body, its message class, a seeded source of chance. Out: another body: legal values at their edges, legal but
unusual wire forms, or bytes that are simply wrong.
"""

import json
import random
from collections.abc import Callable
from typing import Any

from google.protobuf.descriptor import FieldDescriptor
from google.protobuf.message import DecodeError, Message

from fixtures.otlp_bodies import damaged, length_delimited, varint

INTEGERS = (0, 1, 2, 127, 128, 2**31 - 1, 2**31, 2**32 - 1, 2**63 - 1, 2**63, 2**64 - 1, -1, -(2**31), -(2**63))
DOUBLES = (0.0, -0.0, 1.0, 0.1, 1e21, -1e-7, 5e-324, float("nan"), float("inf"), float("-inf"))
TEXTS = (
    b"",
    b"\xff",
    b"service.name",
    b"\xed\xa0\x80",
    bytes(16),
    b"t" * 16,
    bytes(8),
    b"s" * 8,
    b"x" * 127,
    b"y" * 300,
)
NARROW = (FieldDescriptor.CPPTYPE_INT32, FieldDescriptor.CPPTYPE_UINT32, FieldDescriptor.CPPTYPE_ENUM)
VARINT, LENGTH = 0, 2


def mutated(body: bytes, request: type[Message], chance: random.Random) -> bytes:
    """A body like `body`, but for one to four things."""
    try:
        message = request.FromString(body)
    except DecodeError:
        return damaged(body, chance)
    for _ in range(chance.randrange(4)):
        shake(message, chance)
    made = message.SerializeToString() if chance.random() < 0.4 else unusual(message, chance)
    return damaged(made, chance) if chance.random() < 0.3 else made


def shake(message: Any, chance: random.Random) -> None:
    """Change one field of the message, or of one below it."""
    below = [one for field, value in message.ListFields() if field.message_type
             for one in (value if field.is_repeated else [value])]  # fmt: skip
    if below and chance.random() < 0.85:
        shake(chance.choice(below), chance)
        return
    field = chance.choice(message.DESCRIPTOR.fields)
    if not field.is_repeated:
        _set(message, field, chance)
    elif field.message_type:
        _rearrange(getattr(message, field.name), chance)
    else:
        getattr(message, field.name).extend(_odd(field, chance) for _ in range(chance.randrange(1, 4)))


def _set(message: Any, field: FieldDescriptor, chance: random.Random) -> None:
    if chance.random() < 0.2:
        message.ClearField(field.name)
    elif field.message_type:
        getattr(message, field.name).SetInParent()
    else:
        setattr(message, field.name, _odd(field, chance))


def _rearrange(items: Any, chance: random.Random) -> None:
    match chance.randrange(4):
        case 0:
            items.add()
        case 1 if items:
            del items[chance.randrange(len(items))]
        case 2:
            items.reverse()
        case _ if items:
            items.add().CopyFrom(chance.choice(items))


def _odd(field: FieldDescriptor, chance: random.Random) -> Any:
    """A value at the edge of what the field holds."""
    if field.type == FieldDescriptor.TYPE_BYTES:  # texts too, in the tolerant twin
        return chance.choice(TEXTS)
    if field.cpp_type == FieldDescriptor.CPPTYPE_DOUBLE:
        return chance.choice(DOUBLES)
    if field.cpp_type == FieldDescriptor.CPPTYPE_BOOL:
        return chance.random() < 0.5
    bits = 32 if field.cpp_type in NARROW else 64
    signed = field.cpp_type not in {FieldDescriptor.CPPTYPE_UINT32, FieldDescriptor.CPPTYPE_UINT64}
    low, high = (-(1 << bits - 1), (1 << bits - 1) - 1) if signed else (0, (1 << bits) - 1)
    return chance.choice([value for value in INTEGERS if low <= value <= high])


def unusual(message: Any, chance: random.Random) -> bytes:
    """The message in a form that protobuf reads but never writes: shuffled, split, unpacked, with long varints."""
    pieces = [
        piece
        for field, value in message.ListFields()
        for piece in (_repeated if field.is_repeated else _single)(message, field, value, chance)
    ]
    if chance.random() < 0.2:
        chance.shuffle(pieces)
    return b"".join(pieces)


def _single(message: Any, field: FieldDescriptor, value: Any, chance: random.Random) -> list[bytes]:
    if not field.message_type:
        written = type(message)(**{field.name: value}).SerializeToString()
        return [_longer(written, field, chance) if chance.random() < 0.1 else written]
    content = unusual(value, chance)
    if chance.random() < 0.05:
        return [length_delimited(field.number, part) for part in (content, unusual(value, chance), b"")]
    return [_delimited(field.number, content, chance)]


def _repeated(message: Any, field: FieldDescriptor, values: Any, chance: random.Random) -> list[bytes]:
    if field.message_type:
        return [_delimited(field.number, unusual(value, chance), chance) for value in values]
    alone = [type(message)(**{field.name: [value]}).SerializeToString() for value in values]
    if field.type == FieldDescriptor.TYPE_BYTES or chance.random() < 0.1:
        return alone  # a packed field for each element
    if chance.random() < 0.1:
        return [varint(field.number << 3 | _wire_type(field)) + one[2:] for one in alone]
    return [type(message)(**{field.name: list(values)}).SerializeToString()]


def _wire_type(field: FieldDescriptor) -> int:
    wide = field.type in {FieldDescriptor.TYPE_DOUBLE, FieldDescriptor.TYPE_FIXED64, FieldDescriptor.TYPE_SFIXED64}
    return 1 if wide else VARINT


def _delimited(number: int, content: bytes, chance: random.Random) -> bytes:
    """With a length of more bytes than it needs, now and then."""
    if chance.random() > 0.05:
        return length_delimited(number, content)
    size = len(content)
    return varint(number << 3 | LENGTH) + bytes([size >> shift & 127 | 128 for shift in (0, 7, 14, 21)] + [0]) + content


def _longer(written: bytes, field: FieldDescriptor, chance: random.Random) -> bytes:
    """An integer of 32 bits written with bits above, which protobuf cuts off."""
    if field.cpp_type not in NARROW or written[-1] > 127 or written[0] & 7 != VARINT or len(written) > 6:
        return written
    return written[:-1] + bytes([written[-1] | 128, *[128] * (6 - len(written)), chance.randrange(1, 128)])


def mutated_json(body: bytes, chance: random.Random) -> bytes:
    """A JSON body like `body`, but for some of its values, keys or bytes."""
    if chance.random() < 0.3:
        return damaged(body, chance)
    try:
        document = json.loads(body)
        for _ in range(chance.randrange(1, 4)):
            document = _shaken(document, chance)
        return json.dumps(document).encode()
    except (ValueError, RecursionError):  # too deep even for Python, which the corpus has files of
        return damaged(body, chance)


def _shaken(value: Any, chance: random.Random) -> Any:
    """The value with one thing in it replaced."""
    if chance.random() < 0.9 and isinstance(value, dict) and value:
        key = chance.choice(list(value))
        value = dict(value)
        value[_key(key, chance)] = _shaken(value.pop(key), chance)
        return value
    if chance.random() < 0.9 and isinstance(value, list) and value:
        at = chance.randrange(len(value))
        return [*value[:at], _shaken(value[at], chance), *value[at : at + chance.randrange(2)], *value[at + 1 :]]
    return chance.choice(JSON_VALUES)(chance)


def _key(key: str, chance: random.Random) -> str:
    return chance.choice(["", "unknown", key.upper(), f"{key}_x"]) if chance.random() < 0.03 else key


JSON_VALUES: tuple[Callable[[random.Random], Any], ...] = (
    lambda _: None,
    lambda _: {},
    lambda _: [],
    lambda _: True,
    lambda chance: chance.choice(INTEGERS),
    lambda chance: str(chance.choice(INTEGERS)),
    lambda chance: chance.choice(DOUBLES),
    lambda chance: chance.choice(["NaN", "Infinity", "-Infinity", "1e400", "0x10", "1.0", " 1", "1_0", "٣"]),
    lambda chance: chance.choice(
        ["\ud800", "\udc00\ud800", "caf\xe9", "x" * 300, "\0", "5B8EFFF798038103D269B633813FC60C"]
    ),
    lambda _: [[[[]]]],
    lambda _: 10**400,
    lambda chance: _deep(chance.choice([3, 47, 48, 49, 60, 200])),
)


def _deep(levels: int) -> Any:
    value: Any = {"stringValue": "x"}
    for _ in range(levels):
        value = {"arrayValue": {"values": [value]}}
    return value
