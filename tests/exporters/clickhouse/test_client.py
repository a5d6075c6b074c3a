"""The client: rows go in once, and errors say whether to try again."""

from datetime import UTC, datetime
from fractions import Fraction

import pyarrow as pa
import pytest
from pydantic import SecretStr

from exporters.clickhouse.client import ClickHouseConfig, Client, Credentials
from exporters.clickhouse.insert import Inserts
from fixtures.store import Store
from pipeline.errors import PermanentError, RetryableError

AT = datetime(2026, 11, 1, 12, 30, 15, 250_000, tzinfo=UTC)
UPDATE = {
    "Id": "u1",
    "IncidentId": "i1",
    "At": AT,
    "Status": "investigating",
    "Body": 'It\'s "broken"\n\\ 🙂',
    "Automatic": True,
    "Author": "",
}


def test_rows_come_back_as_they_went_in(store: Store) -> None:
    """Text with quotes, new lines and emoji; times to the millisecond; booleans."""
    store.client.write("incident_updates", [UPDATE], token="t")
    assert store.client.query("SELECT * FROM incident_updates").to_pylist() == [UPDATE]


def test_the_same_token_stores_once(store: Store) -> None:
    """A retry after a lost answer must not count twice."""
    for _ in range(3):
        store.client.write("incident_updates", [UPDATE], token="t")
    store.client.write("incident_updates", [UPDATE], token="u")
    assert len(store.client.query("SELECT * FROM incident_updates")) == 2


def test_fractions_are_stored_to_twelve_decimals(store: Store) -> None:
    """Targets are decimals in the store, rationals in the code."""
    store.client.command("CREATE TABLE t (Target Decimal(18, 12)) ENGINE = Memory")
    store.client.write("t", [{"Target": Fraction(999, 1000)}], token="t")
    assert str(store.client.query("SELECT * FROM t").to_pylist()[0]["Target"]) == "0.999000000000"


def test_arrow_goes_in_once_per_token(store: Store) -> None:
    """Chunks are inserted as Arrow, with their id as the token."""
    record = pa.record_batch({"Worker": ["w"], "Signal": ["traces"], "Accepted": pa.array([3], pa.uint64())})
    insert = Inserts(store.client)
    insert("receiver_ledger", [record], token="c")
    insert("receiver_ledger", [record], token="c")
    assert store.client.query("SELECT sum(Accepted) AS n FROM receiver_ledger").to_pylist() == [{"n": 3}]


def test_parameters_are_bound_by_the_server(store: Store) -> None:
    """Nothing users say becomes SQL."""
    text = "'; DROP TABLE breaches; --"
    assert store.client.query("SELECT {t:String} AS t", {"t": text}).to_pylist() == [{"t": text}]


def test_a_store_that_is_away_is_worth_another_try() -> None:
    """Connecting to nobody is retryable, and happens on first use only."""
    config = ClickHouseConfig(endpoint="http://127.0.0.1:9")
    client = Client(config, Credentials(username="andon", password=SecretStr("p")))
    with pytest.raises(RetryableError, match="away"):
        client.query("SELECT 1")


@pytest.mark.parametrize(
    ("sql", "error"),
    [
        pytest.param("SELECT nonsense(", PermanentError, id="a query that is wrong stays wrong"),
        pytest.param("SELECT * FROM not_yet_migrated", RetryableError, id="a table may still be made"),
    ],
)
def test_errors_say_whether_to_try_again(store: Store, sql: str, error: type[Exception]) -> None:
    """What the store's state explains may pass; what the query explains will not."""
    with pytest.raises(error):
        store.client.query(sql)


def test_the_reader_cannot_write(store: Store) -> None:
    """The page and people read with a user that can do nothing else."""
    with pytest.raises((PermanentError, RetryableError)):
        store.reader.write("incident_updates", [UPDATE], token="t")
    assert len(store.reader.query("SELECT * FROM incident_updates")) == 0
