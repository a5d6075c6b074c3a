"""An indicator: which events are valid, and which of them are good."""

from dataclasses import dataclass

from processors.sli.selector import MAX_GROUPS, Selector, Signal


@dataclass(frozen=True, slots=True, kw_only=True)
class Indicator:
    """One SLI, ready to be counted.

    An event is valid if `valid` selects it; a valid one is good if `good` selects it too, or if `bad` does not. One of
    the two is given, so good events are always among the valid.
    """

    name: str
    generation: str
    valid: Selector
    good: Selector | None = None
    bad: Selector | None = None
    group_by: str | None = None
    max_groups: int = MAX_GROUPS

    @property
    def signal(self) -> Signal:
        """What is counted: every side of an indicator is of the same."""
        return self.valid.signal

    @property
    def part(self) -> Selector:
        """The side that is given beside `valid`."""
        part = self.good or self.bad
        assert part is not None
        return part

    @property
    def times(self) -> bool:
        """Whether this is about how fast rather than whether."""
        return self.part.times

    @property
    def weighs(self) -> bool:
        """Whether events count for as many as their sampler says."""
        return self.signal == "traces" and self.valid.sampling != "none"
