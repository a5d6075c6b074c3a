"""`andon slo diff`: what a changed promise would have said of what was counted before the change.

In: the documents in force, as the store remembers them, and changed ones. Out: for each promise that differs both
lines, over the same stored slices. What is counted cannot be changed afterwards: where the indicator is another
one, the new line says so. Nothing is written.
"""

import json
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, replace
from datetime import datetime
from fractions import Fraction
from typing import Any

from pipeline.component import Query
from processors.slo.budget import Counts, remaining
from processors.slo.burn import Measured
from processors.slo.byminute import measured_by
from processors.slo.documents import KINDS
from processors.slo.grid import MINUTE_S
from processors.slo.law import Delivered
from processors.slo.minutes import read_grids
from processors.slo.objectives import Objectives, Written, build
from processors.slo.promise import IndicatorKey, Promise
from processors.slo.rows import DEFINITIONS_SQL
from processors.slo.windows import Bounds


@dataclass(frozen=True, slots=True, kw_only=True)
class Line:
    """One definition of a promise, held against what is stored; `delivered` is None where it was never counted."""

    promise: Promise
    bounds: Bounds
    delivered: Delivered | None

    @property
    def remaining(self) -> Fraction | None:
        """The share of the budget that is left."""
        if self.delivered is None or not self.delivered.eligible:
            return None
        return remaining(Counts(self.delivered.good, self.delivered.eligible), self.promise.target)


@dataclass(frozen=True, slots=True, kw_only=True)
class Difference:
    """A promise before and after; one of the two is None where it is new, or no longer made."""

    before: Line | None
    after: Line | None


def differences(query: Query, changed: Objectives, now: datetime) -> Iterator[Difference]:
    """Every promise that `changed` makes otherwise than the documents in force.

    Raises:
        RetryableError: the store is away.
    """
    before = {(one.kind, one.name): one for one in in_force(query).promises}
    after = {(one.kind, one.name): one for one in changed.promises}
    counted = _counted(query)
    for key in dict.fromkeys([*before, *after]):
        old, new = before.get(key), after.get(key)
        if old is None or new is None or (old.generation, old.target) != (new.generation, new.target):
            lines = [None if one is None else line(query, one, now, counted) for one in (old, new)]
            yield Difference(before=lines[0], after=lines[1])


def in_force(query: Query) -> Objectives:
    """The documents that the evaluator saw last, as they were written."""
    rows = [row for row in query(DEFINITIONS_SQL).to_pylist() if row["Active"]]
    # A threshold with each of its values, and an indicator inside of an SLO, are remembered by themselves as well: they
    # must not be read twice.
    found: list[tuple[str, Mapping[str, Any]]] = [(row["Name"], json.loads(row["Document"])) for row in rows]
    contents = [content for name, content in found if content["metadata"]["name"] == name]
    inline = {name for content in contents for name in _inline(content)}
    documents = [one for one in contents if not (one["kind"] == "SLI" and one["metadata"]["name"] in inline)]
    known = [one for one in documents if (one["apiVersion"], one["kind"]) in KINDS]
    return build(
        [Written(model=KINDS[one["apiVersion"], one["kind"]].model_validate(one), content=one) for one in known]
    )


def line(query: Query, promise: Promise, now: datetime, counted: frozenset[IndicatorKey]) -> Line:
    """A promise over its own window up to now, by the slices of its indicators."""
    step = max(MINUTE_S, promise.counting.slice_s if promise.counting.by_slices else MINUTE_S)
    end_s = int(now.timestamp()) // step * step
    at = datetime.fromtimestamp(end_s, now.tzinfo)
    window = promise.window.bounds(at)
    start_s = int(window.start.timestamp()) // MINUTE_S * MINUTE_S
    bounds = Bounds(datetime.fromtimestamp(start_s, now.tzinfo), min(at, window.end))
    if not counted.issuperset(promise.indicators):
        return Line(promise=promise, bounds=bounds, delivered=None)
    pairs = zip(promise.indicators, promise.signals, strict=True)
    grids = [read_grids(query, [key], bounds, now, signal)[key] for key, signal in pairs]
    if promise.excluded:
        grids = [replace(grid, excluded=promise.excluded(bounds)) for grid in grids]
    return Line(promise=promise, bounds=bounds, delivered=_delivered(measured_by(promise, "", bounds, grids)))


def _delivered(window: Measured) -> Delivered:
    counts = window.counts
    return Delivered(
        good=Fraction(counts.good),
        eligible=Fraction(counts.valid),
        unseen=Fraction(window.unseen),
        coverage=window.heard,
    )


def _counted(query: Query) -> frozenset[IndicatorKey]:
    """The indicators of which anything was ever counted."""
    rows = query("SELECT DISTINCT Indicator, Generation FROM sli_hours").to_pylist()
    return frozenset(IndicatorKey(row["Indicator"], row["Generation"]) for row in rows)


def _inline(content: Mapping[str, Any]) -> Iterator[str]:
    """The names of the indicators that are written inside of an SLO."""
    spec = content["spec"] if content["kind"] == "SLO" else {}
    for holder in (spec, *spec.get("objectives", ())):
        if "indicator" in holder:
            yield holder["indicator"]["metadata"]["name"]
