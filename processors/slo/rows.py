"""Promises as rows of `definitions`, `slo_status` and `breaches`, and how they are read back."""

from collections.abc import Mapping
from datetime import UTC, datetime
from fractions import Fraction
from typing import Any

from pipeline.clock import NS_PER_S, to_datetime
from pipeline.component import Query
from processors.slo.breach import Change, Standing, restored
from processors.slo.objectives import Definition
from processors.slo.promise import PromiseKey, canonical, fingerprint
from processors.slo.status import PromiseStatus, burns, rate

NEVER = datetime(1970, 1, 1, tzinfo=UTC)
NS_PER_MS = NS_PER_S // 1_000

STANDINGS_SQL = """
    SELECT Id, Kind, Promise, Generation, Event, Previous, State, toUnixTimestamp64Milli(At) AS at_ms
    FROM breaches ORDER BY At DESC LIMIT 1 BY Kind, Promise, Generation"""
DEFINITIONS_SQL = """
    SELECT Kind, Name, Generation, Active, Service, Document, Hash, toUnixTimestamp64Milli(At) AS at_ms
    FROM definitions ORDER BY At DESC LIMIT 1 BY Kind, Name"""


def from_ms(milliseconds: int) -> datetime:
    """The UTC datetime of milliseconds since the epoch."""
    return to_datetime(milliseconds * NS_PER_MS)


def read_standings(query: Query) -> dict[PromiseKey, Standing]:
    """How every promise stood after its newest change."""
    return {
        PromiseKey(row["Kind"], row["Promise"], row["Generation"]): restored(
            row["Previous"], row["Event"], row["State"], from_ms(row["at_ms"]), row["Id"]
        )
        for row in query(STANDINGS_SQL).to_pylist()
    }


def breach_row(change: Change) -> dict[str, Any]:
    """A change as a row of `breaches`."""
    promise, window = change.promise, change.governing
    return {
        "Id": change.id,
        "At": change.at,
        "Kind": promise.kind,
        "Promise": promise.name,
        "Generation": promise.generation,
        "Service": promise.service,
        "Law": promise.law,
        "Event": change.event,
        "Previous": change.previous.published,
        "State": change.state.published,
        "Since": change.since,
        "Window": change.window_name,
        "WindowStart": window.start,
        "WindowEnd": window.end,
        "Good": round(window.counts.good),
        "Valid": round(window.counts.valid),
        "Target": promise.target,
        "BurnRate": float(change.burn_rate),
        "Threshold": float(change.threshold),
        "EvidenceTraceIds": list(change.trace_ids),
        "Evidence": canonical(change.evidence),
    }


def status_row(status: PromiseStatus, standing: Standing) -> dict[str, Any]:
    """What is known of a promise as a row of `slo_status`; `WindowEnd` of a calendar period lies ahead."""
    promise, windows = status.promise, list(burns(status).values())
    start, end = promise.window.bounds(status.at)
    return {
        "At": status.at,
        "Kind": promise.kind,
        "Promise": promise.name,
        "Generation": promise.generation,
        "Service": promise.service,
        "Indicator": promise.indicator.name,
        "IndicatorGeneration": promise.indicator.generation,
        "Law": promise.law,
        "State": standing.state.published,
        "Target": promise.target,
        "WindowStart": start,
        "WindowEnd": end,
        "Good": round(status.window.counts.good),
        "Valid": round(status.window.counts.valid),
        "BudgetRemaining": float(status.remaining),
        "Coverage": float(status.window.heard),
        "LiveGood": round(status.live.counts.good),
        "LiveValid": round(status.live.counts.valid),
        "LastEventAt": status.last_event_at or NEVER,
        "Windows.Name": [window.name for window in windows],
        "Windows.Good": [round(window.counts.good) for window in windows],
        "Windows.Valid": [round(window.counts.valid) for window in windows],
        "Windows.BurnRate": [float(rate(status, window)) for window in windows],
        "Unseen": float(status.window.unseen),
        "Lower": as_float(status.bounds[0]),
        "Upper": as_float(status.bounds[1]),
        "ExhaustedInS": as_float(status.exhausted_in_s),
        "UnweightedShare": as_float(status.window.unweighted_share),
    }


def as_float(ratio: Fraction | None) -> float | None:
    """A ratio for reading."""
    return None if ratio is None else float(ratio)


def definition_rows(
    definitions: Mapping[tuple[str, str], Definition], query: Query, now: datetime
) -> list[tuple[str, dict[str, Any]]]:
    """The rows that `definitions` lacks to say what is in force: new, changed, no more. Each with its token."""
    known = {(row["Kind"], row["Name"]): row for row in query(DEFINITIONS_SQL).to_pylist()}
    rows = []
    for key, definition in definitions.items():
        row = definition_row(definition, now)
        if key not in known or any(known[key][column] != row[column] for column in ("Generation", "Active", "Hash")):
            rows.append(row)
    gone = (row for key, row in known.items() if key not in definitions and row["Active"])
    rows += [
        {column: row[column] for column in row if column != "at_ms"} | {"At": now, "Active": False} for row in gone
    ]
    return [(definition_token(row, known.get((row["Kind"], row["Name"]))), row) for row in rows]


def definition_row(definition: Definition, now: datetime) -> dict[str, Any]:
    """A document as a row of `definitions`."""
    return {
        "At": now,
        "Kind": definition.kind,
        "Name": definition.name,
        "Generation": definition.generation,
        "Active": True,
        "Service": definition.service,
        "Document": canonical(definition.content),
        "Hash": fingerprint(definition.content),
    }


def definition_token(row: Mapping[str, Any], before: Mapping[str, Any] | None) -> str:
    """The same for the same step: one definition may come back after another, but only once after the same row."""
    step = [row["Kind"], row["Name"], row["Generation"], row["Hash"], row["Active"], before["at_ms"] if before else 0]
    return fingerprint(step)
