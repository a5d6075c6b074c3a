"""`andon evaluate`: from counts to what they mean.

    sli_slices ──sums──▶ status of each promise ──▶ its standing ──▶ incident of each service
                               │                        │                    │
                           slo_status               breaches     incidents, incident_updates

In: objectives, and the sums that ingest wrote. Out: rows. Promised: what is decided depends on what stands in the store
and on the time, and on nothing else. Every tick reads how things stood, so a restart at any moment changes nothing, a
tick that was cut off is finished by the next one, and late data count from the moment they are stored.
"""

import logging
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import NamedTuple

from exporters.clickhouse.tables import BREACHES, DEFINITIONS, INCIDENT_UPDATES, INCIDENTS, SLICE_STATES, SLO_STATUS
from pipeline.assembly import Assembly
from pipeline.background import Background
from pipeline.books import Books
from pipeline.clock import Clock, SystemClock, to_datetime
from pipeline.component import Query, Write
from pipeline.errors import AndonError, RetryableError
from pipeline.sql import quoted
from processors.incidents.advance import advance as advance_incident
from processors.incidents.config import EvaluateConfig
from processors.incidents.incident import Incident, State
from processors.incidents.rows import incident_row, read_incidents, update_row
from processors.incidents.scene import Scene, Signal, span
from processors.sli.points import PointDeriver
from processors.slo.breach import Change, Standing, advance
from processors.slo.documents import load_objectives
from processors.slo.measure import Surveyor
from processors.slo.objectives import Objectives
from processors.slo.promise import Promise, PromiseKey, fingerprint
from processors.slo.rows import NEVER, breach_row, definition_rows, read_standings, status_row
from processors.slo.status import PromiseStatus, SliceCounts
from processors.slo.windows import Bounds

log = logging.getLogger("andon")

FEW = 8
STATUS_EVERY = timedelta(seconds=30)
PACE = timedelta(milliseconds=10)  # a promise: a hundred rows of status a second at most


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


class Told(NamedTuple):
    """What was last written of how a promise stands."""

    at: datetime
    state: str
    last_event_at: datetime


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
        self.points = PointDeriver(query, write)
        self._derives = any(indicator.signal == "metrics" for indicator in objectives.indicators)
        self._told: dict[PromiseKey, Told] = {}
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
        if self._derives:
            self.points.tick(now)
        incidents = read_incidents(self._query)
        statuses = self._statuses(now, incidents)
        self._write_slices()
        signals = self._settle(statuses, now)
        self._settle_incidents(signals, incidents, now)
        self._tell(signals, now)
        self._books.close_due(now)
        ended_s = time.monotonic()
        self.looked = Look(ended_s=ended_s, duration_s=ended_s - began_s, promises=len(signals))

    def _define(self, now: datetime) -> None:
        """Write down what is in force, once per life."""
        if not self._defined:
            definitions = {(one.kind, one.name): one for one in self._objectives.definitions}
            rows = definition_rows(definitions, self._query, now)
            self._write_together(DEFINITIONS.name, rows)
            self._defined = True

    def _write_together(self, table: str, rows: Sequence[tuple[str, Mapping[str, object]]]) -> None:
        """Write rows that each have a token: one by one, or at once if they are many, which the store takes as one."""
        if len(rows) <= FEW:
            for token, row in rows:
                self._write(table, [row], token=token)
        else:
            self._write(table, [row for _, row in rows], token=fingerprint([token for token, _ in rows]))

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
                said = [str(row[name]) for row in rows for name in columns]
                self._write(SLICE_STATES.name, rows, token=fingerprint([*promise.key, *said]))
        except AndonError:
            self._surveyor.forget()
            raise

    def _settle(self, statuses: Sequence[PromiseStatus], now: datetime) -> list[Signal]:
        """Bring the standing of every promise up to date."""
        standings = read_standings(self._query)
        signals: list[Signal] = []
        changes: list[Change] = []
        for status in statuses:
            standing, steps = advance(standings.get(status.promise.key, Standing()), status, now)
            signals.append(Signal(status=status, standing=standing))
            changes += steps
        known = self._written(changes) if len(changes) > FEW else frozenset()
        self._write_together(
            BREACHES.name, [(change.id, breach_row(change)) for change in changes if change.id not in known]
        )
        for change in changes:
            log.info("%s %s: %s, now %s", change.promise.kind, change.promise.name, change.event, change.state)
        return signals

    def _written(self, changes: Sequence[Change]) -> frozenset[str]:
        """Which of many changes another evaluator has written: together they have another token than one by one."""
        ids = ", ".join(quoted(change.id) for change in changes)
        rows = self._query(f"SELECT DISTINCT Id FROM {BREACHES.name} WHERE Id IN ({ids})")  # noqa: S608
        return frozenset(rows["Id"].to_pylist())

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
        pace = min(STATUS_EVERY, len(signals) * PACE)
        news = {
            signal.status.promise.key: status_row(signal.status, signal.standing)
            for signal in signals
            if self._is_due(self._told.get(signal.status.promise.key), signal, now, pace)
        }
        if news:
            self._write(SLO_STATUS.name, list(news.values()), token=fingerprint([now.isoformat(), *news]))
            self._told |= {key: Told(now, row["State"], row["LastEventAt"]) for key, row in news.items()}

    def _is_due(self, told: "Told | None", signal: Signal, now: datetime, pace: timedelta) -> bool:
        """Whether to say how a promise stands: at once if it changed, soon if something came, or now and then."""
        if told is None or told.state != signal.standing.state.published or now - told.at >= STATUS_EVERY:
            return True
        return now - told.at >= pace and told.last_event_at != (signal.status.last_event_at or NEVER)


def _to_ms(moment: datetime) -> datetime:
    """Cut to milliseconds, as the store keeps it: what is read back is what was written."""
    return moment.replace(microsecond=moment.microsecond // 1_000 * 1_000)
