"""Incidents as rows of `incidents` and `incident_updates`, and how they are read back."""

from collections.abc import Mapping
from typing import Any

from pipeline.component import Query
from processors.incidents.incident import Impact, Incident, State, Update
from processors.slo.budget import Counts
from processors.slo.rows import from_ms

AUTHOR = "andon"
INCIDENTS_SQL = """
    SELECT * EXCEPT (At, StartedAt, DetectedAt, ResolvedAt),
        toUnixTimestamp64Milli(At) AS at_ms,
        toUnixTimestamp64Milli(StartedAt) AS started_ms,
        toUnixTimestamp64Milli(DetectedAt) AS detected_ms,
        toUnixTimestamp64Milli(ResolvedAt) AS resolved_ms
    FROM (SELECT * FROM incidents ORDER BY Revision DESC LIMIT 1 BY Id)
    ORDER BY State != 'resolved' DESC, StartedAt DESC LIMIT 1 BY Service"""


def read_incidents(query: Query) -> dict[str, Incident]:
    """The incident of each service that is not over, or else its newest one."""
    return {row["Service"]: _incident(row) for row in query(INCIDENTS_SQL).to_pylist()}


def _incident(row: Mapping[str, Any]) -> Incident:
    return Incident(
        id=row["Id"],
        revision=row["Revision"],
        at=from_ms(row["at_ms"]),
        state=State(row["State"]),
        service=row["Service"],
        title=row["Title"],
        impact=Impact(row["Impact"]),
        started_at=from_ms(row["started_ms"]),
        detected_at=from_ms(row["detected_ms"]),
        resolved_at=None if row["resolved_ms"] is None else from_ms(row["resolved_ms"]),
        promises=tuple(row["Promises"]),
        counts=Counts(row["Good"], row["Valid"]),
    )


def incident_row(incident: Incident) -> dict[str, Any]:
    """A revision as a row of `incidents`."""
    return {
        "Id": incident.id,
        "Revision": incident.revision,
        "At": incident.at,
        "State": incident.state,
        "Service": incident.service,
        "Title": incident.title,
        "Impact": incident.impact,
        "StartedAt": incident.started_at,
        "DetectedAt": incident.detected_at,
        "ResolvedAt": incident.resolved_at,
        "Promises": list(incident.promises),
        "Good": round(incident.counts.good),
        "Valid": round(incident.counts.valid),
    }


def update_row(update: Update) -> dict[str, Any]:
    """What was told as a row of `incident_updates`."""
    return {
        "Id": update.id,
        "IncidentId": update.incident_id,
        "At": update.at,
        "Status": update.status,
        "Body": update.body,
        "Automatic": True,
        "Author": AUTHOR,
    }
