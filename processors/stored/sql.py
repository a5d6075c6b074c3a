"""What came, estimated from what is stored: for people who ask the store, and for the test that holds it to the truth.

In: an indicator. Out: the query that estimates a window, as `processors.sli.sql.recount` counts it where all is stored.
"""

from datetime import datetime

from processors.sli.indicator import Indicator
from processors.sli.sql import ended_between, good_sql, valid_sql
from processors.stored.tracestate import DIGITS, RANDOMNESS_BITS

THRESHOLD = r"extract(TraceState, '^(?:[^,]*,)*?\\s*ot=(?:[^,;]*;)*?th:([0-9a-fA-F]{1,14})(?:[;,]|$)')"
# How many spans a stored one stands for; 1 where its tracestate says nothing
ADJUSTED_COUNT = (
    f"1 / (1 - reinterpretAsUInt64(reverse(unhex(rightPad({THRESHOLD}, {DIGITS}, '0')))) / exp2({RANDOMNESS_BITS}))"
)


def estimate(indicator: Indicator, start: datetime, end: datetime) -> str:
    """The query that estimates how many spans that ended in [start, end) `indicator` counted; bad ones exactly."""
    return (
        f"WITH {ADJUSTED_COUNT} AS adjusted_count\n"
        f"SELECT sumIf(adjusted_count, {good_sql(indicator)}) AS good, sum(adjusted_count) AS valid\n"
        f"FROM otel_traces\n"
        f"WHERE {valid_sql(indicator)}\n"
        f"  AND {ended_between(start, end)}"
    )
