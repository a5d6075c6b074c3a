"""`andon sla laws`: what the same month would have been worth under every law.

In: agreements, a month, and a way to read the minutes of a period. Out: for each promise of each agreement a table, one
row a law.
"""

import json
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import date, datetime, time
from typing import Any, Protocol, cast
from zoneinfo import ZoneInfo

from pipeline.component import Query
from pipeline.errors import PermanentError
from processors.sla.calendar import MINUTE
from processors.sla.chain import faults
from processors.sla.close import (
    credit_content,
    law_content,
    moment_text,
    ratio_text,
    result_row,
    unlike,
    window_content,
)
from processors.sla.compare import LawRow, laws_table
from processors.sla.documents import Agreement
from processors.sla.exclusions import Excluded, with_exclusions
from processors.slo.grid import Grid
from processors.slo.objectives import Objectives
from processors.slo.promise import Promise
from processors.slo.windows import Bounds, Calendar, add_months, first_instant


class ReadGrid(Protocol):
    """The minutes of a promise's indicator, excluded nothing yet."""

    def __call__(self, promise: Promise, bounds: Bounds) -> Grid:
        """One entry for each minute of `bounds`."""
        ...


@dataclass(frozen=True, slots=True, kw_only=True)
class Compared:
    """One promise of an agreement in one period, as every law has it; `so_far` if more of it is to be expected."""

    agreement: Agreement
    promise: Promise
    bounds: Bounds
    found: Excluded
    rows: tuple[LawRow, ...]
    so_far: bool


def parse_month(text: str) -> date:
    """`2026-10`.

    Raises:
        PermanentError: it is no month.
    """
    try:
        return date.fromisoformat(f"{text}-01")
    except ValueError:
        raise PermanentError(f"expected a month such as 2026-10, got {text!r}") from None


def compare(objectives: Objectives, month: date, read: ReadGrid) -> Iterator[Compared]:
    """Every promise of every agreement in the period that begins in `month`, or is running at its end.

    Raises:
        PermanentError: there is no agreement.
    """
    if not objectives.agreements:
        raise PermanentError("expected an Agreement among the documents, got none")
    for promise in objectives.promises:
        agreement = objectives.agreement_of(promise)
        if agreement is not None:
            bounds = period_of(agreement.spec.window, month)
            found = objectives.excluded_in(agreement, bounds)
            grid = with_exclusions(read(promise, bounds), found)
            yield Compared(
                agreement=agreement,
                promise=promise,
                bounds=bounds,
                found=found,
                rows=laws_table(agreement, promise.target, grid, bounds),
                so_far=not grid.settled.all(),
            )


def period_of(window: Calendar, month: date) -> Bounds:
    """The period that the last minute of a month, in the window's zone, belongs to."""
    after = add_months(datetime.combine(month, time()), 1)
    return window.bounds(first_instant(after, ZoneInfo(window.zone)) - MINUTE)


def facts(compared: Compared) -> Iterator[Mapping[str, Any]]:
    """The rows as JSON knows them."""
    for row in compared.rows:
        delivered = row.delivered
        yield {
            "agreement": compared.agreement.name,
            "promise": compared.promise.name,
            "period": compared.promise.window.name(compared.bounds.start),
            "so_far": compared.so_far,
            "target": ratio_text(compared.promise.target),
            "name": row.name,
            "law": law_content(row.counting),
            "good": ratio_text(delivered.good),
            "eligible": ratio_text(delivered.eligible),
            "coverage": ratio_text(delivered.coverage),
            "verdict": row.verdict.value,
            "broken_at": moment_text(row.broken_at),
            "credit": credit_content(row.credit) if row.credit else None,
        }


def refused(compared: Compared) -> Sequence[Mapping[str, Any]]:
    """The exclusions that were not used, each with its reason, as JSON knows them."""
    return [window_content(window) for window in compared.found.refused]


def closed_faults(query: Query, promise: str | None = None) -> tuple[int, list[str]]:
    """How many periods of one promise, or of all, are closed, and what is wrong with them.

    Raises:
        PermanentError: what is stored as a record is none.
    """
    only = "WHERE Promise = {promise:String}" if promise is not None else ""
    sql = f"SELECT * FROM period_results {only} ORDER BY ClosedAt, PeriodStart, Revision"  # noqa: S608
    rows = query(sql, {"promise": promise} if promise is not None else None).to_pylist()
    chains: dict[tuple[str, str], list[Mapping[str, Any]]] = {}
    found: list[str] = []
    for row in rows:
        record = _record(row)
        chains.setdefault((row["Kind"], row["Promise"]), []).append(record)
        found += [f"{_named(row)}: {name} is not what the record says" for name in unlike(row, record)]
    return len(rows), found + [fault for chain in chains.values() for fault in faults(chain)]


def _record(row: Mapping[str, Any]) -> Mapping[str, Any]:
    try:
        record = json.loads(row["Record"])
        result_row(record)
    except (ValueError, LookupError, TypeError) as error:
        raise PermanentError(f"{_named(row)}: expected a record in JSON, got {error!r}") from error
    return cast(Mapping[str, Any], record)


def _named(row: Mapping[str, Any]) -> str:
    return f"{row['Promise']} {row['Period']} revision {row['Revision']}"
