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
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from fractions import Fraction
from typing import Any

from exporters.clickhouse.tables import BREACHES, DEFINITIONS, INCIDENT_UPDATES, INCIDENTS, SLO_STATUS
from pipeline.assembly import Assembly
from pipeline.background import Background
from pipeline.clock import Clock, SystemClock, to_datetime
from pipeline.component import Query, Write
from pipeline.errors import RetryableError
from processors.incidents.advance import advance as advance_incident
from processors.incidents.config import EvaluateConfig
from processors.incidents.incident import Incident, State
from processors.incidents.rows import incident_row, read_incidents, update_row
from processors.incidents.scene import Scene, Signal, span
from processors.slo.breach import Standing, advance
from processors.slo.burn import Measured, PairStatus
from processors.slo.documents import load_objectives
from processors.slo.objectives import Objectives
from processors.slo.promise import IndicatorKey, Promise, PromiseKey
from processors.slo.rows import breach_row, definition_rows, read_standings, status_row
from processors.slo.status import NOTHING, PromiseStatus, SliceCounts, needed
from processors.slo.sums import IndicatorSums, read_coverage, read_slices, read_sums
from processors.slo.windows import Bounds, last

log = logging.getLogger("andon")

COVERAGE_EVERY = timedelta(seconds=30)
STATUS_EVERY = timedelta(seconds=30)
MOVING_COLUMNS = frozenset({"At", "WindowStart", "WindowEnd", "Coverage"})
LIVE, LASTED = "live", "lasted"  # names of windows, beside those of alerts and "" for the promise's own
UNHEARD = IndicatorSums()
Slices = Mapping[IndicatorKey, tuple[SliceCounts, ...]]


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
        self._coverage: tuple[datetime, dict[PromiseKey, Fraction]] | None = None
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
        signals = [self._settle(status, standings.get(status.promise.key, Standing()), now) for status in statuses]
        self._settle_incidents(signals, incidents, now)
        self._tell(signals, now)
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
        promises = self._objectives.promises
        keys = list(dict.fromkeys(promise.indicator for promise in promises))
        slices = read_slices(self._query, keys, self._settings.live_s, now)
        windows = {promise.key: self._windows(promise, now, incidents, slices) for promise in promises}
        wanted: dict[IndicatorKey, set[Bounds]] = {}
        for promise in promises:
            wanted.setdefault(promise.indicator, set()).update(windows[promise.key].values())
        sums = read_sums(self._query, wanted, now)
        return [
            status_of(
                promise,
                now,
                windows[promise.key],
                sums.get(promise.indicator, UNHEARD),
                slices.get(promise.indicator, ()),
            )
            for promise in promises
        ]

    def _windows(
        self, promise: Promise, now: datetime, incidents: Mapping[str, Incident], slices: Slices
    ) -> dict[str, Bounds]:
        """The windows that a promise's status is made of, by name."""
        windows = needed(promise, now) | {LIVE: last(self._settings.live_s, now)}
        incident = incidents.get(promise.service)
        if incident and incident.state is not State.RESOLVED:
            windows[LASTED] = span(incident, slices.get(promise.indicator, ()), promise.target, now)
        return windows

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
        coverage = self._coverages(signals, now)
        rows = {
            signal.status.promise.key: status_row(
                signal.status, signal.standing, coverage.get(signal.status.promise.key, Fraction(0))
            )
            for signal in signals
        }
        news = {key: row for key, row in rows.items() if self._is_news(self._told.get(key), row)}
        if news:
            self._write(SLO_STATUS.name, list(news.values()), token=f"{now.isoformat()} {' '.join(map(str, news))}")
            self._told |= news

    def _is_news(self, told: Mapping[str, Any] | None, row: Mapping[str, Any]) -> bool:
        if told is None or row["At"] - told["At"] >= STATUS_EVERY:
            return True
        return any(row[column] != told[column] for column in row if column not in MOVING_COLUMNS)

    def _coverages(self, signals: Iterable[Signal], now: datetime) -> dict[PromiseKey, Fraction]:
        """How much of each promise's window was measured; it moves slowly, so it is read now and then."""
        if self._coverage is None or now - self._coverage[0] >= COVERAGE_EVERY:
            windows = {signal.status.promise.key: signal.status.window.bounds for signal in signals}
            shares = read_coverage(self._query, set(windows.values()), now)
            self._coverage = now, {key: shares[bounds] for key, bounds in windows.items()}
        return self._coverage[1]


def status_of(
    promise: Promise,
    now: datetime,
    windows: Mapping[str, Bounds],
    sums: IndicatorSums,
    slices: tuple[SliceCounts, ...],
) -> PromiseStatus:
    """A promise's status from what was counted."""
    measured = {
        name: Measured(name=name, bounds=bounds, counts=sums.windows.get(bounds, NOTHING))
        for name, bounds in windows.items()
    }
    own = measured[""]
    return PromiseStatus(
        promise=promise,
        at=now,
        window=replace(own, name=promise.window.name(own.start)),
        pairs=tuple(
            PairStatus(
                pair=pair,
                target=promise.target,
                minimum_bad=promise.burn.minimum_bad,
                long=measured[str(pair.long)],
                short=measured[str(pair.short)],
            )
            for pair in promise.burn.pairs
        ),
        live=measured[LIVE],
        slices=slices,
        lasted=measured[LASTED].counts if LASTED in measured else NOTHING,
        trace_ids=sums.trace_ids,
        last_event_at=min(sums.newest_end, now) if sums.newest_end else None,
    )


def _to_ms(moment: datetime) -> datetime:
    """Cut to milliseconds, as the store keeps it: what is read back is what was written."""
    return moment.replace(microsecond=moment.microsecond // 1_000 * 1_000)
