"""What was promised, ready for use: what ingest counts, what the evaluator judges, what the store remembers.

In: documents that were found to be sound. Out: `Objectives`. Pure; documents keep the order they were read in.
"""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from fractions import Fraction
from typing import Any

from processors.sla.documents import Agreement
from processors.sli.checks import warnings as warnings_of
from processors.sli.indicator import Indicator
from processors.slo.burn import BurnPair, BurnPolicy, default_policy
from processors.slo.law import Counting, Law
from processors.slo.openslo import BurnPolicyDocument, Document, InlineSli, Service, Sli, Slo
from processors.slo.promise import IndicatorKey, Kind, Promise, generation
from processors.slo.windows import Calendar, Window


@dataclass(frozen=True, slots=True, kw_only=True)
class Definition:
    """One document as the store remembers it; `content` is what was written."""

    kind: str
    name: str
    generation: str
    service: str
    content: Mapping[str, Any]


@dataclass(frozen=True, slots=True, kw_only=True)
class Objectives:
    """All that a folder of documents promises. `warnings` say where what was asked for had to be bent."""

    services: tuple[Service, ...]
    indicators: tuple[Indicator, ...]
    promises: tuple[Promise, ...]
    definitions: tuple[Definition, ...]
    warnings: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class Written:
    """A sound document and the mapping it was read from."""

    model: Document
    content: Mapping[str, Any]


def build(documents: Sequence[Written]) -> Objectives:
    """The objectives of documents whose references all hold."""
    models = [written.model for written in documents]
    indicators = {indicator.name: indicator for indicator in map(to_indicator, slis(models))}
    promises, warnings = _promises(models, indicators)
    return Objectives(
        services=tuple(model for model in models if isinstance(model, Service)),
        indicators=tuple(indicators.values()),
        promises=promises,
        definitions=tuple(_definitions(documents, indicators, promises)),
        warnings=(*warnings, *(text for indicator in indicators.values() for text in warnings_of(indicator))),
    )


def slis(models: Sequence[Document]) -> Iterator[Sli | InlineSli]:
    """Every indicator, wherever it is written."""
    for model in models:
        if isinstance(model, Sli):
            yield model
        if isinstance(model, Slo) and model.spec.indicator:
            yield model.spec.indicator


def to_indicator(sli: Sli | InlineSli) -> Indicator:
    """The indicator of a document; whatever changes what it counts changes its generation."""
    metric = sli.spec.ratio_metric
    return Indicator(
        name=sli.name,
        generation=generation(metric.model_dump(mode="json", by_alias=True, exclude_defaults=True)),
        valid=metric.total.selector,
        good=metric.good.selector if metric.good else None,
        bad=metric.bad.selector if metric.bad else None,
        group_by=metric.total.selector.group_by,
        max_groups=metric.total.selector.max_groups,
    )


def _promises(
    models: Sequence[Document], indicators: Mapping[str, Indicator]
) -> tuple[tuple[Promise, ...], tuple[str, ...]]:
    policies = {
        name: model.spec for model in models if isinstance(model, BurnPolicyDocument) for name in model.spec.slo_refs
    }
    promises: list[Promise] = []
    warnings: list[str] = []
    for draft in _drafts(models, indicators):
        policy, bent = default_policy(draft.target, draft.window.nominal_s)
        if draft.kind is Kind.SLO and draft.document in policies:
            spec = policies[draft.document]
            pairs = (BurnPair(long=pair.long, short=pair.short, threshold=pair.threshold) for pair in spec.pairs)
            policy, bent = BurnPolicy(pairs=tuple(pairs), minimum_bad=spec.minimum_bad), ()
        promises.append(draft.promise(policy))
        warnings += [f"{draft.kind} {draft.name}: {text}" for text in bent]
    return tuple(promises), tuple(warnings)


@dataclass(frozen=True, slots=True, kw_only=True)
class _Draft:
    """A promise before its burn policy."""

    kind: Kind
    document: str
    name: str
    service: str
    indicator: Indicator
    target: Fraction
    window: Window
    law: Law

    def promise(self, policy: BurnPolicy) -> Promise:
        key = IndicatorKey(self.indicator.name, self.indicator.generation)
        return Promise(
            kind=self.kind,
            name=self.name,
            service=self.service,
            indicator=key,
            generation=generation([*key, window_content(self.window), self.law]),
            target=self.target,
            window=self.window,
            counting=Counting(law=self.law),
            burn=policy,
            slow=self.indicator.times,
        )


def _drafts(models: Sequence[Document], indicators: Mapping[str, Indicator]) -> Iterator[_Draft]:
    for model in models:
        if isinstance(model, Slo):
            reference = model.spec.indicator.name if model.spec.indicator else str(model.spec.indicator_ref)
            for number, objective in enumerate(model.spec.objectives, 1):
                yield _Draft(
                    kind=Kind.SLO,
                    document=model.name,
                    name=model.name if len(model.spec.objectives) == 1 else f"{model.name}/{number}",
                    service=model.spec.service,
                    indicator=indicators[reference],
                    target=objective.ratio,
                    window=model.spec.window,
                    law=Law.OCCURRENCES,
                )
        if isinstance(model, Agreement):
            for promised in model.spec.objectives:
                alone = len(model.spec.objectives) == 1
                yield _Draft(
                    kind=Kind.AGREEMENT,
                    document=model.name,
                    name=model.name if alone else f"{model.name}/{promised.indicator_ref}",
                    service=model.spec.service,
                    indicator=indicators[promised.indicator_ref],
                    target=promised.target,
                    window=model.spec.window,
                    law=Law(model.spec.law),
                )


def window_content(window: Window) -> dict[str, str]:
    """A window as JSON knows it."""
    if isinstance(window, Calendar):
        return {"duration": str(window.length), "start": window.start.isoformat(), "zone": window.zone}
    return {"duration": str(window.length)}


def _definitions(
    documents: Sequence[Written], indicators: Mapping[str, Indicator], promises: Sequence[Promise]
) -> Iterator[Definition]:
    """One definition per document, and one per indicator written inside an SLO."""
    generations = _document_generations(promises)
    for written in documents:
        model, content = written.model, written.content
        kind = str(content["kind"])
        service = model.spec.service if isinstance(model, Slo | Agreement) else ""
        yield Definition(
            kind=kind,
            name=model.name,
            generation=_generation_of(model, content, indicators, generations),
            service=model.name if isinstance(model, Service) else service,
            content=content,
        )
        if isinstance(model, Slo) and model.spec.indicator:
            inline = model.spec.indicator.name
            inner = {"apiVersion": content["apiVersion"], "kind": "SLI", **content["spec"]["indicator"]}
            yield Definition(
                kind="SLI", name=inline, generation=indicators[inline].generation, service="", content=inner
            )


def _generation_of(
    model: Document,
    content: Mapping[str, Any],
    indicators: Mapping[str, Indicator],
    generations: Mapping[tuple[Kind, str], str],
) -> str:
    if isinstance(model, Sli):
        return indicators[model.name].generation
    if isinstance(model, Slo):
        return generations[Kind.SLO, model.name]
    if isinstance(model, Agreement):
        return generations[Kind.AGREEMENT, model.name]
    return generation(content)


def _document_generations(promises: Sequence[Promise]) -> dict[tuple[Kind, str], str]:
    """A document's generation is that of its promises, or follows from them where they differ."""
    found: dict[tuple[Kind, str], list[str]] = {}
    for promise in promises:
        each = found.setdefault((promise.kind, promise.name.partition("/")[0]), [])
        if promise.generation not in each:
            each.append(promise.generation)
    return {document: each[0] if len(each) == 1 else generation(each) for document, each in found.items()}
