"""A report in words: every sentence and figure that pages and PDF show, made once for both.

In: `Report`. Out: `View`, of texts and pictures. Pure. The first words answer whether the promise was kept, by how
much, and what is owed; all else is the proof.
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from decimal import Decimal
from fractions import Fraction
from itertools import count as numbers

from exporters.report import figures, tables, words
from exporters.report.charts import Chart
from exporters.report.document import Agreement, Objective, Report
from exporters.report.pictures import pictures
from exporters.report.tables import VERDICTS, Fact, Table

NAMED = 3  # so many names are read in a sentence


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
        promised=figures.promised(one),
        delivered=figures.delivered(one),
        used=figures.used(one),
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
        sentence=figures.sentence(one),
        figures=tuple(figures.figures(one)),
        law=words.law(record["law"]),
        measured=figures.measured(record),
        **pictures(agreement, one, anchor),
        trend_table=tables.trend(one),
        broken=figures.broken(one, zone),
        lost=tables.lost(one, zone),
        breaches=tables.breaches(one, zone),
        incidents=tables.incidents(one, zone),
        used=tables.windows(record["exclusions"]["used"], zone, "effect"),
        refused=tables.windows(record["exclusions"]["refused"], zone, "refused"),
        credit=tuple(record["credit"]["words"]) if record["credit"] else ("No credits are agreed.",),
        owed=figures.owed(record),
        reactions=tables.reactions(record),
        adjustments=tuple(tables.adjustments(record)),
        closed=tables.closed(one, zone),
        definitions=Table(
            ("what", "name", "generation", "SHA-256"),
            tuple((each.kind, each.name, each.generation, each.hash) for each in one.definitions),
        ),
        hashes=tuple(tables.hashes(one)),
    )
