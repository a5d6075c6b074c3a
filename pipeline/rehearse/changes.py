"""What became of it: every change of a promise, of an incident and of a slice of time, and every closed period.

In: the store. Out: changes as JSON knows them, in the order of time, each with its time since the start. What there is
nothing to say of is left out.
"""

import json
from collections.abc import Iterator, Mapping
from datetime import datetime, timedelta
from fractions import Fraction
from typing import Any

from pipeline.component import Query
from processors.slo.rows import from_ms

Change = dict[str, Any]

BREACHES_SQL = "SELECT toUnixTimestamp64Milli(At) AS at_ms, Promise, Event, State FROM breaches"
INCIDENTS_SQL = """
    SELECT toUnixTimestamp64Milli(At) AS at_ms, toUnixTimestamp64Milli(StartedAt) AS started_ms,
        toString(Service) AS Service, toString(State) AS State, toString(Impact) AS Impact
    FROM incidents"""
PERIODS_SQL = "SELECT toUnixTimestamp64Milli(ClosedAt) AS at_ms, Record FROM period_results"
REVISED_SQL = """
    SELECT toUnixTimestamp64Milli(At) AS at_ms, 1000 * toUnixTimestamp(Slice) AS slice_ms, Promise, Revision,
        toString(State) AS State, Good, Valid
    FROM slice_states WHERE Revision > 1"""


def read_changes(query: Query, start: datetime) -> list[Change]:
    """All that was written down."""
    found = [*_breaches(query), *_incidents(query, start), *_periods(query), *_revised(query, start)]
    found.sort(key=lambda one: (one[0].replace(microsecond=0), "promise" not in one[1], one[0], json.dumps(one[1])))
    return [{"at": offset(at - start), **facts} for at, facts in found]


def _breaches(query: Query) -> Iterator[tuple[datetime, Change]]:
    for row in query(BREACHES_SQL).to_pylist():
        yield from_ms(row["at_ms"]), {"promise": row["Promise"], "event": row["Event"], "state": row["State"]}


def _incidents(query: Query, start: datetime) -> Iterator[tuple[datetime, Change]]:
    for row in query(INCIDENTS_SQL).to_pylist():
        facts = {"incident": row["Service"], "state": row["State"], "impact": row["Impact"]}
        yield from_ms(row["at_ms"]), facts | {"started": offset(from_ms(row["started_ms"]) - start)}


def _periods(query: Query) -> Iterator[tuple[datetime, Change]]:
    for row in query(PERIODS_SQL).to_pylist():
        yield from_ms(row["at_ms"]), period(json.loads(row["Record"]))


def period(record: Mapping[str, Any]) -> Change:
    """A closed period in short."""
    delivered, credit = record["delivered"], record["credit"] or {}
    unseen = number(delivered["unseen"])
    facts = {
        "closed": record["promise"],
        "period": record["period"],
        "verdict": record["verdict"],
        "good": number(delivered["good"]),
        "eligible": number(delivered["eligible"]),
        "coverage": number(delivered["coverage"]),
        "unseen": unseen,
        "lower": number(delivered["lower"]) if unseen else None,
        "upper": number(delivered["upper"]) if unseen else None,
        "downtime_s": record["downtime_s"],
        "broken_at": record["broken_at"],
        "credit": number(credit.get("share")),
        "amount": credit.get("amount") if number(credit.get("share")) else None,
        "excluded": [one["exclusion"] for one in record["exclusions"]["used"]],
        "refused": [one["exclusion"] for one in record["exclusions"]["refused"]],
        "late": [_late(one) for one in record["late_adjustments"]],
    }
    return {name: value for name, value in facts.items() if value or name in {"good", "eligible", "coverage"}}


def _late(adjustment: Mapping[str, Any]) -> Change:
    before, now = adjustment["closed"], adjustment["now"]
    return {"period": adjustment["period"]} | {
        name: [number(before[name]), number(now[name])] for name in ("good", "eligible")
    }


def _revised(query: Query, start: datetime) -> Iterator[tuple[datetime, Change]]:
    for row in query(REVISED_SQL).to_pylist():
        facts = {"revised": row["Promise"], "slice": offset(from_ms(row["slice_ms"]) - start)}
        facts |= {"revision": row["Revision"], "state": row["State"], "good": row["Good"], "valid": row["Valid"]}
        yield from_ms(row["at_ms"]), facts


def number(ratio: str | None) -> int | str | None:
    """A ratio of a record: a whole number as one, else as it is."""
    if ratio is None:
        return None
    exact = Fraction(ratio)
    return exact.numerator if exact.denominator == 1 else ratio


def offset(elapsed: timedelta) -> str:
    """`2m10s`: how long after the start."""
    seconds = int(elapsed.total_seconds())
    hours, minutes, rest = seconds // 3600, seconds // 60 % 60, seconds % 60
    return "".join(f"{n}{unit}" for n, unit in ((hours, "h"), (minutes, "m"), (rest, "s")) if n) or "0s"
