"""What the rows of every signal have in common: attributes, ids, names, texts, and what items inherit from above.

In: a `scanner.Window`. Out: Arrow arrays, a value for each row of the table asked for; `Decoded` batches. Promised:
inherited attributes, which are repeated for every item, make further batches rather than one of more than
MAX_REPEATED_BYTES.

Where the collector leaves room: duplicate keys in one attribute list stay as they came, and the first `service.name`
names the service; ids that are not ids are empty, where they do not cost the item; key_strindex and
string_value_strindex, which belong to profiles, count as absent.
"""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field

import numpy as np
import numpy.typing as npt
import pyarrow as pa

from receivers.otlp import columns, render
from receivers.otlp.arrays import Bytes, Codes, Words
from receivers.otlp.columns import Attributes
from receivers.otlp.intern import Interner
from receivers.otlp.scanner import Window

PAIR = ("key", "value.value")
SERVICE_NAME = "service.name"
MAX_REPEATED_BYTES = 256 << 20  # of inherited attributes in one record batch
TRACE_ID, SPAN_ID = 16, 8  # bytes


@dataclass(frozen=True, slots=True, kw_only=True)
class Decoded:
    """Consecutive items for one table, and what had to be mended on the way to them."""

    table: str
    records: pa.RecordBatch
    rejected: int = 0  # items left out: without valid ids, or too large
    reversed: int = 0  # spans that end before they start
    repaired: int = 0  # strings that were not UTF-8; a name that comes often counts once


@dataclass(slots=True)
class Mended:
    """Counts that grow while columns are made."""

    repaired: int = 0
    reversed: int = 0


@dataclass(slots=True)
class Repeated:
    """Attribute lists that a table's rows inherit: the column's name, the lists, and whose each row has."""

    column: str
    lists: Attributes
    owners: Codes


@dataclass(slots=True)
class Reader:
    """One window on its way to Arrow. Read all attributes before asking for `names`, the dictionary of their keys."""

    window: Window
    mended: Mended = field(default_factory=Mended)
    keys: Interner = field(init=False)
    _names: pa.StringArray | None = None

    def __post_init__(self) -> None:
        self.keys = Interner(self.window.chunk)

    @property
    def names(self) -> pa.StringArray:
        """Every attribute's key, by its code."""
        if self._names is None:
            self._names = self.count(columns.texts(self.window.chunk, self.keys.words, 0))
        return self._names

    def attributes(self, owner: str, path: str) -> Attributes:
        """The attribute lists at `path` of the rows of `owner`."""
        window = self.window
        key, value = (window.word(path, column) for column in PAIR)
        lists = columns.attributes(window.chunk, window.rows[path], key, value, window.first(owner, path), self.keys)
        self.mended.repaired += lists.repaired
        return lists

    def service_names(self, resources: Attributes, owners: Codes) -> pa.DictionaryArray:
        """The first `service.name` of each owner's resource, or nothing."""
        words = np.zeros((len(resources.first) - 1, 1), np.int64)
        found = np.flatnonzero(resources.keys == self.names.index(SERVICE_NAME).as_py())[::-1]
        owner = np.searchsorted(resources.first, found, "right") - 1
        begin = resources.ends[found].astype(np.int64)
        words[owner, 0] = (resources.ends[found + 1] - begin) << 32 | begin
        return columns.names(resources.values, words, 0, owners)[0]

    def words(self, path: str, column: str) -> Words:
        """A column of plain numbers, or of whatever bits they have."""
        return self.window.rows[path][:, self.window.word(path, column)]

    def times(self, path: str, column: str) -> npt.NDArray[np.uint64]:
        return self.words(path, column).view(np.uint64)

    def doubles(self, path: str, column: str) -> npt.NDArray[np.float64]:
        return np.ascontiguousarray(self.words(path, column)).view(np.float64)

    def numbers(self, path: str, column: str, double: int, integer: int) -> npt.NDArray[np.float64]:
        """A oneof of a double and an integer, by the numbers of their fields; 0 where neither is set."""
        kind, word = self.window.rows[path][:, self.window.word(path, column) :][:, :2].T
        values = np.where(kind == double, np.ascontiguousarray(word).view(np.float64), 0.0)
        return np.where(kind == integer, word.astype(np.float64), values)

    def ids(self, path: str, column: str) -> pa.StringArray:
        return columns.ids(*self._place(path, column), TRACE_ID if column == "trace_id" else SPAN_ID)

    def texts(self, path: str, column: str) -> pa.StringArray:
        return self.count(columns.texts(*self._place(path, column)))

    def values(self, path: str, column: str) -> pa.StringArray:
        """A oneof of an AnyValue as strings."""
        ends, content, repaired = render.write(*self._place(path, column))
        self.mended.repaired += repaired
        return columns.strings(ends, content)

    def labels(self, path: str, column: str, owners: Codes | None = None) -> pa.DictionaryArray:
        """Strings that come again and again: each row's, or each owner's."""
        return self.count(columns.names(*self._place(path, column), owners))

    def packed(self, path: str, column: str, kind: columns.Packed) -> pa.ListArray:
        return columns.packed(*self._place(path, column), kind)

    def lists(self, owner: str, path: str, arrays: Mapping[str, pa.Array]) -> dict[str, pa.Array]:
        """For each row of `owner` the list of its rows of `path`."""
        first = self.window.first(owner, path)
        return {name: columns.lists(first, array) for name, array in arrays.items()}

    def count(self, made: tuple[pa.Array, int]) -> pa.Array:
        array, repaired = made
        self.mended.repaired += repaired
        return array

    def _place(self, path: str, column: str) -> tuple[Bytes, Words, int]:
        return self.window.chunk, self.window.rows[path], self.window.word(path, column)


@dataclass(frozen=True, slots=True, kw_only=True)
class Sheet:
    """A table's rows from one window: whole columns, and those that are repeated from above when a batch is cut."""

    table: str
    schema: pa.Schema
    arrays: Mapping[str, pa.Array]
    repeated: Sequence[Repeated]

    def batches(self, reader: Reader, rejected: int) -> Iterator[Decoded]:
        """All rows in order; what was rejected or mended is told once, with the first batch."""
        for begin, end in self._ranges():
            records, told = self._records(begin, end, reader.names), reader.mended
            yield Decoded(
                table=self.table,
                records=records,
                rejected=rejected,
                reversed=told.reversed,
                repaired=told.repaired,
            )
            reader.mended, rejected = Mended(), 0

    def _ranges(self) -> Iterator[tuple[int, int]]:
        """Where to cut, so that the repeated attributes of each part stay below MAX_REPEATED_BYTES."""
        spent = np.cumsum(sum(one.lists.cost()[one.owners] for one in self.repeated))
        begin, count = 0, len(spent)
        while begin < count or begin == 0:
            bound = (spent[begin - 1] if begin else 0) + MAX_REPEATED_BYTES
            end = max(int(np.searchsorted(spent, bound, "right")), begin + 1)
            yield begin, min(end, count)
            begin = end

    def _records(self, begin: int, end: int, names: pa.StringArray) -> pa.RecordBatch:
        arrays = dict(self.arrays)
        if end - begin < len(self.repeated[0].owners):
            arrays = {name: array.slice(begin, end - begin) for name, array in arrays.items()}
        for one in self.repeated:
            arrays[one.column] = one.lists.repeat(one.owners[begin:end]).array(names)
        return pa.RecordBatch.from_arrays([arrays[name] for name in self.schema.names], schema=self.schema)
