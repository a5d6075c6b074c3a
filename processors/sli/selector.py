"""The selector language: which spans an indicator counts, as users write it.

In: what stands under `metricSource.spec` of an OpenSLO document. Out: a frozen model, every field and operator checked
while loading, so that evaluating never meets a selector that makes no sense.

Fields are those of a span: `name`, `kind`, `status`, `duration`, `outcome` (success or failure by the conventions,
see `outcome.py`), and any attribute as `span.<key>` or `resource.<key>`.
"""

from collections.abc import Mapping
from typing import Annotated, Literal

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
    if name in INTRINSICS or any(name.startswith(prefix) and name != prefix for prefix in ATTRIBUTES):
        return name
    known = [*INTRINSICS, f"span.{name}", f"resource.{name}"]
    raise ValueError(f"a field: {', '.join(INTRINSICS)}, span.<attribute> or resource.<attribute> {_hint(name, known)}")


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


Where = dict[Annotated[str, AfterValidator(check_field)], Annotated[Condition, BeforeValidator(_plain_means_equal)]]


class SpanSelector(Config):
    """The spans for which every condition of `where` holds, counted per value of `groupBy` if that is given."""

    signal: Literal["traces"] = "traces"
    where: Where = Field(min_length=1)
    group_by: Annotated[str, AfterValidator(check_field)] | None = Field(None, alias="groupBy")
    max_groups: int = Field(MAX_GROUPS, alias="maxGroups", ge=1, le=10_000)

    @model_validator(mode="after")
    def _operators_fit_fields(self) -> "SpanSelector":
        for name, condition in self.where.items():
            used = condition.model_fields_set
            if name == "duration" and used - ORDERING:
                raise ValueError("duration to be compared by gt, gte, lt or lte, such as {lte: 500ms}")
            words = INTRINSICS.get(name, ())
            wrong = [word for word in condition.words if word not in words]
            if words and (used & ORDERING or wrong):
                hint = _hint(str(wrong[0]), list(words)) if wrong else ""
                raise ValueError(f"{name} to be one of {', '.join(words)} {hint}".rstrip())
        return self

    @property
    def times(self) -> bool:
        """Whether this is about how long a span took."""
        return "duration" in self.where
