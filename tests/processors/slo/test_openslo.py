"""OpenSLO in full: what is read is written back, and what is evaluated is what was written."""

import os
import re
from collections.abc import Callable
from fractions import Fraction
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from pipeline.check import check_file
from pipeline.config import keys_of, load, models_in
from pipeline.errors import ConfigError
from pipeline.publish import recount_document
from processors.slo.burn import Severity
from processors.slo.documents import KINDS, load_objectives, parse, read_objectives
from processors.slo.law import Counting, Law
from processors.slo.objectives import Objectives
from processors.slo.promise import Promise
from processors.slo.write import to_data, to_yaml, yaml_of

HERE = Path(__file__).parent / "documents"
ROOT = Path(__file__).parents[3]
CORPUS = sorted((HERE / "openslo").glob("*.yaml"))
GOOD = HERE / "good"
# The one that means a month and writes a minute is no document at all.
WRITTEN = [
    *(path for path in CORPUS if path.name != "budgeting-method-timeslices-slo.yaml"),
    *GOOD.glob("*.yaml"),
    *ROOT.glob("sdk-examples/*/slo/*.yaml"),
    *ROOT.glob("tests/scenarios/*/slo/*.yaml"),
]
OURS = "type: andon\n{indent}spec: {{where: {{kind: server}}}}"
V1 = """
apiVersion: openslo/v1
kind: Service
metadata: {name: shop}
---
apiVersion: openslo/v1
kind: DataSource
metadata: {name: own}
spec: {type: andon}
---
apiVersion: openslo/v1
kind: SLI
metadata: {name: orders}
spec:
  ratioMetric:
    good: {metricSource: {metricSourceRef: own, spec: {where: {outcome: success}}}}
    total: {metricSource: {type: andon, spec: {where: {kind: server}}}}
---
apiVersion: openslo/v1
kind: SLO
metadata: {name: orders-work}
spec:
  service: shop
  indicatorRef: orders
  timeWindow: [{duration: 30d, isRolling: true}]
  budgetingMethod: Occurrences
  objectives: [{target: 0.99}]
"""
ALERTED = """  alertPolicies: [{alertPolicyRef: page-us}]
---
apiVersion: openslo/v1
kind: AlertPolicy
metadata: {name: page-us}
spec:
  alertWhenBreaching: true
  conditions: [{conditionRef: fast-burn}]
  notificationTargets: [{targetRef: pager}]
---
apiVersion: openslo/v1
kind: AlertNotificationTarget
metadata: {name: pager}
spec: {target: pagerduty}
---
apiVersion: openslo/v1
kind: AlertCondition
metadata: {name: fast-burn}
spec:
  severity: page
  condition: {op: gte, threshold: 14.4, lookbackWindow: 1h}
"""
Read = Callable[[str], Objectives]


@pytest.fixture
def read(tmp_path: Path) -> Read:
    """Loads a file of documents."""

    def read_text(text: str) -> Objectives:
        (tmp_path / "all.yaml").write_text(text)
        return load_objectives(tmp_path)

    return read_text


def alone(objectives: Objectives) -> Promise:
    (promise,) = objectives.promises
    return promise


@pytest.mark.parametrize("path", CORPUS, ids=lambda path: path.stem)
def test_the_examples_of_openslo_are_refused_for_these_reasons(path: Path) -> None:
    """They ask a source called Any, which nobody can."""
    golden = path.with_suffix(".txt")
    with pytest.raises(ConfigError) as caught:
        check_file(path)
    told = f"{caught.value}\n".replace(f"{path.parent}/", "")
    if os.environ.get("ANDON_WRITE_GOLDEN"):
        golden.write_text(told)
    assert told == golden.read_text()


@pytest.mark.parametrize("path", CORPUS, ids=lambda path: path.stem)
def test_the_examples_of_openslo_load_once_their_source_is_ours(path: Path, read: Read) -> None:
    """Nothing else stands in the way but a minute that was to be a month, and a value without a unit."""
    text = re.sub(
        r"type: Any.*\n( *)spec:.*\n.*query: Any.*", lambda found: OURS.format(indent=found[1]), path.read_text()
    )
    text = text.replace("duration: 1m ", "duration: 1M ").replace("value: 500", "value: 500ms")
    service = re.search(r"service: (\S+)", text)
    assert service
    objectives = read(f"{text}\n---\napiVersion: openslo/v1\nkind: Service\nmetadata: {{name: {service[1]}}}\n")
    law = Law(re.sub(r"(?<!^)(?=[A-Z])", "_", re.findall(r"budgetingMethod: (\w+)", text)[0]).lower())
    assert {promise.law for promise in objectives.promises} == {law}


@pytest.mark.parametrize("path", WRITTEN, ids=lambda path: f"{path.parents[1].name}-{path.stem}")
def test_what_was_read_is_written_back(path: Path, tmp_path: Path) -> None:
    """Every key, label and number; those of our own kinds too."""
    sources = load(path)
    documents = [parse(source) for source in sources]
    assert [to_data(document) for document in documents] == [source.data for source in sources]
    (tmp_path / "again.yaml").write_text(to_yaml(documents))
    assert [parse(source) for source in load(tmp_path / "again.yaml")] == documents


def test_the_good_documents_have_every_key_of_every_kind() -> None:
    """Else something could get lost that no test writes back."""

    def keys(model: Any) -> set[str]:
        fields = keys_of(model)
        return set(fields) | {
            key for info in fields.values() for inner in models_in(info.annotation) for key in keys(inner)
        }

    text = "".join(path.read_text() for path in GOOD.glob("*.yaml"))
    refused = {"raw", "rawType"}
    selector = {"lt", "lte", "eq", "in", "not_in", "prefix", "exists"}
    rare = {"every", "from", "errorRateFrom", "subdivision", "regex", "sampling", "acceptBias"}
    known = {key for model in KINDS.values() for key in keys(model)} - refused - selector - rare
    assert sorted(key for key in known if not re.search(rf"\b{key}:", text)) == []


words = st.text(st.characters(codec="utf-8", exclude_categories=["C", "Z"]), min_size=1, max_size=12)
decimals = st.integers(1, 10**9 - 1).map(lambda number: number / 10**9)
names = st.from_regex(r"[a-z0-9]([-a-z0-9]{0,20}[a-z0-9])?", fullmatch=True)
metadata = st.fixed_dictionaries(
    {"name": names},
    optional={
        "displayName": words,
        "labels": st.dictionaries(words, words | st.lists(words, max_size=3), max_size=3),
        "annotations": st.dictionaries(words, words, max_size=3),
    },
)
objective = st.fixed_dictionaries(
    {"target": decimals},
    optional={
        "displayName": words,
        "op": st.sampled_from(["lt", "lte", "gt", "gte"]),
        "value": st.sampled_from(["500ms", "1.5s"]) | decimals,
        "timeSliceTarget": decimals,
        "timeSliceWindow": st.integers(1, 99) | st.sampled_from(["1m", "2h"]),
        "compositeWeight": decimals,
        "indicatorRef": names,
    },
)
slo = st.fixed_dictionaries(
    {
        "apiVersion": st.just("openslo/v1"),
        "kind": st.just("SLO"),
        "metadata": metadata,
        "spec": st.fixed_dictionaries(
            {
                "service": names,
                "indicatorRef": names,
                "timeWindow": st.sampled_from(["1h", "30d", "4w"]).map(lambda d: [{"duration": d, "isRolling": True}]),
                "budgetingMethod": st.sampled_from(["Occurrences", "Timeslices", "RatioTimeslices"]),
                "objectives": st.lists(objective, min_size=1, max_size=3),
            },
            optional={
                "description": words,
                "alertPolicies": st.none() | st.lists(names.map(lambda name: {"alertPolicyRef": name}), max_size=2),
            },
        ),
    }
)


@settings(max_examples=60, deadline=None)
@given(document=slo)
def test_any_slo_is_written_back_as_it_was(tmp_path_factory: pytest.TempPathFactory, document: dict[str, Any]) -> None:
    """Whether it can be evaluated or not."""
    path = tmp_path_factory.mktemp("slo") / "slo.yaml"
    path.write_text(yaml_of([document]))
    (source,) = load(path)
    assert to_data(parse(source)) == document


@pytest.mark.parametrize(
    ("method", "slices", "counting"),
    [
        ("Occurrences", "", Counting(law=Law.OCCURRENCES)),
        (
            "Timeslices",
            ", timeSliceTarget: 0.95, timeSliceWindow: 5m",
            Counting(law=Law.TIMESLICES, slice_s=300, slice_target=Fraction(19, 20)),
        ),
        ("Timeslices", ", timeSliceTarget: 1", Counting(law=Law.TIMESLICES, slice_s=60)),
        ("RatioTimeslices", ", timeSliceWindow: 15", Counting(law=Law.RATIO_TIMESLICES, slice_s=900)),
        ("RatioTimeslices", "", Counting(law=Law.RATIO_TIMESLICES, slice_s=60)),
    ],
)
def test_a_budgeting_method_is_a_law_with_its_slices(read: Read, method: str, slices: str, counting: Counting) -> None:
    """A bare number means minutes, and a slice is a minute unless it is said to be longer."""
    text = V1.replace("Occurrences", method).replace("target: 0.99", f"target: 0.99{slices}")
    assert alone(read(text)).counting == counting


LATENCY = re.sub(
    r"  ratioMetric:\n.*\n.*\n", "  thresholdMetric: {metricSource: {type: andon, spec: {where: {kind: server}}}}\n", V1
)


def test_a_threshold_is_counted_as_the_ratio_that_it_is(read: Read) -> None:
    """Of each value that an SLI is held against, its own indicator, by one definition."""
    objectives = read(
        LATENCY.replace("{target: 0.99}", "{op: lte, value: 500ms, target: 0.9}, {op: lt, value: 2s, target: 0.99}")
    )
    assert [one.name for one in objectives.indicators] == ["orders/lte-500ms", "orders/lt-2s"]
    good = objectives.indicators[0].good
    assert good is not None
    assert good.where["duration"].lte == 500_000_000
    assert [promise.indicator.name for promise in objectives.promises] == ["orders/lte-500ms", "orders/lt-2s"]
    assert all(promise.slow for promise in objectives.promises)
    definitions = {one.name: one for one in objectives.definitions if one.kind == "SLI"}
    assert definitions["orders/lte-500ms"].generation == objectives.indicators[0].generation


def test_a_threshold_over_a_metric_is_about_its_value(read: Read) -> None:
    """In the unit of the metric, so as a bare number."""
    text = LATENCY.replace("spec: {where: {kind: server}}", "spec: {signal: metrics, where: {name: queue.depth}}")
    objectives = read(text.replace("{target: 0.99}", "{op: lt, value: 100.5, target: 0.9}"))
    (indicator,) = objectives.indicators
    assert (indicator.name, indicator.signal) == ("orders/lt-100.5", "metrics")
    assert indicator.part.where["value"].lt == 100.5


def test_the_evidence_of_a_threshold_can_be_counted_again(read: Read) -> None:
    """Its definition is a document like any other."""
    from fixtures.promises import NOW, after

    objectives = read(LATENCY.replace("{target: 0.99}", "{op: lte, value: 500ms, target: 0.9}"))
    (content,) = [one.content for one in objectives.definitions if one.name == "orders/lte-500ms"]
    assert "500000000" in recount_document(content, NOW, after(60))


def test_two_slos_with_one_threshold_share_its_figures(read: Read) -> None:
    """Same events, same value: the same indicator."""
    text = LATENCY.replace("{target: 0.99}", "{op: lte, value: 500ms, target: 0.9}")
    second = text[text.index("apiVersion: openslo/v1\nkind: SLO") :].replace("orders-work", "orders-work-too")
    objectives = read(f"{text}---\n{second}")
    assert len(objectives.indicators) == 1
    assert len({promise.indicator for promise in objectives.promises}) == 1


def test_an_alert_condition_is_a_pair_of_windows(read: Read) -> None:
    """The short one is a twelfth; the policy says whom it tells."""
    objectives = read(V1 + ALERTED)
    (pair,) = alone(objectives).burn.pairs
    assert (pair.name, pair.threshold) == ("1h/5m", Fraction("14.4"))
    (told,) = objectives.alerting
    assert (told.slo, told.policy, told.severity, told.targets) == ("orders-work", "page-us", "page", ("pagerduty",))
    assert objectives.warnings == ()


@pytest.mark.parametrize(
    ("lookback", "slices", "short"),
    [
        ("1h", "", "5m"),
        ("6h", "", "30m"),
        ("5m", "", "1m"),
        ("1d", "", "120m"),
        ("1h", "5", "10m"),
        ("2d", "15", "240m"),
    ],
)
def test_the_short_window_has_two_slices_at_least(read: Read, lookback: str, slices: str, short: str) -> None:
    """In whole minutes."""
    text = V1
    if slices:
        text = V1.replace("Occurrences", "Timeslices").replace(
            "target: 0.99", f"target: 0.99, timeSliceTarget: 0.9, timeSliceWindow: {slices}"
        )
    (pair,) = alone(read(text + ALERTED.replace("1h", lookback))).burn.pairs
    assert str(pair.short) == short


def test_a_wait_that_is_not_waited_for_is_told(read: Read) -> None:
    """alertAfter is what the short window is for."""
    objectives = read(V1 + ALERTED.replace("lookbackWindow: 1h", "lookbackWindow: 1h, alertAfter: 5m"))
    assert objectives.warnings == (
        "SLO orders-work: page-us: alertAfter 5m is not waited for: the short window, 5m, is",
    )


def test_policies_inside_and_by_name_add_up() -> None:
    """Each objective by its own slices: of five minutes, and of one."""
    objectives = load_objectives(GOOD)
    (first, second) = (promise for promise in objectives.promises if promise.document == "orders-by-minutes")
    assert [pair.name for pair in first.burn.pairs] == ["1h/10m", "6h/30m"]
    assert [pair.name for pair in second.burn.pairs] == ["1h/5m", "6h/30m"]
    told = {one.policy: one for one in objectives.alerting}
    assert told["tell-us"].targets == ("pagerduty", "email")
    assert (told["tell-us"].no_data, told["tell-us"].resolved, told["page-us"].resolved) == (True, True, False)


def test_severities_are_those_of_the_documents() -> None:
    """A word that is no ticket is a page; a burn policy may also count what is spent."""
    burn = {promise.name: promise.burn for promise in load_objectives(GOOD).promises}
    assert [pair.severity for pair in burn["orders-by-minutes/1"].pairs] == [Severity.PAGE, Severity.TICKET]
    assert [pair.severity for pair in burn["orders-inline"].pairs] == [Severity.PAGE, Severity.TICKET]
    assert (burn["orders-inline"].consumed, burn["orders-fast/1"].consumed) == (Fraction(1, 2), None)


V2ALPHA = """
apiVersion: openslo.com/v2alpha
kind: Service
metadata: {name: shop, labels: {team: web}}
---
apiVersion: openslo.com/v2alpha
kind: DataSource
metadata: {name: own}
spec: {type: andon}
---
apiVersion: openslo.com/v2alpha
kind: SLI
metadata: {name: orders}
spec:
  ratioMetric:
    good: {dataSourceRef: own, spec: {where: {outcome: success}}}
    total: {dataSourceSpec: {type: andon}, spec: {where: {kind: server}}}
---
apiVersion: openslo.com/v2alpha
kind: SLO
metadata: {name: orders-work}
spec:
  service: shop
  sliRef: orders
  timeWindow: [{duration: 30d, isRolling: true}]
  budgetingMethod: Occurrences
  objectives: [{target: 0.99}]
"""


def test_v2alpha_says_the_same_in_other_words(read: Read) -> None:
    """The same promises over the same figures."""
    ours, theirs = read(V1), read(V2ALPHA)
    assert theirs.promises == ours.promises
    assert theirs.indicators == ours.indicators


@pytest.mark.parametrize(
    ("old", "new", "told"),
    [
        ("sliRef: orders", "sliRef: order", "23: spec.sliRef: expected the name of an SLI (orders), got 'order'"),
        ("sliRef: orders\n", "\n", "spec.sliRef: expected a sliRef with the name of an SLI, or a sli, got nothing"),
        ("type: andon}, spec", "type: Datadog}, spec", "spec.ratioMetric.total.dataSourceSpec.type: expected andon"),
        (
            "dataSourceRef: own",
            "dataSourceRef: owm",
            "spec.ratioMetric.good.dataSourceRef: expected the name of a DataS",
        ),
        ("{outcome:", "{outcom:", "spec.ratioMetric.good.spec.where.outcom: expected a field"),
        ("[{target", "[{labels: {a: b}, target", "spec.objectives[0].labels: expected labels under metadata"),
        ("{name: shop,", "{name: shop, displayName: Shop,", "metadata.displayName: expected no displayName"),
        (
            "{dataSourceRef: own, ",
            "{dataSourceRef: own, type: x, ",
            "spec.ratioMetric.good.type: expected one of dataSo",
        ),
        ("kind: DataSource", "kind: BudgetAdjustment", "kind: expected a kind of openslo"),
    ],
)
def test_problems_of_v2alpha_are_told_in_its_words(read: Read, old: str, new: str, told: str) -> None:
    """At the place and by the name that were written."""
    assert old in V2ALPHA
    with pytest.raises(ConfigError) as caught:
        read(V2ALPHA.replace(old, new).lstrip())
    assert told in str(caught.value)


def test_one_file_is_checked_by_itself() -> None:
    """What it refers to has to stand in it."""
    assert len(read_objectives([GOOD / "openslo.yaml"]).promises) == 7
    with pytest.raises(ConfigError, match="there is no Service"):
        read_objectives([GOOD / "andon.yaml"])


COMPOSITE = V1.replace("  indicatorRef: orders\n", "").replace(
    "[{target: 0.99}]",
    """
    - {indicatorRef: orders, target: 0.99, compositeWeight: 2}
    - target: 0.95
      indicator:
        metadata: {name: receipts}
        spec: {thresholdMetric: {metricSource: {type: andon, spec: {where: {name: receipt}}}}}
      op: lte
      value: 1s""",
)


def test_objectives_with_their_own_indicators_are_one_promise(read: Read) -> None:
    """With the name of the SLO, each with its own target and weight, wherever its indicator is written."""
    objectives = read(COMPOSITE)
    promise = alone(objectives)
    assert promise.name == "orders-work"
    assert [one.name for one in promise.indicators] == ["orders", "receipts/lte-1s"]
    assert [(one.target, one.weight) for one in promise.members] == [(Fraction("0.99"), 2), (Fraction("0.95"), 1)]
    assert promise.target == 1 - Fraction(10**12 // 220, 10**12)
    assert not promise.slow
    assert [one.name for one in objectives.indicators] == ["orders", "receipts/lte-1s"]


def test_members_may_come_in_any_order(read: Read) -> None:
    """The same promise."""
    first, second = COMPOSITE.split("objectives: ")[1].split("    - target: 0.95")
    turned = COMPOSITE.split("objectives: ")[0] + "objectives:\n    - target: 0.95" + second + first.rstrip()
    assert alone(read(turned)).generation == alone(read(COMPOSITE)).generation


def test_slices_of_a_composite_have_the_strictest_target_and_the_laxest_bar(read: Read) -> None:
    """Of its members; each is judged by its own."""
    text = COMPOSITE.replace("Occurrences", "Timeslices").replace("0.99,", "0.99, timeSliceTarget: 0.9,")
    promise = alone(read(text.replace("    - target: 0.95", "    - timeSliceTarget: 0.8\n      target: 0.95")))
    assert (promise.target, promise.bar) == (Fraction("0.99"), Fraction("0.8"))
    assert [member.bar for member in promise.members] == [Fraction("0.9"), Fraction("0.8")]


def test_a_composite_can_be_written_in_v2alpha(read: Read) -> None:
    """Its `sliRef` and `sli` stand in the objectives too."""
    text = COMPOSITE.partition("---\napiVersion: openslo/v1\nkind: SLO")
    slo = (text[1] + text[2]).replace("openslo/v1", "openslo.com/v2alpha").replace("indicatorRef", "sliRef")
    slo = slo.replace("indicator:", "sli:").replace(
        "{metricSource: {type: andon, spec: {where: {name: receipt}}}}",
        "{dataSourceSpec: {type: andon}, spec: {where: {name: receipt}}}",
    )
    assert alone(read(text[0] + slo)).generation == alone(read(COMPOSITE)).generation
