"""An indicator: which spans are valid, and which of them are good."""

from dataclasses import dataclass

from processors.sli.selector import MAX_GROUPS, SpanSelector


@dataclass(frozen=True, slots=True, kw_only=True)
class Indicator:
    """One SLI, ready to be counted.

    A span is valid if `valid` selects it; a valid one is good if `good` selects it too, or if `bad` does not. One of
    the two is given, so good spans are always among the valid.
    """

    name: str
    generation: str
    valid: SpanSelector
    good: SpanSelector | None = None
    bad: SpanSelector | None = None
    group_by: str | None = None
    max_groups: int = MAX_GROUPS

    @property
    def times(self) -> bool:
        """Whether this is about how fast rather than whether."""
        return any(selector is not None and selector.times for selector in (self.good, self.bad))
