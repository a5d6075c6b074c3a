"""What may not be stored: attributes by key, and parts of text by pattern.

In: record batches of any table. Out: the same rows and columns, with attributes deleted, masked or hashed. Promised: a
rule is asked once per distinct key or text of a batch; a hash is HMAC-SHA256 under the configured key, so equal values
stay equal wherever they stand and nobody without the key can try values out. `service.name` stays.

Every column that holds attributes is looked at, whatever its table calls it, and inside of lists too: events, links,
exemplars. The first rule that names a key decides about it, and no pattern looks at what that rule left.
"""

import hmac
import re
from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from enum import StrEnum
from typing import Any

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.compute as pc

from processors.sli.columns import Mask
from processors.stored.patterns import Pattern, Replace, any_of
from processors.stored.rows import map_of

MASK = "****"
HASH_DIGITS = 16
SERVICE_NAME = "service.name"
ATTRIBUTES = "attributes"
# The columns of text, by the words of `redact.fields`
FIELDS: Mapping[str, tuple[str, ...]] = {
    "body": ("Body",),
    "name": ("SpanName", "Events.Name", "EventName"),
    "status_message": ("StatusMessage",),
}
NO_RULE, SERVICE = -1, -2
Verdicts = npt.NDArray[np.int16]


class Action(StrEnum):
    """What becomes of what may not be stored."""

    DELETE = "delete"
    MASK = "mask"
    HASH = "hash"


@dataclass(frozen=True, slots=True, kw_only=True)
class KeyRule:
    """Attributes whose key matches `expression`."""

    name: str
    expression: str
    action: Action


@dataclass(frozen=True, slots=True, kw_only=True)
class TextRule:
    """Parts of text; what is to be deleted leaves nothing."""

    name: str
    pattern: Pattern
    action: Action


def glob(keys: Sequence[str]) -> str:
    """The expression of keys in which `*` stands for anything."""
    return f"(?s)^(?:{'|'.join('.*'.join(map(re.escape, key.split('*'))) for key in keys)})$"


class Redactor:
    """Rules for one deployment."""

    def __init__(
        self, keys: Sequence[KeyRule], texts: Sequence[TextRule], fields: frozenset[str], hash_key: bytes
    ) -> None:
        self._keys = tuple(keys)
        self._texts = tuple(texts)
        self._any_text = any_of([rule.pattern.expression for rule in texts])
        self._in_attributes = ATTRIBUTES in fields
        self._columns = frozenset(column for field in fields - {ATTRIBUTES} for column in FIELDS[field])
        self._hmac = hmac.new(hash_key, digestmod="sha256")

    def redact(self, record: pa.RecordBatch) -> tuple[pa.RecordBatch, Counter[str]]:
        """(the batch as it may be stored, how many values each rule changed)."""
        batch = _Batch(self._hmac)
        columns = [
            self._column(field.name, column, batch) for field, column in zip(record.schema, record.columns, strict=True)
        ]
        return pa.RecordBatch.from_arrays(columns, schema=record.schema), batch.changed

    def _column(self, name: str, column: pa.Array, batch: "_Batch") -> pa.Array:
        if name in self._columns and self._texts:
            return _rebuilt(column, lambda values: self._text(values, batch))
        if (self._keys or self._in_attributes) and _holds_maps(column.type):
            return _rebuilt(column, lambda maps: self._attributes(maps, batch))
        return column

    def _attributes(self, maps: pa.MapArray, batch: "_Batch") -> pa.MapArray:
        """One column of attributes: by key what a rule names, by pattern the rest."""
        first = maps.offsets.to_numpy()
        begin, count = int(first[0]), int(first[-1] - first[0])
        keys, items = maps.keys.slice(begin, count), maps.items.slice(begin, count)
        by_key = self._verdicts(keys.dictionary)
        verdicts = by_key[keys.indices.to_numpy()]
        values = self._others(items, verdicts, batch) if self._in_attributes and self._texts else items
        deleted = np.zeros(count, np.bool_)
        for number in sorted({*by_key.tolist()} - {NO_RULE, SERVICE}):
            rule, here = self._keys[number], verdicts == number
            batch.count(rule.name, np.count_nonzero(here))
            if rule.action is Action.DELETE:
                deleted |= here
            elif here.any():
                values = pc.replace_with_mask(values, pa.array(here), batch.each(items.filter(pa.array(here)), rule))
        if values is items and not deleted.any():
            return maps
        return _without(maps.type, first - begin, keys, values, deleted)

    def _verdicts(self, keys: pa.StringArray) -> Verdicts:
        """The number of the rule that decides about each key, or that none does."""
        verdicts = np.full(len(keys), NO_RULE, np.int16)
        for number, rule in reversed(list(enumerate(self._keys))):
            verdicts[pc.match_substring_regex(keys, rule.expression).to_numpy(zero_copy_only=False)] = number
        verdicts[pc.equal(keys, SERVICE_NAME).to_numpy(zero_copy_only=False)] = SERVICE
        return verdicts

    def _others(self, items: pa.StringArray, verdicts: Verdicts, batch: "_Batch") -> pa.StringArray:
        """The values that no key rule decides about, by pattern."""
        free = verdicts == NO_RULE
        if free.all():
            return self._text(items, batch)
        mask = pa.array(free)
        asked = items.filter(mask)
        answer = self._text(asked, batch)
        return items if answer is asked else pc.replace_with_mask(items, mask, answer)

    def _text(self, texts: pa.Array, batch: "_Batch") -> pa.Array:
        """Texts or a dictionary of texts, by pattern; the very same array where nothing matches."""
        plain = not pa.types.is_dictionary(texts.type)
        encoded = texts.dictionary_encode() if plain else texts
        suspect = pc.match_substring_regex(encoded.dictionary, self._any_text)
        if not pc.any(suspect, min_count=0).as_py():
            return texts
        times = np.bincount(encoded.indices.to_numpy(), minlength=len(suspect))[suspect.to_numpy(zero_copy_only=False)]
        mended = self._mended(encoded.dictionary.filter(suspect), times, batch)
        # Two texts may have become one, and a dictionary holds each once: so encode again.
        mended = pc.replace_with_mask(encoded.dictionary, suspect, mended).take(encoded.indices)
        return mended if plain else mended.dictionary_encode()

    def _mended(self, suspects: pa.StringArray, times: npt.NDArray[np.int64], batch: "_Batch") -> pa.StringArray:
        """What each rule in turn leaves of texts that occur so many `times`."""
        for rule in self._texts:
            mended = rule.pattern.replaced(suspects, batch.one(rule.action))
            batch.count(rule.name, times[pc.not_equal(suspects, mended).to_numpy(zero_copy_only=False)].sum())
            suspects = mended
        return suspects


class _Batch:
    """What is remembered while one batch is redacted."""

    def __init__(self, keyed: hmac.HMAC) -> None:
        self.changed: Counter[str] = Counter()
        self._hmac = keyed
        self._hashes: dict[str, str] = {}

    def count(self, rule: str, values: Any) -> None:
        self.changed[rule] += int(values)

    def one(self, action: Action) -> Replace:
        """What stands for a text."""
        return {Action.DELETE: lambda _: "", Action.MASK: lambda _: MASK, Action.HASH: self._hash}[action]

    def each(self, values: pa.StringArray, rule: KeyRule) -> pa.StringArray:
        """What stands for each of `values`."""
        encoded, stands = values.dictionary_encode(), self.one(rule.action)
        return pa.array(map(stands, encoded.dictionary.to_pylist()), pa.string()).take(encoded.indices)

    def _hash(self, text: str) -> str:
        if text not in self._hashes:
            keyed = self._hmac.copy()
            keyed.update(text.encode())
            self._hashes[text] = keyed.hexdigest()[:HASH_DIGITS]
        return self._hashes[text]


def _holds_maps(kind: pa.DataType) -> bool:
    return bool(pa.types.is_map(kind) or (pa.types.is_list(kind) and _holds_maps(kind.value_type)))


def _rebuilt(column: pa.Array, rebuild: Callable[[pa.Array], pa.Array]) -> pa.Array:
    """The column with `rebuild` done to what it, or the lists in it, hold."""
    if not pa.types.is_list(column.type):
        return rebuild(column)
    first = column.offsets.to_numpy()
    values = column.values.slice(int(first[0]), int(first[-1] - first[0]))
    rebuilt = _rebuilt(values, rebuild)
    if rebuilt is values:
        return column
    offsets = pa.py_buffer(first - first[0])
    return pa.Array.from_buffers(column.type, len(column), [None, offsets], children=[rebuilt])


def _without(
    kind: pa.MapType, first: npt.NDArray[np.int32], keys: pa.Array, values: pa.StringArray, deleted: Mask
) -> pa.MapArray:
    """Maps without the pairs that are deleted."""
    if not deleted.any():
        return map_of(kind, first, keys, values)
    before = np.zeros(len(deleted) + 1, np.int32)
    np.cumsum(~deleted, out=before[1:])
    kept = pa.array(~deleted)
    return map_of(kind, before[first], keys.filter(kept), values.filter(kept))
