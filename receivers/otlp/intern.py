"""Interning: numbers for strings, in order of first sight, which are Arrow's dictionary codes.

In: slice words into one byte array. Out: a code per word, and the dictionary. Promised: memory is linear in the distinct strings; the hash is
seeded per process, so nobody outside can choose strings that collide.
"""

import secrets

import numpy as np

from receivers.otlp.jit import Bytes, Codes, Words, kernel
from receivers.otlp.memory import equal, fold, load64
from receivers.otlp.wire import LOW

SEED = np.array([secrets.randbits(63) | 1, secrets.randbits(63) | 1], np.int64)


@kernel
def string_hash(source: Bytes, begin: int, size: int, seed: Words) -> int:
    """wyhash's way of mixing: fold each eight bytes with a secret."""
    value, at = seed[0] ^ size, begin
    while at + 8 <= begin + size:
        value = fold(value ^ load64(source, at), seed[1])
        at += 8
    word = np.int64(0)
    while at < begin + size:
        word = word << 8 | np.int64(source[at])
        at += 1
    return fold(value ^ word, seed[1])


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
    """Fill `codes`; returns the table, grown where it had to be. A slot holds a code plus one, or 0."""
    after = np.zeros(
        words.size, np.int32
    )  # the code that followed each code last: attributes come in the same order again and again
    last = 0
    for at in range(rows.shape[0]):
        word = rows[at, column]
        begin, size = word & LOW, word >> 32
        guess = after[last]
        if guess < used and words[guess] >> 32 == size and equal(source, words[guess] & LOW, source, begin, size):
            codes[at] = last = guess
            continue
        value = string_hash(source, begin, size, seed)
        mask = slots.size - 1
        slot = value & mask
        while slots[slot] != 0:
            code = slots[slot] - 1
            if (
                hashes[code] == value
                and words[code] >> 32 == size
                and equal(source, words[code] & LOW, source, begin, size)
            ):
                break
            slot = (slot + 1) & mask
        if slots[slot] == 0:
            if used == words.size:
                slots, words, hashes, after = grown(slots, words, hashes, after)
                mask = slots.size - 1
                slot = value & mask
                while slots[slot] != 0:
                    slot = (slot + 1) & mask
            words[used], hashes[used] = word, value
            used += 1
            slots[slot] = used
        code = slots[slot] - 1
        codes[at] = code
        after[last] = code
        last = code
    return slots, words, hashes, used


@kernel
def grown(slots: Codes, words: Words, hashes: Words, after: Codes) -> tuple[Codes, Words, Words, Codes]:
    """The table with twice the room."""
    size = words.size
    more_slots = np.zeros(slots.size * 2, np.int32)
    more_words, more_hashes, more_after = (
        np.zeros(size * 2, np.int64),
        np.zeros(size * 2, np.int64),
        np.zeros(size * 2, np.int32),
    )
    more_words[:size], more_hashes[:size], more_after[:size] = words, hashes, after
    mask = more_slots.size - 1
    for code in range(size):
        slot = hashes[code] & mask
        while more_slots[slot] != 0:
            slot = (slot + 1) & mask
        more_slots[slot] = code + 1
    return more_slots, more_words, more_hashes, more_after


class Interner:
    """The distinct strings of one byte array."""

    def __init__(self, source: Bytes) -> None:
        self.source = source
        self._slots: Codes = np.zeros(128, np.int32)
        self._words: Words = np.zeros(64, np.int64)
        self._hashes: Words = np.zeros(64, np.int64)
        self._used = 0

    def codes(self, rows: Words, column: int) -> Codes:
        """The code of each row's string."""
        codes: Codes = np.empty(len(rows), np.int32)
        self._slots, self._words, self._hashes, self._used = intern(
            self.source, rows, column, SEED, self._slots, self._words, self._hashes, self._used, codes
        )
        return codes

    @property
    def words(self) -> Words:
        """Where the string of each code stands: rows of one slice word."""
        return self._words[: self._used].reshape(-1, 1)
