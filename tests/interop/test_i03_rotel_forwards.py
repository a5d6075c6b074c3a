"""rotel as a forwarder: what comes through it, as gzip, is what comes straight."""

import time
from pathlib import Path
from typing import Any

import grpc
import pytest

from exporters.clickhouse.tables import OTEL_LOGS, OTEL_METRICS_GAUGE, OTEL_METRICS_SUM, OTEL_TRACES, Table
from fixtures.arrivals import RUN, Arrivals
from fixtures.programs import House
from fixtures.relay import relay
from fixtures.rotel import rotel, to_otlp
from fixtures.telemetry_samples import ITEMS, export, samples

TABLES = (OTEL_TRACES, OTEL_LOGS, OTEL_METRICS_GAUGE, OTEL_METRICS_SUM)


@pytest.mark.timeout(60, func_only=True)
@pytest.mark.parametrize("protocol", ["grpc", "http"])
def test_i03_rotel_forwards_every_signal(andon: House, rotel_agent: Path, run: str, protocol: str) -> None:
    """Every column of every row is the same as without rotel in between, but for the run."""
    now_ns, straight, through = time.time_ns(), f"{run}-straight", f"{run}-through"
    with relay(andon.address(protocol)) as between:
        with rotel(rotel_agent, to_otlp(between.address, protocol)) as channel:
            send(channel, through, now_ns)
            stored = {table.name: rows(Arrivals(andon, through), table) for table in TABLES}
    assert between.heard
    assert through.encode() not in between.heard
    with grpc.insecure_channel(andon.address("grpc")) as channel:
        send(channel, straight, now_ns)
    for table in TABLES:
        assert stored[table.name] == rows(Arrivals(andon, straight), table)


def send(channel: grpc.Channel, run: str, now_ns: int) -> None:
    for signal, request in samples(run, now_ns).items():
        export(channel, signal, request)


def rows(arrivals: Arrivals, table: Table) -> list[tuple[Any, ...]]:
    """All that is stored, but for the name of the run."""
    columns = ", ".join(f"`{column}`" for column in table.columns if column != "ResourceAttributes")
    rest = f"mapFilter((k, v) -> k != '{RUN}', ResourceAttributes) AS Resource"
    return arrivals.rows(table.name, f"{columns}, {rest}", count=ITEMS)
