"""Reading the real store."""

from collections.abc import Mapping
from dataclasses import replace
from datetime import UTC, date, datetime, timedelta
from typing import Any

import pyarrow as pa
import pytest

from fixtures.page_seed import NOW, OUTAGE_BEGAN, SERVICES, seed
from fixtures.store import Store as Database
from pipeline.clock import FakeClock
from statuspage.evidence import recount_sql
from statuspage.snapshot import Component, Snapshot
from statuspage.store import Store, is_about_time, status_of, window_words


def by_name(snapshot: Snapshot, name: str) -> Component:
    return next(one for one in snapshot.components if one.name == name)


def test_components_are_the_services_that_something_is_promised_about(scenes: dict[str, Snapshot]) -> None:
    """By title, in their own words."""
    titles = [(one.title, one.description) for one in scenes["healthy"].components]
    assert titles == sorted((service.title, service.description) for service in SERVICES)


def test_the_agreement_is_the_main_promise_and_time_comes_last(scenes: dict[str, Snapshot]) -> None:
    """What customers were promised stands first."""
    checkout = by_name(scenes["healthy"], "checkout")
    assert [(one.name, one.kind, one.about_time) for one in checkout.promises] == [
        ("checkout-terms", "Agreement", False),
        ("checkout-fast", "SLO", True),
    ]


def test_every_figure_can_be_counted_again_by_the_query_beside_it(
    databases: dict[str, Database], scenes: dict[str, Snapshot]
) -> None:
    """The evidence page's SQL gives the page's counts, to the last request."""
    for _, promise in scenes["outage"].promises:
        (row,) = databases["outage"].reader.query(recount_sql(promise)).to_pylist()
        assert (row["good"], row["valid"]) == (promise.good, promise.valid)


def test_days_are_ninety_and_agree_with_the_stored_sums(
    databases: dict[str, Database], scenes: dict[str, Snapshot]
) -> None:
    """Oldest first, today last, no day twice."""
    days = by_name(scenes["outage"], "checkout").days
    assert [one.day for one in days] == [NOW.date() - timedelta(days=back) for back in reversed(range(90))]
    sql = "SELECT sum(Good) AS good, sum(Valid) AS valid FROM sli_slices WHERE Indicator = 'checkout-availability'"
    for day in (days[0], days[-13], days[-1]):
        (row,) = databases["outage"].reader.query(f"{sql} AND toDate(Slice) = '{day.day}'").to_pylist()
        assert (day.good, day.valid) == (row["good"], row["valid"])


def test_days_before_the_first_data_have_none(scenes: dict[str, Snapshot]) -> None:
    """Partner API began sixty days ago."""
    partner = by_name(scenes["healthy"], "partner-api")
    assert [one.day for one in partner.days if one.valid] == [
        NOW.date() - timedelta(days=back) for back in reversed(range(61))
    ]
    assert partner.since == datetime(2026, 9, 23, tzinfo=UTC)


def test_the_open_incident_has_its_curve_and_the_counts_of_its_time(scenes: dict[str, Snapshot]) -> None:
    """Read from the slices, back to where it began."""
    (incident,) = scenes["outage"].open_incidents
    assert (incident.title, incident.state, incident.started_at) == (
        "Payment provider timeouts",
        "identified",
        OUTAGE_BEGAN,
    )
    curve = incident.curve
    assert curve is not None
    assert curve.start < OUTAGE_BEGAN < curve.end <= NOW
    assert len(curve.points) <= 121
    inside = [point for point in curve.points if point.at >= OUTAGE_BEGAN]
    assert sum(point.valid for point in inside) == pytest.approx(incident.valid, rel=0.05)
    assert (
        min(point.good / point.valid for point in inside)
        < 0.95
        < min(point.good / point.valid for point in curve.points if point.at < OUTAGE_BEGAN - timedelta(minutes=1))
    )


def test_people_suffered_from_the_first_to_the_last_bad_slice(
    databases: dict[str, Database], scenes: dict[str, Snapshot]
) -> None:
    """An incident is closed later than it is over; its counts end where the suffering did."""
    baskets = next(one for one in scenes["healthy"].incidents if one.title == "Baskets were lost")
    span = f"Slice >= '{baskets.started_at:%F %T}' AND Slice < '{baskets.resolved_at:%F %T}'"
    sql = (
        f"SELECT Slice + 10 AS Until, Good, Valid FROM sli_slices WHERE Indicator = 'checkout-availability' AND {span}"
    )
    rows = databases["healthy"].reader.query(f"{sql} ORDER BY Slice").to_pylist()
    last = max(place for place, row in enumerate(rows) if row["Good"] < row["Valid"] * 0.999)
    assert (baskets.good, baskets.valid) == tuple(
        sum(row[key] for row in rows[: last + 1]) for key in ("Good", "Valid")
    )
    assert baskets.bad_until == datetime.fromtimestamp(rows[last]["Until"], UTC)


def test_updates_come_newest_first_with_their_voice(scenes: dict[str, Snapshot]) -> None:
    """People's and the measurement's."""
    (incident,) = scenes["outage"].open_incidents
    assert [(update.status, update.automatic) for update in incident.updates] == [
        ("identified", False),
        ("investigating", False),
        ("investigating", True),
    ]


def test_words_that_statuspage_does_not_know_do_not_reach_the_page(store: Database) -> None:
    """Whoever wrote them."""
    seed(store.client, outage=True)
    (row,) = store.client.query("SELECT * FROM incidents WHERE Title = 'Payment provider timeouts'").to_pylist()
    store.client.write("incidents", [row | {"Revision": 2, "Impact": "awful"}], token="awful")
    (said, *_) = store.client.query(f"SELECT * FROM incident_updates WHERE IncidentId = '{row['Id']}'").to_pylist()
    store.client.write("incident_updates", [said | {"Id": "odd", "Status": "panic", "At": NOW}], token="odd")
    (incident,) = Store(store.reader.query, FakeClock(NOW)).read().open_incidents
    assert (incident.impact, incident.updates[0].status) == ("none", "investigating")


def test_only_the_newest_revision_of_an_incident_counts(scenes: dict[str, Snapshot]) -> None:
    """Opened and resolved is resolved."""
    slow = next(one for one in scenes["healthy"].incidents if one.component == "sign-in")
    assert slow.state == "resolved"
    assert slow.resolved_at == slow.started_at + timedelta(minutes=23)
    assert scenes["healthy"].open_incidents == ()


class Counting:
    """A query that remembers what was asked."""

    def __init__(self, query: Any) -> None:
        self._query = query
        self.asked: list[str] = []

    def __call__(self, sql: str, parameters: Mapping[str, Any] | None = None) -> pa.Table:
        self.asked.append(sql)
        table: pa.Table = self._query(sql, parameters)
        return table


def test_old_days_and_old_curves_are_read_once(databases: dict[str, Database]) -> None:
    """A second read asks for little and gives the same."""
    query, clock = Counting(databases["outage"].reader.query), FakeClock(NOW)
    store = Store(query, clock)
    first = store.read()
    curves = sum("PointGood" in sql for sql in query.asked)
    query.asked.clear()
    assert store.read() == first
    assert sum("PointGood" in sql for sql in query.asked) == 1 < curves
    clock.advance(3_600)
    later = store.read()
    assert [one.days for one in later.components] == [one.days for one in first.components]


def test_midnight_begins_a_new_day_and_keeps_the_others(databases: dict[str, Database]) -> None:
    """Also between two full reads."""
    clock = FakeClock(datetime(2026, 11, 22, 23, 59, 55, tzinfo=UTC))
    store = Store(databases["outage"].reader.query, clock)
    before = by_name(store.read(), "checkout").days
    clock.advance(10)
    after = by_name(store.read(), "checkout").days
    assert after[:-1] == before[1:]
    assert (after[-1].day, after[-1].valid) == (date(2026, 11, 23), 0)


def test_an_empty_store_is_an_empty_snapshot(store: Database) -> None:
    """Migrated, nothing written."""
    assert Store(store.reader.query, FakeClock(NOW)).read() == Snapshot(taken_at=NOW, components=(), incidents=())


def test_a_withdrawn_promise_is_no_longer_shown(store: Database) -> None:
    """Its service goes with its last promise."""
    seed(store.client)
    (row,) = store.client.query("SELECT * EXCEPT At FROM definitions WHERE Name = 'partner-api-works'").to_pylist()
    store.client.write("definitions", [row | {"At": NOW, "Active": False}], token="withdrawn")
    snapshot = Store(store.reader.query, FakeClock(NOW)).read()
    assert [one.name for one in snapshot.components] == ["checkout", "sign-in", "storefront"]


def test_a_promise_not_evaluated_yet_has_a_component_without_figures(store: Database) -> None:
    """Right after the first start."""
    seed(store.client)
    store.client.command("TRUNCATE TABLE slo_status")
    snapshot = Store(store.reader.query, FakeClock(NOW)).read()
    assert [(one.name, one.promises) for one in snapshot.components] == [
        (name, ()) for name in ("checkout", "partner-api", "sign-in", "storefront")
    ]


def test_the_query_over_raw_requests_comes_from_whoever_knows_the_indicator(databases: dict[str, Database]) -> None:
    """It is given the document and the window."""

    def recount(document: Mapping[str, Any], start: datetime, end: datetime) -> str:
        return f"{document['metadata']['name']} {start:%d.%m.} {end:%d.%m.}"

    snapshot = Store(databases["healthy"].reader.query, FakeClock(NOW), recount=recount).read()
    assert by_name(snapshot, "checkout").promises[0].raw_query == "checkout-availability 01.11. 01.12."


@pytest.mark.parametrize(
    ("document", "words"),
    [
        ({"kind": "Agreement", "spec": {"period": "month"}}, "this month"),
        ({"spec": {"timeWindow": [{"duration": "30d", "isRolling": True}]}}, "in the last 30 days"),
        ({"spec": {"timeWindow": [{"duration": "1h", "isRolling": True}]}}, "in the last hour"),
        ({"spec": {"timeWindow": [{"duration": "1M", "calendar": {}}]}}, "this month"),
        ({"spec": {"timeWindow": [{"duration": "1d", "calendar": {}}]}}, "today"),
        ({"spec": {"timeWindow": [{"duration": "2w", "calendar": {}}]}}, "in this period of 2 weeks"),
        ({}, "so far"),
    ],
)
def test_a_window_is_told_in_words(document: Mapping[str, Any], words: str) -> None:
    """As people say it."""
    assert window_words(document) == words


@pytest.mark.parametrize("part", ["good", "bad"])
def test_an_indicator_that_judges_by_duration_is_about_time(part: str) -> None:
    """One that only chooses by it is not."""
    slow = {"metricSource": {"spec": {"where": {"duration": {"lte": "500ms"}}}}}
    fine = {"metricSource": {"spec": {"where": {"outcome": "success"}}}}
    assert is_about_time({"spec": {"ratioMetric": {part: slow, "total": fine}}})
    assert not is_about_time({"spec": {"ratioMetric": {part: fine, "total": slow}}})
    assert not is_about_time({})


def test_statuses_are_statuspages_words(scenes: dict[str, Snapshot]) -> None:
    """People refine what the measurement knows, and cannot resolve what it sees."""
    (incident,) = scenes["outage"].open_incidents
    said = incident.updates[0]
    assert status_of("open", []) == "investigating"
    assert status_of("open", [said]) == "identified"
    assert status_of("open", [replace(said, status="resolved")]) == "investigating"
    assert status_of("recovering", [said]) == "monitoring"
    assert status_of("resolved", [said]) == "resolved"
