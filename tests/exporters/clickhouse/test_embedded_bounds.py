"""What the embedded engine takes on at once, and what it says when asked for more."""

import gzip
import select
import socket
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager

import pytest

from fixtures.engine import Answer, Engine, start_engine

MIB = 1 << 20


@pytest.fixture(scope="module")
def small(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Engine]:
    """An engine that takes on very little."""
    engine = start_engine(
        tmp_path_factory.mktemp("small") / "data",
        max_request_bytes=2 * MIB,
        max_buffered_bytes=3 * MIB,
        max_concurrent_queries=1,
        max_connections=8,
        queue_timeout_s=0.2,
        body_silence_s=0.3,
        max_execution_time_s=2,
        max_result_bytes=MIB,
        max_query_memory_bytes=64 * MIB,
    )
    yield engine
    assert engine.stop() == 0


@contextmanager
def every_slot_taken(engine: Engine) -> Iterator[Answer]:
    """Queries sleep in the engine's only slot; gives the answer to one more."""
    enough = threading.Event()

    def occupy() -> None:
        while not enough.is_set():
            engine.ask(b"SELECT sleep(1)")

    thread = threading.Thread(target=occupy)
    thread.start()
    try:
        deadline = time.monotonic() + 30
        while (answer := engine.ask(b"SELECT 1")).status != 503:
            assert time.monotonic() < deadline, "the engine never was busy"
        yield answer
    finally:
        enough.set()
        thread.join(timeout=30)


def test_body_above_the_cap_is_refused(small: Engine) -> None:
    """413, and nothing of it is stored."""
    small.ask(b"CREATE TABLE big (a String) ENGINE = Memory")
    answer = small.ask(b"x\n" * (3 * MIB // 2), query="INSERT INTO big FORMAT CSV")
    assert (answer.status, answer.code) == (413, 307)
    assert small.ask(b"SELECT count() FROM big").text == "0\n"


def test_body_that_inflates_above_the_cap_is_refused(small: Engine) -> None:
    """A small body that grows is as large as it grows."""
    bomb = gzip.compress(b"x\n" * (64 * MIB))
    assert len(bomb) < MIB
    answer = small.ask(bomb, headers={"Content-Encoding": "gzip"}, query="INSERT INTO big FORMAT CSV")
    assert (answer.status, answer.code) == (413, 307)


BAD_ENCODINGS = {
    "not gzip": ("gzip", b"plain", 271),
    "cut gzip": ("gzip", gzip.compress(b"SELECT 1")[:-6], 271),
    "not lz4": ("lz4", b"plain", 271),
    "unknown": ("br", b"plain", 89),
}


@pytest.mark.parametrize(("encoding", "body", "code"), BAD_ENCODINGS.values(), ids=BAD_ENCODINGS)
def test_body_that_is_not_of_its_encoding_is_refused(small: Engine, encoding: str, body: bytes, code: int) -> None:
    """400 with the reason."""
    answer = small.ask(body, headers={"Content-Encoding": encoding})
    assert (answer.status, answer.code) == (400, code)


def test_query_above_the_concurrency_waits_a_little_then_gives_up(small: Engine) -> None:
    """503, the code of TOO_MANY_SIMULTANEOUS_QUERIES, and when to come again."""
    with every_slot_taken(small) as answer:
        assert (answer.code, answer.headers["retry-after"]) == (202, "1")
    assert small.ask(b"SELECT 1").status == 200


def test_readers_cannot_take_every_slot(clickhouse: Engine) -> None:
    """However many readers ask, the writer finds a slot."""
    reader = (clickhouse.readonly_username, clickhouse.readonly_password)
    threads = [threading.Thread(target=lambda: clickhouse.ask(b"SELECT sleep(1)", login=reader)) for _ in range(10)]
    for thread in threads:
        thread.start()
    deadline = time.monotonic() + 30
    sleeping = b"SELECT count() FROM system.processes WHERE query LIKE '%sleep%' AND query NOT LIKE '%processes%'"
    while (count := clickhouse.ask(sleeping).text) == "0\n":
        assert time.monotonic() < deadline
    assert int(count) <= 4
    assert clickhouse.ask(b"SELECT 1").status == 200
    for thread in threads:
        thread.join(timeout=60)


def test_health_is_answered_while_every_slot_is_taken(small: Engine) -> None:
    """A busy engine is not a dead one."""
    with every_slot_taken(small):
        assert small.ask(method="GET", path="/ping", login=None).body == b"Ok.\n"


def test_query_that_takes_too_long_is_ended(small: Engine) -> None:
    """408 and TIMEOUT_EXCEEDED, at the bound and not at the query's end."""
    began = time.monotonic()
    answer = small.ask(b"SELECT sum(cityHash64(number)) FROM numbers(100000000000000)")
    assert (answer.status, answer.code) == (408, 159)
    assert time.monotonic() - began < 60


def test_result_above_the_bound_is_refused(small: Engine) -> None:
    """A result is whole or an error, never cut."""
    assert small.ask(b"SELECT number FROM numbers(10000000)").code == 396


def test_query_above_its_memory_is_refused(small: Engine) -> None:
    """MEMORY_LIMIT_EXCEEDED ends the query, not the engine."""
    assert small.ask(b"SELECT groupArray(number) FROM numbers(100000000) FORMAT Null").code == 241
    assert small.ask(b"SELECT 1").status == 200


def raw(engine: Engine, request: bytes) -> bytes:
    """What comes back to bytes on the wire, until the engine closes or has answered."""
    with socket.create_connection((engine.host, engine.port), timeout=10) as connection:
        connection.sendall(request)
        return connection.recv(1 << 16)


def head(engine: Engine, length: int) -> bytes:
    login = "Authorization: Basic YW5kb246YW5kb24tc2VjcmV0"
    return f"POST / HTTP/1.1\r\nHost: {engine.host}\r\n{login}\r\nContent-Length: {length}\r\n\r\n".encode()


def test_sender_who_falls_silent_is_dropped(small: Engine) -> None:
    """A body that does not come on holds nothing for long."""
    assert b" 408 " in raw(small, head(small, 100) + b"SELECT").split(b"\r\n")[0]


def hold(engine: Engine, body: bytes) -> socket.socket:
    """A connection that sends all of `body` but its last byte, and waits."""
    held = socket.create_connection((engine.host, engine.port), timeout=10)
    held.sendall(head(engine, len(body)) + body[:-1])
    return held


def test_bodies_held_together_are_bounded(small: Engine) -> None:
    """Two bodies that fit alone but not together: one is refused with 503, and its room is free again after."""
    body = b"SELECT 1 /* " + b"x" * (2 * MIB - 64) + b" */"
    deadline = time.monotonic() + 30
    held = hold(small, body)
    while (answer := small.ask(body)).status != 503:
        assert time.monotonic() < deadline
        if select.select([held], [], [], 0)[0]:  # of the two it was this one that was refused, or its silence ended it
            held.close()
            held = hold(small, body)
    assert answer.code == 202
    held.recv(1 << 16)  # the silence ended it
    held.close()
    assert small.ask(body).status == 400  # room again: now only the query is too long for the parser


def test_garbage_on_the_wire_gets_400_and_harms_nobody(small: Engine) -> None:
    """What is not HTTP ends its own connection only."""
    assert b" 400 " in raw(small, b"\x00\x01\x02 nonsense\r\n\r\n").split(b"\r\n")[0]
    assert small.ask(b"SELECT 1").status == 200


def test_many_clients_at_once_all_get_their_own_answer(clickhouse: Engine) -> None:
    """Readers and writers side by side: no answer is lost, mixed up or wrong."""
    clickhouse.client(database="side_by_side").command("CREATE TABLE t (a UInt64) ENGINE = MergeTree ORDER BY a")
    wrong = list[str]()

    def work(name: int) -> None:
        for step in range(15):
            number = name * 1000 + step
            stored = clickhouse.ask(f"{number}\n".encode(), query="INSERT INTO side_by_side.t FORMAT TSV")
            found = clickhouse.ask(f"SELECT count() FROM side_by_side.t WHERE a = {number}".encode())
            if (stored.status, found.text) != (200, "1\n"):
                wrong.append(f"{number}: {stored.text} {found.text}")

    threads = [threading.Thread(target=work, args=(name,)) for name in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(timeout=60)
    assert wrong == []
    assert clickhouse.ask(b"SELECT count(), uniqExact(a) FROM side_by_side.t").text == "120\t120\n"
