"""The selector language: which spans, log records or data points count, as users write it.

In: what stands under `metricSource.spec` of an OpenSLO document, or in a filter of `andon.yaml`. Out: a frozen model,
every field and operator checked while loading, so that evaluating never meets a selector that makes no sense.

All clauses of a `where` must hold. A clause is a condition on a field, or `and`, `or` or `not` of further ones; which
fields there are depends on the signal, and stands in FIELDS.
"""

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from typing import Annotated, Any, Literal, TypeAlias, Union

import pyarrow as pa
import pyarrow.compute as pc
from pydantic import (
    BeforeValidator,
    Field,
    PlainValidator,
    ValidationError,
    ValidationInfo,
    field_validator,
    model_validator,
)
from pydantic_core import InitErrorDetails

from pipeline.config import Config, Misnamed, nearest, parse_duration

Scalar = str | bool | int | float
Signal = Literal["traces", "metrics", "logs"]
ALL, ANY, NOT = "and", "or", "not"
MAX_DEPTH = 4  # of and, or and not within each other
MAX_PATTERN = 1_000  # characters
MAX_GROUPS = 100
# The names of the data model's ranges of severity numbers: 1-4 are trace, 5-8 debug, ...
SEVERITIES = ("unspecified", "trace", "debug", "info", "warn", "error", "fatal")


@dataclass(frozen=True, slots=True, kw_only=True)
class Fields:
    """What can be asked of one signal: `words` are fields with few values, and which; `numbers` are only ordered."""

    texts: tuple[str, ...]
    words: Mapping[str, tuple[str, ...]]
    numbers: tuple[str, ...]
    attributes: tuple[str, ...]

    @property
    def names(self) -> tuple[str, ...]:
        """All but attributes."""
        return (*self.texts, *self.words, *self.numbers)


SCOPE = ("scope.name", "scope.version")
POINT = Fields(texts=("name", "unit", *SCOPE), words={}, numbers=(), attributes=("point.", "resource."))
FIELDS: Mapping[str, Fields] = {
    "traces": Fields(
        texts=("name", *SCOPE),
        words={
            "kind": ("unspecified", "internal", "server", "client", "producer", "consumer"),
            "status": ("unset", "ok", "error"),
            "outcome": ("success", "failure"),
        },
        numbers=("duration",),
        attributes=("span.", "resource."),
    ),
    "logs": Fields(
        texts=("body", "event_name", *SCOPE),
        words={"severity": SEVERITIES},
        numbers=(),
        attributes=("log.", "resource."),
    ),
    "metrics": Fields(texts=POINT.texts, words={}, numbers=("value",), attributes=POINT.attributes),
}
NOT_GROUPED_BY = frozenset({"body", "outcome", "duration", "value"})


def check_among(name: str, intrinsics: Sequence[str], prefixes: Sequence[str]) -> str:
    """`name` itself, if it is one of `intrinsics` or an attribute after one of `prefixes`.

    Raises:
        ValueError: saying which fields there are.
    """
    if name in intrinsics or any(name.startswith(prefix) and name != prefix for prefix in prefixes):
        return name
    known = [*intrinsics, *(f"{prefix}{name}" for prefix in prefixes)]
    attributes = " or ".join(f"{prefix}<attribute>" for prefix in prefixes)
    raise ValueError(f"a field: {', '.join(intrinsics)}, {attributes} {_hint(name, known)}")


def _hint(name: str, known: list[str]) -> str:
    hint = nearest(name, known)
    return f"({hint})" if hint else ""


def is_orderable(value: object) -> Scalar:
    """A number, or a duration as text: what `gt`, `gte`, `lt` and `lte` can compare with."""
    if isinstance(value, int | float) and not isinstance(value, bool):
        return value
    try:
        return parse_duration(value)
    except ValueError:
        raise ValueError("a number, or a duration such as 500ms") from None


def matches(texts: pa.StringArray, expression: str) -> pa.BooleanArray:
    """Where `expression` matches somewhere in the text; `.` is any character, line breaks too, as in ClickHouse."""
    return pc.match_substring_regex(texts, f"(?s){expression}")


def is_pattern(expression: str) -> str:
    """`expression`, if RE2 takes it: then it takes time in proportion to the text, whatever the text.

    Raises:
        ValueError: with RE2's reason.
    """
    try:
        pc.match_substring_regex(pa.array([""]), expression)
        matches(pa.array([""]), expression)
    except pa.ArrowInvalid as error:
        raise ValueError(f"a regular expression as RE2 takes it ({str(error).splitlines()[0]})") from None
    return expression


Orderable = Annotated[int | float, BeforeValidator(is_orderable)]


class Condition(Config):
    """What must hold of one field: all of the operators given."""

    eq: Scalar | None = None
    in_: tuple[Scalar, ...] | None = Field(None, alias="in", strict=False, min_length=1)
    not_in: tuple[Scalar, ...] | None = Field(None, strict=False, min_length=1)
    prefix: str | None = None
    regex: str | None = Field(None, max_length=MAX_PATTERN)
    gt: Orderable | None = None
    gte: Orderable | None = None
    lt: Orderable | None = None
    lte: Orderable | None = None
    exists: bool | None = None

    @field_validator("regex")
    @classmethod
    def _compiles(cls, regex: str | None) -> str | None:
        return regex if regex is None else is_pattern(regex)

    @model_validator(mode="after")
    def _says_something(self) -> "Condition":
        if not self.model_fields_set:
            raise ValueError(f"at least one of {', '.join(OPERATORS)}")
        return self

    @property
    def asked(self) -> frozenset[str]:
        """The operators given, as users write them."""
        return frozenset(name.rstrip("_") for name in self.model_fields_set)

    @property
    def words(self) -> tuple[Scalar, ...]:
        """Every value that is compared by equality."""
        return (*(() if self.eq is None else (self.eq,)), *(self.in_ or ()), *(self.not_in or ()))


OPERATORS = [info.alias or name for name, info in Condition.model_fields.items()]
ORDERING = frozenset({"gt", "gte", "lt", "lte"})
EQUALITY = frozenset({"eq", "in", "not_in"})
OF_BODIES = EQUALITY | {"prefix", "regex"}

Clause: TypeAlias = Union[Condition, "Where", tuple["Where", ...]]
Where: TypeAlias = Mapping[str, Clause]


def parse_where(value: object, fields: Fields, depth: int = 0) -> Where:
    """The clauses of `value`, each checked against `fields`.

    Raises:
        ValidationError: with every problem, each at its place below `value`.
        ValueError: it has no clauses at all.
    """
    if not isinstance(value, Mapping) or not value:
        raise ValueError("at least 1 condition, by field")
    if depth > MAX_DEPTH:
        raise ValueError(f"and, or and not at most {MAX_DEPTH} deep")
    parse: Mapping[str, Callable[[Any, Fields, int], Clause]] = {ALL: _each, ANY: _each, NOT: parse_where}
    return _gathered(
        (
            key,
            partial(parse[key], asked, fields, depth + 1) if key in parse else partial(_condition, key, asked, fields),
        )
        for key, asked in value.items()
    )


def _each(value: object, fields: Fields, depth: int) -> tuple[Where, ...]:
    if not isinstance(value, list | tuple) or not value:
        raise ValueError("a list of at least 1 mapping")
    parsed = _gathered((number, partial(parse_where, one, fields, depth)) for number, one in enumerate(value))
    return tuple(parsed.values())


def _condition(field: str, value: object, fields: Fields) -> Condition:
    try:
        check_among(field, fields.names, fields.attributes)
    except ValueError as error:
        raise Misnamed(str(error)) from None
    plain = isinstance(value, str | bool | int | float)
    condition = Condition.model_validate({"eq": value} if plain else value)
    if field in fields.numbers and condition.asked - ORDERING:
        raise ValueError(f"{field} to be compared by gt, gte, lt or lte, such as {{lte: 500ms}}")
    if field == "body" and condition.asked - OF_BODIES:
        raise ValueError("body to be compared by eq, in, not_in, prefix or regex")
    if words := fields.words.get(field):
        check_words(field, condition, words)
    return condition


def check_words(field: str, condition: Condition, words: Sequence[str]) -> None:
    """Hold a condition on a field that has few values to those `words`.

    Raises:
        ValueError: saying which words there are.
    """
    wrong = [word for word in condition.words if word not in words]
    if condition.asked - EQUALITY or wrong:
        hint = _hint(str(wrong[0]), list(words)) if wrong else ""
        raise ValueError(f"{field} to be one of {', '.join(words)} {hint}".rstrip())


def _gathered(parts: Iterator[tuple[Any, Callable[[], Any]]]) -> dict[Any, Any]:
    """What each part gives, or the problems of all parts."""
    found: dict[Any, Any] = {}
    problems: list[InitErrorDetails] = []
    for key, parse in parts:
        try:
            found[key] = parse()
        except ValidationError as error:
            problems += [_below(key, problem) for problem in error.errors()]
        except ValueError as error:
            problems.append(_below(key, {"type": "value_error", "loc": (), "input": None, "ctx": {"error": error}}))
    if problems:
        raise ValidationError.from_exception_data("where", problems)
    return found


def _below(key: str | int, problem: Mapping[str, Any]) -> InitErrorDetails:
    return InitErrorDetails(
        type=problem["type"], loc=(key, *problem["loc"]), input=problem["input"], ctx=problem.get("ctx", {})
    )


def conditions(where: Where) -> Iterator[tuple[str, Condition]]:
    """Every condition, however deep, with its field."""
    for key, clause in where.items():
        if isinstance(clause, Condition):
            yield key, clause
        else:
            for inner in clause if isinstance(clause, tuple) else (clause,):
                yield from conditions(inner)


def _parsed(fields: Fields) -> PlainValidator:
    return PlainValidator(partial(parse_where, fields=fields, depth=0))


def _parsed_by_signal(value: object, info: ValidationInfo) -> Where:
    """A signal that is none was told already."""
    return parse_where(value, FIELDS[info.data.get("signal", "traces")])


# How pydantic is told of it, for what it writes and for what hints speak of
_Written = dict[str, Condition | Any]


class SpanConditions(Config):
    """The spans for which every clause of `where` holds."""

    where: Annotated[_Written, _parsed(FIELDS["traces"])]


class LogConditions(Config):
    """The log records for which every clause of `where` holds."""

    where: Annotated[_Written, _parsed(FIELDS["logs"])]


class MetricConditions(Config):
    """The data points, of whatever kind, for which every clause of `where` holds."""

    where: Annotated[_Written, _parsed(POINT)]


class Sampling(Config):
    """How far spans that were sampled upstream are believed to stand for others."""

    sampling: Literal["consistent", "none", "tail"] = "consistent"
    accept_bias: bool = Field(False, alias="acceptBias")

    @model_validator(mode="after")
    def _is_not_biased(self) -> "Sampling":
        if self.sampling == "tail" and not self.accept_bias:
            raise ValueError(
                "acceptBias: true beside sampling: tail: who keeps errors and draws the rest without a threshold"
                " makes every ratio too low by an unknown share"
            )
        return self


class Selector(Sampling):
    """What one side of an indicator counts, per value of `groupBy` if that is given."""

    signal: Signal = "traces"
    where: Annotated[_Written, PlainValidator(_parsed_by_signal)]
    group_by: str | None = Field(None, alias="groupBy")
    max_groups: int = Field(MAX_GROUPS, alias="maxGroups", ge=1, le=10_000)

    @field_validator("group_by")
    @classmethod
    def _is_groupable(cls, field: str | None, info: ValidationInfo) -> str | None:
        if field is not None:
            fields = FIELDS[info.data.get("signal", "traces")]
            check_among(field, [name for name in fields.names if name not in NOT_GROUPED_BY], fields.attributes)
        return field

    @property
    def times(self) -> bool:
        """Whether this is about how long a span took."""
        return any(field == "duration" for field, _ in conditions(self.where))
