"""Record batches of spans, log records and data points, seen as fields that conditions can be asked of.

In: a `RecordBatch` with the columns of its table. Out: boolean masks, one entry a record. A condition is asked once
per distinct value, never per record: text comes dictionary-encoded, attributes are encoded here, for the keys asked
for.
"""

import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import cached_property
from typing import ClassVar, TypeAlias

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.compute as pc

from processors.sli.selector import SEVERITIES, Condition, Scalar, matches

Mask: TypeAlias = npt.NDArray[np.bool_]
Codes: TypeAlias = npt.NDArray[np.int32]
Ints: TypeAlias = npt.NDArray[np.int64]
SCOPE = {"scope.name": "ScopeName", "scope.version": "ScopeVersion"}
SERVICE = {"resource.service.name": "ServiceName"}
LOWER_CASE = frozenset({"kind", "status"})
# Where a column cannot be null, empty text is absence
OPTIONAL = frozenset({*SCOPE, *SERVICE, "event_name", "unit"})
NUMBERS_PER_SEVERITY = 4
NO_RECORDED_VALUE = 1  # metrics.proto: DataPointFlags
# As attributes are stored: JSON's spelling. What is spelled otherwise is no number, neither here nor in SQL.
NUMBER = re.compile(r"-?[0-9]+(\.[0-9]+)?([eE][-+]?[0-9]+)?")


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

    def asked(self, condition: Condition) -> Mask:
        """Where the condition holds."""
        mask = self.mask(asks(condition))
        if condition.regex is None or not self.values:
            return mask
        hits = matches(pa.array(self.values, pa.string()), condition.regex).to_numpy(zero_copy_only=False)
        return np.asarray(mask & np.append(hits, np.False_)[self.codes], np.bool_)


class Columns:
    """One batch of records; what was encoded or asked once is kept for the next who asks."""

    texts: ClassVar[Mapping[str, str]]  # columns, by field
    maps: ClassVar[Mapping[str, str]]  # columns of attributes, by prefix of field
    numbers: ClassVar[Mapping[str, str]] = {}  # columns of numbers, by field
    time: ClassVar[str]  # the column of when it happened

    def __init__(self, record: pa.RecordBatch) -> None:
        self.record = record
        self.masks: dict[tuple[str, Condition], Mask] = {}
        self._words: dict[str, Words] = {}
        self._maps: dict[str, _Map] = {}

    def __len__(self) -> int:
        return int(self.record.num_rows)

    @property
    def event_ns(self) -> Ints:
        """When each record happened, in nanoseconds since the epoch."""
        return np.asarray(self.record.column(self.time).cast(pa.int64()).to_numpy(), np.int64)

    def ask(self, field: str, condition: Condition) -> Mask:
        """Where the condition holds."""
        if field in self.numbers:
            column = self.record.column(self.numbers[field])
            return np.asarray(within(condition, column.to_numpy(zero_copy_only=False)), np.bool_)
        return self.words(field).asked(condition)

    def words(self, field: str) -> Words:
        """The field as text, as it is stored."""
        if field not in self._words:
            words = self._encode(field)
            self._words[field] = _empty_is_absent(words) if field in OPTIONAL else words
        return self._words[field]

    def trace_ids(self, rows: Ints) -> list[str]:
        """The traces that some rows belong to."""
        taken = self.record.column("TraceId").take(pa.array(rows)).to_pylist()
        return [trace_id for trace_id in taken if trace_id]

    def _encode(self, field: str) -> Words:
        if column := {**self.texts, **SCOPE, **SERVICE}.get(field):
            return self._dictionary(column)
        prefix = next(prefix for prefix in self.maps if field.startswith(prefix))
        return self._map(self.maps[prefix]).words(field.removeprefix(prefix), len(self))

    def _dictionary(self, column: str) -> Words:
        encoded = _encoded(self.record.column(column))
        return Words(encoded.indices.to_numpy(zero_copy_only=False), encoded.dictionary.to_pylist())

    def _map(self, column: str) -> "_Map":
        if column not in self._maps:
            self._maps[column] = _Map(self.record.column(column))
        return self._maps[column]


class SpanColumns(Columns):
    """One batch of spans."""

    texts = {"name": "SpanName", "kind": "SpanKind", "status": "StatusCode"}  # noqa: RUF012 - a ClassVar of the base
    maps = {"span.": "SpanAttributes", "resource.": "ResourceAttributes"}  # noqa: RUF012
    numbers = {"duration": "Duration"}  # noqa: RUF012

    def _encode(self, field: str) -> Words:
        """Kind and status in lower case, as selectors spell them."""
        words = super()._encode(field)
        return Words(words.codes, [value.lower() for value in words.values]) if field in LOWER_CASE else words

    @cached_property
    def end_ns(self) -> Ints:
        """When each span ended: its event time."""
        start = self.record.column("Timestamp").cast(pa.int64()).to_numpy()
        duration = np.asarray(self.record.column("Duration").to_numpy(), np.uint64)
        return np.asarray(start, np.int64) + duration.astype(np.int64)

    @property
    def event_ns(self) -> Ints:
        return self.end_ns


class LogColumns(Columns):
    """One batch of log records."""

    texts = {"event_name": "EventName"}  # noqa: RUF012
    maps = {"log.": "LogAttributes", "resource.": "ResourceAttributes"}  # noqa: RUF012
    time = "Timestamp"

    def ask(self, field: str, condition: Condition) -> Mask:
        """Bodies are asked as they lie: nearly each is another, so a word for each would be an object for each."""
        return _body(self.record.column("Body"), condition) if field == "body" else super().ask(field, condition)

    def _encode(self, field: str) -> Words:
        if field != "severity":
            return super()._encode(field)
        numbers = self.record.column("SeverityNumber").cast(pa.int64()).to_numpy()
        ranges = (np.clip(numbers, 0, None) + NUMBERS_PER_SEVERITY - 1) // NUMBERS_PER_SEVERITY
        return Words(np.minimum(ranges, len(SEVERITIES) - 1).astype(np.int32), list(SEVERITIES))


class MetricColumns(Columns):
    """One batch of data points of one kind; those of gauges and sums have a `value`."""

    texts = {"name": "MetricName", "unit": "MetricUnit"}  # noqa: RUF012
    maps = {"point.": "Attributes", "resource.": "ResourceAttributes"}  # noqa: RUF012
    numbers = {"value": "Value"}  # noqa: RUF012
    time = "TimeUnix"

    @property
    def recorded(self) -> Mask:
        """Which points have a value at all."""
        flags = np.asarray(self.record.column("Flags").to_numpy(), np.int64)
        return np.asarray(flags & NO_RECORDED_VALUE == 0, np.bool_)

    def trace_ids(self, rows: Ints) -> list[str]:
        """A point stands for many requests, and names none."""
        return []


class _Map:
    """One map column: keys as codes, values still as they lie in the buffer."""

    def __init__(self, array: pa.MapArray) -> None:
        offsets = np.asarray(array.offsets.to_numpy(), np.int64)
        self._first = int(offsets[0])
        self._offsets = offsets - self._first
        keys = array.keys.slice(self._first, int(self._offsets[-1]))
        keys = _encoded(keys)
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


def _encoded(array: pa.Array) -> pa.DictionaryArray:
    return array if pa.types.is_dictionary(array.type) else array.dictionary_encode()


def _body(texts: pa.StringArray, condition: Condition) -> Mask:
    mask = np.ones(len(texts), np.bool_)
    tests: list[pa.BooleanArray] = []
    if condition.eq is not None:
        tests.append(pc.equal(texts, stored(condition.eq)))
    if condition.in_ is not None:
        tests.append(pc.is_in(texts, pa.array(map(stored, condition.in_), pa.string())))
    if condition.not_in is not None:
        tests.append(pc.invert(pc.is_in(texts, pa.array(map(stored, condition.not_in), pa.string()))))
    if condition.prefix is not None:
        tests.append(pc.starts_with(texts, condition.prefix))
    if condition.regex is not None:
        tests.append(matches(texts, condition.regex))
    for test in tests:
        mask &= test.to_numpy(zero_copy_only=False)
    return mask


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
    return NUMBER.fullmatch(value) is not None and bool(within(condition, np.float64(value)))


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
