"""The first lines of the page."""

from datetime import timedelta

import pytest

from fixtures.page_facts import BEGAN, NOW, component, curve, incident, live, promise, snapshot
from statuspage.sentences import indicator
from statuspage.snapshot import Component, Incident, Snapshot
from statuspage.view import conditions_of, page_view
from statuspage.words import GROUP, SPACE

SLOW = {"about_time": True, "name": "fast"}


def told(*components: Component, incidents: tuple[Incident, ...] = ()) -> tuple[str, str]:
    """The headline and the lines below it."""
    page = page_view(snapshot(*components, incidents=incidents), NOW)
    return page.headline, " ".join(map(str, page.lede)).replace(SPACE, " ").replace(GROUP, " ")


def well(title: str) -> Component:
    return component(live(0), title=title)


def failing(title: str, bad: int = 100) -> Component:
    return component(live(bad), title=title)


def silent(title: str) -> Component:
    return component(live(0, last_event_at=NOW - timedelta(minutes=38)), title=title)


def quiet(title: str) -> Component:
    return component(live(0, of=3), title=title)


def test_when_all_is_well_the_page_is_short() -> None:
    """Nothing more to say."""
    assert told(well("Checkout"), well("Storefront")) == ("Everything works", "")


def test_an_outage_is_told_by_how_many_people_since_when_and_what_works() -> None:
    """In this order."""
    assert told(failing("Checkout"), well("Storefront"), well("Sign-in"), incidents=(incident(),)) == (
        "Checkout is failing for some people",
        "About 1 in 14 requests to Checkout has failed since 14:02 UTC. Storefront and Sign-in work.",
    )


@pytest.mark.parametrize(
    ("components", "headline"),
    [
        ([failing("Checkout", 1_000), well("Storefront")], "Checkout is down"),
        ([failing("Checkout", 600), well("Storefront")], "Checkout is failing for most people"),
        ([failing("A"), failing("B"), well("C")], "A and B are failing for some people"),
        (
            [failing("A"), failing("B"), failing("C"), failing("D"), well("E")],
            "A, B and 2 more are failing for some people",
        ),
        ([failing("A"), failing("B")], "Everything is failing for some people"),
        ([failing("Checkout")], "Checkout is failing for some people"),
        ([component(live(0), live(100, **SLOW)), well("Storefront")], "Checkout is slow for some people"),
        ([failing("A", 1_000), failing("B")], "A is down"),
        ([silent("Partner API"), well("Storefront")], "No signal from Partner API"),
        ([quiet("Partner API"), well("Storefront")], "Everything we can measure works"),
        ([quiet("A"), quiet("B")], "Too few requests to say"),
        ([silent("A"), silent("B")], "We have no measurements right now"),
        ([component(promise(last_event_at=None))], "Nothing is measured yet"),
        ([component()], "Nothing is measured yet"),
        ([], "Nothing is measured yet"),
    ],
    ids=lambda value: value if isinstance(value, str) else "",
)
def test_the_headline_is_about_people_and_the_worst_they_meet(components: list[Component], headline: str) -> None:
    """The worst first, all alike together."""
    assert told(*components)[0] == headline


def test_without_an_incident_the_newest_minute_speaks() -> None:
    """Detection may lag behind what is seen."""
    assert told(failing("Checkout"))[1] == "About 1 in 10 requests to Checkout has failed in the last minute."


def test_recovery_is_told_in_the_past() -> None:
    """The incident is open, but it is over for people."""
    assert told(well("Checkout"), incidents=(incident(),)) == (
        "Checkout is recovering",
        "About 1 in 14 requests to Checkout failed between 14:02 and 14:31 UTC.",
    )


@pytest.mark.parametrize(
    ("good", "sentence"),
    [
        (0, "Every request to Checkout has failed since 14:02 UTC."),
        (4_000, "About 6 in 10 requests to Checkout have failed since 14:02 UTC."),
        (100, "More than 9 in 10 requests to Checkout have failed since 14:02 UTC."),
        (9_995, "Fewer than 1 in 1 000 requests to Checkout has failed since 14:02 UTC."),
    ],
)
def test_shares_are_told_in_grammatical_sentences(good: int, sentence: str) -> None:
    """Whatever the share."""
    assert told(failing("Checkout"), incidents=(incident(good=good),))[1] == sentence


def test_slowness_is_told_as_slowness() -> None:
    """Nobody failed."""
    late = component(live(0), live(100, **SLOW))
    sentence = told(late, incidents=(incident(promises=("fast",), curve=curve(about_time=True)),))[1]
    assert sentence == "About 1 in 14 requests to Checkout has been slower than promised since 14:02 UTC."


def test_silence_is_told_with_its_beginning() -> None:
    """And what still works."""
    lines = told(silent("Partner API"), well("Storefront"))[1]
    assert lines == "We last heard from Partner API at 13:58 UTC. Storefront works."


def test_when_nothing_is_known_the_page_repeats_what_it_knew_last() -> None:
    """An old outage is not forgotten because the store went away."""
    known = snapshot(failing("Checkout"), incidents=(incident(),))
    page = page_view(known, NOW + timedelta(minutes=25))
    assert page.headline == "We have no measurements right now"
    assert str(page.lede[-1]).replace(SPACE, " ") == "At 14:36 UTC it was: Checkout is failing for some people."
    assert "25 min ago" in page.banner.replace(SPACE, " ")


def test_a_page_that_is_up_to_date_has_no_banner() -> None:
    """Ten seconds are normal."""
    known = snapshot(well("Checkout"))
    assert page_view(known, NOW + timedelta(seconds=8)).banner == ""
    assert page_view(known, NOW + timedelta(seconds=9)).banner != ""


@pytest.mark.parametrize(
    ("components", "expected"),
    [
        ([well("A"), well("B")], ("none", "All Systems Operational")),
        ([quiet("A"), well("B")], ("none", "All Systems Operational")),
        ([silent("A"), well("B")], ("minor", "Partially Degraded Service")),
        ([component(live(0), live(100, **SLOW)), well("B")], ("minor", "Partially Degraded Service")),
        ([failing("A"), well("B")], ("minor", "Minor Service Outage")),
        ([failing("A"), failing("B")], ("major", "Partial System Outage")),
        ([failing("A", 1_000), well("B")], ("major", "Partial System Outage")),
        ([failing("A", 1_000), failing("B", 1_000)], ("critical", "Major System Outage")),
    ],
)
def test_the_indicator_follows_statuspage(components: list[Component], expected: tuple[str, str]) -> None:
    """Degraded and some partial are minor, partial everywhere or some major is major, major everywhere is critical."""
    known: Snapshot = snapshot(*components)
    assert indicator(components, conditions_of(known, NOW)) == expected


def test_an_incident_is_told_with_the_counts_of_its_time() -> None:
    """And a long one in hours."""
    known = snapshot(
        well("Checkout"), incidents=(incident(resolved_at=BEGAN + timedelta(minutes=31), state="resolved"),)
    )
    (today,) = page_view(known, NOW).earlier[:1]
    (view,) = today.incidents
    assert view.people.replace(GROUP, " ") == "700 of 10 000 requests failed"
    assert view.lasted.replace(SPACE, " ") == "29 min"
