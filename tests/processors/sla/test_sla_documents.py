"""Agreements as users write them."""

from datetime import UTC, datetime
from fractions import Fraction
from pathlib import Path

import pytest

from fixtures.promises import NOW
from pipeline.errors import ConfigError
from processors.slo.documents import load_objectives
from processors.slo.law import Law
from processors.slo.promise import Kind

DOCUMENTS = """
apiVersion: openslo/v1
kind: Service
metadata: {name: checkout}
---
apiVersion: openslo/v1
kind: SLI
metadata: {name: checkout-good}
spec:
  ratioMetric:
    good: {metricSource: {type: andon, spec: {where: {outcome: success}}}}
    total: {metricSource: {type: andon, spec: {where: {kind: server}}}}
---
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
