"""How requests stand in a chunk file: each behind a header that protobuf takes for an unknown field.

In: a request's body, or the bytes of a chunk. Out: its header, or where the bodies stand. Promised: a chunk of whole
frames is one valid message of its signal's request type; a frame that is not as it was written is told by its crc.

    ┌─────┬────────┬─────────┬───────┬─────────────┬──────────────┬────────┐┌──────┐
    │ tag │ length │ version │ crc32 │ body length │ receive time │ tenant ││ body │ ...
    │ 2 B │   1 B  │   1 B   │  4 B  │     4 B     │     8 B      │ 0-110 B││      │
    └─────┴────────┴─────────┴───────┴─────────────┴──────────────┴────────┘└──────┘
            length covers all that follows it in the header; crc32 all but itself, with the body; little-endian

A chunk that was refused in part begins with a note, another unknown field: the tables that have all of it already.
"""

import mmap
import struct
from collections.abc import Collection, Iterator
from dataclasses import dataclass

from isal.isal_zlib import crc32

from pipeline.errors import PermanentError

# Protobuf: field 1000, length-delimited, so (1000 << 3) | 2 as a varint. No OTLP request uses that number.
FRAME_TAG = b"\xc2\x3e"
FRAME_VERSION = 1
# Field 1001, length-delimited, 512 bytes.
NOTE_TAG, NOTE_BYTES = b"\xca\x3e\x80\x04", 512
_PREFIX = struct.Struct("<2sBB")
_CRC = struct.Struct("<I")
_FIELDS = struct.Struct("<IQ")
_HEADER_BYTES = _PREFIX.size + _CRC.size + _FIELDS.size
_LENGTH_OF_REST = _HEADER_BYTES - 3
_MAX_LENGTH = 127  # one byte, as a varint is below 128
MAX_TENANT_BYTES = _MAX_LENGTH - _LENGTH_OF_REST


@dataclass(frozen=True, slots=True, kw_only=True)
class Frame:
    """One request in a chunk: where its body stands, and what the header says of it."""

    start: int
    end: int
    received_ns: int
    tenant: str


def frame_header(body: bytes | memoryview, received_ns: int, tenant: str = "") -> bytes:
    """What stands before `body` in a chunk.

    Raises:
        PermanentError: the tenant's name is longer than `MAX_TENANT_BYTES`.
    """
    name = tenant.encode()
    if len(name) > MAX_TENANT_BYTES:
        raise PermanentError(f"expected a tenant of at most {MAX_TENANT_BYTES} bytes, got {len(name)}")
    prefix = _PREFIX.pack(FRAME_TAG, _LENGTH_OF_REST + len(name), FRAME_VERSION)
    fields = _FIELDS.pack(len(body), received_ns) + name
    return prefix + _CRC.pack(crc32(body, crc32(prefix + fields))) + fields


def note(tables: Collection[str]) -> bytes:
    """What stands at the start of a chunk that is in `tables` already; nothing if it is in none."""
    text = ",".join(sorted(tables)).encode()
    if len(text) > NOTE_BYTES:
        raise PermanentError(f"expected names of tables of at most {NOTE_BYTES} bytes, got {len(text)}")
    return NOTE_TAG + text.ljust(NOTE_BYTES) if text else b""


def noted(chunk: memoryview | mmap.mmap) -> frozenset[str]:
    """The tables that have all of `chunk` already."""
    start = frames_start(chunk)
    return frozenset(bytes(chunk[len(NOTE_TAG) : start]).decode(errors="replace").strip().split(",") if start else ())


def frames_start(chunk: memoryview | mmap.mmap) -> int:
    """Where the first frame of `chunk` begins."""
    return len(NOTE_TAG) + NOTE_BYTES if bytes(chunk[: len(NOTE_TAG)]) == NOTE_TAG else 0


def frames(chunk: memoryview | mmap.mmap, *, check: bool = True) -> Iterator[Frame]:
    """The whole frames of `chunk`, in order; with `check`, only those whose crc is right.

    Ends at the first that is not whole: the last one's `end` tells how far the chunk is good.
    """
    start = frames_start(chunk)
    while (frame := _frame_at(chunk, start, check=check)) is not None:
        yield frame
        start = frame.end


def _frame_at(chunk: memoryview | mmap.mmap, start: int, *, check: bool) -> Frame | None:
    if start + _HEADER_BYTES > len(chunk):
        return None
    tag, length, version = _PREFIX.unpack_from(chunk, start)
    if tag != FRAME_TAG or version != FRAME_VERSION or not _LENGTH_OF_REST <= length <= _MAX_LENGTH:
        return None
    fields_at = start + _PREFIX.size + _CRC.size
    body_bytes, received_ns = _FIELDS.unpack_from(chunk, fields_at)
    body_at = start + 3 + length
    end = body_at + body_bytes
    if end > len(chunk) or (check and not _is_intact(chunk, start, fields_at, end)):
        return None
    tenant = bytes(chunk[fields_at + _FIELDS.size : body_at]).decode(errors="replace")
    return Frame(start=body_at, end=end, received_ns=received_ns, tenant=tenant)


def _is_intact(chunk: memoryview | mmap.mmap, start: int, fields_at: int, end: int) -> bool:
    view = memoryview(chunk)
    (expected,) = _CRC.unpack_from(view, start + _PREFIX.size)
    return bool(crc32(view[fields_at:end], crc32(view[start : start + _PREFIX.size])) == expected)
