"""Where and when something was measured."""

import os
import platform
import subprocess
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path

import psutil

ROOT = Path(__file__).parents[2]


@dataclass(frozen=True, slots=True, kw_only=True)
class Machine:
    """What figures depend on."""

    date: str
    cpu: str
    cores: int
    ram_gib: float
    python: str
    commit: str


def machine() -> Machine:
    """This one, now."""
    return Machine(
        date=datetime.now(UTC).date().isoformat(),
        cpu=cpu_model(),
        cores=len(os.sched_getaffinity(0)),
        ram_gib=round(psutil.virtual_memory().total / (1 << 30), 1),
        python=platform.python_version(),
        commit=commit(),
    )


def cpu_model() -> str:
    """As the kernel calls it."""
    lines = Path("/proc/cpuinfo").read_text().splitlines() if Path("/proc/cpuinfo").exists() else []
    models = [line.partition(":")[2].strip() for line in lines if line.startswith("model name")]
    return models[0] if models else platform.machine()


def commit() -> str:
    """Ours, `-dirty` if files differ from it; unknown outside a checkout."""
    ask = ["git", "-C", str(ROOT), "describe", "--always", "--dirty", "--exclude=*"]
    try:
        answer = subprocess.run(ask, capture_output=True, text=True, timeout=10, check=True)  # noqa: S603  # git
    except (OSError, subprocess.SubprocessError):
        return "unknown"
    return answer.stdout.strip()
