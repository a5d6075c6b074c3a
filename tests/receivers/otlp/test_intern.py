"""Interning numbers strings in order of first sight, however many and however alike."""

import random

import numpy as np
from hypothesis import given, settings
from hypothesis import strategies as st

from receivers.otlp.arrays import as_array
from receivers.otlp.intern import Interner


def words(strings: list[bytes]) -> tuple[bytes, np.ndarray]:
    """All strings in one buffer, and their slice words."""
    ends = np.cumsum([len(string) for string in strings], dtype=np.int64)
    sizes = np.array([len(string) for string in strings], np.int64)
    return b"".join(strings), (sizes << 32 | ends - sizes).reshape(-1, 1)


def interned(strings: list[bytes], parts: int = 1) -> tuple[list[int], list[bytes]]:
    """(codes, dictionary)."""
    source, rows = words(strings)
    interner = Interner(as_array(source))
    codes = [code for part in np.array_split(rows, parts) for code in interner.codes(np.ascontiguousarray(part), 0)]
    return codes, [source[word & 0xFFFFFFFF :][: word >> 32] for word in interner.words[:, 0].tolist()]


@settings(max_examples=200, deadline=None)
@given(st.lists(st.binary(max_size=20) | st.sampled_from([b"", b"\x00", b"\x00\x00", b"http.route"]), max_size=60))
def test_codes_lead_back_to_the_strings_and_the_dictionary_has_each_once(strings: list[bytes]) -> None:
    """In order of first sight, also when they come in several parts."""
    for parts in (1, 3):
        codes, dictionary = interned(strings, parts)
        assert [dictionary[code] for code in codes] == strings
        assert dictionary == list(dict.fromkeys(strings))


def test_the_table_grows_with_the_distinct_strings() -> None:
    """Far more than it began with, in no order."""
    chance = random.Random(3)
    strings = [b"%d" % chance.randrange(20_000) for _ in range(50_000)]
    codes, dictionary = interned(strings)
    assert [dictionary[code] for code in codes] == strings
    assert len(dictionary) == len(set(strings))
