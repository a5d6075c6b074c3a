"""Children of the demo: ready or a reason, and an end in any case."""

import socket
import sys
from pathlib import Path

import pytest

from pipeline.demo.children import LOOPBACK, Child, ChildError, Command, free_port

LISTEN = """
import socket, sys, time
server = socket.create_server(("127.0.0.1", int(sys.argv[1])))
print("listening", flush=True)
time.sleep(60)
"""
DEAF = f"import signal; signal.signal(signal.SIGTERM, signal.SIG_IGN)\n{LISTEN}"


def python(program: str, *arguments: str, ports=()) -> Command:
    return Command(name="program", argv=[sys.executable, "-c", program, *arguments], ports=ports)


def test_a_child_is_ready_when_its_port_answers_and_ends_when_asked(tmp_path: Path) -> None:
    """The port decides; SIGTERM ends it."""
    port = free_port(0)
    child = Child(python(LISTEN, str(port), ports=[port]), tmp_path / "log")
    try:
        child.wait_until_ready(30)
        child.check()
    finally:
        assert child.stop(10) == -15


def test_a_child_that_dies_says_why(tmp_path: Path) -> None:
    """Its exit code and the end of its log are the message."""
    child = Child(python("raise SystemExit('no money left')", ports=[free_port(0)]), tmp_path / "log")
    with pytest.raises(ChildError, match=r"(?s)program ended by itself, exit code 1\..*no money left"):
        child.wait_until_ready(30)
    child.stop(1)


def test_a_silent_port_is_named_after_its_time(tmp_path: Path) -> None:
    """Waiting is bounded and says for what it waited."""
    port = free_port(0)
    child = Child(python("import time; time.sleep(60)", ports=[port]), tmp_path / "log")
    try:
        with pytest.raises(ChildError, match=f"did not listen on {port} within 0.2 s"):
            child.wait_until_ready(0.2)
    finally:
        child.stop(10)


def test_a_child_deaf_to_sigterm_is_killed_after_its_grace(tmp_path: Path) -> None:
    """No child outlives its parent's patience."""
    port = free_port(0)
    child = Child(python(DEAF, str(port), ports=[port]), tmp_path / "log")
    child.wait_until_ready(30)
    assert child.stop(0.2) == -9


def test_a_taken_port_is_replaced_by_a_free_one() -> None:
    """The preferred port when it is free, another when it is not, and never one given away already."""
    with socket.create_server((LOOPBACK, 0)) as server:
        taken = server.getsockname()[1]
        assert free_port(taken) != taken
    assert free_port(taken) == taken
    assert free_port(taken, frozenset({taken})) != taken
