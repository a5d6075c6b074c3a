"""The same period under every law: what each provider's kind of contract would have made of it.

In: an agreement, a target, the grid of a period with its exclusions. Out: one row a law, with what it counts as
delivered, its verdict, its credit and the minute it was broken. Pure.
"""

from dataclasses import dataclass
from datetime import datetime
from fractions import Fraction

from processors.sla.credit import Credit, credit
from processors.sla.documents import Agreement
from processors.sla.verdict import Verdict, broken_at, verdict
from processors.slo.grid import Grid
from processors.slo.law import Counting, Delivered, Empty, Law, deliver
from processors.slo.windows import Bounds


def _downtime(error_rate: str, minimum_consecutive: int = 1) -> Counting:
    return Counting(
        law=Law.DOWNTIME_MINUTES,
        slice_target=1 - Fraction(error_rate),
        minimum_consecutive=minimum_consecutive,
        empty=Empty.GOOD,
    )


COMPARED: tuple[tuple[str, Counting], ...] = (
    ("request ratio", Counting(law=Law.REQUEST_RATIO)),
    ("mean of 5 min intervals", Counting(law=Law.MEAN_INTERVAL, slice_s=300, empty=Empty.GOOD)),
    ("minutes over 5 % bad", _downtime("0.05")),
    ("minutes over 10 % bad", _downtime("0.1")),
    ("the same, 10 in a row", _downtime("0.1", 10)),
)
OWN = "agreed"


@dataclass(frozen=True, slots=True, kw_only=True)
class LawRow:
    """What one law makes of a period."""

    name: str
    counting: Counting
    delivered: Delivered
    verdict: Verdict
    credit: Credit | None
    broken_at: datetime | None


def laws_table(agreement: Agreement, target: Fraction, grid: Grid, bounds: Bounds) -> tuple[LawRow, ...]:
    """The period `bounds` as the agreement counts it, then under every law; one that is the agreement's own is once."""
    own = agreement.spec.counting
    others = ((name, counting) for name, counting in COMPARED if counting != own)
    return tuple(
        _row(agreement, target, grid, bounds, name=name, counting=counting)
        for name, counting in ((_own(own), own), *others)
    )


def _own(counting: Counting) -> str:
    """The agreement's own law, and what it is called if it is one of those compared."""
    return next((f"{OWN}: {name}" for name, known in COMPARED if known == counting), f"{OWN}: {counting.law}")


def _row(
    agreement: Agreement, target: Fraction, grid: Grid, bounds: Bounds, *, name: str, counting: Counting
) -> LawRow:
    delivered = deliver(counting, grid)
    found = verdict(delivered, target)
    terms = agreement.spec.credits
    owed = None if found is Verdict.NO_DATA else delivered.ratio
    return LawRow(
        name=name,
        counting=counting,
        delivered=delivered,
        verdict=found,
        credit=credit(terms, owed, agreement.spec.window, bounds) if terms else None,
        broken_at=broken_at(counting, target, grid) if found is Verdict.BROKEN else None,
    )
