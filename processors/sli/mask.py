"""Selectors as boolean masks over a batch of spans."""

import numpy as np

from processors.sli.columns import Mask, SpanColumns, asks, within
from processors.sli.indicator import Indicator
from processors.sli.outcome import failures
from processors.sli.selector import Condition, SpanConditions

FAILURE = Condition(eq="failure")


def selected(selector: SpanConditions, columns: SpanColumns) -> Mask:
    """Which spans satisfy every condition of `selector`."""
    mask = np.ones(len(columns), np.bool_)
    for field, condition in selector.where.items():
        mask &= _holds(field, condition, columns)
    return mask


def good_and_valid(indicator: Indicator, columns: SpanColumns) -> tuple[Mask, Mask]:
    """Which spans are good, and which are valid: the first always among the second."""
    valid = selected(indicator.valid, columns)
    if indicator.good is not None:
        return valid & selected(indicator.good, columns), valid
    assert indicator.bad is not None
    return valid & ~selected(indicator.bad, columns), valid


def failed(columns: SpanColumns) -> Mask:
    """Which spans failed."""
    return _holds("outcome", FAILURE, columns)


def _holds(field: str, condition: Condition, columns: SpanColumns) -> Mask:
    """Where the condition holds; indicators of one service ask the same again and again."""
    asked = (field, condition)
    if asked not in columns.masks:
        columns.masks[asked] = _mask(field, condition, columns)
    return columns.masks[asked]


def _mask(field: str, condition: Condition, columns: SpanColumns) -> Mask:
    if field == "duration":
        return np.asarray(within(condition, columns.duration_ns), np.bool_)
    if field == "outcome":
        return failures(columns) if condition == FAILURE else _outcome(condition, failed(columns))
    return columns.words(field).mask(asks(condition))


def _outcome(condition: Condition, failure: Mask) -> Mask:
    test = asks(condition)
    return np.where(failure, test("failure"), test("success"))
