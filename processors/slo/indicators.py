"""OpenSLO's SLI and DataSource as models: where the events of a promise come from.

In: documents as users write them. Out: frozen models that hold every word of OpenSLO v1. What is counted is a metric
source of type `andon`; its `spec` is a selector. Others are held as they are written, and refused where they would have
to be evaluated (`checks.py`).

Source: https://github.com/OpenSLO/OpenSLO, `apiVersion: openslo/v1`.
"""

from collections.abc import Mapping
from typing import Annotated, Any, Literal, Self

from pydantic import (
    ConfigDict,
    Field,
    ModelWrapValidatorHandler,
    PlainValidator,
    PrivateAttr,
    ValidationInfo,
    WithJsonSchema,
    field_serializer,
    model_validator,
)

from pipeline.config import Config, keys_of
from processors.sli.selector import OPERATORS, Selector
from processors.slo.metadata import Described, Document, either, one_of

ANDON = "andon"


class DataSourceSpec(Described):
    """What kind of source it is, and how to reach it."""

    type: str
    connection_details: Any = Field(None, alias="connectionDetails")


class DataSource(Document):
    """A source that several indicators refer to."""

    api_version: Literal["openslo/v1"] = Field(alias="apiVersion")
    kind: Literal["DataSource"]
    spec: DataSourceSpec


def parse_selector(value: object, info: ValidationInfo) -> Selector | Mapping[str, Any]:
    """What to count if the type beside it is ours, else what was written for somebody else."""
    if info.data.get("type") == ANDON:
        return Selector.model_validate(value, context=info.context, by_alias=True, by_name=False)
    if not isinstance(value, Mapping):
        raise ValueError("a mapping: what to count")  # noqa: TRY004 - pydantic takes ValueErrors
    return value


def selector_schema() -> dict[str, Any]:
    """The JSON schema of a selector, as far as editors can tell: its keys, and the operators of its conditions."""
    operators = {"type": "object", "properties": dict.fromkeys(OPERATORS, True), "additionalProperties": False}
    condition = {"anyOf": [{"type": ["string", "number", "boolean"]}, {**operators, "minProperties": 1}]}
    clauses = {"^(and|or)$": {"type": "array"}, "^not$": {"type": "object"}, "^(?!(and|or|not)$)": condition}
    where = {
        "type": "object",
        "minProperties": 1,
        "patternProperties": clauses,
        "description": "conditions by field, all of which must hold; durations with their unit, such as 500ms",
        "examples": [{"kind": "server", "duration": {"lte": "500ms"}}],
    }
    keys = {**dict.fromkeys(keys_of(Selector), True), "where": where}
    return {"type": "object", "properties": keys, "required": ["where"], "additionalProperties": False}


class MetricSource(Config):
    """Where events come from: `andon` counts what a selector selects; a type left out is that of the DataSource."""

    metric_source_ref: str | None = Field(None, alias="metricSourceRef")
    type: str | None = None
    spec: Annotated[Selector | Mapping[str, Any], PlainValidator(parse_selector), WithJsonSchema(selector_schema())]
    _written: Any = PrivateAttr(None)

    @model_validator(mode="wrap")
    @classmethod
    def _keep_what_was_written(cls, data: Any, handler: ModelWrapValidatorHandler[Self]) -> Self:
        made = handler(data)
        made._written = data["spec"] if isinstance(data, Mapping) else made.spec  # noqa: SLF001 - its own
        return made

    @model_validator(mode="after")
    def _says_what_it_is(self) -> Self:
        if self.type is None and self.metric_source_ref is None:
            raise ValueError("type: andon, or metricSourceRef with the name of a DataSource")
        return self

    @field_serializer("spec")
    def _spec_as_written(self, _: object) -> Any:
        return self._written

    @property
    def selector(self) -> Selector:
        """What to count.

        Raises:
            ValidationError: it comes from a source that Andon does not count.
        """
        return self.spec if isinstance(self.spec, Selector) else Selector.model_validate(self.spec)


class Metric(Config):
    """One side of a ratio, or what a threshold is about."""

    metric_source: MetricSource = Field(alias="metricSource")

    @property
    def selector(self) -> Selector:
        return self.metric_source.selector


class RatioMetric(Config):
    """Good (or bad) events of all valid ones, or a ratio that somebody else computed."""

    counter: bool = True
    good: Metric | None = None
    bad: Metric | None = None
    total: Metric | None = None
    raw_type: Literal["success", "failure"] | None = Field(None, alias="rawType")
    raw: Metric | None = None

    model_config = ConfigDict(
        json_schema_extra={
            "oneOf": [
                {"required": ["good", "total"]},
                {"required": ["bad", "total"]},
                {"required": ["raw", "rawType"]},
            ]
        }
    )

    @model_validator(mode="after")
    def _has_two_sides(self) -> Self:
        if self.raw or self.raw_type:
            if not (self.raw and self.raw_type) or self.good or self.bad or self.total:
                raise ValueError("raw with rawType, and neither good, bad nor total")
        elif self.total is None:
            raise ValueError("total: which events count at all, beside good or bad")
        elif not one_of(good=self.good, bad=self.bad):
            raise ValueError("either good or bad, beside total")
        return self

    @property
    def parts(self) -> dict[str, Metric]:
        """Every metric that is given, by its key."""
        named = {"good": self.good, "bad": self.bad, "total": self.total, "raw": self.raw}
        return {key: metric for key, metric in named.items() if metric is not None}


class SliSpec(Described):
    """What an indicator counts."""

    threshold_metric: Metric | None = Field(None, alias="thresholdMetric")
    ratio_metric: RatioMetric | None = Field(None, alias="ratioMetric")

    model_config = ConfigDict(json_schema_extra=either("thresholdMetric", "ratioMetric"))

    @model_validator(mode="after")
    def _one_metric(self) -> Self:
        if not one_of(threshold=self.threshold_metric, ratio=self.ratio_metric):
            raise ValueError("either ratioMetric or thresholdMetric")
        return self

    @property
    def metrics(self) -> dict[tuple[str, ...], Metric]:
        """Every metric of either form, by its path."""
        if self.threshold_metric is not None:
            return {("thresholdMetric",): self.threshold_metric}
        parts = self.ratio_metric.parts if self.ratio_metric else {}
        return {("ratioMetric", key): metric for key, metric in parts.items()}


class Sli(Document):
    """A service level indicator."""

    api_version: Literal["openslo/v1"] = Field(alias="apiVersion")
    kind: Literal["SLI"]
    spec: SliSpec


class InlineSli(Document):
    """An indicator written inside the SLO that uses it."""

    spec: SliSpec
