"""Attribute values as strings, as OpenTelemetry's common specification represents an AnyValue where OTLP is not spoken.

In: rows whose value is a oneof column (kind, word) of `AnyValue`. Out: offsets and bytes of their strings:

    string  as it is                   empty   ""
    bool    true, false                bytes   base64
    int     decimal                    array   JSON without spaces; inside of it NaN and infinities are strings,
    double  JSON number, NaN,          map     bytes are base64 strings and empty is null
            Infinity, -Infinity

Numbers are spelled as JavaScript does (1, 0.1, 1e+21), which is what the collector writes too. Strings, integers and
bools, nearly all there is, are written by a kernel, doubles by Arrow, and the rest by Python once for each distinct
value.
"""

# ruff: noqa: PLR0917, PLR1714, SIM109 - kernels take arrays, not objects, and compare integers

import base64
import json
import math
from collections.abc import Callable
from typing import Any

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.compute as pc
from opentelemetry.proto.common.v1.common_pb2 import AnyValue, ArrayValue, KeyValueList

from receivers.otlp.arrays import Bytes, Codes, Words, as_array, fresh, frozen
from receivers.otlp.jit import kernel
from receivers.otlp.memory import copy
from receivers.otlp.text import GROWTH, write_text
from receivers.otlp.tolerant import tolerant
from receivers.otlp.wire import LOW

STRING: int = AnyValue.STRING_VALUE_FIELD_NUMBER
BOOL: int = AnyValue.BOOL_VALUE_FIELD_NUMBER
INT: int = AnyValue.INT_VALUE_FIELD_NUMBER
DOUBLE: int = AnyValue.DOUBLE_VALUE_FIELD_NUMBER
ARRAY: int = AnyValue.ARRAY_VALUE_FIELD_NUMBER
MAP: int = AnyValue.KVLIST_VALUE_FIELD_NUMBER
BYTES: int = AnyValue.BYTES_VALUE_FIELD_NUMBER
ASIDE = 255  # rendered already: the word is a slice of the aside buffer. No field has this number
LONGEST_INT = 20
SHORTEST_EXPONENT, LONGEST_EXPONENT = -6, 20  # of numbers written without one
PLAIN = 1e15  # below it Arrow too writes no exponent
MINUS, ZERO = ord("-"), ord("0")
TRUE, FALSE, NOTHING = as_array(b"true"), as_array(b"false"), as_array(b"")


@kernel
def survey(rows: Words, column: int, slow: Words) -> tuple[int, int]:
    """(bytes that the quick kinds need at most, how many rows Python must render); `slow` gets their numbers."""
    need, count = 0, 0
    for row in range(rows.shape[0]):
        kind = rows[row, column]
        if kind == STRING:
            need += rows[row, column + 1] >> 32
        elif kind == INT or kind == BOOL:
            need += LONGEST_INT
        elif kind == DOUBLE or kind == ARRAY or kind == MAP or kind == BYTES:
            slow[count] = row
            count += 1
    return need, count


@kernel
def write_int(to: Bytes, at: int, value: int) -> int:
    """Write the decimal digits of a 64-bit integer; returns where they end."""
    rest = np.uint64(value)
    if value < 0:
        to[at] = MINUS
        at += 1
        rest = np.uint64(-value)
    size, more = 1, rest
    while more >= np.uint64(10):
        size += 1
        more //= np.uint64(10)
    place = at + size
    while place > at:
        place -= 1
        to[place] = ZERO + rest % np.uint64(10)
        rest //= np.uint64(10)
    return at + size


@kernel
def write_values(source: Bytes, aside: Bytes, rows: Words, column: int, offsets: Codes, to: Bytes, roomy: int) -> int:
    """Write each value and where it begins; returns how many were repaired, or -1 if there was no room for that."""
    at, repaired = 0, 0
    for row in range(rows.shape[0]):
        offsets[row] = at
        kind, word = rows[row, column], rows[row, column + 1]
        begin, size = word & LOW, word >> 32
        if kind == STRING:
            at, mended = write_text(to, at, source, begin, size, roomy)
            if at < 0:
                return -1
            repaired += mended
        elif kind == INT:
            at = write_int(to, at, word)
        elif kind == BOOL:
            spelled = TRUE if word != 0 else FALSE
            copy(to, at, spelled, 0, spelled.size)
            at += spelled.size
        elif kind == ASIDE:
            copy(to, at, aside, begin, size)
            at += size
    offsets[rows.shape[0]] = at
    return repaired


def write(source: Bytes, rows: Words, column: int) -> tuple[Codes, Bytes, int]:
    """(offsets, bytes, strings repaired) of the oneof column's values, in row order."""
    slow: Words = np.empty(len(rows), np.int64)
    need, count = survey(rows, column, slow)
    aside = NOTHING
    if count:
        rows = rows.copy()  # the window's own may be carried into the next, where this aside buffer is gone
        aside = _set_aside(source, rows, column, slow[:count])
        need += len(aside)
    offsets, to = fresh(len(rows) + 1, np.int32), fresh(need, np.uint8)
    repaired = write_values(source, aside, rows, column, offsets, to, 0)
    if repaired < 0:
        to = fresh(need * GROWTH, np.uint8)
        repaired = write_values(source, aside, rows, column, offsets, to, 1)
    return offsets, frozen(to[: offsets[-1]]), repaired


def _set_aside(source: Bytes, rows: Words, column: int, slow: Words) -> Bytes:
    """Render the `slow` rows into a buffer aside, of which they become slices."""
    double = rows[slow, column] == DOUBLE
    slow = np.concatenate((slow[double], slow[~double]))
    doubles, others = np.split(rows[slow, column + 1], [np.count_nonzero(double)])
    spelled = _others(source, rows[slow[len(doubles) :], column], others)
    texts = pa.concat_arrays([_doubles(doubles.view(np.float64)), pa.array(spelled, pa.string())])
    _, offsets, content = texts.buffers()
    ends = np.frombuffer(offsets, np.int32, len(slow) + 1).astype(np.int64)
    rows[slow, column], rows[slow, column + 1] = ASIDE, np.diff(ends) << 32 | ends[:-1]
    return as_array(memoryview(content)[: ends[-1]])


def _doubles(values: npt.NDArray[np.float64]) -> pa.StringArray:
    """Arrow spells as `number` does, save for what is not finite and from 1e15 to 1e21."""
    texts = pa.array(values).cast(pa.string())
    odd = ~(np.abs(values) < PLAIN)
    return pc.replace_with_mask(texts, odd, pa.array([number(value) for value in values[odd].tolist()], pa.string()))


def _others(source: Bytes, kinds: Words, words: Words) -> list[str]:
    """Bytes, arrays and maps, each distinct one rendered once."""
    known: dict[tuple[int, bytes], str] = {}
    texts = []
    for kind, word in zip(kinds.tolist(), words.tolist(), strict=True):
        content = source[word & LOW : (word & LOW) + (word >> 32)].tobytes()
        if (kind, content) not in known:
            known[kind, content] = RENDER[kind](content)
        texts.append(known[kind, content])
    return texts


def number(value: float) -> str:
    """A double as JavaScript spells it (ECMA-262, Number::toString): the fewest digits that read back as the same."""
    if not math.isfinite(value):
        return "NaN" if math.isnan(value) else "Infinity" if value > 0 else "-Infinity"
    text = repr(value)
    if "e" not in text:
        return text.removesuffix(".0")
    mantissa, exponent = text.split("e")
    if SHORTEST_EXPONENT <= int(exponent) <= LONGEST_EXPONENT:
        return _plain(mantissa, int(exponent))
    return f"{mantissa}e{int(exponent):+d}"


def _plain(mantissa: str, exponent: int) -> str:
    """Without an exponent: 1.5e+16 as 15000000000000000, 1.5e-05 as 0.000015."""
    sign = "-" if mantissa.startswith("-") else ""
    whole, _, fraction = mantissa.removeprefix("-").partition(".")
    if exponent < 0:
        return f"{sign}0.{'0' * (-exponent - 1)}{whole}{fraction}"
    return f"{sign}{whole}{fraction:0<{exponent}}"


def _json(value: Any) -> str:
    """An AnyValue inside of an array or a map."""
    kind = value.WhichOneof("value")
    return JSON[kind](getattr(value, kind)) if kind in JSON else "null"


def _json_text(text: bytes) -> str:
    return json.dumps(text.decode("utf-8", "replace"), ensure_ascii=False)


def _json_number(value: float) -> str:
    return number(value) if math.isfinite(value) else f'"{number(value)}"'


def _json_array(array: Any) -> str:
    return f"[{','.join(_json(value) for value in array.values)}]"


def _json_map(pairs: Any) -> str:
    return f"{{{','.join(f'{_json_text(pair.key)}:{_json(pair.value)}' for pair in pairs.values)}}}"


def _base64(content: bytes) -> str:
    return base64.b64encode(content).decode()


JSON: dict[str, Callable[[Any], str]] = {
    "string_value": _json_text,
    "bool_value": lambda value: "true" if value else "false",
    "int_value": str,
    "double_value": _json_number,
    "array_value": _json_array,
    "kvlist_value": _json_map,
    "bytes_value": lambda value: f'"{_base64(value)}"',
}
RENDER: dict[int, Callable[[bytes], str]] = {
    ARRAY: lambda content: _json_array(tolerant(ArrayValue).FromString(content)),
    MAP: lambda content: _json_map(tolerant(KeyValueList).FromString(content)),
    BYTES: _base64,
}
