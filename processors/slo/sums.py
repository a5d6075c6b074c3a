"""Reading counts: every window of every promise in one query.

In: indicators and windows. Out: exact counts; nothing is remembered, so late and replayed data need no special path.
The edges of all windows cut time into segments, whose sums make up the windows. A segment is read as whole hours, the
minutes around them and the slices around those, so thirty days of an indicator are some eight hundred rows:

    |s s|m m m m|h h h h h h h h h h h h h h|m m m|s|      sli_slices, sli_minutes, sli_hours
"""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from fractions import Fraction
from itertools import chain, pairwise
from typing import NamedTuple

import numpy as np
import pyarrow as pa

from pipeline.component import Query
from processors.sli.weights import MILLION
from processors.slo.budget import Counts
from processors.slo.grid import Ints
from processors.slo.promise import IndicatorKey
from processors.slo.rollup import by_indicator, is_one_of
from processors.slo.status import SliceCounts
from processors.slo.windows import EPOCH, SLICE, Bounds, last

LOOKBACK_S = 2 * 3_600  # how far back the begin of trouble is looked for
EVIDENCE_S = 300  # how far back bad requests are named
MAX_TRACE_IDS = 5


COLUMNS = {
    "good": "Good",
    "valid": "Valid",
    "good_extra": "GoodExtra",
    "valid_extra": "ValidExtra",
    "squares": "Squares",
    "weighted": "Weighted",
}


class Level(NamedTuple):
    """A table of sums, the column of its time, and how much time a row is."""

    table: str
    column: str
    step: timedelta


LEVELS = (
    Level("sli_slices", "Slice", SLICE),
    Level("sli_minutes", "Minute", timedelta(minutes=1)),
    Level("sli_hours", "Hour", timedelta(hours=1)),
)


@dataclass(frozen=True, slots=True)
class Counted:
    """Sums of `sli_slices` over a window; see its columns."""

    good: int = 0
    valid: int = 0
    good_extra: int = 0
    valid_extra: int = 0
    squares: int = 0
    weighted: int = 0

    @property
    def counts(self) -> Counts:
        return to_counts(self.good, self.valid, self.good_extra, self.valid_extra)

    @property
    def squared_weights(self) -> int | None:
        """The sum of squared weights; None where nothing said a weight."""
        return self.valid + self.squares if self.weighted else None

    @property
    def unweighted_share(self) -> Fraction | None:
        """The share of events that said no weight, though others did: they may stand for more than they are counted."""
        return Fraction(self.valid - self.weighted, self.valid) if self.weighted else None


NOTHING_COUNTED = Counted()


class Segments:
    """The times between which sums are read: the edges of all windows."""

    def __init__(self, windows: Iterable[Bounds]) -> None:
        self.edges = sorted(set(chain.from_iterable(windows)))
        self.edges_s = np.array([int(edge.timestamp()) for edge in self.edges], np.int64)
        self._places = {edge: place for place, edge in enumerate(self.edges)}

    def place(self, edge: datetime) -> int:
        """Which of the edges it is."""
        return self._places[edge]


@dataclass(frozen=True, slots=True, kw_only=True)
class IndicatorSums:
    """What one indicator counted, cumulated over segments, and the end of its newest slice."""

    segments: Segments
    sums: Mapping[str, Ints]
    newest_end: datetime | None = None

    def counted(self, window: Bounds) -> "Counted":
        """What was counted in one of the windows that were read."""
        first, end = (self.segments.place(edge) for edge in window)
        return Counted(**{name: int(column[end] - column[first]) for name, column in self.sums.items()})


def read_sums(
    query: Query, keys: Sequence[IndicatorKey], windows: Iterable[Bounds]
) -> dict[IndicatorKey, IndicatorSums]:
    """What each indicator counted in `windows`; one that counted nothing is missing."""
    segments = Segments(windows)
    if not keys or not segments.edges:
        return {}
    rows = query(sums_sql(keys, segments))
    return {key: _sums(mine, segments) for key, mine in by_indicator(rows).items()}


def _sums(rows: pa.Table, segments: Segments) -> IndicatorSums:
    places = np.searchsorted(segments.edges_s, rows["segment"].to_numpy()) + 1
    sums = {}
    for name in COLUMNS:
        column = np.zeros(len(segments.edges) + 1, np.int64)
        column[places] = rows[name].to_numpy()
        sums[name] = np.cumsum(column)
    newest = int(rows["newest"].to_numpy().max())
    return IndicatorSums(
        segments=segments, sums=sums, newest_end=datetime.fromtimestamp(newest, UTC) + SLICE if newest else None
    )


def to_counts(good: int, valid: int, good_extra: int = 0, valid_extra: int = 0) -> Counts:
    """Counts from the store; good events are among the valid ones, whatever somebody else may have written."""
    if not valid_extra:
        return Counts(min(good, valid), valid)
    sampled_good, sampled_valid = _events(good, good_extra), _events(valid, valid_extra)
    return Counts(min(sampled_good, sampled_valid), sampled_valid)


def _events(counted: int, extra: int) -> Fraction:
    return counted + Fraction(extra, MILLION)


def parts(window: Bounds, levels: Sequence[Level] = LEVELS) -> Iterator[tuple[str, Bounds]]:
    """The rows that make up `window`, as stretches of the tables: of each the coarsest that fits."""
    finest, *coarser = levels
    if not coarser:
        yield finest.table, window
        return
    step = coarser[0].step
    start, end = window.start + (EPOCH - window.start) % step, window.end - (window.end - EPOCH) % step
    if start >= end:
        yield finest.table, window
        return
    edges = Bounds(window.start, start), Bounds(end, window.end)
    yield from ((finest.table, edge) for edge in edges if edge.start < edge.end)
    yield from parts(Bounds(start, end), coarser)


def sums_sql(keys: Sequence[IndicatorKey], segments: Segments) -> str:
    """A row for each indicator and segment, named by its start, in which something was counted."""
    sums = ", ".join(f"toInt64(sum(part.{name})) AS {name}" for name in COLUMNS)
    tables = " UNION ALL ".join(filter(None, (_level_sql(level, keys, segments) for level in LEVELS)))
    return f"""
        SELECT Indicator, Generation, segment, {sums}, toUnixTimestamp(max(part.newest)) AS newest
        FROM ({tables}) AS part
        GROUP BY Indicator, Generation, segment ORDER BY Indicator, Generation, segment"""  # noqa: S608


def _level_sql(level: Level, keys: Sequence[IndicatorKey], segments: Segments) -> str:
    """One table's share of the segments."""
    pieces = chain.from_iterable(parts(Bounds(*segment)) for segment in pairwise(segments.edges))
    every = [stretch for table, stretch in pieces if table == level.table]
    if not every:
        return ""
    sums = ", ".join(f"sum({column}) AS {name}" for name, column in COLUMNS.items())
    newest = "maxIf(Slice, Valid > 0)" if level.step == SLICE else "max(Newest)"
    edges = ", ".join(map(str, segments.edges_s.tolist()))
    within = " OR ".join(_within(stretch, level.column) for stretch in joined(every))
    return f"""
        SELECT Indicator, Generation, roundDown(toUnixTimestamp({level.column}), [{edges}]) AS segment,
            {sums}, {newest} AS newest
        FROM {level.table} WHERE {is_one_of(keys)} AND ({within}) GROUP BY Indicator, Generation, segment"""  # noqa: S608


def joined(stretches: Sequence[Bounds]) -> Iterator[Bounds]:
    """The same time in as few stretches as can be; they come in its order."""
    start, end = stretches[0]
    for stretch in stretches[1:]:
        if stretch.start != end:
            yield Bounds(start, end)
            start = stretch.start
        end = stretch.end
    yield Bounds(start, end)


def read_trace_ids(query: Query, keys: Sequence[IndicatorKey], now: datetime) -> dict[IndicatorKey, tuple[str, ...]]:
    """Some of the requests that were bad in the last minutes."""
    rows = query(trace_ids_sql(keys, now)).to_pylist() if keys else []
    return {IndicatorKey(row["Indicator"], row["Generation"]): tuple(sorted(row["trace_ids"])) for row in rows}


def trace_ids_sql(keys: Sequence[IndicatorKey], now: datetime) -> str:
    return f"""
        SELECT Indicator, Generation, groupUniqArrayArray({MAX_TRACE_IDS})(BadTraceIds) AS trace_ids
        FROM sli_slices WHERE {is_one_of(keys)} AND {_within(last(EVIDENCE_S, now))} AND notEmpty(BadTraceIds)
        GROUP BY Indicator, Generation"""  # noqa: S608


def read_slices(
    query: Query, keys: Sequence[IndicatorKey], live_s: int, now: datetime
) -> dict[IndicatorKey, tuple[SliceCounts, ...]]:
    """The slices of the last `live_s` seconds, and of the last hours those with bad events, in order of time."""
    slices: dict[IndicatorKey, list[SliceCounts]] = {}
    for row in query(slices_sql(keys, live_s, now)).to_pylist() if keys else ():
        start = datetime.fromtimestamp(row["start"], UTC)
        key = IndicatorKey(row["Indicator"], row["Generation"])
        counts = to_counts(row["good"], row["valid"], row["good_extra"], row["valid_extra"])
        slices.setdefault(key, []).append(SliceCounts(start, counts))
    return {key: tuple(each) for key, each in slices.items()}


def slices_sql(keys: Sequence[IndicatorKey], live_s: int, now: datetime) -> str:
    return f"""
        SELECT Indicator, Generation, toUnixTimestamp(Slice) AS start, sum(Good) AS good, sum(Valid) AS valid,
            sum(GoodExtra) AS good_extra, sum(ValidExtra) AS valid_extra
        FROM sli_slices WHERE {is_one_of(keys)} AND {_within(last(LOOKBACK_S, now))}
        GROUP BY Indicator, Generation, Slice
        HAVING valid > 0 AND (good < valid OR {_within(last(live_s, now))})
        ORDER BY Slice"""  # noqa: S608


def _within(window: Bounds, column: str = "Slice") -> str:
    return f"({column} >= {_edge(window.start)} AND {column} < {_edge(window.end)})"


def _edge(moment: datetime) -> str:
    return f"toDateTime({int(moment.timestamp())}, 'UTC')"
