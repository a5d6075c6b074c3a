"""A full spool: the longer it is full, the later clients are asked to come again."""

from datetime import UTC, datetime
from pathlib import Path

import pytest

from pipeline.clock import NS_PER_S, FakeClock
from pipeline.errors import RetryableError
from pipeline.pressure import Pressure
from pipeline.spool import Spool, SpoolConfig


def asked(pressure: Pressure, *seconds: float) -> list[float]:
    """What clients are told that are refused at these times."""
    return [pressure.refused(int(second * NS_PER_S)) / NS_PER_S for second in seconds]


def test_the_time_to_come_again_doubles_up_to_its_bound() -> None:
    """As for one client that comes each time it was asked to: at 0, 5, 15, 35 s and so on."""
    pressure = Pressure(5 * NS_PER_S, 60 * NS_PER_S)
    assert asked(pressure, 0, 4.9, 5, 14.9, 15, 34.9, 35, 74.9, 75, 10_000) == [5, 5, 10, 10, 20, 20, 40, 40, 60, 60]


def test_room_for_a_moment_does_not_begin_anew_and_room_for_a_while_does() -> None:
    """One chunk that leaves makes room for one request; that is not the end of the trouble."""
    pressure = Pressure(5 * NS_PER_S, 60 * NS_PER_S)
    assert asked(pressure, 0, 40) == [5, 40]
    pressure.relieved(41 * NS_PER_S)
    assert asked(pressure, 42) == [40]
    pressure.relieved(43 * NS_PER_S)
    assert pressure.after_ns(102 * NS_PER_S) > 0
    assert pressure.after_ns(103 * NS_PER_S) == 0
    assert asked(pressure, 103, 109) == [5, 10]


@pytest.mark.parametrize(("first", "most", "told"), [(5, 5, [5, 5]), (7, 3, [7, 7]), (0, 60, [0, 0])])
def test_settings_without_room_to_grow_stay_at_the_first_time(first: int, most: int, told: list[float]) -> None:
    """Equal, reversed and zero are harmless."""
    assert asked(Pressure(first * NS_PER_S, most * NS_PER_S), 0, 1_000) == told


def test_a_spool_that_stays_full_says_so_to_clients_and_in_its_stats(tmp_path: Path) -> None:
    """On the spool's own clock, from the first refusal to the first minute with room."""
    clock = FakeClock(datetime(2026, 1, 1, tzinfo=UTC))
    config = SpoolConfig.model_validate(
        {"directory": tmp_path, "max_size": "1500B", "max_hold": "0s", "flush_timeout": "0s"}
    )
    spool = Spool(config, "traces", clock)
    spool.start()
    spool.append(b"x" * 1000, 1)
    assert spool.stats().retry_after_s == 0
    for seconds, told in ((0, 5), (5, 10), (10, 20), (100, 60)):
        clock.advance(seconds)
        with pytest.raises(RetryableError, match="full") as caught:
            spool.append(b"x" * 1000, 1)
        assert (caught.value.retry_after_s, spool.stats().retry_after_s) == (told, told)
    chunk = spool.take(0)
    assert chunk is not None
    spool.done(chunk)
    clock.advance(59)
    assert spool.stats().retry_after_s == 60
    clock.advance(1)
    assert spool.stats().retry_after_s == 0
    spool.close()
