"""What only shows when both sides of an indicator are seen together.

In: the selectors of a document. Out: problems by side and path, for whoever knows the file; warnings in words.
"""

from collections.abc import Iterator
from typing import NamedTuple

from processors.sli.buckets import USUAL_BOUNDS
from processors.sli.indicator import Indicator
from processors.sli.selector import ORDERING, Condition, Selector, conditions
from processors.sli.series import VALUE, parts

TOTAL, PART = "total", "part"
DURATION = ".duration"


class Found(NamedTuple):
    """A problem with one side: where in it, and what was expected there."""

    side: str
    path: tuple[str, ...]
    expected: str


def problems(total: Selector, part: Selector, *, is_bad: bool) -> Iterator[Found]:
    """What makes no sense about two sides of one signal that make sense by themselves."""
    if total.signal != "traces" and total.sampling != Selector.model_fields["sampling"].default:
        yield Found(TOTAL, ("sampling",), "sampling of traces only: nothing else is sampled with a weight")
    yield from _value_problems(total, part, is_bad=is_bad)


def _value_problems(total: Selector, part: Selector, *, is_bad: bool) -> Iterator[Found]:
    """A histogram tells how many events were within a threshold, and not which."""
    value, rest = parts(part.where)
    if any(field == VALUE for field, _ in conditions(total.where)):
        yield Found(TOTAL, ("where",), "value under good or bad: it says what is good, not what counts")
    if any(field == VALUE for field, _ in conditions(rest)):
        yield Found(PART, ("where",), "value beside the other conditions, not within and, or or not")
    if is_bad and value is not None and len(value.asked & ORDERING) > 1:
        yield Found(PART, ("where", VALUE), "one of gt, gte, lt and lte, of which the rest is good")


def warnings(indicator: Indicator) -> Iterator[str]:
    """Where what was asked for is counted less exactly than it looks."""
    value, _ = parts(indicator.part.where) if indicator.signal == "metrics" else (None, None)
    name = indicator.valid.where.get("name")
    if value is None or not (isinstance(name, Condition) and str(name.eq or name.prefix or "").endswith(DURATION)):
        return
    for threshold in (value.gt, value.gte, value.lt, value.lte):
        if threshold is not None and threshold not in USUAL_BOUNDS:
            below = max((bound for bound in USUAL_BOUNDS if bound < threshold), default=0)
            above = min((bound for bound in USUAL_BOUNDS if bound > threshold), default="infinity")
            yield (
                f"SLI {indicator.name}: {threshold} is no bound of the buckets that SDKs use by default: of such a"
                f" histogram nothing between {below} and {above} counts as within; use a bound, or send one"
            )
