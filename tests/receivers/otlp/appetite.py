"""Decodes one mapped chunk and tells what that took: run in a process of its own by `test_hardening_decode.py`."""

import json
import mmap
import sys
from collections import Counter
from pathlib import Path

from receivers.otlp.arrays import Chunk
from receivers.otlp.signals import SIGNALS, Signal, warm_up


def peak_bytes() -> int:
    """The most memory that this program ever had: getrusage's tells that of the parent, if it had more."""
    (line,) = (line for line in Path("/proc/self/status").read_text().splitlines() if line.startswith("VmHWM:"))
    return int(line.split()[1]) * 1024


def measure(signal: Signal, chunk: Chunk) -> dict[str, int]:
    """What scan and decode count, and by how much they raised the peak, the chunk itself included."""
    before = peak_bytes()
    scan = signal.scan(chunk)
    found = Counter(rows=0, rejected=0, names=0)
    for one in signal.decode(chunk, 0):
        found["rows"] += one.records.num_rows
        found["rejected"] += one.rejected
        found["names"] += len(one.records.column("ServiceName").dictionary)
    told = {"items": scan.items, "cut_attributes": scan.cut_attributes, "cut_texts": scan.cut_texts}
    return {**told, **found, "grown": peak_bytes() - before}


if __name__ == "__main__":
    name, path = sys.argv[1:]
    warm_up()
    with Path(path).open("rb") as file, mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_READ) as mapped:
        print(json.dumps(measure(next(signal for signal in SIGNALS if signal.name == name), mapped)))
