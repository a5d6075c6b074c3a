"""UTF-8 inside kernels: text that Arrow and ClickHouse may trust, from bytes that nobody has checked.

In: the bytes of a string. Out: the same where they are UTF-8; where not, U+FFFD for each maximal ill-formed part (the
Unicode Standard, section 3.9, U+FFFD Substitution of Maximal Subparts; Python's errors="replace" does the same).
"""

# ruff: noqa: PLR0917, PLR2004 - kernels take arrays, not objects; UTF-8 is made of numbers

from receivers.otlp.arrays import Bytes
from receivers.otlp.jit import int64, kernel
from receivers.otlp.memory import copy, load64, store64

GROWTH = 3  # bytes of U+FFFD that one ill-formed byte can turn into
HIGH_BITS = -0x7F7F7F7F7F7F7F80  # 0x80 in each byte of a word


@kernel
def sequence(source: Bytes, at: int, end: int) -> int:
    """Length of the character at `at`, or minus the length of the ill-formed part there (Unicode, table 3-7)."""
    lead = source[at]
    if lead < 0x80:
        return 1
    size = 2 if 0xC2 <= lead <= 0xDF else 3 if 0xE0 <= lead <= 0xEF else 4 if 0xF0 <= lead <= 0xF4 else 0
    low = 0xA0 if lead == 0xE0 else 0x90 if lead == 0xF0 else 0x80
    high = 0x9F if lead == 0xED else 0x8F if lead == 0xF4 else 0xBF
    trail = 1
    while trail < size:
        if at + trail >= end or not low <= source[at + trail] <= high:
            return -trail
        low, high = 0x80, 0xBF
        trail += 1
    return size if size != 0 else -1


@kernel
def is_utf8(source: Bytes, at: int, end: int) -> bool:
    while at < end:
        step = sequence(source, at, end)
        if step < 0:
            return False
        at += step
    return True


@kernel
def repair(to: Bytes, at: int, source: Bytes, begin: int, end: int) -> int:
    """Write well-formed text, at most GROWTH times as long; returns where it ends."""
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
def write_text(to: Bytes, at: int, source: Bytes, begin: int, size: int, roomy: int) -> tuple[int, int]:
    """Write one string; returns (where it ends, 1 if repaired), or (-1, 0) if it must be and `to` is not `roomy`.

    Copies whole words and looks at their high bits on the way, so that ASCII, which is nearly all, is read once.
    """
    high, offset = int64(0), int64(0)
    if begin + size + 8 <= source.size and at + size + 8 <= to.size:
        while offset + 8 <= size:
            word = load64(source, begin + offset)
            store64(to, at + offset, word)
            high |= word
            offset += 8
        if offset < size:
            word = load64(source, begin + offset)
            store64(to, at + offset, word)  # also past its end, where the next string will be
            high |= word << (8 * (offset + 8 - size))
    else:
        while offset < size:
            to[at + offset] = source[begin + offset]
            high |= int64(source[begin + offset])
            offset += 1
    if high & HIGH_BITS == 0 or is_utf8(source, begin, begin + size):
        return at + size, 0
    if roomy == 0:
        return -1, 0
    return repair(to, at, source, begin, begin + size), 1
