"""The resource attribute `andon.tenant`, which says for whom a request was let in, whatever its sender says.

In: a well-formed request in canonical form. Out: the same request, in which every resource names the tenant, or none if
there is none. Promised: nothing else is changed, and what was canonical stays so. It costs one copy of the request.

    request    [resource_x  [resource  [attribute]...  ...]  [scope_x ...]...  schema_url]...
                          └── length ──└─ length ─ here, before all others, and after what says so already is taken out
"""

# ruff: noqa: PLR0917, PLR2004 - kernels are plain integers; a varint's byte holds 7 bits

from functools import lru_cache

import numpy as np
from opentelemetry.proto.common.v1.common_pb2 import AnyValue, KeyValue

from receivers.otlp.arrays import Bytes, as_array, frozen
from receivers.otlp.jit import int64, kernel
from receivers.otlp.memory import copy, equal
from receivers.otlp.schema import LENGTH
from receivers.otlp.wire import MalformedError, field_at

KEY = b"andon.tenant"
# The tag of field 1 with a length: resource_spans in a request, resource in there, attributes in there, and their keys.
FIRST = 1 << 3 | LENGTH
HEAD_BYTES = 6  # a tag and a length
_KEY: Bytes = frozen(np.frombuffer(KEY, np.uint8).copy())
_NOTHING: Bytes = np.empty(0, np.uint8)


@kernel
def has_key(chunk: Bytes, pos: int, end: int, key: Bytes) -> bool:
    """Whether the attribute from `pos` to `end` has this key; of several the last counts."""
    found = False
    while 0 <= pos < end:
        tag, begin, after = field_at(chunk, pos, end)
        if tag == FIRST and after >= 0:
            found = after - begin == key.size and equal(chunk, begin, key, 0, key.size)
        pos = after
    return found


@kernel
def copy_others(chunk: Bytes, pos: int, end: int, key: Bytes, out: Bytes, to: int) -> int:
    """Copy a resource without its attributes of this key to `out`, unless that is empty; where it then ends."""
    while pos < end:
        tag, begin, after = field_at(chunk, pos, end)
        if after < 0:
            return -1
        if tag != FIRST or not has_key(chunk, begin, after, key):
            if out.size != 0:
                copy(out, to, chunk, pos, after - pos)
            to += after - pos
        pos = after
    return to


@kernel
def put_head(out: Bytes, to: int, size: int) -> int:
    """Write the tag and length of a message; where its payload begins."""
    out[to] = FIRST
    to += 1
    while size >= 128:
        out[to] = size & 127 | 128
        size >>= 7
        to += 1
    out[to] = size
    return to + 1


@kernel
def head_size(size: int) -> int:
    """How many bytes `put_head` writes."""
    written = 2
    while size >= 128:
        size >>= 7
        written += 1
    return written


@kernel
def resource_in(chunk: Bytes, begin: int, end: int) -> tuple[int, int, int]:
    """(where the resource's field begins, its payload, where it ends); all `begin` if there is none, or negative."""
    place = inner = stop = pos = begin
    while 0 <= pos < end:
        here = pos
        tag, payload, pos = field_at(chunk, pos, end)
        if tag == FIRST:
            place, inner, stop = here, payload, pos
    return place, inner, stop if pos >= 0 else int64(-1)


@kernel
def survey(chunk: Bytes, key: Bytes, nothing: Bytes) -> tuple[int, bool]:
    """(how many messages may have a resource, whether one has this attribute); -1 where the bytes are wrong."""
    number, found, pos = 0, False, 0
    while pos < chunk.size:
        tag, begin, pos = field_at(chunk, pos, chunk.size)
        if pos < 0:
            return -1, False
        if tag == FIRST:
            _, inner, stop = resource_in(chunk, begin, pos)
            size = copy_others(chunk, inner, stop, key, nothing, 0)
            if stop < 0 or size < 0:
                return -1, False
            found = found or size < stop - inner
        number += 1
    return number, found


@kernel
def rewrite(chunk: Bytes, key: Bytes, entry: Bytes, out: Bytes, nothing: Bytes) -> int:
    """Fill `out` from bytes that were surveyed; how much of it. `entry` is an attribute with its head, or empty."""
    pos, to = 0, 0
    while pos < chunk.size:
        tag, begin, after = field_at(chunk, pos, chunk.size)
        place, inner, stop = resource_in(chunk, begin, after if tag == FIRST else begin)
        if tag != FIRST or (place == stop and entry.size == 0):  # nobody's, or without a resource
            copy(out, to, chunk, pos, after - pos)
            to += after - pos
        else:
            size = copy_others(chunk, inner, stop, key, nothing, entry.size)
            to = put_head(out, to, place - begin + head_size(size) + size + after - stop)
            copy(out, to, chunk, begin, place - begin)
            to = put_head(out, to + place - begin, size)
            copy(out, to, entry, 0, entry.size)
            to = copy_others(chunk, inner, stop, key, out, to + entry.size)
            copy(out, to, chunk, stop, after - stop)
            to += after - stop
        pos = after
    return to


def with_tenant(body: bytes, tenant: str) -> bytes | memoryview:
    """`body`, in which every resource says that it is `tenant`'s; that it is nobody's if that is empty.

    Raises:
        MalformedError: it is not canonical.
    """
    chunk, entry = as_array(body), as_array(_entry(tenant))
    count, found = survey(chunk, _KEY, _NOTHING)
    if count < 0:
        raise MalformedError("a form that must be normalised first", 0)
    if not tenant and not found:
        return body
    out: Bytes = np.empty(len(body) + count * (len(entry) + 2 * HEAD_BYTES), np.uint8)
    return out.data[: rewrite(chunk, _KEY, entry, out, _NOTHING)]


@lru_cache(1024)
def _entry(tenant: str) -> bytes:
    if not tenant:
        return b""
    attribute = KeyValue(key=KEY.decode(), value=AnyValue(string_value=tenant)).SerializeToString()
    return bytes([FIRST, *_varint(len(attribute))]) + attribute


def _varint(value: int) -> list[int]:
    return [value] if value < 128 else [value & 127 | 128, value >> 7]
