"""A report in words: every sentence and figure that pages and PDF show, made once for both.

In: `Report`. Out: `View`, of texts and pictures. Pure. The first words answer whether the promise was kept, by how much,
and what is owed; all else is the proof.
"""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from decimal import Decimal
from fractions import Fraction
from heapq import nlargest
from itertools import count as numbers
from typing import Any

from exporters.report import charts, words
from exporters.report.charts import Chart
from exporters.report.document import Agreement, Objective, Past, Report
from exporters.report.losses import stretches

MAX_ROWS = 12
NAMED = 3  # so many names are read in a sentence
MONTHS_SHOWN = 12
VERDICTS = {"kept": "kept", "broken": "broken", "no_data": "not decided"}
TRACES_SHOWN = 5


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


@dataclass(frozen=True, slots=True)
class ObjectiveView:
    """One promise."""

    anchor: str
    name: str
    title: str
    description: str
    verdict: str
    word: str
    sentence: str
    figures: tuple[Fact, ...]
    law: str
    measured: str
    strip: Chart
    strip_from: str
    strip_to: str
    strip_note: str
    burn: Chart | None
    burn_note: str
    trend: Chart
    trend_labels: tuple[tuple[str, str], ...]
    trend_note: str
    trend_table: Table
    broken: str
    lost: Table
    breaches: Table
    incidents: Table
    used: Table
    refused: Table
    credit: tuple[str, ...]
    owed: str
    reactions: Table
    adjustments: tuple[str, ...]
    closed: Table
    definitions: Table
    hashes: tuple[Fact, ...]


@dataclass(frozen=True, slots=True)
class AgreementView:
    """One agreement, or one objective of our own."""

    anchor: str
    title: str
    kind: str
    parties: str
    description: str
    period: str
    state: str
    alone: bool
    objectives: tuple[ObjectiveView, ...]


@dataclass(frozen=True, slots=True)
class Summary:
    """One promise in a line."""

    anchor: str
    agreement: str
    title: str
    verdict: str
    word: str
    promised: str
    delivered: str
    used: str
    owed: str


@dataclass(frozen=True, slots=True)
class View:
    """The whole report."""

    month: str
    name: str
    verdict: str
    headline: str
    lede: tuple[str, ...]
    summary: tuple[Summary, ...]
    agreements: tuple[AgreementView, ...]
    made: str


def view(report: Report) -> View:
    """What is shown of a report."""
    month, number = words.month(report.month), numbers(1)
    agreements = tuple(_agreement(one, f"p{next(number)}") for one in report.agreements)
    every = [(one, each) for one in report.agreements for each in one.objectives]
    shown = [each for one in agreements for each in one.objectives]
    return View(
        month=month,
        name=words.listing([one.title for one in report.agreements]) if len(agreements) <= NAMED else "",
        verdict=_verdict([each for _, each in every]),
        headline=_headline(every, month),
        lede=tuple(_lede(every, shown)),
        summary=tuple(_summary(one, each, seen) for (one, each), seen in zip(every, shown, strict=True)),
        agreements=agreements,
        made=f"Made on {words.full_when(report.made_at, 'UTC')} UTC by Andon {report.made_by}.",
    )


def _verdict(objectives: Sequence[Objective]) -> str:
    found = {one.record["verdict"] for one in objectives}
    return next((one for one in ("broken", "no_data", "kept") if one in found), "no_data")


def _headline(every: Sequence[tuple[Agreement, Objective]], month: str) -> str:
    if not every:
        return f"Nothing was promised for {month}"
    so_far = " so far" if any(each.so_far for _, each in every) else ""
    if len(every) == 1:
        agreement, one = every[0]
        verb = {"kept": "was kept", "broken": "was broken", "no_data": "could not be judged"}[one.record["verdict"]]
        verb = verb.replace("was", "is").replace("could not", "cannot") if so_far else verb
        return f"{agreement.title} {verb} in {month}{so_far}"
    broken = sum(each.record["verdict"] == "broken" for _, each in every)
    silent = sum(each.record["verdict"] == "no_data" for _, each in every)
    plural = "are" if so_far else "were"
    singular = "is" if so_far else "was"
    if not broken and not silent:
        everyone = "Both promises" if len(every) == 2 else f"All {len(every)} promises"  # noqa: PLR2004
        return f"{everyone} {plural} kept in {month}{so_far}"
    said = (
        f"{broken or 'None'} of {len(every)} promises {singular if broken <= 1 else plural} broken in {month}{so_far}"
    )
    return f"{said}, and {silent} could not be judged" if silent else said


def _lede(every: Sequence[tuple[Agreement, Objective]], shown: Sequence[ObjectiveView]) -> Iterator[str]:
    if len(every) == 1:
        yield shown[0].sentence
    elif broken := [one for one in every if one[1].record["verdict"] == "broken"]:
        names = [each.title for _, each in broken]
        listed = names if len(names) <= NAMED else [*names[:NAMED], f"{len(names) - NAMED} more"]
        yield f"Broken: {words.listing(listed)}."
    yield _owed_in_all(every)


def _owed_in_all(every: Sequence[tuple[Agreement, Objective]]) -> str:
    """What all of them cost together, by who is owed and in which currency."""
    sums: dict[tuple[str, str], Decimal] = {}
    shares: list[str] = []
    for agreement, one in every:
        owed = one.record["credit"]
        if owed and Fraction(owed["share"]):
            if owed["amount"] is None:
                shares.append(f"{words.exact_percent(Fraction(owed['share']))} of the fee for {agreement.title}")
            else:
                key = owed["currency"], agreement.customer
                sums[key] = sums.get(key, Decimal(0)) + Decimal(owed["amount"])
    told = [words.money(str(total), currency) + _to(customer) for (currency, customer), total in sums.items()] + shares
    if told:
        verb = "Owed so far" if any(each.so_far for _, each in every) else "Owed"
        return f"{verb}: {words.listing(told)}."
    so_far = " so far" if any(each.so_far for _, each in every) else ""
    agreed = any(each.record["credit"] for _, each in every)
    return f"Nothing is owed{so_far}." if agreed else "No credits are agreed, so nothing is owed."


def _to(customer: str) -> str:
    return f" to {customer}" if customer else ""


def _summary(agreement: Agreement, one: Objective, shown: ObjectiveView) -> Summary:
    return Summary(
        anchor=shown.anchor,
        agreement=agreement.title,
        title=one.title,
        verdict=shown.verdict,
        word=shown.word,
        promised=_promised(one),
        delivered=_delivered(one),
        used=_used(one),
        owed=shown.owed,
    )


def _agreement(one: Agreement, anchor: str) -> AgreementView:
    parties = f"{one.provider} promised {one.customer}" if one.provider and one.customer else ""
    closes = f"; the books close on {words.full_when(one.closes_at, one.time_zone)}" if one.closes_at else ""
    start, end = (words.full_when(edge, one.time_zone) for edge in (one.start, one.end))
    return AgreementView(
        anchor=anchor,
        title=one.title,
        kind="Agreement" if one.kind == "Agreement" else "Our own objective",
        parties=parties,
        description=one.description,
        period=f"{start} to {end}, {one.time_zone}",
        state=f"So far{closes}." if any(each.so_far for each in one.objectives) else "Closed.",
        alone=len(one.objectives) == 1 and one.objectives[0].title == one.title,
        objectives=tuple(_objective(one, each, f"{anchor}-{number}") for number, each in enumerate(one.objectives, 1)),
    )


def _objective(agreement: Agreement, one: Objective, anchor: str) -> ObjectiveView:
    record, zone = one.record, agreement.time_zone
    verdict = record["verdict"]
    return ObjectiveView(
        anchor=anchor,
        name=one.promise,
        title=one.title,
        description=one.description,
        verdict=verdict,
        word=f"{VERDICTS[verdict]}{' so far' if one.so_far else ''}",
        sentence=_sentence(one),
        figures=tuple(_figures(one)),
        law=words.law(record["law"]),
        measured=_measured(record),
        **_pictures(agreement, one, anchor),
        trend_table=_trend_table(one),
        broken=_broken(one, zone),
        lost=_lost_table(one, zone),
        breaches=_breach_table(one, zone),
        incidents=_incident_table(one, zone),
        used=_window_table(record["exclusions"]["used"], zone, "effect"),
        refused=_window_table(record["exclusions"]["refused"], zone, "refused"),
        credit=tuple(record["credit"]["words"]) if record["credit"] else ("No credits are agreed.",),
        owed=_owed(record),
        reactions=_reaction_table(record),
        adjustments=tuple(_adjustments(record)),
        closed=_closed_table(one, zone),
        definitions=Table(
            ("what", "name", "generation", "SHA-256"),
            tuple((each.kind, each.name, each.generation, each.hash) for each in one.definitions),
        ),
        hashes=tuple(_hashes(one)),
    )


def _pictures(agreement: Agreement, one: Objective, anchor: str) -> dict[str, Any]:
    zone, unit = agreement.time_zone, one.budget.unit
    bad = [day for day in one.days if day.level not in {"quiet", "ahead"}]
    worst = max(bad, key=lambda day: Fraction(day.lost), default=None)
    what = f"{len(bad)} of {len(one.days)} days lost something"
    if worst:
        what += f"; the worst, {worst.day.day} {words.MONTHS[worst.day.month - 1]}, lost "
        what += words.amount(Fraction(worst.lost), unit, up=True)
    ahead = sum(day.level == "ahead" for day in one.days)
    note = f"{what}{f'; {ahead} lie ahead' if ahead else ''}."
    burnt = charts.burn_down(one.days, one.budget, f"{anchor}-burn", "Budget over the period", _burn_note(one))
    months = _months(one)
    return {
        "strip": charts.strip(one.days, f"{anchor}-days", "Days of the period", note),
        "strip_from": words.day(agreement.start, zone),
        "strip_to": f"{one.days[-1].day.day}{words.SPACE}{words.MONTHS[one.days[-1].day.month - 1][:3]}",
        "strip_note": f"{note}{EXCLUDED if any(day.excluded for day in one.days) else ''}",
        "burn": burnt,
        "burn_note": _burn_note(one),
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


def _promised(one: Objective) -> str:
    return words.exact_percent(Fraction(one.record["target"]))


def _delivered(one: Objective) -> str:
    ratio = one.record["delivered"]["ratio"]
    return "nothing measured" if ratio is None or one.record["verdict"] == "no_data" else words.percent(Fraction(ratio))


def _used(one: Objective) -> str:
    if one.record["verdict"] == "no_data":
        return ""
    return "no budget" if one.budget.share is None else words.lost_percent(Fraction(one.budget.share))


def _sentence(one: Objective) -> str:
    record, budget = one.record, one.budget
    if record["verdict"] == "no_data":
        return f"{_promised(one)} was promised, and too little was measured to say what was delivered."
    allowed, used = Fraction(budget.allowed), Fraction(budget.used)
    said = f"{_delivered(one)} was delivered, {_promised(one)} was promised"
    what = "were down" if budget.unit == "minutes" else "failed"
    lost = words.amount(used, budget.unit, up=True)
    if not used:
        return f"{said}: nothing was lost."
    if lost.startswith("1 "):
        what = what.replace("were", "was")
    so_far = " so far" if one.so_far else ""
    return f"{said}: {lost} {what}, and {words.amount(allowed, budget.unit)} were allowed{so_far}."


def _figures(one: Objective) -> Iterator[Fact]:
    record, budget = one.record, one.budget
    yield Fact("promised", _promised(one))
    yield Fact("delivered", _delivered(one), _bounds(record))
    if record["verdict"] != "no_data":
        used, allowed = Fraction(budget.used), Fraction(budget.allowed)
        said = f"{words.amount(used, budget.unit, up=True)} of {words.amount(allowed, budget.unit)}"
        yield Fact("budget used", _used(one), said)
    yield Fact("owed", _owed(record), _claim(record))


def _bounds(record: Mapping[str, Any]) -> str:
    found = record["delivered"]
    if found["lower"] is None or found["lower"] == found["upper"]:
        return ""
    low, high = (words.percent(Fraction(found[name])) for name in ("lower", "upper"))
    return f"between {low} and {high}, for not all was seen"


def _measured(record: Mapping[str, Any]) -> str:
    found = record["delivered"]
    coverage = Fraction(found["coverage"])
    if coverage == 1:
        return "Measured all of the time."
    said = f"Measured {words.percent(coverage)} of the time."
    if found["lower"] is None or found["lower"] == found["upper"]:
        return said
    low, high = (words.percent(Fraction(found[name])) for name in ("lower", "upper"))
    return f"{said} Had all been bad that was not seen, {low} would have been delivered; had it been good, {high}."


def _owed(record: Mapping[str, Any]) -> str:
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


def _broken(one: Objective, zone: str) -> str:
    if one.record["broken_at"] is None:
        return ""
    moment = words.full_when(datetime.fromisoformat(one.record["broken_at"]), zone)
    after = "what came since" if one.so_far else "all the rest of the period"
    return (
        f"It was broken in the minute of {moment}: after it, not even perfect service for {after} would have kept it."
    )


def _lost_table(one: Objective, zone: str) -> Table:
    found = stretches(one.record)
    worst = sorted(nlargest(MAX_ROWS, found, key=lambda each: each.amount), key=lambda each: each.start)
    allowed = Fraction(one.budget.allowed)
    head = "down" if one.budget.unit == "minutes" else "failed"
    rows = tuple(
        (
            words.between(each.start, each.end, zone),
            words.amount(each.amount, one.budget.unit, up=True),
            words.lost_percent(each.amount / allowed) if allowed else "",
        )
        for each in worst
    )
    return Table(("when", head, "of the budget"), rows, _more(len(found) - len(rows), "smaller one"))


def _more(number: int, noun: str) -> str:
    return f"and {words.plural(number, noun)}" if number > 0 else ""


def _breach_table(one: Objective, zone: str) -> Table:
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


def _incident_table(one: Objective, zone: str) -> Table:
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


EXCLUDED = " A line under a day: an exclusion was used."
EFFECTS = {"remove": "not counted", "count_good": "counted as good", "count": "only noted"}


def _window_table(windows: Sequence[Mapping[str, Any]], zone: str, why: str) -> Table:
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


def _reaction_table(record: Mapping[str, Any]) -> Table:
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


def _trend_table(one: Objective) -> Table:
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


def _adjustments(record: Mapping[str, Any]) -> Iterator[str]:
    for each in record["late_adjustments"]:
        closed, now = (each[name]["ratio"] for name in ("closed", "now"))
        shown = ["nothing" if one is None else words.percent(Fraction(one)) for one in (closed, now)]
        told = f"{each['period']} was closed with {shown[0]}; with what came in later it is {shown[1]}."
        yield f"{told} Its record stays."


def _closed_table(one: Objective, zone: str) -> Table:
    rows = tuple(
        (str(each.revision), words.full_when(each.closed_at, zone), each.author, each.reason, VERDICTS[each.verdict])
        for each in one.revisions
    )
    return Table(("revision", "closed", "by", "why", "verdict"), rows)


def _hashes(one: Objective) -> Iterator[Fact]:
    record = one.record
    yield Fact("generation", record["generation"])
    yield Fact("inputs", record["inputs_hash"], "every minute and every definition")
    yield Fact("record before", record["previous_hash"] or "none")
    if not one.so_far:
        yield Fact("record", record["hash"])
