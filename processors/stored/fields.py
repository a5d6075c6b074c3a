"""What conditions can be asked of logs and metrics: the selector language of spans, with fields of their own.

In: `where:` as users write it, and record batches with the columns of `otel_logs` or of an `otel_metrics_*` table. Out:
checked conditions, and columns that answer them.
"""

from typing import Annotated, Self

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
from pydantic import AfterValidator, Field, model_validator

from pipeline.config import Config
from processors.sli.columns import Columns, Mask, Words, asks
from processors.sli.selector import Asked, Condition, check_among, check_words

# The names of the data model's ranges of severity numbers: 1-4 are trace, 5-8 debug, ...
SEVERITIES = ("unspecified", "trace", "debug", "info", "warn", "error", "fatal")
NUMBERS_PER_SEVERITY = 4
TEXT_TESTS = frozenset({"eq", "prefix"})
LOG_FIELDS, LOG_ATTRIBUTES = ("severity", "body", "event_name"), ("log.", "resource.")
METRIC_FIELDS, METRIC_ATTRIBUTES = ("name",), ("point.", "resource.")


def check_log_field(name: str) -> str:
    """`name` itself, if a log record has such a field."""
    return check_among(name, LOG_FIELDS, LOG_ATTRIBUTES)


def check_metric_field(name: str) -> str:
    """`name` itself, if a data point has such a field."""
    return check_among(name, METRIC_FIELDS, METRIC_ATTRIBUTES)


class LogConditions(Config):
    """The log records for which every condition of `where` holds."""

    where: dict[Annotated[str, AfterValidator(check_log_field)], Asked] = Field(min_length=1)

    @model_validator(mode="after")
    def _operators_fit_fields(self) -> Self:
        for name, condition in self.where.items():
            if name == "severity":
                check_words(name, condition, SEVERITIES)
            if name == "body" and condition.model_fields_set - TEXT_TESTS:
                raise ValueError("body to be compared by eq or prefix: nothing else is supported")
        return self


class MetricConditions(Config):
    """The data points for which every condition of `where` holds."""

    where: dict[Annotated[str, AfterValidator(check_metric_field)], Asked] = Field(min_length=1)


class RecordColumns(Columns):
    """One batch of log records or data points."""

    def matching(self, conditions: LogConditions | MetricConditions) -> Mask:
        """Where every condition holds."""
        mask = np.ones(len(self), np.bool_)
        for field, condition in conditions.where.items():
            mask &= self._holds(field, condition)
        return mask

    def _holds(self, field: str, condition: Condition) -> Mask:
        return self.words(field).mask(asks(condition))


class LogColumns(RecordColumns):
    """One batch of log records."""

    intrinsics = {"event_name": "EventName"}  # noqa: RUF012 - a ClassVar of the base
    maps = {"log.": "LogAttributes", "resource.": "ResourceAttributes"}  # noqa: RUF012

    def _holds(self, field: str, condition: Condition) -> Mask:
        """Bodies are asked as they lie: nearly each is another, so a word for each would be an object for each."""
        return _text(self.record.column("Body"), condition) if field == "body" else super()._holds(field, condition)

    def _encode(self, field: str) -> Words:
        if field != "severity":
            return super()._encode(field)
        numbers = self.record.column("SeverityNumber").cast(pa.int64()).to_numpy()
        ranges = (np.clip(numbers, 0, None) + NUMBERS_PER_SEVERITY - 1) // NUMBERS_PER_SEVERITY
        return Words(np.minimum(ranges, len(SEVERITIES) - 1).astype(np.int32), list(SEVERITIES))


class MetricColumns(RecordColumns):
    """One batch of data points."""

    intrinsics = {"name": "MetricName"}  # noqa: RUF012
    maps = {"point.": "Attributes", "resource.": "ResourceAttributes"}  # noqa: RUF012


def _text(texts: pa.StringArray, condition: Condition) -> Mask:
    mask = np.ones(len(texts), np.bool_)
    if condition.eq is not None:
        mask &= pc.equal(texts, str(condition.eq)).to_numpy(zero_copy_only=False)
    if condition.prefix is not None:
        mask &= pc.starts_with(texts, condition.prefix).to_numpy(zero_copy_only=False)
    return mask
