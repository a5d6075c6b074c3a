"""What a report says, as data: the form that JSON has, and that pages, PDF and CSV are made of.

In: records of periods, as they were closed, with what happened in them. Out: `Report`, and its JSON Schema. A record
stands in it as it was closed, word for word, so that its hash can be computed from the report alone. Ratios are exact,
"numerator/denominator"; what is for reading only is made from them by `view`.
"""

from datetime import date, datetime
from typing import Annotated, Any, Literal

from pydantic import BaseModel, ConfigDict, Field

FORMAT = "andon/report/v1"
DIALECT = "https://json-schema.org/draft/2020-12/schema"

Exact = Annotated[str, Field(pattern=r"^-?[0-9]+/[1-9][0-9]*$", description="numerator/denominator")]
Level = Literal["quiet", "some", "much", "all", "ahead", "unknown"]


class Part(BaseModel):
    """A part of a report; a word that is not known is refused."""

    model_config = ConfigDict(extra="forbid", frozen=True)


class Budget(Part):
    """What was allowed to fail and what failed, in requests or in minutes; `elsewhere` was lost in good minutes."""

    unit: Literal["requests", "minutes"]
    allowed: Exact
    used: Exact
    elsewhere: Exact
    share: Exact | None = Field(description="Used of allowed; null where nothing was allowed to fail")


class Day(Part):
    """One local day: what it lost, and that against the whole period's budget."""

    day: date
    lost: Exact
    share: Exact | None
    level: Level
    excluded: bool = Field(description="Whether an exclusion was used on it")


class Breach(Part):
    """A change of a promise's state, by which numbers it was found, and some of the requests that were bad."""

    id: str
    at: datetime
    event: str
    state: str
    window: str
    window_start: datetime
    window_end: datetime
    good: int
    valid: int
    burn_rate: float
    threshold: float
    trace_ids: list[str]


class Incident(Part):
    """An incident that the promise was part of, and the share of the period's budget that was lost in its time."""

    id: str
    title: str
    impact: str
    state: str
    started_at: datetime
    resolved_at: datetime | None
    good: int
    valid: int
    cost: Exact | None


class Past(Part):
    """One of the last twelve periods."""

    period: str
    start: datetime
    so_far: bool
    verdict: Literal["kept", "broken", "no_data"]
    target: Exact
    delivered: Exact | None
    used: Exact | None = Field(description="Share of what was allowed to fail")
    credit_share: Exact
    generation: str
    revision: int


class Revision(Part):
    """One closing of the period: the first, or a correction."""

    revision: int
    closed_at: datetime
    author: str
    reason: str
    verdict: str
    hash: str


class Definition(Part):
    """What was written, by its generation and the SHA-256 of its canonical JSON."""

    kind: str
    name: str
    generation: str
    hash: str


class Objective(Part):
    """One promise in one period; `record` is what was closed or, so far, what would be if the period ended now."""

    promise: str
    title: str
    description: str
    so_far: bool
    record: dict[str, Any] = Field(description="andon/period/v1")
    budget: Budget
    days: list[Day]
    breaches: list[Breach]
    breaches_left_out: int = Field(0, ge=0)
    incidents: list[Incident]
    trend: list[Past]
    revisions: list[Revision]
    definitions: list[Definition] = Field(description="Those in force; empty if others are by now")


class Agreement(Part):
    """An agreement, or an objective of our own with a calendar, and what became of it in one period."""

    kind: Literal["Agreement", "SLO"]
    name: str
    title: str
    description: str
    provider: str
    customer: str
    service: str
    service_title: str
    time_zone: str
    period: str
    start: datetime
    end: datetime
    closes_at: datetime | None = Field(description="When the books close, for a period that is not closed")
    objectives: list[Objective] = Field(min_length=1)


class Report(Part):
    """A month of agreements."""

    format: Literal["andon/report/v1"]
    month: Annotated[str, Field(pattern=r"^[0-9]{4}-[0-9]{2}$")]
    made_at: datetime
    made_by: str
    agreements: list[Agreement]


def to_json(report: Report) -> str:
    """The report as JSON; the same text for the same report."""
    return report.model_dump_json(indent=2) + "\n"


def json_schema() -> dict[str, Any]:
    """The JSON Schema of what `to_json` gives."""
    return {"$schema": DIALECT, **Report.model_json_schema(mode="serialization")}
