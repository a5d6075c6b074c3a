"""Some rows of a record batch.

In: a batch and a mask. Out: a batch of the rows where the mask holds, in their order. Attribute maps are copied row by
row rather than value by value, as Arrow would: the keys of a row lie together, and so do its sizes and its bytes.
"""

import numpy as np
import numpy.typing as npt
import pyarrow as pa

from processors.sli.columns import Mask

CODE_BYTES = 4


def rows(record: pa.RecordBatch, mask: Mask) -> pa.RecordBatch:
    """The rows of `record` where `mask` holds."""
    if mask.all():
        return record
    wanted, count = pa.array(mask), int(np.count_nonzero(mask))
    columns = [_rows(column, wanted, count) for column in record.columns]
    return pa.RecordBatch.from_arrays(columns, schema=record.schema)


def _rows(column: pa.Array, wanted: pa.BooleanArray, count: int) -> pa.Array:
    if _is_plain_map(column):
        return _map(column, wanted)
    if pa.types.is_list(column.type) and not (len(column.values) or column.null_count):
        return column.slice(0, count)  # empty lists, any of them
    return column.filter(wanted)


def _is_plain_map(column: pa.Array) -> bool:
    """Whether this is a map from codes to text in which nothing is null: what `_map` can copy."""
    kind = column.type
    return bool(
        pa.types.is_map(kind)
        and kind.key_type == pa.dictionary(pa.int32(), pa.string())
        and kind.item_type == pa.string()
        and not (column.null_count or column.keys.null_count or column.items.null_count)
    )


def _map(column: pa.MapArray, wanted: pa.BooleanArray) -> pa.MapArray:
    keys, items, first = column.keys, column.items, column.offsets.to_numpy()
    codes, ends = keys.indices.to_numpy(), _ends(items)
    first_kept, codes_kept = _filtered(pa.py_buffer(codes), first * CODE_BYTES, wanted)
    _, sizes_kept = _filtered(pa.py_buffer(np.diff(ends)), first * CODE_BYTES, wanted)
    _, bytes_kept = _filtered(items.buffers()[2], ends[first], wanted)
    first_kept //= CODE_BYTES
    count = int(first_kept[-1])
    ends_kept = np.zeros(count + 1, np.int32)
    np.cumsum(np.frombuffer(sizes_kept, np.int32, count), out=ends_kept[1:])
    indices = pa.Array.from_buffers(pa.int32(), count, [None, codes_kept])
    return map_of(
        column.type,
        first_kept,
        pa.DictionaryArray.from_arrays(indices, keys.dictionary, safe=False),
        pa.StringArray.from_buffers(count, pa.py_buffer(ends_kept), bytes_kept),
    )


def map_of(kind: pa.MapType, first: npt.NDArray[np.int32], keys: pa.Array, items: pa.Array) -> pa.MapArray:
    """Map n has the pairs from `first[n]` to `first[n + 1]`."""
    pair = pa.struct([kind.key_field, kind.item_field])
    pairs = pa.Array.from_buffers(pair, len(keys), [None], children=[keys, items])
    return pa.Array.from_buffers(kind, len(first) - 1, [None, pa.py_buffer(first)], children=[pairs])


def _ends(texts: pa.StringArray) -> npt.NDArray[np.int32]:
    """Where each text begins in the buffer, and the last one ends."""
    if not len(texts):
        return np.zeros(1, np.int32)
    return np.frombuffer(texts.buffers()[1], np.int32)[texts.offset : texts.offset + len(texts) + 1]


def _filtered(
    content: pa.Buffer | None, begins: npt.NDArray[np.int32], wanted: pa.BooleanArray
) -> tuple[npt.NDArray[np.int32], pa.Buffer]:
    """(where each wanted slice of `content` begins, those slices one after another)."""
    offsets = pa.py_buffer(np.ascontiguousarray(begins, np.int32))
    slices = pa.Array.from_buffers(pa.binary(), len(wanted), [None, offsets, content]).filter(wanted)
    _, kept, data = slices.buffers()
    return np.frombuffer(kept, np.int32, len(slices) + 1).copy(), data
