"""Records of closed periods, as they are read back from `period_results`."""

import json
from collections.abc import Mapping
from datetime import datetime
from typing import Any, NamedTuple

from pipeline.component import Query
from processors.slo.promise import PromiseKey
from processors.slo.windows import Bounds

CLOSED_SQL = """
    SELECT DISTINCT Kind, Promise, Generation, toUnixTimestamp64Milli(PeriodStart) AS start_ms FROM period_results"""


class ClosedPeriod(NamedTuple):
    """A period of a promise that is closed."""

    promise: PromiseKey
    start_ms: int


def read_closed(query: Query) -> frozenset[ClosedPeriod]:
    """Which periods are closed, without what was written of them."""
    rows = query(CLOSED_SQL).to_pylist()
    return frozenset(
        ClosedPeriod(PromiseKey(row["Kind"], row["Promise"], row["Generation"]), row["start_ms"]) for row in rows
    )


def key_of(record: Mapping[str, Any]) -> PromiseKey:
    """The promise that a record is of."""
    return PromiseKey(record["kind"], record["promise"], record["generation"])


def bounds_of(record: Mapping[str, Any]) -> Bounds:
    """From when to when a record is."""
    return Bounds(datetime.fromisoformat(record["start"]), datetime.fromisoformat(record["end"]))


def read_records(query: Query, promise: str | None = None) -> dict[tuple[str, str], list[dict[str, Any]]]:
    """The records of one promise or of all, by kind and name, each in the order they were closed."""
    only = "WHERE Promise = {promise:String}" if promise is not None else ""
    sql = f"SELECT Kind, Promise, Record FROM period_results {only} ORDER BY ClosedAt, PeriodStart, Revision"  # noqa: S608
    chains: dict[tuple[str, str], list[dict[str, Any]]] = {}
    for row in query(sql, {"promise": promise} if promise is not None else None).to_pylist():
        chains.setdefault((row["Kind"], row["Promise"]), []).append(json.loads(row["Record"]))
    return chains
