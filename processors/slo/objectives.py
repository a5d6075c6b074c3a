"""What was promised, ready for use: what ingest counts, what the evaluator judges, what the store remembers.

In: documents that were found to be sound. Out: `Objectives`. Pure; documents keep the order they were read in.
"""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, fields, replace
from fractions import Fraction
from typing import Any

from processors.sla.documents import Agreement, ExclusionDocument, ServiceCalendar
from processors.sla.exclusions import Excluded, excluded, excluder
from processors.sli.checks import warnings as warnings_of
from processors.sli.indicator import Indicator
from processors.sli.selector import Selector
from processors.sli.slices import SLICE_S
from processors.slo.alerts import BurnPolicyDocument
from processors.slo.burn import BurnPolicy, default_policy
from processors.slo.checks import slis
from processors.slo.composite import target_of
from processors.slo.fields import length_of
from processors.slo.indicators import InlineSli, Sli
from processors.slo.law import Counting, Law
from processors.slo.metadata import Described, Document
from processors.slo.openslo import Objective, Service, Slo
from processors.slo.policies import Alert, Alerts, alert_policy, burn_policy, short_window
from processors.slo.promise import Excluder, IndicatorKey, Kind, Member, Promise, PromiseKey, canonical, generation
from processors.slo.thresholds import good_events, threshold_name
from processors.slo.windows import Bounds, Calendar, Window

LAWS = {
    "Occurrences": Law.OCCURRENCES,
    "Timeslices": Law.TIMESLICES,
    "RatioTimeslices": Law.RATIO_TIMESLICES,
}


@dataclass(frozen=True, slots=True, kw_only=True)
class Definition:
    """One document as the store remembers it; `content` is what was written."""

    kind: str
    name: str
    generation: str
    service: str
    content: Mapping[str, Any]


@dataclass(frozen=True, slots=True, kw_only=True)
class Alerting:
    """Whom an alert policy of an SLO tells of what, in the words of its targets."""

    slo: str
    policy: str
    severity: str
    no_data: bool
    resolved: bool
    targets: tuple[str, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class Objectives:
    """All that a folder of documents promises. `warnings` say where what was asked for had to be bent."""

    services: tuple[Service, ...]
    indicators: tuple[Indicator, ...]
    promises: tuple[Promise, ...]
    definitions: tuple[Definition, ...]
    agreements: tuple[Agreement, ...] = ()
    calendars: tuple[ServiceCalendar, ...] = ()
    exclusions: tuple[ExclusionDocument, ...] = ()
    alerting: tuple[Alerting, ...] = ()
    warnings: tuple[str, ...] = ()

    def promise_of(self, key: PromiseKey) -> Promise | None:
        """The promise of a name in a generation, if it is still made."""
        return next((one for one in self.promises if one.key == key), None)

    def excluded_in(self, agreement: Agreement | None, bounds: Bounds) -> Excluded:
        """What an agreement makes of each minute by its service hours and exclusions; nothing where there is none."""
        if agreement is None:
            return excluded((), None, bounds)
        return excluded(self.exclusions_of(agreement), self.calendar_of(agreement), bounds)

    def agreement_of(self, promise: Promise) -> Agreement | None:
        """The agreement that a promise is an objective of."""
        names = {agreement.name: agreement for agreement in self.agreements}
        return names.get(promise.document) if promise.kind is Kind.AGREEMENT else None

    def calendar_of(self, agreement: Agreement) -> ServiceCalendar | None:
        """The hours in which an agreement owes service; None: always."""
        return next((one for one in self.calendars if one.name == agreement.spec.service_hours), None)

    def exclusions_of(self, agreement: Agreement) -> tuple[ExclusionDocument, ...]:
        """What an agreement does not hold against the provider, in the order it names it."""
        names = {exclusion.name: exclusion for exclusion in self.exclusions}
        return tuple(names[name] for name in agreement.spec.exclusions)


@dataclass(frozen=True, slots=True, kw_only=True)
class Written:
    """A sound document and the mapping it was read from."""

    model: Document
    content: Mapping[str, Any]


def build(documents: Sequence[Written]) -> Objectives:
    """The objectives of documents whose references all hold."""
    models = [written.model for written in documents]
    counted = {one.indicator.name: one for one in _counted(models)}
    promises, warnings = _promises(models, {name: one.indicator for name, one in counted.items()})
    return Objectives(
        services=tuple(model for model in models if isinstance(model, Service)),
        indicators=tuple(one.indicator for one in counted.values()),
        promises=promises,
        definitions=tuple(_definitions(documents, counted, promises)),
        agreements=tuple(model for model in models if isinstance(model, Agreement)),
        calendars=tuple(model for model in models if isinstance(model, ServiceCalendar)),
        exclusions=tuple(model for model in models if isinstance(model, ExclusionDocument)),
        alerting=tuple(_alerting(models)),
        warnings=(*warnings, *(text for one in counted.values() for text in warnings_of(one.indicator))),
    )


def _alerting(models: Sequence[Document]) -> Iterator[Alerting]:
    alerts = Alerts(models)
    for slo in models:
        for alert in alerts.of(slo) if isinstance(slo, Slo) else ():
            yield Alerting(
                slo=slo.name,
                policy=alert.policy,
                severity=alert.condition.severity,
                no_data=alert.spec.alert_when_no_data,
                resolved=alert.spec.alert_when_resolved,
                targets=alert.targets,
            )


@dataclass(frozen=True, slots=True, kw_only=True)
class Counted:
    """An indicator, and the SLI it is, as one that was written by itself."""

    indicator: Indicator
    written_as: Mapping[str, Any]


def _counted(models: Sequence[Document]) -> Iterator[Counted]:
    """Every indicator that is counted: each ratio, and each threshold with each value that it is held against."""
    by_name = {sli.name: sli for sli in slis(models)}
    for sli in by_name.values():
        if sli.spec.ratio_metric:
            yield Counted(indicator=to_indicator(sli), written_as=_by_itself(sli))
    for slo in models:
        if not isinstance(slo, Slo):
            continue
        for objective in slo.spec.objectives:
            sli = by_name[slo.spec.about(objective)[1]]
            if sli.spec.threshold_metric:
                yield threshold_indicator(sli, objective)


def to_indicator(sli: Sli | InlineSli) -> Indicator:
    """The indicator of a document; whatever changes what it counts changes its generation."""
    metric = sli.spec.ratio_metric
    assert metric is not None
    assert metric.total is not None
    return Indicator(
        name=sli.name,
        generation=generation({key: _metric_content(part.selector) for key, part in metric.parts.items()}),
        valid=metric.total.selector,
        good=metric.good.selector if metric.good else None,
        bad=metric.bad.selector if metric.bad else None,
        group_by=metric.total.selector.group_by,
        max_groups=metric.total.selector.max_groups,
    )


def _metric_content(selector: Selector) -> dict[str, Any]:
    """What is counted, however it was written."""
    spec = selector.model_dump(mode="json", by_alias=True, exclude_defaults=True)
    return {"metricSource": {"type": "andon", "spec": spec}}


def threshold_indicator(sli: Sli | InlineSli, objective: Objective) -> Counted:
    """A thresholdMetric held against the value of an objective, as the ratio that it is."""
    metric, op, value = sli.spec.threshold_metric, objective.op, objective.value
    assert metric is not None
    assert op is not None
    assert value is not None
    good = {"metricSource": {"type": "andon", "spec": good_events(metric.selector, op, value)}}
    total = metric.model_dump(by_alias=True, exclude_unset=True)
    content = _by_itself(sli)
    content["spec"] = {"ratioMetric": {"good": good, "total": total}}
    indicator = to_indicator(Sli.model_validate(content))
    return Counted(indicator=replace(indicator, name=threshold_name(sli.name, op, value)), written_as=content)


def _by_itself(sli: Sli | InlineSli) -> dict[str, Any]:
    """An SLI as a document, wherever it was written."""
    content = sli.model_dump(by_alias=True, exclude_unset=True)
    return {**content, "apiVersion": "openslo/v1", "kind": "SLI"}


def _promises(
    models: Sequence[Document], indicators: Mapping[str, Indicator]
) -> tuple[tuple[Promise, ...], tuple[str, ...]]:
    policies = {
        name: model for model in models if isinstance(model, BurnPolicyDocument) for name in model.spec.slo_refs
    }
    alerts = Alerts(models)
    promises: list[Promise] = []
    warnings: list[str] = []
    for draft in _drafts(models, indicators):
        own = tuple(alerts.of(draft.document)) if isinstance(draft.document, Slo) else ()
        slice_s = draft.counting.slice_s if draft.counting.by_slices else 0
        policy, bent = default_policy(draft.target, draft.window.nominal_s, slice_s or SLICE_S)
        if own:
            policy, bent = alert_policy(own, slice_s), ()
        elif isinstance(draft.document, Slo) and draft.document.name in policies:
            policy, bent = burn_policy(policies[draft.document.name]), ()
        promises.append(draft.promise(policy))
        warnings += [f"{draft.kind} {draft.name}: {text}" for text in (*bent, *_unheeded(own, slice_s))]
    return tuple(promises), tuple(dict.fromkeys(warnings))


def _unheeded(alerts: Sequence[Alert], slice_s: int) -> Iterator[str]:
    """What an alert policy asks for that comes about in another way."""
    for alert in alerts:
        condition = alert.condition.condition
        if condition.alert_after.count:
            short = short_window(condition.lookback_window, slice_s)
            yield f"{alert.policy}: alertAfter {condition.alert_after} is not waited for: the short window, {short}, is"


@dataclass(frozen=True, slots=True, kw_only=True)
class _Draft:
    """A promise before its burn policy."""

    kind: Kind
    document: Document
    name: str
    service: str
    indicator: Indicator
    target: Fraction
    window: Window
    counting: Counting
    outside: Mapping[str, Any]
    excluded: Excluder | None = None
    members: tuple[Member, ...] = ()
    slow: bool | None = None

    def promise(self, policy: BurnPolicy) -> Promise:
        key = _key(self.indicator)
        counted = members_content(self.members) if self.members else key
        return Promise(
            kind=self.kind,
            name=self.name,
            service=self.service,
            indicator=key,
            generation=generation(
                [*counted, window_content(self.window), *counting_content(self.counting), *filter(None, [self.outside])]
            ),
            target=self.target,
            window=self.window,
            counting=self.counting,
            burn=policy,
            slow=self.indicator.times if self.slow is None else self.slow,
            signal=self.indicator.signal,
            excluded=self.excluded,
            members=self.members,
        )


def _key(indicator: Indicator) -> IndicatorKey:
    return IndicatorKey(indicator.name, indicator.generation)


def _drafts(models: Sequence[Document], indicators: Mapping[str, Indicator]) -> Iterator[_Draft]:
    for model in models:
        if isinstance(model, Slo) and model.spec.is_composite:
            yield _composite(model, indicators)
        elif isinstance(model, Slo):
            for number, objective in enumerate(model.spec.objectives, 1):
                yield _Draft(
                    kind=Kind.SLO,
                    document=model,
                    name=model.name if len(model.spec.objectives) == 1 else f"{model.name}/{number}",
                    service=model.spec.service,
                    indicator=indicators[_counted_as(model, objective, indicators)],
                    target=objective.ratio,
                    window=model.spec.window,
                    counting=counting_of(model, objective),
                    outside={},
                )
        if isinstance(model, Agreement):
            outside = _outside(model, models)
            for promised in model.spec.objectives:
                yield _Draft(
                    kind=Kind.AGREEMENT,
                    document=model,
                    name=model.promise_name(promised),
                    service=model.spec.service,
                    indicator=indicators[promised.indicator_ref],
                    target=promised.target,
                    window=model.spec.window,
                    counting=model.spec.counting,
                    outside=outside,
                    excluded=_excluded(model, models),
                )


def _composite(slo: Slo, indicators: Mapping[str, Indicator]) -> _Draft:
    """One promise of all objectives, each with its own indicator."""
    counted = [(one, indicators[_counted_as(slo, one, indicators)]) for one in slo.spec.objectives]
    members = tuple(
        Member(
            indicator=_key(indicator),
            target=one.ratio,
            weight=one.weight,
            counting=counting_of(slo, one),
            signal=indicator.signal,
        )
        for one, indicator in counted
    )
    countings = [member.counting for member in members]
    return _Draft(
        kind=Kind.SLO,
        document=slo,
        name=slo.name,
        service=slo.spec.service,
        indicator=counted[0][1],
        target=target_of(countings[0].law, [(member.target, member.weight) for member in members]),
        window=slo.spec.window,
        counting=min(countings, key=lambda counting: counting.slice_target),
        slow=all(indicator.times for _, indicator in counted),
        outside={},
        members=members,
    )


def _excluded(agreement: Agreement, models: Sequence[Document]) -> Excluder | None:
    """What an agreement's service hours and exclusions make of each minute; None where it has neither."""
    hours = [one for one in models if isinstance(one, ServiceCalendar) and one.name == agreement.spec.service_hours]
    named = [one for one in models if isinstance(one, ExclusionDocument) and one.name in agreement.spec.exclusions]
    return excluder(named, next(iter(hours), None)) if hours or named else None


def _outside(agreement: Agreement, models: Sequence[Document]) -> dict[str, Any]:
    """What an agreement does not count by its calendar and exclusions, as JSON knows it; words for people left out."""
    content: dict[str, Any] = {}
    named = agreement.spec.exclusions
    for model in models:
        if isinstance(model, ServiceCalendar) and model.name == agreement.spec.service_hours:
            content["calendar"] = _spec_content(model.spec)
        if isinstance(model, ExclusionDocument) and model.spec.effect != "count" and model.name in named:
            content.setdefault("exclusions", []).append(_spec_content(model.spec))
    if "exclusions" in content:
        content["exclusions"].sort(key=canonical)
    return content


def _spec_content(spec: Described) -> dict[str, Any]:
    words = {"description", "category", "reason", "author"}
    return spec.model_dump(mode="json", by_alias=True, exclude_defaults=True, exclude=words)


def _counted_as(slo: Slo, objective: Objective, indicators: Mapping[str, Indicator]) -> str:
    """The name of the indicator that an objective is about."""
    _, name = slo.spec.about(objective)
    if name in indicators or objective.op is None or objective.value is None:
        return name
    return threshold_name(name, objective.op, objective.value)


def counting_of(slo: Slo, objective: Objective) -> Counting:
    """How an objective of an SLO is counted."""
    law = LAWS[slo.spec.budgeting_method]
    if law is Law.OCCURRENCES:
        return Counting(law=law)
    seconds = length_of(objective.time_slice_window or 1).seconds
    return Counting(law=law, slice_s=seconds, slice_target=objective.time_slice_target or Fraction(1))


def counting_content(counting: Counting) -> list[Any]:
    """A law as JSON knows it, and its parameters where they are not the usual ones."""
    usual = Counting(law=counting.law)
    parameters = {
        field.name: str(getattr(counting, field.name))
        for field in fields(counting)
        if getattr(counting, field.name) != getattr(usual, field.name)
    }
    return [counting.law, parameters] if parameters else [counting.law]


def members_content(members: Sequence[Member]) -> list[Any]:
    """Members as JSON knows them, in whatever order they were written."""
    each = [
        [*one.indicator, str(one.target), str(one.weight), one.signal, *counting_content(one.counting)]
        for one in members
    ]
    return sorted(each, key=canonical)


def window_content(window: Window) -> dict[str, str]:
    """A window as JSON knows it."""
    if isinstance(window, Calendar):
        return {"duration": str(window.length), "start": window.start.isoformat(), "zone": window.zone}
    return {"duration": str(window.length)}


def _definitions(
    documents: Sequence[Written], counted: Mapping[str, Counted], promises: Sequence[Promise]
) -> Iterator[Definition]:
    """One definition per document, and one per indicator that is counted and no document by itself."""
    generations = _document_generations(promises)
    for written in documents:
        model, content = written.model, written.content
        kind = str(content["kind"])
        service = model.spec.service if isinstance(model, Slo | Agreement) else ""
        yield Definition(
            kind=kind,
            name=model.name,
            generation=_generation_of(model, content, counted, generations),
            service=model.name if isinstance(model, Service) else service,
            content=content,
        )
    documented = {written.model.name for written in documents if isinstance(written.model, Sli)}
    for name, one in counted.items():
        if name not in documented:
            yield Definition(
                kind="SLI", name=name, generation=one.indicator.generation, service="", content=one.written_as
            )


def _generation_of(
    model: Document,
    content: Mapping[str, Any],
    counted: Mapping[str, Counted],
    generations: Mapping[tuple[Kind, str], str],
) -> str:
    if isinstance(model, Sli) and model.name in counted:
        return counted[model.name].indicator.generation
    if isinstance(model, Slo):
        return generations[Kind.SLO, model.name]
    if isinstance(model, Agreement):
        return generations.get((Kind.AGREEMENT, model.name), generation(content))
    return generation(content)


def _document_generations(promises: Sequence[Promise]) -> dict[tuple[Kind, str], str]:
    """A document's generation is that of its promises, or follows from them where they differ."""
    found: dict[tuple[Kind, str], list[str]] = {}
    for promise in promises:
        each = found.setdefault((promise.kind, promise.document), [])
        if promise.generation not in each:
            each.append(promise.generation)
    return {document: each[0] if len(each) == 1 else generation(each) for document, each in found.items()}
