"""The drain: a chunk leaves the spool when it is stored, or aside with the reason; nothing else ends the queue."""

import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from pipeline.chunk import SealedChunk
from pipeline.drain import Drain
from pipeline.errors import PermanentError, RetryableError
from pipeline.spool import Spool, SpoolConfig


@contextmanager
def draining(folder: Path, process: Callable[[SealedChunk], None], *bodies: bytes) -> Iterator[Spool]:
    """A spool with a chunk for each body, and a drain at work on it."""
    spool = Spool(SpoolConfig.model_validate({"directory": folder, "max_chunk_size": "1B"}), "traces")
    spool.start()
    for number, body in enumerate(bodies):
        spool.append(body, number)
    drain = Drain(spool, process)
    drain.start()
    yield spool
    drain.shutdown()
    spool.close()


class Store:
    """Remembers what it was given; fails first as often as it is told to."""

    def __init__(self, *errors: Exception) -> None:
        self.errors = list(errors)
        self.stored: list[bytes] = []
        self.tries = 0

    def __call__(self, chunk: SealedChunk) -> None:
        self.tries += 1
        if self.errors:
            raise self.errors.pop(0)
        self.stored.append(bytes(chunk.read())[-1:])


def test_chunks_are_stored_oldest_first_and_then_deleted(tmp_path: Path) -> None:
    """What is stored is gone from disk."""
    store = Store()
    with draining(tmp_path, store, b"a", b"b", b"c") as spool:
        assert spool.wait_empty(10)
    assert store.stored == [b"a", b"b", b"c"]
    assert not list(tmp_path.rglob("*.pb"))


def test_while_the_store_is_away_a_chunk_waits_and_order_is_kept(tmp_path: Path) -> None:
    """The oldest is tried again before any younger one."""
    store = Store(RetryableError("away"), RetryableError("away"))
    with draining(tmp_path, store, b"a", b"b") as spool:
        assert spool.wait_empty(10)
    assert store.stored == [b"a", b"b"]
    assert store.tries == 4


@pytest.mark.parametrize(
    "error",
    [
        pytest.param(PermanentError("no such column"), id="refused for good"),
        pytest.param(ZeroDivisionError("no such column"), id="a bug of ours"),
    ],
)
def test_a_chunk_that_cannot_be_stored_is_put_aside_with_the_reason_and_the_queue_moves_on(
    tmp_path: Path, error: Exception
) -> None:
    """Nothing that was accepted is lost, and nobody else waits for it."""
    store = Store(error)
    with draining(tmp_path, store, b"a", b"b") as spool:
        assert spool.wait_empty(10)
        assert spool.stats().buried_chunks_total == 1
    assert store.stored == [b"b"]
    (reason,) = tmp_path.rglob("*.reason")
    assert "no such column" in reason.read_text()
    assert reason.with_suffix(".pb").read_bytes().endswith(b"a")


def test_shutdown_finishes_the_chunk_in_hand_and_leaves_the_rest_on_disk(tmp_path: Path) -> None:
    """The next start goes on with them."""
    began, may_end = threading.Event(), threading.Event()
    stored: list[str] = []

    def process(chunk: SealedChunk) -> None:
        began.set()
        assert may_end.wait(10)
        stored.append(chunk.id)

    with draining(tmp_path, process, b"a", b"b"):
        assert began.wait(10)
        threading.Timer(0.1, may_end.set).start()
    assert len(stored) == 1
    assert len(list(tmp_path.rglob("*.pb"))) == 1
