"""What the demo reads off the page is what the page says."""

import json
from datetime import UTC, datetime, timedelta

from pipeline.demo.watch import incidents_in_summary, incidents_on_page
from statuspage.render import Site
from statuspage.snapshot import Incident, Snapshot, Update

NOW = datetime(2026, 3, 1, 12, tzinfo=UTC)


def incident(name: str, *, resolved: bool) -> Incident:
    return Incident(
        id=name,
        component="checkout",
        title=f"Trouble {name}",
        state="resolved" if resolved else "investigating",
        impact="major",
        started_at=NOW - timedelta(minutes=9),
        detected_at=NOW - timedelta(minutes=8),
        resolved_at=NOW - timedelta(minutes=2) if resolved else None,
        updated_at=NOW - timedelta(minutes=2),
        promises=("checkout-availability",),
        good=50,
        valid=100,
        updates=(Update(id="u", at=NOW, status="investigating", body="Looking into it.", automatic=True),),
        curve=None,
    )


def site(*incidents: Incident) -> Site:
    return Site(Snapshot(taken_at=NOW, components=(), incidents=incidents), NOW, name="Shop", url="")


def test_only_open_incidents_are_trouble_on_the_page_and_in_the_api() -> None:
    """The rendered page and its API name the open incident, not the past one."""
    shown = site(incident("open-1", resolved=False), incident("past-1", resolved=True))
    assert incidents_on_page(shown.find("/").body.decode()) == {"open-1"}
    assert incidents_in_summary(json.loads(shown.find("/api/v2/summary.json").body)) == {"open-1"}


def test_a_page_without_open_incidents_is_well() -> None:
    """No open incident, nothing troubled; past ones may stand there."""
    shown = site(incident("past-1", resolved=True))
    assert incidents_on_page(shown.find("/").body.decode()) == frozenset()
    assert incidents_in_summary(json.loads(shown.find("/api/v2/summary.json").body)) == frozenset()
