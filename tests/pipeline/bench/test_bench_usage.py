"""What a process and those below it use."""

import subprocess
import sys

import psutil

from pipeline.bench.usage import Cpu, Memory, cpu, family, resident_mib

BURN = "import time\nwhile time.process_time() < 0.2: pass\n"
LIVE = BURN + "print('burnt', flush=True)\ninput()"
# Waits for one child that burns CPU time and ends, then for one that lives until its input ends.
PARENT = f"""
import subprocess, sys
subprocess.run([sys.executable, "-c", {BURN!r}], check=True)
subprocess.run([sys.executable, "-c", {LIVE!r}], check=True)
"""


def test_children_count_whether_they_live_or_have_ended() -> None:
    """A collector of several processes is charged for all of them."""
    with subprocess.Popen(
        [sys.executable, "-c", PARENT], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
    ) as parent:
        assert parent.stdout is not None
        assert parent.stdin is not None
        assert parent.stdout.readline() == "burnt\n"
        process = psutil.Process(parent.pid)
        assert len(family(process)) == 2
        assert cpu(process).total_s >= 0.4
        assert resident_mib(process) > process.memory_info().rss / (1 << 20)
        parent.stdin.write("\n")
    assert parent.returncode == 0


def test_cpu_time_between_two_moments() -> None:
    """User and system time apart."""
    used = Cpu(3.0, 1.5) - Cpu(1.0, 1.0)
    assert (used.user_s, used.system_s, used.total_s) == (2.0, 0.5, 2.5)


def test_memory_is_sampled_at_both_ends_at_least() -> None:
    """Even a run shorter than the period has a peak."""
    with Memory(psutil.Process(), 60.0) as memory:
        pass
    assert len(memory.samples) >= 2
    assert memory.peak_mib == max(mib for _, mib in memory.samples) > 10
