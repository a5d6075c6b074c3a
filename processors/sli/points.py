"""Slices out of points: what `derive` says of the points in the store, told to `sli_slices` once.

    sli_points ──derive──▶ totals per slice ──what is new of them──▶ sli_derived ──▶ sli_slices

In: `sli_points`, as any number of ingest workers wrote it. Out: rows of `sli_slices`, which only ever grow. Promised:
what is told follows from the points and from what was told before, both in the store, so nothing is lost or told twice
by a restart at any moment, nor by two who do this at once.

A slice is told once its points had `lateness_s` to come; what comes for it later is told as a late addition. What a
late point takes from a slice that was told (the points around it said more of it) stays there, but nothing is added
elsewhere in its stead, and it is counted.

How it is told once: a batch of additions is first written to `sli_derived` under a token that follows from the batch
before it, so of several writers one wins; then what stands there is written to `sli_slices` under the token of that
batch; then a mark says that it was. Whoever finds a batch without its mark writes it again, which changes nothing:
the store knows the token for its next 10 000 inserts.
"""

from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any, NamedTuple

from pipeline.clock import NS_PER_S, to_datetime, to_ns
from pipeline.component import Query, Write
from processors.sli.derive import MAX_SPAN_NS, Derived, Point, Tally, derive
from processors.sli.series import DELTA
from processors.sli.slices import SLICE_NS, SLICE_S

POINTS, DERIVED, SLICES = "sli_points", "sli_derived", "sli_slices"
LATENESS_S = 90  # the usual export takes 60 s, and may be slow to come
HORIZON_S = 86_400  # what happened longer ago is not looked at again
BUCKET_S = 300  # what changed is looked for by so much time
MOST_BUCKETS = 12  # that are derived in one go
IDENTITY = "Indicator, Generation, `Group`"
HEAD, TOLD = "head", "told"  # the newest batch there is, and the newest that `sli_slices` has


class Key(NamedTuple):
    """Whose slices they are."""

    indicator: str
    generation: str
    group: str


class Bounds(NamedTuple):
    """[start, end) in nanoseconds since the epoch."""

    start_ns: int
    end_ns: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Stats:
    """What was derived so far, by this process."""

    batches_total: int
    added_total: int  # valid events
    late_total: int  # of those, added to slices that had been told
    withheld_total: int  # events that a late point took from slices that had been told
    odd_total: Mapping[str, int]  # by what was odd: see `derive`


class PointDeriver:
    """Tells the slices of sums and histograms; `tick` is to be called every few seconds, by one thread."""

    def __init__(self, query: Query, write: Write, lateness_s: int = LATENESS_S) -> None:
        self._query = query
        self._write = write
        self._lateness_ns = lateness_s * NS_PER_S
        self._seen: dict[int, tuple[int, int]] = {}
        self._counts: Counter[str] = Counter()
        self._odd: Counter[str] = Counter()

    def stats(self) -> Stats:
        """The counters."""
        names = ("batches_total", "added_total", "late_total", "withheld_total")
        return Stats(**{name: self._counts[name] for name in names}, odd_total=dict(self._odd))

    def tick(self, now: datetime) -> None:
        """Tell what is new as of `now`.

        Raises:
            RetryableError: the store is away; the next tick does what this one could not.
            PermanentError: the store refuses what we ask or write.
        """
        now_ns = to_ns(now)
        settled_ns = (now_ns - self._lateness_ns) // SLICE_NS * SLICE_NS
        self._finish()
        found = self._buckets(now_ns)
        news = {
            bucket: (hashed, min(settled_ns, (bucket + 1) * BUCKET_S * NS_PER_S)) for bucket, hashed in found.items()
        }
        changed = sorted(bucket for bucket, state in news.items() if self._seen.get(bucket) != state)
        for run in _runs(changed):
            self._tell(Bounds(*(edge * BUCKET_S * NS_PER_S for edge in run)), settled_ns, now_ns)
            self._seen.update({bucket: news[bucket] for bucket in range(*run) if bucket in news})
        self._seen = {bucket: state for bucket, state in self._seen.items() if bucket in found}

    def _buckets(self, now_ns: int) -> dict[int, int]:
        """A number for all points of each bucket of time, which differs when another one is there."""
        first = (now_ns // NS_PER_S - HORIZON_S) // BUCKET_S * BUCKET_S
        rows = self._query(
            f"""
            SELECT intDiv(toUnixTimestamp(TimeUnix), {BUCKET_S}) AS bucket,
                sum(cityHash64({IDENTITY}, Side, Series, StartTimeUnix, TimeUnix, Value)) AS hashed
            FROM {POINTS} WHERE TimeUnix >= toDateTime64({first}, 9) GROUP BY bucket"""  # noqa: S608
        )
        return {row["bucket"]: row["hashed"] for row in rows.to_pylist()}

    def _tell(self, changed: Bounds, settled_ns: int, now_ns: int) -> None:
        """Tell what is new in the slices that points in `changed` speak of."""
        touched = self._touched(changed)
        slices = range(touched.start_ns // SLICE_NS, min(-(-touched.end_ns // SLICE_NS), settled_ns // SLICE_NS))
        if not slices:
            return
        derived = {key: derive(points) for key, points in self._points(touched).items()}
        previous = self._finish()
        told = self._told(slices)
        batch = max(previous + 1, now_ns // 1_000_000)
        rows = [row for key, one in derived.items() for row in self._additions(key, one, told, slices)]
        if rows:
            stamp = {"Batch": batch, "Previous": previous}
            stamped = [_mark(HEAD, batch, previous), *(stamp | row for row in rows)]
            self._write(DERIVED, stamped, token=f"derived after {previous}")
            self._finish()

    def _touched(self, changed: Bounds) -> Bounds:
        """From where to where the points in `changed`, and those after them, say how much happened."""
        start_ns, end_ns = changed.end_ns, changed.start_ns
        before = [*self._neighbours(changed, before=True)]
        followers = {(key, point.side, point.series) for key, point in before}
        for _, point in before:
            start_ns = min(start_ns, point.time_ns)
        for key, point in self._within(changed):
            alone = (key, point.side, point.series) not in followers
            counts_since = alone and 0 < point.time_ns - point.start_ns <= MAX_SPAN_NS
            start_ns = min(start_ns, point.start_ns if counts_since else point.time_ns - 1)
            end_ns = max(end_ns, point.time_ns)
        for _, point in self._neighbours(changed, before=False):
            end_ns = max(end_ns, point.time_ns)
        return Bounds(max(0, start_ns), end_ns)

    def _points(self, touched: Bounds) -> dict[Key, list[Point]]:
        """All points that matter to the slices in `touched`."""
        bounds = Bounds(touched.start_ns // SLICE_NS * SLICE_NS, -(-touched.end_ns // SLICE_NS) * SLICE_NS + 1)
        found: dict[Key, list[Point]] = {}
        for part in (
            self._within(bounds),
            self._neighbours(bounds, before=True),
            self._neighbours(bounds, before=False),
        ):
            for key, point in part:
                found.setdefault(key, []).append(point)
        return found

    def _within(self, bounds: Bounds) -> Iterator[tuple[Key, Point]]:
        return self._read(bounds, "")

    def _neighbours(self, bounds: Bounds, *, before: bool) -> Iterator[tuple[Key, Point]]:
        """The last point of each series before `bounds`, or the first after."""
        outside = (
            Bounds(bounds.start_ns - MAX_SPAN_NS, bounds.start_ns)
            if before
            else Bounds(bounds.end_ns, bounds.end_ns + MAX_SPAN_NS)
        )
        # Of several points of one moment the one that `derive` takes.
        start = f"if(Temporality = {DELTA}, 1, -1) * start_ns"
        order = f"ORDER BY TimeUnix {'DESC' if before else 'ASC'}, {start}, Value DESC"
        return self._read(outside, f"{order} LIMIT 1 BY {IDENTITY}, Side, Series, Temporality")

    def _read(self, bounds: Bounds, limit: str) -> Iterator[tuple[Key, Point]]:
        rows = self._query(
            f"""
            SELECT {IDENTITY}, Side, Series, toUnixTimestamp64Nano(StartTimeUnix) AS start_ns,
                toUnixTimestamp64Nano(TimeUnix) AS time_ns, Temporality, Value
            FROM {POINTS}
            WHERE TimeUnix >= fromUnixTimestamp64Nano(toInt64({max(0, bounds.start_ns)}))
                AND TimeUnix < fromUnixTimestamp64Nano(toInt64({bounds.end_ns}))
            {limit}"""  # noqa: S608
        )
        columns = [column.to_pylist() for column in rows.columns]
        for indicator, generation, group, side, series, start_ns, time_ns, temporality, value in zip(
            *columns, strict=True
        ):
            yield Key(indicator, generation, group), Point(side, series, start_ns, time_ns, temporality, round(value))

    def _told(self, slices: range) -> dict[tuple[Key, int], Tally]:
        """What was told of `slices` so far."""
        rows = self._query(
            f"""
            SELECT {IDENTITY}, toUnixTimestamp(Slice) AS slice,
                argMax(Good, Batch) AS good, argMax(Valid, Batch) AS valid
            FROM {DERIVED}
            WHERE Indicator != '' AND Slice >= toDateTime({slices.start * SLICE_S}, 'UTC')
                AND Slice < toDateTime({slices.stop * SLICE_S}, 'UTC')
            GROUP BY {IDENTITY}, Slice"""  # noqa: S608
        )
        return {
            (Key(row["Indicator"], row["Generation"], row["Group"]), row["slice"] // SLICE_S): Tally(
                row["good"], row["valid"]
            )
            for row in rows.to_pylist()
        }

    def _additions(
        self, key: Key, derived: Derived, told: Mapping[tuple[Key, int], Tally], slices: range
    ) -> Iterator[dict[str, Any]]:
        """The rows of `sli_derived` for what is new of one indicator and group."""
        self._odd.update(derived.flags)
        nothing = Tally(0, 0)
        moments = sorted(
            {moment for moment in derived.slices if moment in slices} | {moment for one, moment in told if one == key}
        )
        now = [derived.slices.get(moment, nothing) for moment in moments]
        before = [told.get((key, moment), nothing) for moment in moments]
        good = self._granted([one.good - other.good for one, other in zip(now, before, strict=True)])
        rest = self._granted(
            [one.valid - one.good - (other.valid - other.good) for one, other in zip(now, before, strict=True)]
        )
        for moment, more_good, more_rest, other in zip(moments, good, rest, before, strict=True):
            if more_good or more_rest:
                added = more_good + more_rest
                yield {
                    "Indicator": key.indicator,
                    "Generation": key.generation,
                    "Group": key.group,
                    "Slice": moment * SLICE_S,
                    "Good": other.good + more_good,
                    "Valid": other.valid + added,
                    "GoodAdded": more_good,
                    "ValidAdded": added,
                    "LateAdded": added if (key, moment) in told else 0,
                }

    def _granted(self, differences: Sequence[int]) -> list[int]:
        """What is added of each difference: no more in all than there is more in all, and nothing below zero."""
        room = max(0, sum(differences))
        granted = []
        for difference in differences:
            added = min(max(0, difference), room)
            room -= added
            granted.append(added)
        self._counts["withheld_total"] += -sum(one for one in differences if one < 0)
        return granted

    def _finish(self) -> int:
        """Tell `sli_slices` the newest batch, unless that is marked as done; which one it is."""
        (head,) = self._query(
            f"""
            SELECT maxIf(Batch, Generation = '{HEAD}') AS batch, maxIf(Batch, Generation = '{TOLD}') AS marked
            FROM {DERIVED} WHERE Indicator = ''"""  # noqa: S608
        ).to_pylist()
        batch: int = head["batch"]
        if batch <= head["marked"]:
            return batch
        rows = self._query(
            f"""
            SELECT {IDENTITY}, toUnixTimestamp(Slice) AS slice, GoodAdded, ValidAdded, LateAdded
            FROM {DERIVED} WHERE Batch = {batch} AND Indicator != '' ORDER BY {IDENTITY}, slice"""  # noqa: S608
        ).to_pylist()
        self._write(SLICES, [_slice_row(row, batch) for row in rows], token=f"derived {batch}")
        self._write(DERIVED, [_mark(TOLD, batch, batch)], token=f"told {batch}")
        self._counts["batches_total"] += 1
        self._counts["added_total"] += sum(row["ValidAdded"] for row in rows)
        self._counts["late_total"] += sum(row["LateAdded"] for row in rows)
        return batch


def _mark(name: str, batch: int, previous: int) -> dict[str, Any]:
    """A row of `sli_derived` about a batch rather than a slice; such rows have no indicator, and few are kept."""
    numbers = dict.fromkeys(("Slice", "Good", "Valid", "GoodAdded", "ValidAdded", "LateAdded"), 0)
    return {"Batch": batch, "Previous": previous, "Indicator": "", "Generation": name, "Group": "", **numbers}


def _slice_row(row: Mapping[str, Any], batch: int) -> dict[str, Any]:
    """The row of `sli_slices` that one of `sli_derived` adds."""
    return {
        "Indicator": row["Indicator"],
        "Generation": row["Generation"],
        "Group": row["Group"],
        "Slice": row["slice"],
        "Good": row["GoodAdded"],
        "Valid": row["ValidAdded"],
        "Late": row["LateAdded"],
        "BadTraceIds": [],
        "ReceivedAt": to_datetime(batch * 1_000_000),
        **dict.fromkeys(("GoodExtra", "ValidExtra", "Squares", "Weighted"), 0),
    }


def _runs(buckets: Sequence[int]) -> Iterator[tuple[int, int]]:
    """Buckets that follow each other, at most MOST_BUCKETS, as [first, end)."""
    run: tuple[int, int] | None = None
    for bucket in buckets:
        if run is not None and bucket == run[1] and run[1] - run[0] < MOST_BUCKETS:
            run = run[0], bucket + 1
        else:
            if run is not None:
                yield run
            run = bucket, bucket + 1
    if run is not None:
        yield run
