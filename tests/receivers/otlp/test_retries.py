"""Requests that come again are stored once, however they come."""

import threading
from concurrent.futures import ThreadPoolExecutor

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from pipeline.errors import RetryableError
from receivers.otlp import digest as module
from receivers.otlp import retries as retries_module
from receivers.otlp.config import RetriesConfig
from receivers.otlp.digest import BLOCK, digest, digest_halves
from receivers.otlp.retries import Retries

A, B, C = (("traces", "", number) for number in range(3))


def nothing():
    """Stores well."""


def fail():
    """Does not."""
    raise RetryableError("full")


def test_h11_the_same_is_stored_once_within_the_window():
    """From the first time it was stored."""
    retries = Retries(RetriesConfig(window="10ns"))
    assert [retries.once(A, now, nothing) for now in (0, 9, 10, 11, 20)] == [True, False, True, False, True]


def test_what_failed_is_not_remembered():
    """The client was told to come again."""
    retries = Retries(RetriesConfig())
    with pytest.raises(RetryableError, match="full"):
        retries.once(A, 0, fail)
    assert retries.once(A, 1, nothing)
    assert not retries.once(A, 2, fail)


def test_the_oldest_are_forgotten_first():
    """Memory is bounded by number and by time."""
    retries = Retries(RetriesConfig(max_requests=2, window="10ns"))
    for number, key in enumerate((A, B, C)):
        retries.once(key, number, nothing)
    assert [retries.once(key, 3, nothing) for key in (C, B)] == [False, False]
    assert retries.once(A, 3, nothing)
    retries.once(B, 100, nothing)
    assert len(retries._stored) == 1


@pytest.mark.parametrize("first_fails", [False, True], ids=["stored", "failed"])
def test_those_that_come_while_it_is_being_stored_wait_for_its_fate(first_fails):
    """If the first fails, one of the others is stored, and the rest follow that."""
    retries = Retries(RetriesConfig())
    entered, go, stored = threading.Event(), threading.Event(), []

    def first():
        entered.set()
        assert go.wait(10)
        if first_fails:
            fail()
        stored.append("first")

    with ThreadPoolExecutor(5) as pool:
        leader = pool.submit(retries.once, A, 0, first)
        assert entered.wait(10)
        others = [pool.submit(retries.once, A, 1, lambda: stored.append("other")) for _ in range(4)]
        assert retries.once(B, 1, nothing)
        go.set()
        fates = [other.result(10) for other in others]
    assert stored == (["other"] if first_fails else ["first"])
    assert sum(fates) == first_fails
    assert (leader.exception() is not None) == first_fails
    assert retries._storing == {}


def test_nobody_waits_for_ever(monkeypatch):
    """Who waited for too long is asked to come again."""
    monkeypatch.setattr(retries_module, "WAIT_TIMEOUT_S", 0.01)
    retries = Retries(RetriesConfig())

    def store():
        with pytest.raises(RetryableError, match="still being stored"):
            retries.once(A, 0, nothing)

    assert retries.once(A, 0, store)


@settings(deadline=None)
@given(st.binary(max_size=200), st.data())
def test_another_byte_is_another_digest_in_both_halves(body, data):
    """At any place, and also a byte more or less; the compiled kernel is its slow twin."""
    assert digest(body) == digest(bytes(bytearray(body)))
    others = [body + b"\0", body[:-1]] if body else [b"\0"]
    if body:
        at = data.draw(st.integers(0, len(body) - 1))
        bit = 1 << data.draw(st.integers(0, 7))
        others.append(body[:at] + bytes([body[at] ^ bit]) + body[at + 1 :])
    halves = digest_halves(np.frombuffer(body, np.uint8) if body else np.zeros(0, np.uint8), module.SEED)
    for other in others:
        first, second = digest_halves(np.frombuffer(other, np.uint8) if other else np.zeros(0, np.uint8), module.SEED)
        assert first != halves[0]
        assert second != halves[1]


def test_swapped_blocks_words_and_lanes_are_told_apart():
    """A sum of parts would not."""
    words = [bytes([number]) * 8 for number in range(2 * BLOCK // 8)]
    seen = {digest(b"".join(words))}
    for one in range(len(words)):
        for other in range(one):
            swapped = list(words)
            swapped[one], swapped[other] = swapped[other], swapped[one]
            seen.add(digest(b"".join(swapped)))
    assert len(seen) == 1 + len(words) * (len(words) - 1) // 2


def test_another_seed_is_another_digest():
    """So no sender can look for two requests of one digest."""
    body = np.frombuffer(b"a" * 100, np.uint8)
    seeds = [module.SEED + np.int64(2 * number) for number in range(100)]
    assert len({digest_halves(body, seed) for seed in seeds}) == 100
