"""Time as a thing that is handed over, so that nothing in the middle asks the machine for it.

`SystemClock` is the machine's; `FakeClock` moves only when told, and wakes whoever waits on it.
"""

import threading
import time
from datetime import UTC, datetime
from typing import Protocol

NS_PER_S = 1_000_000_000


class Clock(Protocol):
    """What time it is, and waiting for it to pass."""

    def now_ns(self) -> int:
        """Nanoseconds since the Unix epoch."""
        ...

    def wait(self, event: threading.Event, timeout_s: float) -> bool:
        """Wait until `event` is set or `timeout_s` passed; tell whether it was set."""
        ...


class SystemClock:
    """The machine's own clock."""

    def now_ns(self) -> int:
        return time.time_ns()

    def wait(self, event: threading.Event, timeout_s: float) -> bool:
        return event.wait(timeout_s)


class FakeClock:
    """A clock that stands still until `advance`."""

    def __init__(self, start: datetime) -> None:
        self._now_ns = to_ns(start)
        self._moved = threading.Condition()

    def now_ns(self) -> int:
        with self._moved:
            return self._now_ns

    def advance(self, seconds: float) -> None:
        """Move on by `seconds` and wake all who wait."""
        with self._moved:
            self._now_ns += round(seconds * NS_PER_S)
            self._moved.notify_all()

    def wait(self, event: threading.Event, timeout_s: float) -> bool:
        """Wait on the fake time; look at `event` every 10 ms of real time, since it knows nothing of this clock."""
        with self._moved:
            until = self._now_ns + round(timeout_s * NS_PER_S)
            while self._now_ns < until and not event.is_set():
                self._moved.wait(0.01)
        return event.is_set()


def to_ns(moment: datetime) -> int:
    """Nanoseconds since the epoch of an aware datetime, exact to its microseconds."""
    if moment.tzinfo is None:
        raise ValueError(f"expected an aware datetime, got {moment!r}")
    since = moment - datetime(1970, 1, 1, tzinfo=UTC)
    return (since.days * 86_400 + since.seconds) * NS_PER_S + since.microseconds * 1_000


def to_datetime(time_ns: int) -> datetime:
    """The UTC datetime of a time in nanoseconds since the epoch, cut (not rounded) to microseconds."""
    seconds, rest = divmod(time_ns, NS_PER_S)
    return datetime.fromtimestamp(seconds, UTC).replace(microsecond=rest // 1_000)
