"""What documents say of each other, and whether their numbers can work: what no model sees by itself.

In: every document of a folder and the models of those that are sound in themselves. Out: problems. Pure.
"""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from fractions import Fraction

from pydantic import ValidationError

from pipeline.config import MISSING, nearest
from pipeline.config import Document as Source
from pipeline.errors import ConfigError, Problem
from pipeline.numbers import decimal
from processors.sla.documents import Agreement
from processors.sli.checks import TOTAL
from processors.sli.checks import problems as problems_of_sides
from processors.sli.selector import Selector
from processors.slo.alerts import AlertCondition, AlertPolicy, AlertPolicySpec, BurnCondition, BurnPolicyDocument
from processors.slo.budget import max_burn_rate
from processors.slo.composite import target_of
from processors.slo.fields import length_of
from processors.slo.grid import MINUTE_S
from processors.slo.indicators import ANDON, DataSource, InlineSli, MetricSource, RatioMetric, Sli, SliSpec
from processors.slo.law import Law
from processors.slo.metadata import Document
from processors.slo.openslo import Objective, Slo
from processors.slo.policies import Alerts, Place, short_window
from processors.slo.thresholds import good_events
from processors.slo.windows import UNIT_S, Calendar, Length

MAX_DECIMALS = 12
PERCENT = 100
SLICES_MINUTES = (1, 3, 5, 15)  # what divides the quarter of an hour that every zone's days begin on
PROMISE = "promise"
OF_THE_WHOLE = {
    name: info.alias or name for name, info in Selector.model_fields.items() if name not in {"signal", "where"}
}
INLINE_SLI: Place = ("spec", "indicator")


@dataclass(frozen=True, slots=True)
class Parsed:
    """A document that is sound in itself, and where it stands."""

    source: Source
    model: Document


def check(sources: Sequence[Source], parsed: Sequence[Parsed]) -> Iterator[Problem]:
    """Every problem between documents, and in the numbers of each."""
    yield from _duplicates(sources)
    folder = Folder(sources, parsed)
    for one in parsed:
        match one.model:
            case Sli():
                yield from _check_sli(one.source, one.model.spec, ("spec",), folder)
            case Slo():
                yield from _check_slo(one.source, one.model, folder)
            case Agreement():
                yield from _check_agreement(one.source, one.model, folder)
            case BurnPolicyDocument():
                yield from _check_burn_policy(one.source, one.model, folder)
            case AlertPolicy():
                yield from _check_policy(one.source, one.model.spec, ("spec",), folder)
            case AlertCondition():
                yield from _check_condition(one.source, one.model.spec.condition, ("spec", "condition"))
    yield from _policies_twice(parsed)


class Folder:
    """All documents by kind and name; the names of those included that have problems of their own."""

    def __init__(self, sources: Sequence[Source], parsed: Sequence[Parsed]) -> None:
        models = [one.model for one in parsed]
        self.alerts = Alerts(models)
        self.slos = [model for model in models if isinstance(model, Slo)]
        self.burn_policies = {
            name: one for one in parsed if isinstance(one.model, BurnPolicyDocument) for name in one.model.spec.slo_refs
        }
        self.data_sources = {model.name: model.spec.type for model in models if isinstance(model, DataSource)}
        self.slis = {sli.name: sli.spec for sli in slis(models)}
        self._sources = {id(one.model): one.source for one in parsed}
        self._names: dict[str, list[str]] = {}
        for source in sources:
            for kind, path in _named(source):
                self._names.setdefault(kind, []).append(str(source.at(path)))

    def check(self, source: Source, path: Place, kind: str) -> Iterator[Problem]:
        """A problem unless what stands at `path` is the name of a document of `kind`."""
        known = sorted(self._names.get(kind, ()))
        name = source.at(path)
        if name not in known:
            expected = f"the name of {'an' if kind[0] in 'AE' or kind in {'SLI', 'SLO'} else 'a'} {kind}"
            among = f" ({', '.join(known)})" if known else f", and there is no {kind}"
            yield source.problem(path, expected=expected + among, hint=nearest(str(name), known))

    def sli_of(self, slo: Slo, objective: Objective) -> SliSpec | None:
        """What an objective is about, if that is sound."""
        inline, name = slo.spec.about(objective)
        return inline.spec if inline else self.slis.get(name)

    def source_of(self, model: Document) -> Source:
        return self._sources[id(model)]


def slis(models: Sequence[Document]) -> Iterator[Sli | InlineSli]:
    """Every indicator, wherever it is written."""
    for model in models:
        if isinstance(model, Sli):
            yield model
        if isinstance(model, Slo):
            inline = [model.spec.indicator, *(objective.indicator for objective in model.spec.objectives)]
            yield from filter(None, inline)


def _named(source: Source) -> Iterator[tuple[str, Place]]:
    """The kinds and the places of the names in a document."""
    yield str(source.at(("kind",))), ("metadata", "name")
    if source.at(("kind",)) == "SLO":
        objectives = source.at(("spec", "objectives"))
        count = len(objectives) if isinstance(objectives, list) else 0
        holders: list[Place] = [("spec",), *(("spec", "objectives", number) for number in range(count))]
        places = [(*holder, "indicator", "metadata", "name") for holder in holders]
        yield from (("SLI", place) for place in places if source.at(place) is not MISSING)


def _duplicates(sources: Sequence[Source]) -> Iterator[Problem]:
    """Names used twice; SLOs and agreements share theirs, for both are promises."""
    first: dict[tuple[str, str], str] = {}
    for source in sources:
        for kind, path in _named(source):
            group = PROMISE if kind in {"SLO", "Agreement"} else kind
            name = group, str(source.at(path))
            if name in first:
                hint = f"it stands first at {first[name]}"
                other = "SLO or Agreement" if group == PROMISE else group
                yield source.problem(path, expected=f"a name that no other {other} has", hint=hint)
            elif source.at(path) is not MISSING:
                first[name] = f"{source.file}:{source.line(path)}"


def _check_sli(source: Source, sli: SliSpec, path: Place, folder: Folder) -> Iterator[Problem]:
    """Whether what an indicator counts can be counted here."""
    ratio = sli.ratio_metric
    if ratio and ratio.raw:
        hint = "Andon counts the events itself: write good (or bad) and total"
        yield source.problem((*path, "ratioMetric", "raw"), expected="no raw, which is not supported", hint=hint)
        return
    if ratio and not ratio.counter:
        hint = "good and total count events"
        yield source.problem((*path, "ratioMetric", "counter"), expected="true, or no counter at all", hint=hint)
    for where, metric in sli.metrics.items():
        yield from _check_source(source, metric.metric_source, (*path, *where, "metricSource"), folder)
    if ratio and ratio.total and _countable(sli, folder):
        for key, metric in ratio.parts.items():
            spec = (*path, "ratioMetric", key, "metricSource", "spec")
            yield from _check_part(source, metric.selector, ratio.total.selector, key, spec)
        yield from _check_sides(source, ratio.total.selector, ratio, path)


def _check_sides(source: Source, total: Selector, ratio: RatioMetric, path: Place) -> Iterator[Problem]:
    """What makes no sense about two sides that make sense by themselves."""
    key = "good" if ratio.good else "bad"
    for found in problems_of_sides(total, ratio.parts[key].selector, is_bad=key == "bad"):
        side = "total" if found.side == TOTAL else key
        where = (*path, "ratioMetric", side, "metricSource", "spec", *found.path)
        yield source.problem(where, expected=found.expected)


def _check_part(source: Source, part: Selector, total: Selector, key: str, path: Place) -> Iterator[Problem]:
    """What holds for an indicator as a whole stands under `total`; beside it, it would mean nothing."""
    if part.signal != total.signal:
        expected = f"signal: {total.signal}, as under total"
        yield source.problem((*path, "signal"), expected=expected, hint="good events are among the valid ones")
    for name, alias in OF_THE_WHOLE.items():
        if name in part.model_fields_set and getattr(part, name) != getattr(total, name):
            yield source.problem((*path, alias), expected=f"{alias} under total, where it is about {key} events too")


def _check_source(source: Source, metric: MetricSource, path: Place, folder: Folder) -> Iterator[Problem]:
    if metric.metric_source_ref is not None:
        yield from folder.check(source, (*path, "metricSourceRef"), "DataSource")
    kind = type_of(metric, folder.data_sources)
    if kind is not None and kind != ANDON:
        place = (*path, "type" if metric.type else "metricSourceRef")
        told = f"{kind!r} is a source that Andon does not read: it counts the telemetry it receives itself"
        hint = nearest(kind, [ANDON]) or told
        wanted = ANDON if metric.type else f"a DataSource of type {ANDON}"
        yield source.problem(place, expected=wanted, hint=hint)
    elif metric.type is None and kind == ANDON and not isinstance(metric.spec, Selector):
        yield from _selector_problems(source, (*path, "spec"))


def type_of(metric: MetricSource, data_sources: Mapping[str, str]) -> str | None:
    """The type of a source: its own, else that of the DataSource it refers to."""
    return metric.type or data_sources.get(str(metric.metric_source_ref))


def _selector_problems(source: Source, path: Place) -> Iterator[Problem]:
    """What is wrong with a selector whose type stands in another document."""
    try:
        source.parse(Selector, path)
    except ConfigError as error:
        yield from error.problems


def _countable(sli: SliSpec, folder: Folder) -> bool:
    """Whether every side of an indicator can be counted, so that its numbers can be checked."""
    for metric in sli.metrics.values():
        if type_of(metric.metric_source, folder.data_sources) != ANDON:
            return False
        try:
            _ = metric.selector
        except ValidationError:
            return False
    return True


def _check_slo(source: Source, slo: Slo, folder: Folder) -> Iterator[Problem]:
    yield from folder.check(source, ("spec", "service"), "Service")
    if slo.spec.indicator:
        yield from _check_sli(source, slo.spec.indicator.spec, (*INLINE_SLI, "spec"), folder)
    elif slo.spec.indicator_ref is not None:
        yield from folder.check(source, ("spec", "indicatorRef"), "SLI")
    for index, objective in enumerate(slo.spec.objectives):
        path: Place = ("spec", "objectives", index)
        yield from _check_member(source, slo, objective, path, folder)
        yield from _check_target(source, (*path, objective.written_as), objective.ratio)
        yield from _check_slices(source, slo, objective, path)
        yield from _check_threshold(source, folder.sli_of(slo, objective), objective, path, folder)
    if slo.spec.is_composite:
        yield from _check_composite(source, slo)
    yield from _check_alerts(source, slo, folder)


def _check_member(source: Source, slo: Slo, objective: Objective, path: Place, folder: Folder) -> Iterator[Problem]:
    """What one objective of a composite is about; an objective of an SLO with an indicator is about that."""
    if not slo.spec.is_composite:
        given = {
            "indicator": objective.indicator,
            "indicatorRef": objective.indicator_ref,
            "compositeWeight": objective.composite_weight,
        }
        for key in (key for key, value in given.items() if value is not None):
            expected = f"no {key} in an objective of an SLO that has an indicator itself"
            hint = "in a composite every objective has an indicator of its own, and the SLO none"
            yield source.problem((*path, key), expected=expected, hint=hint)
        return
    if objective.indicator and objective.indicator_ref is not None:
        yield source.problem((*path, "indicatorRef"), expected="no indicatorRef where there is an indicator")
    if objective.indicator:
        yield from _check_sli(source, objective.indicator.spec, (*path, "indicator", "spec"), folder)
    elif objective.indicator_ref is not None:
        yield from folder.check(source, (*path, "indicatorRef"), "SLI")
    else:
        hint = "in a composite every objective has an indicator of its own"
        yield source.problem((*path, "indicatorRef"), expected="an indicatorRef, or an indicator", hint=hint)
    if objective.composite_weight is not None and objective.composite_weight <= 0:
        yield source.problem((*path, "compositeWeight"), expected="a compositeWeight above 0; 1 unless you say so")


def _check_composite(source: Source, slo: Slo) -> Iterator[Problem]:
    """What the objectives of a composite have to agree on."""
    spec = slo.spec
    first = length_of(spec.objectives[0].time_slice_window or 1)
    for index, objective in enumerate(spec.objectives):
        if spec.budgeting_method != "Occurrences" and length_of(objective.time_slice_window or 1) != first:
            expected = f"{first}, as in the first objective: a composite has one kind of slice"
            yield source.problem(("spec", "objectives", index, "timeSliceWindow"), expected=expected)
    if isinstance(spec.window, Calendar):
        hint = "the books of a period are closed over one indicator; a rolling window has no books"
        place: Place = ("spec", "timeWindow", 0, "calendar")
        yield source.problem(place, expected="isRolling: true in a composite", hint=hint)
    only = spec.objectives[0]
    if len(spec.objectives) == 1 and only.composite_weight is not None:
        expected = "no compositeWeight beside a single objective"
        yield source.problem(("spec", "objectives", 0, "compositeWeight"), expected=expected)
    if any(not 0 < target < 1 for target in targets_of(slo)):
        expected = "a sum of compositeWeight/(1-target) above 1 and up to 10^12"
        hint = "that is the burn rate of an outage of all members"
        yield source.problem(("spec", "objectives"), expected=expected, hint=hint)


def targets_of(slo: Slo) -> list[Fraction]:
    """The target of each promise of an SLO, of those that are sound; a composite is one promise."""
    sound = [one for one in slo.spec.objectives if 0 < one.ratio < 1]
    if not slo.spec.is_composite:
        return [one.ratio for one in sound]
    pairs = [(one.ratio, one.weight) for one in sound if one.weight > 0]
    law = Law.OCCURRENCES if slo.spec.budgeting_method == "Occurrences" else Law.TIMESLICES
    return [target_of(law, pairs)] if len(pairs) == len(slo.spec.objectives) else []


def _check_target(source: Source, path: Place, ratio: Fraction) -> Iterator[Problem]:
    in_percent = path[-1] == "targetPercent"
    whole = PERCENT if in_percent else 1
    if ratio == 1 or (not in_percent and ratio == PERCENT):
        reason = (
            "a promise of 100 % leaves no budget: one failed request breaks it for good, and nothing can warn before"
        )
        yield source.problem(path, expected=f"a target below {whole}", hint=reason)
    elif not 0 < ratio < 1:
        meant = f"did you mean {decimal(ratio / PERCENT)}?" if not in_percent and 1 < ratio < PERCENT else ""
        yield source.problem(path, expected=f"a target above 0 and below {whole}", hint=meant)
    elif (ratio * 10**MAX_DECIMALS).denominator != 1:
        yield source.problem(path, expected=f"a ratio of at most {MAX_DECIMALS} decimals")


def _check_slices(source: Source, slo: Slo, objective: Objective, path: Place) -> Iterator[Problem]:
    """Time slices, where the budgeting method has them and only there."""
    method = slo.spec.budgeting_method
    target, window = objective.time_slice_target, objective.time_slice_window
    if method == "Timeslices" and target is None:
        hint = "from which share of good events on a time slice is good, such as 0.95"
        yield source.problem((*path, "timeSliceTarget"), expected="a timeSliceTarget", hint=hint)
    if method != "Timeslices" and target is not None:
        expected = f"no timeSliceTarget: budgetingMethod {method} has none"
        yield source.problem((*path, "timeSliceTarget"), expected=expected, hint="Timeslices has one")
    elif target is not None and not 0 < target <= 1:
        meant = f"did you mean {decimal(target / PERCENT)}?" if 1 < target <= PERCENT else ""
        yield source.problem((*path, "timeSliceTarget"), expected="a ratio above 0 and up to 1", hint=meant)
    if window is None:
        return
    place = (*path, "timeSliceWindow")
    if method == "Occurrences":
        hint = "Timeslices and RatioTimeslices have time slices"
        yield source.problem(place, expected="no timeSliceWindow: budgetingMethod Occurrences has none", hint=hint)
    elif not _is_slice(length_of(window)):
        allowed = [f"{minutes}m" for minutes in SLICES_MINUTES]
        reason = "so that days begin with a slice in every time zone"
        yield source.problem(place, expected=f"{', '.join(allowed[:-1])} or {allowed[-1]}", hint=reason)


def _is_slice(window: Length) -> bool:
    return window.unit in UNIT_S and window.seconds in {MINUTE_S * minutes for minutes in SLICES_MINUTES}


def _check_threshold(
    source: Source, sli: SliSpec | None, objective: Objective, path: Place, folder: Folder
) -> Iterator[Problem]:
    """`op` and `value`: what a thresholdMetric is compared with, and nothing else."""
    if sli is None:
        return
    if sli.threshold_metric is None:
        if objective.value is not None:
            hint = "only a thresholdMetric is compared with a value; good or bad says it here"
            yield source.problem((*path, "value"), expected="no value beside a ratioMetric", hint=hint)
        if objective.op in {"lt", "lte"}:
            hint = "the share of good events has to be at least the target"
            yield source.problem((*path, "op"), expected="gte, gt or no op beside a ratioMetric", hint=hint)
        return
    if objective.op is None:
        hint = "how what was measured is compared with value: lte means good up to it"
        yield source.problem((*path, "op"), expected="an op: lt, lte, gt or gte", hint=hint)
    if objective.value is None:
        hint = "what was measured of each event is compared with it"
        yield source.problem((*path, "value"), expected="a value, such as 500ms", hint=hint)
    if objective.op is None or objective.value is None or not _countable(sli, folder):
        return
    try:
        good_events(sli.threshold_metric.selector, objective.op, objective.value)
    except ValueError as error:
        yield source.problem((*path, "value"), expected=str(error))


def _check_alerts(source: Source, slo: Slo, folder: Folder) -> Iterator[Problem]:
    """The alerts an SLO refers to or holds, each against its targets and its window."""
    for index, item in enumerate(slo.spec.alert_policies or ()):
        path: Place = ("spec", "alertPolicies", index)
        if item.alert_policy_ref is not None:
            yield from folder.check(source, (*path, "alertPolicyRef"), "AlertPolicy")
        if item.spec is not None:
            yield from _check_policy(source, item.spec, (*path, "spec"), folder)
    if slo.spec.alert_policies and slo.name in folder.burn_policies:
        other = folder.burn_policies[slo.name]
        hint = f"it has a BurnPolicy at {other.source.file}:{other.source.line(('spec', 'sloRefs'))}"
        yield source.problem(("spec", "alertPolicies"), expected="alertPolicies or a BurnPolicy, not both", hint=hint)
    for alert in folder.alerts.of(slo):
        yield from _check_alert(folder.source_of(alert.document), alert.condition.condition, alert.path, slo)


def _check_alert(source: Source, condition: BurnCondition, path: Place, slo: Slo) -> Iterator[Problem]:
    yield from _check_burn_rate(source, (*path, "threshold"), condition.threshold, slo)
    lookback = condition.lookback_window
    if lookback.unit not in UNIT_S:
        return
    yield from _check_fits(source, (*path, "lookbackWindow"), lookback, slo)
    short = short_window(lookback, slice_s(slo))
    if short.seconds >= lookback.seconds:
        expected = f"a lookbackWindow longer than {short} for {slo.name}"
        hint = "a burn alert looks at it and at a shorter window of two time slices at least"
        yield source.problem((*path, "lookbackWindow"), expected=expected, hint=hint)


def slice_s(slo: Slo) -> int:
    """The longest time slice of an SLO; 0 without."""
    if slo.spec.budgeting_method == "Occurrences":
        return 0
    lengths = (length_of(objective.time_slice_window or 1) for objective in slo.spec.objectives)
    return max((length.seconds for length in lengths if length.unit in UNIT_S), default=0)


def _check_policy(source: Source, policy: AlertPolicySpec, path: Place, folder: Folder) -> Iterator[Problem]:
    """A policy in itself: what it refers to, and that it tells of something."""
    if not policy.alert_when_breaching:
        hint = "without it the policy says when to alert and then does not"
        yield source.problem((*path, "alertWhenBreaching"), expected="alertWhenBreaching: true", hint=hint)
    for index, item in enumerate(policy.conditions):
        place: Place = (*path, "conditions", index)
        if item.condition_ref is not None:
            yield from folder.check(source, (*place, "conditionRef"), "AlertCondition")
        if item.spec is not None:
            yield from _check_condition(source, item.spec.condition, (*place, "spec", "condition"))
    for index, target in enumerate(policy.notification_targets or ()):
        if target.target_ref is not None:
            place = (*path, "notificationTargets", index, "targetRef")
            yield from folder.check(source, place, "AlertNotificationTarget")


def _check_condition(source: Source, condition: BurnCondition, path: Place) -> Iterator[Problem]:
    if condition.op in {"lt", "lte"}:
        hint = f"{condition.op} would alert as long as all is well (the example in OpenSLO's own text has it wrong)"
        yield source.problem((*path, "op"), expected="gte or gt: a high burn rate is what to tell", hint=hint)
    if condition.threshold <= 0:
        yield source.problem((*path, "threshold"), expected="a burn rate above 0")
    for key, length in (("lookbackWindow", condition.lookback_window), ("alertAfter", condition.alert_after)):
        if length.unit not in UNIT_S:
            meant = f"did you mean {length.count}m?" if length.unit == "M" else ""
            yield source.problem((*path, key), expected="a length in m, h, d or w", hint=meant)
    after, lookback = condition.alert_after, condition.lookback_window
    if {after.unit, lookback.unit} <= set(UNIT_S) and after.seconds > lookback.seconds:
        yield source.problem((*path, "alertAfter"), expected=f"no longer than the lookbackWindow, {lookback}")


def _check_fits(source: Source, path: Place, length: Length, slo: Slo) -> Iterator[Problem]:
    if length.seconds > slo.spec.window.nominal_s:
        expected = f"a window no longer than that of {slo.name}, {slo.spec.window.length}"
        yield source.problem(path, expected=expected)


def _check_agreement(source: Source, agreement: Agreement, folder: Folder) -> Iterator[Problem]:
    spec = agreement.spec
    yield from folder.check(source, ("spec", "service"), "Service")
    for index in range(len(spec.components)):
        yield from folder.check(source, ("spec", "components", index), "Service")
    for index in range(len(spec.exclusions)):
        yield from folder.check(source, ("spec", "exclusions", index), "Exclusion")
    if spec.service_hours is not None:
        yield from folder.check(source, ("spec", "serviceHours"), "ServiceCalendar")
    seen: set[str] = set()
    for index, objective in enumerate(spec.promised):
        path: Place = ("spec", "objectives", index)
        if objective.indicator_ref is None or objective.target is None:
            continue
        yield from folder.check(source, (*path, "indicatorRef"), "SLI")
        yield from _check_target(source, (*path, "target"), objective.target)
        yield from _check_ratio(source, (*path, "indicatorRef"), objective.indicator_ref, folder)
        if objective.indicator_ref in seen:
            yield source.problem((*path, "indicatorRef"), expected="each indicator once in an agreement")
        seen.add(objective.indicator_ref)


def _check_ratio(source: Source, path: Place, name: str, folder: Folder) -> Iterator[Problem]:
    """An agreement has no `op` and no `value`."""
    sli = folder.slis.get(name)
    if sli is not None and sli.threshold_metric is not None:
        hint = "an agreement says no value that a thresholdMetric could be compared with"
        yield source.problem(path, expected="the name of an SLI with a ratioMetric", hint=hint)


def _check_burn_policy(source: Source, policy: BurnPolicyDocument, folder: Folder) -> Iterator[Problem]:
    for index in range(len(policy.spec.slo_refs)):
        yield from folder.check(source, ("spec", "sloRefs", index), "SLO")
    consumed = policy.spec.consumed
    if consumed is not None and not 0 < consumed <= 1:
        meant = f"did you mean {decimal(consumed / PERCENT)}?" if 1 < consumed <= PERCENT else ""
        expected = "a share of the budget above 0 and up to 1, such as 0.5"
        yield source.problem(("spec", "consumed"), expected=expected, hint=meant)
    slos = [slo for slo in folder.slos if slo.name in policy.spec.slo_refs]
    for index, pair in enumerate(policy.spec.pairs):
        path: Place = ("spec", "pairs", index)
        if pair.threshold <= 0:
            yield source.problem((*path, "threshold"), expected="a burn rate above 0")
        for slo in slos:
            yield from _check_burn_rate(source, (*path, "threshold"), pair.threshold, slo)
            yield from _check_fits(source, (*path, "long"), pair.long, slo)


def _check_burn_rate(source: Source, path: Place, threshold: Fraction, slo: Slo) -> Iterator[Problem]:
    for target in (target for target in targets_of(slo) if 0 < target < 1):
        highest = max_burn_rate(target)
        if threshold > highest:
            reason = f"with the target {decimal(target)} of {slo.name} a total outage burns at 1/(1-{decimal(target)})"
            limit = f"{float(highest):.6g}"
            yield source.problem(
                path, expected=f"a burn rate of at most {limit}", hint=f"{reason} = {limit}: it could never fire"
            )


def _policies_twice(parsed: Sequence[Parsed]) -> Iterator[Problem]:
    first: dict[str, str] = {}
    policies = ((one.source, one.model) for one in parsed if isinstance(one.model, BurnPolicyDocument))
    for source, policy in policies:
        for index, name in enumerate(policy.spec.slo_refs):
            path: Place = ("spec", "sloRefs", index)
            if name in first:
                yield source.problem(path, expected="one BurnPolicy per SLO", hint=f"it has one at {first[name]}")
            first.setdefault(name, f"{source.file}:{source.line(path)}")
