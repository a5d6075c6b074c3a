"""Differential: the same bytes through rotel's ClickHouse exporter and through Andon leave the same rows.

Where rotel departs from OpenTelemetry's rules it is not followed. Arrays, maps, bytes and whole doubles (`3.0`, by the
specification `3`) as attribute values are not in the samples; a consumer, which it calls `client`, is named again below.
Left aside is the one column that it does not send, the event name of a log record.
"""

import time
from collections.abc import Iterator
from pathlib import Path

import grpc
import pytest

from exporters.clickhouse.client import Client
from exporters.clickhouse.migrate import migrate
from exporters.clickhouse.tables import OTEL_LOGS, OTEL_METRICS_GAUGE, OTEL_METRICS_SUM, OTEL_TRACES, Table
from fixtures.arrivals import RUN, Arrivals
from fixtures.programs import House, eventually
from fixtures.rotel import rotel, to_clickhouse
from fixtures.telemetry_samples import ITEMS, export, samples

NOT_SENT = {"EventName"}
MISNAMED = {"SpanKind": "if(SpanKind = 'client', 'Consumer', SpanKind)"}
SEEDS = range(5)
TABLES = {table.name: table for table in (OTEL_TRACES, OTEL_LOGS, OTEL_METRICS_GAUGE, OTEL_METRICS_SUM)}


@pytest.fixture(scope="module")
def theirs(andon: House) -> Iterator[Client]:
    """A database with our tables, for rotel to write into."""
    config = andon.assembly.config.clickhouse.model_copy(update={"database": "rotel"})
    assert config.writer is not None
    client = Client(config, config.writer)
    migrate(client)
    yield client
    client.close()


@pytest.fixture(scope="module")
def twice(andon: House, theirs: Client, rotel_agent: Path) -> str:
    """The run that was sent to both."""
    run, now_ns = "both", time.time_ns()
    clickhouse = to_clickhouse(andon.assembly.config.clickhouse, theirs.database)
    with rotel(rotel_agent, clickhouse) as there, grpc.insecure_channel(andon.address("grpc")) as here:
        for seed in SEEDS:
            for signal, request in samples(run, now_ns, seed).items():
                export(there, signal, request)
                export(here, signal, request)
        for table in TABLES:
            eventually(lambda table=table: count(theirs, table), lambda found: found == ITEMS * len(SEEDS), 20)
    return run


def count(client: Client, table: str) -> int:
    return int(client.query(f"SELECT count() AS n FROM {table}").to_pylist()[0]["n"])


@pytest.mark.timeout(60, func_only=True)
@pytest.mark.parametrize("table", TABLES.values(), ids=TABLES)
def test_i06_the_same_bytes_leave_the_same_rows_as_through_rotel(
    andon: House, theirs: Client, twice: str, table: Table
) -> None:
    """`EXCEPT` is empty both ways."""
    Arrivals(andon, twice).rows(table.name, "1", count=ITEMS * len(SEEDS))
    columns = {column: f"`{column}`" for column in table.columns if column not in NOT_SENT}
    renamed = columns | {column: name for column, name in MISNAMED.items() if column in columns}
    where = f"WHERE ResourceAttributes['{RUN}'] = '{twice}'"
    ours = f"SELECT {', '.join(columns.values())} FROM {andon.assembly.config.clickhouse.database}.{table.name} {where}"
    rotels = f"SELECT {', '.join(renamed.values())} FROM {theirs.database}.{table.name} {where}"
    assert theirs.query(f"{ours} EXCEPT ALL {rotels}").to_pylist() == []
    assert theirs.query(f"{rotels} EXCEPT ALL {ours}").to_pylist() == []
