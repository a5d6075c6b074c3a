"""The ClickHouse engine as a library, opened on one directory, with the walls a server would have.

In: statements with their settings, parameters, data, and whether they may write. Out: result bytes, or ClickHouse's own
error with its code. Promised: one connection per statement, so no setting outlives its request; an INSERT returned is in
the table, and there after `kill -9`; one statement per call; time, memory and result size bounded by the engine.

What nobody may do, whoever asks, is said to the engine itself: its only user has no grant to reach files, networks or
processes, to make users, functions or dictionaries. What a read-only statement may not do is said twice: the connection
is read-only, and the engine's parser must call the statement a reading one.
"""

import re
import tempfile
from collections.abc import Iterable, Mapping
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any
from xml.sax.saxutils import escape

from exporters.clickhouse.embedded_errors import Code, EngineError, refusal
from exporters.clickhouse.embedded_statement import Insert, first_word
from pipeline.errors import PermanentError

_GRANTS = (
    "SELECT, SHOW, INSERT, ALTER, CREATE DATABASE, CREATE TABLE, CREATE VIEW, CREATE TEMPORARY TABLE, "
    "DROP, TRUNCATE, OPTIMIZE, CHECK, KILL QUERY"
)
_CODE = re.compile(r"Code: (\d+)\. ")
_NO_FILES = "Reading files is not allowed"
# An embedded INSERT always waits until its rows are in the table: a promise stronger than what these could ask for.
_IGNORED_SETTINGS = frozenset({"async_insert", "wait_for_async_insert"})


@dataclass(frozen=True, slots=True, kw_only=True)
class Limits:
    """Bounds the engine keeps: seconds and bytes per query, bytes for everything at once."""

    execution_time_s: int
    query_memory_bytes: int
    result_bytes: int
    memory_bytes: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Statement:
    """One statement. Where it is an INSERT with data, `sql` ends before them and `data` holds them, chunk by chunk."""

    sql: bytes
    insert: Insert | None
    may_write: bool
    database: str
    format: str
    settings: Mapping[str, str] = field(default_factory=dict)
    parameters: Mapping[str, str] = field(default_factory=dict)
    data: Iterable[bytes] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class Result:
    """What a statement gave back, and what it read and wrote."""

    body: memoryview
    rows_read: int
    bytes_read: int
    rows_written: int
    bytes_written: int
    elapsed_s: float


class Engine:
    """One engine per process and per directory; `run` may be called from several threads at once."""

    def __init__(self, directory: Path, limits: Limits) -> None:
        self._directory = directory.absolute()
        self._limits = limits
        self._anchor: Any = None  # the engine lives as long as one connection does
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
            config = _write_config(Path(folder), self._limits)
            try:
                self._anchor = native.connect(f"{self._directory}?config-file={config}")
            except RuntimeError as exc:
                raise PermanentError(_why_not_opened(self._directory, exc)) from exc
        native.create_function("file", _refuse_file, ["String"], "String", on_null="pass")
        self._anchor.query(f"CREATE DATABASE IF NOT EXISTS {_quoted(database, '`')}")
        self.timezone = self._anchor.query("SELECT timezone()", "TabSeparatedRaw").data().strip()

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
        connection = _import_chdb().connect(f"{self._directory}{'' if statement.may_write else '?readonly=2'}")
        try:
            return _run_on(connection, statement)
        except RuntimeError as exc:
            raise _engine_error(str(exc)) from exc
        finally:
            connection.close()


def _run_on(connection: Any, statement: Statement) -> Result:
    _check_allowed(connection, statement)
    for preparation in _preparations(statement):
        connection.query(preparation)
    if statement.insert is not None:
        return _insert(connection, statement.insert, statement.data)
    result = connection.query(statement.sql, statement.format, params=dict(statement.parameters))
    return _as_result(result, result.get_memview().view())


def _check_allowed(connection: Any, statement: Statement) -> None:
    report = connection.classify_query(statement.sql)
    if report["statement_count"] > 1:
        raise EngineError(SYNTAX_ERROR, "Syntax error (Multi-statements are not allowed): expected one statement")
    kind = report["query_class"].name
    if kind == "READ_ONLY" or (kind == "UNKNOWN" and not report["statement_count"]):
        return  # what does not parse is left to the engine, which says where and why
    if not statement.may_write:
        raise EngineError(ACCESS_DENIED, "Not enough privileges: this user may only read, and over GET nobody may write")
    if kind != "MUTATING" and first_word(statement.sql) != b"INSERT":
        raise EngineError(
            ACCESS_DENIED,
            "Not allowed here: SET, USE, SYSTEM, KILL, BACKUP, INTO OUTFILE, and statements on users, functions or "
            "named collections. Settings and the database go into the URL",
        )


def _preparations(statement: Statement) -> Iterable[bytes]:
    if statement.database:
        yield f"USE {_quoted(statement.database, '`')}".encode()
    for name, value in statement.settings.items():
        if name not in _IGNORED_SETTINGS:
            yield f"SET {_quoted(name, '`')} = {_quoted(value, chr(39))}".encode()


def _insert(connection: Any, insert: Insert, data: Iterable[bytes]) -> Result:
    stream = connection.send_insert(insert.sql, insert.format)
    try:
        for chunk in filter(None, data):
            connection.insert_append(stream, chunk)
    except BaseException:
        connection.insert_cancel(stream)
        raise
    return _as_result(connection.insert_done(stream), memoryview(b""))


def _as_result(result: Any, body: memoryview) -> Result:
    return Result(
        body=body,
        rows_read=result.storage_rows_read(),
        bytes_read=result.storage_bytes_read(),
        rows_written=result.rows_written(),
        bytes_written=result.bytes_written(),
        elapsed_s=result.elapsed(),
    )


def _quoted(text: str, quote: str) -> str:
    escaped = text.replace("\\", "\\\\").replace(quote, "\\" + quote)
    return f"{quote}{escaped}{quote}"


def _engine_error(text: str) -> EngineError:
    if _NO_FILES in text:
        return EngineError(ACCESS_DENIED, f"{_NO_FILES}")
    code = _CODE.search(text)
    return EngineError(int(code[1]) if code else UNKNOWN, text)


def _refuse_file(path: str) -> str:
    """Stand in for the SQL function `file`, which reads any file of this machine and asks for no grant."""
    raise PermissionError(_NO_FILES)


def _import_chdb() -> Any:
    try:
        from chdb import _chdb  # noqa: PLC0415 - 400 ms and 500 MB of library, only for who runs it
    except ImportError as exc:
        raise PermanentError("the embedded engine is not installed: pip install 'andon[embedded]'") from exc
    return _chdb


def _why_not_opened(directory: Path, exc: RuntimeError) -> str:
    if "Cannot lock file" in str(exc):
        return f"the data directory {directory} is in use by another process"
    return f"the embedded engine cannot open {directory}: {exc}"


def _write_config(folder: Path, limits: Limits) -> Path:
    users, config = folder / "users.xml", folder / "config.xml"
    bounded = {
        "max_execution_time": limits.execution_time_s,
        "max_memory_usage": limits.query_memory_bytes,
        "max_result_bytes": limits.result_bytes,
    }
    values = "".join(f"<{name}>{value}</{name}>" for name, value in bounded.items())
    bounds = "".join(f"<{name}><min>1</min><max>{value}</max></{name}>" for name, value in bounded.items())
    users.write_text(
        "<clickhouse><profiles><default>"
        f"<implicit_select>0</implicit_select><allow_introspection_functions>0</allow_introspection_functions>{values}"
        f"<constraints>{bounds}</constraints>"
        "</default></profiles><quotas><default/></quotas>"
        "<users><default><no_password/><networks><ip>::/0</ip></networks><profile>default</profile><quota>default</quota>"
        f"<grants><query>GRANT {_GRANTS} ON *.*</query></grants>"
        "</default></users></clickhouse>"
    )
    config.write_text(
        f"<clickhouse><users_config>{escape(str(users))}</users_config>"
        f"<max_server_memory_usage>{limits.memory_bytes}</max_server_memory_usage>"
        "<mark_cache_size>268435456</mark_cache_size></clickhouse>"
    )
    return config
