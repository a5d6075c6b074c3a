"""OpenSLO's alert kinds as models, and our BurnPolicy beside them.

In: documents as users write them. Out: frozen models that hold every word of OpenSLO v1; `policies.py` makes pairs of
windows of them.
"""

from typing import Literal, Self

from pydantic import ConfigDict, Field, model_validator

from pipeline.config import At, Config
from processors.slo.fields import LengthField, Name, Number, Wait
from processors.slo.metadata import Described, Document, Metadata, either, one_of
from processors.slo.windows import UNIT_S, Length

NO_WAIT = Length(0, "m")


def named(key: str, value: object) -> object:
    """`value`, unless it is the bare name of something.

    Raises:
        ValueError: saying how one refers to it.
    """
    if isinstance(value, str):
        raise ValueError(f"a mapping such as {{{key}: {value}}}")  # noqa: TRY004 - pydantic takes ValueErrors
    return value


class BurnCondition(Config):
    """From which burn rate, over which window, there is something to tell."""

    kind: Literal["burnrate"] = "burnrate"
    op: Literal["gte", "gt", "lte", "lt"]
    threshold: Number
    lookback_window: LengthField = Field(alias="lookbackWindow")
    alert_after: Wait = Field(NO_WAIT, alias="alertAfter", validate_default=False)


class AlertConditionSpec(Described):
    """A condition and how bad it is."""

    severity: str
    condition: BurnCondition


class AlertCondition(Document):
    """A condition that several policies refer to."""

    api_version: Literal["openslo/v1"] = Field(alias="apiVersion")
    kind: Literal["AlertCondition"]
    spec: AlertConditionSpec


class ConditionItem(Config):
    """A condition inside a policy, or the name of one."""

    condition_ref: Name | None = Field(None, alias="conditionRef")
    kind: Literal["AlertCondition"] | None = None
    metadata: Metadata | None = None
    spec: AlertConditionSpec | None = None

    model_config = ConfigDict(json_schema_extra=either("conditionRef", "spec"))

    @model_validator(mode="before")
    @classmethod
    def _not_by_its_bare_name(cls, value: object) -> object:
        return named("conditionRef", value)

    @model_validator(mode="after")
    def _here_or_elsewhere(self) -> Self:
        if not one_of(ref=self.condition_ref, spec=self.spec) or (self.condition_ref and (self.kind or self.metadata)):
            raise ValueError("either conditionRef with the name of an AlertCondition, or its kind, metadata and spec")
        return self


class NotificationSpec(Described):
    """Where notifications go, in a word."""

    target: str


class AlertNotificationTarget(Document):
    """Somebody to tell, that several policies refer to."""

    api_version: Literal["openslo/v1"] = Field(alias="apiVersion")
    kind: Literal["AlertNotificationTarget"]
    spec: NotificationSpec


class TargetItem(Config):
    """Somebody to tell inside a policy, or the name of one."""

    target_ref: Name | None = Field(None, alias="targetRef")
    kind: Literal["AlertNotificationTarget"] | None = None
    metadata: Metadata | None = None
    spec: NotificationSpec | None = None

    model_config = ConfigDict(json_schema_extra=either("targetRef", "spec"))

    @model_validator(mode="before")
    @classmethod
    def _not_by_its_bare_name(cls, value: object) -> object:
        return named("targetRef", value)

    @model_validator(mode="after")
    def _here_or_elsewhere(self) -> Self:
        if not one_of(ref=self.target_ref, spec=self.spec) or (self.target_ref and (self.kind or self.metadata)):
            raise ValueError("either targetRef with the name of an AlertNotificationTarget, or its kind and spec")
        return self


class AlertPolicySpec(Described):
    """What to tell, and whom."""

    alert_when_no_data: bool = Field(False, alias="alertWhenNoData")
    alert_when_resolved: bool = Field(False, alias="alertWhenResolved")
    alert_when_breaching: bool = Field(False, alias="alertWhenBreaching")
    conditions: list[ConditionItem] = Field(min_length=1, max_length=1)
    notification_targets: list[TargetItem] | None = Field(None, alias="notificationTargets")


class AlertPolicy(Document):
    """The alert of the SLOs that refer to it."""

    api_version: Literal["openslo/v1"] = Field(alias="apiVersion")
    kind: Literal["AlertPolicy"]
    spec: AlertPolicySpec


class PolicyItem(Config):
    """A policy inside an SLO, or the name of one."""

    alert_policy_ref: Name | None = Field(None, alias="alertPolicyRef")
    kind: Literal["AlertPolicy"] | None = None
    metadata: Metadata | None = None
    spec: AlertPolicySpec | None = None

    model_config = ConfigDict(json_schema_extra=either("alertPolicyRef", "spec"))

    @model_validator(mode="before")
    @classmethod
    def _not_by_its_bare_name(cls, value: object) -> object:
        return named("alertPolicyRef", value)

    @model_validator(mode="after")
    def _here_or_elsewhere(self) -> Self:
        inline = self.kind or self.metadata
        if not one_of(ref=self.alert_policy_ref, spec=self.spec) or (self.alert_policy_ref and inline):
            raise ValueError("either alertPolicyRef with the name of an AlertPolicy, or its kind, metadata and spec")
        return self


class BurnPairField(Config):
    """Two windows and the burn rate from which both together put the promise at risk."""

    long: LengthField
    short: LengthField
    threshold: Number
    severity: Literal["page", "ticket"] = "page"

    @model_validator(mode="after")
    def _short_in_long(self) -> Self:
        if not {self.long.unit, self.short.unit} <= set(UNIT_S):
            raise ValueError("windows in m, h, d or w")
        if self.short.seconds >= self.long.seconds:
            raise At("short", f"a short window shorter than the long one, {self.long}")
        return self


class BurnPolicySpec(Described):
    """The alerts of the SLOs named, instead of the usual ones."""

    slo_refs: list[Name] = Field(alias="sloRefs", min_length=1)
    minimum_bad: int = Field(2, alias="minimumBad", ge=1)
    consumed: Number | None = None
    pairs: list[BurnPairField] = Field(min_length=1, max_length=4)


class BurnPolicyDocument(Document):
    """Our own kind: OpenSLO's alert conditions know one window and one condition, a burn alert needs two of both."""

    api_version: Literal["andon/v1"] = Field(alias="apiVersion")
    kind: Literal["BurnPolicy"]
    spec: BurnPolicySpec
