"""The schema: what the migrations make is what the code believes."""

import re

import pytest

from exporters.clickhouse.migrate import Migration, _apply, migrate, migrations
from exporters.clickhouse.tables import DEDUPLICATION_WINDOW, TABLES
from fixtures.store import Store
from pipeline.errors import PermanentError


def test_every_table_has_the_columns_that_the_code_declares(store: Store) -> None:
    """`tables.py` is the one declaration; the migrations must agree in name, type and order."""
    rows = store.client.query(
        "SELECT table, groupArray((name, type)) AS columns FROM "
        "(SELECT * FROM system.columns WHERE database = currentDatabase() AND default_kind != 'ALIAS' "
        "ORDER BY table, position) GROUP BY table"
    ).to_pylist()
    made = {row["table"]: [(one["1"], one["2"]) for one in row["columns"]] for row in rows}
    for table in TABLES:
        assert made[table.name] == list(table.columns.items())


def test_every_table_remembers_insert_tokens(store: Store) -> None:
    """A table without a deduplication window ignores tokens, and a replay would count twice."""
    rows = store.client.query(
        "SELECT name, engine_full FROM system.tables WHERE database = currentDatabase() AND engine LIKE '%MergeTree'"
    ).to_pylist()
    without = [row["name"] for row in rows if f"window = {DEDUPLICATION_WINDOW}" not in row["engine_full"]]
    assert without == ["migrations"]


def test_every_table_says_what_it_is_for(store: Store) -> None:
    """An SRE reads the schema before the manual."""
    rows = store.client.query(
        "SELECT name, comment FROM system.tables WHERE database = currentDatabase() AND engine LIKE '%MergeTree'"
    ).to_pylist()
    assert [row["name"] for row in rows if not row["comment"]] == []


def test_migrating_twice_changes_nothing(store: Store) -> None:
    """All are applied by the fixture, none again."""
    assert migrate(store.client) == []
    assert len(store.client.query("SELECT * FROM migrations")) == len(migrations())


def test_a_changed_migration_is_refused(store: Store) -> None:
    """What was applied is history."""
    with pytest.raises(PermanentError, match="expected applied migrations never to change"):
        _apply(store.client, Migration("0001_otel_traces", "SELECT 1;\n"), "0" * 64)


def test_a_migration_cut_off_half_way_goes_on(store: Store) -> None:
    """DDL knows no transactions: the tables may be there without the row that says so."""
    last = migrations()[-1]
    assert _apply(store.client, last, None)


def test_every_table_and_every_column_says_what_it_means(store: Store) -> None:
    """Views too; those with parameters have their columns only in the statement that makes them."""
    rows = store.client.query(
        "SELECT table AS place, name AS what FROM system.columns WHERE database = currentDatabase() AND comment = '' "
        "UNION ALL SELECT name, '' FROM system.tables WHERE database = currentDatabase() AND comment = ''"
    ).to_pylist()
    assert rows == []


def test_every_column_of_a_question_says_what_it_means(store: Store) -> None:
    """ClickHouse lists no columns of a view with parameters, but keeps what was declared."""
    rows = store.client.query(
        "SELECT name, create_table_query AS made FROM system.tables WHERE database = currentDatabase() "
        "AND create_table_query LIKE 'CREATE VIEW%{%:String}%'"
    ).to_pylist()
    assert {row["name"] for row in rows} == {
        "availability",
        "breaches_between",
        "error_budget",
        "incident_cost",
        "sla_report",
    }
    for row in rows:
        declared = row["made"].split(" AS WITH ")[0].split(" AS SELECT ")[0]
        assert len(re.findall(r"`\w+` ", declared)) == len(re.findall(r"COMMENT '.+?'(?=, `|\) COMMENT)", declared)) > 0
