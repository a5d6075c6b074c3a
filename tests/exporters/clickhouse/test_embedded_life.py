"""Starting, stopping and being killed."""

import os
import signal
import socket
import struct
import subprocess
import sys
import threading
import time
from collections import Counter
from contextlib import suppress
from dataclasses import fields
from pathlib import Path

import pytest

from exporters.clickhouse.embedded import EmbeddedClickHouse, EmbeddedSettings
from fixtures.engine import ROOT, Engine, launch_engine, start_engine
from pipeline.errors import PermanentError

ROWS = 2_000  # of each chunk


def failed_start(directory: Path, *, port: int = 0, **settings: object) -> str:
    """What a start that fails says."""
    process = launch_engine(directory, port=port, stderr=subprocess.PIPE, **settings)
    out, err = process.communicate(timeout=60)
    assert (process.returncode, out) == (1, "")
    return err


def test_directory_of_another_process_is_refused(clickhouse: Engine, tmp_path: Path) -> None:
    """The second engine on a directory says who has it, and the first goes on."""
    first = start_engine(tmp_path / "data")
    try:
        assert f"{tmp_path / 'data'} is in use by another process" in failed_start(tmp_path / "data")
        assert first.ask(b"SELECT 1").status == 200
    finally:
        assert first.stop() == 0


def test_taken_port_is_refused(tmp_path: Path) -> None:
    """The address is named, and the directory left alone."""
    with socket.create_server(("127.0.0.1", 0)) as other:
        port = other.getsockname()[1]
        assert f"cannot listen on 127.0.0.1:{port}" in failed_start(tmp_path / "data", port=port)
    assert not (tmp_path / "data").exists()


REFUSED = {
    "any address": ({"host": "0.0.0.0"}, "expected a loopback address to listen on, got 0.0.0.0"),
    "a name": ({"host": "example.org"}, "expected a loopback address to listen on, got example.org"),
    "one user": ({"username": "x", "readonly_username": "x"}, "expected different users, got x twice"),
    "no password": ({"readonly_password": ""}, "expected a password for each user"),
    "odd directory": ({"directory": Path("/tmp/a?b")}, "expected a directory without ?"),
}


@pytest.mark.parametrize(("changes", "message"), REFUSED.values(), ids=REFUSED)
def test_settings_that_cannot_work_are_refused(tmp_path: Path, changes: dict[str, object], message: str) -> None:
    """`start` says what was expected and what came; a shutdown after it is harmless."""
    defaults: dict[str, object] = {"directory": tmp_path, "port": 0, "password": "p", "readonly_password": "r"}
    engine = EmbeddedClickHouse(EmbeddedSettings(**defaults | changes))  # type: ignore[arg-type]
    with pytest.raises(PermanentError, match=message.replace("?", r"\?")):
        engine.start()
    engine.shutdown()


def test_settings_never_show_a_password() -> None:
    """Neither repr nor str of the settings holds one."""
    settings = EmbeddedSettings(directory=Path("data"), password="hidden-one", readonly_password="hidden-two")
    assert "hidden" not in repr(settings)


def test_every_setting_is_documented() -> None:
    """A setting that the README does not name does not exist for its reader."""
    readme = (ROOT / "exporters" / "clickhouse" / "README.md").read_text()
    assert [field.name for field in fields(EmbeddedSettings) if f"`{field.name}`" not in readme] == []


def test_missing_engine_says_how_to_get_it(tmp_path: Path) -> None:
    """Without chdb the error names the extra to install."""
    (tmp_path / "chdb.py").write_text("raise ImportError('not here')")
    program = (
        "from pathlib import Path\n"
        "from exporters.clickhouse.embedded import EmbeddedClickHouse, EmbeddedSettings\n"
        "settings = EmbeddedSettings(directory=Path('data'), port=0, password='p', readonly_password='r')\n"
        "EmbeddedClickHouse(settings).start()\n"
    )
    environment = os.environ | {"PYTHONPATH": f"{tmp_path}{os.pathsep}{ROOT}"}
    command = [sys.executable, "-c", program]
    found = subprocess.run(
        command, cwd=tmp_path, env=environment, capture_output=True, text=True, timeout=60, check=False
    )
    assert "pip install 'andon[embedded]'" in found.stderr


def test_component_starts_and_shuts_down_more_than_once(tmp_path: Path) -> None:
    """In one process: shutdown before start, start, shutdown twice, and a new one on the same directory."""
    program = (
        "import sys\n"
        "from pathlib import Path\n"
        "from exporters.clickhouse.embedded import EmbeddedClickHouse, EmbeddedSettings\n"
        "for _ in range(2):\n"
        "    settings = EmbeddedSettings(directory=Path(sys.argv[1]), port=0, password='p', readonly_password='r')\n"
        "    engine = EmbeddedClickHouse(settings)\n"
        "    engine.shutdown()\n"
        "    engine.start()\n"
        "    engine.shutdown()\n"
        "    engine.shutdown()\n"
        "print(engine.address)\n"
    )
    command = [sys.executable, "-c", program, str(tmp_path / "data")]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, timeout=120, check=False)
    assert (done.returncode, done.stderr) == (0, "")
    assert done.stdout.startswith("http://127.0.0.1:")


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
def test_signal_ends_it_in_order(tmp_path: Path, number: signal.Signals) -> None:
    """A query under way is answered, the process ends with 0, and what was stored is there again."""
    engine = start_engine(tmp_path / "data")
    engine.ask(b"CREATE TABLE t (a Int8) ENGINE = MergeTree ORDER BY a")
    engine.ask(b"INSERT INTO t VALUES (7)")
    answers = list[str]()
    asking = threading.Thread(target=lambda: answers.append(engine.ask(b"SELECT 'answered', sleep(2)").text))
    asking.start()
    wait_for_query(engine)
    engine.process.send_signal(number)
    assert engine.wait() == 0
    asking.join(timeout=10)
    assert answers == ["answered\t0\n"]
    again = start_engine(tmp_path / "data")
    assert again.ask(b"SELECT a FROM t").text == "7\n"
    assert again.stop() == 0


def test_query_without_end_does_not_hold_up_the_end(tmp_path: Path) -> None:
    """What runs longer than the drain timeout is ended, and the exit status is still 0."""
    engine = start_engine(tmp_path / "data", drain_timeout_s=1)

    def ask() -> None:
        with suppress(OSError):
            engine.ask(b"SELECT sum(cityHash64(number)), 'sleep' FROM numbers(100000000000000)")

    asking = threading.Thread(target=ask)
    asking.start()
    wait_for_query(engine)
    began = time.monotonic()
    assert engine.stop() == 0
    assert time.monotonic() - began < 30
    asking.join(timeout=10)


def wait_for_query(engine: Engine) -> None:
    """Return when a query that mentions sleep runs."""
    query = b"SELECT count() FROM system.processes WHERE query LIKE '%sleep%' AND query NOT LIKE '%processes%'"
    deadline = time.monotonic() + 30
    while engine.ask(query).text == "0\n":
        assert time.monotonic() < deadline


# kill -9


class Writer(threading.Thread):
    """Sends chunks under tokens, each again and again until it is acknowledged, as an exporter does."""

    def __init__(self, engine: Engine, name: int) -> None:
        super().__init__()
        self._engine = engine
        self._name = name
        self.enough = threading.Event()
        self.acknowledged = 0

    def run(self) -> None:
        while not self.enough.is_set():
            chunk = self._name * 1_000_000 + self.acknowledged
            while not self._send(chunk):
                self.enough.wait(0.02)
            self.acknowledged += 1

    def _send(self, chunk: int) -> bool:
        token = str(chunk)
        try:
            answer = self._engine.ask(
                struct.pack("<q", chunk) * ROWS,
                query="INSERT INTO t (chunk) FORMAT RowBinary",
                insert_deduplication_token=token,
            )
        except OSError:
            return False
        return answer.status == 200


WINDOW = b"ORDER BY chunk SETTINGS non_replicated_deduplication_window = 10000"
SCHEMA = (
    b"CREATE TABLE t (chunk Int64) ENGINE = MergeTree " + WINDOW,
    b"CREATE TABLE sums (chunk Int64, n SimpleAggregateFunction(sum, UInt64)) ENGINE = AggregatingMergeTree " + WINDOW,
    b"CREATE MATERIALIZED VIEW to_sums TO sums AS SELECT chunk, count() AS n FROM t GROUP BY chunk",
)


def test_acknowledged_inserts_are_stored_once_whatever_is_killed(tmp_path: Path) -> None:
    """Three times kill -9 under two writers: nothing lost, nothing twice, the view in step, no cleaning between."""
    engine = start_engine(tmp_path / "data")
    for statement in SCHEMA:
        assert engine.ask(statement).status == 200
    writers = [Writer(engine, name) for name in (1, 2)]
    for writer in writers:
        writer.start()
    for _ in range(3):
        seen = sum(writer.acknowledged for writer in writers)
        wait_until(lambda seen=seen: sum(writer.acknowledged for writer in writers) >= seen + 20)
        engine.kill()
        engine = start_engine(tmp_path / "data", port=engine.port)
    for writer in writers:
        writer.enough.set()
        writer.join(timeout=60)
        assert not writer.is_alive()
    expected = Counter({writer._name * 1_000_000 + n: ROWS for writer in writers for n in range(writer.acknowledged)})
    assert counts(engine, "SELECT chunk, count() FROM t GROUP BY chunk") == expected
    assert counts(engine, "SELECT chunk, sum(n) FROM sums GROUP BY chunk") == expected
    assert engine.stop() == 0


def counts(engine: Engine, query: str) -> Counter[int]:
    lines = engine.ask(query.encode()).text.splitlines()
    return Counter({int(chunk): int(count) for chunk, count in (line.split("\t") for line in lines)})


def wait_until(reached: object) -> None:
    assert callable(reached)
    deadline = time.monotonic() + 60
    while not reached():
        assert time.monotonic() < deadline
        time.sleep(0.005)
