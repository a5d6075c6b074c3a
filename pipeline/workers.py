"""`andon ingest` with several workers: processes that share the doors' ports, each with spool folders of its own.

In: an `Assembly` and how many. Out: `andon ingest --worker K` for each K, looked after. Promised: nothing of what
arrives passes through here, and neither gRPC nor kernels are loaded; the kernel spreads connections over the workers
(SO_REUSEPORT); the first worker compiles the kernels, and the others wait for that; a worker that dies is started
again, and what it had accepted is stored by whoever finds it first; SIGTERM drains all of them.

    supervisor ─┬─ worker 0 ─ <spool.directory>/0/traces/ …
                └─ worker 1 ─ <spool.directory>/1/traces/ …      one that nobody holds is drained by its neighbours
"""

import os
import time

from pipeline.assembly import Assembly
from pipeline.config import host_and_port
from pipeline.errors import ConfigError
from pipeline.health import HealthServer
from pipeline.merged_health import MergedHealth, announced
from pipeline.supervisor import Part, Supervisor, command

STOP_TIMEOUT_S = 45.0  # doors, then the spool


def count_of(assembly: Assembly, wanted: int | None) -> int:
    """How many workers: as many as `wanted`, or as is written, or as there are cores for this process.

    Raises:
        ConfigError: several would have to share a port that is not fixed.
    """
    count = wanted or assembly.config.receivers.otlp.workers or len(os.sched_getaffinity(0))
    protocols = assembly.config.receivers.otlp.protocols
    doors = {"grpc": protocols.grpc, "http": protocols.http}
    problems = [
        assembly.problem(
            ("receivers", "otlp", "protocols", name, "endpoint"),
            f"a port that {count} workers can share",
            hint="write a port other than 0, or `receivers.otlp.workers: 1`",
        )
        for name, door in doors.items()
        if count > 1 and door is not None and host_and_port(door.endpoint)[1] == 0
    ]
    if problems:
        raise ConfigError(problems)
    return count


class Workers:
    """The supervisor of the workers."""

    def __init__(self, assembly: Assembly, count: int) -> None:
        self._parts = [
            Part(
                f"worker {number}",
                command(assembly.path, "ingest", "--worker", str(number)),
                hear=lambda _line: None,
            )
            for number in range(count)
        ]
        self._supervisor = Supervisor()
        sources = {str(number): announced(assembly.health_file(number)) for number in range(count)}
        self._health = HealthServer(assembly.health_endpoint, MergedHealth(sources).routes())

    def doors(self) -> str:
        """Where telemetry is taken."""
        return f"{self._parts[0].said}  {len(self._parts)} workers"

    def start(self) -> None:
        """Start the first, then the others.

        Raises:
            PermanentError: one of them cannot work.
        """
        self._health.start()
        first, *others = self._parts
        self._supervisor.begin(first)
        self._supervisor.begin(*others)

    def shutdown(self) -> None:
        """Shut the doors of all, and let each empty its spool as far as ClickHouse lets it."""
        self._supervisor.shutdown()
        for part in self._parts:
            part.ask_to_end()
        until_s = time.monotonic() + STOP_TIMEOUT_S
        for part in self._parts:
            part.wait_ended(until_s)
        self._health.shutdown()
