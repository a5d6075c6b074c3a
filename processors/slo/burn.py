"""Burn-rate alerts over pairs of windows: a long one that says it matters, a short one that says it still goes on.

In: the counts of both windows, and how much of them nobody saw. Out: whether the pair fires, whether it clears, and
which window governs. What was not seen lies between all good and all bad, so a window burns between a lower and an
upper rate:

    fires    the lower rates of both windows are at least the threshold, and bad events are enough to say so
    clears   the upper rate of the short window, in which something was measured, is below the threshold
    else     it stays as it was: doubt neither starts an alert nor ends one

At least, so that a threshold equal to the highest possible rate fires in a total outage. Bad events are enough if each
window has `minimum_bad`; as long as one has fewer than `PLENTY`, the lower end of the Wilson interval of its share of
bad events, and not only the share, must reach the threshold, unless all of its events were bad. A window counts what
was measured in it: on a young service it is shorter than its name.

Sources: Google, The Site Reliability Workbook, chapter 5, "Multiwindow, Multi-Burn-Rate Alerts", tables 5-6 and 5-8.
E. B. Wilson, "Probable Inference, the Law of Succession, and Statistical Inference", 1927.
"""

from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum
from fractions import Fraction

from processors.sli.slices import SLICE_S
from processors.slo.budget import Count, Counts, burn_rate, max_burn_rate, rate_of, share_at
from processors.slo.sampling import effective_size
from processors.slo.windows import Bounds, Length, length_of

MINIMUM_BAD = 2
PLENTY = 10  # bad events from which on their share is taken as it is
Z = Fraction("1.645")  # one-sided confidence of 95 %
NO_RISK = Fraction(1)  # who burns slower than this keeps the promise
MINIMUM_SLICES = 2  # a window of fewer says nothing that its slices do not say


class Severity(StrEnum):
    """Who should look: somebody now, or somebody in working hours."""

    PAGE = "page"
    TICKET = "ticket"


def burn_factor(share: Fraction, period_s: int, long_s: int) -> Fraction:
    """The burn rate that spends `share` of a period's budget within the long window."""
    return share * period_s / long_s


@dataclass(frozen=True, slots=True, kw_only=True)
class BurnPair:
    """Two windows and the burn rate from which both together mean trouble."""

    long: Length
    short: Length
    threshold: Fraction
    severity: Severity = Severity.PAGE

    @property
    def name(self) -> str:
        return f"{self.long}/{self.short}"


@dataclass(frozen=True, slots=True, kw_only=True)
class BurnPolicy:
    """When a promise is at risk: as soon as one of its pairs fires.

    Or, where `consumed` is set, as soon as so much of the budget of its own window is spent, however little the traffic
    and however slowly: what no pair sees.
    """

    pairs: tuple[BurnPair, ...]
    minimum_bad: int = MINIMUM_BAD
    consumed: Fraction | None = None

    @property
    def lengths(self) -> tuple[Length, ...]:
        """Every window once, as written: long before short."""
        return tuple(dict.fromkeys(length for pair in self.pairs for length in (pair.long, pair.short)))

    def overspends(self, consumed: Fraction) -> bool:
        """Whether a spent share of the budget is reason enough by itself."""
        return self.consumed is not None and consumed >= self.consumed


@dataclass(frozen=True, slots=True, kw_only=True)
class DefaultPair:
    """A pair by the share of the budget that its long window may cost before somebody should look."""

    long: Length
    short: Length
    share: Fraction
    severity: Severity


DEFAULT_PAIRS = (
    DefaultPair(long=Length(1, "h"), short=Length(5, "m"), share=Fraction(2, 100), severity=Severity.PAGE),
    DefaultPair(long=Length(6, "h"), short=Length(30, "m"), share=Fraction(5, 100), severity=Severity.PAGE),
    DefaultPair(long=Length(1, "d"), short=Length(2, "h"), share=Fraction(10, 100), severity=Severity.TICKET),
    DefaultPair(long=Length(3, "d"), short=Length(6, "h"), share=Fraction(10, 100), severity=Severity.TICKET),
)


def default_policy(target: Fraction, period_s: int, slice_s: int = SLICE_S) -> tuple[BurnPolicy, tuple[str, ...]]:
    """The usual pairs for a period, 14.4, 6, 3 and 1 for 30 days, and a warning for each that had to be bent.

    A threshold above the highest possible rate is lowered to it, one below 1 raised to 1; a window of fewer than two
    slices is made as long as two. A pair whose long window is longer than the period is left out, unless it is the
    first.
    """
    fitting = [pair for pair in DEFAULT_PAIRS if pair.long.seconds <= period_s] or DEFAULT_PAIRS[:1]
    pairs, warnings = [], []
    for pair in fitting:
        long, short = (_in_slices(length, slice_s) for length in (pair.long, pair.short))
        wanted = burn_factor(pair.share, period_s, long.seconds)
        threshold = max(NO_RISK, min(wanted, max_burn_rate(target)))
        pairs.append(BurnPair(long=long, short=short, threshold=threshold, severity=pair.severity))
        if (long, short) != (pair.long, pair.short):
            two = length_of(MINIMUM_SLICES * slice_s)
            warnings.append(f"{pair.long}/{pair.short} alerts look at {pairs[-1].name}: two slices are {two}")
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


def _in_slices(length: Length, slice_s: int) -> Length:
    """The length, or that of two slices where it is shorter."""
    shortest_s = MINIMUM_SLICES * slice_s
    return length if length.seconds >= shortest_s else length_of(shortest_s)


def surely_reaches(bad: Count, whole: Count, share: Fraction) -> bool:
    """Whether the lower end of the Wilson interval of `bad` of `whole` is at least `share`.

    The ends are where (bad/whole - share)^2 x whole = Z^2 x share x (1 - share), so no root has to be taken.
    """
    measured = Fraction(bad) / whole
    return measured >= share and (measured - share) ** 2 * whole >= Z**2 * share * (1 - share)


@dataclass(frozen=True, slots=True, kw_only=True)
class Measured:
    """A named window and what was counted in it.

    `unseen` is how many more events, or slices, there may have been while nobody listened; `doubt` how many of them may
    have been bad, where that is another number. `squares` is the sum of the squared weights of the valid events where
    some stand for more than one; None where none does.
    """

    name: str
    bounds: Bounds
    counts: Counts
    unseen: Count = 0
    doubt: Count | None = None
    heard: Fraction = Fraction(1)
    squares: Count | None = None
    unweighted_share: Fraction | None = None

    @property
    def start(self) -> datetime:
        return self.bounds.start

    @property
    def end(self) -> datetime:
        return self.bounds.end

    @property
    def whole(self) -> Count:
        """Seen and unseen events."""
        return self.counts.valid + self.unseen

    @property
    def worst(self) -> Count:
        """How many were bad if all that was not seen was."""
        return self.counts.bad + (self.unseen if self.doubt is None else self.doubt)

    def lower_rate(self, target: Fraction) -> Fraction:
        """The burn rate if all that was not seen was good."""
        return rate_of(self.counts.bad, self.whole, target)

    def upper_rate(self, target: Fraction) -> Fraction:
        """The burn rate if all that was not seen was bad."""
        return rate_of(self.worst, self.whole, target)

    def tells(self, share: Fraction, minimum_bad: int) -> bool:
        """Whether there are bad events enough to say that their share is at least `share`.

        Sampled events say less than those they stand for: they count with their effective number.
        """
        counts, weight = self.counts, Fraction(1)
        if self.squares and counts.valid:
            weight = effective_size(counts.valid, self.squares) / counts.valid
        bad = counts.bad * weight
        if bad < minimum_bad:
            return False
        total_outage = counts.good == 0 and not self.unseen
        return bad >= PLENTY or total_outage or surely_reaches(bad, self.whole * weight, share)


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
        return min(self.long, self.short, key=lambda window: window.lower_rate(self.target))

    @property
    def rate(self) -> Fraction:
        """The burn rate of the governing window, as it was measured."""
        return burn_rate(self.governing.counts, self.target)

    @property
    def heat(self) -> Fraction:
        """How near to firing: 1 fires, if there are bad events enough."""
        return self.governing.lower_rate(self.target) / self.pair.threshold

    @property
    def windows(self) -> tuple[Measured, Measured]:
        """Both, the one that is calm more often first."""
        return self.short, self.long

    @property
    def fires(self) -> bool:
        """Whether both windows burn at the threshold even if all that nobody saw was good."""
        numerator, denominator = share_at(self.pair.threshold, self.target)
        if any(window.counts.bad * denominator < numerator * window.whole for window in self.windows):
            return False
        share = Fraction(numerator, denominator)
        return all(window.counts.bad and window.tells(share, self.minimum_bad) for window in self.windows)

    @property
    def clears(self) -> bool:
        """Whether it is over even if all that nobody saw was bad; a short window without events tells nothing."""
        return self.short.counts.valid > 0 and self.short.upper_rate(self.target) < self.pair.threshold

    @property
    def might_fire(self) -> bool:
        """Whether it would fire if all that nobody saw was bad, or if a little more was bad of what is too few."""
        enough = all(window.worst >= self.minimum_bad for window in self.windows)
        return enough and all(window.upper_rate(self.target) >= self.pair.threshold for window in self.windows)
