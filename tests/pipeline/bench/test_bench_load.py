"""Sending: schedules, percentiles, refusals, and acknowledgements that come late."""

import threading
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from typing import Any

import grpc
import pytest

from pipeline.bench.bodies import SIGNALS, Bodies
from pipeline.bench.load import Load, Pace, percentile, wait_for
from pipeline.errors import PermanentError

Answer = Callable[[bytes, grpc.ServicerContext], bytes]


class Door(grpc.GenericRpcHandler):  # type: ignore[type-arg]
    """A collector that answers every call with `answer`."""

    def __init__(self, answer: Answer) -> None:
        self._handler = grpc.unary_unary_rpc_method_handler(answer)

    def service(self, handler_call_details: grpc.HandlerCallDetails) -> Any:
        return self._handler


@contextmanager
def listening(answer: Answer) -> Iterator[str]:
    """A server with one thread; its address."""
    server = grpc.server(ThreadPoolExecutor(1))
    server.add_generic_rpc_handlers((Door(answer),))
    port = server.add_insecure_port("127.0.0.1:0")
    server.start()
    yield f"127.0.0.1:{port}"
    server.stop(None).wait(10)


def test_a_schedule_is_even_and_as_long_as_it_was_asked_for() -> None:
    """Request n of r a second is due at n / r, whatever became of those before it."""
    assert list(Pace(seconds=0.5, rate=8.0).dues(lambda: 100.0)) == [100.0, 100.125, 100.25, 100.375]
    assert list(Pace(seconds=0.01, rate=2.0).dues(lambda: 100.0)) == [100.0]


def test_full_speed_is_now_until_the_time_is_over() -> None:
    """Nothing is scheduled; the clock alone ends it."""
    ticks = iter([0.0, 0.0, 0.4, 0.9, 1.0])
    assert list(Pace(seconds=1.0).dues(lambda: next(ticks))) == [None, None, None]


def test_what_is_overdue_counts_from_when_it_was_due() -> None:
    """A client that was busy does not move the start of the clock."""
    due_s = time.monotonic() - 5
    assert wait_for(due_s) == due_s
    assert wait_for(None) >= due_s + 5


@pytest.mark.parametrize(
    ("share", "expected"), [(0.5, 50.0), (0.99, 99.0), (1.0, 100.0), (0.991, 100.0), (0.0, 1.0)], ids=str
)
def test_a_percentile_is_a_value_that_was_seen(share: float, expected: float) -> None:
    """Nearest rank: the smallest that at least so many do not exceed."""
    assert percentile([float(value) for value in range(100, 0, -1)], share) == expected


def test_a_percentile_of_one_value_is_that_value() -> None:
    """Few requests have percentiles too."""
    assert [percentile([3.0], share) for share in (0.0, 0.5, 0.99, 1.0)] == [3.0] * 4


def test_everything_is_sent_once_and_counted() -> None:
    """Items, bytes and acknowledgements are those of the bodies that arrived; sources take turns."""
    seen: list[bytes] = []

    def take(body: bytes, _call: grpc.ServicerContext) -> bytes:
        seen.append(body)
        return b""

    sources = [Bodies(SIGNALS["traces"], 5), Bodies(SIGNALS["logs"], 2)]
    with listening(take) as endpoint, Load(endpoint, sources) as load:
        sent = load.send(Pace(seconds=0.2, rate=100.0))
    assert len(set(seen)) == len(seen) == len(sent.acks_s) == 20
    assert (sent.items, sent.bytes, sent.refused) == (10 * 5 + 10 * 2, sum(map(len, seen)), 0)


def test_a_refused_body_comes_again_unchanged() -> None:
    """It was not taken, so it is still to be delivered; the refusal is counted."""
    seen: list[bytes] = []

    def refuse_first(body: bytes, call: grpc.ServicerContext) -> bytes:
        seen.append(body)
        if len(seen) == 1:
            call.abort(grpc.StatusCode.UNAVAILABLE, "full")
        return b""

    with listening(refuse_first) as endpoint, Load(endpoint, [Bodies(SIGNALS["traces"], 5)]) as load:
        sent = load.send(Pace(seconds=0.1, rate=10.0))
    assert (sent.items, sent.refused, len(sent.acks_s)) == (5, 1, 1)
    assert seen[0] == seen[1]


def test_a_refusal_for_good_ends_the_run_and_says_why() -> None:
    """A collector that does not take a signal is not asked for long, whatever was scheduled."""
    began = time.monotonic()

    def refuse(_body: bytes, call: grpc.ServicerContext) -> bytes:
        call.abort(grpc.StatusCode.UNIMPLEMENTED, "logs are not stored")

    with (
        listening(refuse) as endpoint,
        Load(endpoint, [Bodies(SIGNALS["logs"], 5)]) as load,
        pytest.raises(PermanentError, match="UNIMPLEMENTED: logs are not stored"),
    ):
        load.send(Pace(seconds=60.0, rate=1000.0))
    assert time.monotonic() - began < 30


def test_a_stall_is_seen_by_all_who_were_due_in_it() -> None:
    """Coordinated omission: eight clients would feel one stall eight times; those who waited for a client count too."""
    stalled = threading.Event()

    def stall_once(_body: bytes, _call: grpc.ServicerContext) -> bytes:
        if not stalled.is_set():
            stalled.wait(0.3)
            stalled.set()
        return b""

    with listening(stall_once) as endpoint, Load(endpoint, [Bodies(SIGNALS["traces"], 1)]) as load:
        acks_s = load.send(Pace(seconds=0.4, rate=100.0)).acks_s
    # Request n was due at n / 100 s and could not be answered before the stall was over.
    assert sum(ack_s >= 0.1 for ack_s in acks_s) >= 20
