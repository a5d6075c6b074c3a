"""The machine-readable page, in the exact shape of Statuspage's public API v2, so that existing clients just work.

In: a snapshot and now. Out: plain values for JSON; lists are `[]`, never null. What Statuspage has no word for stands
under one more key, `x_sla`: our own state, and each promise with its counts. There are no planned maintenances yet, so
their lists are empty.

Source: https://metastatuspage.com/api, and what its readers insist on: keys that are always there, and known words.
"""

import hashlib
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from fractions import Fraction
from functools import cached_property
from typing import Any

from statuspage import words
from statuspage.sentences import headline, indicator
from statuspage.snapshot import Component, Incident, Promise, Snapshot, Update
from statuspage.states import Condition
from statuspage.view import conditions_of, known_at

MAX_INCIDENTS = 50
Json = dict[str, Any]


@dataclass(frozen=True, kw_only=True)  # without slots: cached_property needs a __dict__
class Api:
    """The documents of one moment, for one page."""

    snapshot: Snapshot
    now: datetime
    name: str
    url: str

    def documents(self) -> Mapping[str, Json]:
        """Every document by its path under `/api/v2/`."""
        page = {"page": self._page()}
        components = {"components": [self._component(place) for place in range(len(self.snapshot.components))]}
        incidents = [self._incident(one) for one in self.snapshot.incidents[:MAX_INCIDENTS]]
        unresolved = {"incidents": [self._incident(one) for one in self.snapshot.open_incidents]}
        none_planned: Json = {"scheduled_maintenances": []}
        status = {"status": self._status()}
        return {
            "summary.json": page | components | unresolved | none_planned | status | {"x_sla": self._extra()},
            "status.json": page | status,
            "components.json": page | components,
            "incidents.json": page | {"incidents": incidents},
            "incidents/unresolved.json": page | unresolved,
            "scheduled-maintenances.json": page | none_planned,
            "scheduled-maintenances/upcoming.json": page | none_planned,
            "scheduled-maintenances/active.json": page | none_planned,
        }

    @cached_property
    def _conditions(self) -> Mapping[str, Condition]:
        return conditions_of(self.snapshot, self.now)

    @property
    def _page_id(self) -> str:
        return opaque_id("page", self.name)

    def _page(self) -> Json:
        return {
            "id": self._page_id,
            "name": self.name,
            "url": self.url,
            "time_zone": "Etc/UTC",
            "updated_at": stamp(known_at(self.snapshot)),
        }

    def _status(self) -> Json:
        level, description = indicator(self.snapshot.components, self._conditions)
        return {"indicator": level, "description": description}

    def _extra(self) -> Json:
        return {
            "headline": headline(self.snapshot.components, self._conditions),
            "known_at": stamp(known_at(self.snapshot)),
        }

    def _component(self, place: int) -> Json:
        component = self.snapshot.components[place]
        condition = self._conditions[component.name]
        return {
            "id": opaque_id("component", component.name),
            "name": component.title,
            "status": condition.api,
            "created_at": stamp(component.since),
            "updated_at": stamp(component.updated_at),
            "position": place + 1,
            "description": component.description or None,
            "showcase": True,
            "start_date": component.since.astimezone(UTC).date().isoformat(),
            "group_id": None,
            "page_id": self._page_id,
            "group": False,
            "only_show_if_degraded": False,
            "x_sla": {
                "name": component.name,
                "state": condition.state,
                "word": condition.word,
                "promises": [promise_document(one) for one in component.promises],
            },
        }

    def _incident(self, incident: Incident) -> Json:
        component = next((one for one in self.snapshot.components if one.name == incident.component), None)
        return {
            "id": incident.id,
            "name": incident.title,
            "status": incident.state,
            "created_at": stamp(incident.detected_at),
            "updated_at": stamp(incident.updated_at),
            "monitoring_at": _monitoring_at(incident),
            "resolved_at": stamp(incident.resolved_at) if incident.resolved_at else None,
            "impact": incident.impact,
            "shortlink": f"{self.url}/incidents/{incident.id}",
            "started_at": stamp(incident.started_at),
            "page_id": self._page_id,
            "incident_updates": [self._update(one, incident, component) for one in incident.updates],
            "components": [self._component(self.snapshot.components.index(component))] if component else [],
            "x_sla": {
                "good": incident.good,
                "valid": incident.valid,
                "bad_until": stamp(incident.bad_until) if incident.bad_until else None,
                "promises": list(incident.promises),
            },
        }

    def _update(self, update: Update, incident: Incident, component: Component | None) -> Json:
        return {
            "id": update.id,
            "status": update.status,
            "body": update.body,
            "incident_id": incident.id,
            "created_at": stamp(update.at),
            "updated_at": stamp(update.at),
            "display_at": stamp(update.at),
            "affected_components": [affected(component, update, incident)] if component else None,
            "deliver_notifications": False,
            "custom_tweet": None,
            "tweet_id": None,
            "x_sla": {"automatic": update.automatic},
        }


def promise_document(promise: Promise) -> Json:
    """One promise with everything needed to count it again."""
    share = Fraction(promise.good, promise.valid) if promise.valid else None
    return {
        "name": promise.name,
        "title": promise.title,
        "kind": promise.kind,
        "target": str(promise.target.normalize()),
        "good": promise.good,
        "valid": promise.valid,
        "percent": words.percent(share, words.decimals_for(promise.target)).replace(words.SPACE, " ")
        if share is not None
        else None,
        "window": {
            "name": promise.window,
            "start": stamp(promise.window_start),
            "end": stamp(promise.window_end),
        },
        "budget_remaining": promise.budget_left,
        "coverage": promise.coverage,
        "indicator": promise.indicator,
        "generation": promise.generation,
        "law": promise.law,
    }


def affected(component: Component, update: Update, incident: Incident) -> Json:
    """What an update says of its component: hurt as the incident is, operational again once resolved."""
    hurt = {"critical": "major_outage", "major": "partial_outage"}.get(incident.impact, "degraded_performance")
    first = incident.updates and update is incident.updates[-1]
    over = update.status in ("resolved", "postmortem")
    return {
        "code": opaque_id("component", component.name),
        "name": component.title,
        "old_status": "operational" if first else hurt,
        "new_status": "operational" if over else hurt,
    }


def _monitoring_at(incident: Incident) -> str | None:
    return next((stamp(one.at) for one in incident.updates if one.status == "monitoring"), None)


def opaque_id(kind: str, name: str) -> str:
    """Twelve characters that always stand for the same thing."""
    return hashlib.sha256(f"{kind}\0{name}".encode()).hexdigest()[:12]


def stamp(moment: datetime) -> str:
    """`2026-11-22T14:02:07.000Z`."""
    return moment.astimezone(UTC).isoformat(timespec="milliseconds").replace("+00:00", "Z")
