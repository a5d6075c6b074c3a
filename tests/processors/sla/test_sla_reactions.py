"""How soon people answer and restore, as an agreement promises it."""

from datetime import UTC, datetime, timedelta
from fractions import Fraction

import pytest

from processors.incidents.incident import IMPACTS
from processors.sla.documents import ObjectiveField, Reaction
from processors.sla.reactions import IncidentFacts, reacted
from processors.slo.windows import month

START = datetime(2026, 10, 5, 10, tzinfo=UTC)
OCTOBER = month("UTC").bounds(START)
RESTORE = Reaction("time_to_restore", 4 * 3_600 * 10**9, ("critical",), Fraction(9, 10))
RESPONSE = Reaction("response", 15 * 60 * 10**9, (), Fraction(1))


def incident(
    name: str, impact: str = "critical", answered_m: int | None = 5, resolved_m: int | None = 60
) -> IncidentFacts:
    after = [None if minutes is None else START + timedelta(minutes=minutes) for minutes in (answered_m, resolved_m)]
    return IncidentFacts(id=name, impact=impact, started=START, answered=after[0], resolved=after[1])


def test_incidents_in_time_and_late_are_told_by_name() -> None:
    """Exactly four hours is in time, a minute more is late; minor ones are not promised anything."""
    incidents = [incident("a", resolved_m=240), incident("b", resolved_m=241), incident("c", "minor", resolved_m=999)]
    found = reacted(RESTORE, incidents, OCTOBER, START + timedelta(days=1))
    assert (found.in_time, found.late, found.pending) == (("a",), ("b",), ())
    assert (found.ratio, found.keeps(RESTORE)) == (Fraction(1, 2), False)


@pytest.mark.parametrize(("minutes", "outcome"), [(14, "pending"), (15, "pending"), (16, "late")])
def test_an_incident_without_an_answer_is_late_as_soon_as_its_time_is_up(minutes: int, outcome: str) -> None:
    """Until then it counts neither way."""
    found = reacted(RESPONSE, [incident("a", answered_m=None)], OCTOBER, START + timedelta(minutes=minutes))
    assert [name for name in ("in_time", "late", "pending") if getattr(found, name)] == [outcome]


def test_no_incident_keeps_nothing_and_breaks_nothing() -> None:
    """Those of another month are not this month's."""
    november = month("UTC").bounds(START + timedelta(days=31))
    found = reacted(RESPONSE, [incident("a")], november, START + timedelta(days=40))
    assert (found.ratio, found.keeps(RESPONSE)) == (None, None)


def test_impacts_are_those_of_incidents() -> None:
    """An agreement names them with the same words."""
    assert ObjectiveField(type="response", within="15m", of=list(IMPACTS)).of == list(IMPACTS)  # type: ignore[arg-type]
