"""Poison among good requests: exactly that is put aside, the rest is stored once, whatever crash comes between."""

import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from fixtures.chunks import ID, Tables, chunk_of, drain_all
from pipeline.deadletters import retry
from pipeline.frame import frames

TABLES = ("slices", "gauges", "sums")


class CrashError(BaseException):
    """The process ends here; no handler of ours may take it for an error."""


class _Fuse:
    """Burns down with every file operation below a folder, and every insert; then the process crashes."""

    def __init__(self) -> None:
        self.folder = ""
        self.left = 0

    def burn(self) -> None:
        self.left -= 1
        if self.left < 0:
            self.folder = ""
            raise CrashError

    def hook(self, event: str, arguments: tuple[Any, ...]) -> None:
        if self.folder and event in {"open", "os.rename", "os.remove"} and str(arguments[0]).startswith(self.folder):
            self.burn()


FUSE = _Fuse()
sys.addaudithook(FUSE.hook)  # before each operation that Python is about to do; such a hook cannot be taken away


@contextmanager
def crash_after(folder: Path, operations: int) -> Iterator[None]:
    """Crash before the operation after so many; one that is later than the end never comes."""
    FUSE.folder, FUSE.left = str(folder), operations
    try:
        yield
    finally:
        FUSE.folder = ""


class Crashing(Tables):
    """Crashes may come before and after each insert too."""

    def insert(self, *arguments: Any) -> None:
        if FUSE.folder:
            FUSE.burn()
        super().insert(*arguments)
        if FUSE.folder:
            FUSE.burn()


def survives(directory: Path, store: Tables, operations: int) -> bool:
    """One life, cut off after so many operations; whether it came to its end."""
    try:
        with crash_after(directory, operations):
            drain_all(directory, store)
    except CrashError:
        return False
    return True


def dead(folder: Path) -> dict[str, list[bytes]]:
    """The requests in each dead letter."""
    letters = {path.stem: path.read_bytes() for path in sorted((folder / "dead").glob("*.pb"))}
    return {
        name: [content[frame.start : frame.end] for frame in frames(memoryview(content))]
        for name, content in letters.items()
    }


def check(folder: Path, bodies: list[bytes], store: Tables, poison: dict[bytes, str]) -> None:
    """Only the poison is aside, each alone; the rest is everywhere once; cured and retried, the poison is too."""
    assert sorted(dead(folder).values()) == sorted([body] for body in poison)
    for number, table in enumerate(TABLES):
        # What stands before the table that refuses a request may have it by now, once; what follows has not.
        never = {body for body, refusing in poison.items() if TABLES.index(refusing) <= number}
        assert len(store.rows[table]) == len(set(store.rows[table]))
        assert set(bodies) - set(poison) <= set(store.rows[table]) <= set(bodies) - never
    store.refuses.clear()
    store.forget_tokens()
    for letter in sorted((folder / "dead").glob("*.pb")):
        retry(letter)
    drain_all(folder.parents[1], store)
    assert all(sorted(rows) == sorted(bodies) for rows in store.rows.values())
    left = [path.name for path in folder.rglob("*") if path.is_file()]
    assert sorted(left) == ["lock", "worker"]


def names(count: int) -> list[bytes]:
    return [b"%03d" % number for number in range(count)]


@given(
    count=st.integers(1, 24),
    poison=st.dictionaries(st.integers(0, 23), st.sampled_from(TABLES)),
    lives=st.lists(st.integers(0, 150), max_size=4),
)
@settings(max_examples=150, deadline=None)
def test_exactly_the_poison_is_put_aside_whatever_it_is_and_whenever_the_process_dies(
    count: int, poison: dict[int, str], lives: list[int]
) -> None:
    """Any requests refused by any table, some lives that end too early, then one that does not."""
    bodies = names(count)
    refuses = {bodies[number]: table for number, table in poison.items() if number < count}
    with TemporaryDirectory() as name:
        folder = chunk_of(Path(name), bodies)
        store = Crashing(*TABLES, refuses=refuses)
        for operations in lives:
            survives(Path(name), store, operations)
        drain_all(Path(name), store)
        check(folder, bodies, store, refuses)


def test_a_crash_at_each_single_step_of_a_bisection_loses_and_doubles_nothing(tmp_path: Path) -> None:
    """Every file operation and every insert, one after the other, is the last of its process."""
    bodies = names(4)
    for operations in range(1_000):
        directory = tmp_path / str(operations)
        folder = chunk_of(directory, bodies)
        refuses = {bodies[1]: "gauges", bodies[3]: "slices"}
        store = Crashing(*TABLES, refuses=refuses)
        survived = survives(directory, store, operations)
        drain_all(directory, store)
        check(folder, bodies, store, refuses)
        if survived:
            break
    assert survived
    assert operations > 50


@pytest.mark.parametrize("count", [1, 4])
def test_a_store_that_is_mended_after_a_crash_does_not_get_the_whole_beside_its_halves(
    tmp_path: Path, count: int
) -> None:
    """That a chunk is split or put aside is decided once, on disk, and not by asking again."""
    bodies = names(count)
    for operations in range(1_000):
        directory = tmp_path / str(operations)
        folder = chunk_of(directory, bodies)
        store = Crashing(*TABLES, refuses={bodies[-1]: "sums"})
        survived = survives(directory, store, operations)
        store.refuses.clear()
        drain_all(directory, store)
        check(folder, bodies, store, {body: "sums" for group in dead(folder).values() for body in group})
        if survived:
            break
    assert survived
    assert operations > 10 * count


def test_a_dead_letter_says_what_it_is_why_it_is_there_and_what_to_do(tmp_path: Path) -> None:
    """Readable by somebody who has never seen one."""
    folder = chunk_of(tmp_path, [b"good", b"bad", b"good too"])
    drain_all(tmp_path, Tables("slices", "spans", refuses={b"bad": "spans"}))
    letter = f"{ID}-10"
    assert dead(folder) == {letter: [b"bad"]}
    text = (folder / "dead" / f"{letter}.reason").read_text()
    assert text.startswith("spans refuses b'bad'\n")
    for words in (
        "tenant     acme",
        "signal     traces",
        "received   1970-01-01 00:00:00 UTC",
        "1 request\n",
        "already in slices",
        f"andon spool retry {letter}",
        "protoc --decode opentelemetry.proto.collector.trace.v1.ExportTraceServiceRequest ",
    ):
        assert words in text
