"""Burn-rate alerts over pairs of windows: a long one that says it matters, a short one that says it still goes on.

In: the counts of both windows. Out: whether the pair fires, and which window governs. A pair fires if and only if both
windows burn at least at the threshold (so a threshold equal to the highest possible rate fires in a total outage) and
each holds `minimum_bad` bad events. A window counts what was measured in it: on a young service it is shorter than its
name.

Source: Google, The Site Reliability Workbook, chapter 5, "Multiwindow, Multi-Burn-Rate Alerts", tables 5-6 and 5-8.
"""

from dataclasses import dataclass
from datetime import datetime
from fractions import Fraction

from processors.slo.budget import Counts, burn_rate, max_burn_rate
from processors.slo.windows import Bounds, Length

MINIMUM_BAD = 2
NO_RISK = Fraction(1)  # who burns slower than this keeps the promise


def burn_factor(share: Fraction, period_s: int, long_s: int) -> Fraction:
    """The burn rate that spends `share` of a period's budget within the long window."""
    return share * period_s / long_s


@dataclass(frozen=True, slots=True, kw_only=True)
class BurnPair:
    """Two windows and the burn rate from which both together mean trouble."""

    long: Length
    short: Length
    threshold: Fraction

    @property
    def name(self) -> str:
        return f"{self.long}/{self.short}"


@dataclass(frozen=True, slots=True, kw_only=True)
class BurnPolicy:
    """When a promise is at risk: as soon as one of its pairs fires."""

    pairs: tuple[BurnPair, ...]
    minimum_bad: int = MINIMUM_BAD

    @property
    def lengths(self) -> tuple[Length, ...]:
        """Every window once, as written: long before short."""
        return tuple(dict.fromkeys(length for pair in self.pairs for length in (pair.long, pair.short)))


@dataclass(frozen=True, slots=True, kw_only=True)
class DefaultPair:
    """A pair by the share of the budget that its long window may cost before somebody should look."""

    long: Length
    short: Length
    share: Fraction


DEFAULT_PAIRS = (
    DefaultPair(long=Length(1, "h"), short=Length(5, "m"), share=Fraction(2, 100)),
    DefaultPair(long=Length(6, "h"), short=Length(30, "m"), share=Fraction(5, 100)),
)


def default_policy(target: Fraction, period_s: int) -> tuple[BurnPolicy, tuple[str, ...]]:
    """The usual pairs for a period, 14.4 and 6 for 30 days, and a warning for each that had to be bent.

    A threshold above the highest possible rate is lowered to it, one below 1 raised to 1; a pair whose long window is
    longer than the period is left out, unless it is the first.
    """
    fitting = [pair for pair in DEFAULT_PAIRS if pair.long.seconds <= period_s] or DEFAULT_PAIRS[:1]
    pairs, warnings = [], []
    for pair in fitting:
        wanted = burn_factor(pair.share, period_s, pair.long.seconds)
        threshold = max(NO_RISK, min(wanted, max_burn_rate(target)))
        pairs.append(BurnPair(long=pair.long, short=pair.short, threshold=threshold))
        if threshold != wanted:
            why = (
                f"a total outage burns at {float(max_burn_rate(target)):g}"
                if threshold < wanted
                else "burning slower than 1 keeps the promise"
            )
            warnings.append(
                f"{pairs[-1].name} alerts from burn rate {float(threshold):g}, not {float(wanted):g}: {why}"
            )
    return BurnPolicy(pairs=tuple(pairs)), tuple(warnings)


@dataclass(frozen=True, slots=True, kw_only=True)
class Measured:
    """A named window and what was counted in it."""

    name: str
    bounds: Bounds
    counts: Counts
    unseen: Fraction = Fraction(0)
    heard: Fraction = Fraction(1)

    @property
    def start(self) -> datetime:
        return self.bounds.start

    @property
    def end(self) -> datetime:
        return self.bounds.end


@dataclass(frozen=True, slots=True, kw_only=True)
class PairStatus:
    """One pair as it was measured."""

    pair: BurnPair
    target: Fraction
    minimum_bad: int
    long: Measured
    short: Measured

    @property
    def governing(self) -> Measured:
        """The window that burns less: it decides, so it is the one to report; the long one where they are equal."""
        return min(self.long, self.short, key=lambda window: burn_rate(window.counts, self.target))

    @property
    def rate(self) -> Fraction:
        """The burn rate of the governing window."""
        return burn_rate(self.governing.counts, self.target)

    @property
    def heat(self) -> Fraction:
        """How near to firing: 1 fires, if there are bad events enough."""
        return self.rate / self.pair.threshold

    @property
    def fires(self) -> bool:
        enough = min(self.long.counts.bad, self.short.counts.bad) >= self.minimum_bad
        return enough and self.rate >= self.pair.threshold
