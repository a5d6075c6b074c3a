"""What every kernel shares: one decorator, and the type of its numbers.

In: a function over numpy arrays and 64-bit integers. Out: the same function, compiled at its first call, cached on
disk, run without the interpreter's lock; `function.py_func` stays its slow twin. Promised: nothing is compiled while
importing, and a read-only installation moves the cache to ~/.cache/andon instead of failing; what `NUMBA_CACHE_DIR`
holds is taken along if that is read-only too, as in an image.

Kernels loop with `while` where a loop is short: numba's `range` with a step costs more than a handful of rounds.
"""

import os
import shutil
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


def cache_folder(asked: str) -> str:
    """Where kernels are kept: as `asked`, beside the code (said by nothing), or in a folder of our own.

    Numba refuses to work with a folder it cannot write into, even if all it looks for is there.
    """
    if os.access(asked or Path(__file__).parent, os.W_OK):
        return asked
    folder = _folder_of_our_own()
    if asked and Path(asked).is_dir():
        shutil.copytree(asked, folder, dirs_exist_ok=True, copy_function=_copied_whole)
    return str(folder)


def _folder_of_our_own() -> Path:
    """A folder that takes files: below ~/.cache, or else in the temporary folder."""
    try:
        cache = os.environ.get("XDG_CACHE_HOME") or Path("~/.cache").expanduser()
        folder = Path(cache) / "andon" / "kernels"
        folder.mkdir(parents=True, exist_ok=True)
        if os.access(folder, os.W_OK):
            return folder
    except (OSError, RuntimeError):  # nowhere to write; nobody knows whose home it would be
        pass
    return Path(tempfile.mkdtemp(prefix="andon-kernels-"))


def _copied_whole(source: str, target: str) -> str:
    """Copy unless it is there; several processes may do so at once, and none must read half a kernel."""
    if not Path(target).exists():
        with tempfile.NamedTemporaryFile(dir=Path(target).parent, delete=False) as file:
            file.write(Path(source).read_bytes())
        Path(file.name).replace(target)
    return target


settings: Any = numba.config
settings.CACHE_DIR = cache_folder(settings.CACHE_DIR)
