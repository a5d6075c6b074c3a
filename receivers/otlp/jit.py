"""What every kernel shares: one decorator, and the type of its numbers.

In: a function over numpy arrays and 64-bit integers. Out: the same function, compiled at its first call, cached on
disk, run without the interpreter's lock; `function.py_func` stays its slow twin. Promised: nothing is compiled while
importing, and a read-only installation moves the cache to ~/.cache/andon instead of failing.

Kernels loop with `while` where a loop is short: numba's `range` with a step costs more than a handful of rounds.
"""

import os
import tempfile
from collections.abc import Callable
from pathlib import Path
from typing import Any, ParamSpec, TypeVar, cast

import numba
import numpy as np

# Inside kernels every number is one, lest numba mixes signed and unsigned into a double.
int64 = cast("Callable[[Any], int]", np.int64)

P = ParamSpec("P")
R = TypeVar("R")


def kernel(function: Callable[P, R]) -> Callable[P, R]:
    """Compile `function` when it is first called. It must check every bound itself: compiled code does not."""
    return cast("Callable[P, R]", numba.njit(cache=True, nogil=True, error_model="numpy")(function))


def _cache_folder() -> Path:
    """A folder of our own that takes files: below ~/.cache, or else in the temporary folder."""
    folder = Path(os.environ.get("XDG_CACHE_HOME") or Path("~/.cache").expanduser()) / "andon" / "kernels"
    try:
        folder.mkdir(parents=True, exist_ok=True)
        if os.access(folder, os.W_OK):
            return folder
    except OSError:
        pass
    return Path(tempfile.mkdtemp(prefix="andon-kernels-"))


settings: Any = numba.config
if not settings.CACHE_DIR and not os.access(Path(__file__).parent, os.W_OK):
    settings.CACHE_DIR = str(_cache_folder())
