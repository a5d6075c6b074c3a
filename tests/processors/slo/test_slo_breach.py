"""The table of a promise's states, and what its changes record."""

import json
from datetime import UTC, datetime, timedelta
from fractions import Fraction
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from fixtures.promises import NOW, after, promise, status_at
from processors.slo.breach import (
    TRANSITIONS,
    Event,
    IllegalEventError,
    Standing,
    State,
    advance,
    diagram,
    follow,
    restored,
)
from processors.slo.rows import breach_row
from processors.slo.status import PromiseStatus
from processors.slo.windows import month

PROMISE = promise(target="0.99", pairs=[("1h", "5m", "14.4"), ("6h", "30m", "6")])
MONTHLY = promise("agreement", target="0.99", window=month("UTC"), pairs=[("1h", "5m", "14.4")])
README = Path(__file__).parents[3] / "processors" / "slo" / "README.md"
SILENT, WELL, BURNS, BROKEN, BOTH = "silent", "well", "burns", "broken", "both"
SITUATIONS = {
    SILENT: {},
    WELL: {"own": (1_000, 1_000), "burn": (100, 100)},
    BURNS: {"own": (995, 1_000), "burn": (80, 100)},
    BROKEN: {"own": (900, 1_000), "burn": (100, 100)},
    BOTH: {"own": (900, 1_000), "burn": (80, 100)},
}


def situation(name: str, now: datetime = NOW) -> PromiseStatus:
    return status_at(now, PROMISE, **SITUATIONS[name])  # type: ignore[arg-type]


def events(standing: Standing, status: PromiseStatus) -> list[Event]:
    _, changes = advance(standing, status, status.at)
    return [change.event for change in changes]


def standing(state: State) -> Standing:
    return Standing(state=state, at=after(-60), change_id="0123456789abcdef")


@pytest.mark.parametrize(
    ("before", "now", "happened"),
    [
        (State.NO_DATA, SILENT, []),
        (State.NO_DATA, WELL, [Event.MEASURED]),
        (State.NO_DATA, BOTH, [Event.MEASURED, Event.BURN_STARTED, Event.TARGET_MISSED]),
        (State.MET, WELL, []),
        (State.MET, BURNS, [Event.BURN_STARTED]),
        (State.MET, BROKEN, [Event.TARGET_MISSED]),
        (State.MET, BOTH, [Event.BURN_STARTED, Event.TARGET_MISSED]),
        (State.MET, SILENT, [Event.DATA_ENDED]),
        (State.AT_RISK, BURNS, []),
        (State.AT_RISK, WELL, [Event.BURN_STOPPED]),
        (State.AT_RISK, BOTH, [Event.TARGET_MISSED]),
        (State.AT_RISK, BROKEN, [Event.BURN_STOPPED, Event.TARGET_MISSED]),
        (State.BREACHED, BROKEN, []),
        (State.BREACHED, BOTH, [Event.BURN_STARTED]),
        (State.BREACHED, WELL, [Event.TARGET_REGAINED]),
        (State.BREACHED_BURNING, BOTH, []),
        (State.BREACHED_BURNING, BROKEN, [Event.BURN_STOPPED]),
        (State.BREACHED_BURNING, BURNS, [Event.TARGET_REGAINED]),
        (State.BREACHED_BURNING, WELL, [Event.TARGET_REGAINED, Event.BURN_STOPPED]),
        (State.BREACHED_BURNING, SILENT, [Event.DATA_ENDED]),
    ],
)
def test_each_situation_leads_to_its_events(before: State, now: str, happened: list[Event]) -> None:
    """A row per state and situation; nothing new means no event."""
    assert events(standing(before), situation(now)) == happened


@pytest.mark.parametrize("state", State)
@pytest.mark.parametrize("event", Event)
def test_every_event_is_in_the_table_or_illegal(state: State, event: Event) -> None:
    """There is no third way."""
    if (state, event) in TRANSITIONS:
        assert follow(state, event) is TRANSITIONS[state, event]
    else:
        with pytest.raises(IllegalEventError, match=f"in state {state}, got {event}"):
            follow(state, event)


def test_every_state_can_be_reached_and_left() -> None:
    """No dead ends."""
    assert {origin for origin, _ in TRANSITIONS} == set(State) == set(TRANSITIONS.values())


def test_the_readme_shows_the_table() -> None:
    """The picture is drawn from the table."""
    assert f"```mermaid\n{diagram()}\n```" in README.read_text()


def test_a_fresh_window_is_not_broken_by_its_first_failure() -> None:
    """Two of three requests good says nothing yet; two failures do."""
    one = status_at(NOW, PROMISE, own=(2, 3), burn=(2, 3))
    two = status_at(NOW, PROMISE, own=(2, 4), burn=(2, 4))
    assert events(Standing(), one) == [Event.MEASURED]
    assert events(Standing(), two) == [Event.MEASURED, Event.BURN_STARTED, Event.TARGET_MISSED]


def test_silence_does_not_end_an_alert() -> None:
    """The short window is empty: nobody knows whether it still burns."""
    hot = {"1h": (50, 100), "5m": (0, 0), "6h": (50, 100), "30m": (98, 100)}
    quiet = status_at(NOW, PROMISE, own=(995, 1_000), burn=hot)
    assert not quiet.fires
    assert events(standing(State.AT_RISK), quiet) == []
    heard = status_at(NOW, PROMISE, own=(995, 1_000), burn=hot | {"5m": (1, 1)})
    assert events(standing(State.AT_RISK), heard) == [Event.BURN_STOPPED]


def test_a_new_month_begins_whole_and_may_be_broken_in_turn() -> None:
    """What was broken in October is history on the first of November; what breaks then is November's."""
    october = Standing(state=State.BREACHED, at=datetime(2026, 10, 9, tzinfo=UTC), change_id="0")
    clean = status_at(NOW, MONTHLY, own=(100, 100), burn=(100, 100))
    broken = status_at(NOW, MONTHLY, own=(90, 100), burn=(100, 100))
    assert events(october, clean) == [Event.PERIOD_TURNED]
    assert events(october, broken) == [Event.PERIOD_TURNED, Event.TARGET_MISSED]
    _, changes = advance(october, broken, NOW)
    assert changes[0].since == datetime(2026, 11, 1, tzinfo=UTC)
    assert events(changes[-1].standing, broken) == []


def test_a_rolling_window_never_turns() -> None:
    """It has no periods, however long ago it was broken."""
    old = Standing(state=State.BREACHED, at=after(-90 * 86_400), change_id="0")
    assert events(old, situation(BROKEN)) == []


def test_a_change_records_law_window_numbers_and_threshold() -> None:
    """Those of the window that decided."""
    burn = {"1h": (800, 1_000), "5m": (70, 100), "6h": (4_750, 5_000), "30m": (350, 500)}
    status = status_at(NOW, PROMISE, own=(99_700, 100_000), burn=burn, slices=[(10, 10)] * 3 + [(7, 10)] * 4)
    _, (change,) = advance(standing(State.MET), status, NOW)
    row = breach_row(change)
    assert (row["Kind"], row["Promise"], row["Law"], row["Target"]) == (
        "SLO",
        "checkout-works",
        "occurrences",
        Fraction(99, 100),
    )
    assert (row["Event"], row["Previous"], row["State"]) == ("burn_started", "met", "at_risk")
    assert (row["Window"], row["Good"], row["Valid"]) == ("1h/5m", 800, 1_000)
    assert row["WindowEnd"] - row["WindowStart"] == timedelta(hours=1)
    assert (row["BurnRate"], row["Threshold"]) == (20.0, 14.4)
    assert row["EvidenceTraceIds"] == ["4bf92f3577b34da6a3ce929d0e0e4736"]
    evidence = json.loads(row["Evidence"])
    assert [window["name"] for window in evidence["windows"]] == ["30d", "1h", "5m", "6h", "30m"]
    assert evidence["windows"][2] == {
        "name": "5m",
        "start": "2026-11-22T14:31:30Z",
        "end": "2026-11-22T14:36:30Z",
        "good": 70,
        "valid": 100,
        "burn_rate": 30.0,
    }
    assert "Indicator = 'checkout-works' AND Generation = '0123456789ab'" in evidence["sql"]


@pytest.mark.parametrize(
    ("slices", "bad_for_s"),
    [
        ([(9, 10)] * 6, 60),
        ([(9, 10), (10, 10), (10, 10), (10, 10), (9, 10), (9, 10)], 20),
        ([(9, 10), (10, 10), (10, 10), (9, 10)], 40),
        ([(9, 10), (9, 10), (10, 10)], 30),
        ([(999, 1_000), (9, 10)], 10),
    ],
    ids=["a run", "a run after a longer lull", "through a short lull", "with a good end", "kept by itself"],
)
def test_trouble_began_with_the_run_of_bad_slices(slices: list[tuple[int, int]], bad_for_s: int) -> None:
    """Back from the newest, through lulls of at most 20 s; slices that keep the target are none."""
    status = status_at(NOW, PROMISE, own=(900, 1_000), burn=(80, 100), slices=slices)
    _, changes = advance(standing(State.MET), status, NOW)
    assert {change.since for change in changes} == {after(-bad_for_s)}


def test_ids_follow_from_history() -> None:
    """The same steps have the same ids; the same event after another step has another."""
    _, once = advance(standing(State.MET), situation(BOTH), NOW)
    _, again = advance(standing(State.MET), situation(BOTH), NOW)
    assert [change.id for change in once] == [change.id for change in again]
    other = Standing(state=State.MET, at=after(-60), change_id="fedcba9876543210")
    _, elsewhere = advance(other, situation(BOTH), NOW)
    assert {change.id for change in once}.isdisjoint({change.id for change in elsewhere})


def test_changes_of_one_moment_keep_their_order() -> None:
    """Time tells which was the last, even if the clock stepped back."""
    _, changes = advance(Standing(), situation(BOTH), NOW)
    assert [change.at - NOW for change in changes] == [timedelta(milliseconds=number) for number in range(3)]
    _, (late,) = advance(changes[-1].standing, situation(BROKEN, after(-5)), after(-5))
    assert late.at > changes[-1].at


@given(st.lists(st.sampled_from(sorted(SITUATIONS)), max_size=30))
def test_a_restart_at_any_moment_changes_nothing(story: list[str]) -> None:
    """A standing read back from the newest recorded change is the one that was kept."""
    kept = read_back = Standing()
    for number, name in enumerate(story):
        now = after(10 * number)
        kept, changes = advance(kept, situation(name, now), now)
        read_back, again = advance(read_back, situation(name, now), now)
        assert [change.id for change in changes] == [change.id for change in again]
        if changes:
            row = breach_row(changes[-1])
            read_back = restored(row["Previous"], row["Event"], row["State"], row["At"], row["Id"])
        assert read_back == kept


@given(st.lists(st.sampled_from(sorted(SITUATIONS)), min_size=1, max_size=30))
def test_looking_twice_changes_nothing(story: list[str]) -> None:
    """What was recorded once is not news."""
    now_standing = Standing()
    for number, name in enumerate(story):
        now_standing, _ = advance(now_standing, situation(name, after(number)), after(number))
        assert advance(now_standing, situation(name, after(number)), after(number)) == (now_standing, ())


@pytest.mark.parametrize("words", [("met", "burn_stopped", "met"), ("", "", ""), ("met", "measured", "met")])
def test_words_that_no_transition_has_are_refused(words: tuple[str, str, str]) -> None:
    """A row that we did not write is told, not guessed at."""
    with pytest.raises(IllegalEventError, match="expected a recorded transition"):
        restored(*words, NOW, "0")
