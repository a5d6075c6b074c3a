"""Objectives as users write them: what is read, and what is refused with which words."""

from collections.abc import Callable
from datetime import UTC, datetime
from fractions import Fraction
from pathlib import Path

import pytest

from fixtures.promises import NOW
from pipeline.errors import ConfigError, Problem
from processors.slo.documents import load_objectives
from processors.slo.law import Law
from processors.slo.objectives import Objectives
from processors.slo.promise import Kind
from processors.slo.windows import Length, Rolling

SERVICE = """
apiVersion: openslo/v1
kind: Service
metadata: {name: checkout, displayName: Checkout}
spec: {description: Baskets and payment.}
"""
SLI = """
apiVersion: openslo/v1
kind: SLI
metadata: {name: checkout-good}
spec:
  ratioMetric:
    counter: true
    good: {metricSource: {type: andon, spec: {where: {outcome: success}}}}
    total: {metricSource: {type: andon, spec: {where: {kind: server, resource.service.name: checkout}}}}
"""
SLO = """
apiVersion: openslo/v1
kind: SLO
metadata: {name: checkout-works}
spec:
  service: checkout
  indicatorRef: checkout-good
  timeWindow: [{duration: 30d, isRolling: true}]
  budgetingMethod: Occurrences
  objectives: [{target: 0.999}]
"""
POLICY = """
apiVersion: andon/v1
kind: BurnPolicy
metadata: {name: fast}
spec:
  sloRefs: [checkout-works]
  minimumBad: 3
  pairs: [{long: 1h, short: 5m, threshold: 14.4}]
"""
Load = Callable[..., Objectives]


@pytest.fixture
def read(tmp_path: Path) -> Load:
    """Loads documents, each from a file of its own, in this order."""

    def read_all(*documents: str) -> Objectives:
        for number, document in enumerate(documents):
            (tmp_path / f"{number}.yaml").write_text(document.lstrip())
        return load_objectives(tmp_path)

    return read_all


def refused(read: Load, *documents: str) -> list[Problem]:
    with pytest.raises(ConfigError) as caught:
        read(*documents)
    return list(caught.value.problems)


def only(problems: list[Problem]) -> Problem:
    assert len(problems) == 1, "\n".join(map(str, problems))
    return problems[0]


def test_a_folder_that_kubernetes_mounted_is_read_once(tmp_path: Path) -> None:
    """It shows each file twice: as a link, and in a hidden folder that is exchanged as a whole."""
    version = tmp_path / "..2026_11_25_08_00_00.1"
    version.mkdir()
    (version / "all.yaml").write_text(f"{SERVICE}---{SLI}---{SLO}")
    (tmp_path / "..data").symlink_to(version.name)
    (tmp_path / "all.yaml").symlink_to("..data/all.yaml")
    assert len(load_objectives(tmp_path).promises) == 1


def test_a_promise_is_read_exactly(read: Load) -> None:
    """0.999 is 999/1000, the alerts are the usual ones."""
    objectives = read(SERVICE, SLI, SLO)
    (promise,) = objectives.promises
    assert (promise.kind, promise.name, promise.service) == (Kind.SLO, "checkout-works", "checkout")
    assert promise.target == Fraction(999, 1_000)
    assert promise.window == Rolling(Length(30, "d"))
    assert promise.law is Law.OCCURRENCES
    assert [pair.threshold for pair in promise.burn.pairs] == [Fraction("14.4"), 6, 3, 1]
    assert promise.indicator == (objectives.indicators[0].name, objectives.indicators[0].generation)
    assert [(one.kind, one.name) for one in objectives.definitions] == [
        ("Service", "checkout"),
        ("SLI", "checkout-good"),
        ("SLO", "checkout-works"),
    ]
    assert objectives.warnings == ()


def test_several_documents_of_a_file_and_of_folders_below_are_one(tmp_path: Path) -> None:
    """Where a document stands says nothing."""
    (tmp_path / "deep").mkdir()
    (tmp_path / "deep" / "a.yml").write_text(f"{SLI}---{SERVICE}")
    (tmp_path / "b.yaml").write_text(SLO)
    (tmp_path / "notes.txt").write_text("no objective")
    assert len(load_objectives(tmp_path).promises) == 1


def test_a_folder_without_objectives_is_refused(tmp_path: Path) -> None:
    """Most likely it is the wrong folder."""
    with pytest.raises(ConfigError, match="expected a folder with objectives"):
        load_objectives(tmp_path / "nowhere")


def test_targets_in_per_cent_are_the_same_targets(read: Load) -> None:
    """99.9 % is 0.999."""
    (promise,) = read(SERVICE, SLI, SLO.replace("target: 0.999", "targetPercent: 99.9")).promises
    assert promise.target == Fraction(999, 1_000)


def test_an_indicator_inside_an_slo_is_one_like_others(read: Load) -> None:
    """It can be counted, referred to, and looked up."""
    inline = """  indicator:
    metadata: {name: inline}
    spec:
      ratioMetric:
        bad: {metricSource: {type: andon, spec: {where: {duration: {gt: 1s}}}}}
        total: {metricSource: {type: andon, spec: {where: {kind: server}, groupBy: span.http.route}}}
"""
    objectives = read(SERVICE, SLO.replace("  indicatorRef: checkout-good\n", inline))
    (promise,), (indicator,) = objectives.promises, objectives.indicators
    assert promise.slow
    assert promise.indicator == (indicator.name, indicator.generation)
    assert indicator.group_by == "span.http.route"
    assert ("SLI", "inline") in [(one.kind, one.name) for one in objectives.definitions]


def test_several_objectives_are_several_promises(read: Load) -> None:
    """Same figures, two lines to hold them against."""
    objectives = read(SERVICE, SLI, SLO.replace("[{target: 0.999}]", "[{target: 0.99}, {target: 0.9}]"))
    assert [promise.name for promise in objectives.promises] == ["checkout-works/1", "checkout-works/2"]
    assert len({promise.generation for promise in objectives.promises}) == 1


def test_a_new_target_is_the_same_generation_and_a_new_window_is_not(read: Load) -> None:
    """Only what changes the numbers starts them anew."""
    before = read(SERVICE, SLI, SLO).promises[0].generation
    assert read(SERVICE, SLI, SLO.replace("0.999", "0.99")).promises[0].generation == before
    assert read(SERVICE, SLI, SLO.replace("30d", "28d")).promises[0].generation != before
    assert read(SERVICE, SLI.replace("success", "failure"), SLO).promises[0].generation != before


def test_how_an_indicator_is_written_does_not_change_its_generation(read: Load) -> None:
    """Names for people, comments, order and units are not what is counted."""
    before = read(SERVICE, SLI, SLO).indicators[0].generation
    other = SLI.replace(
        "{kind: server, resource.service.name: checkout}", "{resource.service.name: checkout, kind: server}"
    )
    assert read(SERVICE, other.replace("counter: true", "# counted"), SLO).indicators[0].generation == before
    assert len(before) == 12


def test_calendar_windows_keep_their_zone(read: Load) -> None:
    """OpenSLO's calendar: a local start, repeated."""
    window = "[{duration: 1M, calendar: {startTime: 2026-01-01 00:00:00, timeZone: Europe/Paris}}]"
    (promise,) = read(SERVICE, SLI, SLO.replace("[{duration: 30d, isRolling: true}]", window)).promises
    start, _ = promise.window.bounds(NOW)
    assert start == datetime(2026, 10, 31, 23, tzinfo=UTC)
    assert promise.window.name(start) == "2026-11"


def test_a_burn_policy_replaces_the_usual_alerts(read: Load) -> None:
    """Exactly as written."""
    (promise,) = read(SERVICE, SLI, SLO, POLICY).promises
    assert [(pair.name, pair.threshold) for pair in promise.burn.pairs] == [("1h/5m", Fraction("14.4"))]
    assert promise.burn.minimum_bad == 3


def test_bent_default_alerts_are_told(read: Load) -> None:
    """At 90 % nothing burns at 14.4."""
    objectives = read(SERVICE, SLI, SLO.replace("0.999", "0.9"))
    assert objectives.promises[0].burn.pairs[0].threshold == 10
    assert objectives.warnings == (
        "SLO checkout-works: 1h/5m alerts from burn rate 10, not 14.4: a total outage burns at 10",
    )


def test_a_percentage_for_a_ratio_is_refused_with_what_was_meant(read: Load) -> None:
    """The commonest slip."""
    problem = only(refused(read, SERVICE, SLI, SLO.replace("0.999", "99.9")))
    assert str(problem).endswith(
        "2.yaml:9: spec.objectives[0].target: expected a target above 0 and below 1, got 99.9 - did you mean 0.999?"
    )


@pytest.mark.parametrize("target", ["target: 1", "target: 100", "targetPercent: 100", "target: 1.0"])
def test_a_target_of_100_percent_is_refused_with_the_reason(read: Load, target: str) -> None:
    """It leaves no budget."""
    problem = only(refused(read, SERVICE, SLI, SLO.replace("target: 0.999", target)))
    assert "100 % leaves no budget" in problem.hint


@pytest.mark.parametrize("target", ["0", "-0.5", "1.5e3", "0.9999999999999"])
def test_targets_that_cannot_work_are_refused(read: Load, target: str) -> None:
    """Outside of what a ratio can be, or finer than what is stored."""
    assert only(refused(read, SERVICE, SLI, SLO.replace("0.999", target))).path == "spec.objectives[0].target"


def test_a_threshold_above_the_highest_burn_rate_is_refused_with_the_numbers(read: Load) -> None:
    """1/(1 - 0.999) is 1000: 1001 could never fire."""
    problem = only(refused(read, SERVICE, SLI, SLO, POLICY.replace("14.4", "1001")))
    assert problem.path == "spec.pairs[0].threshold"
    assert problem.expected == "a burn rate of at most 1000"
    assert problem.hint == (
        "with the target 0.999 of checkout-works a total outage burns at 1/(1-0.999) = 1000: it could never fire"
    )
    assert read(SERVICE, SLI, SLO, POLICY.replace("14.4", "1000")).promises[0].burn.pairs[0].threshold == 1_000


def test_unknown_names_are_refused_with_the_nearest_one(read: Load) -> None:
    """Both references of an SLO at once."""
    typos = SLO.replace("service: checkout", "service: chekcout").replace(
        "indicatorRef: checkout-good", "indicatorRef: x"
    )
    service, indicator = refused(read, SERVICE, SLI, typos)
    assert service.expected == "the name of a Service (checkout)"
    assert service.hint == "did you mean 'checkout'?"
    assert (indicator.path, indicator.got) == ("spec.indicatorRef", "'x'")


def test_a_reference_to_a_document_with_problems_is_not_a_second_problem(read: Load) -> None:
    """The service is there, it is only misspelled inside."""
    problem = only(refused(read, SERVICE.replace("description", "descripton"), SLI, SLO))
    assert problem.path == "spec.descripton"


def test_names_used_twice_are_refused_with_where_they_stand_first(read: Load) -> None:
    """SLOs and agreements share their names."""
    agreement = """
apiVersion: andon/v1
kind: Agreement
metadata: {name: checkout-works}
spec: {service: checkout, period: month, law: request_ratio, objectives: [{indicatorRef: checkout-good, target: 0.9}]}
"""
    problem = only(refused(read, SERVICE, SLI, SLO, agreement))
    assert (Path(problem.file).name, problem.path) == ("3.yaml", "metadata.name")
    assert problem.hint.endswith("2.yaml:3")


@pytest.mark.parametrize(
    ("document", "old", "new", "path", "words"),
    [
        (
            SLI,
            "ratioMetric:",
            "thresholdMetric: {}\n  ratioMetric:",
            "spec.thresholdMetric.metricSource",
            "a value here",
        ),
        (SLI, "counter: true", "raw: {}", "spec.ratioMetric.raw.metricSource", "a value here"),
        (SLI, "counter: true", "counter: false", "spec.ratioMetric.counter", "true, or no counter at all"),
        (SLI, "type: andon, spec: {where: {outcome", "type: prometheus, spec: {where: {outcome", None, "andon"),
        (SLO, "Occurrences", "Timeslices", "spec.objectives[0].timeSliceTarget", "a timeSliceTarget"),
        (SLO, "{target:", "{compositeWeight: 2, target:", "spec.objectives[0].compositeWeight", "has an indicator"),
        (SLO, "{target:", "{indicatorRef: checkout-good, target:", "spec.objectives[0].indicatorRef", "an indicator"),
        (SLO, "{target:", "{op: lte, target:", "spec.objectives[0].op", "beside a ratioMetric"),
        (SLO, "{target:", "{value: 3, target:", "spec.objectives[0].value", "beside a ratioMetric"),
        (
            SLO,
            "{target:",
            "{timeSliceWindow: 5m, target:",
            "spec.objectives[0].timeSliceWindow",
            "Occurrences has none",
        ),
        (SLO, "duration: 30d", "duration: 1M", "spec.timeWindow[0].duration", "h, d or w"),
        (SLO, "isRolling: true", "isRolling: false", "spec.timeWindow[0].isRolling", "calendar"),
        (SLO, "30d", "30D", "spec.timeWindow[0].duration", "a length such as 30d"),
        (SLO, "[{duration: 30d, isRolling: true}]", "[]", "spec.timeWindow", "at least 1"),
        (SLO, "{target: 0.999}", "{displayName: x}", "spec.objectives[0]", "either target or targetPercent"),
        (SLO, "name: checkout-works", "name: Checkout Works", "metadata.name", "lower-case"),
        (SLO, "kind: SLO", "kind: SLX", "kind", "a kind of openslo/v1"),
        (SLO, "openslo/v1", "openslo/v2", "apiVersion", "openslo/v1, andon/v1 or openslo.com/v2alpha"),
        (SLO, "budgetingMethod", "budgetMethod", "spec.budgetMethod", "one of alertPolicies, budgetingMethod"),
    ],
)
def test_what_is_not_understood_is_refused(
    *, read: Load, document: str, old: str, new: str, path: str | None, words: str
) -> None:
    """By name and place, never ignored."""
    assert old in document
    others = [other for other in (SERVICE, SLI, SLO) if other is not document]
    problems = refused(read, document.replace(old, new), *others)
    told = [problem for problem in problems if path is None or problem.path == path]
    assert len(told) == 1, "\n".join(map(str, problems))
    assert words in told[0].expected


@pytest.mark.parametrize(
    ("old", "new", "path", "words"),
    [
        ("[checkout-works]", "[checkout-work]", "spec.sloRefs[0]", "the name of an SLO"),
        ("short: 5m", "short: 1h", "spec.pairs[0].short", "shorter"),
        ("long: 1h", "long: 31d", "spec.pairs[0].long", "no longer than"),
        ("14.4", "0", "spec.pairs[0].threshold", "above 0"),
        ("minimumBad: 3", "minimumBad: 0", "spec.minimumBad", "greater than or equal to 1"),
        ("[checkout-works]", "[checkout-works, checkout-works]", "spec.sloRefs[1]", "one BurnPolicy per SLO"),
    ],
)
def test_burn_policies_that_cannot_work_are_refused(read: Load, old: str, new: str, path: str, words: str) -> None:
    """Each with its place."""
    problem = only(refused(read, SERVICE, SLI, SLO, POLICY.replace(old, new)))
    assert problem.path == path
    assert words in problem.expected


def test_a_second_policy_for_an_slo_is_refused(read: Load) -> None:
    """It would not be clear which holds."""
    problem = only(refused(read, SERVICE, SLI, SLO, POLICY, POLICY.replace("name: fast", "name: slow")))
    assert problem.expected == "one BurnPolicy per SLO"
    assert problem.hint.endswith("3.yaml:5")


def test_group_by_stands_under_total(read: Load) -> None:
    """Under good it would be ignored, so it is refused."""
    problem = only(refused(read, SERVICE, SLI.replace("{outcome: success}", "{outcome: success}, groupBy: name"), SLO))
    assert problem.path == "spec.ratioMetric.good.metricSource.spec.groupBy"


def test_every_problem_of_every_file_is_told_at_once_in_order(read: Load) -> None:
    """Broken YAML in one file does not hide what is wrong in the others."""
    problems = refused(read, "a: [", SERVICE.replace("kind: Service", "kind: Servise"), SLI, SLO.replace("0.999", "2"))
    assert [(Path(problem.file).name, problem.path) for problem in problems] == [
        ("0.yaml", ""),
        ("1.yaml", "kind"),
        ("3.yaml", "spec.service"),
        ("3.yaml", "spec.objectives[0].target"),
    ]
    assert problems[1].hint == "did you mean 'Service'?"
