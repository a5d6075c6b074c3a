"""What the templates show."""

from dataclasses import replace
from datetime import date, timedelta

from fixtures.page_facts import BEGAN, NOW, component, curve, incident, live, snapshot, update
from statuspage.snapshot import Day
from statuspage.states import DayLevel
from statuspage.view import incident_view, page_view, promise_view
from statuspage.words import SPACE


def plain(text: str) -> str:
    return text.replace(SPACE, " ")


def test_a_window_measured_only_lately_says_since_when() -> None:
    """0.1 % of thirty days says nothing; it began this morning does."""
    young = component(live(0, coverage=0.001), since=NOW - timedelta(hours=5))
    assert plain(promise_view(young.promises[0], young, NOW).coverage) == "measured since 09:36 UTC"


def test_a_window_measured_with_gaps_says_its_share() -> None:
    """Floored; all of it needs no words."""
    gaps, whole = component(live(0, coverage=0.98179)), component(live(0))
    assert plain(promise_view(gaps.promises[0], gaps, NOW).coverage) == "measured 98.1 % of the time"
    assert promise_view(whole.promises[0], whole, NOW).coverage == ""


def test_nothing_measured_is_no_data_and_no_budget() -> None:
    """0 of 0 is not 100 %, and not 0 % either."""
    empty = component(live(0, good=0, valid=0, coverage=0.0))
    view = promise_view(empty.promises[0], empty, NOW)
    assert (view.figure, view.budget, view.coverage) == ("no data", "", "")


def test_a_bar_says_its_day_its_share_and_its_incidents() -> None:
    """The same text for everybody."""
    days = (
        Day(day=date(2026, 11, 20), good=0, valid=0),
        Day(day=date(2026, 11, 21), good=1_000, valid=1_000),
        Day(day=date(2026, 11, 22), good=994, valid=1_000),
    )
    known = snapshot(component(live(0), days=days), incidents=(incident(), incident(id="b", component="storefront")))
    (shown,) = page_view(known, NOW).components
    assert [(plain(day.text), day.level) for day in shown.days] == [
        ("20 Nov: no data", DayLevel.NO_DATA),
        ("21 Nov: 100 %", DayLevel.KEPT),
        ("22 Nov: 99.400 %, 1 incident", DayLevel.MISSED),
    ]
    expected = "Checkout, last 3 days: 1 day below the promise, 1 day without data. 22 Nov: 99.400 %, 1 incident."
    assert plain(shown.days_label) == expected


def test_quiet_days_in_a_row_are_one_line_and_a_running_incident_is_not_quiet() -> None:
    """An incident from the 19th to the 20th: neither day had nothing to report."""
    began = NOW.replace(hour=23) - timedelta(days=3)
    over = incident(started_at=began, resolved_at=began + timedelta(hours=3), state="resolved")
    known = snapshot(component(live(0)), incidents=(over,))
    told = [(plain(one.label), len(one.incidents)) for one in page_view(known, NOW).earlier]
    dash = "\N{EN DASH}"
    assert told == [(f"Sat 21 {dash} Sun 22 Nov", 0), ("Thu 19 Nov", 1), (f"Mon 9 {dash} Wed 18 Nov", 0)]


def test_days_before_the_first_data_are_not_called_quiet() -> None:
    """Nobody knows."""
    known = snapshot(component(live(0), since=NOW - timedelta(days=2)))
    assert [plain(one.label) for one in page_view(known, NOW).earlier] == ["Fri 20 \N{EN DASH} Sun 22 Nov"]


def test_the_day_of_an_open_incident_is_not_called_quiet() -> None:
    """It is told above."""
    known = snapshot(component(live(100)), incidents=(incident(),))
    assert plain(page_view(known, NOW).earlier[0].label).endswith("Sat 21 Nov")


def test_an_open_incident_lasts_until_what_is_known() -> None:
    """With the page an hour old, nobody knows that it went on."""
    known = snapshot(component(live(100)), incidents=(incident(),))
    assert plain(incident_view(known.incidents[0], known, NOW + timedelta(hours=1)).lasted) == "34 min"


def test_an_incident_that_calmed_lasted_until_requests_were_good_again() -> None:
    """Being watched is not suffering."""
    known = snapshot(component(live(0)), incidents=(incident(state="monitoring"),))
    view = incident_view(known.incidents[0], known, NOW)
    assert (plain(view.lasted), plain(view.good_again), view.open) == ("29 min", "14:31 UTC", True)


def test_a_curve_of_another_day_names_the_day_once() -> None:
    """The other times are of the same day."""
    began = BEGAN - timedelta(days=3)
    drawn = curve((0, 10, 10), (1, 5, 10))
    past = incident(
        started_at=began,
        resolved_at=began + timedelta(minutes=5),
        curve=replace(
            drawn,
            start=began,
            end=began + timedelta(minutes=9),
            points=tuple(replace(point, at=point.at - timedelta(days=3)) for point in drawn.points),
        ),
    )
    view = incident_view(past, snapshot(component(live(0))), NOW)
    assert [plain(text) for text in (view.curve_from, view.lowest, view.curve_to)] == [
        "19 Nov, 14:02 UTC",
        "lowest 50.0 % at 14:03 UTC",
        "14:11 UTC",
    ]


def test_people_have_the_last_word_on_what_happened() -> None:
    """The measurement's, where nobody said anything."""
    own = update(body="Requests succeed again.", automatic=True)
    human = update(body="A certificate had expired.")
    known = snapshot(component(live(0)))
    spoken = [incident_view(incident(updates=said), known, NOW).last_word for said in ((own, human), (own,), ())]
    assert spoken == ["A certificate had expired.", "Requests succeed again.", ""]


def test_updates_say_their_day_where_it_is_another() -> None:
    """Times alone would mislead."""
    later = update(at=BEGAN + timedelta(days=1))
    view = incident_view(incident(updates=(later, update())), snapshot(component(live(0))), NOW)
    assert [plain(one.time) for one in view.updates] == ["23 Nov, 14:02", "14:03"]
