"""The section `processors` of `andon.yaml`: what of the telemetry is stored, and how. Indicators see all of it, before.

In: what users write. Out: checked models, or exact problems: a pattern that RE2 does not take, a hash without a key, a
rule that would take the name of the service away.
"""

from typing import Self

import pyarrow as pa
import pyarrow.compute as pc
from pydantic import Field, SecretStr, field_validator, model_validator

from pipeline.config import Config, section
from processors.sli.selector import LogConditions, MetricConditions, SpanConditions
from processors.stored.patterns import PRESETS, Pattern, any_of
from processors.stored.redaction import ATTRIBUTES, FIELDS, SERVICE_NAME, Action, glob

MIN_HASH_KEY = 16
MAX_PATTERN = 1_000


class FilterConfig(Config):
    """What is not stored: whatever fulfils any of these."""

    traces: tuple[SpanConditions, ...] = Field((), strict=False)
    logs: tuple[LogConditions, ...] = Field((), strict=False)
    metrics: tuple[MetricConditions, ...] = Field((), strict=False)


class KeyRuleConfig(Config):
    """Attributes by key; `*` in a key stands for anything."""

    keys: tuple[str, ...] = Field(strict=False, min_length=1)
    action: Action = Field(strict=False)

    @field_validator("keys")
    @classmethod
    def _leaves_the_service_its_name(cls, keys: tuple[str, ...]) -> tuple[str, ...]:
        for key in keys:
            if not key:
                raise ValueError("the key of an attribute, in which * stands for anything")
            if _matches(glob([key]), SERVICE_NAME):
                raise ValueError(f"keys that leave {SERVICE_NAME} alone, which says whose this is; {key!r} does not")
        return keys


class TextRuleConfig(Config):
    """Parts of text, by preset or by a pattern in RE2's syntax."""

    preset: str | None = None
    pattern: str | None = Field(None, max_length=MAX_PATTERN)
    action: Action = Field(Action.MASK, strict=False)

    @field_validator("preset")
    @classmethod
    def _is_known(cls, preset: str | None) -> str | None:
        if preset is not None and preset not in PRESETS:
            raise ValueError(f"one of {', '.join(PRESETS)}")
        return preset

    @field_validator("pattern")
    @classmethod
    def _matches_something(cls, pattern: str | None) -> str | None:
        if pattern is None:
            return None
        try:
            empty = _matches(f"({pattern})", "")
        except pa.ArrowInvalid as error:
            raise ValueError(f"a regular expression as RE2 takes it ({str(error).splitlines()[0]})") from None
        if empty:
            raise ValueError("a regular expression that does not match the empty text, and so everything")
        return pattern

    @model_validator(mode="after")
    def _is_one(self) -> Self:
        if (self.preset is None) == (self.pattern is None):
            raise ValueError("either preset or pattern")
        return self

    @property
    def found(self) -> Pattern:
        """What to find."""
        return PRESETS[self.preset] if self.preset else Pattern(expression=self.pattern or "")


class RedactConfig(Config):
    """What is stored changed."""

    hash_key: SecretStr | None = None
    attributes: tuple[KeyRuleConfig, ...] = Field((), strict=False)
    values: tuple[TextRuleConfig, ...] = Field((), strict=False)
    fields: tuple[str, ...] = Field((ATTRIBUTES, *FIELDS), strict=False, min_length=1)

    @field_validator("fields")
    @classmethod
    def _are_known(cls, fields: tuple[str, ...]) -> tuple[str, ...]:
        known = (ATTRIBUTES, *FIELDS)
        if set(fields) - set(known):
            raise ValueError(f"some of {', '.join(known)}")
        return fields

    @field_validator("values")
    @classmethod
    def _fit_into_one_pass(cls, values: tuple[TextRuleConfig, ...]) -> tuple[TextRuleConfig, ...]:
        try:
            _matches(any_of([rule.found.expression for rule in values]), "")
        except pa.ArrowInvalid:
            raise ValueError("patterns that are simpler: together they outgrow what RE2 compiles") from None
        return values

    @model_validator(mode="after")
    def _hashes_have_a_key(self) -> Self:
        actions = {rule.action for rule in self.attributes} | {rule.action for rule in self.values}
        if Action.HASH in actions and (self.hash_key is None or len(self.hash_key.get_secret_value()) < MIN_HASH_KEY):
            raise ValueError(f"hash_key with at least {MIN_HASH_KEY} characters, because a rule says hash")
        return self


class TraceSamplingConfig(Config):
    """How many of the traces that nobody will ask about are stored."""

    sampling_percentage: float = Field(gt=0, le=100)


class SampleConfig(Config):
    """What is stored in part; so far only traces can be."""

    traces: TraceSamplingConfig | None = None


class ProcessorsConfig(Config):
    """All that stands between counting and storing; left out, everything is stored as it came."""

    filter: FilterConfig = section()
    redact: RedactConfig = section()
    sample: SampleConfig = section()

    @property
    def stores_all_spans(self) -> bool:
        """Whether every span is stored as it came, so that indicators can be counted again from the store."""
        return not (self.filter.traces or self.sample.traces or self.redact.attributes or self.redact.values)


def _matches(expression: str, text: str) -> bool:
    return bool(pc.match_substring_regex(pa.array([text]), expression)[0].as_py())
