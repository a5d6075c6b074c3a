"""Memory that is freed stays ours.

A chunk's arrays come and go each second. By default glibc and Arrow hand large ones back to the kernel, which zeroes
every page when it is wanted again: that cost as much as decoding. Kept, the memory of the largest chunk so far is used
again.
"""

import ctypes

import pyarrow as pa

# glibc's malloc.h
M_TRIM_THRESHOLD, M_MMAP_THRESHOLD, M_ARENA_MAX = -1, -3, -8
LARGEST_IN_HEAP = 32 << 20  # the most that M_MMAP_THRESHOLD takes
NEVER = (1 << 31) - 1


def keep_freed_memory() -> None:
    """Keep freed memory for reuse, where the C library is glibc; else change nothing. Call before threads start."""
    try:
        mallopt = ctypes.CDLL(None).mallopt
    except (AttributeError, OSError):
        return
    mallopt(M_ARENA_MAX, 1)
    mallopt(M_MMAP_THRESHOLD, LARGEST_IN_HEAP)
    mallopt(M_TRIM_THRESHOLD, NEVER)
    pa.set_memory_pool(pa.system_memory_pool())
