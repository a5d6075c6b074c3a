"""Burn policies out of documents: whose alerts are whose, and a pair of windows for each.

In: the models of a folder. Out: for each SLO the alerts that it refers to, each with the place its condition stands at,
and a `BurnPolicy`. Pure.

An OpenSLO condition has one window. It becomes the long one of a pair; the short one, which says that it still goes on,
is a twelfth of it and at least two slices, in whole minutes.
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import TypeVar

from processors.slo.alerts import (
    AlertCondition,
    AlertConditionSpec,
    AlertNotificationTarget,
    AlertPolicy,
    AlertPolicySpec,
    BurnPolicyDocument,
    ConditionItem,
    PolicyItem,
)
from processors.slo.burn import BurnPair, BurnPolicy, Severity
from processors.slo.grid import MINUTE_S
from processors.slo.metadata import Document
from processors.slo.openslo import Slo
from processors.slo.windows import SLICE, Length

Place = tuple[str | int, ...]
SHORT_SHARE = 12
SHORT_SLICES = 2
DocumentT = TypeVar("DocumentT", bound=Document)


@dataclass(frozen=True, slots=True, kw_only=True)
class Alert:
    """One policy of an SLO; `document` and `path` are where its condition is written."""

    policy: str
    spec: AlertPolicySpec
    condition: AlertConditionSpec
    targets: tuple[str, ...]
    document: Document
    path: Place


class Alerts:
    """The alert kinds of a folder, by name."""

    def __init__(self, models: Sequence[Document]) -> None:
        self._policies = _by_name(models, AlertPolicy)
        self._conditions = _by_name(models, AlertCondition)
        self._targets = _by_name(models, AlertNotificationTarget)

    def of(self, slo: Slo) -> Iterator[Alert]:
        """The alerts of an SLO; those whose references lead nowhere are left out."""
        for index, item in enumerate(slo.spec.alert_policies or ()):
            document, path, spec = self._policy(slo, item, ("spec", "alertPolicies", index))
            if spec is None:
                continue
            where, place, condition = self._condition(document, spec.conditions[0], (*path, "conditions", 0))
            if condition is not None:
                yield Alert(
                    policy=document.name if document is not slo else item.metadata.name if item.metadata else slo.name,
                    spec=spec,
                    condition=condition,
                    targets=tuple(self._told(spec)),
                    document=where,
                    path=(*place, "condition"),
                )

    def _policy(self, slo: Slo, item: PolicyItem, path: Place) -> tuple[Document, Place, AlertPolicySpec | None]:
        if item.spec is not None:
            return slo, (*path, "spec"), item.spec
        policy = self._policies.get(str(item.alert_policy_ref))
        return (policy, ("spec",), policy.spec) if policy else (slo, path, None)

    def _condition(
        self, document: Document, item: ConditionItem, path: Place
    ) -> tuple[Document, Place, AlertConditionSpec | None]:
        if item.spec is not None:
            return document, (*path, "spec"), item.spec
        condition = self._conditions.get(str(item.condition_ref))
        return (condition, ("spec",), condition.spec) if condition else (document, path, None)

    def _told(self, spec: AlertPolicySpec) -> Iterator[str]:
        """Whom a policy tells, in the words of its targets."""
        for item in spec.notification_targets or ():
            if item.spec is not None:
                yield item.spec.target
            elif item.target_ref in self._targets:
                yield self._targets[item.target_ref].spec.target


def _by_name(models: Sequence[Document], kind: type[DocumentT]) -> dict[str, DocumentT]:
    return {model.name: model for model in models if isinstance(model, kind)}


def short_window(lookback: Length, slice_s: int = 0) -> Length:
    """The short window beside a lookback window: a twelfth, at least two slices, in whole minutes."""
    seconds = max(-(-lookback.seconds // SHORT_SHARE), SHORT_SLICES * max(slice_s, SLICE.seconds))
    return Length(-(-seconds // MINUTE_S), "m")


def alert_policy(alerts: Sequence[Alert], slice_s: int) -> BurnPolicy:
    """The burn policy of an SLO that says which alerts it wants."""
    return BurnPolicy(
        pairs=tuple(
            BurnPair(
                long=alert.condition.condition.lookback_window,
                short=short_window(alert.condition.condition.lookback_window, slice_s),
                threshold=alert.condition.condition.threshold,
                severity=severity_of(alert.condition.severity),
            )
            for alert in alerts
        )
    )


def burn_policy(document: BurnPolicyDocument) -> BurnPolicy:
    """The burn policy of our own kind, exactly as written."""
    spec = document.spec
    pairs = (
        BurnPair(long=pair.long, short=pair.short, threshold=pair.threshold, severity=Severity(pair.severity))
        for pair in spec.pairs
    )
    return BurnPolicy(pairs=tuple(pairs), minimum_bad=spec.minimum_bad, consumed=spec.consumed)


def severity_of(word: str) -> Severity:
    """How bad an alert is by the word for it: OpenSLO leaves it open, so whatever is no ticket is a page."""
    return Severity.TICKET if word.lower() == Severity.TICKET else Severity.PAGE
