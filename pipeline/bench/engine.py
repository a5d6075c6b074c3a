"""The embedded engine that a collector writes to, in a folder of its own, with our schema.

In: a folder. Out: a `Stage`: the engine runs, the ports are free, `andon.yaml` and two indicators are there.
"""

import contextlib
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

from exporters.clickhouse.client import Client
from exporters.clickhouse.migrate import migrate
from pipeline.assembly import Assembly
from pipeline.bench.child import child
from pipeline.bench.ports import accepts, free_ports
from pipeline.errors import RetryableError
from pipeline.serve import command

CONFIG = """
receivers:
  otlp:
    protocols: {{grpc: {{endpoint: "127.0.0.1:{grpc}"}}, http: {{endpoint: "127.0.0.1:{http}"}}}}
spool: {{directory: spool}}
clickhouse:
  endpoint: http://127.0.0.1:{clickhouse}
  writer: {{username: andon, password: bench}}
  reader: {{username: sre, password: bench-reader}}
embedded: {{directory: clickhouse}}
objectives: slo
telemetry: {{health: {{endpoint: "127.0.0.1:{health}"}}}}
"""
OBJECTIVES = """
apiVersion: openslo/v1
kind: Service
metadata: {name: shop}
---
apiVersion: openslo/v1
kind: SLI
metadata: {name: availability}
spec:
  ratioMetric:
    total: {metricSource: {type: andon, spec: {where: {resource.service.name: checkout, kind: server}}}}
    good: {metricSource: {type: andon, spec: {where: {outcome: success}}}}
---
apiVersion: openslo/v1
kind: SLI
metadata: {name: latency}
spec:
  ratioMetric:
    total: {metricSource: {type: andon, spec: {where: {resource.service.name: checkout, kind: server}}}}
    good: {metricSource: {type: andon, spec: {where: {duration: {lte: 500ms}}}}}
"""


@dataclass(frozen=True, slots=True)
class Stage:
    """A running engine, and what one collector needs beside it."""

    assembly: Assembly
    grpc_port: int
    http_port: int
    client: Client

    @property
    def endpoint(self) -> str:
        return f"127.0.0.1:{self.grpc_port}"

    def stored(self, tables: Sequence[str]) -> int:
        """How many rows there are in `tables` together."""
        counts = [self.client.query(f"SELECT count() AS n FROM {table}") for table in tables]  # noqa: S608  # ours
        return sum(int(count.to_pylist()[0]["n"]) for count in counts)


@contextlib.contextmanager
def stage(folder: Path) -> Iterator[Stage]:
    """An engine with our schema in `folder`."""
    write_objectives(folder / "slo")
    ports = dict(zip(("grpc", "http", "clickhouse", "health"), free_ports(4), strict=True))
    (folder / "andon.yaml").write_text(CONFIG.format(**ports))
    assembly = Assembly(folder / "andon.yaml")
    with child("clickhouse", command(assembly, "clickhouse"), {}) as engine:
        client = assembly.writer()
        engine.wait_until(lambda: accepts(ports["clickhouse"]) and answers(client), "the embedded engine")
        migrate(client)
        yield Stage(assembly, ports["grpc"], ports["http"], client)
        client.close()


def write_objectives(folder: Path) -> None:
    """Two indicators that every span counts for."""
    folder.mkdir(parents=True)
    (folder / "shop.yaml").write_text(OBJECTIVES)


def answers(client: Client) -> bool:
    """Whether ClickHouse is there."""
    try:
        client.command("SELECT 1", use_database=False)
    except RetryableError:
        return False
    return True
