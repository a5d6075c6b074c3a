"""Closing the books: at the end of each calendar period, once what is late had its time, what was delivered is written.

    period ends ──book_close──▶ revision 1 ──what comes later──▶ late adjustments of the next period
                                     └──correct──▶ revision 2, with an author and a reason

In: promises with calendar windows, and the store. Out: rows of `period_results`. Promised: a period is closed once,
whoever tries and however often; a row is never changed; every record follows from the one before it by its hash, and
from the stored minutes byte for byte.
"""

import logging
from collections.abc import Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from typing import Any

from exporters.clickhouse.tables import PERIOD_RESULTS
from pipeline.component import Query, Write
from pipeline.errors import PermanentError
from processors.sla.close import Closing, close, late_adjustment, result_row
from processors.sla.documents import Agreement, Reaction
from processors.sla.exclusions import with_exclusions
from processors.sla.reactions import IncidentFacts, Reacted, reacted
from processors.sla.records import ClosedPeriod, bounds_of, key_of, read_closed, read_records
from processors.slo.law import deliver
from processors.slo.minutes import read_grids
from processors.slo.objectives import Definition, Objectives
from processors.slo.promise import Promise, canonical
from processors.slo.rows import from_ms
from processors.slo.windows import Bounds, Calendar

log = logging.getLogger("andon")

BOOK_CLOSE = timedelta(days=3)
MAX_PERIODS = 36  # how many periods are closed late at most: three years of months
AUTHOR, REASON = "andon", "the period ended"
SO_FAR = "so far"
Record = Mapping[str, Any]


@dataclass(frozen=True, slots=True)
class Due:
    """A period that is to be closed."""

    promise: Promise
    bounds: Bounds
    closed_at: datetime


class Books:
    """Closes periods, corrects and replays them."""

    def __init__(self, objectives: Objectives, query: Query, write: Write) -> None:
        self._objectives = objectives
        self._query = query
        self._write = write
        self._next: datetime | None = None

    def close_due(self, now: datetime) -> None:
        """Close every period that is due; most often none, and then nothing is asked of the store."""
        if self._next is not None and now < self._next:
            return
        for due in sorted(self._due(now, read_closed(self._query)), key=lambda due: due.closed_at):
            self._put(self._record(due, self._chain(due.promise), AUTHOR, REASON))
        self._next = min(self._open_until(now), default=now + BOOK_CLOSE)

    def correct(self, promise_name: str, period: str, now: datetime, *, author: str, reason: str) -> Record:
        """Close a closed period again, by what is stored and written now.

        Raises:
            PermanentError: no such period is closed.
        """
        before = self._closed(promise_name, period)
        promise = self._promise(before)
        due = Due(promise, bounds_of(before), now)
        record = self._record(due, self._chain(promise), author, reason, revision=before["revision"] + 1)
        self._put(record)
        return record

    def replay(self, promise_name: str, period: str) -> tuple[str, str]:
        """The newest record of a closed period, as it is stored and as the stored minutes give it now.

        Raises:
            PermanentError: no such period is closed, or the promise is no longer made.
        """
        record = self._closed(promise_name, period)
        return canonical(record), canonical(close(self.again(record)))

    def again(self, record: Record) -> Closing:
        """All that a closed period would be closed with again, by what is stored and written now.

        Raises:
            PermanentError: the promise is no longer made.
        """
        due = Due(self._promise(record), bounds_of(record), datetime.fromisoformat(record["closed_at"]))
        return replace(
            self._closing(due, record["author"], record["reason"]),
            revision=record["revision"],
            previous_hash=record["previous_hash"],
            late=record["late_adjustments"],
        )

    def so_far(self, promise: Promise, bounds: Bounds, now: datetime) -> Closing:
        """All that a period which is not closed would be closed with, had it ended now."""
        return self._closing(Due(promise, bounds, now), AUTHOR, SO_FAR, settled=now)

    def _put(self, record: Record) -> None:
        token = canonical([record[name] for name in ("kind", "promise", "generation", "start", "revision")])
        self._write(PERIOD_RESULTS.name, [result_row(record)], token=token)
        log.info("%s %s: %s is closed, %s", record["kind"], record["promise"], record["period"], record["verdict"])

    def _running(self, now: datetime) -> Iterator[tuple[Promise, Bounds]]:
        """Each promise with a calendar, and the period that it is in."""
        for promise in self._objectives.promises:
            if isinstance(promise.window, Calendar):
                yield promise, promise.window.bounds(now)

    def _open_until(self, now: datetime) -> Iterator[datetime]:
        """When the books are closed of each period that is running, or over and still open."""
        for promise, running in self._running(now):
            bounds = running
            while (closes_at := self.closes_at(promise, bounds)) > now:
                yield closes_at
                bounds = promise.window.bounds(bounds.start - timedelta(seconds=1))

    def _due(self, now: datetime, closed: Collection[ClosedPeriod]) -> Iterator[Due]:
        """The periods that are over for long enough, began to be promised before they ended, and are not closed."""
        since = self._promised_since()
        for promise, running in self._running(now):
            bounds = running
            for _ in range(MAX_PERIODS):
                bounds = promise.window.bounds(bounds.start - timedelta(seconds=1))
                if bounds.end <= since.get((promise.kind.value, promise.document), now):
                    break
                start_ms = int(bounds.start.timestamp()) * 1_000
                if ClosedPeriod(promise.key, start_ms) not in closed and now >= self.closes_at(promise, bounds):
                    yield Due(promise, bounds, self.closes_at(promise, bounds))

    def _promised_since(self) -> dict[tuple[str, str], datetime]:
        """When each document in force was first seen, in the generation that is."""
        rows = self._query(SINCE_SQL).to_pylist()
        first = {(row["Kind"], row["Name"], row["Generation"]): from_ms(row["at_ms"]) for row in rows}
        return {
            (one.kind, one.name): first[one.kind, one.name, one.generation]
            for one in self._objectives.definitions
            if (one.kind, one.name, one.generation) in first
        }

    def closes_at(self, promise: Promise, bounds: Bounds) -> datetime:
        """When a period is closed: what is late had its time by then."""
        agreement = self._objectives.agreement_of(promise)
        wait = timedelta(microseconds=agreement.spec.book_close // 1_000) if agreement else BOOK_CLOSE
        return bounds.end + wait

    def _record(
        self, due: Due, chain: Sequence[Record], author: str, reason: str, *, revision: int = 1
    ) -> dict[str, Any]:
        """A period's record, which follows from the newest one."""
        closing = replace(self._closing(due, author, reason), revision=revision)
        if chain:
            closing = replace(closing, previous_hash=chain[-1]["hash"], late=self._late(due, chain))
        return close(closing)

    def _late(self, due: Due, chain: Sequence[Record]) -> list[dict[str, Any]]:
        """What came in since the period before was closed."""
        before = next((one for one in reversed(chain) if bounds_of(one).end == due.bounds.start), None)
        if before is None or before["generation"] != due.promise.generation:
            return []
        closing = self._closing(replace(due, bounds=bounds_of(before)), AUTHOR, REASON)
        adjustment = late_adjustment(before, deliver(due.promise.counting, closing.grid))
        return [adjustment] if adjustment else []

    def _closing(self, due: Due, author: str, reason: str, *, settled: datetime | None = None) -> Closing:
        """All that a period is closed with, but its place in the chain."""
        promise, bounds = due.promise, due.bounds
        agreement = self._objectives.agreement_of(promise)
        found = self._objectives.excluded_in(agreement, bounds)
        # When a period is closed nothing in it is open any more.
        settled = settled or max(due.closed_at, bounds.end + BOOK_CLOSE)
        grids = read_grids(self._query, [promise.indicator], bounds, settled, promise.signal)
        return Closing(
            agreement=agreement,
            promise=promise,
            bounds=bounds,
            grid=with_exclusions(grids[promise.indicator], found),
            found=found,
            definitions=[one.content for one in self.definitions_of(promise)],
            closed_at=due.closed_at,
            author=author,
            reason=reason,
            reactions=self._reactions(agreement, bounds, due.closed_at) if agreement else (),
        )

    def definitions_of(self, promise: Promise) -> list[Definition]:
        """What was written of all that the promise is computed from."""
        names = {(promise.kind.value, promise.document), ("SLI", promise.indicator.name)}
        if agreement := self._objectives.agreement_of(promise):
            names |= {("Exclusion", name) for name in agreement.spec.exclusions}
            names |= {("ServiceCalendar", str(agreement.spec.service_hours))}
        return [one for one in self._objectives.definitions if (one.kind, one.name) in names]

    def _reactions(self, agreement: Agreement, bounds: Bounds, now: datetime) -> list[tuple[Reaction, Reacted]]:
        incidents = self.incidents(agreement.spec.service, bounds, now) if agreement.spec.reactions else []
        return [(one, reacted(one, incidents, bounds, now)) for one in agreement.spec.reactions]

    def incidents(self, service: str, bounds: Bounds, now: datetime) -> list[IncidentFacts]:
        """The incidents of a service that started in a period, as they are known now."""
        rows = self._query(INCIDENTS_SQL, {"service": service, "start": bounds.start, "end": bounds.end, "now": now})
        return [
            IncidentFacts(
                id=row["Id"],
                impact=row["Impact"],
                started=from_ms(row["started_ms"]),
                answered=_moment(row["answered_ms"]),
                resolved=_moment(row["resolved_ms"]),
            )
            for row in rows.to_pylist()
        ]

    def _closed(self, promise_name: str, period: str) -> Record:
        records = [one for chain in read_records(self._query, promise_name).values() for one in chain]
        found = [one for one in records if one["period"] == period]
        if not found:
            known = ", ".join(dict.fromkeys(one["period"] for one in records)) or "none"
            raise PermanentError(f"expected a closed period of {promise_name} ({known}), got {period!r}")
        return found[-1]

    def _chain(self, promise: Promise) -> list[dict[str, Any]]:
        """The records of a promise, oldest first."""
        return read_records(self._query, promise.name).get((promise.kind.value, promise.name), [])

    def _promise(self, record: Record) -> Promise:
        if promise := self._objectives.promise_of(key_of(record)):
            return promise
        raise PermanentError(
            f"{record['promise']}: expected the documents of generation {record['generation']}, got others"
        )


SINCE_SQL = """
    SELECT Kind, Name, Generation, toUnixTimestamp64Milli(min(At)) AS at_ms
    FROM definitions WHERE Active GROUP BY Kind, Name, Generation"""
INCIDENTS_SQL = """
    SELECT one.Id AS Id, one.Impact AS Impact, toUnixTimestamp64Milli(one.StartedAt) AS started_ms,
        toUnixTimestamp64Milli(one.ResolvedAt) AS resolved_ms, told.answered_ms AS answered_ms
    FROM (SELECT * FROM incidents WHERE Service = {service:String} AND At <= {now:DateTime64(3)}
          ORDER BY Revision DESC LIMIT 1 BY Id) AS one
    LEFT JOIN (SELECT IncidentId, toUnixTimestamp64Milli(min(At)) AS answered_ms FROM incident_updates
               WHERE NOT Automatic GROUP BY IncidentId) AS told ON told.IncidentId = one.Id
    WHERE one.StartedAt >= {start:DateTime64(3)} AND one.StartedAt < {end:DateTime64(3)}
    SETTINGS join_use_nulls = 1"""


def _moment(milliseconds: int | None) -> datetime | None:
    return None if milliseconds is None else from_ms(milliseconds)
