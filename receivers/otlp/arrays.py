"""The arrays that kernels take, and how they are made.

In: bytes of a chunk, or a size. Out: numpy arrays of few types, so that each kernel is compiled once. Promised: nothing is copied.
"""

from mmap import mmap
from typing import Any, TypeAlias, TypeVar

import numpy as np
import numpy.typing as npt
import pyarrow as pa

Bytes: TypeAlias = npt.NDArray[np.uint8]
Words: TypeAlias = npt.NDArray[np.int64]
Codes: TypeAlias = npt.NDArray[np.int32]
Chunk: TypeAlias = bytes | memoryview | mmap

Scalar = TypeVar("Scalar", bound=np.generic)


def as_array(chunk: Chunk) -> Bytes:
    return frozen(np.frombuffer(chunk, np.uint8) if len(chunk) else np.zeros(0, np.uint8))


def frozen(array: Bytes) -> Bytes:
    """The array, read-only: to numba that is a type of its own, and the one that kernels read from."""
    array.flags.writeable = False
    return array


def fresh(size: int, kind: type[Scalar]) -> npt.NDArray[Scalar]:
    """Room for what goes into Arrow, from Arrow's allocator: it keeps pages that were used before, which saves a sixth of decoding."""
    if size == 0:
        return np.empty(0, kind)
    buffer: Any = pa.allocate_buffer(size * np.dtype(kind).itemsize)
    return np.frombuffer(buffer, kind)
