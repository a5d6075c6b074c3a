"""How long telemetry is kept: `clickhouse.ttl` as the TTL of its tables.

In: durations by table. Out: what was changed. Promised: a table that is not named stays as it is, so a TTL set by hand
does too; parts go as a whole, a day at a time, once all in them is old. What promises rest on has no TTL.
"""

from collections.abc import Mapping

from exporters.clickhouse.client import Client
from exporters.clickhouse.tables import TELEMETRY
from pipeline.clock import NS_PER_S


def retain(client: Client, ttl: Mapping[str, int]) -> list[str]:
    """Have the tables of `client` keep their rows for so many nanoseconds, 0 for ever; tell which were changed.

    Raises:
        RetryableError: ClickHouse is away.
    """
    rows = client.query(
        "SELECT name, engine_full FROM system.tables WHERE database = {database:String}",
        {"database": client.database},
    ).to_pylist()
    present = {row["name"]: row["engine_full"] for row in rows}
    return [table for table, kept_ns in ttl.items() if _retain(client, table, kept_ns // NS_PER_S, present[table])]


def _retain(client: Client, table: str, kept_s: int, engine: str) -> bool:
    wanted = f"TTL toDateTime({TELEMETRY[table]}) + toIntervalSecond({kept_s})"
    if kept_s == 0:
        if " TTL " not in engine:
            return False
        client.command(f"ALTER TABLE {table} REMOVE TTL")
    elif f" {wanted} " in engine:
        return False
    else:
        client.command(f"ALTER TABLE {table} MODIFY {wanted}")
    return True
