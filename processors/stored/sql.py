"""What came, estimated from what is stored: for people who ask the store, and for the test that holds it to the truth.

In: an indicator. Out: the query that estimates a window, as `processors.sli.sql.recount` counts it where all is stored.
"""

from datetime import datetime

from processors.sli.indicator import Indicator
from processors.sli.sql import EXPONENT, THRESHOLD, good_sql, happened_between, valid_sql
from processors.sli.tracestate import DIGITS, RANDOMNESS_BITS

_BY_THRESHOLD = (
    f"1 / (1 - reinterpretAsUInt64(reverse(unhex(rightPad({THRESHOLD}, {DIGITS}, '0')))) / exp2({RANDOMNESS_BITS}))"
)
_EXPONENT = f"toUInt8OrZero({EXPONENT})"
# How many spans a stored one stands for; 1 where its tracestate says nothing
ADJUSTED_COUNT = (
    f"multiIf({THRESHOLD} != '' OR {_EXPONENT} > 63, {_BY_THRESHOLD}, {_EXPONENT} = 63, 0, exp2({_EXPONENT}))"
)


def estimate(indicator: Indicator, start: datetime, end: datetime) -> str:
    """The query that estimates how many spans that ended in [start, end) `indicator` counted; bad ones exactly."""
    return (
        f"WITH {ADJUSTED_COUNT} AS adjusted_count\n"
        f"SELECT sumIf(adjusted_count, {good_sql(indicator)}) AS good, sum(adjusted_count) AS valid\n"
        f"FROM otel_traces\n"
        f"WHERE {valid_sql(indicator)}\n"
        f"  AND {happened_between(indicator, start, end)}"
    )
