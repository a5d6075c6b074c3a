"""The arrays that kernels take, and how they are made.

In: bytes of a chunk, or a size. Out: numpy arrays of few types, so that each kernel is compiled once. Promised: nothing
is copied.
"""

from mmap import mmap
from typing import TypeAlias, TypeVar

import numpy as np
import numpy.typing as npt
import pyarrow as pa

Bytes: TypeAlias = npt.NDArray[np.uint8]
Words: TypeAlias = npt.NDArray[np.int64]
Codes: TypeAlias = npt.NDArray[np.int32]
Chunk: TypeAlias = bytes | memoryview | mmap

LARGE = 1 << 12  # elements; numpy is quicker below

Scalar = TypeVar("Scalar", bound=np.generic)


def as_array(chunk: Chunk) -> Bytes:
    return frozen(np.frombuffer(chunk, np.uint8) if len(chunk) else np.zeros(0, np.uint8))


def frozen(array: Bytes) -> Bytes:
    """The array, read-only: to numba that is a type of its own, and the one that kernels read from."""
    array.flags.writeable = False
    return array


def fresh(size: int, kind: type[Scalar]) -> npt.NDArray[Scalar]:
    """Room for what goes into Arrow; if large, from Arrow's allocator, which keeps its pages: a fifth of decoding."""
    if size < LARGE:
        return np.empty(size, kind)
    return np.frombuffer(pa.allocate_buffer(size * np.dtype(kind).itemsize), kind)
