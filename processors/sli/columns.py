"""A record batch seen as fields that conditions can be asked of.

In: a `RecordBatch` with the columns of its table. Out: boolean masks, one entry a record. A condition is asked once
per distinct value, never per record: text comes dictionary-encoded, attributes are encoded here, for the keys asked
for.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import cached_property
from typing import ClassVar, TypeAlias

import numpy as np
import numpy.typing as npt
import pyarrow as pa

from processors.sli.selector import Condition, Scalar

Mask: TypeAlias = npt.NDArray[np.bool_]
Codes: TypeAlias = npt.NDArray[np.int32]
INTRINSIC_COLUMNS = {"name": "SpanName", "kind": "SpanKind", "status": "StatusCode"}
LOWER_CASE = frozenset({"kind", "status"})
MAPS = {"span.": "SpanAttributes", "resource.": "ResourceAttributes"}


@dataclass(frozen=True, slots=True)
class Words:
    """A field as text: `values[codes[row]]`, and -1 where a record does not have it."""

    codes: Codes
    values: list[str]

    def mask(self, test: Callable[[str | None], bool]) -> Mask:
        """Where `test` holds; it is asked once per distinct value and once for absence."""
        if not self.values:
            return np.full(len(self.codes), test(None), np.bool_)
        answers = np.fromiter((*map(test, self.values), test(None)), np.bool_, len(self.values) + 1)
        return answers[self.codes]


class Columns:
    """One batch of records; what was encoded or asked once is kept for the next who asks."""

    intrinsics: ClassVar[Mapping[str, str]]  # columns of text, by field
    maps: ClassVar[Mapping[str, str]]  # columns of attributes, by prefix of field

    def __init__(self, record: pa.RecordBatch) -> None:
        self.record = record
        self.masks: dict[tuple[str, Condition], Mask] = {}
        self._words: dict[str, Words] = {}
        self._maps: dict[str, _Map] = {}

    def __len__(self) -> int:
        return int(self.record.num_rows)

    def words(self, field: str) -> Words:
        """The field as text, as it is stored."""
        if field not in self._words:
            self._words[field] = self._encode(field)
        return self._words[field]

    def _encode(self, field: str) -> Words:
        if field in self.intrinsics:
            return self._dictionary(self.intrinsics[field])
        if field == "resource.service.name":
            return _empty_is_absent(self._dictionary("ServiceName"))
        prefix = next(prefix for prefix in self.maps if field.startswith(prefix))
        return self._map(self.maps[prefix]).words(field.removeprefix(prefix), len(self))

    def _dictionary(self, column: str) -> Words:
        array = self.record.column(column)
        encoded = array if pa.types.is_dictionary(array.type) else array.dictionary_encode()
        return Words(encoded.indices.to_numpy(zero_copy_only=False), encoded.dictionary.to_pylist())

    def _map(self, column: str) -> "_Map":
        if column not in self._maps:
            self._maps[column] = _Map(self.record.column(column))
        return self._maps[column]


class SpanColumns(Columns):
    """One batch of spans."""

    intrinsics = INTRINSIC_COLUMNS
    maps = MAPS

    def _encode(self, field: str) -> Words:
        """Kind and status in lower case, as selectors spell them."""
        words = super()._encode(field)
        return Words(words.codes, [value.lower() for value in words.values]) if field in LOWER_CASE else words

    @cached_property
    def duration_ns(self) -> npt.NDArray[np.uint64]:
        return np.asarray(self.record.column("Duration").to_numpy(), np.uint64)

    @cached_property
    def end_ns(self) -> npt.NDArray[np.int64]:
        """When each span ended: its event time, in nanoseconds since the epoch."""
        start = self.record.column("Timestamp").cast(pa.int64()).to_numpy()
        return np.asarray(start, np.int64) + self.duration_ns.astype(np.int64)

    def trace_ids(self, rows: npt.NDArray[np.int64]) -> list[str]:
        """The trace ids of some rows."""
        taken: list[str] = self.record.column("TraceId").take(pa.array(rows)).to_pylist()
        return taken


class _Map:
    """One map column: keys as codes, values still as they lie in the buffer."""

    def __init__(self, array: pa.MapArray) -> None:
        offsets = np.asarray(array.offsets.to_numpy(), np.int64)
        self._first = int(offsets[0])
        self._offsets = offsets - self._first
        keys = array.keys.slice(self._first, int(self._offsets[-1]))
        self._codes = keys.indices.to_numpy(zero_copy_only=False)
        self._owners = np.repeat(np.arange(len(offsets) - 1, dtype=np.int32), np.diff(self._offsets))
        self._keys = {key: code for code, key in enumerate(keys.dictionary.to_pylist())}
        self._items = array.items.slice(self._first, int(self._offsets[-1]))

    def words(self, key: str, rows: int) -> Words:
        """The values of `key`; where a record has it twice, the first one, as ClickHouse's `map['key']` finds."""
        codes = np.full(rows, -1, np.int32)
        if key not in self._keys:
            return Words(codes, [])
        places = np.flatnonzero(self._codes == self._keys[key])
        encoded = self._items.take(pa.array(places)).dictionary_encode()
        # Of several assignments to one place the last one stays: so from the last to the first.
        codes[self._owners[places[::-1]]] = encoded.indices.to_numpy()[::-1]
        return Words(codes, encoded.dictionary.to_pylist())


def _empty_is_absent(words: Words) -> Words:
    """Empty text as absence: how a column that cannot be null says it."""
    if "" not in words.values:
        return words
    codes = np.where(words.codes == words.values.index(""), np.int32(-1), words.codes)
    return Words(codes.astype(np.int32), words.values)


def stored(value: Scalar) -> str:
    """A scalar as attributes are stored: JSON's spelling of booleans and numbers, text as it is."""
    if isinstance(value, bool):
        return "true" if value else "false"
    return str(value)


def asks(condition: Condition) -> Callable[[str | None], bool]:
    """The condition as a question about one stored value; absence fails all but `exists: false` and `not_in`."""
    equal = None if condition.eq is None else stored(condition.eq)
    among = None if condition.in_ is None else frozenset(map(stored, condition.in_))
    excluded = frozenset(map(stored, condition.not_in or ()))

    def test(value: str | None) -> bool:
        if value is None:
            return condition.exists is False or (condition.model_fields_set == {"not_in"})
        return (
            condition.exists is not False
            and (equal is None or value == equal)
            and (among is None or value in among)
            and value not in excluded
            and (condition.prefix is None or value.startswith(condition.prefix))
            and _in_order(condition, value)
        )

    return test


def _in_order(condition: Condition, value: str) -> bool:
    if condition.gt is condition.gte is condition.lt is condition.lte is None:
        return True
    try:
        number = float(value)
    except ValueError:
        return False
    return bool(within(condition, np.float64(number)))


def within(condition: Condition, numbers: npt.NDArray[np.generic] | np.generic) -> npt.NDArray[np.bool_] | np.bool_:
    """Where `numbers` keep to the bounds of the condition."""
    mask = np.ones(np.shape(numbers), np.bool_)
    for bound, holds in (
        (condition.gt, np.greater),
        (condition.gte, np.greater_equal),
        (condition.lt, np.less),
        (condition.lte, np.less_equal),
    ):
        if bound is not None:
            mask = mask & holds(numbers, bound)
    return mask
