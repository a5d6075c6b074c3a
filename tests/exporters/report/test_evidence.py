"""`andon evidence`: a pack holds by itself, and whatever is changed in it is noticed."""

import csv
import hashlib
import io
import json
import struct
import uuid
import zipfile
from collections.abc import Iterator, Mapping
from datetime import datetime
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from typer.testing import CliRunner

from exporters.report.document import Report
from exporters.report.pack import MAX_FILE_BYTES, SUMS, Pack, write_pack
from exporters.report.view import view
from fixtures.engine import Engine
from fixtures.report_seed import DOCUMENTS, NOVEMBER, NOW, OCTOBER, Shop, Trouble, at, seed
from fixtures.store import open_store
from pipeline.cli import app
from pipeline.errors import PermanentError
from pipeline.evidence import Evidence
from pipeline.proof import Proof
from pipeline.reports import Reports
from processors.slo.documents import load_objectives

BOUND = ("chain.jsonl", "definitions.json", "facts.json", "minutes.csv", "record.json")
DAILY = DOCUMENTS.replace("period: month", "period: {every: 1d, from: 2026-10-01}")


def files_of(path: Path) -> dict[str, bytes]:
    with zipfile.ZipFile(path) as archive:
        return {name: archive.read(name) for name in archive.namelist()}


def repacked(path: Path, files: Mapping[str, bytes]) -> Path:
    """A pack of these very files, sums as they are among them."""
    with zipfile.ZipFile(path, "w") as archive:
        for name, content in files.items():
            archive.writestr(name, content)
    return path


def summed(files: Mapping[str, bytes]) -> dict[str, bytes]:
    """With sums that fit, as a forger would write them."""
    kept = {name: content for name, content in files.items() if name != SUMS}
    lines = (f"{hashlib.sha256(content).hexdigest()}  {name}\n" for name, content in kept.items())
    return kept | {SUMS: "".join(lines).encode()}


def with_byte(content: bytes, place: int, by: int) -> bytes:
    changed = bytearray(content)
    changed[place] ^= by
    return bytes(changed)


@pytest.fixture(scope="module")
def month(shop: Shop, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """October of the shop."""
    path = tmp_path_factory.mktemp("packs") / "october.zip"
    assert Evidence(shop.reports, shop.store.reader.query).write(path, OCTOBER, NOW) == []
    return path


@pytest.fixture(scope="module")
def day(clickhouse: Engine, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Path]:
    """The last day of October, of agreements that are counted by the day."""
    store = open_store(clickhouse, f"t_{uuid.uuid4().hex[:12]}")
    folder, now = tmp_path_factory.mktemp("day"), at(11, 4, 12)
    troubles = (Trouble(at(10, 31, 9), 7, 30),)
    objectives = seed(store.client, folder / "slo", began=at(10, 29, 0), now=now, documents=DAILY, checkout=troubles)
    query = store.reader.query
    assert Evidence(Reports(objectives, query), query).write(folder / "day.zip", OCTOBER, now) == []
    yield folder / "day.zip"
    store.client.command(f"DROP DATABASE {store.client.database}")
    store.client.close()
    store.reader.close()


def test_a_pack_holds(month: Path) -> None:
    """Every record follows from what stands beside it."""
    assert Proof(month).faults() == []
    files = files_of(month)
    spans = [json.loads(line) for line in files["promises/Agreement-checkout-terms/traces.jsonl"].splitlines()]
    objective = Report.model_validate_json(files["report.json"]).agreements[0].objectives[0]
    told = {name for one in objective.breaches for name in one.trace_ids}
    assert told < {span["trace_id"] for span in spans}
    assert {(span["service"], span["status"]) for span in spans} == {("checkout", "Error")}
    assert json.loads(files["promises/Agreement-checkout-terms/facts.json"])["incidents"][0]["id"] == "inc-1"
    assert len(files["promises/Agreement-checkout-terms/minutes.csv"].splitlines()) == 44_701


def test_the_readme_in_it_says_how_to_check_it_by_hand(month: Path) -> None:
    """Hash of the record, hash of its inputs, and the figure itself, by nothing but what stands there."""
    files = files_of(month)
    folder = "promises/Agreement-search-terms"
    record = json.loads(files[f"{folder}/record.json"])
    assert by_hand({name: value for name, value in record.items() if name != "hash"}).hexdigest() == record["hash"]
    minutes = list(csv.DictReader(files[f"{folder}/minutes.csv"].decode().splitlines()))
    counted = [one for one in minutes if (one["excluded"], one["settled"]) == ("0", "1")]
    good, valid = (sum(int(one[name]) for one in counted) for name in ("good", "valid"))
    assert (f"{good}/1", f"{valid}/1") == (record["delivered"]["good"], record["delivered"]["eligible"])
    head = {
        "definitions": json.loads(files[f"{folder}/definitions.json"]),
        "minutes": len(minutes),
        "start_s": int(datetime.fromisoformat(minutes[0]["minute"]).timestamp()),
        "unit": json.loads(files[f"{folder}/facts.json"])["unit"],
    }
    found = by_hand(head)
    for name, form in (("good", "q"), ("valid", "q"), ("heard_ms", "q"), ("excluded", "b"), ("settled", "b")):
        found.update(struct.pack(f"<{len(minutes)}{form}", *(int(one[name]) for one in minutes)))
    assert found.hexdigest() == record["inputs_hash"]


def by_hand(content: Any) -> Any:
    return hashlib.sha256(json.dumps(content, sort_keys=True, separators=(",", ":"), ensure_ascii=False).encode())


def test_the_same_store_gives_the_same_bytes(shop: Shop, month: Path, tmp_path: Path) -> None:
    """Times in the zip are none, and files have an order."""
    Evidence(shop.reports, shop.store.reader.query).write(tmp_path / "again.zip", OCTOBER, NOW)
    assert (tmp_path / "again.zip").read_bytes() == month.read_bytes()
    with zipfile.ZipFile(month) as archive:
        assert archive.namelist() == sorted(archive.namelist())
        assert {info.date_time for info in archive.infolist()} == {(1980, 1, 1, 0, 0, 0)}


def test_a_running_month_can_be_packed(shop: Shop, tmp_path: Path) -> None:
    """Its record is none of the chain yet."""
    path = tmp_path / "november.zip"
    assert Evidence(shop.reports, shop.store.reader.query).write(path, NOVEMBER, NOW, "search-terms") == []
    assert Proof(path).faults() == []
    files = files_of(path)
    assert {name.split("/")[1] for name in files if "/" in name} == {"Agreement-search-terms"}
    assert [
        json.loads(line)["period"] for line in files["promises/Agreement-search-terms/chain.jsonl"].splitlines()
    ] == [
        "2026-09",
        "2026-10",
    ]


def test_sums_are_what_sha256sum_reads(day: Path) -> None:
    """Two blanks, a name, and the last file of all."""
    files = files_of(day)
    assert list(files)[-1] == SUMS
    assert files == summed(files)


def test_a_pack_of_days_holds_too(day: Path) -> None:
    """What the next tests change is sound."""
    assert Proof(day).faults() == []


@settings(max_examples=60, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(data=st.data())
def test_any_single_changed_byte_is_noticed(day: Path, tmp_path: Path, data: st.DataObject) -> None:
    """In counts, definitions, report, or anything else."""
    files = files_of(day)
    name = data.draw(st.sampled_from(sorted(name for name, content in files.items() if content)))
    place = data.draw(st.integers(0, len(files[name]) - 1))
    files[name] = with_byte(files[name], place, data.draw(st.integers(1, 255)))
    assert Proof(repacked(tmp_path / "changed.zip", files)).faults() != []


@settings(max_examples=60, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(data=st.data())
def test_a_byte_is_noticed_though_the_sums_are_made_to_fit(day: Path, tmp_path: Path, data: st.DataObject) -> None:
    """Counts, definitions, records and the page follow from each other."""
    files = files_of(day)
    bound = [name for name in files if name.endswith((*BOUND, "report.html"))]
    name = data.draw(st.sampled_from(sorted(bound)))
    place = data.draw(st.integers(0, len(files[name]) - 1))
    files[name] = with_byte(files[name], place, data.draw(st.integers(1, 255)))
    assert Proof(repacked(tmp_path / "changed.zip", summed(files))).faults() != []


def test_a_nicer_report_is_noticed(day: Path, tmp_path: Path) -> None:
    """Its record is not the one that stands beside it."""
    files = files_of(day)
    assert b'"verdict": "broken"' in files["report.json"]
    files["report.json"] = files["report.json"].replace(b'"verdict": "broken"', b'"verdict": "kept"')
    found = Proof(repacked(tmp_path / "nicer.zip", summed(files))).faults()
    assert any("report.json: expected the record of checkout-terms as it stands beside it" in fault for fault in found)


@pytest.mark.parametrize("name", ["report.html", "promises/Agreement-checkout-terms/record.json", SUMS])
def test_a_missing_file_is_noticed(day: Path, tmp_path: Path, name: str) -> None:
    """And does not stop the rest from being checked."""
    files = {other: content for other, content in files_of(day).items() if other != name}
    path = repacked(tmp_path / "less.zip", files)
    if name == SUMS:
        with pytest.raises(PermanentError, match=r"expected sha256sums\.txt, got none"):
            Proof(path)
    else:
        assert Proof(path).faults() != []


def test_a_file_more_is_noticed(day: Path, tmp_path: Path) -> None:
    """Nothing can be put beside what was packed."""
    files = {"EXTRA.txt": b"trust me"} | files_of(day)
    found = Proof(repacked(tmp_path / "more.zip", files)).faults()
    assert any("EXTRA.txt: expected SHA-256 none" in fault for fault in found)


@pytest.mark.parametrize("name", ["../evil", "/etc/evil", "promises/../evil", "a\\b", "C:evil", "a//b", ".hidden", "é"])
def test_names_that_lead_elsewhere_are_refused(tmp_path: Path, name: str) -> None:
    """On reading and on writing."""
    path = repacked(tmp_path / "evil.zip", {name: b"x", SUMS: b""})
    with pytest.raises(PermanentError, match="expected plain names of files"):
        Pack(path)
    with pytest.raises(PermanentError, match="with a plain name"):
        write_pack(io.BytesIO(), [(name, b"x")])


def test_a_zip_bomb_is_refused_before_it_is_read(tmp_path: Path) -> None:
    """By what its list of files says."""
    path = tmp_path / "bomb.zip"
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as archive:
        archive.writestr(SUMS, b"")
        archive.writestr("bomb", bytes(MAX_FILE_BYTES + 1))
    assert path.stat().st_size < 1_000_000
    with pytest.raises(PermanentError, match="got more"):
        Pack(path)


def test_a_file_that_is_longer_than_it_says_is_noticed(tmp_path: Path) -> None:
    """Its list of files lies: only so much is read."""
    path = repacked(tmp_path / "liar.zip", {"big": b"A" * 5_000, SUMS: b""})
    raw = path.read_bytes()
    path.write_bytes(raw.replace((5_000).to_bytes(4, "little"), (50).to_bytes(4, "little")))
    pack = Pack(path)
    assert any(fault.startswith("big: expected") for fault in pack.faults())
    pack.close()


def test_what_is_no_zip_is_refused(tmp_path: Path) -> None:
    """In words."""
    (tmp_path / "no.zip").write_bytes(b"no zip at all")
    with pytest.raises(PermanentError, match="expected a zip with evidence"):
        Proof(tmp_path / "no.zip")


def test_verify_says_what_it_found(day: Path, tmp_path: Path) -> None:
    """Exit status 0 and a line, or 1 and what is wrong."""
    sound = CliRunner().invoke(app, ["evidence", "verify", str(day)])
    said = "promises: 2, each record as its minutes and definitions give it\n"
    assert (sound.exit_code, sound.stdout, sound.stderr) == (0, said, "")
    files = files_of(day)
    name = "promises/Agreement-checkout-terms/minutes.csv"
    files[name] = files[name].replace(b"Z,70,100,", b"Z,99,100,")
    changed = CliRunner().invoke(app, ["evidence", "verify", str(repacked(tmp_path / "c.zip", summed(files)))])
    assert changed.exit_code == 1
    assert "expected minutes and definitions with the hash" in changed.stderr
    assert "expected the record that its minutes and definitions give, got another" in changed.stderr
    nothing = CliRunner().invoke(app, ["evidence"])
    assert (nothing.exit_code, "expected --month and --out" in nothing.stderr) == (1, True)


def test_a_pack_of_what_changed_since_says_so(shop: Shop, tmp_path: Path) -> None:
    """A request came in after the books were closed: the pack is written, and does not hold."""
    generation = next(one.generation for one in shop.objectives.indicators if one.name == "search-availability")
    shop.store.client.command(
        f"""INSERT INTO sli_slices (Indicator, Generation, Group, Slice, Good, Valid)
        VALUES ('search-availability', '{generation}', '', '2026-09-05 00:00:00', 0, 1)"""
    )
    path = tmp_path / "september.zip"
    (warning,) = Evidence(shop.reports, shop.store.reader.query).write(
        path, OCTOBER.replace(month=9), NOW, "search-terms"
    )
    assert "search-terms: expected the minutes that 2026-09 was closed with" in warning
    assert any("expected minutes and definitions with the hash" in fault for fault in Proof(path).faults())


SLOS = """
---
apiVersion: openslo/v1
kind: SLO
metadata: {name: search-slo, displayName: Search is there}
spec:
  service: search
  description: Two minutes in a thousand may fail.
  indicatorRef: search-availability
  timeWindow: [{duration: 1M, isRolling: false, calendar: {startTime: "2026-01-01 00:00:00", timeZone: Europe/Paris}}]
  budgetingMethod: RatioTimeslices
  objectives: [{target: 0.998, timeSliceWindow: 5m}]
  alertPolicies:
    - kind: AlertPolicy
      metadata: {name: burns}
      spec:
        alertWhenBreaching: true
        conditions:
          - kind: AlertCondition
            metadata: {name: fast}
            spec:
              severity: page
              condition: {kind: burnrate, op: gte, threshold: 14.4, lookbackWindow: 1h, alertAfter: 5m}
        notificationTargets: [{targetRef: nobody}]
---
apiVersion: openslo/v1
kind: AlertNotificationTarget
metadata: {name: nobody}
spec: {target: none}
---
apiVersion: openslo/v1
kind: SLO
metadata: {name: checkout-inline}
spec:
  service: checkout
  indicator:
    metadata: {name: checkout-quick}
    spec:
      thresholdMetric: {metricSource: {type: andon, spec: {where: {name: "checkout *", kind: server}}}}
  timeWindow: [{duration: 1M, isRolling: false, calendar: {startTime: "2026-01-01 00:00:00", timeZone: UTC}}]
  budgetingMethod: Occurrences
  objectives: [{target: 0.99, op: lte, value: 300ms}]
---
apiVersion: openslo/v1
kind: SLI
metadata: {name: checkout-time}
spec: {thresholdMetric: {metricSource: {type: andon, spec: {where: {name: "checkout *", kind: server}}}}}
---
apiVersion: openslo/v1
kind: SLO
metadata: {name: checkout-fast}
spec:
  service: checkout
  indicatorRef: checkout-time
  timeWindow: [{duration: 1M, isRolling: false, calendar: {startTime: "2026-01-01 00:00:00", timeZone: UTC}}]
  budgetingMethod: Timeslices
  objectives: [{target: 0.99, op: lte, value: 300ms, timeSliceTarget: 0.9, timeSliceWindow: 1m}]
"""


def test_objectives_of_our_own_can_be_reported_and_packed(shop: Shop, tmp_path: Path) -> None:
    """With a calendar they are closed like agreements; they cost nothing, and alerts have no part in it."""
    (tmp_path / "all.yaml").write_text(DOCUMENTS + SLOS)
    query = shop.store.reader.query
    reports = Reports(load_objectives(tmp_path), query)
    report = reports.report(NOVEMBER, NOW, "search-slo")
    (one,) = report.agreements[0].objectives
    assert (report.agreements[0].kind, one.record["credit"], one.record["verdict"]) == ("SLO", None, "kept")
    assert view(report).lede[-1] == "No credits are agreed, so nothing is owed."
    assert "is the mean, over every 5 minutes," in view(report).agreements[0].objectives[0].law
    for name in ("search-slo", "checkout-inline", "checkout-fast"):
        Evidence(reports, query).write(tmp_path / f"{name}.zip", NOVEMBER, NOW, name)
        assert Proof(tmp_path / f"{name}.zip").faults() == []
