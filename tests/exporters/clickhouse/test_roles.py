"""Who may do what: the grants of the roles, as ClickHouse's own engine enforces them."""

import json
import subprocess
import sys
from collections.abc import Iterator, Sequence
from pathlib import Path

import pytest
from pydantic import SecretStr
from typer.testing import CliRunner

from exporters.clickhouse.client import Client, Credentials
from exporters.clickhouse.migrate import LEDGER, _twice_is_safe, migrations
from exporters.clickhouse.roles import _user_statements, make, page, script, sre, writer
from fixtures.engine import ROOT, start_engine
from fixtures.page_seed import NOW, seed
from fixtures.store import Store as Database
from fixtures.store import open_store
from pipeline.assembly import Assembly
from pipeline.cli import app
from pipeline.clock import FakeClock
from pipeline.errors import AndonError, RetryableError
from statuspage.store import Store

PAGE, SECRET = Credentials(username="page", password=SecretStr("page-secret")), "hunter2-hunter2"
ASSIGNED = [
    (make_role("andon"), Credentials(username=name, password=SecretStr(SECRET)))
    for make_role, name in ((writer, "andon"), (sre, "sre"), (page, "page"))
]
CHILD = """
import json, sys
from pathlib import Path
from exporters.clickhouse.embedded.engine import Engine, EngineError, Limits, Statement
from exporters.clickhouse.roles import page, sre, writer

limits = Limits(execution_time_s=60, query_memory_bytes=1 << 30, result_bytes=1 << 28, memory_bytes=2 << 30)
engine = Engine(Path(sys.argv[1]), limits, [writer("andon"), sre("andon"), page("andon")])
engine.open("andon")
for role, sql in json.load(sys.stdin):
    statement = dict(insert=None, may_write=True, database="andon", format="TabSeparated", role=role)
    try:
        engine.run(Statement(sql=sql.encode(), **statement))
        print("done")
    except EngineError as error:
        print("refused" if "ACCESS_DENIED" in str(error) else " ".join(str(error).split()))
engine.close()
"""


@pytest.fixture(scope="module")
def database(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Database]:
    """The shop of the status page, in an engine that knows the page's user."""
    engine = start_engine(
        tmp_path_factory.mktemp("roles") / "data",
        page_username=PAGE.username,
        page_password=PAGE.password.get_secret_value(),
    )
    try:
        opened = open_store(engine, "andon")
        seed(opened.client, outage=True)
        yield opened
    finally:
        assert engine.stop() == 0


def test_the_pages_role_reads_the_whole_page(database: Database) -> None:
    """Every query of the page, with incidents and their curves, is answered as the reader is."""
    snapshots = [
        Store(client.query, FakeClock(NOW)).read() for client in (database.reader, Client(database.config, PAGE))
    ]
    assert snapshots[0] == snapshots[1]
    assert any(one.curve for one in snapshots[0].incidents)


NOT_ON_THE_PAGE = {
    "logs": "SELECT count() FROM otel_logs",
    "spans": "SELECT TraceId FROM otel_traces",
    "when traces were": "SELECT TraceId FROM otel_traces_trace_id_ts",
    "breaches": "SELECT Evidence FROM breaches",
    "contracts": "SELECT Record FROM period_results",
    "who wrote an update": "SELECT Author FROM incident_updates",
    "bad requests": "SELECT BadTraceIds FROM sli_slices",
    "customers": "SELECT `Group` FROM sli_slices",
    "all of a status": "SELECT * FROM slo_status",
    "a question": "SELECT * FROM error_budget(slo = 'checkout-terms')",
    "a view of logs": "SELECT * FROM (SELECT Body FROM otel_logs)",
    "merged tables": "SELECT * FROM merge('andon', 'otel_.*')",
    "an update": "INSERT INTO incident_updates SELECT * FROM incident_updates",
    "another role": "SET ROLE andon_all",
    "all roles": "SET ROLE ALL",
}


@pytest.mark.parametrize("sql", NOT_ON_THE_PAGE.values(), ids=NOT_ON_THE_PAGE)
def test_the_pages_role_reads_nothing_else(sql: str, database: Database) -> None:
    """Whoever takes the page over learns what it shows."""
    with pytest.raises(AndonError, match=r"privileges|may only read|no tables satisfied"):
        Client(database.config, PAGE).command(sql)


def test_the_names_of_other_tables_are_not_for_the_page(database: Database) -> None:
    """The engine lists what one may read."""
    rows = Client(database.config, PAGE).query("SELECT name FROM system.tables WHERE database = 'andon' ORDER BY name")
    assert [row["name"] for row in rows.to_pylist()] == sorted(
        {"definitions", "incident_updates", "incidents", "sli_slices", "slo_status"}
    )


def outcomes(folder: Path, asked: Sequence[tuple[str, str]]) -> list[str]:
    """What the engine says to each, done or refused, with nothing but the role's grants between them and the data."""
    child = subprocess.run(
        [sys.executable, "-c", CHILD, str(folder / "data")],
        input=json.dumps(asked),
        capture_output=True,
        text=True,
        cwd=ROOT,
        timeout=120,
        check=True,
    )
    return child.stdout.splitlines()


def test_the_writers_role_can_migrate_and_the_sres_cannot_write(tmp_path: Path) -> None:
    """By grants alone: here nobody looks at the statement first."""
    schema = [_twice_is_safe(sql) for migration in migrations() for sql in migration.statements()]
    may = [("andon_writer", sql) for sql in ("CREATE DATABASE IF NOT EXISTS andon", LEDGER, *schema)]
    may += [
        ("andon_writer", "INSERT INTO sli_slices (Indicator, Slice, Good, Valid) SELECT 'works', 600, 1, 2"),
        ("andon_writer", "ALTER TABLE otel_logs MODIFY TTL toDateTime(Timestamp) + toIntervalSecond(60)"),
        ("andon_sre", "SELECT count() FROM otel_logs"),
        ("andon_sre", "SELECT * FROM sla_report(month = '2026-11')"),
        ("andon_sre", "SELECT sum(bytes_on_disk) FROM system.parts"),
        ("andon_sre", "SHOW CREATE TABLE breaches"),
    ]
    may_not = [
        ("andon_sre", "INSERT INTO breaches SELECT * FROM breaches"),
        ("andon_sre", "CREATE TABLE mine (a Int8) ENGINE = Memory"),
        ("andon_sre", "CREATE VIEW mine AS SELECT 1"),
        ("andon_sre", "ALTER TABLE period_results DELETE WHERE 1"),
        ("andon_sre", "ALTER TABLE slo_status REMOVE TTL"),
        ("andon_sre", "DROP TABLE definitions"),
        ("andon_sre", "TRUNCATE TABLE incidents"),
        ("andon_sre", "DROP DATABASE andon"),
        ("andon_writer", "CREATE DATABASE elsewhere"),
        ("andon_writer", "CREATE TABLE system.mine (a Int8) ENGINE = Memory"),
    ]
    found = outcomes(tmp_path, may + may_not)
    assert [one for one in zip(may, found, strict=False) if one[1] != "done"] == []
    assert [one for one in zip(may_not, found[len(may) :], strict=True) if one[1] != "refused"] == []


def test_every_statement_is_clickhouses_sql(store: Database) -> None:
    """Its own parser reads each as a whole, those with a digest too."""
    statements = [line.removesuffix(";") for line in script(ASSIGNED) if not line.startswith("--")]
    statements += [statement for role, user in ASSIGNED for statement in _user_statements(role, user)]
    assert len(statements) > 15
    for statement in statements:
        assert store.client.query("SELECT formatQuery({sql:String}) AS read", {"sql": statement}).num_rows == 1


def test_no_statement_holds_a_password() -> None:
    """What is printed has none; what makes a user has a digest with a salt of its own each time."""
    made = [statement for role, user in ASSIGNED for statement in _user_statements(role, user)]
    assert SECRET not in "".join([*script(ASSIGNED), *made])
    assert made != [statement for role, user in ASSIGNED for statement in _user_statements(role, user)]


def test_an_engine_that_makes_no_users_says_so_without_the_digest(store: Database) -> None:
    """The embedded one is such."""
    with pytest.raises(RetryableError, match=r"CREATE ROLE IF NOT EXISTS `andon_writer`.*Not allowed here") as refused:
        make(store.client, ASSIGNED)
    assert "sha256" not in str(refused.value)


CONFIG = """
clickhouse:
  endpoint: http://127.0.0.1:1
  writer: {username: andon, password: hunter2-hunter2}
  reader: {username: sre, password: hunter2-hunter2}
  page: {username: front, password: hunter2-hunter2}
"""


def test_andon_roles_prints_what_an_administrator_runs(tmp_path: Path) -> None:
    """Each user gets their role, and no password is shown."""
    (tmp_path / "andon.yaml").write_text(CONFIG)
    printed = CliRunner().invoke(app, ["roles", "--config", str(tmp_path / "andon.yaml")])
    assert printed.exit_code == 0
    assert "GRANT `andon_page` TO `front`;" in printed.stdout
    assert SECRET not in printed.output


def test_andon_roles_tells_whoever_runs_the_embedded_engine_that_there_is_nothing_to_do(tmp_path: Path) -> None:
    """Its users are those of the file, and its page's user has the page's role."""
    (tmp_path / "andon.yaml").write_text(f"{CONFIG}embedded: {{directory: data}}\n")
    printed = CliRunner().invoke(app, ["roles", "--config", str(tmp_path / "andon.yaml")])
    assert printed.exit_code != 0
    assert "the embedded engine knows its users from this file" in printed.output
    settings = Assembly(tmp_path / "andon.yaml").embedded_settings()
    assert (settings.page_username, settings.page_password) == ("front", SECRET)


def test_the_password_of_an_administrator_comes_from_the_environment(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Never from a file or the command line, where others read it."""
    monkeypatch.delenv("ANDON_ADMIN_PASSWORD", raising=False)
    (tmp_path / "andon.yaml").write_text(CONFIG)
    applied = CliRunner().invoke(app, ["roles", "--config", str(tmp_path / "andon.yaml"), "--apply", "default"])
    assert applied.exit_code == 1
    assert "ANDON_ADMIN_PASSWORD" in applied.output
