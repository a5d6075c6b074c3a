"""`andon evidence verify`: whether a pack holds, from the pack alone.

In: a pack that anybody may have made. Out: what is wrong with it, in words; nothing if it holds. Checked: every file by
its sum; each chain of records; each record against its minutes and definitions, by the code that closes; the report
against the records, and the page against the report.
"""

import io
import json
from collections.abc import Iterator, Mapping, Sequence
from datetime import datetime
from importlib.metadata import version
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
from pyarrow import csv as arrow_csv

from exporters.report import losses
from exporters.report.document import Report, to_json
from exporters.report.pack import Pack
from exporters.report.page import to_html
from pipeline.errors import AndonError, PermanentError
from pipeline.evidence import COLUMNS, Facts, facts, folder_of, minutes_csv
from processors.sla.chain import faults, inputs_hash, record_hash
from processors.sla.close import Closing, close
from processors.sla.reactions import reacted
from processors.sla.records import bounds_of, key_of
from processors.slo.documents import KINDS
from processors.slo.grid import MINUTE_S, Grid
from processors.slo.objectives import Objectives, Written, build
from processors.slo.openslo import Slo
from processors.slo.promise import Promise, canonical
from processors.slo.windows import Calendar

MAX_MINUTES = 60 * 24 * 400
Record = Mapping[str, Any]
UNSOUND = (ValueError, LookupError, TypeError, AttributeError, ArithmeticError, RecursionError, pa.ArrowException)


class Proof:
    """A pack that is being checked."""

    def __init__(self, path: Path) -> None:
        """Open it.

        Raises:
            PermanentError: it is no pack.
        """
        self._pack = Pack(path)
        self.promises = sorted({name.split("/")[1] for name in self._pack.names if name.startswith("promises/")})

    def faults(self) -> list[str]:
        """What is wrong; nothing if it holds."""
        try:
            found = list(self._pack.faults())
            records: dict[str, Record] = {}
            for folder in self.promises:
                found += self._guarded(f"promises/{folder}", self._promise(folder, records))
            return found + list(self._guarded("report", self._report(records)))
        finally:
            self._pack.close()

    def _guarded(self, name: str, found: Iterator[str]) -> Iterator[str]:
        """What is found, until it turns out that nothing of it can be read."""
        try:
            yield from found
        except AndonError as error:
            yield f"{name}: {error}"
        except UNSOUND as error:
            yield f"{name}: expected what Andon writes, got {type(error).__name__}: {error}"

    def _read(self, folder: str, name: str) -> bytes:
        return self._pack.read(f"promises/{folder}/{name}")

    def _promise(self, folder: str, records: dict[str, Record]) -> Iterator[str]:
        where = f"promises/{folder}"
        text = self._read(folder, "record.json").decode()
        record = json.loads(text)
        if f"{canonical(record)}\n" != text or folder_of(record) != folder:
            yield f"{where}/record.json: expected canonical JSON of {folder}"
        records[folder] = record
        for name in ("facts.json", "definitions.json"):
            if f"{canonical(json.loads(content := self._read(folder, name)))}\n".encode() != content:
                yield f"{where}/{name}: expected canonical JSON"
        told = facts(self._read(folder, "facts.json"))
        yield from self._chain(folder, record, so_far=told.so_far)
        definitions = json.loads(self._read(folder, "definitions.json"))
        grid = self._grid(folder, record, told.unit)
        if (found := inputs_hash(grid, definitions)) != record["inputs_hash"]:
            yield f"{where}: expected minutes and definitions with the hash {record['inputs_hash']}, got {found}"
        again = canonical(close(self._closing(record, definitions, grid, told)))
        if f"{again}\n" != text:
            yield f"{where}: expected the record that its minutes and definitions give, got another"

    def _chain(self, folder: str, record: Record, *, so_far: bool) -> Iterator[str]:
        where = f"promises/{folder}/chain.jsonl"
        text = self._read(folder, "chain.jsonl").decode()
        chain = [json.loads(line) for line in text.splitlines()]
        if "".join(f"{canonical(one)}\n" for one in chain) != text:
            yield f"{where}: expected a record a line, in canonical JSON"
        yield from (f"{where}: {fault}" for fault in faults(chain))
        if any((one.get("kind"), one.get("promise")) != (record["kind"], record["promise"]) for one in chain):
            yield f"{where}: expected records of {record['promise']} alone"
        same = [one for one in chain if (one["generation"], one["start"]) == (record["generation"], record["start"])]
        if so_far and record_hash(record) != record["hash"]:
            yield f"{where}: expected the hash of the record, got another"
        if bool(same) == so_far or (same and same[-1] != record):
            yield f"{where}: expected the newest record of {record['period']} {'nowhere' if so_far else 'in it'}"

    def _grid(self, folder: str, record: Record, unit: int) -> Grid:
        content = self._read(folder, "minutes.csv")
        bounds = bounds_of(record)
        count = int((bounds.end - bounds.start).total_seconds()) // MINUTE_S
        types = dict(zip(COLUMNS, [pa.string(), *[pa.int64()] * (len(COLUMNS) - 1)], strict=True))
        options = arrow_csv.ConvertOptions(column_types=types)
        table = arrow_csv.read_csv(io.BytesIO(content), convert_options=options)
        if table.column_names != list(COLUMNS) or len(table) != count or not 0 < count <= MAX_MINUTES:
            raise PermanentError(f"minutes.csv: expected {count} minutes, got {len(table)}")
        numbers = {name: table[name].to_numpy() for name in COLUMNS[1:]}
        grid = Grid(
            start_s=int(bounds.start.timestamp()),
            good=numbers["good"],
            valid=numbers["valid"],
            heard_ms=numbers["heard_ms"],
            excluded=numbers["excluded"].astype(np.int8),
            settled=numbers["settled"] == 1,
            unit=int(unit),
        )
        if minutes_csv(grid) != content:
            raise PermanentError("minutes.csv: expected every minute once, in order, as Andon writes it")
        return grid

    def _closing(self, record: Record, definitions: Sequence[Record], grid: Grid, told: Facts) -> Closing:
        """What the record is to be computed from, read off the definitions in the pack."""
        objectives = self._objectives(record, [*definitions, *told.documents])
        promise = _promise_of(objectives, record)
        agreement = objectives.agreement_of(promise)
        bounds = bounds_of(record)
        if not isinstance(promise.window, Calendar) or promise.window.bounds(bounds.start) != bounds:
            raise PermanentError(f"expected a period of {promise.name}, got {record['start']} to {record['end']}")
        found = objectives.excluded_in(agreement, bounds)
        if not np.array_equal(found.codes, grid.excluded):
            raise PermanentError("minutes.csv: expected the exclusions that the definitions give, got others")
        closed_at = datetime.fromisoformat(record["closed_at"])
        reactions = agreement.spec.reactions if agreement else ()
        return Closing(
            agreement=agreement,
            promise=promise,
            bounds=bounds,
            grid=grid,
            found=found,
            definitions=definitions,
            closed_at=closed_at,
            author=record["author"],
            reason=record["reason"],
            revision=record["revision"],
            previous_hash=record["previous_hash"],
            late=record["late_adjustments"],
            reactions=[(one, reacted(one, told.incidents, bounds, closed_at)) for one in reactions],
        )

    def _objectives(self, record: Record, definitions: Sequence[Record]) -> Objectives:
        """What these documents promise, and those of the agreement's other promises, which its own needs."""
        beside = [folder for folder in self.promises if folder_of(record) != folder and _is_beside(folder, record)]
        every = [one for folder in beside for one in json.loads(self._read(folder, "definitions.json"))]
        known = {(one["kind"], one["metadata"]["name"]): one for one in [*every, *definitions]}
        inline = {one["spec"]["indicator"]["metadata"]["name"] for one in known.values() if "indicator" in one["spec"]}
        return build([_written(one) for (kind, name), one in known.items() if kind != "SLI" or name not in inline])

    def _report(self, records: Mapping[str, Record]) -> Iterator[str]:
        text = self._pack.read("report.json").decode()
        report = Report.model_validate_json(text)
        if to_json(report) != text:
            yield "report.json: expected it as Andon writes it, got it otherwise"
        told = {folder_of(one.record): one for each in report.agreements for one in each.objectives}
        if told.keys() != records.keys():
            yield f"report.json: expected {', '.join(records) or 'nothing'}, got {', '.join(told) or 'nothing'}"
        for each in report.agreements:
            for one in each.objectives:
                if one.record != records.get(folder_of(one.record)):
                    yield f"report.json: expected the record of {one.promise} as it stands beside it, got another"
                days = losses.days(one.record, each.time_zone, report.made_at)
                if (one.budget, one.days) != (losses.budget(one.record), days):
                    yield f"report.json: expected budget and days of {one.promise} as its record gives them"
        if report.made_by == version("andon") and to_html(report) != self._pack.read("report.html").decode():
            yield "report.html: expected the page that report.json gives, got another"


def _is_beside(folder: str, record: Record) -> bool:
    return folder.startswith(folder_of({"kind": record["kind"], "promise": f"{record['agreement']}/"}))


def _written(content: Record) -> Written:
    model = KINDS[content["apiVersion"], content["kind"]]
    if model is Slo:  # alerts have no part in a record, and their documents are not here
        spec = {name: value for name, value in content["spec"].items() if name != "alertPolicies"}
        return Written(model=Slo.model_validate({**content, "spec": spec}), content=content)
    return Written(model=model.model_validate(content), content=content)


def _promise_of(objectives: Objectives, record: Record) -> Promise:
    if promise := objectives.promise_of(key_of(record)):
        return promise
    raise PermanentError(
        f"expected definitions of {record['promise']} in generation {record['generation']}, got others"
    )
