"""Our own kind Agreement: what a customer was promised, by calendar month.

In: documents as users write them. Out: frozen models. OpenSLO has no such kind, so it stands beside it as `andon/v1`.
"""

from typing import Literal

from pydantic import Field

from pipeline.config import Config
from processors.slo.fields import Name, Number, Zone
from processors.slo.metadata import Described, Document
from processors.slo.windows import Calendar, month


class AgreementObjective(Config):
    """At least `target` of the indicator's valid events are good in each period."""

    indicator_ref: Name = Field(alias="indicatorRef")
    target: Number


class AgreementSpec(Described):
    """What is promised about a service, in which periods, and by which law it is counted."""

    service: Name
    period: Literal["month"]
    time_zone: Zone = Field("UTC", alias="timeZone")
    law: Literal["request_ratio"]
    objectives: list[AgreementObjective] = Field(min_length=1)

    @property
    def window(self) -> Calendar:
        return month(self.time_zone)


class Agreement(Document):
    """A service level agreement."""

    api_version: Literal["andon/v1"] = Field(alias="apiVersion")
    kind: Literal["Agreement"]
    spec: AgreementSpec
