"""Arrow arrays from rows of words: one function for each kind of column.

In: rows of a table of a window, and which word holds the column. Out: Arrow arrays with buffers of their own, so that the chunk may go.
Promised: text in them is UTF-8.
"""

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
import pyarrow as pa

from receivers.otlp import render
from receivers.otlp.arrays import Bytes, Codes, Words, fresh
from receivers.otlp.intern import Interner
from receivers.otlp.jit import kernel
from receivers.otlp.memory import copy, load64, store64
from receivers.otlp.text import GROWTH, write_text
from receivers.otlp.wire import LOW

NAME = pa.dictionary(pa.int32(), pa.string())
ATTRIBUTES = pa.map_(NAME, pa.string())
ENTRY = pa.struct([ATTRIBUTES.key_field, ATTRIBUTES.item_field])
TIMESTAMP = pa.timestamp("ns")


@kernel
def hex_digits(four_bytes: int) -> int:
    """Eight digits for the four bytes in the low half of a word, first byte first, all digits at once."""
    spread = (four_bytes | four_bytes << 16) & 0x0000FFFF0000FFFF
    spread = (spread | spread << 8) & 0x00FF00FF00FF00FF
    digits = (spread >> 4 | spread << 8) & 0x0F0F0F0F0F0F0F0F
    letters = (digits + 0x0606060606060606) >> 4 & 0x0101010101010101
    return digits + 0x3030303030303030 + letters * (ord("a") - ord("9") - 1)


@kernel
def write_ids(source: Bytes, rows: Words, column: int, length: int, offsets: Codes, to: Bytes) -> None:
    """Hex of each id that has `length` bytes, a multiple of 8, not all zero; nothing for others."""
    at = 0
    for row in range(rows.shape[0]):
        offsets[row] = at
        begin, size = rows[row, column] & LOW, rows[row, column] >> 32
        some, place = np.int64(0), 0
        while size == length and place < length:
            word = load64(source, begin + place)
            some |= word
            store64(to, at + 2 * place, hex_digits(word & LOW))
            store64(to, at + 2 * place + 8, hex_digits(word >> 32 & LOW))
            place += 8
        at += 2 * size if some != 0 else 0
    offsets[rows.shape[0]] = at


@kernel
def write_texts(source: Bytes, rows: Words, column: int, offsets: Codes, to: Bytes, roomy: bool) -> int:
    """Write each string and where it begins; returns how many were repaired, or -1 for that being more than there is room."""
    at, repaired = 0, 0
    for row in range(rows.shape[0]):
        offsets[row] = at
        begin, size = rows[row, column] & LOW, rows[row, column] >> 32
        at, mended = write_text(to, at, source, begin, size, roomy)
        if at < 0:
            return -1
        repaired += mended
    offsets[rows.shape[0]] = at
    return repaired


@kernel
def write_repeated(
    owners: Codes, first: Codes, keys: Codes, ends: Codes, values: Bytes,
    to_offsets: Codes, to_keys: Codes, to_ends: Codes, to_values: Bytes,
) -> None:  # fmt: skip
    """The attributes of each row's owner: owner o has keys[first[o]:first[o + 1]], and value i is values[ends[i]:ends[i + 1]]."""
    at, byte = 0, 0
    to_ends[0] = 0
    for row in range(owners.size):
        to_offsets[row] = at
        begin, end = first[owners[row]], first[owners[row] + 1]
        begin_byte = ends[begin]
        for place in range(begin, end):
            to_keys[at + place - begin] = keys[place]
            to_ends[at + place - begin + 1] = ends[place + 1] - begin_byte + byte
        at += end - begin
        size = ends[end] - begin_byte
        copy(to_values, byte, values, begin_byte, size)
        byte += size
    to_offsets[owners.size] = at


@dataclass(frozen=True, slots=True, kw_only=True)
class Attributes:
    """Attribute lists, one after another: list n has `keys[first[n]:first[n + 1]]`, value i is `values[ends[i]:ends[i + 1]]`."""

    first: Codes
    keys: Codes
    ends: Codes
    values: Bytes
    repaired: int

    def array(self, names: pa.StringArray) -> pa.MapArray:
        """A map per list; `names` is the dictionary of the keys."""
        pairs = [_dictionary(self.keys, names), _strings(self.ends, self.values)]
        entries = pa.Array.from_buffers(ENTRY, len(self.keys), [None], children=pairs)
        return pa.Array.from_buffers(
            ATTRIBUTES, len(self.first) - 1, [None, pa.py_buffer(self.first)], children=[entries]
        )

    def cost(self) -> Words:
        """What each list takes in Arrow, in bytes: its values, and a code and an offset for each."""
        return np.diff(self.ends[self.first]).astype(np.int64) + 8 * np.diff(self.first)

    def repeat(self, owners: Codes) -> "Attributes":
        """List `owners[n]` for each n."""
        count, size = np.diff(self.first), np.diff(self.ends[self.first])
        first = fresh(len(owners) + 1, np.int32)
        keys = fresh(int(count[owners].sum()), np.int32)
        ends = fresh(len(keys) + 1, np.int32)
        values = fresh(int(size[owners].sum()), np.uint8)
        write_repeated(owners, self.first, self.keys, self.ends, self.values, first, keys, ends, values)
        return Attributes(first=first, keys=keys, ends=ends, values=values, repaired=0)


def attributes(source: Bytes, rows: Words, key: int, value: int, first: Codes, keys: Interner) -> Attributes:
    """Attribute rows as lists that begin at `first`."""
    ends, values, repaired = render.write(source, rows, value)
    return Attributes(first=first, keys=keys.codes(rows, key), ends=ends, values=values, repaired=repaired)


def owners(first: Codes) -> Codes:
    """Whose each child is, where parent n has the children from `first[n]` to `first[n + 1]`."""
    return np.repeat(np.arange(len(first) - 1, dtype=np.int32), np.diff(first))


def ids(source: Bytes, rows: Words, column: int, length: int) -> pa.StringArray:
    """Ids in lower-case hex; one that has not `length` bytes or is all zero is empty."""
    offsets, to = fresh(len(rows) + 1, np.int32), fresh(len(rows) * 2 * length, np.uint8)
    write_ids(source, rows, column, length, offsets, to)
    return _strings(offsets, to[: offsets[-1]])


def texts(source: Bytes, rows: Words, column: int) -> tuple[pa.StringArray, int]:
    """(strings, how many had to be repaired)."""
    need = int((rows[:, column] >> 32).sum())
    offsets, to = fresh(len(rows) + 1, np.int32), fresh(need, np.uint8)
    repaired = write_texts(source, rows, column, offsets, to, False)
    if repaired < 0:
        to = fresh(need * GROWTH, np.uint8)
        repaired = write_texts(source, rows, column, offsets, to, True)
    return _strings(offsets, to[: offsets[-1]]), repaired


def names(source: Bytes, rows: Words, column: int, owners: Codes | None = None) -> tuple[pa.DictionaryArray, int]:
    """(each row's string, or each owner's, as dictionary codes; how many distinct ones had to be repaired)."""
    interner = Interner(source)
    codes = interner.codes(rows, column)
    dictionary, repaired = texts(source, interner.words, 0)
    return _dictionary(codes if owners is None else codes[owners], dictionary), repaired


def lists(first: Codes, values: pa.Array) -> pa.ListArray:
    return pa.Array.from_buffers(pa.list_(values.type), len(first) - 1, [None, pa.py_buffer(first)], children=[values])


def timestamps(nanoseconds: npt.NDArray[np.uint64]) -> pa.TimestampArray:
    """Nanoseconds since 1970; what passes the year 2262 stays there."""
    clamped = np.minimum(nanoseconds, np.uint64(np.iinfo(np.int64).max))
    return pa.Array.from_buffers(TIMESTAMP, len(clamped), [None, pa.py_buffer(clamped)])


def spellings(values: Words, known: pa.StringArray) -> pa.DictionaryArray:
    """An enum's values as names; a value without a name counts as the first, which is what not setting it means."""
    codes = values.astype(np.int32)
    codes[(codes < 0) | (codes >= len(known))] = 0
    return _dictionary(codes, known)


def _strings(offsets: Codes, to: Bytes) -> pa.StringArray:
    return pa.StringArray.from_buffers(len(offsets) - 1, pa.py_buffer(offsets), pa.py_buffer(to))


def _dictionary(codes: Codes, dictionary: pa.StringArray) -> pa.DictionaryArray:
    indices = pa.Array.from_buffers(pa.int32(), len(codes), [None, pa.py_buffer(codes)])
    return pa.DictionaryArray.from_arrays(indices, dictionary, safe=False)
