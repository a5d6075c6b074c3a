"""`andon sla`: agreements for people, on a real engine."""

import json
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
from click.testing import Result
from typer.testing import CliRunner

from fixtures.documents import around
from fixtures.grids import grid_of
from fixtures.store import Store
from pipeline.cli import app
from processors.sla.close import Closing, close, result_row
from processors.sla.exclusions import excluded
from processors.slo.documents import load_objectives
from processors.slo.objectives import Objectives

DOCUMENTS = (
    around("checkout-good")
    + """---
apiVersion: andon/v1
kind: Agreement
metadata: {name: terms, displayName: Checkout terms}
spec:
  service: checkout
  period: month
  law: request_ratio
  objectives: [{indicatorRef: checkout-good, target: 0.999}]
  credits: {base: {monthlyFee: 100, currency: EUR}, tiers: [{below: 0.999, credit: 0.1}]}
"""
)
SEPTEMBER = datetime(2026, 9, 1, tzinfo=UTC)


@pytest.fixture
def folder(tmp_path: Path, store: Store) -> Path:
    (tmp_path / "slo").mkdir()
    (tmp_path / "slo" / "all.yaml").write_text(DOCUMENTS)
    config = store.config
    assert config.reader is not None
    clickhouse = {
        "endpoint": config.endpoint,
        "database": config.database,
        "reader": {"username": config.reader.username, "password": config.reader.password.get_secret_value()},
    }
    (tmp_path / "andon.yaml").write_text(json.dumps({"clickhouse": clickhouse}))
    return tmp_path


def sla(folder: Path, *arguments: str) -> Result:
    return CliRunner().invoke(app, ["sla", *arguments, "--config", str(folder / "andon.yaml")])


def measure(store: Store, objectives: Objectives) -> None:
    """September: 10 requests a minute, all heard, and in one hour 2 of them failing."""
    (indicator,) = objectives.indicators
    start = int(SEPTEMBER.timestamp())
    store.client.command(
        f"""INSERT INTO sli_slices (Indicator, Generation, Group, Slice, Good, Valid)
        SELECT 'checkout-good', '{indicator.generation}', '', toDateTime({start} + 60 * number, 'UTC'),
            if(number >= 20000 AND number < 20060, 8, 10), 10 FROM numbers(43200)"""
    )
    store.client.command(
        f"""INSERT INTO receiver_ledger (Worker, Signal, Slice, ListeningMs)
        SELECT 'w', 'traces', toDateTime({start} + 10 * number, 'UTC'), 10000 FROM numbers(259200)"""
    )


def test_laws_shows_one_month_under_every_law(folder: Path, store: Store) -> None:
    """An hour at 20 % errors: kept by requests, broken by minutes, and owed for."""
    measure(store, load_objectives(folder / "slo"))
    result = sla(folder, "laws", str(folder / "slo"), "--month", "2026-09", "--json")
    assert result.exit_code == 0, result.output
    rows = {row["name"]: row for row in map(json.loads, result.stdout.splitlines())}
    ratio, minutes = rows["agreed: request ratio"], rows["minutes over 10 % bad"]
    assert (ratio["good"], ratio["eligible"], ratio["coverage"]) == ("431880/1", "432000/1", "1/1")
    assert (ratio["verdict"], ratio["credit"]["share"]) == ("kept", "0/1")
    assert (minutes["good"], minutes["eligible"], minutes["verdict"]) == ("43140/1", "43200/1", "broken")
    assert minutes["credit"]["amount"] == "10.00"
    assert minutes["broken_at"] == (SEPTEMBER + timedelta(minutes=20_043)).isoformat().replace("+00:00", "Z")


def test_laws_prints_a_table_for_people(folder: Path, store: Store) -> None:
    """With what it costs and when it broke."""
    measure(store, load_objectives(folder / "slo"))
    result = sla(folder, "laws", str(folder / "slo" / "all.yaml"), "--month", "2026-09")
    assert result.exit_code == 0, result.output
    assert result.stdout.startswith("Checkout terms: terms, 2026-09, 99.9 %; measured 100.0000 % of the time\n")
    lines = [" ".join(line.split()) for line in result.stdout.splitlines()]
    assert "agreed: request ratio 99.9722 % kept 0 %" in lines
    assert "minutes over 5 % bad 99.8611 % broken 10 %, 10.00 EUR 09-14 22:03" in lines


def test_a_month_without_data_is_said_to_have_none(folder: Path) -> None:
    """Nothing is shown as good."""
    result = sla(folder, "laws", str(folder / "slo"), "--month", "2026-08", "--json")
    assert {json.loads(line)["verdict"] for line in result.stdout.splitlines()} == {"no_data"}


@pytest.mark.parametrize(("arguments", "words"), [(["--month", "soon"], "a month such as 2026-10")])
def test_what_cannot_be_asked_is_refused_in_words(folder: Path, arguments: list[str], words: str) -> None:
    """Not with a traceback."""
    result = sla(folder, "laws", str(folder / "slo"), *arguments)
    assert result.exit_code == 1
    assert words in result.stderr


def closed_row(folder: Path) -> dict[str, Any]:
    """September, closed: one request in ten failed."""
    objectives = load_objectives(folder / "slo")
    (promise,) = objectives.promises
    bounds = promise.window.bounds(SEPTEMBER)
    closing = Closing(
        agreement=objectives.agreement_of(promise),
        promise=promise,
        bounds=bounds,
        grid=grid_of([(9, 10)] * 43_200, start_s=int(bounds.start.timestamp())),
        found=excluded([], None, bounds),
        definitions=[],
        closed_at=bounds.end + timedelta(days=3),
        author="andon",
        reason="books closed",
    )
    return result_row(close(closing))


def test_verify_says_that_closed_periods_hold(folder: Path, store: Store) -> None:
    """A row comes back from the store as it went in."""
    store.client.write("period_results", [closed_row(folder)], token="first")
    result = sla(folder, "verify")
    said = "closed periods: 1, each as it was closed and following from the one before\n"
    assert (result.exit_code, result.stdout, result.stderr) == (0, said, "")


@pytest.mark.parametrize(
    ("change", "words"),
    [
        ({"Record": ('"verdict":"broken"', '"verdict":"kept"')}, "of its content"),
        ({"Verdict": ("broken", "kept")}, "terms 2026-09 revision 1: Verdict is not what the record says"),
        ({"Good": ("388800", "432000")}, "Good is not what the record says"),
        ({"Record": ("{", "")}, "expected a record in JSON"),
        ({"Record": ('"promise":', '"promised":')}, "expected a record in JSON"),
    ],
    ids=["record", "verdict", "good", "no JSON", "no record"],
)
def test_verify_finds_what_was_changed(
    folder: Path, store: Store, change: dict[str, tuple[str, str]], words: str
) -> None:
    """In the record or beside it."""
    row = closed_row(folder)
    for name, (old, new) in change.items():
        assert old in row[name]
        row[name] = row[name].replace(old, new, 1)
    store.client.write("period_results", [row], token="forged")
    result = sla(folder, "verify", "terms")
    assert result.exit_code == 1
    assert words in result.stderr
    assert sla(folder, "verify", "others").exit_code == 0
