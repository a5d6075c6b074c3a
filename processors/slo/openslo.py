"""OpenSLO v1 as models: the kinds Service, SLI and SLO, and our BurnPolicy beside them.

In: documents as users write them. Out: frozen models whose every field is acted on. What OpenSLO knows and we do not
evaluate yet is refused by name (`UNSUPPORTED`), never ignored: a promise that is half understood is worse than none.

Source: https://github.com/OpenSLO/OpenSLO, `apiVersion: openslo/v1`.
"""

import re
from collections.abc import Mapping
from datetime import datetime
from fractions import Fraction
from typing import Annotated, Literal
from zoneinfo import ZoneInfo

from pydantic import BeforeValidator, Field, model_validator

from pipeline.config import Config
from processors.sli.selector import Selector
from processors.slo.windows import SLICE, Calendar, Length, Rolling, Window, parse_length

NAME = re.compile(r"[a-z0-9]([-a-z0-9]{0,61}[a-z0-9])?")
EARLIEST_YEAR = 1970


def parse_name(value: object) -> str:
    """A name that can stand in a URL and in SQL as it is.

    Raises:
        ValueError: saying what a name looks like.
    """
    if isinstance(value, str) and NAME.fullmatch(value):
        return value
    raise ValueError("a name of lower-case letters, digits and dashes, at most 63 (RFC 1123 label)")


def parse_number(value: object) -> Fraction:
    """A YAML number, exactly as it is written: 0.999 is 999/1000.

    Raises:
        ValueError: it is not a number.
    """
    if isinstance(value, int | float) and not isinstance(value, bool):
        return Fraction(str(value))
    raise ValueError("a number")


def parse_zone(value: object) -> str:
    """A name from the IANA time zone database.

    Raises:
        ValueError: there is no such zone.
    """
    try:
        return ZoneInfo(str(value)).key
    except (LookupError, OSError, ValueError):
        raise ValueError("an IANA time zone such as UTC, Europe/Paris or America/New_York") from None


def parse_start(value: object) -> datetime:
    """Local time as `2026-01-01 00:00:00`, on the edge of a slice.

    Raises:
        ValueError: saying what a start looks like.
    """
    try:
        start = datetime.fromisoformat(f"{value}+00:00").replace(tzinfo=None)
    except ValueError:
        raise ValueError("local time such as 2026-01-01 00:00:00") from None
    if start.year < EARLIEST_YEAR or start.second % SLICE.seconds:
        raise ValueError(f"local time since {EARLIEST_YEAR} at a multiple of {SLICE.seconds} s")
    return start


Name = Annotated[str, BeforeValidator(parse_name)]
Number = Annotated[Fraction, BeforeValidator(parse_number)]
LengthField = Annotated[Length, BeforeValidator(parse_length)]
Zone = Annotated[str, BeforeValidator(parse_zone)]


class Metadata(Config):
    """Who a document is."""

    name: Name
    display_name: str | None = Field(None, alias="displayName")
    labels: Mapping[str, str | list[str]] = {}
    annotations: Mapping[str, str] = {}


class Document(Config):
    """What every kind has."""

    metadata: Metadata

    @property
    def name(self) -> str:
        return self.metadata.name

    @property
    def title(self) -> str:
        """The name that people read."""
        return self.metadata.display_name or self.metadata.name


class Described(Config):
    """A spec that may say what it is about."""

    description: str | None = None


class Service(Document):
    """Something that people use, and that promises are made about."""

    api_version: Literal["openslo/v1"] = Field(alias="apiVersion")
    kind: Literal["Service"]
    spec: Described = Described()


class MetricSource(Config):
    """Where events come from: `andon` counts what a selector selects."""

    type: Literal["andon"]
    spec: Selector


class Metric(Config):
    """One side of a ratio."""

    metric_source: MetricSource = Field(alias="metricSource")

    @property
    def selector(self) -> Selector:
        return self.metric_source.spec


class RatioMetric(Config):
    """Good (or bad) events of all valid ones."""

    counter: Literal[True] = True
    good: Metric | None = None
    bad: Metric | None = None
    total: Metric

    @model_validator(mode="after")
    def _good_or_bad(self) -> "RatioMetric":
        if (self.good is None) == (self.bad is None):
            raise ValueError("either good or bad, beside total")
        return self

    @property
    def part(self) -> Metric:
        """The side that is given beside `total`."""
        part = self.good or self.bad
        assert part is not None
        return part


class SliSpec(Described):
    """What an indicator counts."""

    ratio_metric: RatioMetric = Field(alias="ratioMetric")


class Sli(Document):
    """A service level indicator."""

    api_version: Literal["openslo/v1"] = Field(alias="apiVersion")
    kind: Literal["SLI"]
    spec: SliSpec


class InlineSli(Document):
    """An indicator written inside the SLO that uses it."""

    spec: SliSpec


class CalendarField(Config):
    """When the first period began."""

    start_time: Annotated[datetime, BeforeValidator(parse_start)] = Field(alias="startTime")
    time_zone: Zone = Field(alias="timeZone")


class TimeWindow(Config):
    """The stretch of time that the target is about."""

    duration: LengthField
    is_rolling: bool = Field(False, alias="isRolling")
    calendar: CalendarField | None = None

    @model_validator(mode="after")
    def _is_whole(self) -> "TimeWindow":
        if self.is_rolling and self.calendar is not None:
            raise ValueError("no calendar where isRolling is true")
        if self.is_rolling and self.duration.unit not in "hdw":
            raise ValueError("a rolling duration in h, d or w; months roll over with isRolling: false and a calendar")
        if not self.is_rolling and self.calendar is None:
            raise ValueError("isRolling: true, or a calendar with startTime and timeZone")
        if not self.is_rolling and self.duration.unit not in "dwMQY":
            raise ValueError("a calendar duration in d, w, M, Q or Y")
        return self

    @property
    def window(self) -> Window:
        if self.calendar is None:
            return Rolling(self.duration)
        return Calendar(self.duration, self.calendar.start_time, self.calendar.time_zone)


class Objective(Config):
    """A target, as a ratio or in per cent."""

    display_name: str | None = Field(None, alias="displayName")
    target: Number | None = None
    target_percent: Number | None = Field(None, alias="targetPercent")

    @model_validator(mode="after")
    def _one_target(self) -> "Objective":
        if (self.target is None) == (self.target_percent is None):
            raise ValueError("either target or targetPercent")
        return self

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
    budgeting_method: Literal["Occurrences"] = Field(alias="budgetingMethod")
    objectives: list[Objective] = Field(min_length=1)

    @model_validator(mode="after")
    def _one_indicator(self) -> "SloSpec":
        if (self.indicator is None) == (self.indicator_ref is None):
            raise ValueError("either indicator or indicatorRef")
        return self

    @property
    def window(self) -> Window:
        return self.time_window[0].window


class Slo(Document):
    """A service level objective."""

    api_version: Literal["openslo/v1"] = Field(alias="apiVersion")
    kind: Literal["SLO"]
    spec: SloSpec


class BurnPairField(Config):
    """Two windows and the burn rate from which both together put the promise at risk."""

    long: LengthField
    short: LengthField
    threshold: Number

    @model_validator(mode="after")
    def _short_in_long(self) -> "BurnPairField":
        if not {self.long.unit, self.short.unit} <= set("mhdw"):
            raise ValueError("windows in m, h, d or w")
        if self.short.seconds >= self.long.seconds:
            raise ValueError("a short window shorter than the long one")
        return self


class BurnPolicySpec(Described):
    """The alerts of the SLOs named, instead of the usual ones."""

    slo_refs: list[Name] = Field(alias="sloRefs", min_length=1)
    minimum_bad: int = Field(2, alias="minimumBad", ge=1)
    pairs: list[BurnPairField] = Field(min_length=1, max_length=4)


class BurnPolicyDocument(Document):
    """Our own kind: OpenSLO's alert conditions know one window and one condition, a burn alert needs two of both."""

    api_version: Literal["andon/v1"] = Field(alias="apiVersion")
    kind: Literal["BurnPolicy"]
    spec: BurnPolicySpec


UNSUPPORTED_KINDS = frozenset({"DataSource", "AlertPolicy", "AlertCondition", "AlertNotificationTarget"})
# Where OpenSLO says more than we evaluate: a path, with * for any list item, and what to write instead.
UNSUPPORTED: Mapping[str, Mapping[tuple[str, ...], str]] = {
    "SLI": {
        ("spec", "thresholdMetric"): "use ratioMetric with good and total",
        ("spec", "ratioMetric", "raw"): "use good and total",
        ("spec", "ratioMetric", "rawType"): "use good and total",
    },
    "SLO": {
        ("spec", "alertPolicies"): "burn alerts come by themselves; andon/v1 BurnPolicy changes them",
        ("spec", "indicator", "spec", "thresholdMetric"): "use ratioMetric with good and total",
        ("spec", "indicator", "spec", "ratioMetric", "raw"): "use good and total",
        ("spec", "indicator", "spec", "ratioMetric", "rawType"): "use good and total",
        ("spec", "objectives", "*", "indicator"): "write one SLO per indicator: composites are not evaluated",
        ("spec", "objectives", "*", "indicatorRef"): "write one SLO per indicator: composites are not evaluated",
        ("spec", "objectives", "*", "compositeWeight"): "write one SLO per indicator: composites are not evaluated",
        ("spec", "objectives", "*", "op"): "put the threshold into the good selector, such as duration: {lte: 500ms}",
        (
            "spec",
            "objectives",
            "*",
            "value",
        ): "put the threshold into the good selector, such as duration: {lte: 500ms}",
        ("spec", "objectives", "*", "timeSliceTarget"): "use budgetingMethod: Occurrences",
        ("spec", "objectives", "*", "timeSliceWindow"): "use budgetingMethod: Occurrences",
    },
}
UNSUPPORTED_METHODS = frozenset({"Timeslices", "RatioTimeslices"})
