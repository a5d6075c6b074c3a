"""One promise in pictures, and the sentences that say the same.

In: one promise of a report. Out: charts with their captions, by the names that `view.ObjectiveView` has for them. Pure.
"""

from fractions import Fraction
from typing import Any

from exporters.report import charts, words
from exporters.report.document import Agreement, Objective, Past
from exporters.report.tables import MONTHS_SHOWN

EXCLUDED = " A line under a day: an exclusion was used."


def pictures(agreement: Agreement, one: Objective, anchor: str) -> dict[str, Any]:
    zone, unit = agreement.time_zone, one.budget.unit
    known = one.record["verdict"] != "no_data"
    bad = [day for day in one.days if day.level in {"some", "much", "all"}]
    worst = max(bad, key=lambda day: Fraction(day.lost), default=None)
    what = f"{len(bad)} of {len(one.days)} days lost something"
    if worst:
        what += f"; the worst, {worst.day.day} {words.MONTHS[worst.day.month - 1]}, lost "
        what += words.amount(Fraction(worst.lost), unit, up=True)
    ahead = sum(day.level == "ahead" for day in one.days)
    note = f"{what}{f'; {ahead} lie ahead' if ahead else ''}."
    note = note if known else "Too little was measured to tell one day from another."
    spent = _burn_note(one)
    burnt = charts.burn_down(one.days, one.budget, f"{anchor}-burn", "Budget over the period", spent)
    months = _months(one)
    return {
        "strip": charts.strip(one.days, f"{anchor}-days", "Days of the period", note),
        "strip_from": words.day(agreement.start, zone),
        "strip_to": f"{one.days[-1].day.day}{words.SPACE}{words.MONTHS[one.days[-1].day.month - 1][:3]}",
        "strip_note": f"{note}{EXCLUDED if any(day.excluded for day in one.days) else ''}",
        "burn": burnt if known else None,
        "burn_note": spent,
        "trend": charts.trend(months, f"{anchor}-trend", "The last twelve periods", _trend_note(one)),
        "trend_note": _trend_note(one),
        "trend_labels": tuple((_label(each), each.verdict if each else "") for each in months),
    }


def _months(one: Objective) -> list[Past | None]:
    """The last twelve, those before the first one empty."""
    found = one.trend[-MONTHS_SHOWN:]
    return [*[None] * (MONTHS_SHOWN - len(found)), *found]


def _label(past: Past | None) -> str:
    if past is None:
        return ""
    parts = past.period.split("-")
    return words.MONTHS[int(parts[1]) - 1][:3] if len(parts) == 2 else "/".join(reversed(parts[1:]))  # noqa: PLR2004


def _burn_note(one: Objective) -> str:
    budget = one.budget
    allowed, used = Fraction(budget.allowed), Fraction(budget.used)
    if not allowed:
        return "Nothing was allowed to fail."
    left = charts.remaining(one.days, budget)
    out = next((day for day, share in zip(one.days, left, strict=False) if share < 0), None)
    said = f"{words.amount(used, budget.unit, up=True)} of {words.amount(allowed, budget.unit)} went"
    when = f"; the budget was used up on {out.day.day} {words.MONTHS[out.day.month - 1]}" if out else ""
    spread = Fraction(budget.elsewhere)
    if not spread:
        return f"{said}{when}."
    lost = words.amount(spread, budget.unit, up=True)
    return f"{said}{when}. {lost} of it in minutes that were good enough by themselves, drawn evenly."


def _trend_note(one: Objective) -> str:
    closed = [each for each in one.trend if not each.so_far]
    broken = sum(each.verdict == "broken" for each in closed)
    if not closed:
        return "No period before this one is closed."
    said = (
        f"{broken or 'None'} of {words.plural(len(closed), 'closed period')} {'were' if broken > 1 else 'was'} broken."
    )
    return f"{said} Above the line, more failed than was allowed."
