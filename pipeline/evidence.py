"""`andon evidence`: all that a month was decided by, in one zip that anybody can check without us.

    promises/NAME/   record.json  chain.jsonl  minutes.csv  definitions.json  facts.json  traces.jsonl
    README.txt  report.html  report.json  sha256sums.txt

In: periods, and the store. Out: a pack. Promised: the same store gives the same bytes, and what stands in it is enough
to compute the record anew; where it is not, for something came in since the period was closed, that is said.
"""

import json
import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass
from datetime import UTC, date, datetime, timedelta
from importlib.resources import files
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
from pyarrow import csv as arrow_csv

from exporters.report.document import Report, to_json
from exporters.report.pack import write_pack
from exporters.report.page import to_html
from pipeline.component import Query
from pipeline.reports import Period, Reports
from processors.sla.chain import inputs_hash
from processors.sla.close import Closing
from processors.sla.reactions import IncidentFacts
from processors.sla.records import read_records
from processors.slo.grid import MINUTE_S, Grid
from processors.slo.promise import Kind, Promise, canonical
from processors.slo.windows import Bounds

MAX_TRACES = 50
MAX_SPANS = 2_000
AROUND = timedelta(hours=1)
COLUMNS = ("minute", "good", "valid", "heard_ms", "excluded", "settled")
CHANGED = "{name}: expected the minutes that {period} was closed with, got others; something came in since"


class Evidence:
    """Packs months of the same objectives from the same store."""

    def __init__(self, reports: Reports, query: Query) -> None:
        self._reports = reports
        self._query = query
        self._warnings: list[str] = []

    def write(self, out: Path, month: date, now: datetime, only: str | None = None) -> list[str]:
        """Write a pack, whole or not at all; what is wrong with it, in words.

        Raises:
            PermanentError: there is no such agreement, or a period was closed by definitions that are not in force.
        """
        self._warnings = []
        periods = self._reports.periods(month, now, only)
        report = self._reports.of(periods, month, now)
        part = out.with_name(f"{out.name}.part")
        try:
            with part.open("wb") as file:
                write_pack(file, self._files(periods, report))
            part.replace(out)
        finally:
            part.unlink(missing_ok=True)
        return self._warnings

    def _files(self, periods: Sequence[Period], report: Report) -> Iterator[tuple[str, bytes]]:
        yield "README.txt", (files("exporters.report") / "templates" / "README.txt").read_bytes()
        chains = read_records(self._query)
        breaches = {
            (one.record["kind"], one.promise): one.breaches for each in report.agreements for one in each.objectives
        }
        for folder, period in sorted((folder_of(period.record), period) for period in periods):
            traces = [name for one in breaches[period.key] for name in one.trace_ids]
            for name, content in sorted(self._promise(period, chains.get(period.key, []), traces).items()):
                yield f"promises/{folder}/{name}", content
        yield "report.html", to_html(report).encode()
        yield "report.json", to_json(report).encode()

    def _promise(self, period: Period, chain: Sequence[Mapping[str, Any]], traces: Sequence[str]) -> dict[str, bytes]:
        closing = period.closing or self._reports.books.again(period.record)
        if inputs_hash(closing.grid, closing.definitions) != period.record["inputs_hash"]:
            self._warnings.append(CHANGED.format(name=period.record["promise"], period=period.record["period"]))
        return {
            "chain.jsonl": lines(chain),
            "definitions.json": canonical(list(closing.definitions)).encode() + b"\n",
            "facts.json": self._facts(closing, so_far=period.so_far),
            "minutes.csv": minutes_csv(closing.grid),
            "record.json": canonical(period.record).encode() + b"\n",
            "traces.jsonl": lines(self._spans(closing.promise, closing.bounds, traces)),
        }

    def _facts(self, closing: Closing, *, so_far: bool) -> bytes:
        """What else a record is computed from: the unit of the counts, incidents where reactions are promised."""
        agreement = closing.agreement
        incidents: Sequence[IncidentFacts] = ()
        if agreement and agreement.spec.reactions:
            incidents = self._reports.books.incidents(agreement.spec.service, closing.bounds, closing.closed_at)
        ordered = sorted(incidents, key=lambda one: (one.started, one.id))
        told = [{name: _text(value) for name, value in asdict(one).items()} for one in ordered]
        content = {
            "unit": closing.grid.unit,
            "so_far": so_far,
            "incidents": told,
            "documents": self._documents(closing),
        }
        return canonical(content).encode() + b"\n"

    def _documents(self, closing: Closing) -> list[Mapping[str, Any]]:
        """Thresholds that an objective sets a value to: what is counted is written down with the value alone."""
        asked = {one.get("spec", {}).get("indicatorRef") for one in closing.definitions if one["kind"] == Kind.SLO}
        written = [one for one in self._reports.objectives.definitions if one.kind == "SLI" and one.name in asked]
        return [one.content for one in written if one.content not in closing.definitions]

    def _spans(self, promise: Promise, bounds: Bounds, traces: Sequence[str]) -> list[dict[str, Any]]:
        """The spans of some of the requests that were bad: those that breaches name, and others."""
        key = promise.indicator
        start, end = bounds
        where = {"name": key.name, "generation": key.generation, "start": start, "end": end}
        others = [row["id"] for row in self._query(TRACES_SQL, where).to_pylist()]
        chosen = list(dict.fromkeys([*traces, *others]))[:MAX_TRACES]
        if not chosen:
            return []
        asked = {"ids": chosen, "start": start - AROUND, "end": end + AROUND}
        rows: list[dict[str, Any]] = self._query(SPANS_SQL, asked).to_pylist()
        return rows


TRACES_SQL = f"""
    SELECT DISTINCT arrayJoin(BadTraceIds) AS id FROM sli_slices
    WHERE Indicator = {{name:String}} AND Generation = {{generation:String}}
        AND Slice >= {{start:DateTime64(3)}} AND Slice < {{end:DateTime64(3)}}
    ORDER BY id LIMIT {MAX_TRACES}"""  # noqa: S608
SPANS_SQL = f"""
    SELECT toString(toTimeZone(Timestamp, 'UTC')) AS timestamp, TraceId AS trace_id, SpanId AS span_id,
        ParentSpanId AS parent_span_id, ServiceName AS service, SpanName AS name, SpanKind AS kind,
        Duration AS duration_ns, StatusCode AS status, StatusMessage AS message,
        toJSONString(SpanAttributes) AS attributes
    FROM otel_traces WHERE TraceId IN {{ids:Array(String)}}
        AND Timestamp >= {{start:DateTime64(3)}} AND Timestamp < {{end:DateTime64(3)}}
    ORDER BY trace_id, timestamp, span_id LIMIT {MAX_SPANS}"""  # noqa: S608


def folder_of(record: Mapping[str, Any]) -> str:
    """Where a promise's files are: by kind and name, in letters that every file system takes."""
    return re.sub(r"[^A-Za-z0-9._-]", "_", f"{record['kind']}-{record['promise'].replace('/', '.')}")[:120]


def lines(rows: Sequence[Mapping[str, Any]]) -> bytes:
    """One canonical JSON object a line."""
    return "".join(f"{canonical(row)}\n" for row in rows).encode()


def minutes_csv(grid: Grid) -> bytes:
    """Every minute that a record is computed from; the same bytes for the same grid."""
    starts = grid.start_s + MINUTE_S * np.arange(len(grid), dtype=np.int64)
    moments = np.datetime_as_string(starts.astype("datetime64[s]"), timezone="UTC")
    columns = (moments, grid.good, grid.valid, grid.heard_ms, grid.excluded, grid.settled.astype(np.int8))
    table = pa.table([pa.array(column) for column in columns], names=list(COLUMNS))
    sink = pa.BufferOutputStream()
    arrow_csv.write_csv(table, sink, arrow_csv.WriteOptions(include_header=False, quoting_style="none"))
    return f"{','.join(COLUMNS)}\n".encode() + bytes(sink.getvalue().to_pybytes())


def _text(value: Any) -> Any:
    return value.astimezone(UTC).isoformat() if isinstance(value, datetime) else value


@dataclass(frozen=True, slots=True, kw_only=True)
class Facts:
    """What `facts.json` says."""

    unit: int
    so_far: bool
    incidents: Sequence[IncidentFacts]
    documents: Sequence[Mapping[str, Any]]


def facts(content: bytes) -> Facts:
    """Read `facts.json`."""
    read = json.loads(content)
    incidents = [
        IncidentFacts(
            id=one["id"],
            impact=one["impact"],
            started=datetime.fromisoformat(one["started"]),
            answered=_moment(one["answered"]),
            resolved=_moment(one["resolved"]),
        )
        for one in read["incidents"]
    ]
    return Facts(unit=read["unit"], so_far=read["so_far"], incidents=incidents, documents=read["documents"])


def _moment(text: str | None) -> datetime | None:
    return None if text is None else datetime.fromisoformat(text)
