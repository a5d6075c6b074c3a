"""A digest of a request that is quick enough to take of every one: 128 bits in the time it takes to read it twice.

In: bytes. Out: a number. Promised: equal for equal bytes. The seeds are secrets of this process, so nobody outside can
look for two requests with one digest; it is no more than that, and means nothing in another process.
"""

import secrets

import numpy as np

from receivers.otlp.arrays import Bytes, Chunk, Words, as_array
from receivers.otlp.jit import int64, kernel
from receivers.otlp.memory import fold, load64

SEED: Words = np.array([secrets.randbits(63) | 1 for _ in range(6)], np.int64)
BLOCK, WORD_BITS = 32, 64


@kernel
def digest_halves(body: Bytes, seed: Words) -> tuple[int, int]:
    """Two hashes in the manner of wyhash (Wang Yi), each of two lanes so that multiplications overlap."""
    size = body.size
    a, b, c, d = seed[0] ^ size, seed[1], seed[2] ^ size, seed[3]
    at = 0
    while at + BLOCK <= size:
        one, two, three, four = load64(body, at), load64(body, at + 8), load64(body, at + 16), load64(body, at + 24)
        a = fold(one ^ seed[4], two ^ a)
        b = fold(three ^ seed[5], four ^ b)
        c = fold(one ^ seed[3], four ^ c)
        d = fold(three ^ seed[2], two ^ d)
        at += BLOCK
    while at < size:
        word, shift = int64(0), int64(0)
        while at < size and shift < WORD_BITS:
            word |= int64(body[at]) << shift
            shift += 8
            at += 1
        a, c = fold(word ^ seed[4], a ^ seed[1]), fold(word ^ seed[5], c ^ seed[3])
    return fold(a ^ seed[2], b ^ seed[5]), fold(c ^ seed[0], d ^ seed[4])


def digest(body: Chunk) -> int:
    """The digest of `body`."""
    first, second = digest_halves(as_array(body), SEED)
    return first << 64 ^ second
