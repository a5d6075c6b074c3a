"""The tables of a report: what was lost when, why, and what follows from it, row by row.

In: one promise of a report. Out: texts. Pure. What is long is cut, and says how much was.
"""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from fractions import Fraction
from typing import Any

from exporters.report import words
from exporters.report.document import Objective
from exporters.report.losses import worst

MAX_ROWS = 12
MONTHS_SHOWN = 12
TRACES_SHOWN = 5
VERDICTS = {"kept": "kept", "broken": "broken", "no_data": "not decided"}


@dataclass(frozen=True, slots=True)
class Fact:
    """A figure, what it is called, and what belongs to it in a lower voice."""

    label: str
    value: str
    note: str = ""


@dataclass(frozen=True, slots=True)
class Table:
    """Rows under words; `more` says how many are left out."""

    head: tuple[str, ...]
    rows: tuple[tuple[str, ...], ...]
    more: str = ""


def lost(one: Objective, zone: str) -> Table:
    found, others = worst(one.record, MAX_ROWS)
    allowed = Fraction(one.budget.allowed)
    head = "down" if one.budget.unit == "minutes" else "failed"
    rows = tuple(
        (
            words.between(each.start, each.end, zone),
            words.amount(each.amount, one.budget.unit, up=True),
            words.lost_percent(each.amount / allowed) if allowed else "",
        )
        for each in found
    )
    return Table(("when", head, "of the budget"), rows, _more(others, "smaller one"))


def _more(number: int, noun: str) -> str:
    return f"and {words.plural(number, noun)}" if number > 0 else ""


def breaches(one: Objective, zone: str) -> Table:
    rows = tuple(
        (
            words.when(each.at, zone),
            each.event.replace("_", " "),
            f"{each.window}: {words.count(each.good)} of {words.count(each.valid)} good",
            _traces(each.trace_ids),
        )
        for each in one.breaches
    )
    return Table(("when", "what", "found by", "bad requests (trace ids)"), rows, _more(one.breaches_left_out, "more"))


def _traces(ids: Sequence[str]) -> str:
    return " ".join(ids[:TRACES_SHOWN]) + (f" and {len(ids) - TRACES_SHOWN} more" if len(ids) > TRACES_SHOWN else "")


def incidents(one: Objective, zone: str) -> Table:
    rows = tuple(
        (
            each.title,
            each.impact,
            words.between(each.started_at, each.resolved_at, zone)
            if each.resolved_at
            else f"since {words.when(each.started_at, zone)}",
            "" if each.cost is None else words.lost_percent(Fraction(each.cost)),
        )
        for each in sorted(one.incidents, key=lambda each: -Fraction(each.cost or 0))
    )
    return Table(("incident", "impact", "when", "of the budget"), rows)


EFFECTS = {"remove": "not counted", "count_good": "counted as good", "count": "only noted"}


def windows(windows: Sequence[Mapping[str, Any]], zone: str, why: str) -> Table:
    rows = tuple(
        (
            words.between(datetime.fromisoformat(each["start"]), datetime.fromisoformat(each["end"]), zone),
            f"{each['reason']} ({each['category']}, {each['author']})",
            "not told"
            if each["announced_at"] is None
            else words.when(datetime.fromisoformat(each["announced_at"]), zone),
            EFFECTS[each["effect"]] if why == "effect" else each["refused"],
        )
        for each in windows
    )
    shown = rows[: 3 * MAX_ROWS]
    last = "effect" if why == "effect" else "why it was refused"
    return Table(("when", "what", "announced", last), shown, _more(len(rows) - len(shown), "more"))


def reactions(record: Mapping[str, Any]) -> Table:
    names = {"response": "an answer", "time_to_restore": "restored"}
    rows = tuple(
        (
            f"{names.get(each['type'], each['type'])} within {words.lasted(float(Fraction(each['within_s'])))}"
            + (f" ({', '.join(each['of'])})" if each["of"] else ""),
            words.exact_percent(Fraction(each["target"])),
            f"{len(each['in_time'])} in time, {len(each['late'])} late"
            + (f", {len(each['pending'])} still open" if each["pending"] else ""),
            "nothing to judge" if each["verdict"] == "no_data" else VERDICTS[each["verdict"]],
        )
        for each in record["reactions"]
    )
    return Table(("promised about incidents", "of them", "they were", "verdict"), rows)


def trend(one: Objective) -> Table:
    rows = tuple(
        (
            each.period + (" so far" if each.so_far else ""),
            words.exact_percent(Fraction(each.target)),
            "" if each.delivered is None else words.percent(Fraction(each.delivered)),
            "" if each.used is None else words.lost_percent(Fraction(each.used)),
            VERDICTS[each.verdict],
            words.exact_percent(Fraction(each.credit_share)) if Fraction(each.credit_share) else "",
            each.generation,
        )
        for each in reversed(one.trend[-MONTHS_SHOWN:])
    )
    return Table(("period", "promised", "delivered", "budget used", "verdict", "credit", "definition"), rows)


def adjustments(record: Mapping[str, Any]) -> Iterator[str]:
    for each in record["late_adjustments"]:
        closed, now = (each[name]["ratio"] for name in ("closed", "now"))
        shown = ["nothing" if one is None else words.percent(Fraction(one)) for one in (closed, now)]
        told = f"{each['period']} was closed with {shown[0]}; with what came in later it is {shown[1]}."
        yield f"{told} Its record stays."


def closed(one: Objective, zone: str) -> Table:
    rows = tuple(
        (str(each.revision), words.full_when(each.closed_at, zone), each.author, each.reason, VERDICTS[each.verdict])
        for each in one.revisions
    )
    return Table(("revision", "closed", "by", "why", "verdict"), rows)


def hashes(one: Objective) -> Iterator[Fact]:
    record = one.record
    yield Fact("generation", record["generation"])
    yield Fact("inputs", record["inputs_hash"], "every minute and every definition")
    yield Fact("record before", record["previous_hash"] or "none")
    if not one.so_far:
        yield Fact("record", record["hash"])
