"""Agreements as users write them."""

from datetime import UTC, datetime
from fractions import Fraction
from pathlib import Path

import pytest

from fixtures.documents import around
from fixtures.promises import NOW
from pipeline.errors import ConfigError
from processors.sla.documents import Reaction
from processors.slo.documents import load_objectives
from processors.slo.law import Counting, Empty, Law
from processors.slo.promise import Kind

DOCUMENTS = (
    around("checkout-good")
    + """---
apiVersion: andon/v1
kind: Agreement
metadata: {name: terms}
spec:
  service: checkout
  period: month
  timeZone: Europe/Paris
  law: request_ratio
  objectives: [{indicatorRef: checkout-good, target: 0.995}]
"""
)

DOWNTIME = """
    type: downtime_minutes
    errorRateFrom: 0.1
    slice: 5m
    minimumRequests: 100
    minimumConsecutive: 2
    emptySlices: bad
"""


def write(folder: Path, old: str = "", new: str = "") -> Path:
    (folder / "all.yaml").write_text(DOCUMENTS.replace(old, new) if old else DOCUMENTS)
    return folder


def test_an_agreement_is_a_promise_by_calendar_month_in_its_zone(tmp_path: Path) -> None:
    """November in Paris begins an hour before November in London."""
    (promise,) = load_objectives(write(tmp_path)).promises
    assert (promise.kind, promise.name, promise.law) == (Kind.AGREEMENT, "terms", Law.REQUEST_RATIO)
    assert promise.target == Fraction(199, 200)
    assert promise.window.bounds(NOW) == (
        datetime(2026, 10, 31, 23, tzinfo=UTC),
        datetime(2026, 11, 30, 23, tzinfo=UTC),
    )


def test_the_zone_is_utc_unless_another_is_named(tmp_path: Path) -> None:
    """A default that everybody can look up."""
    (promise,) = load_objectives(write(tmp_path, "  timeZone: Europe/Paris\n", "")).promises
    assert promise.window.bounds(NOW)[0] == datetime(2026, 11, 1, tzinfo=UTC)


def test_another_zone_is_another_generation(tmp_path: Path) -> None:
    """Its months hold other requests."""
    paris = load_objectives(write(tmp_path)).promises[0].generation
    assert load_objectives(write(tmp_path, "Europe/Paris", "UTC")).promises[0].generation != paris


@pytest.mark.parametrize(
    ("old", "new", "path", "words"),
    [
        ("service: checkout", "service: chekout", "spec.service", "the name of a Service"),
        ("indicatorRef: checkout-good", "indicatorRef: x", "spec.objectives[0].indicatorRef", "the name of an SLI"),
        ("Europe/Paris", "Europe/Atlantis", "spec.timeZone", "an IANA time zone"),
        ("month", "year", "spec.period", "'month'"),
        ("request_ratio", "downtime", "spec.law", "'request_ratio'"),
        ("law: request_ratio", "law: downtime_minutes", "spec.law", "either errorRate"),
        ("0.995", "1", "spec.objectives[0].target", "a target below 1"),
        ("law: request_ratio", "law: {type: request_ratio, slice: 1m}", "spec.law", "no slice: request_ratio knows no"),
        (
            "law: request_ratio",
            "law: {type: mean_interval_availability, errorRate: 0.1}",
            "spec.law",
            "no errorRate: mean_interval_availability knows emptySlices",
        ),
        (
            "law: request_ratio",
            "law: {type: downtime_minutes, errorRate: 0.1, errorRateFrom: 0.1}",
            "spec.law",
            "either errorRate",
        ),
        ("law: request_ratio", "law: {type: downtime_minutes, errorRate: 1}", "spec.law", "every slice is the same"),
        ("law: request_ratio", "law: {type: downtime_minutes, errorRate: 5}", "spec.law.errorRate", "a share from 0"),
        (
            "law: request_ratio",
            "law: {type: downtime_minutes, errorRate: 0.1, slice: 2m}",
            "spec.law.slice",
            "'1m' or '5m'",
        ),
        ("period: month", "period: {every: 30d}", "spec.period", "every together with from"),
        ("period: month", "period: {every: 1M, from: 2026-01-01}", "spec.period", "every so many days or weeks"),
        ("period: month", "period: {billingDay: 32}", "spec.period.billingDay", "31"),
        ("period: month", "period: 30d", "spec.period", "{billingDay: 15}"),
        (
            "[{indicatorRef: checkout-good, target: 0.995}]",
            "[{indicatorRef: checkout-good}]",
            "spec.objectives[0]",
            "an indicatorRef and a target",
        ),
        (
            "[{indicatorRef: checkout-good, target: 0.995}]",
            "[{type: response, indicatorRef: checkout-good, within: 15m}]",
            "spec.objectives[0]",
            "no indicatorRef, for response",
        ),
        (
            "[{indicatorRef: checkout-good, target: 0.995}]",
            "[{type: response, within: 15m, target: 1.5}]",
            "spec.objectives[0]",
            "a share of the incidents",
        ),
        (
            "  law: request_ratio",
            "  law: request_ratio\n  credits: {tiers: [{below: 0.999, credit: 0.1}]}",
            "spec",
            "at most the lowest target, 0.995",
        ),
        (
            "[{indicatorRef: checkout-good, target: 0.995}]",
            "[{indicatorRef: checkout-good, target: 0.9}, {indicatorRef: checkout-good, target: 0.8}]",
            "spec.objectives[1].indicatorRef",
            "each indicator once",
        ),
    ],
)
def test_agreements_that_cannot_work_are_refused(tmp_path: Path, old: str, new: str, path: str, words: str) -> None:
    """Each with its place."""
    with pytest.raises(ConfigError) as caught:
        load_objectives(write(tmp_path, old, new))
    (problem,) = caught.value.problems
    assert problem.path == path
    assert words in problem.expected


@pytest.mark.parametrize(
    ("law", "expected"),
    [
        ("request_ratio", Counting(law=Law.REQUEST_RATIO)),
        (
            "mean_interval_availability",
            Counting(law=Law.MEAN_INTERVAL, slice_s=300, slice_target=Fraction(1), empty=Empty.GOOD),
        ),
        (
            "{type: downtime_minutes, errorRate: 0.05}",
            Counting(law=Law.DOWNTIME_MINUTES, slice_target=Fraction(19, 20), empty=Empty.GOOD),
        ),
        (
            DOWNTIME,
            Counting(
                law=Law.DOWNTIME_MINUTES,
                slice_s=300,
                slice_target=Fraction(9, 10),
                exclusive=True,
                minimum_valid=100,
                minimum_consecutive=2,
                empty=Empty.BAD,
            ),
        ),
    ],
)
def test_a_law_is_counted_with_its_parameters(tmp_path: Path, law: str, expected: Counting) -> None:
    """A share that makes a slice bad is exclusive or inclusive, as the contract has it."""
    (promise,) = load_objectives(write(tmp_path, "law: request_ratio", f"law: {law}")).promises
    assert promise.counting == expected


def test_promises_about_incidents_stand_beside_those_by_indicators(tmp_path: Path) -> None:
    """Only the latter are evaluated by the minute."""
    old = "[{indicatorRef: checkout-good"
    new = f"[{{type: time_to_restore, within: 4h, of: [critical], target: 0.95}}, {old[1:]}"
    objectives = load_objectives(write(tmp_path, old, new))
    assert [promise.name for promise in objectives.promises] == ["terms"]
    assert objectives.agreements[0].spec.reactions == (
        Reaction("time_to_restore", 4 * 3_600 * 10**9, ("critical",), Fraction(19, 20)),
    )


@pytest.mark.parametrize(
    ("period", "name"), [("{billingDay: 15}", "2026-11-15"), ("{every: 30d, from: 2026-11-01}", "2026-11-01")]
)
def test_periods_other_than_months_are_called_by_the_day_they_begin(tmp_path: Path, period: str, name: str) -> None:
    """In the zone of the agreement."""
    (promise,) = load_objectives(write(tmp_path, "period: month", f"period: {period}")).promises
    bounds = promise.window.bounds(datetime(2026, 11, 22, tzinfo=UTC))
    assert promise.window.name(bounds.start) == name
