"""Records of closed periods, as they are read back from `period_results`."""

import json
from typing import Any

from pipeline.component import Query


def read_records(query: Query, promise: str | None = None) -> dict[tuple[str, str], list[dict[str, Any]]]:
    """The records of one promise or of all, by kind and name, each in the order they were closed."""
    only = "WHERE Promise = {promise:String}" if promise is not None else ""
    sql = f"SELECT Kind, Promise, Record FROM period_results {only} ORDER BY ClosedAt, PeriodStart, Revision"  # noqa: S608
    chains: dict[tuple[str, str], list[dict[str, Any]]] = {}
    for row in query(sql, {"promise": promise} if promise is not None else None).to_pylist():
        chains.setdefault((row["Kind"], row["Promise"]), []).append(json.loads(row["Record"]))
    return chains
