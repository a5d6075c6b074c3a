"""The programs that are measured, each started the way its own documentation says.

In: a `Stage`. Out: a process that takes OTLP at the stage's ports and writes into its engine.
"""

import contextlib
import shutil
import sys
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Protocol

from pipeline.bench.child import Child, child
from pipeline.bench.engine import Stage
from pipeline.bench.ports import accepts
from pipeline.errors import PermanentError
from pipeline.serve import command

ALONE = "none"
PEERS = ("rotel", ALONE)


class Collector(Protocol):
    """What can be measured."""

    @property
    def name(self) -> str: ...

    def running(self, here: Stage, environment: Mapping[str, str]) -> contextlib.AbstractContextManager[Child]:
        """It takes requests until the block ends."""


class Andon:
    """`andon ingest`, with all the processes it makes."""

    name = "andon"

    @contextlib.contextmanager
    def running(self, here: Stage, environment: Mapping[str, str]) -> Iterator[Child]:
        with child(self.name, command(here.assembly, "ingest"), environment) as process:
            process.wait_until(lambda: process.said("OTLP/gRPC"), f"{self.name} to listen")
            yield process


@dataclass(frozen=True, slots=True)
class Rotel:
    """A collector in Rust: fast, and acknowledging from memory."""

    agent: Path
    name: str = "rotel"

    @contextlib.contextmanager
    def running(self, here: Stage, environment: Mapping[str, str]) -> Iterator[Child]:
        with child(self.name, self._command(here), environment) as process:
            process.wait_until(lambda: accepts(here.grpc_port), f"{self.name} to listen")
            yield process

    def _command(self, here: Stage) -> list[str]:
        clickhouse = here.assembly.config.clickhouse
        assert clickhouse.writer is not None
        return [
            *(str(self.agent), "start", "--exporter", "clickhouse", "--debug-log", "none"),
            *("--otlp-grpc-endpoint", here.endpoint),
            *("--otlp-http-endpoint", f"127.0.0.1:{here.http_port}"),
            *("--clickhouse-exporter-endpoint", clickhouse.endpoint),
            *("--clickhouse-exporter-database", clickhouse.database),
            *("--clickhouse-exporter-user", clickhouse.writer.username),
            *("--clickhouse-exporter-password", clickhouse.writer.password.get_secret_value()),
            *("--clickhouse-exporter-compression", "none"),
        ]


def collectors(peer: str) -> list[Collector]:
    """Ours, and `peer` beside it.

    Raises:
        PermanentError: there is no such peer here.
    """
    if peer not in PEERS:
        raise PermanentError(f"peer: expected one of {', '.join(PEERS)}, got {peer!r}")
    return [Andon()] if peer == ALONE else [Andon(), find_rotel()]


def find_rotel() -> Rotel:
    """The rotel agent on PATH, or in `peers/rotel` within our virtual environment.

    Raises:
        PermanentError: saying how to get it.
    """
    home = Path(sys.prefix) / "peers" / "rotel"
    inside = [*home.glob("lib/python*/site-packages/rotel/rotel-agent")]
    found = shutil.which("rotel-agent") or (str(inside[0]) if inside else None)
    if found is None:
        raise PermanentError(
            f"rotel was not found on PATH nor in {home}; "
            f"get it with: python3 -m venv {home} && {home}/bin/pip install rotel"
        )
    return Rotel(Path(found))
