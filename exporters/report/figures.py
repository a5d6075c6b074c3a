"""One promise in figures and sentences: what was promised, delivered, used up and is owed.

In: one promise of a report. Out: texts. Pure.
"""

from collections.abc import Iterator, Mapping
from datetime import datetime
from fractions import Fraction
from typing import Any

from exporters.report import words
from exporters.report.document import Objective
from exporters.report.tables import Fact


def promised(one: Objective) -> str:
    return words.exact_percent(Fraction(one.record["target"]))


def delivered(one: Objective) -> str:
    ratio = one.record["delivered"]["ratio"]
    return "nothing measured" if ratio is None or one.record["verdict"] == "no_data" else words.percent(Fraction(ratio))


def used(one: Objective) -> str:
    if one.record["verdict"] == "no_data":
        return ""
    return "no budget" if one.budget.share is None else words.lost_percent(Fraction(one.budget.share))


def sentence(one: Objective) -> str:
    record, budget = one.record, one.budget
    if record["verdict"] == "no_data":
        return f"{promised(one)} was promised, and too little was measured to say what was delivered."
    allowed, gone = Fraction(budget.allowed), Fraction(budget.used)
    said = f"{delivered(one)} was delivered, {promised(one)} was promised"
    what = "were down" if budget.unit == "minutes" else "failed"
    lost = words.amount(gone, budget.unit, up=True)
    if not gone:
        return f"{said}: nothing was lost."
    if lost.startswith("1 "):
        what = what.replace("were", "was")
    so_far = " so far" if one.so_far else ""
    return f"{said}: {lost} {what}, and {words.amount(allowed, budget.unit)} were allowed{so_far}."


def figures(one: Objective) -> Iterator[Fact]:
    record, budget = one.record, one.budget
    yield Fact("promised", promised(one))
    yield Fact("delivered", delivered(one), _bounds(record))
    if record["verdict"] != "no_data":
        lost, allowed = Fraction(budget.used), Fraction(budget.allowed)
        said = f"{words.amount(lost, budget.unit, up=True)} of {words.amount(allowed, budget.unit)}"
        yield Fact("budget used", used(one), said)
    yield Fact("owed", owed(record), _claim(record))


def _bounds(record: Mapping[str, Any]) -> str:
    found = record["delivered"]
    if found["lower"] is None or found["lower"] == found["upper"]:
        return ""
    low, high = (words.percent(Fraction(found[name])) for name in ("lower", "upper"))
    return f"between {low} and {high}, for not all was seen"


def measured(record: Mapping[str, Any]) -> str:
    found = record["delivered"]
    coverage = Fraction(found["coverage"])
    if coverage == 1:
        return "Measured all of the time."
    said = f"Measured {words.percent(coverage)} of the time."
    if found["lower"] is None or found["lower"] == found["upper"]:
        return said
    low, high = (words.percent(Fraction(found[name])) for name in ("lower", "upper"))
    return f"{said} Had all been bad that was not seen, {low} would have been delivered; had it been good, {high}."


def owed(record: Mapping[str, Any]) -> str:
    credit = record["credit"]
    if credit is None:
        return "no credits agreed"
    if not Fraction(credit["share"]):
        return "bonus of " + words.exact_percent(Fraction(credit["bonus"])) if Fraction(credit["bonus"]) else "nothing"
    share = words.exact_percent(Fraction(credit["share"]))
    return words.money(credit["amount"], credit["currency"]) if credit["amount"] is not None else f"{share} of the fee"


def _claim(record: Mapping[str, Any]) -> str:
    credit = record["credit"]
    if credit is None or credit["claim_by"] is None:
        return ""
    return f"to be claimed before {words.full_when(datetime.fromisoformat(credit['claim_by']), 'UTC')} UTC"


def broken(one: Objective, zone: str) -> str:
    if one.record["broken_at"] is None:
        return ""
    moment = words.full_when(datetime.fromisoformat(one.record["broken_at"]), zone)
    after = "what came since" if one.so_far else "all the rest of the period"
    return (
        f"It was broken in the minute of {moment}: after it, not even perfect service for {after} would have kept it."
    )
