"""`andon spool`: what waits and what is dead, for people."""

import json
from pathlib import Path
from typing import Any

import pytest
from click.testing import Result
from typer.testing import CliRunner

from fixtures.chunks import ID, Tables, chunk_of, drain_all
from fixtures.spans import FakeSpan, request
from pipeline.chunk import SealedChunk
from pipeline.cli import app
from pipeline.drain import Drain
from pipeline.errors import PermanentError
from pipeline.spool import Spool, SpoolConfig

POISON = request([FakeSpan(name="poison", attributes={"http.route": "/pay"})])
GOOD = request([FakeSpan(name="good")])
LETTER = f"{ID}-1"


def run(folder: Path, *arguments: str, answer: str = "") -> Result:
    return CliRunner().invoke(app, ["spool", *arguments, "--config", str(folder / "andon.yaml")], input=answer)


def listed(folder: Path) -> list[dict[str, Any]]:
    return [json.loads(line) for line in run(folder, "list", "--json").stdout.splitlines()]


def words(result: Result) -> str:
    return " ".join(result.output.split())


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """A configuration, and a spool in which one of two requests was refused, by the second of two tables."""
    (tmp_path / "andon.yaml").write_text("spool: {directory: spool}\n")
    chunk_of(tmp_path / "spool", [GOOD, POISON])
    drain_all(tmp_path / "spool", Tables("slices", "spans", refuses={POISON: "spans"}))
    return tmp_path


def test_list_shows_what_waits_and_what_is_dead_of_every_worker(folder: Path) -> None:
    """With all one needs to choose."""
    chunk_of(folder / "spool", [GOOD] * 3, number=1, chunk_id=ID.replace("17", "18", 1))
    first, second = listed(folder)
    assert (first["id"], first["state"], first["worker"], first["signal"]) == (LETTER, "dead", 0, "traces")
    assert (first["requests"], first["tenants"], first["stored"]) == (1, ["acme"], ["slices"])
    assert first["reason"].startswith("spans refuses b'")
    assert (second["state"], second["worker"], second["requests"], second["reason"]) == ("waiting", 1, 3, "")
    table = words(run(folder, "list"))
    assert all(word in table for word in ("dead", "waiting", "acme", "traces"))


def test_list_of_an_empty_spool_says_so(tmp_path: Path) -> None:
    """Also before there is any."""
    (tmp_path / "andon.yaml").write_text("{}")
    assert run(tmp_path, "list").stdout == "nothing waits, nothing is dead\n"


def test_show_gives_the_reason_and_the_request_as_json_with_hex_ids(folder: Path) -> None:
    """What OTLP/JSON would look like."""
    text = run(folder, "show", LETTER).stdout
    assert text.startswith("spans refuses")
    shown = json.loads(text[text.index("{\n") :])
    (span,) = shown["resourceSpans"][0]["scopeSpans"][0]["spans"]
    assert (span["traceId"], span["name"], span["kind"]) == ("0" * 31 + "1", "poison", "SPAN_KIND_SERVER")
    assert span["attributes"] == [{"key": "http.route", "value": {"stringValue": "/pay"}}]


def test_show_is_bounded_however_large_the_request(tmp_path: Path) -> None:
    """Lists are cut, and so is the whole."""
    (tmp_path / "andon.yaml").write_text("spool: {directory: spool}\n")
    many = request([FakeSpan(name="x" * 300, attributes={f"k{n}": "v" * 300 for n in range(40)})] * 200)
    chunk_of(tmp_path / "spool", [many] * 3)
    text = run(tmp_path, "show", ID).stdout
    assert '"… 20 more"' in text
    assert "… cut after 100000 characters" in text
    assert len(text) < 101_000


def test_retry_has_a_letter_taken_by_the_ingest_that_runs(folder: Path) -> None:
    """Within seconds, under its own id, and only for the table that does not have it."""
    store = Tables("slices", "spans", refuses={})
    spool = Spool(SpoolConfig.model_validate({"directory": folder / "spool"}), "traces")
    spool.start()
    drain = Drain(spool, store)
    drain.start()
    assert run(folder, "retry", LETTER).exit_code == 0
    for _ in range(100):
        if store.rows["spans"]:
            break
        spool.wait_empty(0.05)
        drain_wait(spool)
    drain.shutdown()
    spool.close()
    assert store.rows == {"slices": [], "spans": [POISON]}
    assert spool.stats().retried_chunks_total == 1
    assert listed(folder) == []


def drain_wait(spool: Spool) -> None:
    """A moment for the drain's own thread."""
    with spool._changed:
        spool._changed.wait(0.05)


def test_retry_is_kept_for_the_next_ingest_where_none_runs(folder: Path) -> None:
    """Refused again, it is dead again, with the new reason."""
    assert "1 to be taken again" in run(folder, "retry", "--all").output
    (entry,) = listed(folder)
    assert entry["state"] == "retry"

    def refuse(chunk: SealedChunk) -> None:
        raise PermanentError("still not")

    drain_all(folder / "spool", refuse)
    (entry,) = listed(folder)
    assert (entry["id"], entry["state"], entry["reason"], entry["stored"]) == (LETTER, "dead", "still not", ["slices"])


def test_drop_asks_and_then_deletes(folder: Path) -> None:
    """Letter and reason are gone; without a yes nothing is."""
    assert run(folder, "drop", LETTER, answer="n\n").exit_code == 1
    assert len(listed(folder)) == 1
    assert "1 deleted" in run(folder, "drop", LETTER, answer="y\n").output
    assert listed(folder) == []
    assert not list((folder / "spool").rglob("*.reason"))
    assert "0 deleted" in run(folder, "drop", "--all", "--yes").output


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        pytest.param(("show", "nobody"), "expected ids that `andon spool list` shows, got nobody", id="unknown"),
        pytest.param(("retry", LETTER, "x", "y"), "shows, got x, y", id="some unknown"),
        pytest.param(("retry",), "expected ids or --all, got neither", id="neither"),
        pytest.param(("drop", LETTER, "--all"), "expected ids or --all, got both", id="both"),
        pytest.param(("drop", "../../etc/passwd", "--yes"), "got ../../etc/passwd", id="a path"),
    ],
)
def test_what_cannot_be_done_is_said_and_nothing_is_touched(
    folder: Path, arguments: tuple[str, ...], said: str
) -> None:
    """Exit status 1, one line, no traceback."""
    result = run(folder, *arguments)
    assert result.exit_code == 1
    assert said in words(result)
    assert len(listed(folder)) == 1


def test_what_waits_is_neither_retried_nor_dropped(folder: Path) -> None:
    """It is not dead: ingest will store it."""
    waiting = ID.replace("17", "18", 1)
    chunk_of(folder / "spool", [GOOD], chunk_id=waiting)
    for command in (("retry", waiting), ("drop", waiting, "--yes")):
        assert f"{waiting}: expected a dead letter, got one that is not put aside: waiting" in words(
            run(folder, *command)
        )
    assert [entry["state"] for entry in listed(folder)] == ["dead", "waiting"]
