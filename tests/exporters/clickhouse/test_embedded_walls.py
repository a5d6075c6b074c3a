"""What the embedded engine lets nobody do, and what it lets only the writer do."""

import threading
import uuid
from collections.abc import Iterator
from dataclasses import dataclass
from http.server import BaseHTTPRequestHandler, HTTPServer
from pathlib import Path

import pytest

from fixtures.engine import Answer, Engine

SECRET = "the-content-of-a-file"  # must never come back

WRITES = {
    "insert": "INSERT INTO kept VALUES (2)",
    "insert with a comment first": "/* SELECT */ INSERT INTO kept VALUES (2)",
    "insert behind a WITH": "WITH 2 AS x INSERT INTO kept SELECT x",
    "insert from a select": "INSERT INTO kept SELECT 2",
    "create table": "CREATE TABLE new (a Int8) ENGINE = Memory",
    "create temporary table": "CREATE TEMPORARY TABLE new (a Int8)",
    "create view": "CREATE VIEW new AS SELECT 1",
    "create database": "CREATE DATABASE new_one",
    "drop": "DROP TABLE kept",
    "truncate": "TRUNCATE TABLE kept",
    "rename": "RENAME TABLE kept TO gone",
    "alter": "ALTER TABLE kept ADD COLUMN b Int8",
    "update": "ALTER TABLE kept UPDATE b = 1 WHERE 1",
    "delete": "DELETE FROM kept WHERE 1",
    "optimize": "OPTIMIZE TABLE kept FINAL",
    "set": "SET max_threads = 1",
    "end of read-only": "SET readonly = 0",
    "end of read-only in the query": "SELECT 1 SETTINGS readonly = 0",
    "system": "SYSTEM FLUSH LOGS",
    "kill": "KILL QUERY WHERE 1",
    "use": "USE system",
    "detach": "DETACH TABLE kept",
    "grant": "GRANT ALL ON *.* TO default",
    "user": "CREATE USER x",
    "role": "CREATE ROLE x",
    "impersonation": "EXECUTE AS default SELECT 1",
    "function": "CREATE FUNCTION x AS y -> y",
    "backup": "BACKUP TABLE kept TO Disk('default', 'x')",
    "two at once": "SELECT 1 PARALLEL WITH DROP TABLE kept",
    "a second statement": "SELECT 1; DROP TABLE kept",
    "explained away": "EXPLAIN AST SELECT 1; DROP TABLE kept",
}

# Each names {file}, which holds SECRET, or {url}, where a server counts who comes.
REACHES_OUT = {
    "file()": "SELECT * FROM file('{file}', 'LineAsString')",
    "file() described": "DESCRIBE file('{file}')",
    "file() in a subquery": "SELECT (SELECT * FROM file('{file}', 'LineAsString'))",
    "file() in view()": "SELECT * FROM view(SELECT * FROM file('{file}', 'LineAsString'))",
    "file() in loop()": "SELECT * FROM loop(file('{file}', 'LineAsString')) LIMIT 1",
    "fileCluster()": "SELECT * FROM fileCluster('default', '{file}', 'LineAsString')",
    "a file as a table": "SELECT * FROM default.`{file}`",
    "the function file": "SELECT file('{file}')",
    "the function file, quoted": "SELECT `file`('{file}', NULL)",
    "the function file, by name": "SELECT arrayMap(file, ['{file}'])",
    "the function file in a structure": (
        "SELECT * FROM format(JSONEachRow, concat('a Int8, b String DEFAULT fi', 'le(''{file}'')'), '{{\"a\":1}}')"
    ),
    "the function file in a filter": (
        "SELECT 1 AS a SETTINGS additional_result_filter = 'throwIf(file(''{file}'') LIKE ''the%'')'"
    ),
    "meta command of the console": "\\i {file}",
    "meta command behind a statement": "SELECT 1; \\i {file}",
    "icebergLocal()": "SELECT * FROM icebergLocal('{file}')",
    "deltaLakeLocal()": "SELECT * FROM deltaLakeLocal('{file}')",
    "sqlite()": "SELECT * FROM sqlite('{file}', 't')",
    "into a file": "SELECT 1 INTO OUTFILE '{file}.out'",
    "into a file behind what does not parse": "SELECT 1; SELECT 2 INTO OUTFILE '{file}.out'; )",
    "explained into a file": "EXPLAIN SELECT 1 INTO OUTFILE '{file}.out'",
    "url()": "SELECT * FROM url('{url}', 'LineAsString')",
    "s3()": "SELECT * FROM s3('{url}/bucket/key', 'LineAsString')",
    "remote()": "SELECT * FROM remote('127.0.0.1:1', system.one)",
    "mysql()": "SELECT * FROM mysql('127.0.0.1:1', 'd', 't', 'u', 'p')",
    "postgresql()": "SELECT * FROM postgresql('127.0.0.1:1', 'd', 't', 'u', 'p')",
    "mongodb()": "SELECT * FROM mongodb('127.0.0.1:1', 'd', 't', 'u', 'p', 'a Int8')",
    "redis()": "SELECT * FROM redis('127.0.0.1:1', 'k', 'k String, v String')",
    "executable()": "SELECT * FROM executable('../../../bin/ls', 'LineAsString', 'a String')",
    "Python()": "SELECT * FROM Python(statement)",
    "an LLM": "SELECT aiGenerate('hello')",
    "users": "SELECT * FROM system.users",
    "addresses": "SELECT addressToLine(1)",
}

WRITES_OUT = {
    "INTO FUNCTION file()": "INSERT INTO FUNCTION file('{file}.out', 'CSV', 'a Int8') VALUES (1)",
    "INTO FUNCTION url()": "INSERT INTO FUNCTION url('{url}', 'CSV', 'a Int8') VALUES (1)",
    "FROM INFILE": "INSERT INTO notes FROM INFILE '{file}' FORMAT LineAsString",
    "FROM INFILE without a format": "INSERT INTO notes FROM INFILE '{file}'",
    "select from file()": "INSERT INTO notes SELECT * FROM file('{file}', 'LineAsString')",
    "table of file()": "CREATE TABLE x AS file('{file}', 'LineAsString')",
    "table of url()": "CREATE TABLE x AS url('{url}', 'LineAsString')",
    "view of file()": "CREATE VIEW x AS SELECT * FROM file('{file}', 'LineAsString')",
    "view of the function file": "CREATE VIEW x AS SELECT file('{file}') AS a",
    "default of the function file": "CREATE TABLE x (a Int8, b String DEFAULT file('{file}')) ENGINE = Memory",
    "engine File": "CREATE TABLE x (a String) ENGINE = File(CSV, '{file}')",
    "engine URL": "CREATE TABLE x (a String) ENGINE = URL('{url}', 'CSV')",
    "engine S3": "CREATE TABLE x (a String) ENGINE = S3('{url}/bucket/key', 'CSV')",
    "engine MySQL": "CREATE TABLE x (a String) ENGINE = MySQL('127.0.0.1:1', 'd', 't', 'u', 'p')",
    "engine Kafka": "CREATE TABLE x (a String) ENGINE = Kafka('127.0.0.1:1', 't', 'g', 'CSV')",
    "engine Distributed": "CREATE TABLE x (a String) ENGINE = Distributed('c', 'd', 't')",
    "engine Executable": "CREATE TABLE x (a String) ENGINE = Executable('ls', 'CSV')",
    "engine EmbeddedRocksDB": "CREATE TABLE x (a String) ENGINE = EmbeddedRocksDB(0, '{file}.out') PRIMARY KEY a",
    "engine of a view": (
        "CREATE MATERIALIZED VIEW x ENGINE = EmbeddedRocksDB(0, '{file}.out') PRIMARY KEY a AS SELECT 'x' AS a"
    ),
    "disk of a table": (
        "CREATE TABLE x (a Int8) ENGINE = MergeTree ORDER BY a "
        "SETTINGS disk = disk(type = 'object_storage', object_storage_type = 'local', path = '{file}.disk/')"
    ),
    "disk of a database": (
        "CREATE DATABASE x ENGINE = Atomic "
        "SETTINGS disk = disk(type = 'object_storage', object_storage_type = 'local', path = '{file}.disk/')"
    ),
    "database of files": "CREATE DATABASE x ENGINE = Filesystem('/')",
    "database of MySQL": "CREATE DATABASE x ENGINE = MySQL('127.0.0.1:1', 'd', 'u', 'p')",
    "dictionary": (
        "CREATE DICTIONARY x (a UInt64) PRIMARY KEY a SOURCE(HTTP(URL '{url}' FORMAT CSV)) LAYOUT(FLAT()) LIFETIME(1)"
    ),
    "named collection": "CREATE NAMED COLLECTION x AS url = '{url}'",
    "backup to a file": "BACKUP TABLE notes TO File('{file}.out')",
    "restore": "RESTORE TABLE notes FROM File('{file}')",
    "attach from a path": "ATTACH TABLE x FROM '{file}' (a Int8) ENGINE = Memory",
    "function of a program": "CREATE FUNCTION x AS y -> file(y)",
}

URL_SETTINGS = {
    "another dialect": {"dialect": "kusto"},
    "no read-only": {"readonly": "0"},
    "no end of time": {"max_execution_time": "0"},
    "no end of memory": {"max_memory_usage": "0"},
    "no end of rows": {"max_result_bytes": "0"},
    "a setting that is SQL": {"max_threads` = 1, `readonly": "0"},
}


@dataclass(frozen=True, slots=True, kw_only=True)
class Outside:
    """A file and an HTTP server that the engine must never reach, and who came to that server."""

    file: Path
    url: str
    visits: list[str]

    def assert_untouched(self) -> None:
        assert self.visits == []
        assert [path for path in self.file.parent.rglob("*") if path.is_file()] == [self.file]


@pytest.fixture(scope="module")
def secret_file(tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("outside") / "secret"
    path.write_text(SECRET + "\n")
    return path


@pytest.fixture(scope="module")
def outside(secret_file: Path) -> Iterator[Outside]:
    visits: list[str] = []

    class Handler(BaseHTTPRequestHandler):
        def handle_one_request(self) -> None:
            visits.append(str(self.rfile.readline()))
            self.close_connection = True

        def log_message(self, *_: object) -> None:
            pass

    server = HTTPServer(("127.0.0.1", 0), Handler)
    thread = threading.Thread(target=server.serve_forever)
    thread.start()
    yield Outside(file=secret_file, url=f"http://127.0.0.1:{server.server_port}", visits=visits)
    server.shutdown()
    server.server_close()
    thread.join()


@pytest.fixture(scope="module")
def database(clickhouse: Engine) -> Iterator[str]:
    """A database with a row to keep and a table for notes."""
    name = f"walls_{uuid.uuid4().hex[:12]}"
    client = clickhouse.client(database=name)
    client.command("CREATE TABLE kept (a Int8) ENGINE = MergeTree ORDER BY a")
    client.command("INSERT INTO kept VALUES (1)")
    client.command("CREATE TABLE notes (line String) ENGINE = MergeTree ORDER BY line")
    yield name
    client.command(f"DROP DATABASE {name}")


def as_reader(engine: Engine, body: str, **url: str) -> Answer:
    return engine.ask(body.encode(), login=(engine.readonly_username, engine.readonly_password), **url)


def assert_refused(answer: Answer) -> None:
    assert answer.status >= 400, answer.text
    assert answer.code != 0
    assert SECRET not in answer.text


@pytest.mark.parametrize("query", WRITES.values(), ids=WRITES)
def test_read_only_user_cannot_change_anything(clickhouse: Engine, database: str, query: str) -> None:
    """Whatever is not reading is refused, and the row is still there."""
    answer = as_reader(clickhouse, query, database=database)
    assert_refused(answer)
    assert as_reader(clickhouse, "SELECT groupArray(a) FROM kept", database=database).text == "[1]\n"


@pytest.mark.parametrize(("query", "data"), [("INSERT INTO kept FORMAT CSV", "3"), ("INSERT INTO kept VALUES", "(3)")])
def test_read_only_user_cannot_send_data(clickhouse: Engine, database: str, query: str, data: str) -> None:
    """An INSERT in the URL with its data in the body is writing too."""
    assert as_reader(clickhouse, data, database=database, query=query).code == 497


def test_nobody_writes_over_get(clickhouse: Engine, database: str) -> None:
    """GET reads, also for the writer."""
    answer = clickhouse.ask(method="GET", database=database, query="INSERT INTO kept VALUES (3)")
    assert (answer.status, answer.code) == (403, 497)


@pytest.mark.parametrize("user", ["reader", "writer"])
@pytest.mark.parametrize("query", REACHES_OUT.values(), ids=REACHES_OUT)
def test_no_query_reaches_files_networks_or_processes(
    clickhouse: Engine, outside: Outside, query: str, user: str
) -> None:
    """Neither user gets out of the data directory by reading."""
    text = query.format(file=outside.file, url=outside.url)
    assert_refused(as_reader(clickhouse, text) if user == "reader" else clickhouse.ask(text.encode()))
    outside.assert_untouched()


@pytest.mark.parametrize("query", WRITES_OUT.values(), ids=WRITES_OUT)
def test_writer_stays_in_the_data_directory(clickhouse: Engine, database: str, outside: Outside, query: str) -> None:
    """Nor does the writer by writing."""
    text = query.format(file=outside.file, url=outside.url)
    assert_refused(clickhouse.ask(text.encode(), database=database))
    outside.assert_untouched()


@pytest.mark.parametrize("settings", URL_SETTINGS.values(), ids=URL_SETTINGS)
def test_settings_do_not_open_the_walls(clickhouse: Engine, settings: dict[str, str]) -> None:
    """The bounds, the dialect and read-only are not the reader's to choose."""
    assert_refused(as_reader(clickhouse, "SELECT 1", **settings))


ORDINARY = {
    "show tables": "SHOW TABLES",
    "show create": "SHOW CREATE TABLE kept",
    "describe": "DESCRIBE kept",
    "exists": "EXISTS TABLE kept",
    "explain": "EXPLAIN SELECT * FROM kept",
    "with": "WITH 1 AS x SELECT x FROM kept",
    "in brackets": "(SELECT 1) UNION ALL (SELECT 2)",
    "numbers": "SELECT * FROM numbers(3)",
    "values": "SELECT * FROM values('a Int8', 1, 2)",
    "a column called file": "SELECT 1 AS file, file + 1",
    "system tables": "SELECT name FROM system.columns LIMIT 1",
    "settings of a query": "SELECT 1 SETTINGS max_threads = 1",
    "a semicolon at the end": "SELECT 1;",
    "words of forbidden statements in a string": "SELECT 'DROP TABLE kept; INTO OUTFILE'",
}


@pytest.mark.parametrize("query", ORDINARY.values(), ids=ORDINARY)
def test_read_only_user_reads_everything(clickhouse: Engine, database: str, query: str) -> None:
    """Walls do not stand in the way of ordinary questions."""
    assert as_reader(clickhouse, query, database=database).status == 200


DEFINITIONS = (
    "CREATE TABLE a (k String, n SimpleAggregateFunction(sum, UInt64)) ENGINE = AggregatingMergeTree ORDER BY k",
    "CREATE TABLE r (k String, v UInt64, at DateTime) ENGINE = ReplacingMergeTree(v) ORDER BY k PARTITION BY k",
    "ALTER TABLE r MODIFY TTL at + toIntervalDay(1)",
    "CREATE MATERIALIZED VIEW mv TO a AS SELECT k, v AS n FROM r",
    "CREATE MATERIALIZED VIEW inner_mv ENGINE = SummingMergeTree ORDER BY k AS SELECT k, v FROM r",
    "CREATE VIEW v AS SELECT k FROM r WHERE v = {x:UInt64}",
    "CREATE OR REPLACE TABLE r2 ENGINE = Memory AS SELECT 1 AS x",
    "ALTER TABLE r ADD COLUMN c LowCardinality(String) DEFAULT 'x', ADD INDEX i c TYPE bloom_filter",
    "ALTER TABLE r MODIFY SETTING non_replicated_deduplication_window = 10",
    "INSERT INTO r (k, v) SELECT 'x', 1",
    "OPTIMIZE TABLE r FINAL",
    "DELETE FROM r WHERE k = 'y'",
    "RENAME TABLE r2 TO r3",
    "TRUNCATE TABLE r3",
    "DROP TABLE r3",
    "CREATE DATABASE IF NOT EXISTS {database}",
)


def test_writer_defines_what_a_schema_needs(clickhouse: Engine) -> None:
    """Tables, views, changes to them, and small statements all work for the writer."""
    name = f"schema_{uuid.uuid4().hex[:12]}"
    clickhouse.client(database=name)
    for query in DEFINITIONS:
        answer = clickhouse.ask(query.replace("{database}", name).encode(), database=name)
        assert answer.status == 200, f"{query}: {answer.text}"
    assert clickhouse.ask(b"SELECT k, n FROM a", database=name).text == "x\t1\n"
    assert clickhouse.ask(f"DROP DATABASE {name}".encode()).status == 200


LOGINS = {
    "wrong password": (("sre", "guessed"), 403, 516),
    "the other's password": (("sre", "andon-secret"), 403, 516),
    "unknown user": (("default", ""), 403, 516),
    "name and password shifted": (("sre:sre", "secret"), 403, 516),
    "nobody": (None, 401, 194),
}


@pytest.mark.parametrize(("login", "status", "code"), LOGINS.values(), ids=LOGINS)
def test_wrong_credentials_are_refused_and_not_repeated(
    clickhouse: Engine, login: tuple[str, str] | None, status: int, code: int
) -> None:
    """Who cannot log in does not see the name or the password again, nor learns which was wrong."""
    answer = clickhouse.ask(b"SELECT 1", login=login)
    assert (answer.status, answer.code) == (status, code)
    assert not any(part in answer.text for part in (login or ()) if part)


def test_credentials_come_as_headers_or_in_the_url(clickhouse: Engine) -> None:
    """Basic, X-ClickHouse-User and URL parameters are the same."""
    name, password = clickhouse.readonly_username, clickhouse.readonly_password
    by_header = {"X-ClickHouse-User": name, "X-ClickHouse-Key": password}
    assert clickhouse.ask(b"SELECT 1", login=None, headers=by_header).text == "1\n"
    assert clickhouse.ask(b"SELECT 1", login=None, user=name, password=password).text == "1\n"
    assert clickhouse.ask(b"SELECT 1", login=None, user=name, password="wrong").code == 516
