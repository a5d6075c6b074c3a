"""Migrations: the schema as an append-only list of SQL files, applied once each, in order.

In: `migrations/NNNN_name.sql`. Out: tables in the configured database and a row a file in `migrations`. Running again
changes nothing; a file that was changed after it was applied is refused: the schema would no longer be what it says.
Then the TTLs that the configuration names.
"""

import hashlib
from collections.abc import Iterator
from dataclasses import dataclass
from importlib.resources import files

from exporters.clickhouse.client import Client
from exporters.clickhouse.retention import retain
from pipeline.errors import PermanentError

LEDGER = """
CREATE TABLE IF NOT EXISTS migrations
(
    Name String,
    Checksum String COMMENT 'SHA-256 of the file',
    AppliedAt DateTime64(3, 'UTC') DEFAULT now64(3)
)
ENGINE = ReplacingMergeTree ORDER BY Name
COMMENT 'Which changes of the schema were applied'
"""


@dataclass(frozen=True, slots=True)
class Migration:
    """One file: its name and its statements."""

    name: str
    text: str

    @property
    def checksum(self) -> str:
        return hashlib.sha256(self.text.encode()).hexdigest()

    def statements(self) -> Iterator[str]:
        """The statements, which the file ends with `;` at the end of a line."""
        for statement in self.text.split(";\n"):
            if any(line and not line.startswith("--") for line in statement.splitlines()):
                yield statement.strip().removesuffix(";")


def migrations() -> list[Migration]:
    """All there are, oldest first."""
    folder = files("exporters.clickhouse") / "migrations"
    found = [Migration(file.name.removesuffix(".sql"), file.read_text("utf-8")) for file in folder.iterdir()]
    return sorted((one for one in found if one.name[:1].isdigit()), key=lambda one: one.name)


def migrate(client: Client) -> list[str]:
    """Bring the database of `client` up to date; tell which migrations were applied.

    Raises:
        PermanentError: a migration that was applied reads differently now.
        RetryableError: ClickHouse is away.
    """
    client.command(f"CREATE DATABASE IF NOT EXISTS {client.database}", use_database=False)
    client.command(LEDGER)
    rows = client.query("SELECT Name, Checksum FROM migrations FINAL").to_pylist()
    applied = {row["Name"]: row["Checksum"] for row in rows}
    done = [migration.name for migration in migrations() if _apply(client, migration, applied.get(migration.name))]
    return done + [f"ttl of {table}" for table in retain(client, client.ttl)]


def _apply(client: Client, migration: Migration, checksum: str | None) -> bool:
    if checksum == migration.checksum:
        return False
    if checksum is not None:
        raise PermanentError(
            f"migration {migration.name} was applied with checksum {checksum[:12]} and now has "
            f"{migration.checksum[:12]}: expected applied migrations never to change; add a new one instead"
        )
    for statement in migration.statements():
        client.command(_twice_is_safe(statement))
    client.write(
        "migrations", [{"Name": migration.name, "Checksum": migration.checksum}], token=f"migration/{migration.name}"
    )
    return True


def _twice_is_safe(statement: str) -> str:
    """ClickHouse has no transactions over DDL: a migration cut off half-way must go on where it stopped."""
    for kind in ("TABLE", "MATERIALIZED VIEW", "VIEW"):
        statement = statement.replace(f"CREATE {kind} ", f"CREATE {kind} IF NOT EXISTS ", 1)
    return statement
