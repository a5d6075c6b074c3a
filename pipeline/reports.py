"""`andon report`: what a month of agreements says, from the books.

In: objectives, a month, the store. Out: `exporters.report.document.Report`. Promised: a closed period is read from its
record and nothing of it is computed anew; one that is not closed yet is computed by the code that closes, and marked as
so far.
"""

import json
from collections.abc import Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, date, datetime, timedelta
from fractions import Fraction
from importlib.metadata import version
from typing import Any, NoReturn

from exporters.report import losses
from exporters.report.document import FORMAT, Agreement, Breach, Definition, Incident, Objective, Past, Report, Revision
from pipeline.books import Books, Record
from pipeline.component import Query
from pipeline.errors import PermanentError
from pipeline.laws import period_of
from processors.sla.close import Closing, close
from processors.sla.records import bounds_of, key_of
from processors.slo.objectives import Objectives
from processors.slo.promise import Kind, Promise, fingerprint
from processors.slo.rows import from_ms
from processors.slo.windows import Bounds, Calendar, add_months

MAX_BREACHES = 200
TREND = timedelta(days=400)
NEAR = timedelta(days=1)  # no zone is further from UTC
Key = tuple[str, str]


@dataclass(frozen=True, slots=True, kw_only=True)
class Period:
    """One promise in the month: what was closed, or what would be; `promise` where it is still made as it was."""

    record: Record
    revisions: Sequence[Record]
    promise: Promise | None
    closing: Closing | None = None

    @property
    def key(self) -> Key:
        return self.record["kind"], self.record["promise"]

    @property
    def bounds(self) -> Bounds:
        return bounds_of(self.record)

    @property
    def so_far(self) -> bool:
        return self.closing is not None


class Reports:
    """Makes reports of the same objectives from the same store."""

    def __init__(self, objectives: Objectives, query: Query) -> None:
        self.objectives = objectives
        self._query = query
        self.books = Books(objectives, query, _writes_nothing)

    def report(self, month: date, now: datetime, only: str | None = None) -> Report:
        """The report of a month, of all agreements or of one.

        Raises:
            PermanentError: there is no such agreement.
        """
        return self.of(self.periods(month, now, only), month, now)

    def of(self, periods: Sequence[Period], month: date, now: datetime) -> Report:
        """The report of some periods."""
        agreements: dict[Key, list[Period]] = {}
        for period in periods:
            agreements.setdefault((period.record["kind"], period.record["agreement"]), []).append(period)
        trends, breaches, incidents = self._trends(month), self._breaches(periods), self._incidents(periods)
        return Report(
            format=FORMAT,
            month=f"{month:%Y-%m}",
            made_at=now,
            made_by=version("andon"),
            agreements=[
                self._agreement(each, [self._objective(one, now, trends, breaches, incidents) for one in each])
                for each in agreements.values()
            ],
        )

    def periods(self, month: date, now: datetime, only: str | None = None) -> list[Period]:
        """Each promise in the period that the last minute of the month belongs to; closed ones, then the others."""
        closed = list(self._closed(month, only))
        found = [*closed, *self._open(month, now, only, {one.key for one in closed})]
        known = {one.document for one in self.objectives.promises} | {one.record["agreement"] for one in found}
        if only is not None and only not in known:
            raise PermanentError(f"expected an agreement ({', '.join(sorted(known)) or 'none'}), got {only!r}")
        order = {(one.kind.value, one.name): place for place, one in enumerate(self.objectives.promises)}
        agreements_first = {Kind.AGREEMENT.value: 0}
        return sorted(found, key=lambda one: (agreements_first.get(one.key[0], 1), order.get(one.key, len(order))))

    def _closed(self, month: date, only: str | None) -> Iterator[Period]:
        start, end = _month(month)
        parameters = {"start": start - NEAR, "end": end + NEAR, "only": only or ""}
        rows = self._query(RECORDS_SQL, parameters).to_pylist()
        found: dict[Key, list[Record]] = {}
        for record in (json.loads(row["Record"]) for row in rows):
            if _belongs(record, self.objectives.promise_of(key_of(record)), month):
                found.setdefault((record["kind"], record["promise"]), []).append(record)
        for records in found.values():
            yield Period(record=records[-1], revisions=records, promise=self.objectives.promise_of(key_of(records[-1])))

    def _namesake(self, period: Period) -> Promise | None:
        """The promise, or the one that bears its name by now: whose clocks and words a report is told in."""
        named = (one for one in self.objectives.promises if (one.kind.value, one.name) == period.key)
        return period.promise or next(named, None)

    def _open(self, month: date, now: datetime, only: str | None, closed: Collection[Key]) -> Iterator[Period]:
        """The periods that are not closed: they run, or something was measured in them."""
        for promise in self.objectives.promises:
            is_asked = only is None or promise.document == only
            if is_asked and isinstance(promise.window, Calendar) and (promise.kind.value, promise.name) not in closed:
                bounds = period_of(promise.window, month)
                if bounds.start < now:
                    closing = self.books.so_far(promise, bounds, now)
                    record = close(closing)
                    if now < self.books.closes_at(promise, bounds) or Fraction(record["delivered"]["eligible"]):
                        yield Period(record=record, revisions=(), promise=promise, closing=closing)

    def _agreement(self, periods: Sequence[Period], objectives: list[Objective]) -> Agreement:
        first = periods[0]
        promise, record = self._namesake(first), first.record
        agreement = self.objectives.agreement_of(promise) if promise else None
        written = self._written(record["kind"], record["agreement"])
        services = {service.name: service.title for service in self.objectives.services}
        parties = agreement.spec.parties if agreement else None
        return Agreement(
            kind=record["kind"],
            name=record["agreement"],
            title=_title(written, record["agreement"]),
            description=str(written.get("spec", {}).get("description") or ""),
            provider=parties.provider if parties else "",
            customer=parties.customer if parties else "",
            service=record["service"],
            service_title=services.get(record["service"], record["service"]),
            time_zone=_zone(promise),
            period=record["period"],
            start=first.bounds.start,
            end=first.bounds.end,
            closes_at=self.books.closes_at(promise, first.bounds) if promise and first.so_far else None,
            objectives=objectives,
        )

    def _objective(
        self,
        period: Period,
        now: datetime,
        trends: Mapping[Key, list[Past]],
        breaches: Mapping[Key, list[Breach]],
        incidents: Sequence[Mapping[str, Any]],
    ) -> Objective:
        record, promise = period.record, self._namesake(period)
        alone = promise is None or "/" not in promise.name
        source = (record["kind"], record["agreement"]) if alone else ("SLI", promise.indicator.name if promise else "")
        written = self._written(*source)
        mine = [one for one in breaches.get(period.key, []) if period.bounds.start <= one.at < period.bounds.end]
        before = [one for one in trends.get(period.key, []) if one.start < period.bounds.start]
        return Objective(
            promise=record["promise"],
            title=_title(written, record["promise"]),
            description="" if alone else str(written.get("spec", {}).get("description") or ""),
            so_far=period.so_far,
            record=dict(record),
            budget=losses.budget(record),
            days=losses.days(record, _zone(promise), now),
            breaches=mine[:MAX_BREACHES],
            breaches_left_out=max(0, len(mine) - MAX_BREACHES),
            incidents=[_incident(one, period) for one in incidents if _touches(one, period)],
            trend=[*before, _past(record, so_far=period.so_far)],
            revisions=[_revision(one) for one in period.revisions],
            definitions=[
                Definition(kind=one.kind, name=one.name, generation=one.generation, hash=fingerprint(one.content))
                for one in (self.books.definitions_of(period.promise) if period.promise else ())
            ],
        )

    def _written(self, kind: str, name: str) -> Mapping[str, Any]:
        return next((one.content for one in self.objectives.definitions if (one.kind, one.name) == (kind, name)), {})

    def _trends(self, month: date) -> dict[Key, list[Past]]:
        """The newest records of the periods before, oldest first, without what is long in them."""
        start, end = _month(month)
        found: dict[Key, list[Past]] = {}
        for row in self._query(TREND_SQL, {"start": start - TREND, "end": end + NEAR}).to_pylist():
            good, eligible = Fraction(row["Good"]), Fraction(row["Eligible"])
            found.setdefault((row["Kind"], row["Promise"]), []).append(
                _of(
                    good / eligible if eligible else None,
                    Fraction(row["target"]),
                    period=row["Period"],
                    start=from_ms(row["start_ms"]),
                    verdict=row["Verdict"],
                    credit_share=losses.text(Fraction(row["credit"])),
                    generation=row["Generation"],
                    revision=row["Revision"],
                )
            )
        return found

    def _breaches(self, periods: Sequence[Period]) -> dict[Key, list[Breach]]:
        found: dict[Key, list[Breach]] = {}
        if periods:
            for row in self._query(BREACHES_SQL, _span(periods)).to_pylist():
                found.setdefault((row["Kind"], row["Promise"]), []).append(_breach(row))
        return found

    def _incidents(self, periods: Sequence[Period]) -> list[Mapping[str, Any]]:
        return self._query(INCIDENTS_SQL, _span(periods)).to_pylist() if periods else []


RECORDS_SQL = """
    SELECT Record FROM period_results
    WHERE PeriodEnd > {start:DateTime64(3)} AND PeriodStart < {end:DateTime64(3)}
        AND ({only:String} = '' OR Agreement = {only:String})
    ORDER BY ClosedAt, PeriodStart, Revision"""
TREND_SQL = """
    SELECT Kind, Promise, Period, toUnixTimestamp64Milli(PeriodStart) AS start_ms, toString(Target) AS target, Good,
        Eligible, Verdict, toString(CreditShare) AS credit, Generation, Revision
    FROM (SELECT * EXCEPT Record FROM period_results
          WHERE PeriodStart >= {start:DateTime64(3)} AND PeriodStart < {end:DateTime64(3)}
          ORDER BY ClosedAt DESC, Revision DESC LIMIT 1 BY Kind, Promise, PeriodStart)
    ORDER BY PeriodStart"""
BREACHES_SQL = """
    SELECT Id, toUnixTimestamp64Milli(At) AS at_ms, Kind, Promise, Event, State, Window,
        toUnixTimestamp64Milli(WindowStart) AS start_ms, toUnixTimestamp64Milli(WindowEnd) AS end_ms, Good, Valid,
        BurnRate, Threshold, EvidenceTraceIds
    FROM (SELECT * FROM breaches WHERE At >= {start:DateTime64(3)} AND At < {end:DateTime64(3)}
          ORDER BY At LIMIT 1 BY Id) ORDER BY At"""
INCIDENTS_SQL = """
    SELECT Id, Title, Impact, State, Service, Promises, Good, Valid, toUnixTimestamp64Milli(StartedAt) AS started_ms,
        toUnixTimestamp64Milli(ResolvedAt) AS resolved_ms
    FROM (SELECT * FROM incidents WHERE StartedAt < {end:DateTime64(3)} ORDER BY Revision DESC LIMIT 1 BY Id)
    WHERE ResolvedAt IS NULL OR ResolvedAt > {start:DateTime64(3)} ORDER BY StartedAt, Id"""


def _writes_nothing(table: str, rows: Sequence[Mapping[str, Any]], *, token: str) -> NoReturn:
    del rows, token
    raise PermanentError(f"expected a report to write nothing, got rows of {table}")


def _month(month: date) -> Bounds:
    start = datetime(month.year, month.month, 1, tzinfo=UTC)
    return Bounds(start, add_months(start, 1))


def _belongs(record: Record, promise: Promise | None, month: date) -> bool:
    """Whether a record is of the period that runs at the end of the month; if nobody promises it now, in UTC."""
    started, ended = (datetime.fromisoformat(record[edge]) for edge in ("start", "end"))
    if promise is not None and isinstance(promise.window, Calendar):
        return started == period_of(promise.window, month).start
    if len(record["period"]) == len("2026-10"):
        return bool(record["period"] == f"{month:%Y-%m}")
    return started < _month(month).end <= ended


def _span(periods: Sequence[Period]) -> dict[str, datetime]:
    return {"start": min(one.bounds.start for one in periods), "end": max(one.bounds.end for one in periods)}


def _zone(promise: Promise | None) -> str:
    return promise.window.zone if promise and isinstance(promise.window, Calendar) else "UTC"


def _title(written: Mapping[str, Any], name: str) -> str:
    return str(written.get("metadata", {}).get("displayName") or name)


def _past(record: Record, *, so_far: bool) -> Past:
    ratio, credit = record["delivered"]["ratio"], record["credit"]
    return _of(
        None if ratio is None else Fraction(ratio),
        Fraction(record["target"]),
        period=record["period"],
        start=datetime.fromisoformat(record["start"]),
        so_far=so_far,
        verdict=record["verdict"],
        credit_share=credit["share"] if credit else "0/1",
        generation=record["generation"],
        revision=record["revision"],
    )


def _of(ratio: Fraction | None, target: Fraction, *, verdict: str, so_far: bool = False, **others: Any) -> Past:
    ratio = None if verdict == "no_data" else ratio
    return Past(
        target=losses.text(target),
        delivered=None if ratio is None else losses.text(ratio),
        used=None if ratio is None else losses.share(1 - ratio, 1 - target),
        verdict=verdict,
        so_far=so_far,
        **others,
    )


def _revision(record: Record) -> Revision:
    names = ("revision", "closed_at", "author", "reason", "verdict", "hash")
    return Revision.model_validate({name: record[name] for name in names})


def _breach(row: Mapping[str, Any]) -> Breach:
    return Breach(
        id=row["Id"],
        at=from_ms(row["at_ms"]),
        event=row["Event"],
        state=row["State"],
        window=row["Window"],
        window_start=from_ms(row["start_ms"]),
        window_end=from_ms(row["end_ms"]),
        good=row["Good"],
        valid=row["Valid"],
        burn_rate=row["BurnRate"],
        threshold=row["Threshold"],
        trace_ids=list(row["EvidenceTraceIds"]),
    )


def _touches(row: Mapping[str, Any], period: Period) -> bool:
    start, end = period.bounds
    concerned = period.record["promise"] in row["Promises"] or period.record["service"] == row["Service"]
    ended = row["resolved_ms"]
    return concerned and from_ms(row["started_ms"]) < end and (ended is None or from_ms(ended) > start)


def _incident(row: Mapping[str, Any], period: Period) -> Incident:
    started = from_ms(row["started_ms"])
    resolved = None if row["resolved_ms"] is None else from_ms(row["resolved_ms"])
    return Incident(
        id=row["Id"],
        title=row["Title"],
        impact=row["Impact"],
        state=row["State"],
        started_at=started,
        resolved_at=resolved,
        good=row["Good"],
        valid=row["Valid"],
        cost=losses.cost(period.record, started, resolved),
    )
