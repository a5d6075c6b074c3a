"""`andon report` on a real engine: closed months from the books, running ones as they would be closed."""

import json
from datetime import date, timedelta
from fractions import Fraction
from pathlib import Path
from typing import Any

import jsonschema
import pytest
from click.testing import Result
from typer.testing import CliRunner

from exporters.report.document import Objective, Report, json_schema, to_json
from exporters.report.view import view
from fixtures.report_seed import DOCUMENTS, NOVEMBER, NOW, OCTOBER, Shop
from pipeline.cli import app
from pipeline.errors import PermanentError
from pipeline.evidence import Evidence
from pipeline.reports import Reports
from processors.sla.close import close
from processors.sla.records import read_records
from processors.slo.documents import load_objectives

SEPTEMBER = date(2026, 9, 1)


def objectives(report: Report) -> dict[str, Objective]:
    return {one.promise: one for each in report.agreements for one in each.objectives}


def test_a_closed_month_is_told_as_its_record_says(shop: Shop, october: Report) -> None:
    """Word for word."""
    records = {key[1]: chain[-1] for key, chain in read_records(shop.store.reader.query).items()}
    found = objectives(october)
    assert {name: one.record for name, one in found.items()} == records
    assert not any(one.so_far for one in found.values())


def test_what_comes_in_later_changes_no_closed_month(shop: Shop) -> None:
    """Nothing of it is computed anew."""
    before = shop.reports.report(SEPTEMBER, NOW)
    generation = shop.objectives.indicators[0].generation
    shop.store.client.command(
        f"""INSERT INTO sli_slices (Indicator, Generation, Group, Slice, Good, Valid)
        VALUES ('checkout-availability', '{generation}', '', '2026-09-05 00:00:00', 0, 1)"""
    )
    assert shop.reports.report(SEPTEMBER, NOW) == before


def test_a_broken_month_says_by_how_much_and_what_is_owed(october: Report) -> None:
    """50 minutes of an hour, ten being excluded, one and nine more; 44 700 minutes less three hours of silence."""
    one = objectives(october)["checkout-terms"]
    assert (one.record["verdict"], one.record["broken_at"]) == ("broken", "2026-10-14T08:43:00Z")
    assert (one.budget.unit, one.budget.used, Fraction(one.budget.allowed)) == ("minutes", "60/1", Fraction("44.52"))
    assert (one.record["credit"]["amount"], one.record["credit"]["currency"]) == ("120.00", "EUR")
    assert [window["refused"] != "" for window in one.record["exclusions"]["refused"]] == [True]
    assert {day.day.day: (day.lost, day.level, day.excluded) for day in one.days if day.lost != "0/1"} == {
        3: ("1/1", "some", False),
        14: ("50/1", "all", True),
        22: ("9/1", "much", False),
    }


def test_incidents_are_told_with_their_share_of_the_budget(october: Report) -> None:
    """That of the 14th cost more than all of it; the other nine minutes."""
    one = objectives(october)["checkout-terms"]
    costs = {each.id: Fraction(each.cost or 0) for each in one.incidents}
    allowed = Fraction(one.budget.allowed)
    assert costs == {"inc-1": 50 / allowed, "inc-2": 9 / allowed}
    assert [each.id for each in one.breaches] == ["b-1", "b-2"]
    assert one.breaches[0].trace_ids


def test_the_trend_ends_with_the_month(october: Report, november: Report) -> None:
    """The closed ones before it, oldest first; one that runs is marked."""
    told = [
        [(past.period, past.so_far) for past in objectives(one)["search-terms"].trend] for one in (october, november)
    ]
    assert told[0] == [("2026-09", False), ("2026-10", False)]
    assert told[1] == [*told[0], ("2026-11", True)]


def test_a_running_month_is_computed_by_the_code_that_closes(shop: Shop, november: Report) -> None:
    """And says that it is so far, and when the books close."""
    one = objectives(november)["checkout-terms"]
    promise = next(each for each in shop.objectives.promises if each.name == "checkout-terms")
    bounds = promise.window.bounds(NOW)
    assert one.record == close(shop.reports.books.so_far(promise, bounds, NOW))
    assert one.so_far
    assert one.revisions == []
    assert november.agreements[0].closes_at == bounds.end + timedelta(days=3)
    assert [day.level for day in one.days][-10:] == ["ahead"] * 10
    assert Fraction(one.budget.used) == 22


def test_one_agreement_can_be_asked_for(shop: Shop) -> None:
    """Others are not told; one that is not there is refused."""
    report = shop.reports.report(OCTOBER, NOW, "search-terms")
    assert [one.name for one in report.agreements] == ["search-terms"]
    with pytest.raises(PermanentError, match=r"expected an agreement \(checkout-terms, search-terms\), got 'nope'"):
        shop.reports.report(OCTOBER, NOW, "nope")


@pytest.mark.parametrize("month", [date(2027, 1, 1), date(2026, 5, 1)])
def test_a_month_of_which_nothing_is_known_has_no_promises(shop: Shop, month: date) -> None:
    """One that lies ahead, and one before anything was promised."""
    assert shop.reports.report(month, NOW).agreements == []


def test_definitions_are_those_the_month_was_computed_by(shop: Shop, october: Report) -> None:
    """With their generations and hashes."""
    found = {(one.kind, one.name): one for one in objectives(october)["checkout-terms"].definitions}
    assert set(found) == {("Agreement", "checkout-terms"), ("SLI", "checkout-availability"), ("Exclusion", "disks")}
    stored = shop.store.reader.query("SELECT Kind, Name, Hash FROM definitions").to_pylist()
    hashes = {(row["Kind"], row["Name"]): row["Hash"] for row in stored}
    assert {key: one.hash for key, one in found.items()} == {key: hashes[key] for key in found}


def test_json_is_what_its_schema_says(october: Report, november: Report) -> None:
    """As `andon schema --kind Report` prints it; a report reads back as it was."""
    printed = CliRunner().invoke(app, ["schema", "--kind", "Report"])
    schema = json.loads(printed.stdout)
    assert schema == json_schema()
    jsonschema.Draft202012Validator.check_schema(schema)
    for report in (october, november):
        text = to_json(report)
        jsonschema.Draft202012Validator(schema).validate(json.loads(text))
        assert Report.model_validate_json(text) == report
    wrong: dict[str, Any] = json.loads(to_json(october)) | {"month": "October"}
    with pytest.raises(jsonschema.ValidationError):
        jsonschema.Draft202012Validator(schema).validate(wrong)


def run(shop: Shop, *arguments: str) -> Result:
    config = shop.store.config
    assert config.reader is not None
    reader = {"username": config.reader.username, "password": config.reader.password.get_secret_value()}
    clickhouse = {"endpoint": config.endpoint, "database": config.database, "reader": reader}
    settings = {"clickhouse": clickhouse, "objectives": "slo"}
    (shop.folder / "andon.yaml").write_text(json.dumps(settings))
    return CliRunner().invoke(app, [*arguments, "--config", str(shop.folder / "andon.yaml")])


@pytest.mark.parametrize(
    ("form", "start"),
    [("html", b"<!doctype html>"), ("pdf", b"%PDF-"), ("csv", b"\xef\xbb\xbfmonth,"), ("json", b'{\n  "format"')],
)
def test_every_form_comes_from_the_command_line(shop: Shop, form: str, start: bytes) -> None:
    """To a file, or to standard output; it reads as the read-only user, and needs no other."""
    out = shop.folder / f"report.{form}"
    asked = ("report", "--month", "2026-10", "--agreement", "checkout-terms", "--format", form)
    assert run(shop, *asked, "--out", str(out)).exit_code == 0
    assert out.read_bytes().startswith(start)
    printed = run(shop, *asked)
    assert (printed.exit_code, printed.stdout_bytes[: len(start)]) == (0, start)


def test_what_cannot_be_reported_is_refused_in_words(shop: Shop) -> None:
    """Not with a traceback."""
    assert "a month such as 2026-10" in run(shop, "report", "--month", "soon").stderr
    missing = run(shop, "report", "--month", "2026-10", "--out", str(shop.folder / "no" / "where.html"))
    assert (missing.exit_code, "a file that can be written" in missing.stderr) == (1, True)


def test_a_month_that_nobody_measured_is_not_shown_as_good(shop: Shop, tmp_path: Path) -> None:
    """No verdict, no budget, no green line; nothing is owed."""
    documents = DOCUMENTS.replace("name: search-availability", "name: unheard").replace(
        "search-availability", "unheard"
    )
    (tmp_path / "all.yaml").write_text(documents.replace("search *", "nobody *").replace("search-terms", "unheard"))
    report = Reports(load_objectives(tmp_path), shop.store.reader.query).report(NOVEMBER, NOW, "unheard")
    shown = view(report)
    assert shown.headline == "Search agreement cannot be judged in November 2026 so far"
    assert shown.agreements[0].objectives[0].burn is None
    assert {day.level for day in report.agreements[0].objectives[0].days} == {"unknown", "ahead"}


def test_a_month_that_was_closed_by_other_definitions_is_still_told(shop: Shop, tmp_path: Path) -> None:
    """From its record, under the names and clocks of now; what was written then is not what is written now."""
    (tmp_path / "all.yaml").write_text(DOCUMENTS.replace("errorRate: 0.05", "errorRate: 0.5"))
    reports = Reports(load_objectives(tmp_path), shop.store.reader.query)
    (agreement,) = reports.report(OCTOBER, NOW, "checkout-terms").agreements
    (one,) = agreement.objectives
    assert (agreement.title, agreement.time_zone, agreement.customer) == (
        "Checkout agreement",
        "Europe/Paris",
        "Baker Ltd",
    )
    assert (one.record["credit"]["amount"], one.definitions) == ("120.00", [])
    with pytest.raises(PermanentError, match="expected the documents of generation"):
        Evidence(reports, shop.store.reader.query).write(tmp_path / "x.zip", OCTOBER, NOW, "checkout-terms")
    assert [path.name for path in tmp_path.iterdir()] == ["all.yaml"]
