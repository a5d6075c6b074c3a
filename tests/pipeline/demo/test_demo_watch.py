"""What the demo reads off the page is what the page says."""

import json

from fixtures.page_facts import NOW, component, incident, promise, snapshot
from pipeline.demo.watch import incidents_in_summary, incidents_on_page
from statuspage.render import Site
from statuspage.snapshot import Incident

OPEN = incident(id="open-1")
PAST = incident(id="past-1", state="resolved", resolved_at=NOW)


def site(*incidents: Incident) -> Site:
    return Site(snapshot(component(promise()), incidents=incidents), NOW, name="Shop", url="")


def test_only_open_incidents_are_trouble_on_the_page_and_in_the_api() -> None:
    """The rendered page and its API name the open incident, not the past one."""
    shown = site(OPEN, PAST)
    assert incidents_on_page(shown.find("/").body.decode()) == {"open-1"}
    assert incidents_in_summary(json.loads(shown.find("/api/v2/summary.json").body)) == {"open-1"}


def test_a_page_without_open_incidents_is_well() -> None:
    """No open incident, nothing troubled; past ones may stand there."""
    shown = site(PAST)
    assert incidents_on_page(shown.find("/").body.decode()) == frozenset()
    assert incidents_in_summary(json.loads(shown.find("/api/v2/summary.json").body)) == frozenset()
