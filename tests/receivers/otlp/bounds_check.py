"""Sends damaged bodies through scan and decode; run with NUMBA_BOUNDSCHECK=1 by `test_wire.py`."""

import random

import numba

from fixtures.otlp_bodies import damaged, everything, ordinary
from receivers.otlp.signals import TRACES
from receivers.otlp.wire import MalformedError


def walk(body: bytes) -> bool:
    try:
        scan = TRACES.scan(body)
        rows = sum(
            decoded.records.num_rows for decoded in TRACES.decode(body if scan.canonical else TRACES.normalise(body), 0)
        )
    except MalformedError:
        return False
    assert rows == scan.items - scan.rejected
    return True


if __name__ == "__main__":
    assert numba.config.BOUNDSCHECK
    chance = random.Random(1)
    whole = [ordinary(1, 2), everything()]
    assert all(walk(body) for body in whole)
    accepted = sum(walk(damaged(chance.choice(whole), chance)) for _ in range(400))
    print(f"400 bodies, {accepted} accepted")
