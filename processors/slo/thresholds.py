"""OpenSLO's thresholdMetric: an event is good if what was measured of it is on the right side of a value.

In: what selects the valid events, an operator, and a value. Out: what selects the good ones, so that a threshold is
counted like any other ratio. Pure.

    thresholdMetric over spans, op: lte, value: 500ms      good: {where: {duration: {lte: 500ms}}}
"""

from collections.abc import Mapping
from fractions import Fraction
from typing import Any

from pydantic import ValidationError

from processors.sli.selector import Selector
from processors.slo.fields import number_written

# What is measured of an event, by the signal that it comes from.
MEASURED: Mapping[str, str] = {"traces": "duration", "metrics": "value"}
TIMED = frozenset({"traces"})


def good_events(total: Selector, op: str, value: Fraction | str) -> dict[str, Any]:
    """The selector of good events, as one would write it.

    Raises:
        ValueError: such events have no value that could be compared with this one.
    """
    signal = str(total.signal)
    if signal not in MEASURED:
        raise ValueError(f"a thresholdMetric over {' or '.join(MEASURED)}, whose events have a value")
    if signal in TIMED and not isinstance(value, str):
        raise ValueError("a duration with its unit, such as 500ms or 2s: a bare number could mean either")
    if signal not in TIMED and isinstance(value, str):
        raise ValueError("a number: the value of a metric has the unit of the metric")
    written = value if isinstance(value, str) else number_written(value)
    good = {"signal": signal, "where": {MEASURED[signal]: {op: written}}}
    try:
        type(total).model_validate(good)
    except ValidationError as error:
        raise ValueError(f"a value that can be compared: {error.errors()[0]['msg']}") from None
    return good


def threshold_name(sli: str, op: str, value: Fraction | str) -> str:
    """The name of the indicator that an SLI is with a threshold: no document has such a name."""
    return f"{sli}/{op}-{value if isinstance(value, str) else number_written(value)}"
