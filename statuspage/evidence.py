"""How anyone with access to the store counts a figure again."""

from datetime import UTC, datetime

from pipeline.sql import quoted
from statuspage.snapshot import Promise


def recount_sql(promise: Promise) -> str:
    """The query over the stored sums that gives the good and valid counts of `promise`, or of each of its members."""
    within = f"Slice >= {moment(promise.window_start)}\n  AND Slice < {moment(promise.window_end)}"
    if promise.members:
        members = ", ".join(f"({quoted(name)}, {quoted(generation)})" for name, generation in promise.members)
        return (
            "SELECT Indicator, sum(Good) AS good, sum(Valid) AS valid\n"
            "FROM sli_slices\n"
            f"WHERE (Indicator, Generation) IN ({members})\n"
            f"  AND {within}\n"
            "GROUP BY Indicator, Generation ORDER BY Indicator"
        )
    return (
        "SELECT sum(Good) AS good, sum(Valid) AS valid\n"
        "FROM sli_slices\n"
        f"WHERE Indicator = {quoted(promise.indicator)}\n"
        f"  AND Generation = {quoted(promise.indicator_generation)}\n"
        f"  AND {within}"
    )


def moment(at: datetime) -> str:
    return f"toDateTime('{at.astimezone(UTC):%Y-%m-%d %H:%M:%S}', 'UTC')"
