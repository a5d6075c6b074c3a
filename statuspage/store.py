"""Reading the store into a snapshot: the only place of the page that knows tables.

In: a read-only `Query`. Out: `Snapshot`s. Each read asks for what is in force, the newest status of each promise, the
sums of today and yesterday, and the incidents; older days and the curves of incidents long over do not change, so they
are kept between reads. Memory: 90 days of sums per indicator, the curves of at most `MAX_INCIDENTS` incidents. For one
thread.
"""

import json
from collections import defaultdict
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from typing import Any

import yaml

from pipeline.clock import Clock, to_datetime
from pipeline.component import Query
from statuspage.daysums import DAYS_KEPT, DaySums
from statuspage.snapshot import Component, Curve, Incident, Point, Promise, Snapshot, Update

Row = Mapping[str, Any]
Recount = Callable[[Mapping[str, Any], datetime, datetime], str]
"""An SLI document and a window to the query that counts it again over the raw spans."""

# Statuspage's words, which the page's readers rely on: a row that says anything else is taken for the first.
PHASES = ("investigating", "identified", "monitoring", "resolved", "postmortem")
IMPACTS = ("none", "minor", "major", "critical")
MAX_INCIDENTS = 200
MAX_UPDATES = 2_000
CURVE_POINTS = 120
SLICE_S = 10
CURVE_MARGIN = timedelta(minutes=10)  # shown before and after an incident, at least
SETTLED_AFTER = timedelta(hours=1)  # once an incident is over so long, its curve is not read again

DEFINITIONS = """
SELECT Kind, Name, Generation, Service, Document FROM (
    SELECT Kind, Name, Generation, Service, Document, Active FROM definitions
    WHERE Kind IN ('Service', 'SLI', 'SLO', 'Agreement')
    ORDER BY At DESC LIMIT 1 BY Kind, Name
) WHERE Active ORDER BY Kind, Name
"""

# Evaluations of the last hour that had one: a promise without a row there is not evaluated any more.
STATUS = """
SELECT Kind, Promise, Generation, Service, Indicator, IndicatorGeneration, Law, toString(Target) AS Target,
    toUnixTimestamp64Milli(At) AS AtMs, toUnixTimestamp64Milli(WindowStart) AS StartMs,
    toUnixTimestamp64Milli(WindowEnd) AS EndMs, toUnixTimestamp64Milli(LastEventAt) AS EventMs,
    Good, Valid, BudgetRemaining, Coverage, LiveGood, LiveValid
FROM slo_status
WHERE At >= (SELECT max(At) FROM slo_status) - INTERVAL 1 HOUR
ORDER BY At DESC LIMIT 1 BY Kind, Promise
"""

INCIDENTS = """
SELECT Id, Revision, State, Service, Title, Impact, Promises, Good, Valid,
    toUnixTimestamp64Milli(At) AS AtMs, toUnixTimestamp64Milli(StartedAt) AS StartMs,
    toUnixTimestamp64Milli(DetectedAt) AS DetectedMs, toUnixTimestamp64Milli(ResolvedAt) AS ResolvedMs
FROM (SELECT * FROM incidents ORDER BY Revision DESC, At DESC LIMIT 1 BY Id)
WHERE ResolvedAt IS NULL OR ResolvedAt >= fromUnixTimestamp64Milli({since:Int64})
ORDER BY StartedAt DESC, Id LIMIT {limit:UInt32}
"""

UPDATES = """
SELECT Id, IncidentId, toUnixTimestamp64Milli(At) AS AtMs, Status, Body, Automatic FROM incident_updates
WHERE IncidentId IN {incidents:Array(String)}
ORDER BY At DESC, Id LIMIT 1 BY Id LIMIT {limit:UInt32}
"""

# A slice is bad if it falls short of the target by itself; people suffered from the first one to the end of the last.
CURVE = """
WITH
    slices AS (
        SELECT toUnixTimestamp(Slice) AS At, sum(Good) AS SliceGood, sum(Valid) AS SliceValid
        FROM sli_slices
        WHERE Indicator = {indicator:String}
            AND Slice >= fromUnixTimestamp({start:UInt32}) AND Slice < fromUnixTimestamp({end:UInt32})
        GROUP BY At
    ),
    (
        SELECT max(At) + 10 FROM slices
        WHERE At >= {began:UInt32} AND At < {ended:UInt32}
            AND toUInt128(SliceValid - SliceGood) * 1000000000000 > toUInt128(SliceValid) * {allowed:UInt64}
    ) AS BadUntil
SELECT intDiv(At - {start:UInt32}, {step:UInt32}) AS Place, sum(SliceGood) AS PointGood, sum(SliceValid) AS PointValid,
    sumIf(SliceGood, At >= {began:UInt32} AND At < BadUntil) AS SpanGood,
    sumIf(SliceValid, At >= {began:UInt32} AND At < BadUntil) AS SpanValid,
    any(BadUntil) AS Until
FROM slices GROUP BY Place ORDER BY Place
"""


@dataclass(frozen=True, slots=True, kw_only=True)
class Measured:
    """The curve of an incident, when people last suffered, and the counts from its begin until then."""

    curve: Curve
    bad_until: datetime
    good: int
    valid: int


class Store:
    """Reads snapshots."""

    def __init__(self, query: Query, clock: Clock, *, recount: Recount | None = None) -> None:
        self._query = query
        self._clock = clock
        self._recount = recount
        self._days = DaySums(query)
        self._settled: dict[tuple[str, int], Measured] = {}

    def read(self) -> Snapshot:
        """What the store knows now.

        Raises:
            RetryableError: the store is away.
            PermanentError: the store refuses a query.
        """
        now = to_datetime(self._clock.now_ns())
        definitions = Definitions(self._rows(DEFINITIONS))
        promises = self._promises(definitions)
        incidents = self._incidents(promises, now)
        main_indicators = {promises[name][0].indicator for name in promises}
        self._days.read(sorted(main_indicators), now)
        components = [
            self._component(name, definitions, promises.get(name, ()), incidents, now) for name in definitions.services
        ]
        return Snapshot(
            taken_at=now, components=tuple(sorted(components, key=lambda one: one.title)), incidents=tuple(incidents)
        )

    def _rows(self, sql: str, **parameters: Any) -> list[Row]:
        rows: list[Row] = self._query(sql, parameters).to_pylist()
        return rows

    def _promises(self, definitions: "Definitions") -> dict[str, list[Promise]]:
        """The promises of each service, the main one first."""
        found: defaultdict[str, list[Promise]] = defaultdict(list)
        for row in self._rows(STATUS):
            if definitions.promise(row) is not None:
                found[row["Service"]].append(self._promise(row, definitions))
        return {service: sorted(each, key=_main_first) for service, each in found.items()}

    def _promise(self, row: Row, definitions: "Definitions") -> Promise:
        document = definitions.promise(row) or {}
        indicator = definitions.indicators.get(row["Indicator"], {})
        members = tuple(definitions.members(document))
        start, end = _time(row["StartMs"]), _time(row["EndMs"])
        return Promise(
            kind=row["Kind"],
            name=row["Promise"],
            title=_title(document, row["Promise"]),
            description=str(_spec(document).get("description") or ""),
            law=row["Law"],
            generation=row["Generation"],
            indicator=row["Indicator"],
            indicator_generation=row["IndicatorGeneration"],
            method=str(_spec(indicator).get("description") or ""),
            about_time=is_about_time(indicator),
            window=window_words(document),
            target=Decimal(row["Target"]).normalize(),
            window_start=start,
            window_end=end,
            good=row["Good"],
            valid=row["Valid"],
            budget_left=row["BudgetRemaining"],
            coverage=row["Coverage"],
            live_good=row["LiveGood"],
            live_valid=row["LiveValid"],
            evaluated_at=_time(row["AtMs"]),
            last_event_at=_time(row["EventMs"]) if row["EventMs"] > 0 else None,
            definition=_as_yaml(document),
            indicator_definition="---\n".join(_as_yaml(definitions.indicators[name]) for name, _ in members)
            if members
            else _as_yaml(indicator),
            raw_query=self._recount(indicator, start, end) if self._recount and indicator and not members else "",
            members=members,
        )

    def _component(
        self,
        name: str,
        definitions: "Definitions",
        promises: Sequence[Promise],
        incidents: Sequence[Incident],
        now: datetime,
    ) -> Component:
        document = definitions.services[name]
        indicator = promises[0].indicator if promises else ""
        since = self._days.first(indicator) or now
        return Component(
            name=name,
            title=_title(document, name),
            description=str(_spec(document).get("description") or ""),
            since=since,
            updated_at=max((one.updated_at for one in incidents if one.component == name), default=since),
            promises=tuple(promises),
            days=self._days.days(indicator, now.astimezone(UTC).date()) if promises else (),
        )

    def _incidents(self, promises: Mapping[str, Sequence[Promise]], now: datetime) -> list[Incident]:
        since_ms = int((now - timedelta(days=DAYS_KEPT)).timestamp() * 1_000)
        rows = self._rows(INCIDENTS, since=since_ms, limit=MAX_INCIDENTS)
        updates = self._updates([row["Id"] for row in rows])
        found = [self._incident(row, updates[row["Id"]], promises.get(row["Service"], ()), now) for row in rows]
        kept = {(row["Id"], row["Revision"]) for row in rows}
        self._settled = {key: measured for key, measured in self._settled.items() if key in kept}
        return found

    def _updates(self, incidents: Sequence[str]) -> defaultdict[str, list[Update]]:
        found: defaultdict[str, list[Update]] = defaultdict(list)
        for row in self._rows(UPDATES, incidents=list(incidents), limit=MAX_UPDATES) if incidents else ():
            update = Update(
                id=row["Id"],
                at=_time(row["AtMs"]),
                status=row["Status"] if row["Status"] in PHASES else PHASES[0],
                body=row["Body"],
                automatic=row["Automatic"],
            )
            found[row["IncidentId"]].append(update)
        return found

    def _incident(self, row: Row, updates: Sequence[Update], promises: Sequence[Promise], now: datetime) -> Incident:
        started = _time(row["StartMs"])
        resolved = _time(row["ResolvedMs"]) if row["ResolvedMs"] is not None else None
        hurt = next((one for one in promises if one.name in row["Promises"]), next(iter(promises), None))
        measured = self._measure(row, hurt, started, resolved, now) if hurt else None
        return Incident(
            id=row["Id"],
            component=row["Service"],
            title=row["Title"],
            state=status_of(row["State"], updates),
            impact=row["Impact"] if row["Impact"] in IMPACTS else IMPACTS[0],
            started_at=started,
            detected_at=_time(row["DetectedMs"]),
            resolved_at=resolved,
            bad_until=measured.bad_until if measured else None,
            updated_at=max([_time(row["AtMs"]), *(update.at for update in updates)]),
            promises=tuple(row["Promises"]),
            good=measured.good if measured else row["Good"],
            valid=measured.valid if measured else row["Valid"],
            updates=tuple(updates),
            curve=measured.curve if measured and measured.curve.points else None,
        )

    def _measure(
        self, row: Row, promise: Promise, started: datetime, resolved: datetime | None, now: datetime
    ) -> Measured:
        key = (row["Id"], row["Revision"])
        if key in self._settled:
            return self._settled[key]
        measured = self._read_curve(promise, started, resolved or now, now)
        if resolved is not None and now - resolved > SETTLED_AFTER:
            self._settled[key] = measured
        return measured

    def _read_curve(self, promise: Promise, started: datetime, ended: datetime, now: datetime) -> Measured:
        margin = max(CURVE_MARGIN, (ended - started) / 3)
        start = _slice(started - margin)
        end = max(start + SLICE_S, _slice(min(ended + margin, now)))
        step = -(-(end - start) // CURVE_POINTS // SLICE_S) * SLICE_S or SLICE_S
        rows = self._rows(
            CURVE,
            indicator=promise.indicator,
            start=start,
            end=end,
            step=step,
            began=_slice(started),
            ended=max(_slice(ended), _slice(started)) + SLICE_S,
            allowed=int((1 - promise.target) * 10**12),
        )
        points = tuple(
            Point(at=_at(start + row["Place"] * step), good=row["PointGood"], valid=row["PointValid"]) for row in rows
        )
        return Measured(
            curve=Curve(
                # Where nothing was measured before, the curve begins with the first measurement.
                start=min([_at(_slice(started)), *(point.at for point in points)]),
                end=_at(end),
                step_s=step,
                target=promise.target,
                about_time=promise.about_time,
                points=points,
            ),
            bad_until=_at(max([_slice(started) + SLICE_S, *(row["Until"] for row in rows)])),
            good=sum(row["SpanGood"] for row in rows),
            valid=sum(row["SpanValid"] for row in rows),
        )


class Definitions:
    """The documents in force."""

    def __init__(self, rows: Iterable[Row]) -> None:
        self._by_kind: defaultdict[str, dict[str, Mapping[str, Any]]] = defaultdict(dict)
        self._generations: dict[str, str] = {}
        promised = set()
        for row in rows:
            self._generations |= {row["Name"]: row["Generation"]} if row["Kind"] == "SLI" else {}
            self._by_kind[row["Kind"]][row["Name"]] = json.loads(row["Document"])
            promised |= {row["Service"]} if row["Kind"] in {"SLO", "Agreement"} else set()
        self._promised = promised

    @property
    def services(self) -> Mapping[str, Mapping[str, Any]]:
        """Services about which something is promised; of the others nothing can be said."""
        return {name: one for name, one in self._by_kind["Service"].items() if name in self._promised}

    @property
    def indicators(self) -> Mapping[str, Mapping[str, Any]]:
        return self._by_kind["SLI"]

    def members(self, document: Mapping[str, Any]) -> Iterator[tuple[str, str]]:
        """The indicators, with their generations, of an SLO's objectives that have their own."""
        for one in _spec(document).get("objectives") or () if document.get("kind") == "SLO" else ():
            inline = (one.get("indicator") or {}).get("metadata") or {}
            name = inline.get("name") or one.get("indicatorRef")
            names = (f"{name}/{one.get('op')}-{one.get('value')}", name)  # one with a threshold is more than its SLI
            found = next((each for each in names if each in self._generations), None)
            if found is not None:
                yield found, self._generations[found]

    def promise(self, row: Row) -> Mapping[str, Any] | None:
        """The document of a status row's promise, `document` or `document/part`, if it is still in force."""
        return self._by_kind[row["Kind"]].get(row["Promise"].partition("/")[0])


def _main_first(promise: Promise) -> tuple[bool, bool, bool, str]:
    """A composite comes after what it may be composed of: days and curves are of one indicator."""
    return promise.kind != "Agreement", bool(promise.members), promise.about_time, promise.name


def is_about_time(indicator: Mapping[str, Any]) -> bool:
    """Whether an indicator is about how fast rather than whether: it judges by duration."""
    metric = _spec(indicator).get("ratioMetric", {})
    judged = [metric.get(part, {}).get("metricSource", {}).get("spec", {}).get("where", {}) for part in ("good", "bad")]
    return any("duration" in where for where in judged)


UNITS = {"m": "minute", "h": "hour", "d": "day", "w": "week", "M": "month", "Q": "quarter", "Y": "year"}


def window_words(document: Mapping[str, Any]) -> str:
    """The window of a promise as people say it: `this month`, `in the last 30 days`."""
    if document.get("kind") == "Agreement":
        return f"this {_spec(document).get('period', 'month')}"
    window: Mapping[str, Any] = next(iter(_spec(document).get("timeWindow", [])), {})
    length = str(window.get("duration", ""))
    number, unit = length[:-1], UNITS.get(length[-1:], "")
    if not unit or not number.isdecimal():
        return "so far"
    if not window.get("isRolling", "calendar" not in window):
        return (
            (f"this {unit}" if unit != "day" else "today") if number == "1" else f"in this period of {number} {unit}s"
        )
    return f"in the last {unit}" if number == "1" else f"in the last {number} {unit}s"


def status_of(state: str, updates: Sequence[Update]) -> str:
    """Statuspage's word for an incident's state; people's last word refines what the measurement knows."""
    if state in {"resolved", "recovering"}:
        return {"resolved": "resolved", "recovering": "monitoring"}[state]
    said = next((update.status for update in updates), "")
    return said if said in {"identified", "monitoring"} else "investigating"


def _spec(document: Mapping[str, Any]) -> Mapping[str, Any]:
    spec: Mapping[str, Any] = document.get("spec") or {}
    return spec


def _title(document: Mapping[str, Any], name: str) -> str:
    """The display name; of one objective among several, with its own."""
    metadata = document.get("metadata") or {}
    part = name.partition("/")[2]
    objectives = _spec(document).get("objectives") or []
    named = objectives[int(part) - 1].get("displayName") if part.isdecimal() and int(part) <= len(objectives) else None
    title = str(metadata.get("displayName") or metadata.get("name") or name)
    return f"{title}: {named or part}" if part else title


def _as_yaml(document: Mapping[str, Any]) -> str:
    return yaml.safe_dump(dict(document), sort_keys=False, allow_unicode=True, width=100) if document else ""


def _time(ms: int) -> datetime:
    return to_datetime(ms * 1_000_000)


def _at(seconds: int) -> datetime:
    return datetime.fromtimestamp(seconds, UTC)


def _slice(moment: datetime) -> int:
    """The start of the slice `moment` is in, in seconds since the epoch."""
    return int(moment.timestamp()) // SLICE_S * SLICE_S
