"""A closed period as a record: all that it takes to check it, and a hash that follows from the one before.

In: a promise of an agreement, the grid of its period with exclusions, what was written, who closes it and when. Out: a
record of texts and whole numbers, the same bytes for the same input. Pure. Ratios are "numerator/denominator"; what is
rounded for people is rounded down. What binds a record to its inputs and to the one before it is in `chain`.
"""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime
from decimal import Decimal
from fractions import Fraction
from typing import Any

from processors.sla.chain import FIRST, inputs_hash, record_hash
from processors.sla.credit import Credit, credit, percent
from processors.sla.documents import Agreement, Reaction
from processors.sla.exclusions import Excluded, Window
from processors.sla.reactions import Reacted
from processors.sla.verdict import Verdict, broken_at, verdict
from processors.slo.grid import Grid
from processors.slo.law import Counting, Delivered, Law, deliver, states
from processors.slo.promise import Promise, canonical
from processors.slo.states import Slice
from processors.slo.windows import Bounds

FORMAT = "andon/period/v1"
MAX_SLICES = 50_000
TARGET_EXPONENT = Decimal(1).scaleb(-12)
NS_PER_S = 10**9


@dataclass(frozen=True, slots=True, kw_only=True)
class Closing:
    """What a period is closed with; `grid` has its exclusions, `definitions` is what was written.

    An objective of our own has a calendar and no agreement: it is closed the same way and costs nothing.
    """

    agreement: Agreement | None
    promise: Promise
    bounds: Bounds
    grid: Grid
    found: Excluded
    definitions: Sequence[Mapping[str, Any]]
    closed_at: datetime
    author: str
    reason: str
    revision: int = 1
    previous_hash: str = FIRST
    late: Sequence[Mapping[str, Any]] = ()
    reactions: Sequence[tuple[Reaction, Reacted]] = field(default=())


def close(closing: Closing) -> dict[str, Any]:
    """The record of a closed period, with its hash."""
    promise, grid = closing.promise, closing.grid
    delivered = deliver(promise.counting, grid)
    found = verdict(delivered, promise.target)
    broken = broken_at(promise.counting, promise.target, grid) if found is Verdict.BROKEN else None
    record = {
        "format": FORMAT,
        **_identity(closing),
        "law": law_content(promise.counting),
        "target": ratio_text(promise.target),
        "delivered": _delivered(delivered),
        "shown": None if found is Verdict.NO_DATA or delivered.ratio is None else percent(delivered.ratio),
        "verdict": found.value,
        "broken_at": moment_text(broken),
        "downtime_s": downtime_s(promise.counting, delivered),
        "bad_slices": _bad_slices(promise, grid),
        "exclusions": {
            "used": [window_content(window) for window in closing.found.used],
            "refused": [window_content(window) for window in closing.found.refused],
        },
        "credit": _credit(closing, None if found is Verdict.NO_DATA else delivered.ratio),
        "reactions": [_reaction(reaction, outcome) for reaction, outcome in closing.reactions],
        "late_adjustments": [dict(each) for each in closing.late],
        "inputs_hash": inputs_hash(grid, closing.definitions),
        "previous_hash": closing.previous_hash,
    }
    return {**record, "hash": record_hash(record)}


def _identity(closing: Closing) -> dict[str, Any]:
    promise, bounds = closing.promise, closing.bounds
    return {
        "kind": promise.kind.value,
        "agreement": promise.document,
        "promise": promise.name,
        "generation": promise.generation,
        "service": promise.service,
        "period": promise.window.name(bounds.start),
        "start": moment_text(bounds.start),
        "end": moment_text(bounds.end),
        "revision": closing.revision,
        "closed_at": moment_text(closing.closed_at),
        "author": closing.author,
        "reason": closing.reason,
    }


def law_content(counting: Counting) -> dict[str, Any]:
    """A law with those parameters that it has."""
    content: dict[str, Any] = {"type": counting.law.value}
    if counting.by_slices:
        content |= {"slice_s": counting.slice_s, "empty": counting.empty.value, "minimum_valid": counting.minimum_valid}
    if counting.by_slices and not counting.by_shares:
        content |= {
            "slice_target": ratio_text(counting.slice_target),
            "exclusive": counting.exclusive,
            "minimum_consecutive": counting.minimum_consecutive,
        }
    return content


def _delivered(delivered: Delivered) -> dict[str, Any]:
    return {
        "good": ratio_text(delivered.good),
        "eligible": ratio_text(delivered.eligible),
        "unseen": ratio_text(delivered.unseen),
        "ratio": _ratio(delivered.ratio),
        "lower": _ratio(delivered.lower),
        "upper": _ratio(delivered.upper),
        "coverage": ratio_text(delivered.coverage),
    }


def downtime_s(counting: Counting, delivered: Delivered) -> int:
    """Seconds lost, rounded up; a law that counts events knows none."""
    lost = (delivered.eligible - delivered.good) * counting.slice_s if counting.by_slices else Fraction(0)
    return -(-lost.numerator // lost.denominator)


def _bad_slices(promise: Promise, grid: Grid) -> dict[str, Any]:
    """Where delivery was lost: bad slices, those whose share is not whole, or minutes whose events miss the target."""
    bad = list(_bad(promise, grid))
    rows = [
        [_at(each.start_s), _at(each.start_s + slice_s), each.good, each.valid] for each, slice_s in bad[:MAX_SLICES]
    ]
    return {"columns": ["start", "end", "good", "valid"], "unit": grid.unit, "rows": rows, "more": len(bad) - len(rows)}


def _bad(promise: Promise, grid: Grid) -> Iterator[tuple[Slice, int]]:
    counting = promise.counting
    if not counting.by_slices:
        counting = Counting(law=Law.TIMESLICES, slice_target=promise.target)
    ledger = states(counting, grid)
    for each, bad in zip(ledger, ledger.bad.tolist(), strict=True):
        if bad:
            yield each, counting.slice_s


def window_content(window: Window) -> dict[str, Any]:
    """A window of an exclusion as JSON knows it."""
    content = {
        "exclusion": window.exclusion,
        "category": window.category,
        "effect": window.effect,
        "reason": window.reason,
        "author": window.author,
        "start": moment_text(window.start),
        "end": moment_text(window.end),
        "announced_at": moment_text(window.announced_at),
    }
    return content | ({"refused": window.refused} if window.refused else {})


def _credit(closing: Closing, delivered: Fraction | None) -> dict[str, Any] | None:
    if closing.agreement is None or closing.agreement.spec.credits is None:
        return None
    spec, terms = closing.agreement.spec, closing.agreement.spec.credits
    return credit_content(credit(terms, delivered, spec.window, closing.bounds))


def credit_content(owed: Credit) -> dict[str, Any]:
    """A credit as JSON knows it."""
    return {
        "share": ratio_text(owed.share),
        "bonus": ratio_text(owed.bonus),
        "amount": None if owed.amount is None else str(owed.amount),
        "bonus_amount": None if owed.bonus_amount is None else str(owed.bonus_amount),
        "currency": owed.currency,
        "claim_by": moment_text(owed.claim_by),
        "words": list(owed.words),
    }


def _reaction(reaction: Reaction, outcome: Reacted) -> dict[str, Any]:
    keeps = outcome.keeps(reaction)
    return {
        "type": reaction.type,
        "within_s": ratio_text(Fraction(reaction.within_ns, NS_PER_S)),
        "of": list(reaction.impacts),
        "target": ratio_text(reaction.target),
        "in_time": list(outcome.in_time),
        "late": list(outcome.late),
        "pending": list(outcome.pending),
        "verdict": (Verdict.NO_DATA if keeps is None else Verdict.KEPT if keeps else Verdict.BROKEN).value,
    }


def late_adjustment(record: Mapping[str, Any], delivered: Delivered) -> dict[str, Any] | None:
    """What came in after a period was closed, for the record of the next one; None if nothing did."""
    before = record["delivered"]
    now = _delivered(delivered)
    if (before["good"], before["eligible"]) == (now["good"], now["eligible"]):
        return None
    names = ("good", "eligible", "ratio")
    return {"period": record["period"], "closed": {n: before[n] for n in names}, "now": {n: now[n] for n in names}}


def result_row(record: Mapping[str, Any]) -> dict[str, Any]:
    """A record as a row of `period_results`."""
    delivered = record["delivered"]
    return {
        "Kind": record["kind"],
        "Promise": record["promise"],
        "Generation": record["generation"],
        "Agreement": record["agreement"],
        "Service": record["service"],
        "Period": record["period"],
        "PeriodStart": datetime.fromisoformat(record["start"]),
        "PeriodEnd": datetime.fromisoformat(record["end"]),
        "Revision": record["revision"],
        "ClosedAt": datetime.fromisoformat(record["closed_at"]),
        "Law": record["law"]["type"],
        "Target": _decimal(Fraction(record["target"])),
        "Good": delivered["good"],
        "Eligible": delivered["eligible"],
        "Delivered": None if record["verdict"] == Verdict.NO_DATA else _float(delivered["ratio"]),
        "Lower": _float(delivered["lower"]),
        "Upper": _float(delivered["upper"]),
        "Coverage": _float(delivered["coverage"]),
        "Verdict": record["verdict"],
        "DowntimeS": record["downtime_s"],
        "CreditShare": _decimal(Fraction(record["credit"]["share"]) if record["credit"] else Fraction(0)),
        "Record": canonical(record),
        "InputsHash": record["inputs_hash"],
        "PreviousHash": record["previous_hash"],
        "Hash": record["hash"],
        "Author": record["author"],
        "Reason": record["reason"],
    }


def unlike(row: Mapping[str, Any], record: Mapping[str, Any]) -> list[str]:
    """The columns of a row that do not say what its record says; those for drawing and of time are left out."""
    expected = result_row(record)
    return [name for name, value in expected.items() if isinstance(value, str | int | Decimal) and row[name] != value]


def ratio_text(ratio: Fraction) -> str:
    """A rational number as text, whole ones too: `1/1`."""
    return f"{ratio.numerator}/{ratio.denominator}"


def _ratio(ratio: Fraction | None) -> str | None:
    return None if ratio is None else ratio_text(ratio)


def _float(ratio: str | None) -> float | None:
    """For sorting and drawing; what decides is in the record."""
    return None if ratio is None else float(Fraction(ratio))


def _decimal(ratio: Fraction) -> Decimal:
    return (Decimal(ratio.numerator) / Decimal(ratio.denominator)).quantize(TARGET_EXPONENT)


def moment_text(moment: datetime | None) -> str | None:
    """A moment as JSON knows it."""
    return None if moment is None else moment.astimezone(UTC).isoformat().replace("+00:00", "Z")


def _at(seconds: int) -> str:
    return f"{datetime.fromtimestamp(seconds, UTC):%Y-%m-%dT%H:%M:%SZ}"
