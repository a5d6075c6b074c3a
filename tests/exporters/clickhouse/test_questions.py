"""The questions of the README, asked of a store whose answers are known."""

import json
import re
import uuid
from collections.abc import Iterator
from datetime import datetime, timedelta
from pathlib import Path

import pytest

from fixtures.engine import Engine
from fixtures.questions_seed import CART, PAY, at, seed
from fixtures.store import Store, open_store

README = Path(__file__).parents[3] / "exporters/clickhouse/README.md"
QUESTIONS = dict(re.findall(r"^### ([^\n]+\?)\n\n```sql\n(.+?)\n```$", README.read_text(), re.DOTALL | re.MULTILINE))
Answer = list[list[str]]
SIZE = re.compile(r"[\d.]+ [KM]?i?B")

# Counted by hand from `fixtures.questions_seed`; sizes on disk are somebody else's.
ANSWERS: dict[str, Answer] = {
    "What was promised and delivered this month?": [
        ["checkout", "0.999", "0.999004", "at_risk", "0.004", "false"],
        ["checkout-terms", "0.999", "0.999004", "met", "0.004", "false"],
        ["search", "0.99", "0.994012", "met", "0.401", "false"],
        ["search-terms", "0.995", "0.999677", "met", "0.935", "false"],
    ],
    "What was delivered last month, and is it final?": [
        ["checkout", "0.9995", "met", "NULL", "NULL", "false"],
        ["checkout-terms", "0.9995", "kept", "0", "0", "true"],
        ["search", "0.99", "met", "NULL", "NULL", "false"],
        ["search-terms", "0.992384", "broken", "20400", "0.05", "true"],
    ],
    "Who broke what, when, and for how long?": [
        ["checkout", "checkout", "burn_started", "2026-11-10 19:20:00.000", "2280"],
        ["search", "search", "burn_started", "2026-11-12 03:30:00.000", "360"],
        ["search", "search", "burn_started", "2026-11-13 04:59:50.000", "250"],
        ["checkout", "checkout", "burn_started", "2026-11-22 11:45:00.000", "NULL"],
    ],
    "What is broken right now?": [
        ["checkout", "burn_started", "2026-11-22 11:45:00.000"],
    ],
    "Which minutes did it?": [
        ["2026-11-10 19:20:00", "240", "600"],
        ["2026-11-10 19:21:00", "240", "600"],
    ],
    "Which minutes were counted as down, and which did we think were?": [
        ["bad", "10", "2026-11-12 03:30:00", "2026-11-12 03:39:00", "0"],
        ["good", "1", "2026-11-12 03:40:00", "2026-11-12 03:40:00", "1"],
    ],
    "How much budget is left, and when is it gone?": [
        ["SLO", "checkout", "500", "502.2", "2.2", "0.0044", "2026-11-22 14:00:00.000", "{'1h':0.5,'5m':0.25}"],
    ],
    "Which services are closest to the edge?": [
        ["checkout", "0.004", "checkout"],
        ["search", "0.401", "search"],
    ],
    "On which days was the budget spent?": [
        ["2026-11-05", "20", "0.04"],
        ["2026-11-10", "480", "0.956"],
    ],
    "How available was a service between two moments?": [
        ["checkout-works", "1540", "1900", "0.810526"],
    ],
    "How do two months compare?": [
        ["checkout-works", "2026-10-01", "0.9995"],
        ["checkout-works", "2026-11-01", "0.999004"],
        ["search-fast", "2026-10-01", "0.99"],
        ["search-fast", "2026-11-01", "0.994012"],
    ],
    "Whom did it hit?": [
        ["eu", "490", "0.998373"],
        ["us", "10", "0.99995"],
    ],
    "Which endpoints were slowest while a promise burned?": [
        ["POST /pay", "2", "1", "2500"],
        ["GET /cart", "1", "1", "700"],
    ],
    "Which traces belong to an incident?": [
        [PAY],
        [CART],
    ],
    "What happened in one of them?": [
        ["checkout", "POST /pay", "2500", "Error", "no route to the bank"],
        ["bank-gateway", "POST /transfer", "1400", "Error", ""],
    ],
    "What did the services in a trace log around it?": [
        ["2026-11-10 19:20:01.000000000", "checkout", "INFO", "connection pool is empty", "0"],
        ["2026-11-10 19:20:05.000000000", "bank-gateway", "ERROR", "no route to the bank", "1"],
    ],
    "Which deploy came before it?": [
        ["checkout", "2.4.1", "2026-11-10 19:18:00.000000000"],
    ],
    "What did an incident cost, in budget and in money?": [
        ["search-terms", "downtime_minutes", "340", "223.2", "1.523", "broken", "62.5", "EUR"],
    ],
    "Which incidents hurt the most requests?": [
        ["checkout-1", "checkout", "480", "0.4"],
        ["search-2", "search", "100", "0.5"],
    ],
    "Which credits are due?": [
        ["2026-10", "search-terms", "0.05", "62.50", "EUR"],
    ],
    "Who corrected a closed period, and why?": [
        ["search-terms", "2026-10", "1", "2026-11-04 00:00:00.000", "andon", "the period ended", "0.985663", "0.1"],
        [
            "search-terms",
            "2026-10",
            "2",
            "2026-11-09 00:00:00.000",
            "ines",
            "maintenance was announced in time",
            "0.992384",
            "0.05",
        ],
    ],
    "How much came late?": [
        ["checkout-works", "2026-11-15", "200", "0.2"],
    ],
    "Who listened, and how much of the time?": [
        ["w0", "40", "400"],
        ["w1", "6", "40"],
    ],
    "When did nobody listen?": [
        ["2026-11-10 19:20:10"],
        ["2026-11-10 19:20:30"],
    ],
    "What was turned away?": [
        ["2026-11-10 19:00:00", "w0", "2", "1"],
        ["2026-11-10 19:00:00", "w1", "0", "5"],
    ],
    "How old is what is stored, and does the spool keep up?": [
        ["w0", "traces", "2026-11-10 19:21:02.000", "2026-11-10 19:20:50"],
        ["w1", "traces", "2026-11-10 19:20:12.000", "2026-11-10 19:20:00"],
    ],
    "How much disk does each table take?": [
        ["otel_logs", "4", "N B"],
        ["otel_traces", "9", "N B"],
        ["otel_traces_trace_id_ts", "8", "N B"],
    ],
    "How was a promise defined, and since when?": [
        ["2026-07-01 00:00:00.000", "g0", "true", "0.99"],
        ["2026-09-01 00:00:00.000", "g1", "true", "0.999"],
    ],
    "How much was sampled, and how sure is the figure?": [
        ["checkout-works", "502200", "502200", "0", "502200"],
        ["search-fast", "10200", "100200", "0.98", "10038"],
    ],
    "How long until we noticed, and until it was mended?": [
        ["checkout", "1", "90", "20"],
        ["search", "2", "150", "185"],
    ],
    "Which alerts were noise?": [
        ["checkout", "2", "0"],
        ["search", "2", "2"],
    ],
    "What were people told, and by whom?": [
        ["2026-11-10 19:21:30.000", "investigating", "andon", "Measurements fell below the promised level."],
        ["2026-11-10 19:30:00.000", "identified", "ines", "The new version cannot reach the bank."],
        ["2026-11-10 19:40:00.000", "resolved", "ines", "We went back to the version before."],
    ],
    "How does one count a breach again?": [
        [
            "checkout",
            "500",
            "900",
            "SELECT sum(Good) AS Good, sum(Valid) AS Valid FROM sli_slices WHERE Indicator = 'checkout-works'",
        ],
    ],
}


@pytest.fixture(scope="module")
def asked(clickhouse: Engine) -> Iterator[Store]:
    """The seeded store."""
    opened = open_store(clickhouse, f"t_{uuid.uuid4().hex[:12]}")
    seed(opened.client)
    yield opened
    opened.client.command(f"DROP DATABASE {opened.client.database}")


def ask(engine: Engine, store: Store, sql: str) -> Answer:
    """What an SRE reads."""
    login = engine.readonly_username, engine.readonly_password
    answer = engine.ask(
        sql.encode(), login=login, database=store.client.database, default_format="JSONCompactStringsEachRow"
    )
    assert answer.status == 200, answer.text
    text = SIZE.sub("N B", answer.text.replace("ᴺᵁᴸᴸ", "NULL"))
    return [json.loads(line) for line in text.splitlines()]


def test_the_readme_asks_what_is_answered_here() -> None:
    """No question without an answer, none that is not asked any more."""
    assert list(QUESTIONS) == list(ANSWERS)


@pytest.mark.parametrize("question", QUESTIONS)
def test_every_question_of_the_readme_has_its_answer(question: str, clickhouse: Engine, asked: Store) -> None:
    """As it stands there, by the user who only reads."""
    assert ask(clickhouse, asked, QUESTIONS[question]) == ANSWERS[question]


VIEWS = {
    "sla_report": "month = '2026-11'",
    "error_budget": "slo = 'checkout'",
    "availability": "component = 'checkout', from = '2026-11-01', to = now()",
    "breaches_between": "from = '2026-11-01', to = now()",
    "incident_cost": "incident = 'checkout-1'",
}


@pytest.mark.parametrize("view", VIEWS)
def test_a_view_gives_the_columns_that_it_declares(view: str, clickhouse: Engine, asked: Store) -> None:
    """ClickHouse never holds one against the other where there are parameters."""
    ((made,),) = ask(
        clickhouse,
        asked,
        f"SELECT create_table_query FROM system.tables WHERE name = '{view}' AND database = currentDatabase()",
    )
    declared = re.findall(r"`(\w+)` (.+?) COMMENT '", made)
    given = ask(clickhouse, asked, f"DESCRIBE (SELECT * FROM {view}({VIEWS[view]}))")
    assert [tuple(row[:2]) for row in given] == declared != []
    arrow = asked.reader.query(f"SELECT * FROM {view}({VIEWS[view]})")  # as `andon sql` asks
    assert [*arrow.to_pylist()[0]] == [name for name, _ in declared]


def test_parameters_of_a_query_go_through_to_a_view(clickhouse: Engine, asked: Store) -> None:
    """Dashboards bind what was typed; nobody pastes it into SQL."""
    sql = "SELECT Promise FROM error_budget(slo = {name:String})"
    login = clickhouse.readonly_username, clickhouse.readonly_password
    answer = clickhouse.ask(sql.encode(), login=login, database=asked.client.database, param_name="checkout' OR 1=1 --")
    assert (answer.status, answer.text) == (200, "")
    answer = clickhouse.ask(sql.encode(), login=login, database=asked.client.database, param_name="checkout")
    assert (answer.status, answer.text) == (200, "checkout\n")


@pytest.mark.parametrize("begin", [at(11, 10, 19, 20, 30), at(11, 10, 19, 21), at(11, 10, 20), at(11, 5, 9, 59, 50)])
@pytest.mark.parametrize("minutes", [0, 1, 45, 60, 3_000, 14_400])
def test_availability_is_the_sum_of_the_slices_wherever_it_is_cut(
    begin: datetime, minutes: int, clickhouse: Engine, asked: Store
) -> None:
    """Hours, minutes and slices make up the same time, each moment once."""
    start = f"toDateTime('{begin:%Y-%m-%d %H:%M:%S}', 'UTC')"
    end = f"{start} + {60 * minutes}"
    slices = (
        "SELECT sum(Good), sum(Valid) FROM sli_slices WHERE Indicator = 'checkout-works' "
        f"AND Slice >= {start} AND Slice < {end} HAVING sum(Valid) > 0"
    )
    view = f"SELECT Good, Valid FROM availability(component = 'checkout', from = {start}, to = {end})"
    assert ask(clickhouse, asked, view) == ask(clickhouse, asked, slices)


def test_an_incident_costs_what_its_time_lost_of_each_promise(clickhouse: Engine, asked: Store) -> None:
    """480 of the 502.2 requests that may fail; of the 154.8 minutes of the month ten."""
    columns = "Promise, Kind, Bad, round(Budget, 1), round(BudgetShare, 4), Verdict"
    assert ask(clickhouse, asked, f"SELECT {columns} FROM incident_cost(incident = 'checkout-1') ORDER BY Promise") == [
        ["checkout", "SLO", "480", "502.2", "0.9558", "NULL"],
        ["checkout-terms", "Agreement", "480", "502.2", "0.9558", "NULL"],
    ]
    assert ask(clickhouse, asked, f"SELECT {columns} FROM incident_cost(incident = 'search-2') ORDER BY Promise") == [
        ["search", "SLO", "100", "1002", "0.0998", "NULL"],
        ["search-terms", "Agreement", "10", "154.8", "0.0646", "NULL"],
    ]


def test_an_incident_of_a_forgotten_promise_is_still_told(clickhouse: Engine, asked: Store) -> None:
    """Evaluations are kept for forty days, incidents for ever."""
    row = {"Id": "old", "Revision": 1, "At": at(3, 1), "State": "resolved", "Service": "fax", "Title": "Out of paper"}
    times = {"StartedAt": at(3, 1), "DetectedAt": at(3, 1), "ResolvedAt": at(3, 2)}
    asked.client.write(
        "incidents", [row | times | {"Promises": ["fax"], "Impact": "minor", "Good": 1, "Valid": 2}], token="old"
    )
    assert ask(clickhouse, asked, "SELECT Promise, Bad, Budget, BudgetShare FROM incident_cost(incident = 'old')") == [
        ["fax", "NULL", "NULL", "NULL"]
    ]


def test_a_breach_that_lasts_into_the_time_is_between(clickhouse: Engine, asked: Store) -> None:
    """It began in October, was found later that day, and the month turned before it ended."""
    sql = "SELECT Promise, At, Until FROM breaches_between(from = '{}', to = '{}')"
    day = ["search-terms", "2026-10-20 13:00:00.000", "2026-11-01 00:00:00.000"]
    assert ask(clickhouse, asked, sql.format("2026-10-25", "2026-10-26")) == [day]
    assert ask(clickhouse, asked, sql.format("2026-10-19", "2026-10-20 09:00:00")) == [day]
    assert ask(clickhouse, asked, sql.format("2026-11-01", "2026-11-02")) == []


def test_months_of_other_zones_and_quarters_are_reported_where_their_middle_is(
    clickhouse: Engine, asked: Store
) -> None:
    """A month that begins in another zone's October is November all the same, until it has ended everywhere."""
    for name, offset_h in (("samoa-terms", -13), ("midway-terms", 11)):
        edges = {month: at(month, 1) + timedelta(hours=offset_h) for month in (11, 12)}
        for when, start, end, good in [
            (edges[12] - timedelta(seconds=30), edges[11], edges[12], 90),
            (edges[12] + timedelta(seconds=30), edges[12], edges[12] + timedelta(days=31), 10),
        ]:
            row = {"At": when, "WindowStart": start, "WindowEnd": end, "Good": good, "Valid": 100, "Promise": name}
            same = {"Kind": "Agreement", "Generation": "g1", "Service": "far", "Law": "request_ratio", "State": "met"}
            known = {"Target": 0.5, "BudgetRemaining": 0.0, "Coverage": 1.0, "Indicator": "", "IndicatorGeneration": ""}
            asked.client.write("slo_status", [row | same | known], token=f"{name} {when}")
    sql = "SELECT Promise, Good FROM sla_report(month = '{}') WHERE Service = 'far' ORDER BY Promise"
    assert ask(clickhouse, asked, sql.format("2026-11")) == [["midway-terms", "90"], ["samoa-terms", "90"]]
    assert ask(clickhouse, asked, sql.format("2026-12")) == [["midway-terms", "10"], ["samoa-terms", "10"]]
    asked.client.command("DELETE FROM slo_status WHERE Service = 'far'")
