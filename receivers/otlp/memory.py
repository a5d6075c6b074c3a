"""Unaligned words and blocks of bytes inside kernels, which plain indexing would move one byte at a time.

In and out: byte arrays. Callers have checked the bounds; under NUMBA_BOUNDSCHECK=1 every access checks them once more
and raises IndexError, so that a test run shows what production would have overwritten.
"""

# ruff: noqa: ARG001, PLR2004 - numba calls the typers by its own signatures; a word has 8 bytes

from typing import Any

import numba
from llvmlite import ir  # type: ignore[import-untyped]
from numba.core import types
from numba.extending import intrinsic

from receivers.otlp.arrays import Bytes
from receivers.otlp.jit import kernel

settings: Any = numba.config
cgutils: Any = numba.core.cgutils
CHECKED = bool(settings.BOUNDSCHECK)
BLOCK = 64  # bytes from which memcpy is quicker than a loop
WORD, BYTE, WIDE = ir.IntType(64), ir.IntType(8), ir.IntType(128)


def _address(context: Any, builder: Any, array_type: Any, array: Any, at: Any) -> Any:
    data = context.make_array(array_type)(context, builder, array).data
    return builder.gep(builder.bitcast(data, BYTE.as_pointer()), [at])


def _load(_: Any, array: Any, at: Any) -> Any:
    def emit(context: Any, builder: Any, signature: Any, values: Any) -> Any:
        address = _address(context, builder, signature.args[0], values[0], values[1])
        return builder.load(builder.bitcast(address, WORD.as_pointer()), align=1)

    return types.int64(array, types.int64), emit


def _store(_: Any, array: Any, at: Any, value: Any) -> Any:
    def emit(context: Any, builder: Any, signature: Any, values: Any) -> Any:
        address = _address(context, builder, signature.args[0], values[0], values[1])
        builder.store(values[2], builder.bitcast(address, WORD.as_pointer()), align=1)
        return context.get_dummy_value()

    return types.void(array, types.int64, types.int64), emit


def _move(_: Any, to: Any, at: Any, source: Any, begin: Any, size: Any) -> Any:
    def emit(context: Any, builder: Any, signature: Any, values: Any) -> Any:
        destination = _address(context, builder, signature.args[0], values[0], values[1])
        origin = _address(context, builder, signature.args[2], values[2], values[3])
        cgutils.raw_memcpy(builder, destination, origin, values[4], 1)
        return context.get_dummy_value()

    return types.void(to, types.int64, source, types.int64, types.int64), emit


def _fold(_: Any, a: Any, b: Any) -> Any:
    def emit(context: Any, builder: Any, signature: Any, values: Any) -> Any:
        product = builder.mul(builder.zext(values[0], WIDE), builder.zext(values[1], WIDE))
        return builder.xor(builder.trunc(product, WORD), builder.trunc(builder.lshr(product, WIDE(64)), WORD))

    return types.int64(types.int64, types.int64), emit


_raw_load, _raw_store, _raw_move, _raw_fold = (intrinsic(raw) for raw in (_load, _store, _move, _fold))


@kernel
def load64(array: Bytes, at: int) -> int:
    """The eight bytes at `at`, little-endian."""
    if CHECKED and (at < 0 or at + 8 > array.size):
        raise IndexError("load64")
    return _raw_load(array, at)


@kernel
def store64(array: Bytes, at: int, value: int) -> None:
    """Write `value` into the eight bytes at `at`, little-endian."""
    if CHECKED and (at < 0 or at + 8 > array.size):
        raise IndexError("store64")
    _raw_store(array, at, value)


@kernel
def fold(a: int, b: int) -> int:
    """The halves of the unsigned 128-bit product, xored: each bit of either factor reaches every bit."""
    return _raw_fold(a, b)


@kernel
def copy(to: Bytes, at: int, source: Bytes, begin: int, size: int) -> None:
    """Copy `size` bytes between arrays that do not overlap; quick for the short strings that attributes are."""
    if CHECKED and (at < 0 or begin < 0 or size < 0 or at + size > to.size or begin + size > source.size):
        raise IndexError("copy")
    if size > BLOCK:
        _raw_move(to, at, source, begin, size)
        return
    offset = 0
    while offset + 8 <= size:
        store64(to, at + offset, load64(source, begin + offset))
        offset += 8
    while offset < size:
        to[at + offset] = source[begin + offset]
        offset += 1


@kernel
def equal(a: Bytes, at: int, b: Bytes, begin: int, size: int) -> bool:
    """Whether `size` bytes are the same."""
    offset = 0
    while offset + 8 <= size:
        if load64(a, at + offset) != load64(b, begin + offset):
            return False
        offset += 8
    if offset == size:
        return True
    if size >= 8:
        return load64(a, at + size - 8) == load64(b, begin + size - 8)
    while offset < size:
        if a[at + offset] != b[begin + offset]:
            return False
        offset += 1
    return True
