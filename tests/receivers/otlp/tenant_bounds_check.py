"""Puts tenants into damaged bodies, and digests them; run with NUMBA_BOUNDSCHECK=1 by `test_tenant.py`."""

import random

import numba

from fixtures.otlp_bodies import damaged, everything, ordinary
from receivers.otlp.digest import digest
from receivers.otlp.tenant import with_tenant
from receivers.otlp.wire import MalformedError


def walk(body: bytes) -> bool:
    digest(body)
    try:
        whole = [with_tenant(body, tenant) for tenant in ("", "shop", "t" * 110)]
    except MalformedError:
        return False
    return len(whole[2]) >= len(whole[1])


if __name__ == "__main__":
    assert numba.config.BOUNDSCHECK
    chance = random.Random(1)
    bodies = [ordinary(1, 1), everything(), b"\x0a\x00" * 9]
    assert all(walk(body) for body in bodies)
    accepted = sum(walk(damaged(chance.choice(bodies), chance)) for _ in range(2000))
    print(f"2000 bodies, {accepted} accepted")
