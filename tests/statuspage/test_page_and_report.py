"""The page and SQL are two ways to ask for the same figures."""

from typing import Any

import pytest

from fixtures.store import Store as Database
from statuspage.snapshot import Snapshot


@pytest.mark.parametrize("scene", ["healthy", "outage"])
def test_the_report_of_the_month_says_what_the_page_says(
    scene: str, databases: dict[str, Database], scenes: dict[str, Snapshot]
) -> None:
    """Promise by promise, to the last request."""
    shown: dict[str, Any] = {
        one.name: (one.good, one.valid, one.window_start, one.window_end, one.budget_left)
        for component in scenes[scene].components
        for one in component.promises
    }
    columns = "Promise, Good, Eligible, PeriodStart, PeriodEnd, BudgetLeft"
    rows = databases[scene].reader.query(f"SELECT {columns} FROM sla_report(month = '2026-11')").to_pylist()
    assert {row.pop("Promise"): tuple(row.values()) for row in rows} == shown
