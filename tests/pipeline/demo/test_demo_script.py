"""The demo's script: what counts as seen, as recovered, as late."""

from datetime import UTC, datetime

import pytest

from pipeline.clock import NS_PER_S, FakeClock
from pipeline.demo import script
from pipeline.demo.play import Play
from pipeline.demo.script import (
    INCIDENT_LIMIT_S,
    SCRIPT,
    Act,
    Event,
    Fault,
    Mark,
    Mode,
    Sighting,
    Source,
    Until,
    first_trouble,
    problems,
    recovered,
    timeline,
)
from pipeline.errors import AndonError


def sighting(at_s: float, source: Source, *troubled: str) -> Sighting:
    return Sighting(at_ns=round(at_s * NS_PER_S), source=source, troubled=frozenset(troubled))


def mark(at_s: float, mode: Mode = Mode.OK) -> Mark:
    act = Act(name=mode, fault=Fault(mode=mode), at_least_s=1, at_most_s=1, until=Until.TIME, tells="")
    return Mark(at_ns=round(at_s * NS_PER_S), act=act)


MARKS = [mark(0), mark(25, Mode.ERRORS), mark(50)]
SEEN = [
    *(sighting(24, source) for source in Source),
    sighting(27, Source.SPANS, "errors"),
    sighting(36, Source.BREACHES, "checkout-availability"),
    sighting(38, Source.PAGE, "/incidents/1"),
    sighting(38, Source.API, "1"),
    *(sighting(90, source) for source in Source),
]


def test_the_timeline_counts_seconds_from_the_fault() -> None:
    """Every moment of a fault, in order, with its seconds."""
    assert {moment.event: moment.since_fault_s for moment in timeline(MARKS, SEEN)} == {
        Event.FAULT: 0.0,
        Event.BAD_SPAN: 2.0,
        Event.AT_RISK: 11.0,
        Event.INCIDENT: 13.0,
        Event.RECOVERY: 25.0,
        Event.RESOLVED: 65.0,
    }
    assert problems(MARKS, SEEN) == []


def test_trouble_that_was_there_before_is_not_the_faults() -> None:
    """Only what a source newly names answers a fault."""
    seen = [sighting(1, Source.PAGE, "old"), sighting(11, Source.PAGE, "old"), sighting(12, Source.PAGE, "old", "new")]
    assert first_trouble(seen, Source.PAGE, 10 * NS_PER_S) == 12 * NS_PER_S


def test_an_incident_that_is_open_takes_in_what_comes() -> None:
    """A second fault need not open an incident of its own; but on a page that was well it must."""
    open_already = [sighting(20, Source.PAGE, "old"), sighting(30, Source.PAGE, "old")]
    assert Event.INCIDENT not in {moment.event for moment in timeline(MARKS, open_already)}
    missing = next(one for one in timeline(MARKS, [sighting(20, Source.PAGE)]) if one.event is Event.INCIDENT)
    assert missing.at_ns is None


def test_a_recovery_that_did_not_last_is_none() -> None:
    """Well, then troubled, then well: only the last counts; troubled at the end is no recovery."""
    seen = [sighting(1, Source.PAGE), sighting(2, Source.PAGE, "one"), sighting(3, Source.PAGE)]
    assert recovered(seen, Source.PAGE, 0) == 3 * NS_PER_S
    assert recovered(seen[:2], Source.PAGE, 0) is None


@pytest.mark.parametrize("source", script.PUBLIC)
def test_every_public_source_must_show_the_outage_and_the_recovery(source: Source) -> None:
    """One silent or one stuck source is enough to fail the play."""
    others = [one for one in SEEN if one.source is not source]
    assert problems(MARKS, others) == [f"{source}: the outage was never seen"]
    stuck = [*SEEN, sighting(91, source, "still")]
    assert problems(MARKS, stuck) == [f"{source}: the recovery was never seen; last troubled: still"]


def test_an_incident_later_than_its_limit_is_a_problem() -> None:
    """The page has its seconds and no more."""
    on_time = sighting(25 + INCIDENT_LIMIT_S, Source.PAGE, "/incidents/1")
    late = sighting(25 + INCIDENT_LIMIT_S + 0.1, Source.PAGE, "/incidents/1")
    rest = [one for one in SEEN if one.source is not Source.PAGE]
    end = sighting(90, Source.PAGE)
    assert problems(MARKS, [*rest, on_time, end]) == []
    assert problems(MARKS, [*rest, late, end]) == [
        "page: the incident came 20.1 s after the fault, expected at most 20 s"
    ]


def test_the_script_ends_well_and_within_its_limit() -> None:
    """The last act mends everything, waits for it, and all acts at their longest fit the names they have."""
    assert SCRIPT[-1].until is Until.WELL
    assert SCRIPT[-1].fault.mode is Mode.OK
    assert [act.fault.mode for act in SCRIPT].count(Mode.OK) == len(SCRIPT) - 2
    assert len({act.name for act in SCRIPT}) == len(SCRIPT)
    assert all(0 < act.at_least_s <= act.at_most_s for act in SCRIPT)


class HurriedClock(FakeClock):
    """Waiting takes no time, but the clock moves on as if it had."""

    def wait(self, event, timeout_s) -> bool:
        self.advance(timeout_s)
        return False


class Shop:
    """A stage where trouble shows `delay_s` after the fault and goes `delay_s` after it was mended."""

    def __init__(self, clock: FakeClock, delay_s: float = 5.0) -> None:
        self.clock = clock
        self.delay_ns = round(delay_s * NS_PER_S)
        self.faults: list[tuple[int, Fault]] = []

    def set_fault(self, fault: Fault) -> None:
        self.faults.append((self.clock.now_ns(), fault))

    def check(self) -> None:
        pass

    def look(self, mark: Mark) -> list[Sighting]:
        now_ns = self.clock.now_ns()
        mode = [fault.mode for at_ns, fault in self.faults if at_ns <= now_ns - self.delay_ns][-1:]
        troubled = frozenset(one for one in mode if one is not Mode.OK)
        return [Sighting(at_ns=now_ns, source=source, troubled=troubled) for source in Source]


def play(stage_delay_s: float, limit_s: float = 480) -> tuple[Play, Shop, list[str]]:
    clock, told = HurriedClock(datetime(2026, 1, 1, tzinfo=UTC)), []
    shop = Shop(clock, stage_delay_s)
    performance = Play(
        shop,
        clock,
        limit_s=limit_s,
        tell_act=lambda act: told.append(act.name),
        tell_moment=lambda moment: told.append(f"{moment.fault}: {moment.event}"),
    )
    performance.perform(SCRIPT)
    return performance, shop, told


def test_a_play_breaks_mends_and_tells_each_moment_once() -> None:
    """Played against a shop that answers in five seconds, the whole script is told in order and is without fault."""
    performance, shop, told = play(5)
    assert problems(performance.marks, performance.sightings) == []
    assert [fault.mode for _, fault in shop.faults] == ["ok", "errors", "ok", "slow", "ok"]
    assert len(told) == len(set(told))
    assert told[:6] == [
        "warm-up",
        "payment errors",
        "payment errors: fault",
        "payment errors: first bad span stored",
        "payment errors: at risk",
        "payment errors: incident on the page",
    ]
    assert told[-1] == "payment slow: resolved on the page"


def test_a_play_ends_even_when_nothing_is_ever_seen() -> None:
    """Every act has its longest time, and the verdict names what is missing."""
    performance, _, _ = play(10_000)
    assert len(problems(performance.marks, performance.sightings)) == 3


def test_a_play_that_takes_too_long_says_in_which_act() -> None:
    """The overall limit cuts the play off."""
    with pytest.raises(AndonError, match="more than 30 s, in the act 'payment errors'"):
        play(5, limit_s=30)
