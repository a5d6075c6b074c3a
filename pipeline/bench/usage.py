"""What a process and all below it use.

In: a process. Out: CPU time so far, that of children that have ended included; resident memory, sampled by a thread.
Pages that several processes share count for each.
"""

import contextlib
import threading
import time
from dataclasses import dataclass, field
from typing import Self

import psutil


@dataclass(frozen=True, slots=True)
class Cpu:
    """CPU time in seconds."""

    user_s: float
    system_s: float

    @property
    def total_s(self) -> float:
        return self.user_s + self.system_s

    def __sub__(self, before: "Cpu") -> "Cpu":
        return Cpu(self.user_s - before.user_s, self.system_s - before.system_s)


def cpu(process: psutil.Process) -> Cpu:
    """What `process` and all below it have used."""
    user_s = system_s = 0.0
    for one in family(process):
        with contextlib.suppress(psutil.NoSuchProcess):
            times = one.cpu_times()
            user_s += times.user + times.children_user
            system_s += times.system + times.children_system
    return Cpu(user_s, system_s)


def resident_mib(process: psutil.Process) -> float:
    """Resident memory of `process` and all below it."""
    total = 0
    for one in family(process):
        with contextlib.suppress(psutil.NoSuchProcess):
            total += one.memory_info().rss
    return total / (1 << 20)


def family(process: psutil.Process) -> list[psutil.Process]:
    return [process, *process.children(recursive=True)]


@dataclass(slots=True)
class Memory:
    """Resident memory every `period_s` while the block lasts."""

    process: psutil.Process
    period_s: float
    samples: list[tuple[float, float]] = field(default_factory=list)  # seconds since the start, MiB
    _stop: threading.Event = field(default_factory=threading.Event)
    _thread: threading.Thread | None = None

    @property
    def peak_mib(self) -> float:
        return max(mib for _, mib in self.samples)

    def __enter__(self) -> Self:
        self._thread = threading.Thread(target=self._watch, args=(time.monotonic(),), name="memory", daemon=True)
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._stop.set()
        assert self._thread is not None
        self._thread.join()

    def _watch(self, start_s: float) -> None:
        """Sample at the beginning, each period, and at the end."""
        ended = False
        while True:
            with contextlib.suppress(psutil.NoSuchProcess):
                self.samples.append((time.monotonic() - start_s, resident_mib(self.process)))
            if ended:
                return
            ended = self._stop.wait(self.period_s)
