"""Who may do what: three roles, as SQL for a server and as grants for the embedded engine.

    writer   ingest, evaluate and migrate: all of the database, and nothing beside it
    sre      people and dashboards: read everything, within a share of the machine
    page     the public status page: the columns that it shows, so that who takes it over learns nothing else

In: a database, and which user has which role. Out: statements, to be read or run. Promised: run twice they change
nothing; a role that was wider before is narrowed; no password is printed, and none leaves here but as a salted digest.
"""

import hashlib
import secrets
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass

from exporters.clickhouse.client import Client, Credentials
from pipeline.sql import quoted

# What `statuspage.store` and `statuspage.daysums` select.
PAGE_COLUMNS: Mapping[str, tuple[str, ...]] = {
    "definitions": ("At", "Kind", "Name", "Generation", "Service", "Document", "Active"),
    "slo_status": (
        *("At", "Kind", "Promise", "Generation", "Service", "Indicator", "IndicatorGeneration", "Law", "Target"),
        *("WindowStart", "WindowEnd", "LastEventAt", "Good", "Valid", "BudgetRemaining", "Coverage"),
        *("LiveGood", "LiveValid"),
    ),
    "incidents": (),  # all of them
    "incident_updates": ("Id", "IncidentId", "At", "Status", "Body", "Automatic"),
    "sli_slices": ("Indicator", "Slice", "Good", "Valid"),
}
SRE_SYSTEM_TABLES = ("tables", "columns", "parts", "databases", "settings", "functions", "processes")
PER = "1 hour"


@dataclass(frozen=True, slots=True, kw_only=True)
class Role:
    """What somebody may do: `grants` as they stand after GRANT, bounds of a query, and of each user's queries `PER`."""

    name: str
    grants: tuple[str, ...]
    settings: tuple[str, ...] = ()
    quota: tuple[str, ...] = ()

    @property
    def grant(self) -> str:
        return f"GRANT {', '.join(self.grants)}"

    def statements(self) -> Iterator[str]:
        """What makes the role what it is."""
        name = quoted(self.name, "`")
        yield f"CREATE ROLE IF NOT EXISTS {name}"
        yield f"{self.grant} TO {name} WITH REPLACE OPTION"
        if self.settings:
            yield f"CREATE SETTINGS PROFILE OR REPLACE {name} SETTINGS {', '.join(self.settings)} TO {name}"
        if self.quota:
            bounds = ", ".join(self.quota)
            yield f"CREATE QUOTA OR REPLACE {name} KEYED BY user_name FOR INTERVAL {PER} MAX {bounds} TO {name}"


def writer(database: str) -> Role:
    """Ingest, evaluate and migrate."""
    kinds = "SELECT, SHOW, INSERT, ALTER, CREATE DATABASE, CREATE TABLE, CREATE VIEW, DROP TABLE, DROP VIEW, OPTIMIZE"
    return Role(name="andon_writer", grants=(f"{kinds} ON {quoted(database, '`')}.*",))


def sre(database: str) -> Role:
    """People and dashboards."""
    system = tuple(f"SELECT ON system.{table}" for table in SRE_SYSTEM_TABLES)
    return Role(
        name="andon_sre",
        grants=(f"SELECT, SHOW ON {quoted(database, '`')}.*", *system),
        settings=(
            *_reading(seconds=60, memory_bytes=2 << 30),
            "max_rows_to_read = 2000000000 MIN 1 MAX 2000000000",
            "max_result_bytes = 268435456 MIN 1 MAX 268435456",
        ),
        quota=("queries = 10000", "execution_time = 1800", "read_rows = 100000000000"),
    )


def page(database: str) -> Role:
    """The public status page."""
    return Role(
        name="andon_page",
        grants=tuple(
            f"SELECT{_listed(columns)} ON {quoted(database, '`')}.{table}" for table, columns in PAGE_COLUMNS.items()
        ),
        settings=_reading(seconds=30, memory_bytes=1 << 30),
        quota=("queries = 20000",),
    )


def _listed(columns: Sequence[str]) -> str:
    return f"({', '.join(columns)})" if columns else ""


def _reading(*, seconds: int, memory_bytes: int) -> tuple[str, ...]:
    return (
        "readonly = 2",  # clients may choose formats
        f"max_execution_time = {seconds} MIN 1 MAX {seconds}",
        f"max_memory_usage = {memory_bytes} MIN 1 MAX {memory_bytes}",
    )


def script(assigned: Iterable[tuple[Role, Credentials]]) -> Iterator[str]:
    """Every role and who has it, to be read and run by an administrator; whoever runs it sets the passwords."""
    for role, user in assigned:
        yield from (f"{statement};" for statement in role.statements())
        name = quoted(user.username, "`")
        yield f"-- CREATE USER IF NOT EXISTS {name} IDENTIFIED BY '…';"
        yield f"GRANT {quoted(role.name, '`')} TO {name};"


def make(client: Client, assigned: Iterable[tuple[Role, Credentials]]) -> list[str]:
    """Make the roles and their users as an administrator; tell who may do what now. An existing user stays as it is.

    Raises:
        PermanentError: ClickHouse refuses it.
        RetryableError: ClickHouse is away, or the administrator may not.
    """
    done = []
    for role, user in assigned:
        for statement in (*role.statements(), *_user_statements(role, user)):
            client.command(statement, use_database=False)
        done.append(f"{user.username} is {role.name}")
    return done


def _user_statements(role: Role, user: Credentials) -> Iterator[str]:
    """The password goes as a salted digest, on a line that no error repeats."""
    salt, name = secrets.token_hex(16), quoted(user.username, "`")
    digest = hashlib.sha256(f"{user.password.get_secret_value()}{salt}".encode()).hexdigest().upper()
    yield f"CREATE USER IF NOT EXISTS {name}\nIDENTIFIED WITH sha256_hash BY '{digest}' SALT '{salt}'"
    yield f"GRANT {quoted(role.name, '`')} TO {name}"
