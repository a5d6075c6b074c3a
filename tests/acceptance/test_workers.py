"""Several workers behind one pair of ports, as real processes, some of which are killed."""

import itertools
import threading
from contextlib import suppress
from pathlib import Path
from typing import Self

import grpc
import psutil

from fixtures.programs import House, Program, eventually
from fixtures.spans import FakeSpan, fresh

EXPORT = "/opentelemetry.proto.collector.trace.v1.TraceService/Export"
READY = "2 workers"
STORED = "SELECT toUInt64(SpanAttributes['n']) AS n, count() AS times FROM otel_traces GROUP BY n"


class Senders:
    """Clients that send number after number, each over connections of its own, so that every worker gets some."""

    def __init__(self, house: House, count: int = 6) -> None:
        self.acknowledged: list[int] = []
        self._house = house
        self._numbers = itertools.count()
        self._done = threading.Event()
        self._threads = [threading.Thread(target=self._send) for _ in range(count)]

    def __enter__(self) -> Self:
        for thread in self._threads:
            thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._done.set()
        for thread in self._threads:
            thread.join(60)

    def _send(self) -> None:
        options = [("grpc.use_local_subchannel_pool", 1), ("grpc.max_reconnect_backoff_ms", 200)]
        while not self._done.is_set():
            with grpc.insecure_channel(self._house.address("grpc"), options) as channel:
                self._send_some(channel.unary_unary(EXPORT, bytes, bytes))

    def _send_some(self, export: "grpc.UnaryUnaryMultiCallable[bytes, bytes]") -> None:
        for _ in range(20):
            number = next(self._numbers)
            try:
                export(fresh([FakeSpan(attributes={"n": number})]), timeout=5)
            except grpc.RpcError:
                self._done.wait(0.05)
                return
            self.acknowledged.append(number)
            if self._done.wait(0.01):
                return

    def more(self, count: int) -> None:
        """Wait until so many more were acknowledged."""
        before = len(self.acknowledged)
        eventually(lambda: len(self.acknowledged) >= before + count)


def workers_of(program: Program) -> dict[int, psutil.Process]:
    """The workers below a supervisor, by number."""
    found = {}
    for child in psutil.Process(program.process.pid).children():
        with suppress(psutil.NoSuchProcess):  # dead, and not yet buried
            line = child.cmdline()
            found[int(line[line.index("--worker") + 1])] = child
    return found


def check_stored(house: House, acknowledged: list[int]) -> None:
    """All that was acknowledged is a row, and no number is there twice."""
    rows = eventually(lambda: house.query(STORED), lambda rows: set(acknowledged) <= {row["n"] for row in rows}, 60)
    assert {row["times"] for row in rows} == {1}


def test_workers_share_the_ports_and_their_supervisor_carries_neither_grpc_nor_kernels(house: House) -> None:
    """One ready line, chunks from both, and SIGTERM stores what was accepted and leaves nobody behind."""
    with house.running("clickhouse", ready="clickhouse"):
        house.run("migrate")
        ingest = house.start("ingest", "--workers", "2")
        ingest.wait_for_line(READY)
        assert len([line for line in ingest.lines if line.startswith("ingest ")]) == 1
        loaded = Path(f"/proc/{ingest.process.pid}/maps").read_text()
        assert not [name for name in ("cygrpc", "llvmlite", "numba") if name in loaded]
        workers = workers_of(ingest)
        assert set(workers) == {0, 1}
        assert "cygrpc" in Path(f"/proc/{workers[1].pid}/maps").read_text()
        with Senders(house) as senders:
            senders.more(300)
        assert ingest.stop() == 0
        assert not any(worker.is_running() for worker in workers.values())
        assert not list((house.folder / "spool").rglob("*.pb"))
        check_stored(house, senders.acknowledged)
        accepted = house.query("SELECT Worker, sum(Accepted) AS n FROM receiver_ledger GROUP BY Worker")
        assert len([row for row in accepted if row["n"]]) == 2


def test_a_killed_worker_is_started_again_and_nothing_it_acknowledged_is_lost_or_doubled(house: House) -> None:
    """The others serve meanwhile, and its chunks are stored by whoever is first."""
    with house.running("clickhouse", ready="clickhouse"):
        house.run("migrate")
        with house.running("ingest", "--workers", "2", ready=READY) as ingest, Senders(house) as senders:
            for number in (1, 0, 1):
                senders.more(40)
                killed = workers_of(ingest)[number]
                killed.kill()
                ingest.wait_for_line(f"worker {number} ended with -9; starting it again")
                eventually(lambda killed=killed: killed.pid not in {one.pid for one in workers_of(ingest).values()})
            eventually(lambda: set(workers_of(ingest)) == {0, 1})
            senders.more(40)
        check_stored(house, senders.acknowledged)


def test_what_killed_workers_leave_is_stored_by_fewer_that_follow(house: House) -> None:
    """Nothing waits for a worker that is never started again; nobody outlives a supervisor that is killed."""
    with house.running("ingest", "--workers", "2", ready=READY) as ingest, Senders(house) as senders:
        senders.more(100)
        workers = workers_of(ingest)
        ingest.process.kill()  # first, or it would start them again
        for worker in workers.values():
            worker.kill()
    assert list((house.folder / "spool" / "1").rglob("*.*"))
    with house.running("clickhouse", ready="clickhouse"):
        house.run("migrate")
        with house.running("ingest", "--workers", "1", ready="ingest     "):
            check_stored(house, senders.acknowledged)


def test_workers_end_when_their_supervisor_is_killed(house: House) -> None:
    """By the pipe they share with it."""
    ingest = house.start("ingest", "--workers", "2")
    ingest.wait_for_line(READY)
    workers = list(workers_of(ingest).values())
    ingest.kill()
    _, alive = psutil.wait_procs(workers, timeout=30)
    assert not alive


def test_workers_without_a_fixed_port_are_refused(house: House) -> None:
    """Each would listen on a port of its own, and nobody would know which."""
    house.config.write_text(house.config.read_text().replace(f"127.0.0.1:{house.ports['http']}", "127.0.0.1:0"))
    program = house.start("ingest", "--workers", "2")
    assert program.process.wait(30) == 2
    program.kill()
    assert (
        "receivers.otlp.protocols.http.endpoint: expected a port that 2 workers can share, got '127.0.0.1:0'"
    ) in program.output
