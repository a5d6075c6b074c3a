"""What of the telemetry is stored: some of it not at all, some of it changed, and of traces a sample.

    counted batch ──▶ filter ──▶ sample ──▶ redact ──▶ the store

In: record batches of `otel_traces`, `otel_logs` and `otel_metrics_*`, after indicators have counted them. Out: record
batches of the same columns. Promised: no order or split of batches changes what becomes of a record; what is not
configured costs nothing; everything left out or changed is counted, by reason.
"""

import threading
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace

import numpy as np
import pyarrow as pa

from pipeline.batch import Batch
from processors.sli.columns import Columns, LogColumns, Mask, MetricColumns, SpanColumns
from processors.sli.indicator import Indicator
from processors.sli.mask import Selects, selected
from processors.sli.tracestate import threshold_of
from processors.stored.config import ProcessorsConfig, RedactConfig
from processors.stored.redaction import KeyRule, Redactor, TextRule, glob
from processors.stored.rows import rows
from processors.stored.sampling import Sampler
from processors.stored.services import Services

TRACES, LOGS, METRICS = "otel_traces", "otel_logs", "otel_metrics_"
TRACESTATE = "TraceState"
MAX_SERVICES = 10_000


@dataclass(frozen=True, slots=True, kw_only=True)
class Stats:
    """What became of records so far; a batch that is tried again counts again."""

    filtered_total: Mapping[tuple[str, str], int]  # records, by table and rule
    sampled_total: Mapping[str, int]  # spans: kept as `failed`, `bad` or `sampled`, or `dropped`
    redacted_total: Mapping[tuple[str, str], int]  # values, by table and rule
    inconsistent_total: int  # spans whose upstream threshold was not believed
    overflowed_total: int  # records of services beyond the limit


class StoredData:
    """The processors between counting and storing."""

    def __init__(
        self, config: ProcessorsConfig, indicators: Sequence[Indicator], max_services: int = MAX_SERVICES
    ) -> None:
        self._services = Services(max_services)
        self._filter = config.filter
        sampling = config.sample.traces
        self._sampler = Sampler(threshold_of(sampling.sampling_percentage), indicators) if sampling else None
        self._redactor = _redactor(config.redact)
        self._counting = threading.Lock()
        self._filtered: Counter[tuple[str, str]] = Counter()
        self._sampled: Counter[str] = Counter()
        self._redacted: Counter[tuple[str, str]] = Counter()
        self._inconsistent = 0

    def stats(self) -> Stats:
        """The counters."""
        with self._counting:
            return Stats(
                filtered_total=dict(self._filtered),
                sampled_total=dict(self._sampled),
                redacted_total=dict(self._redacted),
                inconsistent_total=self._inconsistent,
                overflowed_total=self._services.overflowed_total,
            )

    def batch(self, batch: Batch, columns: Sequence[SpanColumns] | None = None) -> Batch:
        """The batch as it is stored; `columns` are those of its spans, if somebody has asked them before."""
        tables = {}
        for table, records in batch.tables.items():
            seen = columns if table == TRACES and columns is not None else [None] * len(records)
            kept = [self.process(table, one, asked) for one, asked in zip(records, seen, strict=True)]
            tables[table] = tuple(self._services.bounded(one, batch.received_ns) for one in kept)
        return replace(batch, tables=tables)

    def process(self, table: str, records: pa.RecordBatch, columns: SpanColumns | None = None) -> pa.RecordBatch:
        """What is stored of `records`, the very same batch where nothing applies to `table`."""
        if table == TRACES:
            records = self._traces(SpanColumns(records) if columns is None else columns)
        elif table == LOGS and self._filter.logs:
            records = rows(records, self._wanted(table, LogColumns(records), self._filter.logs))
        elif table.startswith(METRICS) and self._filter.metrics:
            records = rows(records, self._wanted(table, MetricColumns(records), self._filter.metrics))
        return self._redact(table, records)

    def _traces(self, columns: SpanColumns) -> pa.RecordBatch:
        if not self._filter.traces and self._sampler is None:
            return columns.record
        wanted = np.ones(len(columns), np.bool_)
        for number, conditions in enumerate(self._filter.traces):
            self._leave_out(wanted, selected(conditions, columns), (TRACES, _rule("traces", number)))
        if self._sampler is None:
            return rows(columns.record, wanted)
        sample = self._sampler.sample(columns, wanted)
        with self._counting:
            self._sampled.update(failed=sample.failed, bad=sample.bad, sampled=sample.sampled, dropped=sample.dropped)
            self._inconsistent += sample.inconsistent
        kept = rows(columns.record, sample.kept)
        return kept.set_column(kept.schema.get_field_index(TRACESTATE), TRACESTATE, sample.tracestates)

    def _wanted(self, table: str, columns: Columns, filters: Sequence[Selects]) -> Mask:
        wanted = np.ones(len(columns), np.bool_)
        signal = "logs" if table == LOGS else "metrics"
        for number, conditions in enumerate(filters):
            self._leave_out(wanted, selected(conditions, columns), (table, _rule(signal, number)))
        return wanted

    def _leave_out(self, wanted: Mask, matched: Mask, reason: tuple[str, str]) -> None:
        """Take `matched` out of `wanted`; the first rule that matches a record counts it."""
        count = int(np.count_nonzero(wanted & matched))
        with self._counting:
            self._filtered[reason] += count
        wanted &= ~matched

    def _redact(self, table: str, records: pa.RecordBatch) -> pa.RecordBatch:
        if self._redactor is None:
            return records
        redacted, changed = self._redactor.redact(records)
        with self._counting:
            self._redacted.update({(table, rule): count for rule, count in changed.items()})
        return redacted


def _rule(section: str, number: int) -> str:
    """A rule as its place in `andon.yaml`."""
    return f"{section}[{number}]"


def _redactor(config: RedactConfig) -> Redactor | None:
    if not config.attributes and not config.values:
        return None
    return Redactor(
        keys=[
            KeyRule(name=_rule("attributes", number), expression=glob(rule.keys), action=rule.action)
            for number, rule in enumerate(config.attributes)
        ],
        texts=[
            TextRule(
                name=rule.preset or _rule("values", number),
                pattern=rule.found,
                action=rule.action,
            )
            for number, rule in enumerate(config.values)
        ],
        fields=frozenset(config.fields),
        hash_key=config.hash_key.get_secret_value().encode() if config.hash_key else b"",
    )
