"""Counting: what a batch of spans, log records or data points adds to each indicator's slices of event time.

In: batches of any signal. Out: one `SliceBatch` each: sums per (indicator, group, slice) that merge by addition in any
order, so late, replayed or reordered batches need no special path. A slice is 10 seconds, aligned to the epoch; a span
belongs to the slice in which it *ended*, a log record and a point of a gauge to that of its time. A time in the future
is taken as the time of receipt. Memory: the group names seen, at most `max_groups` an indicator; what comes after those
is counted under `OVERFLOW`. Sums and histograms cannot be counted so, for a point means nothing without the one before
it: theirs are only written down here (`series.py`), and counted by `points.py`.
"""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
import pyarrow as pa

from pipeline.batch import Batch, SliceBatch
from pipeline.clock import NS_PER_S
from processors.sli.columns import Columns, LogColumns, MetricColumns, SpanColumns
from processors.sli.indicator import Indicator
from processors.sli.mask import good_and_valid
from processors.sli.selector import Signal
from processors.sli.weights import Weights, weights_of

SLICE_S = 10
SLICE_NS = SLICE_S * NS_PER_S
LATE_NS = 60 * NS_PER_S  # late is what was received longer than this after its slice ended
OVERFLOW = "andon.overflow"
UNGROUPED = ""
SPANS, LOGS, GAUGES = "otel_traces", "otel_logs", "otel_metrics_gauge"
COUNTED: Mapping[str, tuple[Signal, type[Columns]]] = {
    SPANS: ("traces", SpanColumns),
    LOGS: ("logs", LogColumns),
    GAUGES: ("metrics", MetricColumns),
}
MAX_EVIDENCE = 5

NAME = pa.dictionary(pa.int32(), pa.string())
SCHEMA = pa.schema(
    {
        "Indicator": NAME,
        "Generation": NAME,
        "Group": pa.string(),
        "Slice": pa.uint32(),
        "Good": pa.uint64(),
        "Valid": pa.uint64(),
        "Late": pa.uint64(),
        "BadTraceIds": pa.list_(pa.string()),
        "ReceivedAt": pa.timestamp("ms", "UTC"),
        "GoodExtra": pa.uint64(),
        "ValidExtra": pa.uint64(),
        "Squares": pa.uint64(),
        "Weighted": pa.uint64(),
    }
)


@dataclass(frozen=True, slots=True, kw_only=True)
class Sums:
    """What one indicator, group and slice gained."""

    indicator: int
    group: str
    slice: int
    good: int
    valid: int
    bad_trace_ids: list[str]
    good_extra: int = 0
    valid_extra: int = 0
    squares: int = 0
    weighted: int = 0


class SliceCounter:
    """Counts events into slices for a fixed set of indicators."""

    def __init__(self, indicators: Sequence[Indicator]) -> None:
        self._indicators = tuple(indicators)
        self._groups = tuple(GroupNames(indicator.max_groups) for indicator in indicators)
        self.capped_total = 0  # events that stand for more than they were counted as

    def count(self, batch: Batch, columns: Sequence[SpanColumns] | None = None) -> SliceBatch:
        """The sums of one batch; no row for what it did not touch, perhaps two for what two of its records did.

        `columns` are those of its spans, for whoever asks them again.
        """
        sums: list[Sums] = []
        for table, (signal, kind) in COUNTED.items():
            records = batch.tables.get(table, ())
            asked = columns if table == SPANS and columns is not None else [kind(record) for record in records]
            sums += [one for record in asked for one in self._sums(signal, record, batch.received_ns)]
        return SliceBatch(chunk_id=batch.chunk_id, records=self._rows(sums, batch.received_ns))

    def _sums(self, signal: Signal, columns: Columns, received_ns: int) -> Iterator[Sums]:
        wanted = [number for number, indicator in enumerate(self._indicators) if indicator.signal == signal]
        if not wanted:
            return
        slices = np.clip(columns.event_ns, 0, received_ns) // SLICE_NS
        weights = weights_of(columns) if isinstance(columns, SpanColumns) else None
        for number in wanted:
            weighed = weights if self._indicators[number].weighs else None
            yield from self._sums_of(number, columns, slices, weighed)

    def _sums_of(
        self, number: int, columns: Columns, slices: npt.NDArray[np.int64], weights: Weights | None
    ) -> Iterator[Sums]:
        good, valid = good_and_valid(self._indicators[number], columns)
        if weights is not None and weights.something is not None:
            valid &= weights.something
        if isinstance(columns, MetricColumns):
            valid &= columns.recorded
        rows = np.flatnonzero(valid)
        if not len(rows):
            return
        names, codes = self._group_codes(number, columns, rows)
        for code, moment, here in _by_group_and_slice(codes, slices[rows], rows):
            is_good = good[here]
            bad = here[~is_good]
            yield Sums(
                indicator=number,
                group=names[code],
                slice=moment,
                good=len(here) - len(bad),
                valid=len(here),
                bad_trace_ids=_bad_trace_ids(columns, bad),
                **({} if weights is None else self._weighed(weights, here, here[is_good])),
            )

    def _weighed(self, weights: Weights, valid: npt.NDArray[np.int64], good: npt.NDArray[np.int64]) -> dict[str, int]:
        self.capped_total += weights.capped(valid)
        return {
            "good_extra": weights.extra(good),
            "valid_extra": weights.extra(valid),
            "squares": weights.squares(valid),
            "weighted": weights.said(valid),
        }

    def _group_codes(
        self, number: int, columns: Columns, rows: npt.NDArray[np.int64]
    ) -> tuple[list[str], npt.NDArray[np.int64]]:
        """The group of each row as a code into names; absence is the group without a name."""
        field = self._indicators[number].group_by
        if field is None:
            return [UNGROUPED], np.zeros(len(rows), np.int64)
        words = columns.words(field)
        seen, places = np.unique(words.codes[rows], return_inverse=True)
        admit = self._groups[number].admit
        names = [UNGROUPED if code < 0 else admit(words.values[code]) for code in seen.tolist()]
        merged = {name: code for code, name in enumerate(dict.fromkeys(names))}
        return list(merged), np.array([merged[name] for name in names], np.int64)[places]

    def _rows(self, sums: Sequence[Sums], received_ns: int) -> pa.RecordBatch:
        numbers = pa.array([one.indicator for one in sums], pa.int32())
        names = pa.array([indicator.name for indicator in self._indicators], pa.string())
        generations = pa.array([indicator.generation for indicator in self._indicators], pa.string())
        columns = [
            pa.DictionaryArray.from_arrays(numbers, names),
            pa.DictionaryArray.from_arrays(numbers, generations),
            pa.array([one.group for one in sums], pa.string()),
            pa.array([one.slice * SLICE_S for one in sums], pa.uint32()),
            pa.array([one.good for one in sums], pa.uint64()),
            pa.array([one.valid for one in sums], pa.uint64()),
            pa.array([one.valid if is_late(one.slice, received_ns) else 0 for one in sums], pa.uint64()),
            pa.array([one.bad_trace_ids for one in sums], pa.list_(pa.string())),
            pa.array([received_ns // 1_000_000] * len(sums), pa.timestamp("ms", "UTC")),
            pa.array([one.good_extra for one in sums], pa.uint64()),
            pa.array([one.valid_extra for one in sums], pa.uint64()),
            pa.array([one.squares for one in sums], pa.uint64()),
            pa.array([one.weighted for one in sums], pa.uint64()),
        ]
        return pa.RecordBatch.from_arrays(columns, schema=SCHEMA)


class GroupNames:
    """The first names come in; the rest share one."""

    def __init__(self, limit: int) -> None:
        self._limit = limit
        self._names: set[str] = set()

    def admit(self, name: str) -> str:
        """`name` if it is known or there is room, else `OVERFLOW`."""
        if name not in self._names and len(self._names) < self._limit:
            self._names.add(name)
        return name if name in self._names else OVERFLOW


def is_late(moment: int, received_ns: int) -> bool:
    """Whether what belongs to slice number `moment` came late."""
    return received_ns - (moment + 1) * SLICE_NS > LATE_NS


def _by_group_and_slice(
    codes: npt.NDArray[np.int64], slices: npt.NDArray[np.int64], rows: npt.NDArray[np.int64]
) -> Iterator[tuple[int, int, npt.NDArray[np.int64]]]:
    """The rows of each (group, slice) there is."""
    order = np.lexsort((slices, codes))
    codes, slices, rows = codes[order], slices[order], rows[order]
    edges = np.flatnonzero((np.diff(codes) != 0) | (np.diff(slices) != 0)) + 1
    starts = [0, *edges.tolist()]
    for start, end in zip(starts, [*starts[1:], len(rows)], strict=True):
        yield int(codes[start]), int(slices[start]), rows[start:end]


def _bad_trace_ids(columns: Columns, bad: npt.NDArray[np.int64]) -> list[str]:
    return columns.trace_ids(bad[:MAX_EVIDENCE]) if len(bad) else []
