"""One incident per service: when it opens, what it says, when it ends."""

from collections.abc import Iterable, Sequence
from dataclasses import replace
from datetime import datetime, timedelta
from itertools import pairwise
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from fixtures.promises import NOW, Pair, after, promise, status_at
from processors.incidents.advance import advance, next_event
from processors.incidents.incident import TRANSITIONS, Event, Impact, Incident, State, Update, diagram, follow
from processors.incidents.live import Verdict, verdict
from processors.incidents.scene import Patience, Scene, Signal
from processors.slo.breach import IllegalEventError, Standing
from processors.slo.breach import State as PromiseState
from processors.slo.budget import Counts
from processors.slo.promise import Promise

README = Path(__file__).parents[3] / "processors" / "incidents" / "README.md"
WORKS, FAST = promise("works"), promise("fast", slow=True)
AGREED = promise("agreed", target="0.95")


def signal(
    of: Promise = WORKS,
    live: Pair = (60, 60),
    *,
    now: datetime = NOW,
    state: PromiseState = PromiseState.AT_RISK,
    slices: Sequence[Pair] | None = None,
    lasted: Pair = (0, 0),
    burn: Pair | None = None,
) -> Signal:
    """A promise that is at risk; by default its live counts lie in the newest slice and its alert windows."""
    status = status_at(
        now, of, own=live, burn=live if burn is None else burn, live=live, slices=slices or [live], lasted=lasted
    )
    return Signal(status=status, standing=Standing(state=state))


def scene(*signals: Signal, incident: Incident | None = None, now: datetime = NOW) -> Scene:
    return Scene(service="checkout", title="Checkout", incident=incident, signals=signals, now=now, patience=Patience())


def step(*signals: Signal, incident: Incident | None = None, now: datetime = NOW) -> tuple[Incident, Update]:
    found = advance(scene(*signals, incident=incident, now=now))
    assert found is not None
    revision, update = found
    assert update is not None
    return revision, update


def opened(*signals: Signal) -> Incident:
    return step(*(signals or [signal(live=(40, 60))]))[0]


def recovering(at: datetime = NOW) -> Incident:
    return replace(opened(), state=State.RECOVERING, revision=2, at=at)


def resolved(at: datetime = NOW) -> Incident:
    return replace(opened(), state=State.RESOLVED, revision=3, at=at, resolved_at=at)


@pytest.mark.parametrize(
    ("live", "said"),
    [
        ((60, 60), Verdict.WELL),
        ((0, 0), Verdict.SILENT),
        ((40, 60), Verdict.TROUBLED),
        ((59, 60), Verdict.WELL),
        ((4, 5), Verdict.DOUBTFUL),
        ((0, 1), Verdict.DOUBTFUL),
        ((990, 1_000), Verdict.WELL),
        ((989, 1_000), Verdict.TROUBLED),
    ],
    ids=["good", "nothing", "failures", "a stray one", "one of five", "one of one", "at target", "below target"],
)
def test_a_minute_is_well_silent_doubtful_or_troubled(live: Pair, said: Verdict) -> None:
    """At 99 % and two bad events."""
    assert verdict(Counts(*live), WORKS.target, 2) is said


def test_an_incident_begins_where_the_bad_run_began() -> None:
    """Detected now, started 40 s ago, and that is what its id follows from."""
    bad = [(10, 10)] * 4 + [(7, 10)] * 4
    incident, update = step(signal(live=(48, 60), slices=bad, burn=(68, 80)))
    assert incident == Incident(
        id=incident.id,
        revision=1,
        at=NOW,
        state=State.OPEN,
        service="checkout",
        title="About 1 in 3 Checkout requests is failing",
        impact=Impact.MAJOR,
        started_at=after(-40),
        detected_at=NOW,
        resolved_at=None,
        promises=("works",),
        counts=Counts(28, 40),
    )
    assert len(incident.id) == 12
    assert (update.status, update.incident_id, update.at) == ("investigating", incident.id, NOW)
    assert update.body == "Measurement crossed the promised level; opened automatically after 40 s."


@pytest.mark.parametrize(
    "signals",
    [
        [signal(live=(40, 60), state=PromiseState.MET)],
        [signal(live=(40, 60), state=PromiseState.NO_DATA)],
        [signal(live=(60, 60))],
        [signal(live=(0, 0), burn=(50, 100))],
        [signal(live=(59, 60), burn=(50, 100))],
        [signal(live=(957, 967), state=PromiseState.BREACHED, burn=(50_000, 50_010))],
    ],
    ids=["kept", "unknown", "well now", "silent now", "one failure now", "noise below what five minutes allow"],
)
def test_nothing_opens_without_a_promise_in_danger_by_what_goes_on_now(signals: list[Signal]) -> None:
    """Both are needed, and one noisy minute of a promise that was broken last week is not enough."""
    assert next_event(scene(*signals)) is None


@pytest.mark.parametrize(
    ("bad_of_60", "slow", "impact"),
    [(3, False, "minor"), (6, False, "major"), (30, False, "critical"), (60, True, "major"), (3, True, "minor")],
)
def test_impact_is_the_share_that_suffers(bad_of_60: int, slow: bool, impact: str) -> None:
    """A tenth is major, half is critical, slowness never is."""
    of = FAST if slow else WORKS
    assert opened(signal(of, live=(60 - bad_of_60, 60))).impact == impact


def test_slow_is_told_as_slow_and_failing_comes_first() -> None:
    """What is worst for people is the title."""
    assert opened(signal(FAST, live=(30, 60))).title == "About 1 in 2 Checkout requests is slow"
    both = opened(signal(FAST, live=(0, 60)), signal(WORKS, live=(40, 60)))
    assert both.title == "About 1 in 3 Checkout requests is failing"
    assert both.promises == ("fast", "works")


def test_another_promise_joins_the_incident() -> None:
    """One service, one incident."""
    before = opened()
    incident, update = step(signal(live=(40, 60)), signal(FAST, live=(10, 60)), incident=before, now=after(10))
    assert (incident.id, incident.revision, incident.promises) == (before.id, 2, ("works", "fast"))
    assert update.body == "Some requests are slow as well."


def test_a_promise_that_joins_in_the_same_way_is_no_news() -> None:
    """It is written down; people who wait need not hear what else was promised about it."""
    found = advance(scene(signal(live=(40, 60)), signal(AGREED, live=(40, 60)), incident=opened(), now=after(10)))
    assert found is not None
    incident, update = found
    assert (incident.promises, incident.revision, update) == (("works", "agreed"), 2, None)


def test_it_is_told_again_when_it_is_much_worse_and_only_then() -> None:
    """Twice the share, or a higher impact; impact never goes down while it lasts."""
    before = opened(signal(live=(54, 60)))
    assert next_event(scene(signal(live=(50, 60)), incident=before)) is None
    worse, update = step(signal(live=(20, 60)), incident=before, now=after(20))
    assert (worse.impact, worse.revision) == (Impact.CRITICAL, 2)
    assert update.body == "Now about 2 in 3 requests are failing."
    assert next_event(scene(signal(live=(54, 60)), incident=worse, now=after(30))) is None


def test_it_recovers_when_the_newest_minute_is_well() -> None:
    """Then it is watched, and counted up to its last bad slice."""
    incident, update = step(signal(live=(60, 60), lasted=(130, 140)), incident=opened(), now=after(90))
    assert (incident.state, incident.counts, incident.resolved_at) == (State.RECOVERING, Counts(130, 140), None)
    assert (update.status, update.body) == ("monitoring", "Requests succeed again; watching.")


@pytest.mark.parametrize("live", [(0, 0), (0, 1), (4, 5)], ids=["silence", "one of one bad", "one of five bad"])
@pytest.mark.parametrize("incident", [opened(), recovering()], ids=["open", "recovering"])
def test_silence_and_doubt_hold(incident: Incident, live: Pair) -> None:
    """No data never resolves anything, nor does too little."""
    assert advance(scene(signal(live=live), incident=incident, now=after(3_600))) is None


def test_every_promise_involved_has_to_be_well() -> None:
    """One that is not measured holds the incident open."""
    both = opened(signal(live=(40, 60)), signal(FAST, live=(10, 60)))
    held = scene(signal(live=(60, 60)), signal(FAST, live=(0, 0)), incident=both, now=after(300))
    assert advance(held) is None


def test_it_is_resolved_after_it_stayed_well_for_a_minute() -> None:
    """It says how long people suffered, not how long we watched."""
    slices = [(7, 10)] * 20 + [(10, 10)] * 12
    began = replace(recovering(at=after(140)), started_at=NOW)
    now = after(320)
    early = scene(signal(live=(60, 60), now=after(190), slices=slices[:19]), incident=began, now=after(190))
    assert advance(early) is None
    incident, update = step(
        signal(live=(60, 60), now=now, slices=slices, lasted=(130, 140), state=PromiseState.BREACHED),
        incident=replace(began, at=after(260)),
        now=now,
    )
    assert (incident.state, incident.resolved_at) == (State.RESOLVED, now)
    assert incident.title == "About 1 in 14 Checkout requests failed"
    assert (update.status, update.body) == (
        "resolved",
        "Resolved after 3 min 20 s; about 1 in 14 requests failed while it lasted.",
    )


def test_trouble_while_it_recovers_opens_it_again() -> None:
    """The same incident."""
    before = recovering()
    incident, update = step(signal(live=(40, 60)), incident=before, now=after(30))
    assert (incident.id, incident.state, incident.revision) == (before.id, State.OPEN, 3)
    assert (update.status, update.body) == ("investigating", "Requests fail again.")


def test_trouble_soon_after_reopens_it_and_later_begins_another() -> None:
    """Ten minutes make the difference; another never begins within the one before."""
    before = resolved()
    again, update = step(signal(live=(40, 60), now=after(500)), incident=before, now=after(500))
    assert (again.id, again.state, again.resolved_at) == (before.id, State.OPEN, None)
    assert update.body == "It is back: about 1 in 3 requests is failing."
    later, _ = step(signal(live=(40, 60), now=after(700)), incident=before, now=after(700))
    assert later.id != before.id
    assert later.revision == 1
    long_run = signal(live=(40, 60), now=after(700), slices=[(4, 10)] * 72)
    assert opened_at(step(long_run, incident=before, now=after(700))) == before.resolved_at


def opened_at(found: tuple[Incident, Update]) -> datetime:
    return found[0].started_at


def test_windows_that_are_still_hot_do_not_reopen_it() -> None:
    """The last hour burns for an hour; people are well."""
    hot = signal(live=(60, 60), burn=(50, 100), state=PromiseState.BREACHED_BURNING)
    assert hot.status.fires
    for now in (after(30), after(1_000)):
        assert advance(scene(hot, incident=resolved(), now=now)) is None


def test_an_incident_whose_promise_was_withdrawn_is_closed() -> None:
    """Nothing else would ever end it."""
    incident, update = step(incident=opened(), now=after(60))
    assert incident.state is State.RESOLVED
    assert update.body == "Closed: the promise that it was measured by is no longer made."


@pytest.mark.parametrize("state", State)
@pytest.mark.parametrize("event", Event)
def test_every_incident_event_is_in_the_table_or_illegal(state: State, event: Event) -> None:
    """There is no third way."""
    if (state, event) in TRANSITIONS:
        assert follow(state, event) is TRANSITIONS[state, event]
    else:
        with pytest.raises(IllegalEventError, match=f"in state {state}, got {event}"):
            follow(state, event)


def test_the_readme_shows_the_incident_table() -> None:
    """The picture is drawn from the table."""
    assert f"```mermaid\n{diagram()}\n```" in README.read_text()


def minutes_of(story: Iterable[Pair], every_s: int = 10) -> list[Incident]:
    """Play a story, one slice a tick, with the promise broken for good; every revision there was."""
    revisions: list[Incident] = []
    slices: list[Pair] = []
    for number, pair in enumerate(story):
        now = after(every_s * (number + 1))
        slices.append(pair)
        recent = [Counts(*one) for one in slices]
        live, burn = sum(recent[-6:], Counts()), sum(recent[-30:], Counts())
        told = signal(
            live=(live.good, live.valid),
            burn=(burn.good, burn.valid),
            now=now,
            slices=slices,
            state=PromiseState.BREACHED,
        )
        if found := advance(scene(told, incident=revisions[-1] if revisions else None, now=now)):
            revisions.append(found[0])
    return revisions


def test_ten_blips_are_one_incident() -> None:
    """A bad slice every three minutes: opened, resolved, reopened, never ten."""
    blip = [(2, 10)] + [(10, 10)] * 17
    revisions = minutes_of([(10, 10)] * 30 + blip * 10)
    assert len({incident.id for incident in revisions}) == 1
    assert [incident.revision for incident in revisions] == list(range(1, len(revisions) + 1))
    assert revisions[-1].state is State.RESOLVED


@given(st.lists(st.sampled_from([(10, 10), (9, 10), (5, 10), (0, 10), (0, 0), (0, 1)]), min_size=1, max_size=80))
def test_revisions_are_numbered_and_never_end_in_silence(story: list[Pair]) -> None:
    """Whatever the traffic: one step at a time, and an end only after measured good."""
    revisions = minutes_of(story)
    for before, revision in pairwise(revisions):
        same = before.id == revision.id
        assert revision.revision == (before.revision + 1 if same else 1)
        assert same or before.state is State.RESOLVED
    for revision in revisions:
        assert revision.started_at <= revision.detected_at <= revision.at
        if revision.state is State.RESOLVED:
            place = (revision.at - NOW) // timedelta(seconds=10)
            minute = sum((Counts(*pair) for pair in story[max(0, place - 6) : place]), Counts())
            assert verdict(minute, WORKS.target, 2) is Verdict.WELL
