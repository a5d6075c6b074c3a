"""The page as people meet it: a real browser, two widths, light and dark, with and without JavaScript."""

from collections.abc import Iterator
from contextlib import contextmanager
from itertools import product
from typing import Any

import pytest
from axe_playwright_python.sync_playwright import Axe
from playwright.sync_api import Browser, Page, expect

from fixtures.page_scenes import Serve
from statuspage.app import StatusPage
from statuspage.snapshot import Snapshot

SCENES = {"healthy": ("healthy", 1), "outage": ("outage", 1), "stale": ("outage", 1_500), "empty": (None, 1)}
LOOKS = list(product((1280, 360), ("light", "dark")))
MEANT = ("server responded with a status of 503", "server responded with a status of 404")


@contextmanager
def looking(browser: Browser, address: str, *, width: int = 1280, **options: Any) -> Iterator[tuple[Page, list[str]]]:
    """A tab on the page, and what went wrong or elsewhere while it was open."""
    context = browser.new_context(viewport={"width": width, "height": 800}, **options)
    page, complaints = context.new_page(), list[str]()
    page.on("console", lambda message: complaints.append(message.text))
    page.on("pageerror", lambda error: complaints.append(str(error)))
    page.on("request", lambda request: complaints.append(request.url) if not request.url.startswith(address) else None)
    page.goto(address)
    try:
        yield page, complaints
    finally:
        context.close()


def unmeant(complaints: list[str]) -> list[str]:
    return [one for one in complaints if not any(meant in one for meant in MEANT)]


def check(page: Page, complaints: list[str]) -> None:
    """Nothing sticks out, nothing is unreadable, nothing came from elsewhere or was forbidden."""
    page.evaluate("document.fonts.ready")
    assert page.evaluate("document.documentElement.scrollWidth - innerWidth") <= 0
    found = Axe().run(page)
    assert found.violations_count == 0, found.generate_report()
    assert unmeant(complaints) == []


@pytest.mark.parametrize("look", LOOKS, ids=str)
@pytest.mark.parametrize("scene", SCENES)
def test_the_page_is_sound_in_every_scene(
    browser: Browser, serve: Serve, scenes: dict[str, Snapshot], scene: str, look: tuple[int, Any]
) -> None:
    """No violation of axe's rules, no sideways scrolling, no request elsewhere, nothing against the policy."""
    name, age_s = SCENES[scene]
    width, scheme = look
    page = serve(scenes[name] if name else None, age_s=age_s)
    with looking(browser, page.address, width=width, color_scheme=scheme) as (tab, complaints):
        check(tab, complaints)


@pytest.mark.parametrize(("width", "scheme"), LOOKS)
def test_every_other_page_is_sound(
    browser: Browser, serve: Serve, scenes: dict[str, Snapshot], width: int, scheme: Any
) -> None:
    """Incident, history, evidence, explanation, and the one that is not there."""
    address = serve(scenes["outage"]).address
    paths = [f"/incidents/{one.id}" for one in scenes["outage"].incidents[:2]]
    paths += ["/history", "/how-we-measure", "/evidence/checkout-terms", "/evidence/checkout-fast", "/nope"]
    with looking(browser, address, width=width, color_scheme=scheme) as (tab, complaints):
        for path in paths:
            tab.goto(address + path)
            check(tab, complaints)


def test_every_fact_is_there_without_javascript(browser: Browser, serve: Serve, scenes: dict[str, Snapshot]) -> None:
    """The same text, to the letter."""
    address = serve(scenes["outage"]).address
    texts = []
    for allowed in (True, False):
        with looking(browser, address, java_script_enabled=allowed) as (tab, _):
            texts.append(tab.locator("body").inner_text())
    assert texts[0] == texts[1]
    assert "About 1 in 13 requests to Checkout has failed since 14:02" in texts[0].replace("\xa0", " ")


@pytest.mark.parametrize(("width", "days"), [(1280, 90), (360, 30)])
def test_the_caption_says_how_many_days_are_seen(
    browser: Browser, serve: Serve, scenes: dict[str, Snapshot], width: int, days: int
) -> None:
    """Fewer on a phone."""
    with looking(browser, serve(scenes["healthy"]).address, width=width) as (tab, _):
        first = tab.locator(".component").first
        assert first.locator(".days span:visible").count() == days
        assert first.locator(".scale").inner_text().startswith(f"{days} days ago")


def test_the_bars_say_the_same_to_who_does_not_see_them(
    browser: Browser, serve: Serve, scenes: dict[str, Snapshot]
) -> None:
    """One sentence for the row, one for each bar; day by day on the evidence page."""
    address = serve(scenes["outage"]).address
    with looking(browser, address) as (tab, _):
        row = tab.get_by_role("img", name="Checkout, last 90 days: 5 days below the promise")
        assert "3 Oct: 83.608 %, 1 incident" in (row.get_attribute("aria-label") or "").replace("\xa0", " ")
        assert row.locator("span").last.get_attribute("title") == "22\xa0Nov: 99.474\xa0%, 1\xa0incident"
        tab.get_by_role("link", name="evidence for Checkout works").click()
        assert tab.locator("tbody tr").count() == 90
        assert tab.get_by_role("row", name="3 Oct 83.608 % 1 687 403 1").count() == 1


def test_everything_can_be_reached_by_keyboard(browser: Browser, serve: Serve, scenes: dict[str, Snapshot]) -> None:
    """The first stop skips to the content; every stop shows where it is."""
    with looking(browser, serve(scenes["outage"]).address) as (tab, _):
        seen = []
        for _ in range(tab.get_by_role("link").count()):
            tab.keyboard.press("Tab")
            seen.append(tab.evaluate("document.activeElement.getAttribute('href')"))
            assert tab.evaluate("getComputedStyle(document.activeElement).outlineStyle") == "solid"
        assert seen[0] == "#main"
        assert {"/history", "/how-we-measure", "/evidence/checkout-terms", "/api/v2/summary.json"} <= set(seen)


def test_an_open_page_follows_what_happens(browser: Browser, serve: Serve, scenes: dict[str, Snapshot]) -> None:
    """Title, icon and text change in place, and the news is announced once."""
    page = serve(scenes["healthy"])
    later = serve(scenes["outage"])
    with looking(browser, page.address) as (tab, complaints):
        tab.clock.install()
        tab.goto(page.address)
        assert tab.title() == "Everything works · Acme status"
        show_instead(tab, page, later)
        tab.clock.run_for(11_000)
        expect(tab).to_have_title("Checkout is failing for some people · Acme status")
        assert tab.locator("h1").inner_text() == "Checkout is failing for some people"
        assert tab.locator("#news").text_content() == "Checkout is failing for some people"
        assert "failing_for_some" in (tab.locator("link[rel=icon]").get_attribute("href") or "")
        check(tab, complaints)


def show_instead(tab: Page, page: StatusPage, other: StatusPage) -> None:
    """From now on `page` answers what `other` does."""
    body = tab.request.get(other.address).text()
    tab.route(f"{page.address}/", lambda route: route.fulfill(body=body, content_type="text/html; charset=utf-8"))


def test_an_open_page_keeps_its_text_when_the_server_is_away(
    browser: Browser, serve: Serve, scenes: dict[str, Snapshot]
) -> None:
    """And does not disturb who is reading with the keyboard."""
    page = serve(scenes["healthy"])
    with looking(browser, page.address) as (tab, complaints):
        tab.clock.install()
        tab.goto(page.address)
        tab.route(f"{page.address}/", lambda route: route.fulfill(status=503, body="away"))
        tab.clock.run_for(31_000)
        assert tab.locator("h1").inner_text() == "Everything works"
        assert unmeant(complaints) == []


def test_bars_and_shapes_stay_visible_in_forced_colours(
    browser: Browser, serve: Serve, scenes: dict[str, Snapshot]
) -> None:
    """High contrast modes replace backgrounds; severity stays, by height."""
    with looking(browser, serve(scenes["outage"]).address, forced_colors="active") as (tab, _):
        bars = tab.locator(".component").first.locator(".days span")
        paper = tab.evaluate("getComputedStyle(document.body).backgroundColor")
        for bar in (bars.first, bars.last):
            assert bar.evaluate("bar => getComputedStyle(bar).backgroundColor") != paper
        heights = {bars.nth(place).bounding_box()["height"] for place in (0, 89)}
        assert len(heights) == 2


def test_nothing_moves_for_who_asked_for_stillness(browser: Browser, serve: Serve, scenes: dict[str, Snapshot]) -> None:
    """Not even the one fade there is."""
    for wish, expected in (("no-preference", "settle"), ("reduce", "none")):
        with looking(browser, serve(scenes["outage"]).address, reduced_motion=wish) as (tab, _):
            figure = tab.locator(".figure").first
            figure.evaluate("one => one.classList.add('changed')")
            assert figure.evaluate("one => getComputedStyle(one).animationName") == expected


def test_text_may_be_four_times_as_large(browser: Browser, serve: Serve, scenes: dict[str, Snapshot]) -> None:
    """400 % of a 1280 pixel window is one of 320 pixels."""
    with looking(browser, serve(scenes["outage"]).address, width=320) as (tab, complaints):
        check(tab, complaints)
