"""The one way to ClickHouse: clickhouse-connect over HTTP, the same for the embedded engine, a server and a cluster.

In: SQL, rows, Arrow. Out: Arrow tables, or one of the two errors that components understand. An insert is
synchronous, has a deduplication token, and is done when it returns. Connecting happens on first use, so that whoever
holds a client may start before ClickHouse does. One client serves many threads.
"""

import json
import threading
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from datetime import UTC, datetime
from decimal import Decimal
from fractions import Fraction
from typing import Any, cast

import clickhouse_connect
import pyarrow as pa
from clickhouse_connect.driver.client import Client as Connection
from clickhouse_connect.driver.exceptions import ClickHouseError, DatabaseError, OperationalError
from clickhouse_connect.driver.httputil import get_pool_manager
from pydantic import Field, SecretStr, field_validator

from exporters.clickhouse.tables import TELEMETRY
from pipeline.clock import NS_PER_S
from pipeline.config import Config, DurationNs, written
from pipeline.errors import AndonError, PermanentError, RetryableError

RETRY_AFTER_S = 1.0
# What the state of the store explains, rather than the query or the data: it may be mended while we wait.
PASSING_CODES = frozenset(
    {
        60,  # UNKNOWN_TABLE: not migrated yet
        81,  # UNKNOWN_DATABASE
        159,  # TIMEOUT_EXCEEDED
        192,  # UNKNOWN_USER
        202,  # TOO_MANY_SIMULTANEOUS_QUERIES
        209,  # SOCKET_TIMEOUT
        210,  # NETWORK_ERROR
        241,  # MEMORY_LIMIT_EXCEEDED
        242,  # TABLE_IS_READ_ONLY
        243,  # NOT_ENOUGH_SPACE
        252,  # TOO_MANY_PARTS
        497,  # ACCESS_DENIED
        516,  # AUTHENTICATION_FAILED
        999,  # KEEPER_EXCEPTION
    }
)
INSERT_SETTINGS = {
    "async_insert": "0",  # done means done
    # One block an insert, so that one that is refused leaves nothing behind: its rows come again under other tokens.
    "min_insert_block_size_rows": "0",
    "min_insert_block_size_bytes": str(1 << 30),
    "max_partitions_per_insert_block": "0",  # one client's scattered timestamps never refuse everybody's chunk
    "date_time_input_format": "best_effort",
    "input_format_skip_unknown_fields": "0",
}
MAX_DECIMALS = 12
LONG_QUERY = 100_000


class Credentials(Config):
    """A ClickHouse user."""

    username: str = Field(min_length=1)
    password: SecretStr = Field(strict=False)


class ClickHouseConfig(Config):
    """Where ClickHouse is, and who we are there: ingest and evaluate write, people only read, the page what it shows.

    Without a user of its own the page is the reader.
    """

    endpoint: str = "http://127.0.0.1:8123"
    database: str = Field("andon", pattern=r"^[A-Za-z_][A-Za-z0-9_]*$")
    writer: Credentials | None = None
    reader: Credentials | None = None
    page: Credentials | None = None
    timeout: DurationNs = written("30s")
    ttl: dict[str, DurationNs] = Field(default_factory=dict)

    @field_validator("ttl")
    @classmethod
    def _is_telemetry(cls, value: dict[str, int]) -> dict[str, int]:
        wrong = [table for table in value if table not in TELEMETRY]
        if wrong:
            raise ValueError(f"a table of telemetry: {', '.join(TELEMETRY)}; not {wrong[0]}")
        return value

    @field_validator("endpoint")
    @classmethod
    def _is_url(cls, value: str) -> str:
        if not value.startswith(("http://", "https://")):
            raise ValueError("a URL such as http://127.0.0.1:8123")
        return value


class Client:
    """A connection that mends itself, and speaks in our two errors."""

    def __init__(self, config: ClickHouseConfig, user: Credentials) -> None:
        self._config = config
        self._user = user
        self._connection: Connection | None = None
        self._lock = threading.Lock()

    @property
    def database(self) -> str:
        return self._config.database

    @property
    def ttl(self) -> Mapping[str, int]:
        """How long tables are to keep their rows, in nanoseconds."""
        return self._config.ttl

    def close(self) -> None:
        """Let go of the connections; the next use makes new ones."""
        with self._lock:
            connection, self._connection = self._connection, None
        if connection is not None:
            connection.close()

    def query(self, sql: str, parameters: Mapping[str, Any] | None = None) -> pa.Table:
        """See `pipeline.component.Query`."""
        # Thousands of names in a query are more than ClickHouse reads by itself.
        settings = {"max_query_size": str(2 * len(sql))} if len(sql) > LONG_QUERY else None
        with _in_our_errors(sql):
            return self._connected().query_arrow(sql, dict(parameters or {}), settings, use_strings=True)

    def command(self, sql: str, *, use_database: bool = True) -> None:
        """Run one statement that returns nothing."""
        with _in_our_errors(sql):
            self._connected().command(sql, use_database=use_database)

    def write(self, table: str, rows: Sequence[Mapping[str, Any]], *, token: str) -> None:
        """See `pipeline.component.Write`."""
        if rows:
            body = "\n".join(json.dumps(row, default=_as_json) for row in rows)
            self.insert(table, list(rows[0]), body.encode(), "JSONEachRow", token=token)

    def insert(self, table: str, columns: Sequence[str], body: bytes | memoryview, fmt: str, *, token: str) -> None:
        """Insert a body in ClickHouse's format `fmt`, once for all time per (table, token). A memoryview is not copied.

        Raises:
            RetryableError: ClickHouse is away; the same call may be made again.
            PermanentError: ClickHouse refuses the rows.
        """
        settings = {**INSERT_SETTINGS, "insert_deduplication_token": token}
        with _in_our_errors(f"INSERT INTO {table}"):
            # Any buffer is sent as it is; the driver's annotation only knows some.
            self._connected().raw_insert(table, columns, cast("bytes", body), settings, fmt)

    def _connected(self) -> Connection:
        with self._lock:
            if self._connection is None:
                self._connection = self._connect()
            return self._connection

    def _connect(self) -> Connection:
        timeout_s = self._config.timeout / NS_PER_S
        connection = clickhouse_connect.get_client(
            dsn=self._config.endpoint,
            interface=self._config.endpoint.partition("://")[0],  # else the driver guesses it from the port
            username=self._user.username,
            password=self._user.password.get_secret_value(),
            database="__default__",
            compress=False,
            connect_timeout=min(timeout_s, 5),
            send_receive_timeout=timeout_s,
            query_retries=0,
            autogenerate_session_id=False,
            pool_mgr=get_pool_manager(maxsize=8, num_pools=1),
        )
        connection.database = self._config.database  # only now: before the first migration there is none
        return connection


@contextmanager
def _in_our_errors(what: str) -> Iterator[None]:
    try:
        yield
    except AndonError:
        raise
    except (OperationalError, OSError) as error:
        raise RetryableError(f"ClickHouse is away: {_short(error)}", retry_after_s=RETRY_AFTER_S) from error
    except DatabaseError as error:
        text = f"ClickHouse refused {_first_line(what)}: {_short(error)}"
        if error.code is None or error.code in PASSING_CODES:
            raise RetryableError(text, retry_after_s=RETRY_AFTER_S) from error
        raise PermanentError(text) from error
    except ClickHouseError as error:
        raise RetryableError(f"ClickHouse is away: {_short(error)}", retry_after_s=RETRY_AFTER_S) from error


def _first_line(sql: str) -> str:
    return sql.strip().splitlines()[0][:80]


def _short(error: Exception) -> str:
    return " ".join(str(error).split())[:500]


def _as_json(value: object) -> str:
    """Values JSON has no word for, as ClickHouse reads them."""
    if isinstance(value, datetime):
        return value.astimezone(UTC).strftime("%Y-%m-%dT%H:%M:%S.%fZ")
    if isinstance(value, Fraction):
        return f"{Decimal(value.numerator) / Decimal(value.denominator):.{MAX_DECIMALS}f}"
    if isinstance(value, Decimal):
        return str(value)
    raise TypeError(f"expected a JSON value, datetime, Fraction or Decimal, got {type(value).__name__}")
