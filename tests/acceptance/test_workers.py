"""Several workers behind one pair of ports, as real processes, some of which are killed."""

from contextlib import suppress
from pathlib import Path

import psutil

from fixtures.load import Sender, are_there_once, settled
from fixtures.programs import House, Program, eventually
from receivers.otlp.signals import TRACES

READY = "2 workers"
CONNECTIONS, PAUSE_S = 6, 0.01


def sending(house: House) -> Sender:
    """So many connections that both workers get some."""
    return Sender(house, pause_s=PAUSE_S, signals=[TRACES], connections=CONNECTIONS)


def workers_of(program: Program) -> dict[int, psutil.Process]:
    """The workers below a supervisor, by number."""
    found = {}
    for child in psutil.Process(program.process.pid).children():
        with suppress(psutil.NoSuchProcess):  # dead, and not yet buried
            line = child.cmdline()
            found[int(line[line.index("--worker") + 1])] = child
    return found


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
        with sending(house) as sender:
            sender.more(300)
        assert ingest.stop() == 0
        assert not any(worker.is_running() for worker in workers.values())
        assert not list((house.folder / "spool").rglob("*.pb"))
        assert are_there_once(settled(house, sender))
        accepted = house.query("SELECT Worker, sum(Accepted) AS n FROM receiver_ledger GROUP BY Worker")
        assert len([row for row in accepted if row["n"]]) == 2


def test_a_killed_worker_is_started_again_and_nothing_it_acknowledged_is_lost_or_doubled(house: House) -> None:
    """The others serve meanwhile, and its chunks are stored by whoever is first."""
    with house.running("clickhouse", ready="clickhouse"):
        house.run("migrate")
        with house.running("ingest", "--workers", "2", ready=READY) as ingest, sending(house) as sender:
            for number in (1, 0, 1):
                sender.more(40)
                killed = workers_of(ingest)[number]
                killed.kill()
                ingest.wait_for_line(f"worker {number} ended with -9; starting it again")
                eventually(lambda killed=killed: killed.pid not in {one.pid for one in workers_of(ingest).values()})
            eventually(lambda: set(workers_of(ingest)) == {0, 1})
            sender.more(40)
        assert are_there_once(settled(house, sender))


def test_what_killed_workers_leave_is_stored_by_fewer_that_follow(house: House) -> None:
    """Nothing waits for a worker that is never started again; nobody outlives a supervisor that is killed."""
    with house.running("ingest", "--workers", "2", ready=READY) as ingest, sending(house) as sender:
        sender.more(100)
        workers = workers_of(ingest)
        ingest.process.kill()  # first, or it would start them again
        for worker in workers.values():
            worker.kill()
    assert list((house.folder / "spool" / "1").rglob("*.*"))
    with house.running("clickhouse", ready="clickhouse"):
        house.run("migrate")
        with house.running("ingest", "--workers", "1", ready="ingest     "):
            assert are_there_once(settled(house, sender))


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
