"""Reading counts: every window of every promise in one query over `sli_slices`.

In: indicators and windows. Out: exact counts; nothing is remembered, so late and replayed data need no special path.
Cost: one scan of the longest window per indicator, groups summed by the engine.
"""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from fractions import Fraction
from itertools import chain
from typing import Any

from pipeline.component import Query
from pipeline.sql import quoted
from processors.sli.slices import SLICE_S
from processors.slo.budget import Counts
from processors.slo.promise import IndicatorKey
from processors.slo.status import SliceCounts
from processors.slo.windows import SLICE, Bounds, last, slice_floor

LOOKBACK_S = 2 * 3_600  # how far back the begin of trouble is looked for
EVIDENCE_S = 300  # how far back bad requests are named
MAX_TRACE_IDS = 5
SIGNAL = "traces"


@dataclass(frozen=True, slots=True, kw_only=True)
class IndicatorSums:
    """What one indicator counted: per window, some of its bad requests lately, the end of its newest slice."""

    windows: Mapping[Bounds, Counts] = field(default_factory=dict)
    trace_ids: tuple[str, ...] = ()
    newest_end: datetime | None = None


def read_sums(
    query: Query, wanted: Mapping[IndicatorKey, Iterable[Bounds]], now: datetime
) -> dict[IndicatorKey, IndicatorSums]:
    """The counts of `wanted`; an indicator that counted nothing is missing."""
    windows = sorted(set(chain.from_iterable(wanted.values())))
    if not windows:
        return {}
    rows = query(sums_sql(list(wanted), windows, now)).to_pylist()
    return {IndicatorKey(row["Indicator"], row["Generation"]): _sums(row, windows) for row in rows}


def _sums(row: Mapping[str, Any], windows: Sequence[Bounds]) -> IndicatorSums:
    newest = row["newest"]
    return IndicatorSums(
        windows={window: to_counts(row[f"good{n}"], row[f"valid{n}"]) for n, window in enumerate(windows)},
        trace_ids=tuple(sorted(row["trace_ids"])),
        newest_end=datetime.fromtimestamp(newest, UTC) + SLICE if newest else None,
    )


def to_counts(good: int, valid: int) -> Counts:
    """Counts from the store; good events are among the valid ones, whatever somebody else may have written."""
    return Counts(min(good, valid), valid)


def sums_sql(keys: Sequence[IndicatorKey], windows: Sequence[Bounds], now: datetime) -> str:
    """One row per indicator: `good<n>` and `valid<n>` of each window, the newest slice, a few bad traces."""
    recent = last(EVIDENCE_S, now)
    sums = ",\n".join(
        f"sumIf({column}, {_within(window)}) AS {column.lower()}{number}"
        for number, window in enumerate(windows)
        for column in ("Good", "Valid")
    )
    whole = Bounds(min(window.start for window in windows), max(window.end for window in windows))
    return f"""
        SELECT Indicator, Generation, {sums},
            toUnixTimestamp(maxIf(Slice, Valid > 0)) AS newest,
            groupUniqArrayArrayIf({MAX_TRACE_IDS})(BadTraceIds, {_within(recent)}) AS trace_ids
        FROM sli_slices WHERE {_is_one_of(keys)} AND {_within(whole)}
        GROUP BY Indicator, Generation"""  # noqa: S608


def read_slices(
    query: Query, keys: Sequence[IndicatorKey], live_s: int, now: datetime
) -> dict[IndicatorKey, tuple[SliceCounts, ...]]:
    """The slices of the last `live_s` seconds, and of the last hours those with bad events, in order of time."""
    slices: dict[IndicatorKey, list[SliceCounts]] = {}
    for row in query(slices_sql(keys, live_s, now)).to_pylist() if keys else ():
        start = datetime.fromtimestamp(row["start"], UTC)
        key = IndicatorKey(row["Indicator"], row["Generation"])
        slices.setdefault(key, []).append(SliceCounts(start, to_counts(row["good"], row["valid"])))
    return {key: tuple(each) for key, each in slices.items()}


def slices_sql(keys: Sequence[IndicatorKey], live_s: int, now: datetime) -> str:
    return f"""
        SELECT Indicator, Generation, toUnixTimestamp(Slice) AS start, sum(Good) AS good, sum(Valid) AS valid
        FROM sli_slices WHERE {_is_one_of(keys)} AND {_within(last(LOOKBACK_S, now))}
        GROUP BY Indicator, Generation, Slice
        HAVING valid > 0 AND (good < valid OR {_within(last(live_s, now))})
        ORDER BY Slice"""  # noqa: S608


def read_coverage(query: Query, windows: Iterable[Bounds], now: datetime) -> dict[Bounds, Fraction]:
    """The share of each window, up to a slice ago, in which at least one receiver was listening.

    Where several listened, the one that heard most of a slice counts for it: they serve the same senders.
    """
    heard = {window: Bounds(window.start, min(window.end, slice_floor(now) - SLICE)) for window in windows}
    past = {window: part for window, part in heard.items() if part.start < part.end}
    if not past:
        return dict.fromkeys(heard, Fraction(0))
    row = query(coverage_sql(list(past.values()))).to_pylist()[0]
    shares = {
        window: Fraction(row[f"heard{number}"], (part.end - part.start) // timedelta(milliseconds=1))
        for number, (window, part) in enumerate(past.items())
    }
    return dict.fromkeys(heard, Fraction(0)) | shares


def coverage_sql(windows: Sequence[Bounds]) -> str:
    """One row: `heard<n>`, the milliseconds of each window in which somebody listened."""
    whole = Bounds(min(window.start for window in windows), max(window.end for window in windows))
    heard = ", ".join(f"sumIf(most, {_within(window)}) AS heard{n}" for n, window in enumerate(windows))
    return f"""
        SELECT {heard} FROM (
            SELECT Slice, least({SLICE_S * 1_000}, max(listened)) AS most FROM (
                SELECT Slice, Worker, sum(ListeningMs) AS listened FROM receiver_ledger
                WHERE Signal = '{SIGNAL}' AND {_within(whole)} GROUP BY Slice, Worker)
            GROUP BY Slice)"""  # noqa: S608


def _within(window: Bounds) -> str:
    return f"(Slice >= {_edge(window.start)} AND Slice < {_edge(window.end)})"


def _edge(moment: datetime) -> str:
    return f"toDateTime({int(moment.timestamp())}, 'UTC')"


def _is_one_of(keys: Sequence[IndicatorKey]) -> str:
    """Names are RFC 1123 labels and generations hex digits, so they can stand in SQL as they are."""
    pairs = ", ".join(f"({quoted(name)}, {quoted(generation)})" for name, generation in keys)
    return f"(Indicator, Generation) IN ({pairs})"
