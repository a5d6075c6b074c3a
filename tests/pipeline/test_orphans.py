"""A worker that is gone: whoever finds its folder drains it, and no chunk changes its id or is lost on the way."""

import os
import random
import signal
import subprocess
import sys
import time
from collections import Counter
from pathlib import Path

import pytest

from fixtures.chunks import ID, Tables, chunk_of
from pipeline.chunk import SealedChunk
from pipeline.drain import Drain
from pipeline.errors import PermanentError
from pipeline.folder import places
from pipeline.frame import frame_header, frames
from pipeline.spool import Spool, SpoolConfig


def config(directory: Path) -> SpoolConfig:
    return SpoolConfig.model_validate({"directory": directory, "flush_timeout": "0s"})


def started(directory: Path, number: int = 0) -> Spool:
    spool = Spool(config(directory), "traces", number=number)
    spool.start()
    return spool


def test_chunks_of_a_folder_that_nobody_holds_are_stored_under_their_own_ids(tmp_path: Path) -> None:
    """The torn tail is cut, as its own worker would have done."""
    folder = chunk_of(tmp_path, [b"a", b"b"], number=3)
    later = ID.replace("17", "18", 1)
    (folder / f"{later}.open").write_bytes(frame_header(b"c", 5) + b"c" + frame_header(b"torn", 5)[:-1])
    ids: list[str] = []
    spool = started(tmp_path)
    drain = Drain(spool, lambda chunk: ids.append(chunk.id))
    for _ in range(4):
        drain.step(0)
    assert ids == [ID, later]
    assert spool.stats().adopted_chunks_total == 2
    assert spool.stats().cut_bytes_total == 19
    assert not [*folder.glob("*.pb"), *folder.glob("*.open")]
    started(tmp_path, 3).close()
    spool.close()


def test_a_spool_of_the_days_before_workers_is_adopted_with_all_it_holds(tmp_path: Path) -> None:
    """`<directory>/traces` becomes nobody's folder, and is emptied."""
    chunk_of(tmp_path, [b"a"], number=0)
    (tmp_path / "0" / "traces").rename(tmp_path / "traces")
    store = Tables("spans", refuses={})
    spool = started(tmp_path)
    Drain(spool, store).step(0)
    assert store.rows == {"spans": [b"a"]}
    spool.close()


def test_a_folder_that_somebody_holds_is_left_alone(tmp_path: Path) -> None:
    """Its own worker will store it."""
    other = started(tmp_path, 1)
    other.append(b"theirs", 1)
    spool = started(tmp_path)
    seen: list[SealedChunk] = []
    drain = Drain(spool, seen.append)
    for _ in range(3):
        drain.step(0)
    assert not seen
    other.close()
    spool.close()


def test_a_worker_that_comes_back_waits_until_its_neighbour_lets_go(tmp_path: Path) -> None:
    """And is then the only one on its folder."""
    chunk_of(tmp_path, [b"a"], number=1)
    spool = started(tmp_path)
    orphan = spool.adopt(spool.orphans()[0])
    with pytest.raises(PermanentError, match=f"in use by process {os.getpid()}"):
        started(tmp_path, 1)
    drain = Drain(spool, lambda _: None)
    orphan.close()
    drain.start()
    back = Spool(config(tmp_path), "traces", number=1)
    back.start(wait_s=30)
    back.append(b"again", 1)
    drain.shutdown()
    back.close()
    spool.close()


def test_another_signal_and_what_is_no_folder_of_a_worker_are_not_adopted(tmp_path: Path) -> None:
    """A drain stores one signal only."""
    folder = chunk_of(tmp_path, [b"a"], number=1)
    folder.rename(folder.with_name("logs"))
    strange = chunk_of(tmp_path, [b"a"], number=2)
    strange.parent.rename(tmp_path / "backup")
    spool = started(tmp_path)
    assert spool.orphans() == []
    assert [(place.number, place.signal) for place in places(tmp_path)] == [(0, "traces"), (1, "logs")]
    spool.close()


WORKER = """
import os, sys, threading
from pathlib import Path
from pipeline.drain import Drain
from pipeline.errors import PermanentError
from pipeline.frame import frames
from pipeline.spool import Spool, SpoolConfig

directory, stored, life, number = Path(sys.argv[1]), Path(sys.argv[2]), sys.argv[3], int(sys.argv[4])
config = SpoolConfig.model_validate({"directory": directory, "flush_timeout": "30ms", "max_chunk_size": "4KiB"})

def process(chunk):
    view = chunk.read()
    bodies = [bytes(view[frame.start : frame.end]).decode() for frame in frames(view)]
    if any(body.endswith("77") for body in bodies):
        raise PermanentError("refused")
    new = stored / f".{chunk.id}-{os.getpid()}"
    new.write_text("".join(f"{body}\\\\n" for body in bodies))
    new.rename(stored / chunk.id)  # once per id, however often it comes

spool = Spool(config, "traces", number=number)
spool.start(30)
Drain(spool, process).start()

def appends(thread):
    for count in range(10_000):
        body = f"{life}-{number}-{thread}-{count}"
        spool.append(body.encode(), 1)
        os.write(1, f"{body}\\\\n".encode())

for thread in range(2):
    threading.Thread(target=appends, args=(thread,)).start()
""".replace("\\\\", "\\")


def start_worker(directory: Path, stored: Path, life: int, number: int) -> subprocess.Popen[bytes]:
    return subprocess.Popen(
        [sys.executable, "-c", WORKER, str(directory), str(stored), str(life), str(number)],
        stdout=subprocess.PIPE,
        env={**os.environ, "PYTHONPATH": os.pathsep.join(sys.path)},
    )


@pytest.mark.timeout(120)
def test_workers_that_are_killed_while_they_append_split_and_adopt_lose_and_double_nothing(tmp_path: Path) -> None:
    """Five lives of three workers, each killed at a random moment; in the end one is left, and stores or buries all."""
    chance = random.Random(20261125)
    directory, stored = tmp_path / "spool", tmp_path / "stored"
    stored.mkdir()
    acknowledged: list[str] = []
    for life in range(5):
        workers = [start_worker(directory, stored, life, number) for number in chance.sample(range(3), 2)]
        firsts = [worker.stdout.readline() for worker in workers if worker.stdout]
        for worker in workers:
            time.sleep(chance.uniform(0.05, 0.6))  # how long it lives is the point
            worker.send_signal(signal.SIGKILL)
        outputs = [worker.communicate()[0] for worker in workers]
        acknowledged += b"".join(firsts + outputs).decode().splitlines()

    def process(chunk: SealedChunk) -> None:
        view = chunk.read()
        bodies = [bytes(view[frame.start : frame.end]).decode() for frame in frames(view)]
        if any(body.endswith("77") for body in bodies):
            raise PermanentError("refused")
        (stored / chunk.id).write_text("".join(f"{body}\n" for body in bodies))

    spool = started(directory)
    drain = Drain(spool, process)
    until = time.monotonic() + 90
    while any(place.waiting for place in places(directory)):
        drain.step(0.1)
        assert time.monotonic() < until
    drain.shutdown()
    spool.close()

    found = Counter(line for path in stored.glob("[0-9]*") for line in path.read_text().splitlines())
    dead = Counter(
        bytes(view[frame.start : frame.end]).decode()
        for path in directory.rglob("dead/*.pb")
        for view in (memoryview(path.read_bytes()),)
        for frame in frames(view)
    )
    assert len(acknowledged) > 300
    assert set((found + dead).values()) == {1}
    assert set(acknowledged) <= set(found) | set(dead)
    assert all(body.endswith("77") for body in dead)
    assert len(dead) > 3
