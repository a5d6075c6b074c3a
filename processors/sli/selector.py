"""The selector language: which spans an indicator counts, as users write it.

In: what stands under `metricSource.spec` of an OpenSLO document. Out: a frozen model, every field and operator checked
while loading, so that evaluating never meets a selector that makes no sense.

Fields are those of a span: `name`, `kind`, `status`, `duration`, `outcome` (success or failure by the conventions,
see `outcome.py`), and any attribute as `span.<key>` or `resource.<key>`.
"""

from collections.abc import Mapping, Sequence
from typing import Annotated, Literal, Self

from pydantic import AfterValidator, BeforeValidator, Field, model_validator

from pipeline.config import Config, nearest, parse_duration

Scalar = str | bool | int | float
INTRINSICS: Mapping[str, tuple[str, ...]] = {
    "name": (),
    "kind": ("unspecified", "internal", "server", "client", "producer", "consumer"),
    "status": ("unset", "ok", "error"),
    "duration": (),
    "outcome": ("success", "failure"),
}
ATTRIBUTES = ("span.", "resource.")
MAX_GROUPS = 100


def check_field(name: str) -> str:
    """`name` itself, if a span has such a field.

    Raises:
        ValueError: saying which fields there are.
    """
    return check_among(name, tuple(INTRINSICS), ATTRIBUTES)


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


Orderable = Annotated[int | float, BeforeValidator(is_orderable)]


class Condition(Config):
    """What must hold of one field: all of the operators given."""

    eq: Scalar | None = None
    in_: tuple[Scalar, ...] | None = Field(None, alias="in", strict=False, min_length=1)
    not_in: tuple[Scalar, ...] | None = Field(None, strict=False, min_length=1)
    prefix: str | None = None
    gt: Orderable | None = None
    gte: Orderable | None = None
    lt: Orderable | None = None
    lte: Orderable | None = None
    exists: bool | None = None

    @model_validator(mode="after")
    def _says_something(self) -> "Condition":
        if not self.model_fields_set:
            raise ValueError(f"at least one of {', '.join(OPERATORS)}")
        return self

    @property
    def words(self) -> tuple[Scalar, ...]:
        """Every value that is compared by equality."""
        return (*(() if self.eq is None else (self.eq,)), *(self.in_ or ()), *(self.not_in or ()))


OPERATORS = [info.alias or name for name, info in Condition.model_fields.items()]
ORDERING = frozenset({"gt", "gte", "lt", "lte"})


def _plain_means_equal(value: object) -> object:
    return {"eq": value} if isinstance(value, str | bool | int | float) else value


Asked = Annotated[Condition, BeforeValidator(_plain_means_equal)]
Where = dict[Annotated[str, AfterValidator(check_field)], Asked]


def check_words(field: str, condition: Condition, words: Sequence[str]) -> None:
    """Hold a condition on a field that has few values to those `words`.

    Raises:
        ValueError: saying which words there are.
    """
    wrong = [word for word in condition.words if word not in words]
    if condition.model_fields_set & ORDERING or wrong:
        hint = _hint(str(wrong[0]), list(words)) if wrong else ""
        raise ValueError(f"{field} to be one of {', '.join(words)} {hint}".rstrip())


class SpanConditions(Config):
    """The spans for which every condition of `where` holds."""

    where: Where = Field(min_length=1)

    @model_validator(mode="after")
    def _operators_fit_fields(self) -> Self:
        for name, condition in self.where.items():
            if name == "duration" and condition.model_fields_set - ORDERING:
                raise ValueError("duration to be compared by gt, gte, lt or lte, such as {lte: 500ms}")
            if words := INTRINSICS.get(name):
                check_words(name, condition, words)
        return self

    @property
    def times(self) -> bool:
        """Whether this is about how long a span took."""
        return "duration" in self.where


class SpanSelector(SpanConditions):
    """What an indicator counts, per value of `groupBy` if that is given."""

    signal: Literal["traces"] = "traces"
    group_by: Annotated[str, AfterValidator(check_field)] | None = Field(None, alias="groupBy")
    max_groups: int = Field(MAX_GROUPS, alias="maxGroups", ge=1, le=10_000)
