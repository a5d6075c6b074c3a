"""The ClickHouse engine as a library, opened on one directory, with the walls a server would have.

In: statements with their settings, parameters, data, and whether they may write. Out: result bytes, or ClickHouse's own
error with its code. Promised: one connection per statement, so no setting outlives its request; an INSERT that returned
is in the table, also after `kill -9`; one statement per call; time, memory and result size bounded by the engine.

The walls are the engine's own. Its only user has no grant to reach files, networks or processes, nor to make users,
functions or dictionaries. Before a statement runs, the engine's parser says what it is; what only reads runs on a
connection that cannot write, and what is not a statement never runs.
"""

import fcntl
import os
import re
import secrets
import tempfile
import threading
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, NoReturn
from xml.sax.saxutils import escape

from exporters.clickhouse.embedded.errors import Code, EngineError, refusal
from exporters.clickhouse.embedded.statement import Insert, first_word
from exporters.clickhouse.roles import Role
from pipeline.errors import PermanentError
from pipeline.sql import quoted

_GRANTS = (
    "SELECT, SHOW, CHECK, INSERT, ALTER, CREATE DATABASE, CREATE TABLE, CREATE VIEW, "
    "DROP, TRUNCATE, OPTIMIZE, KILL QUERY"
)
_ALL = "andon_all"
_NEVER = (
    "Not allowed here: SET, USE, SYSTEM, KILL, BACKUP, ATTACH, INTO OUTFILE, temporary tables, and statements "
    "on users, functions or named collections. Settings and the database go into the URL"
)
_NO_FILES = "Not allowed here: reading files"
# An INSERT is always answered after its rows are in the table, which is more than these could ask for.
_IGNORED_SETTINGS = frozenset({"async_insert", "wait_for_async_insert"})
# What changes how a statement is read, or where a table is kept, is nobody's to choose.
_FIXED_SETTINGS = ("dialect", "implicit_select", "merge_tree_disk", "merge_tree_storage_policy")

_CODE = re.compile(r"Code: (\d+)\. ")
_STORAGE = re.compile(r"^ *Storage definition.*\n *Function (\w+)", re.MULTILINE)
_SETTINGS = re.compile(r"^ *Set$", re.MULTILINE)
_ERRORS = "SELECT code, value, query_id, toValidUTF8(last_error_message) FROM system.errors WHERE NOT remote"
_QUERY_ID = "SELECT query_id FROM system.processes WHERE Settings['log_comment'] = '{marker}'"
_OWN_STORAGE = re.compile(r"\w*MergeTree|Memory|Null|Log|TinyLog|StripeLog|Set|Join|Merge|Buffer|Atomic")


@dataclass(frozen=True, slots=True, kw_only=True)
class Limits:
    """Bounds the engine keeps: seconds and bytes per query, bytes for everything at once."""

    execution_time_s: int
    query_memory_bytes: int
    result_bytes: int
    memory_bytes: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Statement:
    """One statement. Where it is an INSERT with data, `sql` ends before them and `data` holds them, chunk by chunk.

    With a `role` it may do what that role may and nothing else.
    """

    sql: bytes
    insert: Insert | None
    may_write: bool
    database: str
    format: str
    role: str = ""
    settings: Mapping[str, str] = field(default_factory=dict)
    parameters: Mapping[str, str] = field(default_factory=dict)
    data: Iterable[bytes] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class Result:
    """What a statement gave back, and what it read and wrote."""

    body: bytes
    rows_read: int
    bytes_read: int
    rows_written: int
    bytes_written: int
    elapsed_s: float


class Engine:
    """One engine per process and per directory; `run` may be called from several threads at once."""

    def __init__(self, directory: Path, limits: Limits, roles: Sequence[Role] = ()) -> None:
        self._directory = directory.absolute()
        self._limits = limits
        self._roles = (Role(name=_ALL, grants=(f"{_GRANTS} ON *.*",)), *roles)
        self._anchor: Any = None  # the engine lives as long as one connection does
        self._inserting = threading.Lock()  # one at a time: the engine keeps the last error of each kind
        self.timezone = "UTC"

    def open(self, database: str) -> None:
        """Open the directory, creating it and `database` where they are missing.

        Raises:
            PermanentError: chdb is not installed, another process has the directory, or its path cannot be used.
        """
        if set("?&=") & set(str(self._directory)):
            raise PermanentError(f"expected a directory without ?, & or = in its path, got {self._directory}")
        native = _import_chdb()
        with tempfile.TemporaryDirectory(prefix="andon-engine-") as folder:
            config = _write_config(Path(folder), self._limits, self._roles)
            try:
                self._anchor = native.connect(f"{self._directory}?config-file={config}")
            except RuntimeError as exc:
                raise PermanentError(_why_not_opened(self._directory, exc)) from exc
        self._shadow_file_function(native)
        self._anchor.query(f"CREATE DATABASE IF NOT EXISTS {quoted(database, '`')}")
        self.timezone = self._anchor.query("SELECT timezone()", "TabSeparatedRaw").data().strip()

    def _shadow_file_function(self, native: Any) -> None:
        with suppress(RuntimeError):  # where it stands already, from an engine this process had before
            native.create_function("file", _refuse_file, ["String"], "String", on_null="pass")
        try:
            self._anchor.query(f"SELECT file('{os.devnull}')")
        except RuntimeError as exc:
            if _NO_FILES in str(exc):
                return
        self.close()
        raise PermanentError("this version of chdb does not let its SQL function `file` be taken away")

    def close(self) -> None:
        """End running queries, then the engine. Safe before `open`, and twice."""
        anchor, self._anchor = self._anchor, None
        if anchor is not None:
            anchor.close()

    def interrupt(self) -> None:
        """Ask every running query to end."""
        if self._anchor is not None:
            with suppress(RuntimeError):
                self._anchor.query("KILL QUERY WHERE query NOT LIKE 'KILL QUERY%' ASYNC FORMAT Null")

    def run(self, statement: Statement) -> Result:
        """Run one statement to its end.

        Raises:
            EngineError: the engine, or a wall around it, refused.
        """
        if self._anchor is None:
            raise refusal(Code.ABORTED, "the engine is shut down")
        try:
            writes = self._admit(statement)
            with self._connection(writes=writes) as connection:
                return self._run_on(connection, statement)
        except RuntimeError as exc:
            raise _engine_error(str(exc)) from exc

    def _admit(self, statement: Statement) -> bool:
        """Whether the statement writes, by the word of the engine's parser; an error where it must not run."""
        report = self._anchor.classify_query(_whole_text(statement))
        kind, count = report["query_class"].name, report["statement_count"]
        if count > 1:
            raise refusal(Code.SYNTAX_ERROR, "Syntax error: Multi-statements are not allowed, expected one statement")
        if count == 0:
            self._explain_syntax_error(statement)
        if kind == "READ_ONLY":
            return False
        if not statement.may_write:
            raise refusal(Code.ACCESS_DENIED, "Not enough privileges: this user may only read; over GET nobody writes")
        if kind != "MUTATING" and first_word(statement.sql) != b"INSERT":
            raise refusal(Code.ACCESS_DENIED, _NEVER)
        if statement.insert is None:
            self._check_tree(statement, is_database=report["changes_database_lifecycle"])
        return True

    def _explain_syntax_error(self, statement: Statement) -> NoReturn:
        """Have the engine say what is wrong. `send_insert` parses one statement and runs none but an INSERT."""
        if not first_word(statement.sql):
            raise refusal(Code.SYNTAX_ERROR, "Syntax error: Empty query, or not a query")
        if statement.insert is not None:
            raise refusal(Code.SYNTAX_ERROR, "Syntax error: expected an INSERT with its data and nothing behind them")
        with self._connection(writes=False) as connection:
            try:
                connection.insert_cancel(connection.send_insert(statement.sql, ""))
            except RuntimeError as exc:
                if _CODE.search(str(exc)):
                    raise
        raise refusal(Code.SYNTAX_ERROR, "Syntax error: expected a statement of ClickHouse's SQL")

    def _check_tree(self, statement: Statement, *, is_database: bool) -> None:
        """Look in the parser's tree for what reaches out of the directory and asks for no grant."""
        with self._connection(writes=False) as connection:
            for preparation in _parameters(statement):
                connection.query(_as_bytes(preparation))
            tree = str(connection.query(b"EXPLAIN AST " + statement.sql, "TabSeparated").data())
        strange = [name for name in _STORAGE.findall(tree) if not _OWN_STORAGE.fullmatch(name)]
        if strange:
            raise refusal(Code.ACCESS_DENIED, f"Not allowed here: ENGINE = {strange[0]}")
        is_infile = tree.startswith("InsertQuery") and "\n Literal" in tree
        if is_infile or (is_database and _SETTINGS.search(tree)):
            raise refusal(Code.ACCESS_DENIED, "Not allowed here: FROM INFILE, and a database's own SETTINGS")

    def _run_on(self, connection: Any, statement: Statement) -> Result:
        for preparation in _preparations(statement):
            connection.query(_as_bytes(preparation))
        if statement.insert is not None:
            return self._insert(connection, statement.insert, statement.data)
        result = connection.query(statement.sql, statement.format)
        return _as_result(result, result.bytes())  # a copy: its memory view does not keep the result alive

    def _insert(self, connection: Any, insert: Insert, data: Iterable[bytes]) -> Result:
        """Stream the rows in, and ask what became of them.

        `insert_done` tells of rows that could not be read, but not of rows that could not be written: a violated
        constraint, too many parts, a full disk. Those only show among the engine's last errors.
        """
        with self._inserting, self._connection(writes=False) as aside:
            marker = secrets.token_hex(16)
            connection.query(f"SET log_comment = '{marker}'")
            before = _errors(aside)
            stream = connection.send_insert(insert.sql, insert.format)
            try:
                query_id = aside.query(_QUERY_ID.format(marker=marker), "TabSeparated").data().strip()
                for chunk in filter(None, data):
                    connection.insert_append(stream, chunk)
            except BaseException:
                connection.insert_cancel(stream)
                raise
            result = connection.insert_done(stream)
            for code, error in _errors(aside).items():
                came = error.count - (before[code].count if code in before else 0)
                # Where others met the same error meanwhile, ours may hide behind theirs: better one retry too many.
                if came > 1 or (came and error.query_id == query_id):
                    raise RuntimeError(f"Code: {code}. DB::Exception: {error.message}")
            return _as_result(result, b"")

    @contextmanager
    def _connection(self, *, writes: bool) -> Iterator[Any]:
        connection = _import_chdb().connect(f"{self._directory}{'' if writes else '?readonly=2'}")
        try:
            yield connection
        finally:
            connection.close()


def _whole_text(statement: Statement) -> bytes:
    """What to show the parser: all but the data of an INSERT. VALUES is SQL, and a second statement may follow it."""
    insert = statement.insert
    if insert is not None and insert.format.upper() == "VALUES":
        return b"".join((insert.sql, b" VALUES ", *statement.data))
    return statement.sql


def _preparations(statement: Statement) -> Iterator[str]:
    yield f"USE {quoted(statement.database, '`')}"
    yield from _parameters(statement)
    settings = [
        f"{quoted(name, '`')} = {quoted(value)}"
        for name, value in statement.settings.items()
        if name not in _IGNORED_SETTINGS
    ]
    if settings:
        yield f"SET {', '.join(settings)}"
    if statement.role:
        yield f"SET ROLE {quoted(statement.role, '`')}"  # the last word: with it goes the right to more


def _parameters(statement: Statement) -> Iterator[str]:
    for name, value in statement.parameters.items():
        yield f"SET {quoted(f'param_{name}', '`')} = {quoted(value)}"


@dataclass(frozen=True, slots=True)
class _Errors:
    """How often one kind of error has come, and the last of them."""

    count: int
    query_id: str
    message: str


def _errors(connection: Any) -> dict[int, _Errors]:
    rows = (row.split("\t") for row in connection.query(_ERRORS, "TabSeparated").data().splitlines())
    return {int(code): _Errors(int(count), query_id, message) for code, count, query_id, message in rows}


def _as_result(result: Any, body: bytes) -> Result:
    return Result(
        body=body,
        rows_read=result.storage_rows_read(),
        bytes_read=result.storage_bytes_read(),
        rows_written=result.rows_written(),
        bytes_written=result.bytes_written(),
        elapsed_s=result.elapsed(),
    )


def _as_bytes(sql: str) -> bytes:
    return sql.encode(errors="surrogateescape")  # a client's text need not be UTF-8


def _engine_error(text: str) -> EngineError:
    if _NO_FILES in text:
        return refusal(Code.ACCESS_DENIED, _NO_FILES)
    code = _CODE.search(text)
    return EngineError(int(code[1]) if code else Code.UNKNOWN_EXCEPTION, text)


def _refuse_file(_: str) -> str:
    """Stand in for the SQL function `file`, which reads any file of this machine and asks for no grant."""
    raise PermissionError(_NO_FILES)


def _import_chdb() -> Any:
    try:
        from chdb import _chdb  # noqa: PLC0415 - 400 ms and 500 MB of library, only for who runs it
    except ImportError as exc:
        raise PermanentError("the embedded engine is not installed: pip install 'andon[embedded]'") from exc
    return _chdb


def _why_not_opened(directory: Path, exc: RuntimeError) -> str:
    if _is_locked(directory / "status"):
        return f"the data directory {directory} is in use by another process"
    return f"the embedded engine cannot open {directory}: {exc}"


def _is_locked(status: Path) -> bool:
    """Whether another process holds the engine's lock."""
    if not status.exists():
        return False
    with status.open("rb") as file:
        try:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            return True
    return False


def _write_config(folder: Path, limits: Limits, roles: Sequence[Role]) -> Path:
    users, config = folder / "users.xml", folder / "config.xml"
    bounded = {
        "max_execution_time": limits.execution_time_s,
        "max_memory_usage": limits.query_memory_bytes,
        "max_result_bytes": limits.result_bytes,
    }
    values = "".join(f"<{name}>{value}</{name}>" for name, value in bounded.items())
    bounds = "".join(f"<{name}><min>1</min><max>{value}</max></{name}>" for name, value in bounded.items())
    fixed = "".join(f"<{name}><const/></{name}>" for name in _FIXED_SETTINGS)
    granted = "".join(
        f"<{role.name}><grants><query>{escape(role.grant)}</query></grants></{role.name}>" for role in roles
    )
    has = "".join(f"<query>GRANT {role.name}</query>" for role in roles)
    users.write_text(
        "<clickhouse><profiles><default>"
        f"<implicit_select>0</implicit_select><allow_introspection_functions>0</allow_introspection_functions>{values}"
        f"<constraints>{bounds}{fixed}</constraints>"
        "</default></profiles><quotas><default/></quotas>"
        "<users><default><no_password/><networks><ip>::/0</ip></networks><profile>default</profile><quota>default</quota>"
        f"<grants>{has}</grants></default></users><roles>{granted}</roles></clickhouse>"
    )
    config.write_text(
        f"<clickhouse><users_config>{escape(str(users))}</users_config>"
        f"<max_server_memory_usage>{limits.memory_bytes}</max_server_memory_usage>"
        "<mark_cache_size>268435456</mark_cache_size></clickhouse>"
    )
    return config
