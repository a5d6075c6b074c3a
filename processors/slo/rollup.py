"""Rows of sums as they are read: by indicator, and the SQL that asks for some of them."""

from collections.abc import Iterable
from itertools import pairwise

import numpy as np
import numpy.typing as npt
import pyarrow as pa

from pipeline.sql import quoted
from processors.slo.promise import IndicatorKey


def by_indicator(table: pa.Table) -> dict[IndicatorKey, pa.Table]:
    """The rows of each indicator; they come sorted by it."""
    codes = [_codes(table[name]) for name in ("Indicator", "Generation")]
    turns = np.flatnonzero((np.diff(codes[0]) != 0) | (np.diff(codes[1]) != 0)) + 1
    edges = [0, *turns.tolist(), len(table)] if len(table) else []
    parts = (table.slice(first, last - first) for first, last in pairwise(edges))
    return {IndicatorKey(part["Indicator"][0].as_py(), part["Generation"][0].as_py()): part for part in parts}


def _codes(column: pa.ChunkedArray) -> npt.NDArray[np.int32]:
    whole = column.combine_chunks()
    encoded = whole if pa.types.is_dictionary(whole.type) else whole.dictionary_encode()
    return np.asarray(encoded.indices.to_numpy(zero_copy_only=False), np.int32)


def is_one_of(keys: Iterable[IndicatorKey]) -> str:
    """Names are RFC 1123 labels and generations hex digits, so they can stand in SQL as they are."""
    pairs = ", ".join(f"({quoted(name)}, {quoted(generation)})" for name, generation in keys)
    return f"(Indicator, Generation) IN ({pairs})"
