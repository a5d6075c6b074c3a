"""UTF-8 inside kernels: text that Arrow and ClickHouse may trust, from bytes that nobody checked.

In: bytes of a string. Out: the same bytes where they are UTF-8; each maximal ill-formed part replaced by U+FFFD where not
(Unicode 16, section 3.9, "U+FFFD substitution of maximal subparts", which is what Python's errors="replace" does).
"""

import numpy as np

from receivers.otlp.arrays import Bytes
from receivers.otlp.jit import kernel
from receivers.otlp.memory import copy, load64, store64

GROWTH = 3  # bytes of U+FFFD that one ill-formed byte can turn into
HIGH_BITS = -0x7F7F7F7F7F7F7F80  # 0x80 in each byte


@kernel
def sequence(source: Bytes, at: int, end: int) -> int:
    """Length of the well-formed character at `at`, or minus the length of the ill-formed part there."""
    first = source[at]
    if first < 0x80:
        return 1
    size = 2 if 0xC2 <= first <= 0xDF else 3 if 0xE0 <= first <= 0xEF else 4 if 0xF0 <= first <= 0xF4 else 0
    low = 0xA0 if first == 0xE0 else 0x90 if first == 0xF0 else 0x80
    high = 0x9F if first == 0xED else 0x8F if first == 0xF4 else 0xBF
    follower = 1
    while follower < size:
        if at + follower >= end or not low <= source[at + follower] <= high:
            return -follower
        low, high = 0x80, 0xBF
        follower += 1
    return size or -1


@kernel
def is_utf8(source: Bytes, begin: int, size: int) -> bool:
    at, end = begin, begin + size
    while at < end:
        step = sequence(source, at, end)
        if step < 0:
            return False
        at += step
    return True


@kernel
def repair(to: Bytes, at: int, source: Bytes, begin: int, size: int) -> int:
    """Write well-formed text, at most GROWTH times as long; returns where it ends."""
    end = begin + size
    while begin < end:
        step = sequence(source, begin, end)
        if step > 0:
            copy(to, at, source, begin, step)
            at += step
            begin += step
        else:
            to[at], to[at + 1], to[at + 2] = 0xEF, 0xBF, 0xBD
            at += 3
            begin -= step
    return at


@kernel
def write_text(to: Bytes, at: int, source: Bytes, begin: int, size: int, roomy: bool) -> tuple[int, int]:
    """Write one string; returns (where it ends, 1 if it was repaired), or (-1, 0) if it must be and `to` is not `roomy`.

    Copies whole words and looks at their high bits on the way, so that ASCII, which is nearly all, is read once.
    """
    high, offset = np.int64(0), 0
    if begin + size + 8 <= source.size and at + size + 8 <= to.size:
        while offset + 8 <= size:
            word = load64(source, begin + offset)
            store64(to, at + offset, word)
            high |= word
            offset += 8
        if offset < size:
            word = load64(source, begin + offset)
            store64(to, at + offset, word)  # past its end, where the next string will be
            high |= word << (8 * (offset + 8 - size))
    else:
        while offset < size:
            to[at + offset] = source[begin + offset]
            high |= np.int64(source[begin + offset])
            offset += 1
    if high & HIGH_BITS == 0 or is_utf8(source, begin, size):
        return at + size, 0
    if not roomy:
        return -1, 0
    return repair(to, at, source, begin, size), 1
