"""`andon slo try`: an indicator on what is stored, through the real command."""

import json
import time
from pathlib import Path
from typing import Any

import pytest
from click.testing import Result
from typer.testing import CliRunner

from fixtures.otlp_bodies import as_bytes, request_of
from fixtures.spans import FakeSpan, request
from fixtures.store import Store, leading_to
from pipeline.cli import app
from pipeline.clock import SystemClock
from pipeline.lane import ChunkProcessor
from pipeline.passage import unwatched
from processors.sli.slices import SliceCounter
from processors.stored.config import ProcessorsConfig
from processors.stored.data import StoredData
from receivers.otlp.limits import DEFAULT
from receivers.otlp.signals import LOGS, METRICS, TRACES, Signal

S = 10**9
SLI = """
apiVersion: openslo/v1
kind: SLI
metadata: {{name: {name}}}
spec:
  ratioMetric:
    total: {{metricSource: {{type: andon, spec: {total}}}}}
    {part}: {{metricSource: {{type: andon, spec: {spec}}}}}
---
"""
SERVED, WORKS = "{where: {kind: server}}", "{where: {outcome: success}}"
LOGGED, SEV1 = "{signal: logs, where: {log.a: x}}", "{signal: logs, where: {body: {regex: 'APP-ERR-SEV1-\\d+'}}}"
TIMED, FAST = "{signal: metrics, where: {name: http.d}}", "{signal: metrics, where: {value: {lte: 0.25}}}"


@pytest.fixture
def folder(tmp_path: Path, store: Store) -> Path:
    """Objectives over three signals, a configuration that leads to the store, and telemetry of a minute ago."""
    documents = [
        SLI.format(name="works", total=SERVED, part="good", spec=WORKS),
        SLI.format(name="quiet", total=LOGGED, part="bad", spec=SEV1),
        SLI.format(name="fast", total=TIMED, part="good", spec=FAST),
    ]
    (tmp_path / "slo.yaml").write_text("".join(documents))
    (tmp_path / "andon.yaml").write_text(leading_to(store))
    then_ns = time.time_ns() - 60 * S
    ingest(store, TRACES, request([FakeSpan(), FakeSpan(status="ERROR"), FakeSpan(kind="CLIENT")], then_ns), then_ns)
    ingest(store, LOGS, logged(["fine", "APP-ERR-SEV1-946\x1b[2J\nboom"], then_ns), then_ns)
    ingest(store, METRICS, timed(then_ns), then_ns)
    return tmp_path


def ingest(store: Store, signal: Signal, body: bytes, at_ns: int) -> None:
    chunk = ChunkProcessor(
        signal,
        limits=DEFAULT,
        counter=SliceCounter([]),
        stored=StoredData(ProcessorsConfig(), []),
        client=store.client,
        telemetry=unwatched(SystemClock()),
    )
    chunk.store(signal.name, at_ns, body)


def logged(bodies: list[str], at_ns: int) -> bytes:
    attributes = [{"key": "a", "value": {"string_value": "x"}}]
    records = [{"time_unix_nano": at_ns, "body": {"string_value": body}, "attributes": attributes} for body in bodies]
    return request_of("logs", as_bytes(records))


def timed(at_ns: int) -> bytes:
    """Ten seconds in which 7 of 9 requests were fast."""
    points = [
        {
            "start_time_unix_nano": at_ns - 60 * S,
            "time_unix_nano": at_ns - (20 - 10 * number) * S,
            "count": 10 + 9 * number,
            "bucket_counts": [10 + 7 * number, 2 * number],
            "explicit_bounds": [0.25],
        }
        for number in (0, 1)
    ]
    return request_of("metrics", [as_bytes({"name": "http.d", "histogram": {
        "aggregation_temporality": 2, "data_points": points}})])  # fmt: skip


def run(folder: Path, *arguments: str) -> Result:
    command = ["slo", "try", str(folder / "slo.yaml"), "--config", str(folder / "andon.yaml"), *arguments]
    return CliRunner().invoke(app, command)


def tried(folder: Path, name: str) -> dict[str, Any]:
    result = run(folder, "--indicator", name, "--json")
    assert result.exit_code == 0, result.output
    facts: dict[str, Any] = json.loads(result.stdout)
    return facts


def test_each_signal_is_counted_as_it_would_have_been(folder: Path) -> None:
    """Counts, what was not counted, and the SLI cut to six decimals."""
    shown = {name: tried(folder, name) for name in ("works", "quiet", "fast")}
    counts = {name: tuple(one[word] for word in ("good", "bad", "rejected", "sli")) for name, one in shown.items()}
    assert counts == {
        "works": (1, 1, 1, "0.500000"),
        "quiet": (1, 1, 0, "0.500000"),
        "fast": (17, 2, 0, "0.894736"),
    }
    assert shown["works"]["samples"]["bad"] == [f"{2:032x} {FakeSpan().name}"]
    assert shown["works"]["samples"]["rejected"] == [f"{3:032x} {FakeSpan().name}"]


def test_what_senders_wrote_cannot_reach_the_terminal(folder: Path) -> None:
    """Neither escapes nor line breaks."""
    output = run(folder).stdout
    assert "quiet: SLI 50.0000 %, logs of the last 1h" in output
    assert "    APP-ERR-SEV1-946\\x1b[2J\\nboom\n" in output
    assert "\x1b" not in output


def test_nothing_counted_is_no_ratio(folder: Path) -> None:
    """Neither 0 nor 100 %."""
    assert "works: nothing was counted, traces of the last 1s" in run(folder, "--since", "1s").stdout


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["--since", "soon"], "--since: expected a duration such as 30m, 1h or 2d, got 'soon'"),
        (["--since", "99999999w"], "--since: expected a duration"),
        (["--indicator", "work"], "of which there are: works, quiet, fast; got work"),
    ],
)
def test_what_cannot_be_tried_is_refused_in_words(folder: Path, arguments: list[str], message: str) -> None:
    """With what would have been possible."""
    result = run(folder, *arguments)
    assert result.exit_code == 1
    assert message in " ".join(result.output.split())


def test_a_document_that_cannot_work_is_refused_as_check_does(folder: Path) -> None:
    """By file, line and path."""
    (folder / "slo.yaml").write_text(SLI.format(name="x", total=SERVED, part="good", spec="{where: {nam: y}}"))
    result = run(folder)
    assert result.exit_code == 2
    assert "good.metricSource.spec.where.nam: expected a field" in " ".join(result.output.split())
