"""How long telemetry is kept is what the configuration says, table by table."""

import pytest
from pydantic import ValidationError

from exporters.clickhouse.client import ClickHouseConfig
from exporters.clickhouse.retention import retain
from exporters.clickhouse.tables import TELEMETRY
from fixtures.store import Store

DAY_NS = 86_400 * 1_000_000_000


def test_every_table_can_have_a_ttl_of_its_own_which_is_set_once(store: Store) -> None:
    """The second time there is nothing to do; 0 takes it away; what is not named stays."""
    ttl = {table: (number + 1) * DAY_NS for number, table in enumerate(TELEMETRY)}
    assert retain(store.client, ttl) == list(TELEMETRY)
    assert retain(store.client, ttl) == []
    assert retain(store.client, {"otel_logs": 0}) == ["otel_logs"]
    assert retain(store.client, {"otel_logs": 0}) == []
    rows = store.client.query("SELECT name, engine_full FROM system.tables WHERE database = currentDatabase()")
    engines = {row["name"]: row["engine_full"] for row in rows.to_pylist()}
    assert "TTL toDateTime(Timestamp) + toIntervalSecond(86400)" in engines["otel_traces"]
    assert "TTL" not in engines["otel_logs"]


def test_rows_that_are_too_old_go(store: Store) -> None:
    """A day at a time, when the engine merges."""
    for days in (1, 40):
        time = f"now() - INTERVAL {days} DAY"
        store.client.command(f"INSERT INTO otel_logs (Timestamp, Body) SELECT {time}, '{days} days old'")
    retain(store.client, {"otel_logs": 30 * DAY_NS})
    store.client.command("OPTIMIZE TABLE otel_logs FINAL")
    assert store.client.query("SELECT Body FROM otel_logs").to_pylist() == [{"Body": "1 days old"}]


def test_a_table_that_keeps_promises_has_no_ttl() -> None:
    """Breaches are evidence; a word that is no table of telemetry is a mistake."""
    with pytest.raises(ValidationError, match="a table of telemetry: otel_traces, "):
        ClickHouseConfig.model_validate({"ttl": {"breaches": "30d"}})
