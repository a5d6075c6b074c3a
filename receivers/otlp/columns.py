"""Arrow arrays from rows of words: a function for each kind of column.

In: the bytes of a chunk, rows of a table, and the word in a row that holds the column. Out: Arrow arrays with buffers
of their own, so that the chunk may go. Promised: text in them is UTF-8.
"""

# ruff: noqa: PLR0917 - kernels take arrays, not objects

from dataclasses import dataclass
from enum import StrEnum

import numpy as np
import numpy.typing as npt
import pyarrow as pa

from receivers.otlp import render
from receivers.otlp.arrays import Bytes, Codes, Words, fresh
from receivers.otlp.intern import Interner
from receivers.otlp.jit import int64, kernel
from receivers.otlp.memory import copy, load64, store64
from receivers.otlp.text import GROWTH, write_text
from receivers.otlp.wire import LOW, long_varint

NAME = pa.dictionary(pa.int32(), pa.string())
ATTRIBUTES = pa.map_(NAME, pa.string())
TIMESTAMP = pa.timestamp("ns")
LATEST = np.uint64(np.iinfo(np.int64).max)

_PAIR = pa.struct([ATTRIBUTES.key_field, ATTRIBUTES.item_field])


@kernel
def hex_digits(four_bytes: int) -> int:
    """Eight digits in one word, of the four bytes in the low half of another, first byte first."""
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
        some, place = int64(0), int64(0)
        while size == length and place < length:
            word = load64(source, begin + place)
            some |= word
            store64(to, at + 2 * place, hex_digits(word & LOW))
            store64(to, at + 2 * place + 8, hex_digits(word >> 32 & LOW))
            place += 8
        at += 2 * size if some != 0 else 0
    offsets[rows.shape[0]] = at


@kernel
def write_texts(source: Bytes, rows: Words, column: int, offsets: Codes, to: Bytes, roomy: int) -> int:
    """Write each string and where it begins; returns how many were repaired, or -1 if there was no room for that."""
    at, repaired = 0, 0
    for row in range(rows.shape[0]):
        offsets[row] = at
        size = rows[row, column] >> 32
        if size != 0:
            at, mended = write_text(to, at, source, rows[row, column] & LOW, size, roomy)
            if at < 0:
                return -1
            repaired += mended
    offsets[rows.shape[0]] = at
    return repaired


@kernel
def count_varints(source: Bytes, rows: Words, column: int, first: Codes) -> int:
    """Fill `first` with where each row's varints begin, and at its end their number."""
    count = 0
    for row in range(rows.shape[0]):
        first[row] = count
        at = rows[row, column] & LOW
        end = at + (rows[row, column] >> 32)
        while at < end:
            count += 1 - (source[at] >> 7)
            at += 1
    first[rows.shape[0]] = count
    return count


@kernel
def read_varints(source: Bytes, rows: Words, column: int, values: Words) -> None:
    """The elements of each row, which the scan has found to be whole."""
    count = 0
    for row in range(rows.shape[0]):
        at = rows[row, column] & LOW
        end = at + (rows[row, column] >> 32)
        while at < end:
            value, at = long_varint(source, at, end, 10)
            if at < 0:
                return
            values[count] = value
            count += 1


@kernel
def read_fixed64(source: Bytes, rows: Words, column: int, values: Words) -> None:
    """The elements of each row, eight bytes each."""
    count = 0
    for row in range(rows.shape[0]):
        at = rows[row, column] & LOW
        end = at + (rows[row, column] >> 32)
        while at < end:
            values[count] = load64(source, at)
            count += 1
            at += 8


@kernel
def write_repeated(
    owners: Codes, first: Codes, keys: Codes, ends: Codes, values: Bytes,
    to_first: Codes, to_keys: Codes, to_ends: Codes, to_values: Bytes,
) -> None:  # fmt: skip
    """The attributes of each owner, laid out as in `Attributes`."""
    at, byte = 0, 0
    to_ends[0] = 0
    for row in range(owners.size):
        to_first[row] = at
        begin, end = first[owners[row]], first[owners[row] + 1]
        shift, size = byte - ends[begin], ends[end] - ends[begin]
        for place in range(begin, end):
            to_keys[at] = keys[place]
            to_ends[at + 1] = ends[place + 1] + shift
            at += 1
        copy(to_values, byte, values, ends[begin], size)
        byte += size
    to_first[owners.size] = at


@dataclass(frozen=True, slots=True, kw_only=True)
class Attributes:
    """Attribute lists: list n has pairs `first[n]` to `first[n + 1]`, and value i is `values[ends[i]:ends[i + 1]]`."""

    first: Codes
    keys: Codes
    ends: Codes
    values: Bytes
    repaired: int

    def array(self, names: pa.StringArray) -> pa.MapArray:
        """A map for each list; `names` is the dictionary of the keys."""
        pairs = [_dictionary(self.keys, names), strings(self.ends, self.values)]
        entries = pa.Array.from_buffers(_PAIR, len(self.keys), [None], children=pairs)
        first = pa.py_buffer(self.first)
        return pa.Array.from_buffers(ATTRIBUTES, len(self.first) - 1, [None, first], children=[entries])

    def cost(self) -> Words:
        """What each list takes in Arrow, in bytes: its values, and for each a code and an offset."""
        cost: Words = np.diff(self.ends[self.first]).astype(np.int64) + 8 * np.diff(self.first)
        return cost

    def repeat(self, owners: Codes) -> "Attributes":
        """List `owners[n]` for each n."""
        pairs, size = np.diff(self.first)[owners], np.diff(self.ends[self.first])[owners]
        first, keys = fresh(len(owners) + 1, np.int32), fresh(int(pairs.sum()), np.int32)
        ends, values = fresh(len(keys) + 1, np.int32), fresh(int(size.sum()), np.uint8)
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
    """Ids in lower-case hex; what has not `length` bytes or is all zero is empty."""
    offsets, to = fresh(len(rows) + 1, np.int32), fresh(len(rows) * 2 * length, np.uint8)
    write_ids(source, rows, column, length, offsets, to)
    return strings(offsets, to)


def texts(source: Bytes, rows: Words, column: int) -> tuple[pa.StringArray, int]:
    """(strings, how many had to be repaired)."""
    need = int((rows[:, column] >> 32).sum())
    offsets, to = fresh(len(rows) + 1, np.int32), fresh(need, np.uint8)
    repaired = write_texts(source, rows, column, offsets, to, 0)
    if repaired < 0:
        to = fresh(need * GROWTH, np.uint8)
        repaired = write_texts(source, rows, column, offsets, to, 1)
    return strings(offsets, to), repaired


def names(source: Bytes, rows: Words, column: int, owners: Codes | None = None) -> tuple[pa.DictionaryArray, int]:
    """(each row's string, or each owner's, as dictionary codes; how many of the dictionary had to be repaired)."""
    interner = Interner(source)
    codes = interner.codes(rows, column)
    dictionary, repaired = texts(source, interner.words, 0)
    return _dictionary(codes if owners is None else codes[owners], dictionary), repaired


def lists(first: Codes, values: pa.Array) -> pa.ListArray:
    """List n has the values from `first[n]` to `first[n + 1]`."""
    return pa.Array.from_buffers(pa.list_(values.type), len(first) - 1, [None, pa.py_buffer(first)], children=[values])


class Packed(StrEnum):
    """What a packed repeated field is made of."""

    DOUBLES = "double"
    FIXED64 = "fixed64"
    VARINTS = "uint64"

    @property
    def type(self) -> pa.DataType:
        """What each element becomes."""
        return pa.float64() if self is Packed.DOUBLES else pa.uint64()


def packed(source: Bytes, rows: Words, column: int, kind: Packed) -> pa.ListArray:
    """A list for each row's packed field."""
    first = np.zeros(len(rows) + 1, np.int32)
    if kind is Packed.VARINTS:
        values = fresh(count_varints(source, rows, column, first), np.int64)
        read_varints(source, rows, column, values)
        return lists(first, pa.array(values.view(np.uint64)))
    np.cumsum(rows[:, column] >> 35, out=first[1:])
    values = fresh(int(first[-1]), np.int64)
    read_fixed64(source, rows, column, values)
    return lists(first, pa.array(values.view(kind.type.to_pandas_dtype())))


def nothing(schema: pa.Schema, prefix: str) -> dict[str, pa.Array]:
    """For each list column that begins with `prefix` the values of no rows at all."""
    return {each.name: pa.array([], each.type.value_type) for each in schema if each.name.startswith(prefix)}


def timestamps(nanoseconds: npt.NDArray[np.uint64]) -> pa.TimestampArray:
    """Nanoseconds since 1970; what passes the year 2262 stays there."""
    return pa.Array.from_buffers(TIMESTAMP, len(nanoseconds), [None, pa.py_buffer(np.minimum(nanoseconds, LATEST))])


def spellings(values: Words, known: pa.StringArray) -> pa.DictionaryArray:
    """An enum's values by name; one without a name counts as the first, which is what not setting it means."""
    codes = values.astype(np.int32)
    codes[(codes < 0) | (codes >= len(known))] = 0
    return _dictionary(codes, known)


def strings(offsets: Codes, to: Bytes) -> pa.StringArray:
    """String n is what stands from `offsets[n]` to `offsets[n + 1]`."""
    return pa.StringArray.from_buffers(len(offsets) - 1, pa.py_buffer(offsets), pa.py_buffer(to[: offsets[-1]]))


def _dictionary(codes: Codes, dictionary: pa.StringArray) -> pa.DictionaryArray:
    indices = pa.Array.from_buffers(pa.int32(), len(codes), [None, pa.py_buffer(codes)])
    return pa.DictionaryArray.from_arrays(indices, dictionary, safe=False)
