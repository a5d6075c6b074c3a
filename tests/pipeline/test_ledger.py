"""The receivers' ledger: every item once, listening only while alive, rows that can be written again."""

from datetime import UTC, datetime, timedelta

import pytest

from exporters.clickhouse.tables import RECEIVER_LEDGER
from pipeline.clock import NS_PER_S, FakeClock, to_ns
from pipeline.ledger import MAX_SLICES, Ledger

START = datetime(2026, 11, 22, 10, 0, 0, tzinfo=UTC)


@pytest.fixture
def clock():
    """Ten o'clock."""
    return FakeClock(START)


@pytest.fixture
def ledger(clock):
    """An empty ledger."""
    return Ledger(clock)


def rows(ledger: Ledger, clock: FakeClock, *, last: bool = False) -> list[dict]:
    """What is due now, taken and written."""
    batch = ledger.take(clock.now_ns(), "w", last=last)
    if batch is None:
        return []
    ledger.written(batch)
    return [dict(row) for row in batch.rows]


def test_rows_have_the_columns_of_the_table(ledger, clock):
    """So that they can be inserted as they are."""
    ledger.count("traces", clock.now_ns(), accepted=1)
    (row,) = rows(ledger, clock, last=True)
    assert list(row) == list(RECEIVER_LEDGER.columns)


def test_items_are_counted_in_the_slice_of_their_receive_time(ledger, clock):
    """Per signal; a slice is ten seconds."""
    for second, signal in ((0, "traces"), (9.9, "traces"), (10, "traces"), (3, "logs")):
        ledger.count(signal, to_ns(START) + round(second * NS_PER_S), accepted=10, refused=2, shed=1)
    found = {
        (row["Slice"].second, row["Signal"]): (row["Accepted"], row["Refused"], row["Shed"])
        for row in rows(ledger, clock, last=True)
    }
    assert found == {(0, "traces"): (20, 4, 2), (10, "traces"): (10, 2, 1), (0, "logs"): (10, 2, 1)}


def test_a_slice_is_taken_only_when_it_is_over(ledger, clock):
    """One row a slice, not one a look."""
    ledger.count("traces", clock.now_ns(), accepted=1)
    clock.advance(9.999)
    assert rows(ledger, clock) == []
    clock.advance(0.001)
    assert [row["Accepted"] for row in rows(ledger, clock)] == [1]
    assert rows(ledger, clock) == []


def test_what_comes_late_for_a_slice_is_a_row_of_its_own(ledger, clock):
    """The table sums them."""
    ledger.count("traces", clock.now_ns(), accepted=1)
    clock.advance(10)
    rows(ledger, clock)
    ledger.count("traces", to_ns(START), shed=5)
    assert [(row["Slice"], row["Accepted"], row["Shed"]) for row in rows(ledger, clock)] == [(START, 0, 5)]


def test_a_batch_comes_again_with_its_token_until_it_is_written(ledger, clock):
    """A retry adds nothing twice, and what comes meanwhile waits for the next batch."""
    ledger.count("traces", clock.now_ns(), accepted=1)
    clock.advance(10)
    first = ledger.take(clock.now_ns(), "w")
    ledger.count("traces", clock.now_ns(), accepted=2)
    clock.advance(10)
    assert ledger.take(clock.now_ns(), "w") == first
    ledger.written(first)
    second = ledger.take(clock.now_ns(), "w")
    assert [row["Accepted"] for row in second.rows] == [2]
    assert first.token != second.token


def test_tokens_of_two_lives_of_a_worker_differ(clock):
    """Otherwise the rows of the second would vanish as duplicates."""
    tokens = set()
    for _ in range(2):
        ledger = Ledger(clock)
        ledger.count("traces", clock.now_ns(), accepted=1)
        tokens.add(ledger.take(clock.now_ns(), "w", last=True).token)
    assert len(tokens) == 2


def test_listening_is_counted_from_opened_to_closed_and_split_by_slice(ledger, clock):
    """Also without a single item: silence that was heard."""
    clock.advance(7)
    ledger.opened("traces")
    for _ in range(8):
        clock.advance(1)
        ledger.beat(clock.now_ns())
    ledger.closed("traces")
    clock.advance(3)
    assert [(row["Slice"].second, row["ListeningMs"]) for row in rows(ledger, clock, last=True)] == [
        (0, 3000),
        (10, 5000),
    ]


def test_two_open_doors_listen_no_more_than_one(ledger, clock):
    """gRPC and HTTP: the signal is heard while either is open."""
    ledger.opened("traces")
    clock.advance(2)
    ledger.opened("traces")
    clock.advance(2)
    ledger.closed("traces")
    clock.advance(2)
    ledger.closed("traces")
    clock.advance(2)
    assert [row["ListeningMs"] for row in rows(ledger, clock, last=True)] == [6000]


def test_a_process_that_stood_still_did_not_listen(ledger, clock):
    """A gap without a beat is not credited, whether it was a stopped process or a clock set forward."""
    ledger.opened("traces")
    clock.advance(1)
    ledger.beat(clock.now_ns())
    clock.advance(3600)
    ledger.beat(clock.now_ns())
    clock.advance(1)
    assert sum(row["ListeningMs"] for row in rows(ledger, clock, last=True)) == 2000


def test_a_clock_set_back_a_little_credits_nothing_twice(ledger, clock):
    """Time already credited is not credited again."""
    ledger.opened("traces")
    clock.advance(4)
    ledger.beat(clock.now_ns())
    ledger.beat(clock.now_ns() - 2 * NS_PER_S)
    assert [row["ListeningMs"] for row in rows(ledger, clock, last=True)] == [4000]


def test_memory_is_bounded_and_the_oldest_slices_go_first(ledger, clock):
    """When nobody takes them; what is lost is counted."""
    for number in range(MAX_SLICES + 3):
        ledger.count("traces", to_ns(START + timedelta(seconds=10 * number)), accepted=1)
    found = rows(ledger, clock, last=True)
    assert len(found) == MAX_SLICES
    assert found[0]["Slice"] == START + timedelta(seconds=30)
    assert ledger.dropped_slices == 3
