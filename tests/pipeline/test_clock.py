"""Time as a thing that is handed over."""

import threading
from datetime import UTC, datetime, timedelta, timezone

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pipeline.clock import FakeClock, SystemClock, to_datetime, to_ns

MOMENTS = st.datetimes(
    min_value=datetime(1970, 1, 1),  # noqa: DTZ001
    max_value=datetime(2262, 1, 1),  # noqa: DTZ001
    timezones=st.sampled_from([UTC, timezone(timedelta(hours=5, minutes=45))]),
)


@given(MOMENTS)
def test_a_datetime_survives_the_way_to_nanoseconds_and_back(moment: datetime) -> None:
    """No float on the way: microseconds are exact."""
    assert to_datetime(to_ns(moment)) == moment


def test_a_time_without_a_zone_is_refused() -> None:
    """Nobody guesses which midnight was meant."""
    with pytest.raises(ValueError, match="expected an aware datetime"):
        to_ns(datetime(2026, 11, 1))  # noqa: DTZ001


def test_a_fake_clock_moves_only_when_told_and_wakes_who_waits() -> None:
    """A test of minutes takes none."""
    clock, never = FakeClock(datetime(2026, 11, 1, tzinfo=UTC)), threading.Event()
    waiter = threading.Thread(target=clock.wait, args=(never, 60.0))
    before = clock.now_ns()
    waiter.start()
    clock.advance(59)
    waiter.join(0.05)
    assert waiter.is_alive()
    clock.advance(1)
    waiter.join(5)
    assert not waiter.is_alive()
    assert clock.now_ns() - before == 60_000_000_000


def test_waiting_ends_with_the_event() -> None:
    """Whoever waits can be told to stop."""
    event = threading.Event()
    event.set()
    assert SystemClock().wait(event, 60)
    assert FakeClock(datetime(2026, 11, 1, tzinfo=UTC)).wait(event, 60)
