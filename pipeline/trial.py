"""`andon slo try`: what would this indicator have counted?

In: an indicator, and what is stored, read with the read-only user. Out: how many events of a stretch of time are good,
bad, or not counted at all, with a few of each, and the SLI. Spans, log records and gauges are asked by the indicator's
own SQL; of sums and histograms the points are read and derived from, as they are when they count.
"""

from collections.abc import Iterator
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from fractions import Fraction

import pyarrow as pa

from pipeline.batch import Batch
from pipeline.clock import to_ns
from pipeline.component import Query
from pipeline.errors import PermanentError
from processors.sli.apdex import TOLERATED, apdex
from processors.sli.derive import Point, derive
from processors.sli.groups import GroupNames
from processors.sli.indicator import Indicator
from processors.sli.selector import Condition
from processors.sli.series import SERIES_TABLES, SeriesPoints, parts, stands_alone
from processors.sli.slices import SLICE_NS
from processors.sli.sql import FAILED, STORED, good_sql, happened_between, selector_sql, time_sql, valid_sql, where_sql

SAMPLES = 5
MAX_POINTS = 200_000
LONGEST_SPAN = timedelta(days=1)
LABELS = {
    "traces": "concat(TraceId, ' ', SpanName)",
    "logs": "Body",
    "metrics": "concat(MetricName, ' ', toString(Value), ' ', toString(Attributes))",
}
GOOD, BAD, REJECTED = "good", "bad", "rejected"


@dataclass(frozen=True, slots=True, kw_only=True)
class Trial:
    """What an indicator counts in [start, end), and a few of what it counts as what."""

    indicator: Indicator
    start: datetime
    end: datetime
    good: int
    valid: int
    rejected: int
    apdex: Fraction | None = None
    samples: dict[str, list[str]] = field(default_factory=dict)

    @property
    def ratio(self) -> Fraction | None:
        """The SLI; None where nothing was counted."""
        return Fraction(self.good, self.valid) if self.valid else None


def attempt(indicator: Indicator, query: Query, start: datetime, end: datetime) -> Trial:
    """Count `indicator` over what is stored.

    Raises:
        RetryableError: the store is away.
        PermanentError: there are more points than can be tried at once.
    """
    within = _within(indicator, start, end)
    valid, good = valid_sql(indicator), good_sql(indicator)
    table = STORED[indicator.signal].table
    (row,) = query(
        f"SELECT countIf({valid} AND {good}) AS good, countIf({valid}) AS valid, count() AS seen"  # noqa: S608
        f" FROM {table} WHERE {within}"
    ).to_pylist()
    wanted = {GOOD: f"{valid} AND {good}", BAD: f"{valid} AND NOT ({good})", REJECTED: f"NOT ({valid})"}
    samples = {
        word: [one["label"] for one in query(_sample(indicator, table, test, within)).to_pylist()]
        for word, test in wanted.items()
    }
    more_good, more_valid = _of_series(indicator, query, start, end) if indicator.signal == "metrics" else (0, 0)
    return Trial(
        indicator=indicator,
        start=start,
        end=end,
        good=row["good"] + more_good,
        valid=row["valid"] + more_valid,
        rejected=row["seen"] - row["valid"],
        apdex=_apdex(indicator, query, within),
        samples=samples,
    )


def _apdex(indicator: Indicator, query: Query, within: str) -> Fraction | None:
    """How satisfied those are who wait for what is counted; None where it is not about how long spans take."""
    duration = indicator.good.where.get("duration") if indicator.good and indicator.signal == "traces" else None
    limit_ns = duration.lte if isinstance(duration, Condition) else None
    if limit_ns is None:
        return None
    (row,) = query(
        f"SELECT countIf(Duration <= {limit_ns} AND NOT {FAILED}) AS satisfied,"  # noqa: S608
        f" countIf(Duration > {limit_ns} AND Duration <= {TOLERATED * limit_ns} AND NOT {FAILED}) AS tolerating,"
        f" count() AS total FROM {STORED['traces'].table} WHERE {within} AND {valid_sql(indicator)}"
    ).to_pylist()
    return apdex(**row)


def _within(indicator: Indicator, start: datetime, end: datetime) -> str:
    """The stretch of time; for spans also by what their table is sorted by, which is their start."""
    within = happened_between(indicator, start, end)
    if indicator.signal != "traces":
        return within
    return f"Timestamp >= {time_sql(start - LONGEST_SPAN)} AND Timestamp < {time_sql(end)} AND {within}"


def _sample(indicator: Indicator, table: str, test: str, within: str) -> str:
    moment, label = STORED[indicator.signal].moment, LABELS[indicator.signal]
    return f"SELECT {label} AS label FROM {table} WHERE {within} AND {test} ORDER BY {moment} DESC LIMIT {SAMPLES}"  # noqa: S608


def _of_series(indicator: Indicator, query: Query, start: datetime, end: datetime) -> tuple[int, int]:
    """(good, valid) events that points of sums and histograms tell of."""
    tables = {}
    for table in SERIES_TABLES:
        sql = f"SELECT * FROM {table} WHERE TimeUnix >= {time_sql(start)} AND TimeUnix < {time_sql(end)}"  # noqa: S608
        rows = query(f"{sql} AND ({_named(indicator)}) LIMIT {MAX_POINTS + 1}")
        if rows.num_rows > MAX_POINTS:
            raise PermanentError(f"expected at most {MAX_POINTS} points in {table}, got more: try a shorter --since")
        tables[table] = tuple(rows.combine_chunks().to_batches())
    batch = Batch(chunk_id="", received_ns=to_ns(end), tables=tables)
    points = SeriesPoints([indicator], [GroupNames(indicator.max_groups)]).points(batch)
    groups: dict[str, list[Point]] = {}
    for group, point in _points(points):
        groups.setdefault(group, []).append(point)
    first = to_ns(start) // SLICE_NS
    slices = [one for each in groups.values() for one in derive(each).slices.items()]
    tallies = [tally for moment, tally in slices if moment >= first]
    return sum(tally.good for tally in tallies), sum(tally.valid for tally in tallies)


def _named(indicator: Indicator) -> str:
    """Which points matter at all, to either side."""
    valid = selector_sql(indicator.valid, indicator.signal)
    _, rest = parts(indicator.part.where)
    return f"({valid}) OR ({where_sql(rest, STORED['metrics'])})" if stands_alone(rest) else valid


def _points(records: pa.RecordBatch) -> Iterator[tuple[str, Point]]:
    names = ("Group", "Side", "Series", "StartTimeUnix", "TimeUnix", "Temporality", "Value")
    times = {"StartTimeUnix", "TimeUnix"}
    columns = [
        (records.column(name).cast(pa.int64()) if name in times else records.column(name)).to_pylist() for name in names
    ]
    for group, side, series, start_ns, time_ns, temporality, value in zip(*columns, strict=True):
        yield group, Point(side, series, start_ns, time_ns, temporality, round(value))
