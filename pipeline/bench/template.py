"""One serialized request from which any number follow, no two alike, without building them again.

In: a message whose ids, times and values are marks: 64-bit words that say what belongs in their place. Out: the same
bytes with those words filled in. Promised: two fillings whose items do not overlap differ in every id and value.

    mark, little-endian   | step: 5 bytes | kind: 1 byte | a5c3: 2 bytes |

A step is below 2^15 and a kind below 5, so nothing that protobuf writes beside a mark can be taken for one.
"""

import struct
from collections.abc import Callable, Mapping
from enum import IntEnum
from typing import TypeAlias

import numpy as np
import numpy.typing as npt

Words: TypeAlias = npt.NDArray[np.uint64]

SIGN = 0xA5C3
MAX_STEP = 1 << 15
NS_PER_MS = 1_000_000
AGE_NS = 2_000_000_000  # of what a body tells
SPREAD = np.uint64(0x9E3779B97F4A7C15)  # odd, so that multiplying by it makes no two ids the same


class Kind(IntEnum):
    """What a mark is filled with."""

    ID = 1  # eight bytes of an id
    TIME = 2  # nanoseconds since the epoch, `step` milliseconds after the others
    COUNT = 3  # an integer
    MEASURE = 4  # a double


def mark(kind: Kind, step: int) -> int:
    """The word to put where `kind` belongs."""
    assert 0 <= step < MAX_STEP
    return SIGN << 48 | kind << 40 | step


def id_mark(step: int) -> bytes:
    return mark(Kind.ID, step).to_bytes(8, "little")


def time_mark(step: int) -> int:
    return mark(Kind.TIME, step)


def count_mark(step: int) -> int:
    """As the signed integer of an `sfixed64`."""
    return mark(Kind.COUNT, step) - (1 << 64)


def measure_mark(step: int) -> float:
    return float(struct.unpack("<d", mark(Kind.MEASURE, step).to_bytes(8, "little"))[0])


class Template:
    """A request with marks."""

    def __init__(self, message: bytes) -> None:
        self._message = np.frombuffer(message, np.uint8)
        words = _words(self._message)
        places = np.flatnonzero(words >> 48 == SIGN)
        found = words[places]
        kinds, steps = found >> 40 & 0xFF, found & (MAX_STEP - 1)
        self.marks = {kind: (places[kinds == kind], steps[kinds == kind]) for kind in Kind}

    def filled(self, first: int, now_ns: int) -> bytes:
        """The request whose items count from `first`, and lie a little before `now_ns`."""
        message = self._message.copy()
        words = _words(message)
        for kind, (places, steps) in self.marks.items():
            words[places] = FILL[kind](steps, first, now_ns)
        return message.tobytes()


def _words(message: npt.NDArray[np.uint8]) -> Words:
    """The word that begins at each byte."""
    return np.ndarray((len(message) - 7,), np.dtype("<u8"), message, strides=(1,))


FILL: Mapping[Kind, Callable[[Words, int, int], Words]] = {
    Kind.ID: lambda steps, first, _: (steps + np.uint64(first + 1)) * SPREAD,
    Kind.TIME: lambda steps, _, now_ns: steps * np.uint64(NS_PER_MS) + np.uint64(now_ns - AGE_NS),
    Kind.COUNT: lambda steps, first, _: steps + np.uint64(first),
    Kind.MEASURE: lambda steps, first, _: (steps + np.uint64(first)).astype(np.float64).view(np.uint64),
}
