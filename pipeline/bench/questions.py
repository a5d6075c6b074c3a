"""`andon bench report`: how long a month of 200 objectives takes to be asked for, on one core.

In: how many days of the month there are. Out: seconds a question, the first time and the median of the next. The store
is made by ClickHouse itself: an indicator for each objective with a row every ten seconds, an evaluation every thirty,
and a closed month before. Of the objectives half have a calendar month and half a rolling window.
"""

import json
import statistics
import tempfile
import time
from collections.abc import Iterator
from dataclasses import asdict, dataclass
from pathlib import Path

from rich import box
from rich.console import Console
from rich.table import Table

from exporters.clickhouse.client import Client
from pipeline.bench.engine import stage
from pipeline.bench.machine import machine

OBJECTIVES, DAYS, QUICK_DAYS, REPEATS = 200, 30, 1, 5
DAY_S = 86_400
FIRST = "toDateTime('2026-11-01 00:00:00', 'UTC')"
QUESTIONS = {
    "sla_report of the running month": "SELECT * FROM sla_report(month = '2026-11')",
    "sla_report of a closed month": "SELECT * FROM sla_report(month = '2026-10')",
    "error_budget": "SELECT * FROM error_budget(slo = 'promise-007')",
    "availability of a month": (
        "SELECT * FROM availability(component = 'service-07', from = '2026-11-01 00:00:10', to = '2026-11-30 23:59:50')"
    ),
}
progress = Console(stderr=True, highlight=False, soft_wrap=True)


@dataclass(frozen=True, slots=True, kw_only=True)
class Asked:
    """One question: how many rows it gave, and the seconds it took."""

    question: str
    rows: int
    first_s: float
    median_s: float


def run_questions(*, quick: bool, as_json: bool) -> None:
    """Seed a month, ask, and print."""
    days = QUICK_DAYS if quick else DAYS
    with tempfile.TemporaryDirectory(prefix="andon-bench-") as folder, stage(Path(folder)) as staged:
        began = time.monotonic()
        for statement in seeds(days):
            staged.client.command(statement)
        rows = staged.stored(["sli_slices", "sli_hours", "slo_status", "period_results"])
        progress.print(f"{OBJECTIVES} objectives, {days} days, {rows:,} rows, made in {time.monotonic() - began:.0f} s")
        found = [asked(staged.client, question, sql) for question, sql in QUESTIONS.items()]
    publish(found, rows, as_json=as_json)


def seeds(days: int, day_s: int = DAY_S) -> Iterator[str]:
    """What makes the store, a day a statement; with a shorter day there is less of it."""
    promise = "concat('promise-', leftPad(toString(number % 200), 3, '0'))"
    indicator = "concat('indicator-', leftPad(toString(number % 200), 3, '0'))"
    service = "concat('service-', leftPad(toString(number % 20), 2, '0'))"
    kind = "if(number % 2 = 0, 'SLO', 'Agreement')"
    yield f"""
        INSERT INTO period_results (Kind, Promise, Generation, Agreement, Service, Period, PeriodStart, PeriodEnd,
            Revision, ClosedAt, Law, Target, Good, Eligible, Delivered, Coverage, Verdict)
        SELECT {kind}, {promise}, 'g', {promise}, {service}, '2026-10', addMonths({FIRST}, -1), {FIRST}, 1,
            {FIRST} + INTERVAL 3 DAY, 'request_ratio', 0.999, '9995/1', '10000/1', 0.9995, 1, 'kept'
        FROM numbers({OBJECTIVES})"""  # noqa: S608  # ours
    for day in range(days):
        slices, looks = day_s // 10 * OBJECTIVES, day_s // 30 * OBJECTIVES
        yield f"""
            INSERT INTO sli_slices (Indicator, Generation, Slice, Good, Valid, ReceivedAt)
            SELECT {indicator}, 'g', {FIRST} + {day * day_s} + 10 * intDiv(number, {OBJECTIVES}) AS At,
                100 - (cityHash64(number) % 1000 = 0), 100, At FROM numbers({slices})"""  # noqa: S608  # ours
        yield f"""
            INSERT INTO slo_status (At, Kind, Promise, Generation, Service, Indicator, IndicatorGeneration, Law, State,
                Target, WindowStart, WindowEnd, Good, Valid, BudgetRemaining, Coverage)
            SELECT {FIRST} + {day * day_s} + 30 * intDiv(number, {OBJECTIVES}) AS At, {kind}, {promise}, 'g', {service},
                {indicator}, 'g', 'occurrences', 'met', 0.999,
                if(number % 2 = 0, At - INTERVAL 30 DAY, {FIRST}), if(number % 2 = 0, At, addMonths({FIRST}, 1)),
                99990, 100000, 0.9, 1 FROM numbers({looks})"""  # noqa: S608  # ours


def asked(client: Client, question: str, sql: str) -> Asked:
    """Ask again and again, with one thread."""
    seconds = []
    for _ in range(REPEATS + 1):
        began = time.perf_counter()
        rows = client.query(f"{sql} SETTINGS max_threads = 1").num_rows
        seconds.append(time.perf_counter() - began)
    first, *others = seconds
    return Asked(question=question, rows=rows, first_s=first, median_s=statistics.median(others))


def publish(found: list[Asked], rows: int, *, as_json: bool) -> None:
    where = machine()
    if as_json:
        print(json.dumps({"machine": asdict(where), "stored": rows, "asked": [asdict(one) for one in found]}))  # noqa: T201
        return
    table = Table(title=f"{rows:,} rows; {where.cpu}, one core; {where.commit}", box=box.SIMPLE_HEAD, pad_edge=False)
    for heading in ("question", "rows", "first, s", "median, s"):
        table.add_column(heading, justify="left" if heading == "question" else "right")
    for one in found:
        table.add_row(one.question, str(one.rows), f"{one.first_s:.3f}", f"{one.median_s:.3f}")
    Console().print(table)
