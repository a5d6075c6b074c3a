"""What it costs to look at every promise: the evaluator over more and more objectives, ten groups each.

In: how many objectives. Out: seconds, CPU time and memory of one look, ours and the engine's apart. The store holds
what thirty days of traffic leave where windows have their edges, in hours, minutes and slices; every objective has the
usual alerts, one in a hundred is in trouble. Three looks are measured after a first one, in a process of their own.
"""

import json
import logging
import subprocess
import sys
import time
from dataclasses import asdict, dataclass
from datetime import UTC, datetime
from pathlib import Path
from statistics import median
from typing import Any

import psutil

from exporters.clickhouse.client import Client
from pipeline.assembly import Assembly
from pipeline.bench.engine import stage
from pipeline.bench.usage import cpu, resident_mib
from pipeline.clock import FakeClock
from pipeline.errors import PermanentError
from pipeline.evaluate import Evaluator
from processors.incidents.config import EvaluateConfig
from processors.slo.burn import DEFAULT_PAIRS
from processors.slo.documents import KINDS
from processors.slo.objectives import Objectives, Written, build

NOW = datetime(2026, 11, 1, 12, 0, 5, tzinfo=UTC)
GROUPS = 10
LOOKS = 3
MINUTE_S = 60
NAMES = "names"
IN_TROUBLE = 100  # one in so many
DAYS = 30
AGES_S = sorted({length.seconds for pair in DEFAULT_PAIRS for length in (pair.long, pair.short)} | {DAYS * 86_400})
OBJECTIVES = (10, 100, 1_000, 2_000, 10_000)
TIMEOUT_S = 600


@dataclass(frozen=True, slots=True, kw_only=True)
class Look:
    """One look at every promise."""

    objectives: int
    seconds: float
    cpu_s: float
    engine_cpu_s: float
    rss_mib: float


def measure_look(size: int, folder: Path) -> Look:
    """One size, in a process and a store of its own.

    Raises:
        PermanentError: it could not be measured.
    """
    with stage(folder) as here:
        seed(here.client, size)
        command = [sys.executable, "-m", "pipeline.bench.evaluation", str(here.assembly.path), str(size)]
        done = subprocess.run(command, check=False, capture_output=True, text=True, timeout=TIMEOUT_S)  # noqa: S603
        if done.returncode:
            raise PermanentError(f"{size} objectives: {done.stderr.strip()[-500:]}")
        return Look(**json.loads(done.stdout))


def seed(client: Client, size: int) -> None:
    """What the store holds of `size` indicators where windows begin and end."""
    generations = {one.name: one.generation for one in objectives(size).indicators}
    client.command(f"CREATE TABLE {NAMES} (number UInt32, name String, generation String) ENGINE = Memory")
    rows = [{"number": n, "name": name, "generation": each} for n, (name, each) in enumerate(generations.items())]
    client.write(NAMES, rows, token=NAMES)
    now_s = int(NOW.timestamp())
    client.command(f"INSERT INTO sli_hours {hours_sql(now_s - now_s % 3_600)}")
    for age_s in (0, *AGES_S):
        edge_s = now_s - age_s - (now_s - age_s) % MINUTE_S
        client.command(f"INSERT INTO sli_minutes {minutes_sql(edge_s, 60 if age_s == 0 else 120)}")
        client.command(f"INSERT INTO sli_slices {slices_sql(edge_s)}")
    client.command(f"INSERT INTO receiver_ledger {ledger_sql(now_s)}")


def hours_sql(end_s: int) -> str:
    """Thirty days before, by the hour."""
    at = f"toDateTime({end_s} - 3600 * (1 + h.number), 'UTC') AS at"
    counts = "36000, 36000, 0, 0, 0, 0, at"
    return f"SELECT name, generation, {at}, {counts} FROM {NAMES} CROSS JOIN numbers({24 * DAYS}) AS h"  # noqa: S608


def minutes_sql(edge_s: int, count: int) -> str:
    """The minutes of an hour before, and after."""
    at = f"toDateTime({edge_s} - 3600 + {MINUTE_S} * m.number, 'UTC') AS at"
    counts = "600, 600, 0, 0, 0, 0, at, now64(3)"
    return f"SELECT name, generation, {at}, {counts} FROM {NAMES} CROSS JOIN numbers({count}) AS m"  # noqa: S608


def slices_sql(edge_s: int) -> str:
    """The slices of a minute before and after, of every group; a few indicators are in trouble."""
    at = f"toDateTime({edge_s} - {MINUTE_S} + 10 * s.number, 'UTC')"
    good = f"10 - (names.number % {IN_TROUBLE} = 0)"
    return (
        f"SELECT name, generation, toString(g.number), {at}, {good}, 10, 0, [], toDateTime64({edge_s}, 3), 0, 0, 0, 0"  # noqa: S608
        f" FROM {NAMES} AS names CROSS JOIN numbers({GROUPS}) AS g CROSS JOIN numbers(12) AS s"
    )


def ledger_sql(now_s: int) -> str:
    """Somebody who always listened."""
    at = f"toDateTime({now_s} - 10 * number, 'UTC')"
    rest = f"10000, 1, 0, 0, toDateTime64({now_s}, 3)"
    return f"SELECT 'bench', 'traces', {at}, {rest} FROM numbers({DAYS * 8_640})"  # noqa: S608


def objectives(size: int) -> Objectives:
    """So many SLOs, ten a service, each with an indicator of its own."""
    documents = [*(service(number) for number in range(-(-size // 10)))]
    for number in range(size):
        documents += [sli(number), slo(number)]
    written = [
        Written(model=KINDS[one["apiVersion"], one["kind"]].model_validate(one), content=one) for one in documents
    ]
    return build(written)


def service(number: int) -> dict[str, Any]:
    return {"apiVersion": "openslo/v1", "kind": "Service", "metadata": {"name": f"service-{number}"}}


def sli(number: int) -> dict[str, Any]:
    def source(where: dict[str, str]) -> dict[str, Any]:
        return {"metricSource": {"type": "andon", "spec": {"where": where}}}

    ratio = {"good": source({"outcome": "success"}), "total": source({"span.http.route": f"/{number}"})}
    metadata = {"name": f"indicator-{number}"}
    return {"apiVersion": "openslo/v1", "kind": "SLI", "metadata": metadata, "spec": {"ratioMetric": ratio}}


def slo(number: int) -> dict[str, Any]:
    spec = {
        "service": f"service-{number // 10}",
        "indicatorRef": f"indicator-{number}",
        "timeWindow": [{"duration": f"{DAYS}d", "isRolling": True}],
        "budgetingMethod": "Occurrences",
        "objectives": [{"target": 0.999}],
    }
    return {"apiVersion": "openslo/v1", "kind": "SLO", "metadata": {"name": f"slo-{number}"}, "spec": spec}


def looks(assembly: Assembly, size: int) -> Look:
    """Look at all of it again and again, two seconds apart, and take the middle one."""
    client, clock = assembly.writer(), FakeClock(NOW)
    evaluator = Evaluator(objectives(size), client.query, client.write, clock, EvaluateConfig())
    evaluator.tick()
    me, engine = psutil.Process(), engine_of(assembly)
    seconds, ours, theirs = [], [], []
    for _ in range(LOOKS):
        clock.advance(2)
        before = time.monotonic(), cpu(me), cpu(engine)
        evaluator.tick()
        seconds.append(time.monotonic() - before[0])
        ours.append((cpu(me) - before[1]).total_s)
        theirs.append((cpu(engine) - before[2]).total_s)
    return Look(
        objectives=size,
        seconds=median(seconds),
        cpu_s=median(ours),
        engine_cpu_s=median(theirs),
        rss_mib=resident_mib(me),
    )


def engine_of(assembly: Assembly) -> psutil.Process:
    """The process that serves the store."""
    port = int(assembly.config.clickhouse.endpoint.rpartition(":")[2])
    for one in psutil.Process().parents()[0].children():
        if any(connection.laddr.port == port for connection in one.net_connections() if connection.status == "LISTEN"):
            return one
    raise RuntimeError("expected the engine among the benchmark's processes")


def main() -> None:
    """One size in this process, as JSON."""
    logging.disable()
    path, size = sys.argv[1:]
    print(json.dumps(asdict(looks(Assembly(Path(path)), int(size)))))  # noqa: T201


if __name__ == "__main__":
    main()
