"""Who listened when: what the ledger proves, and what nobody can know yet."""

from datetime import UTC, datetime, timedelta
from fractions import Fraction

from fixtures.store import Store
from processors.slo.heard import LATENESS, Heard, settled_until
from processors.slo.windows import Bounds

NOON = datetime(2026, 11, 22, 12, 0, tzinfo=UTC)
NOON_S = int(NOON.timestamp())


def row(at_s: int, ms: int, worker: str = "a", **counts: int) -> dict[str, object]:
    nothing = {"Accepted": 0, "Refused": 0, "Shed": 0}
    return {"Worker": worker, "Signal": "traces", "Slice": NOON_S + at_s, "ListeningMs": ms} | nothing | counts


def heard(store: Store, *rows: dict[str, object], now: datetime = NOON + timedelta(minutes=30)) -> Heard:
    store.client.write("receiver_ledger", list(rows), token="ledger")
    found = Heard("traces", NOON)
    found.refresh(store.client.query, now)
    return found


def test_the_worker_that_heard_most_counts(store: Store) -> None:
    """They serve the same senders: two that listen do not listen twice."""
    found = heard(store, row(0, 4_000), row(0, 7_000, "b"), row(10, 10_000), row(10, 10_000, "b"))
    assert found.ms(Bounds(NOON, NOON + timedelta(seconds=20))) == 17_000


def test_time_in_which_requests_were_turned_away_was_heard_in_part(store: Store) -> None:
    """What was shed may come again, or may not."""
    found = heard(store, row(0, 10_000, Accepted=99, Shed=100))
    assert found.ms(Bounds(NOON, NOON + timedelta(seconds=10))) == 5_000


def test_the_newest_seconds_are_taken_as_heard_for_a_minute(store: Store) -> None:
    """The ledger is written once a slice is over; after a minute of nothing, nobody listens."""
    rows = [row(10 * number, 10_000) for number in range(6)]
    soon = heard(store, *rows, now=NOON + timedelta(seconds=110))
    assert soon.share(Bounds(NOON, NOON + timedelta(seconds=110))) == 1
    late = Heard("traces", NOON)
    late.refresh(store.client.query, NOON + timedelta(seconds=200))
    assert late.share(Bounds(NOON, NOON + timedelta(seconds=120))) == Fraction(1, 2)


def test_what_is_read_anew_is_what_would_be_read_at_once(store: Store) -> None:
    """Rows that come late count from the next full look on, new ones at once."""
    store.client.write("receiver_ledger", [row(0, 10_000)], token="first")
    kept = Heard("traces", NOON)
    kept.refresh(store.client.query, NOON + timedelta(seconds=30))
    store.client.write("receiver_ledger", [row(60, 10_000), row(10, 5_000)], token="second")
    for seconds in (90, 400, 1_500):
        now = NOON + timedelta(seconds=seconds)
        kept.refresh(store.client.query, now)
        fresh = Heard("traces", NOON)
        fresh.refresh(store.client.query, now)
        window = Bounds(NOON, now)
        assert kept.ms(window) == fresh.ms(window)
        assert kept.minutes(NOON_S, 4).tolist() == fresh.minutes(NOON_S, 4).tolist()


def test_minutes_outside_of_what_was_read_were_not_heard(store: Store) -> None:
    found = heard(store, *(row(10 * number, 10_000) for number in range(12)))
    assert found.minutes(NOON_S - 120, 5).tolist() == [0, 0, 60_000, 60_000, 0]


def test_nothing_is_settled_that_a_worker_has_not_stored(store: Store) -> None:
    """The slowest worker holds everybody up, but not one that is gone."""
    stored = [
        row(0, 10_000) | {"StoredUntil": NOON - timedelta(seconds=5)},
        row(0, 10_000, "b") | {"StoredUntil": NOON - timedelta(seconds=40)},
        row(-3_600, 10_000, "gone") | {"StoredUntil": NOON - timedelta(hours=1)},
        row(0, 10_000, "older"),  # written by a version that did not say
    ]
    store.client.write("receiver_ledger", stored, token="stored")
    assert settled_until(store.client.query, "traces", NOON) == NOON - timedelta(seconds=40) - LATENESS
    assert settled_until(store.client.query, "logs", NOON) == NOON - LATENESS
