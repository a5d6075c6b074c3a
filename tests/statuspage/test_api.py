"""Statuspage's public API v2, as its clients insist on it."""

from collections.abc import Iterator
from datetime import timedelta
from typing import Any, Literal

import httpx
import pytest
from pydantic import AwareDatetime, BaseModel, ConfigDict, HttpUrl, TypeAdapter

from fixtures.page_scenes import Serve
from statuspage.render import API_PATHS, Site
from statuspage.snapshot import Snapshot

Impact = Literal["none", "minor", "major", "critical"]
Phase = Literal["investigating", "identified", "monitoring", "resolved", "postmortem"]
Condition = Literal["operational", "degraded_performance", "partial_outage", "major_outage", "under_maintenance"]


class Shape(BaseModel):
    """Every key must be there and nothing else may be, but for ours."""

    model_config = ConfigDict(extra="forbid")


class Page(Shape):
    id: str
    name: str
    url: HttpUrl
    time_zone: str
    updated_at: AwareDatetime


class Status(Shape):
    indicator: Literal["none", "minor", "major", "critical", "maintenance"]
    description: str


class Component(Shape):
    id: str
    name: str
    status: Condition
    created_at: AwareDatetime
    updated_at: AwareDatetime
    position: int
    description: str | None
    showcase: bool
    start_date: str | None
    group_id: str | None
    page_id: str
    group: bool
    only_show_if_degraded: bool
    x_sla: dict[str, Any]


class Affected(Shape):
    code: str
    name: str
    old_status: Condition
    new_status: Condition


class Update(Shape):
    id: str
    status: Phase
    body: str
    incident_id: str
    created_at: AwareDatetime
    updated_at: AwareDatetime
    display_at: AwareDatetime
    affected_components: list[Affected] | None
    deliver_notifications: bool
    custom_tweet: str | None
    tweet_id: str | None
    x_sla: dict[str, Any]


class Incident(Shape):
    id: str
    name: str
    status: Phase
    created_at: AwareDatetime
    updated_at: AwareDatetime
    monitoring_at: AwareDatetime | None
    resolved_at: AwareDatetime | None
    impact: Impact
    shortlink: HttpUrl
    started_at: AwareDatetime
    page_id: str
    incident_updates: list[Update]
    components: list[Component]
    x_sla: dict[str, Any]


PARTS: dict[str, Any] = {
    "page": Page,
    "status": Status,
    "components": list[Component],
    "incidents": list[Incident],
    "scheduled_maintenances": list[dict[str, Any]],
    "x_sla": dict[str, Any],
}


@pytest.fixture(params=["healthy", "outage", "stale"])
def api(request: pytest.FixtureRequest, serve: Serve, scenes: dict[str, Snapshot]) -> Iterator[httpx.Client]:
    """The API in each scene."""
    stale = request.param == "stale"
    page = serve(scenes["outage" if stale else request.param], age_s=1_500 if stale else 1)
    with httpx.Client(base_url=f"{page.address}/api/v2/", trust_env=False) as client:
        yield client


@pytest.fixture
def outage(serve: Serve, scenes: dict[str, Snapshot]) -> dict[str, Any]:
    """The summary of the outage."""
    summary: dict[str, Any] = httpx.get(
        f"{serve(scenes['outage']).address}/api/v2/summary.json", trust_env=False
    ).json()
    return summary


@pytest.mark.parametrize("path", API_PATHS)
def test_every_document_has_every_key_in_its_type(api: httpx.Client, path: str) -> None:
    """No key missing, none unknown, every word one of Statuspage's."""
    answer = api.get(path)
    assert answer.status_code == 200
    assert answer.headers["content-type"].startswith("application/json")
    assert answer.headers["access-control-allow-origin"] == "*"
    document = answer.json()
    resource = path.removesuffix(".json").partition("/")[0].replace("-", "_")
    expected = {"page", "components", "incidents", "scheduled_maintenances", "status", "x_sla"}
    assert set(document) == (expected if resource == "summary" else {"page", resource})
    for key, value in document.items():
        TypeAdapter(PARTS[key]).validate_python(value)


def test_times_are_written_to_the_millisecond_with_their_offset(outage: dict[str, Any]) -> None:
    """As Statuspage writes them."""
    assert outage["incidents"][0]["started_at"] == "2026-11-22T14:02:00.000Z"


def test_the_summary_tells_what_the_page_tells(outage: dict[str, Any]) -> None:
    """In Statuspage's words, and in ours beside them."""
    assert outage["status"] == {"indicator": "minor", "description": "Minor Service Outage"}
    assert outage["x_sla"]["headline"] == "Checkout is failing for some people"
    assert {one["name"]: (one["status"], one["x_sla"]["state"]) for one in outage["components"]} == {
        "Checkout": ("partial_outage", "failing_for_some"),
        "Partner API": ("degraded_performance", "no_signal"),
        "Sign-in": ("operational", "working"),
        "Storefront": ("operational", "working"),
    }
    assert [one["name"] for one in outage["incidents"]] == ["Payment provider timeouts"]
    assert outage["scheduled_maintenances"] == []


def test_a_promise_comes_with_its_counts(outage: dict[str, Any], scenes: dict[str, Snapshot]) -> None:
    """The very ones of the page."""
    (checkout, *_) = outage["components"]
    shown = checkout["x_sla"]["promises"][0]
    known = scenes["outage"].components[0].promises[0]
    assert (shown["good"], shown["valid"], shown["target"]) == (known.good, known.valid, "0.999")
    assert shown["percent"] == "99.845 %"


def test_updates_come_newest_first_and_name_their_component(outage: dict[str, Any]) -> None:
    """The first one took it from operational."""
    (incident,) = outage["incidents"]
    assert [one["status"] for one in incident["incident_updates"]] == ["identified", "investigating", "investigating"]
    (affected,) = incident["incident_updates"][-1]["affected_components"]
    assert affected == {
        "code": outage["components"][0]["id"],
        "name": "Checkout",
        "old_status": "operational",
        "new_status": "partial_outage",
    }


def test_all_incidents_are_listed_and_the_unresolved_among_them(serve: Serve, scenes: dict[str, Snapshot]) -> None:
    """Resolved ones say when."""
    with httpx.Client(base_url=f"{serve(scenes['outage']).address}/api/v2/", trust_env=False) as client:
        incidents = client.get("incidents.json").json()["incidents"]
        unresolved = client.get("incidents/unresolved.json").json()["incidents"]
    assert [one["status"] for one in incidents] == ["identified", "resolved", "resolved", "resolved"]
    assert incidents[1]["resolved_at"] == "2026-11-19T04:35:00.000Z"
    assert unresolved == incidents[:1]


def test_what_is_not_known_is_not_called_operational(serve: Serve, scenes: dict[str, Snapshot]) -> None:
    """Stale is minor, whatever was known before."""
    status = httpx.get(f"{serve(scenes['healthy'], age_s=600).address}/api/v2/status.json", trust_env=False).json()
    assert status["status"]["indicator"] == "minor"


@pytest.mark.parametrize("path", API_PATHS)
def test_the_same_facts_have_the_same_tag_a_minute_later(scenes: dict[str, Snapshot], path: str) -> None:
    """Readers that poll are spared what they have."""
    known = scenes["healthy"]
    moments = (known.taken_at + timedelta(seconds=age) for age in (1, 61))
    sites = [Site(known, moment, name="Acme", url="https://status.example.com") for moment in moments]
    assert len({site.find(f"/api/v2/{path}").tag for site in sites}) == 1


@pytest.mark.parametrize("path", ["", "nope.json", "summary", "incidents/nope.json", "../summary.json"])
def test_an_unknown_document_is_an_empty_404(serve: Serve, scenes: dict[str, Snapshot], path: str) -> None:
    """As Statuspage's own."""
    answer = httpx.get(f"{serve(scenes['healthy']).address}/api/v2/{path}", trust_env=False)
    assert (answer.status_code, answer.content) == (404, b"") or not str(answer.url).endswith(path)


def test_before_the_first_measurement_the_api_is_unavailable(serve: Serve) -> None:
    """And says when to come again."""
    answer = httpx.get(f"{serve(None).address}/api/v2/summary.json", trust_env=False)
    assert answer.status_code == 503
    assert answer.headers["retry-after"] == "5"
    assert answer.headers["cache-control"] == "no-store"
