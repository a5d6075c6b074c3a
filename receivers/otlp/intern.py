"""Interning: numbers for strings in order of first sight, which is what Arrow's dictionary codes are.

In: rows of slice words into one byte array. Out: a code for each, and where the string of each code stands. Promised:
memory is linear in the distinct strings; the hash is seeded per process, so no sender can choose strings that collide.
"""

# ruff: noqa: PLR0917 - kernels take arrays, not objects

import secrets

import numpy as np

from receivers.otlp.arrays import Bytes, Codes, Words, fresh
from receivers.otlp.jit import int64, kernel
from receivers.otlp.memory import equal, fold, load64
from receivers.otlp.wire import LOW

SEED: Words = np.array([secrets.randbits(63) | 1, secrets.randbits(63) | 1], np.int64)
ROOM = 64  # strings before the table grows for the first time


@kernel
def string_hash(source: Bytes, begin: int, size: int, seed: Words) -> int:
    """The mixing of wyhash (Wang Yi): fold each eight bytes with a secret."""
    value, at, end = seed[0] ^ size, begin, begin + size
    while at + 8 <= end:
        value = fold(value ^ load64(source, at), seed[1])
        at += 8
    rest = int64(0)
    while at < end:
        rest = rest << 8 | int64(source[at])
        at += 1
    return fold(value ^ rest, seed[1])


@kernel
def find(source: Bytes, begin: int, size: int, value: int, slots: Codes, words: Words, hashes: Words) -> int:
    """The slot of the string that hashes to `value`, or the empty slot where it belongs. A slot holds a code + 1."""
    mask = slots.size - 1
    slot = value & mask
    while slots[slot] != 0:
        code = slots[slot] - 1
        same = hashes[code] == value and words[code] >> 32 == size
        if same and equal(source, words[code] & LOW, source, begin, size):
            break
        slot = (slot + 1) & mask
    return slot


@kernel
def grown(slots: Codes, words: Words, hashes: Words, after: Codes) -> tuple[Codes, Words, Words, Codes]:
    """The same table with twice the room."""
    more = np.zeros(slots.size * 2, np.int32)
    mask = more.size - 1
    for code in range(hashes.size):
        slot = hashes[code] & mask
        while more[slot] != 0:
            slot = (slot + 1) & mask
        more[slot] = code + 1
    room = np.zeros_like(words)
    return more, np.append(words, room), np.append(hashes, room), np.append(after, np.zeros_like(after))


@kernel
def intern(
    source: Bytes,
    rows: Words,
    column: int,
    seed: Words,
    slots: Codes,
    words: Words,
    hashes: Words,
    used: int,
    codes: Codes,
) -> tuple[Codes, Words, Words, int]:
    """Fill `codes`; returns the table, larger where it had to grow.

    Attributes come in the same order again and again, so the code that followed the last one before is tried first.
    """
    after = np.zeros(words.size, np.int32)
    last = 0
    for row in range(rows.shape[0]):
        begin, size = rows[row, column] & LOW, rows[row, column] >> 32
        code = after[last]
        if code < used and words[code] >> 32 == size and equal(source, words[code] & LOW, source, begin, size):
            codes[row] = last = code
            continue
        value = string_hash(source, begin, size, seed)
        slot = find(source, begin, size, value, slots, words, hashes)
        if slots[slot] == 0:
            if used == words.size:
                slots, words, hashes, after = grown(slots, words, hashes, after)
                slot = find(source, begin, size, value, slots, words, hashes)
            words[used], hashes[used] = rows[row, column], value
            used += 1
            slots[slot] = used
        after[last] = codes[row] = slots[slot] - 1
        last = codes[row]
    return slots, words, hashes, used


class Interner:
    """The distinct strings of one byte array."""

    def __init__(self, source: Bytes) -> None:
        self.source = source
        self._slots: Codes = np.zeros(2 * ROOM, np.int32)
        self._words: Words = np.zeros(ROOM, np.int64)
        self._hashes: Words = np.zeros(ROOM, np.int64)
        self._used = 0

    def codes(self, rows: Words, column: int) -> Codes:
        """The code of each row's string."""
        codes = fresh(len(rows), np.int32)
        self._slots, self._words, self._hashes, self._used = intern(
            self.source, rows, column, SEED, self._slots, self._words, self._hashes, self._used, codes
        )
        return codes

    @property
    def words(self) -> Words:
        """Where the string of each code stands: rows of one slice word."""
        return self._words[: self._used].reshape(-1, 1)
