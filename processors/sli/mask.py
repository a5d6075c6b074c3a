"""Selectors as boolean masks over a batch of records."""

from collections.abc import Iterable
from typing import Protocol

import numpy as np

from processors.sli.columns import Columns, Mask, SpanColumns, asks
from processors.sli.indicator import Indicator
from processors.sli.outcome import failures
from processors.sli.selector import ALL, NOT, Condition, Where

FAILURE = Condition(eq="failure")


class Selects(Protocol):
    """Whatever has a `where`."""

    @property
    def where(self) -> Where: ...


def selected(selector: Selects, columns: Columns) -> Mask:
    """Which records satisfy every clause of `selector`."""
    return where_mask(selector.where, columns)


def where_mask(where: Where, columns: Columns) -> Mask:
    """Which records satisfy every clause."""
    mask = np.ones(len(columns), np.bool_)
    for key, clause in where.items():
        if isinstance(clause, Condition):
            mask &= _holds(key, clause, columns)
        elif isinstance(clause, tuple):
            mask &= _combined(key, (where_mask(one, columns) for one in clause))
        else:
            assert key == NOT
            mask &= ~where_mask(clause, columns)
    return mask


def _combined(key: str, masks: Iterable[Mask]) -> Mask:
    combine = np.logical_and if key == ALL else np.logical_or
    return np.asarray(combine.reduce(list(masks)), np.bool_)


def good_and_valid(indicator: Indicator, columns: Columns) -> tuple[Mask, Mask]:
    """Which records are good, and which are valid: the first always among the second."""
    valid = selected(indicator.valid, columns)
    part = selected(indicator.part, columns)
    return valid & (part if indicator.good is not None else ~part), valid


def failed(columns: SpanColumns) -> Mask:
    """Which spans failed."""
    return _holds("outcome", FAILURE, columns)


def _holds(field: str, condition: Condition, columns: Columns) -> Mask:
    """Where the condition holds; indicators of one service ask the same again and again."""
    asked = (field, condition)
    if asked not in columns.masks:
        columns.masks[asked] = _outcome(condition, columns) if field == "outcome" else columns.ask(field, condition)
    return columns.masks[asked]


def _outcome(condition: Condition, columns: Columns) -> Mask:
    assert isinstance(columns, SpanColumns)
    if condition == FAILURE:
        return failures(columns)
    test = asks(condition)
    return np.where(failed(columns), test("failure"), test("success"))
