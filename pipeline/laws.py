"""`andon sla laws`: what the same month would have been worth under every law.

In: agreements, a month, and a way to read the minutes of a period. Out: for each promise of each agreement a table, one
row a law. `andon sla verify` reads the records of closed periods.
"""

import json
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import date, datetime, time
from typing import Any, Protocol
from zoneinfo import ZoneInfo

from pipeline.component import Query
from pipeline.errors import PermanentError
from processors.sla.calendar import MINUTE
from processors.sla.close import credit_content, law_content, moment_text, ratio_text, window_content
from processors.sla.compare import LawRow, laws_table
from processors.sla.documents import Agreement
from processors.sla.exclusions import Excluded, excluded, with_exclusions
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
    """One promise of an agreement in one period, as every law has it."""

    agreement: Agreement
    promise: Promise
    bounds: Bounds
    found: Excluded
    rows: tuple[LawRow, ...]


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
            hours = objectives.calendar_of(agreement)
            found = excluded(objectives.exclusions_of(agreement), hours, bounds)
            grid = with_exclusions(read(promise, bounds), found)
            yield Compared(
                agreement=agreement,
                promise=promise,
                bounds=bounds,
                found=found,
                rows=laws_table(agreement, promise.target, grid, bounds),
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


def closed(query: Query, promise: str | None = None) -> dict[tuple[str, str], list[dict[str, Any]]]:
    """The records of closed periods, of one promise or of all, by kind and name and in the order they were closed."""
    only = "WHERE Promise = {promise:String}" if promise is not None else ""
    sql = f"SELECT Kind, Promise, Record FROM period_results {only} ORDER BY ClosedAt, PeriodStart, Revision"  # noqa: S608
    chains: dict[tuple[str, str], list[dict[str, Any]]] = {}
    for row in query(sql, {"promise": promise} if promise is not None else None).to_pylist():
        chains.setdefault((row["Kind"], row["Promise"]), []).append(json.loads(row["Record"]))
    return chains
