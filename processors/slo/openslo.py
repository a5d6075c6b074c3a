"""OpenSLO v1's Service and SLO as models.

In: documents as users write them. Out: frozen models that hold every word of OpenSLO v1. What of it cannot be evaluated
is refused by name (`checks.py`), never ignored: a promise that is half understood is worse than none.

Source: https://github.com/OpenSLO/OpenSLO, `apiVersion: openslo/v1`.
"""

from fractions import Fraction
from typing import Annotated, Literal, Self

from pydantic import BeforeValidator, ConfigDict, Field, PlainSerializer, WithJsonSchema, model_validator

from pipeline.config import At, Config, parse_duration
from processors.slo.alerts import PolicyItem
from processors.slo.fields import (
    LengthField,
    Name,
    Number,
    SliceWindow,
    Start,
    Zone,
    local_time,
    number_written,
    parse_number,
)
from processors.slo.indicators import InlineSli
from processors.slo.metadata import Described, Document, either, one_of
from processors.slo.windows import UNIT_DAYS, UNIT_MONTHS, Calendar, Rolling, Window

ROLLING_UNITS = "hdw"


class Service(Document):
    """Something that people use, and that promises are made about."""

    api_version: Literal["openslo/v1"] = Field(alias="apiVersion")
    kind: Literal["Service"]
    spec: Described = Described()


class CalendarField(Config):
    """When the first period began."""

    start_time: Start = Field(alias="startTime")
    time_zone: Zone = Field(alias="timeZone")


class TimeWindow(Config):
    """The stretch of time that the target is about."""

    duration: LengthField
    is_rolling: bool = Field(False, alias="isRolling")
    calendar: CalendarField | None = None

    @model_validator(mode="after")
    def _is_whole(self) -> Self:
        if self.is_rolling and self.calendar is not None:
            raise At("calendar", "no calendar where isRolling is true")
        if self.is_rolling and self.duration.unit not in ROLLING_UNITS:
            months = "; months roll over with isRolling: false and a calendar" if self.duration.unit != "m" else ""
            raise At("duration", f"a rolling duration in h, d or w{months}")
        if not self.is_rolling and self.calendar is None:
            raise At("isRolling", "isRolling: true, or a calendar with startTime and timeZone")
        if not self.is_rolling and self.duration.unit not in {*UNIT_DAYS, *UNIT_MONTHS}:
            raise At("duration", f"a calendar duration in d, w, M, Q or Y{self._month_meant}")
        return self

    @property
    def _month_meant(self) -> str:
        length = self.duration
        return f" (m is a minute; did you mean {length.count}M?)" if length.unit == "m" else ""

    @property
    def window(self) -> Window:
        if self.calendar is None:
            return Rolling(self.duration)
        return Calendar(self.duration, local_time(self.calendar.start_time), self.calendar.time_zone)


def parse_threshold(value: object) -> Fraction | str:
    """What a measured value is compared with: a number, or for the time that requests took a duration.

    Raises:
        ValueError: it is neither.
    """
    if not isinstance(value, str):
        return parse_number(value)
    parse_duration(value)
    return value


Threshold = Annotated[
    Fraction | str,
    BeforeValidator(parse_threshold),
    PlainSerializer(lambda value: value if isinstance(value, str) else number_written(value)),
    WithJsonSchema(
        {
            "type": ["number", "string"],
            "description": "a number; for the time that requests took a duration with its unit",
            "examples": ["500ms", 0.5],
        }
    ),
]


class Objective(Config):
    """A target, as a ratio or in per cent, and what it is held against."""

    display_name: str | None = Field(None, alias="displayName")
    op: Literal["lte", "gte", "lt", "gt"] | None = None
    value: Threshold | None = None
    target: Number | None = None
    target_percent: Number | None = Field(None, alias="targetPercent")
    time_slice_target: Number | None = Field(None, alias="timeSliceTarget")
    time_slice_window: SliceWindow | None = Field(None, alias="timeSliceWindow")
    indicator: InlineSli | None = None
    indicator_ref: Name | None = Field(None, alias="indicatorRef")
    composite_weight: Number | None = Field(None, alias="compositeWeight")

    model_config = ConfigDict(json_schema_extra=either("target", "targetPercent"))

    @model_validator(mode="after")
    def _one_target(self) -> Self:
        if not one_of(target=self.target, percent=self.target_percent):
            raise ValueError("either target or targetPercent")
        return self

    @property
    def is_member(self) -> bool:
        """Whether it has an indicator of its own."""
        return self.indicator is not None or self.indicator_ref is not None

    @property
    def weight(self) -> Fraction:
        """How much it counts in a composite."""
        return Fraction(1) if self.composite_weight is None else self.composite_weight

    @property
    def written_as(self) -> str:
        return "target" if self.target_percent is None else "targetPercent"

    @property
    def ratio(self) -> Fraction:
        """The target as a ratio of one."""
        if self.target is not None:
            return self.target
        assert self.target_percent is not None
        return self.target_percent / 100


class SloSpec(Described):
    """What is promised about which indicator of which service."""

    service: Name
    indicator: InlineSli | None = None
    indicator_ref: Name | None = Field(None, alias="indicatorRef")
    time_window: list[TimeWindow] = Field(alias="timeWindow", min_length=1, max_length=1)
    budgeting_method: Literal["Occurrences", "Timeslices", "RatioTimeslices"] = Field(alias="budgetingMethod")
    objectives: list[Objective] = Field(min_length=1)
    alert_policies: list[PolicyItem] | None = Field(None, alias="alertPolicies")

    @model_validator(mode="after")
    def _some_indicator(self) -> Self:
        inside = any(objective.is_member for objective in self.objectives)
        given = (self.indicator is not None) + (self.indicator_ref is not None)
        if given > 1:
            raise At("indicatorRef", "no indicatorRef where there is an indicator")
        if given == 0 and not inside:
            raise At("indicatorRef", "an indicatorRef with the name of an SLI, or an indicator")
        return self

    @property
    def window(self) -> Window:
        return self.time_window[0].window

    @property
    def is_composite(self) -> bool:
        """Whether the objectives are about indicators of their own, and together one promise."""
        return self.indicator is None and self.indicator_ref is None

    def about(self, objective: Objective) -> tuple[InlineSli | None, str]:
        """What an objective is about: an indicator written inside the SLO, if it is one, and its name."""
        inline = objective.indicator if objective.is_member else self.indicator
        name = objective.indicator_ref if objective.is_member else self.indicator_ref
        return inline, inline.name if inline else str(name)


class Slo(Document):
    """A service level objective."""

    api_version: Literal["openslo/v1"] = Field(alias="apiVersion")
    kind: Literal["SLO"]
    spec: SloSpec
