"""Clients that send, at full speed or on a schedule.

In: where to, what, and a pace. Out: how long each acknowledgement took. Promised: on a schedule the time counts from
when a body was due, whether or not a client was free then, so waiting that the collector causes is never left out; a
refused body is sent again until it is taken, and that time counts too; nothing is sent twice that was acknowledged.
"""

import contextlib
import itertools
import math
import threading
import time
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from typing import Self, TypeAlias

import grpc

from pipeline.bench.bodies import Bodies
from pipeline.errors import PermanentError

CLIENTS = 8
PATIENCE_S = 180.0  # with a collector that refuses or does not answer
PAUSE_S = 0.1
COME_AGAIN = (grpc.StatusCode.UNAVAILABLE, grpc.StatusCode.RESOURCE_EXHAUSTED)

Export: TypeAlias = "grpc.UnaryUnaryMultiCallable[bytes, bytes]"

Turn: TypeAlias = tuple[float | None, Bodies]


@dataclass(frozen=True, slots=True, kw_only=True)
class Pace:
    """For how long, and how many requests a second; None is as fast as they are acknowledged."""

    seconds: float
    rate: float | None = None

    def dues(self, clock: Callable[[], float] = time.monotonic) -> Iterator[float | None]:
        """When each request is due; None is now."""
        start = clock()
        if self.rate is None:
            while clock() < start + self.seconds:
                yield None
        else:
            yield from (start + turn / self.rate for turn in range(max(1, round(self.seconds * self.rate))))


@dataclass(slots=True)
class Sent:
    """What became of what was sent."""

    items: int = 0
    bytes: int = 0
    refused: int = 0
    acks_s: list[float] = field(default_factory=list)

    def __iadd__(self, other: "Sent") -> Self:
        self.items += other.items
        self.bytes += other.bytes
        self.refused += other.refused
        self.acks_s += other.acks_s
        return self


class Load:
    """A few connected clients that take turns at `sources`."""

    def __init__(self, endpoint: str, sources: Sequence[Bodies]) -> None:
        # A pool of its own is a connection of its own.
        options = [("grpc.use_local_subchannel_pool", 1)]
        self._channels = [grpc.insecure_channel(endpoint, options) for _ in range(CLIENTS)]
        self._sources = sources

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        for channel in self._channels:
            channel.close()

    def send(self, pace: Pace) -> Sent:
        """Send at `pace`.

        Raises:
            PermanentError: the collector refuses for good, or for too long.
        """
        turns, total = Turns(zip(pace.dues(), itertools.cycle(self._sources), strict=False)), Sent()
        with ThreadPoolExecutor(CLIENTS) as clients:
            for sent in clients.map(lambda channel: self._client(channel, turns), self._channels):
                total += sent
        return total

    def _client(self, channel: grpc.Channel, turns: "Turns") -> Sent:
        exports = {source: channel.unary_unary(source.signal.otlp.method, bytes, bytes) for source in self._sources}
        sent = Sent()
        with turns.ended_by_errors():
            for due_s, source in turns:
                body = next(source)
                begin_s = wait_for(due_s)
                sent.refused += deliver(exports[source], body)
                sent.acks_s.append(time.monotonic() - begin_s)
                sent.items += source.size
                sent.bytes += len(body)
        return sent


class Turns:
    """An iterator that several threads share, and that ends for all when one of them fails."""

    def __init__(self, turns: Iterator[Turn]) -> None:
        self._turns = turns
        self._lock = threading.Lock()

    def __iter__(self) -> Self:
        return self

    def __next__(self) -> Turn:
        with self._lock:
            return next(self._turns)

    @contextlib.contextmanager
    def ended_by_errors(self) -> Iterator[None]:
        try:
            yield
        except BaseException:
            with self._lock:
                self._turns = iter(())
            raise


def wait_for(due_s: float | None) -> float:
    """Wait until something is due; from when its acknowledgement counts."""
    now_s = time.monotonic()
    if due_s is None:
        return now_s
    time.sleep(max(0.0, due_s - now_s))
    return due_s


def deliver(export: Export, body: bytes) -> int:
    """Send until it is acknowledged; how often it was refused."""
    until = time.monotonic() + PATIENCE_S
    for refused in itertools.count():
        try:
            export(body, timeout=PATIENCE_S)
        except grpc.RpcError as error:
            if error.code() not in COME_AGAIN or time.monotonic() > until:
                raise PermanentError(f"{error.code().name}: {error.details()}") from error
        else:
            return refused
        time.sleep(PAUSE_S)
    raise AssertionError


def percentile(values: Sequence[float], share: float) -> float:
    """The smallest value that at least `share` of them do not exceed."""
    return sorted(values)[max(1, math.ceil(share * len(values))) - 1]
