"""The embedded engine as clients meet it: clickhouse-connect, curl, and writers of raw HTTP."""

import gzip
import json
import shutil
import struct
import subprocess
import uuid
from collections.abc import Iterator
from decimal import Decimal

import lz4.frame
import pyarrow as pa
import pytest
from clickhouse_connect.driver.client import Client
from clickhouse_connect.driver.exceptions import DatabaseError

from fixtures.engine import Engine

TABLE = """
CREATE TABLE t (a Int32, b String DEFAULT 'none', c LowCardinality(String) DEFAULT 'low', m Map(String, UInt8))
ENGINE = MergeTree ORDER BY a SETTINGS non_replicated_deduplication_window = 100
"""


@pytest.fixture
def database(clickhouse: Engine) -> Iterator[str]:
    name = f"http_{uuid.uuid4().hex[:12]}"
    clickhouse.client(database=name).command(TABLE)
    yield name
    clickhouse.client().command(f"DROP DATABASE {name}")


@pytest.fixture
def client(clickhouse: Engine, database: str) -> Client:
    return clickhouse.client(database=database)


def arrow(**columns: pa.Array) -> bytes:
    sink, table = pa.BufferOutputStream(), pa.table(columns)
    with pa.ipc.new_stream(sink, table.schema) as writer:
        writer.write_table(table)
    return bytes(sink.getvalue())


# clickhouse-connect, unmodified


def test_client_that_makes_its_own_session_ids_can_query(clickhouse: Engine) -> None:
    """A client with every default of clickhouse-connect connects, pings and queries."""
    client = clickhouse.client(autogenerate_session_id=True)
    assert client.ping()
    assert client.query("SELECT 1").result_rows == [(1,)]


@pytest.mark.parametrize("form", [False, True], ids=["in the URL", "in a multipart form"])
def test_parameters_are_bound_by_the_engine(clickhouse: Engine, form: bool) -> None:
    """{name:Type} takes its value from the request, quotes and all, however it was sent."""
    client = clickhouse.client(form_encode_query_params=form)
    awkward = 'it\'s \\ "quoted"\n\t{x:String} ü'
    query = "SELECT {text:String}, {number:Decimal(9, 2)}, {list:Array(String)}"
    rows = client.query(query, parameters={"text": awkward, "number": Decimal("1.50"), "list": [awkward]}).result_rows
    assert rows == [(awkward, Decimal("1.50"), [awkward])]


def test_native_insert_fills_in_defaults(client: Client) -> None:
    """Columns that the insert leaves out take their defaults."""
    summary = client.insert("t", [[1, {"x": 1}], [2, {}]], column_names=["a", "m"])
    assert summary.written_rows == 2
    assert client.query("SELECT * FROM t ORDER BY a").result_rows == [
        (1, "none", "low", {"x": 1}),
        (2, "none", "low", {}),
    ]


@pytest.mark.parametrize("compression", [False, "lz4", "gzip"])
def test_native_insert_and_query_with_every_compression(clickhouse: Engine, database: str, compression: str) -> None:
    """A compressed insert is stored, a compressed result is read."""
    client = clickhouse.client(database=database, compress=compression)
    rows = [[number, "x" * 50] for number in range(5_000)]
    client.insert("t", rows, column_names=["a", "b"])
    assert [list(row) for row in client.query("SELECT a, b FROM t ORDER BY a").result_rows] == rows


def test_arrow_goes_in_and_comes_out(client: Client) -> None:
    """An ArrowStream insert and an Arrow query agree."""
    names = pa.DictionaryArray.from_arrays(pa.array([0, 1, 0], pa.int32()), pa.array(["p", "q"]))
    client.raw_insert("t", ["a", "c"], arrow(a=pa.array([1, 2, 3], pa.int32()), c=names), fmt="ArrowStream")
    assert client.query_arrow("SELECT a, c FROM t ORDER BY a", use_strings=True).to_pydict() == {
        "a": [1, 2, 3],
        "c": ["p", "q", "p"],
    }


def test_insert_of_generated_pieces_is_stored(client: Client) -> None:
    """A body whose length nobody knows beforehand comes chunked."""
    client.raw_insert("t", ["a"], (b"%d\n" % number for number in range(100)), fmt="CSV")
    assert client.command("SELECT count() FROM t") == 100


def test_command_returns_a_value_or_says_what_was_written(client: Client) -> None:
    """`command` works for values, DDL and INSERT … SELECT."""
    client.command("CREATE TABLE other (n UInt64) ENGINE = Memory")
    client.command("INSERT INTO other SELECT number FROM numbers({n:UInt64})", parameters={"n": 3})
    assert client.command("SELECT sum(n) FROM other") == 3


def test_error_of_the_engine_reaches_the_client(client: Client) -> None:
    """A wrong query raises with ClickHouse's own code and text."""
    with pytest.raises(DatabaseError, match=r"UNKNOWN_TABLE") as caught:
        client.query("SELECT * FROM missing")
    assert caught.value.code == 60


@pytest.mark.parametrize("engine", ["MergeTree", "AggregatingMergeTree"])
def test_same_token_twice_is_stored_once(clickhouse: Engine, client: Client, engine: str) -> None:
    """A repeated insert_deduplication_token adds nothing; another token with the same rows does."""
    client.command(
        f"CREATE TABLE d (k String, n SimpleAggregateFunction(sum, UInt64)) ENGINE = {engine} ORDER BY k "
        "SETTINGS non_replicated_deduplication_window = 100"
    )
    block = arrow(k=pa.array(["x", "y"]), n=pa.array([1, 2], pa.uint64()))
    for token in ("one", "one", "two", "one"):
        client.raw_insert("d", ["k", "n"], block, fmt="ArrowStream", settings={"insert_deduplication_token": token})
    assert client.query("SELECT k, sum(n) FROM d GROUP BY k ORDER BY k").result_rows == [("x", 2), ("y", 4)]


def test_settings_end_with_their_request(client: Client) -> None:
    """A setting given with one query is not there for the next."""
    value = "SELECT getSetting('max_block_size')"
    assert client.command(value, settings={"max_block_size": 1234}) == 1234
    assert client.command(value) != 1234


# curl


def test_curl_queries_and_inserts(clickhouse: Engine, database: str) -> None:
    """`curl -u` asks in the URL, posts a query, and posts data behind an INSERT in the URL."""
    if shutil.which("curl") is None:
        pytest.skip("curl is not on PATH")

    def curl(user: str, url: str, *arguments: str) -> str:
        command = ["curl", "-sS", "-u", user, f"{clickhouse.address}/?{url}", *arguments]
        return subprocess.run(command, capture_output=True, text=True, check=True, timeout=30).stdout

    writer = f"{clickhouse.username}:{clickhouse.password}"
    reader = f"{clickhouse.readonly_username}:{clickhouse.readonly_password}"
    assert curl(reader, "query=SELECT%201") == "1\n"
    insert = f"database={database}&query=INSERT%20INTO%20t%20(a,b)%20FORMAT%20CSV"
    assert curl(writer, insert, "--data-binary", '7,"x"\n8,"y"\n') == ""
    assert curl(reader, f"database={database}", "--data-binary", "SELECT a, b FROM t ORDER BY a") == "7\tx\n8\ty\n"
    assert curl(reader, f"database={database}", "-d", "SELECT max(a) FROM t FORMAT JSONEachRow") == '{"max(a)":8}\n'


# what any client of the HTTP interface relies on


def test_collector_writes_row_binary_in_chunks(clickhouse: Engine, database: str) -> None:
    """RowBinary keeps to the INSERT's column list; async_insert asks for less than it gets."""
    pieces = iter([struct.pack("<i", 3), struct.pack("<i", 4)])
    answer = clickhouse.ask(
        pieces,
        login=None,
        database=database,
        query="INSERT INTO t (a) FORMAT RowBinary",
        user=clickhouse.username,
        password=clickhouse.password,
        async_insert="1",
        wait_for_async_insert="0",
    )
    assert (answer.status, json.loads(answer.headers["x-clickhouse-summary"])["written_rows"]) == (200, "2")
    assert clickhouse.ask(b"SELECT a, b FROM t ORDER BY a", database=database).text == "3\tnone\n4\tnone\n"


@pytest.mark.parametrize("compress", [gzip.compress, lz4.frame.compress], ids=["gzip", "lz4"])
def test_compressed_body_is_inflated(clickhouse: Engine, database: str, compress: object) -> None:
    """A body is read through its Content-Encoding."""
    assert callable(compress)
    encoding = {"Content-Encoding": "gzip" if compress is gzip.compress else "lz4"}
    body = compress(b"INSERT INTO t (a) FORMAT CSV\n" + b"5\n" * 100_000)
    assert clickhouse.ask(body, headers=encoding, database=database).status == 200
    assert clickhouse.ask(b"SELECT count() FROM t", database=database).text == "100000\n"


def test_result_is_compressed_only_where_asked_for(clickhouse: Engine) -> None:
    """gzip needs both enable_http_compression=1 and Accept-Encoding."""
    query, accept = b"SELECT number FROM numbers(10000)", {"Accept-Encoding": "gzip"}
    plain = clickhouse.ask(query, headers=accept)
    packed = clickhouse.ask(query, headers=accept, enable_http_compression="1")
    assert "content-encoding" not in plain.headers
    assert packed.headers["content-encoding"] == "gzip"
    assert gzip.decompress(packed.body) == plain.body


def test_health_checks_need_no_password(clickhouse: Engine) -> None:
    """`/` and `/ping` say Ok."""
    for path in ("/", "/ping"):
        answer = clickhouse.ask(method="GET", login=None, path=path)
        assert (answer.status, answer.body) == (200, b"Ok.\n")


def test_unknown_path_and_method_are_refused(clickhouse: Engine) -> None:
    """What is not the interface is not answered as if it were."""
    assert clickhouse.ask(path="/play", method="GET").status == 404
    assert clickhouse.ask(method="DELETE").status == 405


@pytest.mark.parametrize("headers", [{}, {"X-ClickHouse-Format": "JSONEachRow"}], ids=["URL", "header"])
def test_default_format_holds_unless_the_query_names_one(clickhouse: Engine, headers: dict[str, str]) -> None:
    """FORMAT in the query wins over default_format and X-ClickHouse-Format."""
    url = {} if headers else {"default_format": "JSONEachRow"}
    by_default = clickhouse.ask(b"SELECT 1 AS x", headers=headers, **url)
    assert (by_default.headers["x-clickhouse-format"], by_default.text) == ("JSONEachRow", '{"x":1}\n')
    named = clickhouse.ask(b"SELECT 1 AS x FORMAT CSV", headers=headers, **url)
    assert (named.headers["x-clickhouse-format"], named.text) == ("CSV", "1\n")


STATUSES = {
    "syntax": (b"SELEC 1", 400, 62),
    "empty": (b"", 400, 62),
    "two statements": (b"SELECT 1; SELECT 2", 400, 62),
    "garbage behind values": (b"INSERT INTO t (a) VALUES (1); garbage", 400, 62),
    "two statements behind values": (b"INSERT INTO t (a) VALUES (1); SELECT 1", 400, 62),
    "unknown table": (b"SELECT * FROM missing", 404, 60),
    "unknown table for data": (b"INSERT INTO missing FORMAT CSV\n1\n", 404, 60),
    "unknown database": (b"SELECT * FROM missing.t", 404, 81),
    "unknown function": (b"SELECT missing(1)", 404, 46),
    "unknown format": (b"SELECT 1 FORMAT Missing", 404, 73),
    "type mismatch": (b"SELECT toUInt8('x')", 400, 6),
    "data of another format": (b"INSERT INTO t (a) FORMAT CSV\nx,y\n", 400, 117),
    "exists already": (b"CREATE TABLE t (a Int8) ENGINE = Memory", 500, 57),
}


@pytest.mark.parametrize(("query", "status", "code"), STATUSES.values(), ids=STATUSES)
def test_errors_have_the_status_and_code_of_a_server(
    clickhouse: Engine, database: str, query: bytes, status: int, code: int
) -> None:
    """A client sees the HTTP status and the exception code that a ClickHouse server gives."""
    answer = clickhouse.ask(query, database=database)
    assert (answer.status, answer.code) == (status, code)
    assert answer.text.startswith(f"Code: {code}. DB::Exception: ")


def test_syntax_error_points_into_the_query(clickhouse: Engine) -> None:
    """The position in a syntax error counts from where the query begins."""
    assert "failed at position 10 (1)" in clickhouse.ask(b"SELECT 1 1").text


def test_insert_is_stored_when_it_is_answered(clickhouse: Engine, database: str) -> None:
    """Also one that would be content with less."""
    for number in range(20):
        query = f"INSERT INTO t (a) SETTINGS async_insert = 1, wait_for_async_insert = 0 VALUES ({number})"
        assert clickhouse.ask(query.encode(), database=database).status == 200
        assert clickhouse.ask(b"SELECT count() FROM t", database=database).text == f"{number + 1}\n"


def test_unknown_setting_and_database_are_named(clickhouse: Engine) -> None:
    """A typo in the URL is an error, never ignored."""
    assert clickhouse.ask(b"SELECT 1", no_such_setting="1").code == 115
    assert clickhouse.ask(b"SELECT 1", database="no_such").code == 81


def test_failed_insert_leaves_no_rows(clickhouse: Engine, database: str) -> None:
    """Data cut in the middle of a row are refused whole."""
    cut = clickhouse.ask(struct.pack("<i", 3) + b"\x00", database=database, query="INSERT INTO t (a) FORMAT RowBinary")
    assert cut.code == 33
    assert clickhouse.ask(b"SELECT count() FROM t", database=database).text == "0\n"


def test_what_a_client_sends_does_not_become_a_header(clickhouse: Engine) -> None:
    """A line end in the URL cannot start a header of its own."""
    odd = "x\r\nX-Injected: yes"
    answer = clickhouse.ask(b"SELECT 1", query_id=odd)
    assert "x-injected" not in answer.headers
    assert clickhouse.ask(b"SELECT 1", default_format=odd).code == 73


def test_text_that_is_not_utf8_is_kept(clickhouse: Engine) -> None:
    """Bytes come back as they came, from the body, the URL and parameters."""
    assert clickhouse.ask(b"SELECT '\xff'").body == b"\xff\n"
    assert clickhouse.ask(b"SELECT {p:String}", param_p="\udcff").body == b"\xff\n"
    assert clickhouse.ask(method="GET", query="SELECT '\udcff'").body == b"\xff\n"
    assert clickhouse.ask(b"SELECT 1", login=None, user="\udcff", password="\udcff").code == 516


def test_dialects_not_spoken_are_refused_in_words(clickhouse: Engine) -> None:
    """Block compression, newer Native blocks and external tables get an error, not a wrong answer."""
    assert clickhouse.ask(b"SELECT 1", compress="1").status == 501
    assert clickhouse.ask(b"SELECT 1", default_format="Native", client_protocol_version="54478").status == 501
    assert clickhouse.ask(b"SELECT 1 FORMAT Native", client_protocol_version="54405").status == 200
    assert clickhouse.ask(b"SELECT 1", client_protocol_version="54478").status == 200
    form = b'--B\r\nContent-Disposition: form-data; name="ext"; filename="x"\r\n\r\n1\r\n--B--\r\n'
    external = clickhouse.ask(form, headers={"Content-Type": "multipart/form-data; boundary=B"}, query="SELECT 1")
    assert (external.status, "'ext'" in external.text) == (501, True)


@pytest.mark.parametrize(
    ("made", "rows", "code"),
    [
        pytest.param("(A UInt8, CONSTRAINT c CHECK A != 7) ENGINE = MergeTree ORDER BY A", "1 7", 469, id="constraint"),
        pytest.param(
            "(A UInt8) ENGINE = MergeTree ORDER BY A PARTITION BY A SETTINGS max_parts_in_total = 1",
            "1 2 3",
            252,
            id="too many parts",
        ),
    ],
)
def test_rows_that_are_read_but_cannot_be_written_are_an_error(
    clickhouse: Engine, made: str, rows: str, code: int
) -> None:
    """Or the exporter would delete what nobody has."""
    clickhouse.ask(b"DROP TABLE IF EXISTS refusing")
    assert clickhouse.ask(f"CREATE TABLE refusing {made}".encode()).status == 200
    answers = [
        clickhouse.ask(f"INSERT INTO refusing (A) FORMAT TSV\n{row}\n".encode(), max_partitions_per_insert_block="0")
        for row in rows.split()
    ]
    refused = [answer for answer in answers if answer.status != 200]
    assert {answer.code for answer in refused} == {code}
    stored = clickhouse.ask(b"SELECT count() FROM refusing").text.strip()
    assert int(stored) == len(answers) - len(refused)
    assert clickhouse.ask(b"DROP TABLE refusing").status == 200
