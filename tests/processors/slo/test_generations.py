"""What starts figures anew, and what is a new line over the same ones."""

from pathlib import Path

import pytest

from processors.slo.documents import load_objectives
from processors.slo.objectives import Objectives

DOCUMENTS = """
apiVersion: openslo/v1
kind: Service
metadata: {name: shop}
---
apiVersion: openslo/v1
kind: SLI
metadata: {name: orders}
spec:
  ratioMetric:
    good: {metricSource: {type: andon, spec: {where: {outcome: success}}}}
    total: {metricSource: {type: andon, spec: {where: {kind: server}}}}
---
apiVersion: openslo/v1
kind: SLO
metadata: {name: minutes}
spec:
  service: shop
  indicatorRef: orders
  timeWindow: [{duration: 1M, calendar: {startTime: 2026-01-01 00:00:00, timeZone: Europe/Paris}}]
  budgetingMethod: Timeslices
  objectives: [{target: 0.99, timeSliceTarget: 0.95, timeSliceWindow: 5m}]
---
apiVersion: openslo/v1
kind: SLO
metadata: {name: journey}
spec:
  service: shop
  timeWindow: [{duration: 30d, isRolling: true}]
  budgetingMethod: Occurrences
  objectives:
    - {target: 0.9, indicatorRef: orders, compositeWeight: 2}
    - target: 0.8
      indicator:
        metadata: {name: receipts}
        spec:
          ratioMetric:
            good: {metricSource: {type: andon, spec: {where: {status: ok}}}}
            total: {metricSource: {type: andon, spec: {where: {name: receipt}}}}
---
apiVersion: andon/v1
kind: Agreement
metadata: {name: terms}
spec:
  service: shop
  period: month
  timeZone: Europe/Paris
  law: {type: downtime_minutes, errorRate: 0.1}
  objectives: [{indicatorRef: orders, target: 0.995}]
  exclusions: [nights, notes]
  serviceHours: office
---
apiVersion: andon/v1
kind: ServiceCalendar
metadata: {name: office}
spec: {timeZone: Europe/Paris, hours: {mon-fri: [08:00-18:00]}}
---
apiVersion: andon/v1
kind: Exclusion
metadata: {name: nights}
spec:
  category: maintenance
  reason: Updates
  author: operations
  effect: remove
  start: 2026-05-03 22:00
  duration: 4h
  rrule: FREQ=WEEKLY;BYDAY=SU
---
apiVersion: andon/v1
kind: Exclusion
metadata: {name: notes}
spec:
  category: other
  reason: Only noted
  author: operations
  effect: count
  windows: [{start: 2026-06-06 08:00, duration: 4h}]
---
apiVersion: andon/v1
kind: Exclusion
metadata: {name: not-named}
spec:
  category: other
  reason: No agreement names it
  author: operations
  effect: remove
  windows: [{start: 2026-06-06 08:00, duration: 4h}]
"""
# What stands in the documents, what stands there instead, and whose generation that changes.
NEW = {
    "what is good": ("outcome: success", "status: ok", {"minutes", "terms", "journey"}),
    "what is valid": ("{kind: server}", "{kind: client}", {"minutes", "terms", "journey"}),
    "a member's weight": ("compositeWeight: 2", "compositeWeight: 3", {"journey"}),
    "a member's target": ("target: 0.8", "target: 0.7", {"journey"}),
    "what a member counts": ("{name: receipt}", "{name: bill}", {"journey"}),
    "the window of a composite": ("duration: 30d", "duration: 28d", {"journey"}),
    "the zone of a window": ("timeZone: Europe/Paris}}]", "timeZone: UTC}}]", {"minutes"}),
    "the length of a window": ("duration: 1M", "duration: 1Q", {"minutes"}),
    "the start of a window": ("2026-01-01 00:00:00", "2026-01-02 00:00:00", {"minutes"}),
    "the method": (
        "Timeslices\n  objectives: [{target: 0.99, timeSliceTarget: 0.95",
        "RatioTimeslices\n  objectives: [{target: 0.99",
        {"minutes"},
    ),
    "the target of a slice": ("timeSliceTarget: 0.95", "timeSliceTarget: 0.9", {"minutes"}),
    "the length of a slice": ("timeSliceWindow: 5m", "timeSliceWindow: 1m", {"minutes"}),
    "the law": ("{type: downtime_minutes, errorRate: 0.1}", "mean_interval_availability", {"terms"}),
    "a parameter of the law": ("errorRate: 0.1", "errorRate: 0.05", {"terms"}),
    "whether a rate is reached or passed": ("errorRate: 0.1", "errorRateFrom: 0.1", {"terms"}),
    "the period": ("period: month", "period: {billingDay: 15}", {"terms"}),
    "the zone of the period": ("timeZone: Europe/Paris\n  law", "timeZone: UTC\n  law", {"terms"}),
    "service hours": ("08:00-18:00", "08:00-20:00", {"terms"}),
    "days of service": ("mon-fri", "mon-sat", {"terms"}),
    "the zone of service hours": ("{timeZone: Europe/Paris, hours", "{timeZone: UTC, hours", {"terms"}),
    "holidays": ("hours: {mon", "holidays: {country: FR}, hours: {mon", {"terms"}),
    "no service hours": ("  serviceHours: office\n", "", {"terms"}),
    "the time of an exclusion": ("2026-05-03 22:00", "2026-05-03 23:00", {"terms"}),
    "the length of an exclusion": ("duration: 4h\n  rrule", "duration: 5h\n  rrule", {"terms"}),
    "the recurrence of an exclusion": ("BYDAY=SU", "BYDAY=SA", {"terms"}),
    "the effect of an exclusion": ("effect: remove\n  start", "effect: count_good\n  start", {"terms"}),
    "an exclusion less": ("[nights, notes]", "[notes]", {"terms"}),
    "an exclusion more": ("[nights, notes]", "[nights, notes, not-named]", {"terms"}),
}
SAME = {
    "a weight that is said anyway": ("    - target: 0.8", "    - compositeWeight: 1\n      target: 0.8"),
    "the target of an SLO": ("target: 0.99,", "target: 0.999,"),
    "the target of an agreement": ("target: 0.995", "target: 0.99"),
    "words for people": ("name: minutes}", "name: minutes, displayName: Minutes}"),
    "labels": ("name: terms}", "name: terms, labels: {a: b}}"),
    "a description": ("spec: {timeZone", "spec: {description: Office hours, timeZone"),
    "who excluded, and why": ("reason: Updates", "reason: Other updates"),
    "the same in other units": ("duration: 4h\n  rrule", "duration: 240m\n  rrule"),
    "the same slice as a number": ("timeSliceWindow: 5m", "timeSliceWindow: 5"),
    "the same law in its short form": ("errorRate: 0.1}", "errorRate: 0.1, slice: 1m, emptySlices: good}"),
    "the order of exclusions": ("[nights, notes]", "[notes, nights]"),
    "an exclusion that is only noted": ("[nights, notes]", "[nights]"),
    "an exclusion that nobody names": ("No agreement names it", "Nobody names it"),
    "alerts": (
        "---\napiVersion: andon/v1\nkind: Agreement",
        "  alertPolicies:\n---\napiVersion: andon/v1\nkind: Agreement",
    ),
}


def objectives(folder: Path, text: str) -> Objectives:
    (folder / "all.yaml").write_text(text)
    return load_objectives(folder)


def generations(folder: Path, text: str) -> dict[str, str]:
    return {promise.name: promise.generation for promise in objectives(folder, text).promises}


@pytest.mark.parametrize("what", NEW)
def test_what_changes_the_numbers_starts_a_new_generation(tmp_path: Path, what: str) -> None:
    """Of the promises it touches, and of no other."""
    old, new, touched = NEW[what]
    assert DOCUMENTS.count(old) >= 1
    before, after = generations(tmp_path, DOCUMENTS), generations(tmp_path, DOCUMENTS.replace(old, new, 1))
    assert {name for name in before if before[name] != after[name]} == touched


@pytest.mark.parametrize("what", SAME)
def test_what_does_not_change_the_numbers_keeps_the_generation(tmp_path: Path, what: str) -> None:
    """A new line over the same figures."""
    old, new = SAME[what]
    assert DOCUMENTS.count(old) >= 1
    assert generations(tmp_path, DOCUMENTS.replace(old, new, 1)) == generations(tmp_path, DOCUMENTS)


def test_generations_do_not_change_from_one_release_to_the_next(tmp_path: Path) -> None:
    """Figures that were stored under a name are found under it again."""
    shop = load_objectives(Path(__file__).parents[3] / "sdk-examples" / "python-shop" / "slo")
    names = {("SLI", one.name): one.generation for one in shop.indicators}
    names |= {(one.kind.value, one.name): one.generation for one in shop.promises}
    assert names["SLI", "checkout-availability"] == "5c2962c497c6"
    assert names["SLO", "checkout-availability"] == "892664693444"
    assert names["SLO", "payments-latency"] == "1e8984a08eea"
    assert names["Agreement", "checkout-agreement"] == "4f099f9c9033"


def test_an_agreement_finds_its_calendar_and_exclusions(tmp_path: Path) -> None:
    """In the order in which it names them; an SLO has neither."""
    found = objectives(tmp_path, DOCUMENTS)
    slo, _, agreed = found.promises
    terms = found.agreement_of(agreed)
    assert terms is not None
    assert (terms.name, agreed.document) == ("terms", "terms")
    assert found.agreement_of(slo) is None
    assert [one.name for one in found.exclusions_of(terms)] == ["nights", "notes"]
    hours = found.calendar_of(terms)
    assert hours is not None
    assert hours.name == "office"
    assert agreed.counting == terms.spec.counting
