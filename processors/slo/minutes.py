"""What indicators counted, minute by minute, kept up to date: a copy of `sli_minutes` for laws that need every minute.

In: indicators, and from when on each is needed. Out: grids of any stretch since then. The first look reads all of it,
each later one what was stored since the last. Memory: 32 bytes a minute, 1.4 MB for a month of one indicator; what is
no longer needed is let go of after some days.
"""

from collections.abc import Mapping, Sequence
from datetime import datetime, timedelta

import numpy as np
import pyarrow as pa

from pipeline.component import Query
from processors.sli.weights import MILLION
from processors.slo.grid import MINUTE_S, Grid, Ints
from processors.slo.heard import Heard, is_near, settled_until
from processors.slo.promise import IndicatorKey
from processors.slo.rollup import by_indicator, is_one_of
from processors.slo.track import Track
from processors.slo.windows import Bounds

COLUMNS = ("good", "valid", "good_extra", "valid_extra")
OVERLAP = timedelta(seconds=30)  # between the moment a row says it was stored and the moment it can be read


class _Counts:
    """One indicator's minutes from `start_s` on; `version` changes whenever one of them does."""

    def __init__(self, start_s: int) -> None:
        self._track = Track(start_s, MINUTE_S, dict.fromkeys(COLUMNS, np.int64))
        self.version = 0

    @property
    def start_s(self) -> int:
        return self._track.start_s

    def put(self, rows: pa.Table) -> None:
        places = self._track.places(rows["minute"].to_numpy())
        for name in COLUMNS:
            values = rows[name].to_numpy().astype(np.int64)
            self.version += int(np.any(self._track[name][places] != values))
            self._track[name][places] = values

    def cut(self, start_s: int, count: int) -> dict[str, Ints]:
        """`count` minutes from `start_s`, zeros where nothing was counted."""
        places = self._track.places(start_s + MINUTE_S * np.arange(count))
        return {name: self._track.get(name, places) for name in COLUMNS}


class Minutes:
    """The minutes of several indicators."""

    def __init__(self) -> None:
        self._counts: dict[IndicatorKey, _Counts] = {}
        self._stored_at: datetime | None = None

    def version(self, key: IndicatorKey) -> int:
        """A number that changes whenever a minute of the indicator does."""
        return self._counts[key].version

    def refresh(self, query: Query, starts: Mapping[IndicatorKey, int]) -> None:
        """Read what is new; an indicator that is new itself, or needed from earlier on, is read whole."""
        new = {key: start_s for key, start_s in starts.items() if not self._reaches(key, start_s)}
        known = [key for key in starts if key not in new]
        for key, start_s in new.items():
            self._counts[key] = _Counts(start_s)
        if known:
            since = None if self._stored_at is None else self._stored_at - OVERLAP
            self._take(query(changed_sql(known, min(starts.values()), since)))
        if new:
            self._take(query(changed_sql(list(new), min(new.values()), None)))

    def _reaches(self, key: IndicatorKey, start_s: int) -> bool:
        """Whether the indicator is known from then on, and not from long before."""
        return key in self._counts and is_near(self._counts[key].start_s, start_s)

    def _take(self, rows: pa.Table) -> None:
        for key, mine in by_indicator(rows).items():
            counts = self._counts[key]
            recent = mine.filter(pa.compute.greater_equal(mine["minute"], counts.start_s))
            if len(recent):
                counts.put(recent)
        if len(rows):
            newest = pa.compute.max(rows["stored_at"]).as_py()
            self._stored_at = newest if self._stored_at is None else max(newest, self._stored_at)

    def grid(self, key: IndicatorKey, start_s: int, end_s: int, heard: Heard, settled: datetime) -> Grid:
        """The minutes from `start_s` to `end_s`, nothing excluded."""
        count = max(0, end_s - start_s) // MINUTE_S
        cut = self._counts[key].cut(start_s, count)
        unit = MILLION if cut["valid_extra"].any() else 1
        good, valid = (_events(cut[name], cut[f"{name}_extra"], unit) for name in ("good", "valid"))
        ends_s = start_s + MINUTE_S * np.arange(1, count + 1)
        return Grid(
            start_s=start_s,
            good=np.minimum(good, valid),
            valid=valid,
            heard_ms=heard.minutes(start_s, count),
            excluded=np.zeros(count, np.int8),
            settled=ends_s <= settled.timestamp(),
            unit=unit,
        )


def _events(counted: Ints, extra: Ints, unit: int) -> Ints:
    return counted * unit + extra if unit > 1 else counted


def changed_sql(keys: list[IndicatorKey], start_s: int, since: datetime | None) -> str:
    """The minutes from `start_s` on of which something was stored since then, whole."""
    start = f"Minute >= toDateTime({start_s}, 'UTC')"
    changed = ""
    if since is not None:
        stored = f"StoredAt >= fromUnixTimestamp64Milli({round(since.timestamp() * 1000)}, 'UTC')"
        which = f"{is_one_of(keys)} AND {start} AND {stored}"
        changed = f"AND (Indicator, Generation, Minute) IN (SELECT Indicator, Generation, Minute FROM sli_minutes WHERE {which})"  # noqa: S608, E501
    return f"""
        SELECT Indicator, Generation, toUnixTimestamp(Minute) AS minute, sum(Good) AS good, sum(Valid) AS valid,
            sum(GoodExtra) AS good_extra, sum(ValidExtra) AS valid_extra, max(StoredAt) AS stored_at
        FROM sli_minutes WHERE {is_one_of(keys)} AND {start} {changed}
        GROUP BY Indicator, Generation, Minute ORDER BY Indicator, Generation, Minute"""  # noqa: S608


def read_grids(
    query: Query, keys: Sequence[IndicatorKey], bounds: Bounds, now: datetime, signal: str = "traces"
) -> dict[IndicatorKey, Grid]:
    """The grids of some indicators of a signal, read once."""
    heard, minutes = Heard(signal, bounds.start), Minutes()
    heard.refresh(query, now)
    settled = settled_until(query, signal, now)
    start_s, end_s = (int(moment.timestamp()) for moment in bounds)
    minutes.refresh(query, dict.fromkeys(keys, start_s))
    return {key: minutes.grid(key, start_s, end_s, heard, settled) for key in keys}
