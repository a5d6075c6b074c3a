"""What binds records: each to all that it was computed from, and to the one before it.

In: a grid and definitions, or records. Out: SHA-256 sums, and what is wrong with a chain. Pure. A record's `hash` is
over its content with the hash of the record before it, so that none can be changed, put between or left out unseen.
"""

import hashlib
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

import numpy as np

from processors.slo.grid import Grid
from processors.slo.promise import canonical, fingerprint

FIRST = ""  # the hash before the first
REQUIRED = frozenset({"promise", "period", "revision", "hash", "previous_hash"})


def inputs_hash(grid: Grid, definitions: Sequence[Mapping[str, Any]]) -> str:
    """The SHA-256 of all that a period was computed from: every minute, and what was written."""
    head = {"start_s": grid.start_s, "minutes": len(grid), "unit": grid.unit, "definitions": list(definitions)}
    found = hashlib.sha256(canonical(head).encode())
    for counts in (grid.good, grid.valid, grid.heard_ms):
        found.update(np.ascontiguousarray(counts, "<i8").tobytes())
    for flags in (grid.excluded, grid.settled):
        found.update(np.ascontiguousarray(flags, "i1").tobytes())
    return found.hexdigest()


def record_hash(record: Mapping[str, Any]) -> str:
    """The SHA-256 of a record without its own hash."""
    return fingerprint({name: value for name, value in record.items() if name != "hash"})


def faults(chain: Sequence[Mapping[str, Any]]) -> tuple[str, ...]:
    """What is wrong with the records of one promise, in the order in which they were closed; nothing if they hold."""
    return tuple(_faults(chain))


def _faults(chain: Sequence[Mapping[str, Any]]) -> Iterator[str]:
    before = FIRST
    revisions: dict[str, int] = {}
    for number, record in enumerate(chain, 1):
        if missing := sorted(REQUIRED - record.keys()):
            yield f"record {number}: expected {', '.join(missing)}, got none"
            continue
        name = f"{record['promise']} {record['period']} revision {record['revision']}"
        if (found := record_hash(record)) != record["hash"]:
            yield f"{name}: expected the hash {found} of its content, got {record['hash']}"
        if record["previous_hash"] != before:
            yield f"{name}: expected the previous hash {before or 'none'}, got {record['previous_hash'] or 'none'}"
        if record["revision"] != (expected := revisions.get(record["period"], 0) + 1):
            yield f"{name}: expected revision {expected}"
        before, revisions[record["period"]] = record["hash"], record["revision"]
