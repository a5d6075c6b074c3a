"""Our own kinds about what a customer was promised: Agreement, ServiceCalendar, Exclusion.

In: documents as users write them. Out: frozen models whose every field is acted on. OpenSLO has no such kinds, so they
stand beside it as `andon/v1`.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, time
from fractions import Fraction
from itertools import pairwise
from typing import Annotated, Any, Literal

from pydantic import (
    AfterValidator,
    BeforeValidator,
    ConfigDict,
    Field,
    PlainSerializer,
    SerializerFunctionWrapHandler,
    WithJsonSchema,
    model_serializer,
    model_validator,
)

from pipeline.config import Config, DurationNs
from processors.sla.days import DaysOff, check_country
from processors.sla.fields import (
    Currency,
    Day,
    DaysField,
    HoursField,
    LocalMinute,
    Minutes,
    Moment,
    Money,
    NoticeField,
    Rule,
    Share,
    Text,
)
from processors.slo.fields import LengthField, Name, Number, Zone
from processors.slo.law import Counting, Empty, Law
from processors.slo.metadata import Described, Document, or_else
from processors.slo.windows import EPOCH, Calendar, Length, month, parse_length

LAWS = (Law.REQUEST_RATIO, Law.MEAN_INTERVAL, Law.DOWNTIME_MINUTES)
SLICES_S = {"1m": 60, "5m": 300}
USUAL_SLICE = {Law.MEAN_INTERVAL: "5m", Law.DOWNTIME_MINUTES: "1m"}
END_OF_SECOND_CYCLE = "endOfSecondCycle"
# What each law knows besides its type.
PARAMETERS: Mapping[Law, frozenset[str]] = {
    Law.REQUEST_RATIO: frozenset(),
    Law.MEAN_INTERVAL: frozenset({"slice", "emptySlices", "minimumRequests"}),
    Law.DOWNTIME_MINUTES: frozenset(
        {"slice", "emptySlices", "errorRate", "errorRateFrom", "minimumRequests", "minimumConsecutive"}
    ),
}


class Parties(Config):
    """Who promises, and who is promised."""

    provider: Text
    customer: Text


class PeriodField(Config):
    """The periods that delivery is counted by: `month`, every so many days, or from a day of each month on."""

    model_config = ConfigDict(json_schema_extra=or_else({"const": "month"}))

    every: LengthField | None = None
    from_: Day | None = Field(None, alias="from")
    billing_day: int | None = Field(None, alias="billingDay", ge=1, le=31)

    @model_validator(mode="before")
    @classmethod
    def _short(cls, value: Any) -> Any:
        if value == "month":
            return {}
        if isinstance(value, dict) and value:
            return value
        raise ValueError("'month', {every: 30d, from: 2026-01-01} or {billingDay: 15}")

    @model_validator(mode="after")
    def _one_way(self) -> "PeriodField":
        if (self.every is None) != (self.from_ is None):
            raise ValueError("every together with from, such as {every: 30d, from: 2026-01-01}")
        if self.every is not None and self.billing_day is not None:
            raise ValueError("either every with from, or billingDay")
        if self.every is not None and self.every.unit not in "dw":
            raise ValueError("every so many days or weeks, such as 30d; months are 'month' or {billingDay: 15}")
        return self

    @model_serializer(mode="wrap")
    def _as_written(self, handler: SerializerFunctionWrapHandler) -> Any:
        return handler(self) or "month"

    def window(self, zone: str) -> Calendar:
        """The periods in `zone`."""
        if self.every is not None and self.from_ is not None:
            return Calendar(self.every, datetime.combine(self.from_, time()), zone)
        if self.billing_day is not None:
            return Calendar(Length(1, "M"), EPOCH.replace(tzinfo=None, day=self.billing_day), zone)
        return month(zone)


class LawField(Config):
    """How delivery is counted, as the contract has it; a law by its name alone has its usual parameters."""

    model_config = ConfigDict(json_schema_extra=or_else({"enum": [str(law) for law in LAWS]}))

    type: Literal["request_ratio", "mean_interval_availability", "downtime_minutes"]
    slice: Literal["1m", "5m"] | None = None
    error_rate: Share | None = Field(None, alias="errorRate")
    error_rate_from: Share | None = Field(None, alias="errorRateFrom")
    minimum_requests: int | None = Field(None, alias="minimumRequests", ge=1, le=10**12)
    minimum_consecutive: int | None = Field(None, alias="minimumConsecutive", ge=1, le=1440)
    empty_slices: Literal["good", "bad", "ignore"] | None = Field(None, alias="emptySlices")

    @model_validator(mode="before")
    @classmethod
    def _short(cls, value: Any) -> Any:
        if isinstance(value, str):
            value = {"type": value}
        if not isinstance(value, dict) or value.get("type") not in LAWS:
            raise ValueError(f"one of {', '.join(repr(str(law)) for law in LAWS)}, or a mapping with it as type")
        return value

    @model_validator(mode="after")
    def _its_own_parameters(self) -> "LawField":
        known = PARAMETERS[self.law]
        foreign = sorted(_aliases(self) - known - {"type"})
        if foreign:
            raise ValueError(f"no {foreign[0]}: {self.type} knows {', '.join(sorted(known)) or 'no parameters'}")
        if self.law is Law.DOWNTIME_MINUTES and (self.error_rate is None) == (self.error_rate_from is None):
            raise ValueError(
                "either errorRate (a slice is down if more than that share fails) or errorRateFrom (that share or more)"
            )
        if self.error_rate == 1 or self.error_rate_from == 0:
            raise ValueError("an errorRate below 1 or an errorRateFrom above 0: else every slice is the same")
        return self

    @model_serializer(mode="wrap")
    def _as_written(self, handler: SerializerFunctionWrapHandler) -> Any:
        return self.type if self.model_fields_set == {"type"} else handler(self)

    @property
    def law(self) -> Law:
        return Law(self.type)

    @property
    def counting(self) -> Counting:
        """The law with all its parameters."""
        if self.law is Law.REQUEST_RATIO:
            return Counting(law=self.law)
        rate = self.error_rate if self.error_rate_from is None else self.error_rate_from
        return Counting(
            law=self.law,
            slice_s=SLICES_S[self.slice or USUAL_SLICE[self.law]],
            slice_target=1 - (rate or Fraction(0)),
            exclusive=self.error_rate_from is not None,
            minimum_valid=self.minimum_requests or 1,
            minimum_consecutive=self.minimum_consecutive or 1,
            empty=Empty(self.empty_slices or "good"),
        )


def _aliases(field: Config) -> set[str]:
    """The keys that were written."""
    return {type(field).model_fields[name].alias or name for name in field.model_fields_set}


class ObjectiveField(Config):
    """What is promised: availability by an indicator, or how soon people answer or restore in an incident."""

    type: Literal["availability", "time_to_restore", "response"] = "availability"
    target: Number | None = None
    indicator_ref: Name | None = Field(None, alias="indicatorRef")
    within: DurationNs | None = None
    of: list[Literal["minor", "major", "critical"]] = Field([], max_length=3)

    @model_validator(mode="after")
    def _is_whole(self) -> "ObjectiveField":
        if self.type == "availability":
            if self.indicator_ref is None or self.target is None:
                raise ValueError("an indicatorRef and a target")
            if self.within is not None or self.of:
                raise ValueError("no within and no of for availability: they are about incidents")
        elif self.within is None or self.indicator_ref is not None:
            raise ValueError(f"within, and no indicatorRef, for {self.type}: it is about incidents")
        elif not 0 < (1 if self.target is None else self.target) <= 1 or self.within <= 0:
            raise ValueError("within above 0, and as target a share of the incidents above 0 and up to 1")
        return self


@dataclass(frozen=True, slots=True)
class Availability:
    """At least `target` of what the law counts by an indicator is good in each period."""

    indicator_ref: str
    target: Fraction


@dataclass(frozen=True, slots=True)
class Reaction:
    """At least `target` of the incidents of these impacts are answered, or restored, within so many nanoseconds."""

    type: Literal["time_to_restore", "response"]
    within_ns: int
    impacts: tuple[str, ...]
    target: Fraction


class TierField(Config):
    """What is owed if delivery is in `[atLeast, below)`."""

    below: Number
    at_least: Number | None = Field(None, alias="atLeast")
    credit: Share


class BonusField(Config):
    """What the provider earns from `atLeast` on."""

    at_least: Share = Field(alias="atLeast")
    bonus: Share


def check_tiers(tiers: Sequence[TierField]) -> Sequence[TierField]:
    """Tiers that leave no gap, do not overlap, and owe more for less.

    Raises:
        ValueError: saying which two do not fit.
    """
    for number, (upper, lower) in enumerate(pairwise(tiers)):
        if upper.at_least is None or upper.at_least != lower.below:
            raise ValueError(
                f"tiers from the highest down, atLeast of each as below of the next; number {number + 1} does not join"
            )
        if lower.credit < upper.credit:
            raise ValueError(f"no smaller credit for less: number {number + 2} owes less than the one before")
    for number, tier in enumerate(tiers):
        if not (tier.at_least or 0) < tier.below <= 1:
            raise ValueError(f"atLeast less than below, and below at most 1, in number {number + 1}")
    if tiers[-1].at_least:
        raise ValueError("a last tier without atLeast, so that no delivery falls out at the bottom")
    return tiers


def check_bonuses(bonuses: Sequence[BonusField]) -> Sequence[BonusField]:
    """Bonuses that rise.

    Raises:
        ValueError: two do not.
    """
    for one, other in pairwise(bonuses):
        if other.at_least <= one.at_least or other.bonus < one.bonus:
            raise ValueError("bonuses in rising order of atLeast, each at least as large as the one before")
    return bonuses


def parse_claim(value: object) -> Length | Literal["endOfSecondCycle"]:
    """`30d`, or the end of the second period after the one in question.

    Raises:
        ValueError: saying what a claim window looks like.
    """
    if value == END_OF_SECOND_CYCLE:
        return "endOfSecondCycle"
    try:
        length = parse_length(value)
    except ValueError:
        length = Length(1, "m")
    if length.unit in "dw":
        return length
    raise ValueError(f"days such as 30d, or {END_OF_SECOND_CYCLE}")


Claim = Annotated[
    Length | Literal["endOfSecondCycle"],
    BeforeValidator(parse_claim),
    PlainSerializer(str),
    WithJsonSchema({"type": "string", "examples": ["30d", END_OF_SECOND_CYCLE]}),
]


class BaseField(Config):
    """What credits are a share of."""

    monthly_fee: Money = Field(alias="monthlyFee")
    currency: Currency | None = None


class CreditsField(Config):
    """What a broken promise costs."""

    base: BaseField | None = None
    tiers: Annotated[list[TierField], AfterValidator(check_tiers)] = Field(min_length=1, max_length=20)
    cap: Share = Fraction(1)
    minimum_payout: Money | None = Field(None, alias="minimumPayout")
    claim_within: Claim | None = Field(None, alias="claimWithin")
    bonuses: Annotated[list[BonusField], AfterValidator(check_bonuses)] = Field([], max_length=20)

    @model_validator(mode="after")
    def _fits(self) -> "CreditsField":
        if self.minimum_payout is not None and self.base is None:
            raise ValueError("a base with minimumPayout: a share alone is no amount")
        if self.bonuses and self.bonuses[0].at_least < self.tiers[0].below:
            raise ValueError("bonuses that begin at or above below of the highest tier")
        return self


class AgreementSpec(Described):
    """What is promised about a service to whom, in which periods, by which law, and what it costs to break it."""

    parties: Parties | None = None
    service: Name
    components: list[Name] = Field([], max_length=100)
    period: PeriodField
    time_zone: Zone = Field("UTC", alias="timeZone")
    law_field: LawField = Field(alias="law")
    promised: list[ObjectiveField] = Field(alias="objectives", min_length=1)
    credits: CreditsField | None = None
    exclusions: list[Name] = Field([], max_length=100)
    service_hours: Name | None = Field(None, alias="serviceHours")
    book_close: DurationNs = Field("3d", alias="bookClose")  # type: ignore[assignment]  # spelled as users spell it

    @model_validator(mode="after")
    def _credits_are_for_what_is_broken(self) -> "AgreementSpec":
        targets = [objective.target for objective in self.objectives]
        if self.credits and not targets:
            raise ValueError("an availability objective where there are credits")
        if self.credits and self.credits.tiers[0].below > min(targets):
            raise ValueError(f"credits from at most the lowest target, {float(min(targets)):g}, down: above it is kept")
        return self

    @property
    def window(self) -> Calendar:
        return self.period.window(self.time_zone)

    @property
    def law(self) -> Law:
        return self.law_field.law

    @property
    def counting(self) -> Counting:
        return self.law_field.counting

    @property
    def objectives(self) -> tuple[Availability, ...]:
        """What is promised by indicators; `promised` has all, in the order and at the places in which they stand."""
        return tuple(
            Availability(each.indicator_ref, each.target)
            for each in self.promised
            if each.indicator_ref is not None and each.target is not None
        )

    @property
    def reactions(self) -> tuple[Reaction, ...]:
        """What is promised about incidents."""
        return tuple(
            Reaction(each.type, each.within, tuple(each.of), Fraction(1) if each.target is None else each.target)
            for each in self.promised
            if each.type != "availability" and each.within
        )


class Agreement(Document):
    """A service level agreement."""

    api_version: Literal["andon/v1"] = Field(alias="apiVersion")
    kind: Literal["Agreement"]
    spec: AgreementSpec

    def promise_name(self, objective: Availability) -> str:
        """What the promise of an objective goes by."""
        alone = len(self.spec.objectives) == 1
        return self.name if alone else f"{self.name}/{objective.indicator_ref}"


class HolidaySet(Config):
    """Days off: those of a country, or of a part of it, and dates of your own."""

    country: str | None = None
    subdivision: str | None = None
    dates: list[Day] = Field([], max_length=1_000)

    @model_validator(mode="after")
    def _is_known(self) -> "HolidaySet":
        if self.country is None and (self.subdivision is not None or not self.dates):
            raise ValueError("a country, or dates, or both")
        if self.country is not None:
            check_country(self.country, self.subdivision)
        return self

    @property
    def off(self) -> DaysOff:
        """The days themselves."""
        return DaysOff(self.country, self.subdivision, frozenset(self.dates))


class ServiceCalendarSpec(Described):
    """When service is owed: weekly hours in a zone, days off taken out."""

    time_zone: Zone = Field("UTC", alias="timeZone")
    hours: Mapping[DaysField, list[HoursField]] = Field(min_length=1, json_schema_extra={"additionalProperties": False})
    holidays: HolidaySet | None = None


class ServiceCalendar(Document):
    """Service hours; what lies outside of them is not counted."""

    api_version: Literal["andon/v1"] = Field(alias="apiVersion")
    kind: Literal["ServiceCalendar"]
    spec: ServiceCalendarSpec


class NoticeRule(Config):
    """What makes an exclusion valid: announced long enough before, and not too often."""

    announced_at: Moment | None = Field(None, alias="announcedAt")
    at_least: NoticeField | None = Field(None, alias="atLeast")
    per_month: int | None = Field(None, alias="perMonth", ge=1, le=1_000)
    holidays: HolidaySet | None = None


class WindowField(Config):
    """One stretch of time by the clock on the wall."""

    start: LocalMinute
    end: LocalMinute | None = None
    duration: Minutes | None = None
    announced_at: Moment | None = Field(None, alias="announcedAt")

    @model_validator(mode="after")
    def _ends(self) -> "WindowField":
        if (self.end is None) == (self.duration is None):
            raise ValueError("either end or duration")
        if self.end is not None and self.end <= self.start:
            raise ValueError("an end after the start")
        return self


class ExclusionSpec(Described):
    """Time that is not held against the provider, or only noted; by a rule that recurs, or window by window."""

    category: Name
    reason: Text
    author: Text
    effect: Literal["remove", "count_good", "count"]
    time_zone: Zone = Field("UTC", alias="timeZone")
    start: LocalMinute | None = None
    duration: Minutes | None = None
    rrule: Rule | None = None
    exdates: list[Day] = Field([], max_length=1_000)
    holidays: HolidaySet | None = None
    windows: list[WindowField] = Field([], max_length=1_000)
    notice: NoticeRule | None = None

    @model_validator(mode="after")
    def _one_way(self) -> "ExclusionSpec":
        if (self.start is None) != (self.duration is None) or (self.start is None) == (not self.windows):
            raise ValueError("either start with duration (and rrule, if it recurs), or windows")
        if self.rrule is None and (self.exdates or self.holidays):
            raise ValueError("exdates and holidays only with an rrule, whose days they take out")
        return self


class ExclusionDocument(Document):
    """Maintenance and whatever else a contract takes out of the figure."""

    api_version: Literal["andon/v1"] = Field(alias="apiVersion")
    kind: Literal["Exclusion"]
    spec: ExclusionSpec
