"""How anyone with access to the store counts a figure again."""

from datetime import UTC, datetime

from pipeline.sql import quoted
from statuspage.snapshot import Promise


def recount_sql(promise: Promise) -> str:
    """The query over the stored sums that gives the good and valid counts of `promise`."""
    return (
        "SELECT sum(Good) AS good, sum(Valid) AS valid\n"
        "FROM sli_slices\n"
        f"WHERE Indicator = {quoted(promise.indicator)}\n"
        f"  AND Generation = {quoted(promise.indicator_generation)}\n"
        f"  AND Slice >= {moment(promise.window_start)}\n"
        f"  AND Slice < {moment(promise.window_end)}"
    )


def moment(at: datetime) -> str:
    return f"toDateTime('{at.astimezone(UTC):%Y-%m-%d %H:%M:%S}', 'UTC')"
