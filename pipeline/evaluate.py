"""`andon evaluate`: from counts to what they mean.

    sli_slices ──sums──▶ status of each promise ──▶ its standing ──▶ incident of each service
                               │                        │                    │
                           slo_status               breaches     incidents, incident_updates

In: objectives, and the sums that ingest wrote. Out: rows. Promised: what is decided depends on what stands in the store
and on the time, and on nothing else. Every tick reads how things stood, so a restart at any moment changes nothing, a
tick that was cut off is finished by the next one, and late data count from the moment they are stored.
"""

import hashlib
import logging
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

from exporters.clickhouse.tables import BREACHES, DEFINITIONS, INCIDENT_UPDATES, INCIDENTS, SLICE_STATES, SLO_STATUS
from pipeline.assembly import Assembly
from pipeline.background import Background
from pipeline.books import Books
from pipeline.clock import Clock, SystemClock, to_datetime
from pipeline.component import Query, Write
from pipeline.errors import AndonError, RetryableError
from processors.incidents.advance import advance as advance_incident
from processors.incidents.config import EvaluateConfig
from processors.incidents.incident import Incident, State
from processors.incidents.rows import incident_row, read_incidents, update_row
from processors.incidents.scene import Scene, Signal, span
from processors.slo.breach import Standing, advance
from processors.slo.documents import load_objectives
from processors.slo.measure import Surveyor
from processors.slo.objectives import Objectives
from processors.slo.promise import Promise, PromiseKey, canonical
from processors.slo.rows import breach_row, definition_rows, read_standings, status_row
from processors.slo.status import PromiseStatus, SliceCounts
from processors.slo.windows import Bounds

log = logging.getLogger("andon")

STATUS_EVERY = timedelta(seconds=30)
MOVING_COLUMNS = frozenset({"At", "WindowStart", "WindowEnd", "Coverage", "Unseen", "Lower", "Upper", "ExhaustedInS"})


def evaluator(assembly: Assembly) -> "Evaluator":
    """The evaluator that `andon.yaml` asks for."""
    objectives = load_objectives(assembly.config.objectives)
    client = assembly.writer()
    return Evaluator(objectives, client.query, client.write, SystemClock(), assembly.config.evaluate)


@dataclass(frozen=True, slots=True, kw_only=True)
class Look:
    """The last tick that came to its end, for telemetry."""

    ended_s: float
    duration_s: float
    promises: int


class Evaluator:
    """Looks at every promise every few seconds and writes down what changed."""

    def __init__(
        self, objectives: Objectives, query: Query, write: Write, clock: Clock, settings: EvaluateConfig
    ) -> None:
        self._objectives = objectives
        self._titles = {service.name: service.title for service in objectives.services}
        self._query = query
        self._write = write
        self._clock = clock
        self._settings = settings
        self._defined = False
        self._surveyor = Surveyor(objectives.promises, query, settings.live_s)
        self._books = Books(objectives, query, write)
        self._told: dict[PromiseKey, dict[str, Any]] = {}
        self._failing = False
        self.looked: Look | None = None
        self._background = Background("evaluate", self._run)

    def start(self) -> None:
        """Begin to look; the store may still be away."""
        for warning in self._objectives.warnings:
            log.warning("%s", warning)
        self._background.start()

    def shutdown(self) -> None:
        """Finish the tick in hand."""
        self._background.shutdown()

    def _run(self) -> None:
        while not self._background.stopping.is_set():
            self._survive()
            self._clock.wait(self._background.stopping, self._settings.interval_s)

    def _survive(self) -> None:
        """One tick; whatever happens to it, there will be a next one."""
        try:
            self.tick()
        except RetryableError as error:
            if not self._failing:
                log.warning("promises are not evaluated: %s", error)
            self._failing = True
        except Exception:
            log.exception("promises are not evaluated")
            self._failing = True
        else:
            if self._failing:
                log.info("promises are evaluated again")
            self._failing = False

    def tick(self) -> None:
        """Look at every promise once, as of now.

        Raises:
            RetryableError: the store is away; the next tick does what this one could not.
            PermanentError: the store refuses what we ask or write.
        """
        began_s, now = time.monotonic(), _to_ms(to_datetime(self._clock.now_ns()))
        self._define(now)
        incidents, standings = read_incidents(self._query), read_standings(self._query)
        statuses = self._statuses(now, incidents)
        self._write_slices()
        signals = [self._settle(status, standings.get(status.promise.key, Standing()), now) for status in statuses]
        self._settle_incidents(signals, incidents, now)
        self._tell(signals, now)
        self._books.close_due(now)
        ended_s = time.monotonic()
        self.looked = Look(ended_s=ended_s, duration_s=ended_s - began_s, promises=len(signals))

    def _define(self, now: datetime) -> None:
        """Write down what is in force, once per life."""
        if not self._defined:
            definitions = {(one.kind, one.name): one for one in self._objectives.definitions}
            for token, row in definition_rows(definitions, self._query, now):
                self._write(DEFINITIONS.name, [row], token=token)
            self._defined = True

    def _statuses(self, now: datetime, incidents: Mapping[str, Incident]) -> list[PromiseStatus]:
        """Every promise as it is measured now."""
        ongoing = {service: one for service, one in incidents.items() if one.state is not State.RESOLVED}

        def lasted(promise: Promise, slices: tuple[SliceCounts, ...]) -> Bounds | None:
            incident = ongoing.get(promise.service)
            return span(incident, slices, promise.bar, now) if incident else None

        return self._surveyor.look(now, lambda promise: promise.service in ongoing, lasted)

    def _write_slices(self) -> None:
        """Write down the slices of time that are judged anew."""
        try:
            for promise, rows in self._surveyor.news():
                columns = ("Slice", "Revision", "State", "Good", "Valid")
                said = canonical([*promise.key, *([str(row[name]) for name in columns] for row in rows)])
                self._write(SLICE_STATES.name, rows, token=hashlib.sha256(said.encode()).hexdigest())
        except AndonError:
            self._surveyor.forget()
            raise

    def _settle(self, status: PromiseStatus, standing: Standing, now: datetime) -> Signal:
        """Bring a promise's standing up to date."""
        standing, changes = advance(standing, status, now)
        for change in changes:
            self._write(BREACHES.name, [breach_row(change)], token=change.id)
            log.info("%s %s: %s, now %s", change.promise.kind, change.promise.name, change.event, change.state)
        return Signal(status=status, standing=standing)

    def _settle_incidents(self, signals: Sequence[Signal], incidents: Mapping[str, Incident], now: datetime) -> None:
        """Bring each service's incident up to date; those too whose promises are all gone."""
        by_service: dict[str, list[Signal]] = {service: [] for service in incidents}
        for signal in signals:
            by_service.setdefault(signal.status.promise.service, []).append(signal)
        for service, each in by_service.items():
            scene = Scene(
                service=service,
                title=self._titles.get(service, service),
                incident=incidents.get(service),
                signals=tuple(each),
                now=now,
                patience=self._settings.patience,
            )
            if step := advance_incident(scene):
                incident, update = step
                # What is told first: should the revision fail, the same step with the same ids follows.
                if update:
                    self._write(INCIDENT_UPDATES.name, [update_row(update)], token=update.id)
                self._write(INCIDENTS.name, [incident_row(incident)], token=f"{incident.id}:{incident.revision}")
                log.info("incident %s of %s is %s: %s", incident.id, service, incident.state, incident.title)

    def _tell(self, signals: Sequence[Signal], now: datetime) -> None:
        """Write down what is known of each promise, where it differs from what was told or that is old."""
        rows = {signal.status.promise.key: status_row(signal.status, signal.standing) for signal in signals}
        news = {key: row for key, row in rows.items() if self._is_news(self._told.get(key), row)}
        if news:
            self._write(SLO_STATUS.name, list(news.values()), token=f"{now.isoformat()} {' '.join(map(str, news))}")
            self._told |= news

    def _is_news(self, told: Mapping[str, Any] | None, row: Mapping[str, Any]) -> bool:
        if told is None or row["At"] - told["At"] >= STATUS_EVERY:
            return True
        return any(row[column] != told[column] for column in row if column not in MOVING_COLUMNS)


def _to_ms(moment: datetime) -> datetime:
    """Cut to milliseconds, as the store keeps it: what is read back is what was written."""
    return moment.replace(microsecond=moment.microsecond // 1_000 * 1_000)
