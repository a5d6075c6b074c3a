"""What `andon.yaml` may say, and how its sections become parts.

In: the path of `andon.yaml`. Out: `AndonConfig`, or `ConfigError` with every problem. Paths in it are relative to the
file.
"""

import os
from pathlib import Path

from pydantic import SecretStr

from exporters.clickhouse import roles
from exporters.clickhouse.client import ClickHouseConfig, Client, Credentials
from exporters.clickhouse.embedded import EmbeddedSettings
from exporters.clickhouse.roles import Role
from pipeline.config import Config, FilePath, host_and_port, load, one_problem, section, written
from pipeline.errors import ConfigError, PermanentError, Problem
from pipeline.spool import SpoolConfig
from pipeline.telemetry_config import ITSELF, Protocol, TelemetryConfig
from processors.incidents.config import EvaluateConfig
from processors.stored.config import ProcessorsConfig
from receivers.otlp.config import OtlpConfig
from statuspage.config import StatusPageConfig

ADMIN_PASSWORD = "ANDON_ADMIN_PASSWORD"  # noqa: S105  # its name
HERE = {"0.0.0.0": "127.0.0.1", "[::]": "[::1]"}  # noqa: S104  # how to reach who listens everywhere


class ReceiversConfig(Config):
    """The doors."""

    otlp: OtlpConfig = section()


class EmbeddedConfig(Config):
    """ClickHouse's engine on this machine, at `clickhouse.endpoint` and with its two users."""

    directory: FilePath = written("data/clickhouse")
    insecure: bool = False


class AndonConfig(Config):
    """All of `andon.yaml`. Every program reads the same file and takes the sections it needs."""

    receivers: ReceiversConfig = section()
    processors: ProcessorsConfig = section()
    spool: SpoolConfig = section()
    clickhouse: ClickHouseConfig = section()
    embedded: EmbeddedConfig | None = None
    objectives: FilePath = written("slo")
    evaluate: EvaluateConfig = section()
    statuspage: StatusPageConfig = section()
    telemetry: TelemetryConfig = section()


class Assembly:
    """`andon.yaml` with the folder it stands in: what the programs are built from."""

    def __init__(self, path: Path) -> None:
        documents = load(path)
        if len(documents) != 1:
            raise one_problem(path, expected="one YAML document", got=str(len(documents)))
        self.path = path
        self._document = documents[0]
        self.config = self._document.parse(AndonConfig)

    def writer(self) -> Client:
        """A client that may write."""
        return Client(self.config.clickhouse, self._user("writer"))

    def reader(self) -> Client:
        """A client that may only read."""
        return Client(self.config.clickhouse, self._user("reader"))

    def page(self) -> Client:
        """A client that may read what the status page shows, if it has a user of its own; else the reader."""
        return Client(self.config.clickhouse, self.config.clickhouse.page or self._user("reader"))

    def administrator(self, username: str) -> Client:
        """A client that may make users; its password is never in a file of ours."""
        password = os.environ.get(ADMIN_PASSWORD)
        if not password:
            raise PermanentError(f"expected the password of {username} in the environment variable {ADMIN_PASSWORD}")
        return Client(self.config.clickhouse, Credentials(username=username, password=SecretStr(password)))

    def roles(self) -> list[tuple[Role, Credentials]]:
        """Who is to have which role on a ClickHouse server."""
        if self.config.embedded is not None:
            raise self._error(("embedded",), "a ClickHouse server: the embedded engine knows its users from this file")
        database, page = self.config.clickhouse.database, self.config.clickhouse.page
        users = [(roles.writer(database), self._user("writer")), (roles.sre(database), self._user("reader"))]
        return users + ([(roles.page(database), page)] if page else [])

    def embedded_settings(self) -> EmbeddedSettings:
        """The embedded engine, at the address and with the users that everybody else uses."""
        if self.config.embedded is None:
            raise self._error(("embedded",), "the embedded engine's directory here")
        writer, reader = self._user("writer"), self._user("reader")
        page = self.config.clickhouse.page
        scheme, _, address = self.config.clickhouse.endpoint.partition("://")
        host, _, port = address.rstrip("/").rpartition(":")
        if scheme != "http" or not host or not port.isdigit():
            raise self._error(("clickhouse", "endpoint"), "http://HOST:PORT, where the embedded engine is to listen")
        return EmbeddedSettings(
            host=host.strip("[]"),
            port=int(port),
            directory=self.config.embedded.directory,
            username=writer.username,
            password=_secret(writer.password),
            readonly_username=reader.username,
            readonly_password=_secret(reader.password),
            page_username=page.username if page else "",
            page_password=_secret(page.password) if page else "",
            database=self.config.clickhouse.database,
            insecure=self.config.embedded.insecure,
        )

    @property
    def telemetry_into_itself(self) -> bool:
        """Whether our own telemetry comes in by our own door."""
        otlp = self.config.telemetry.otlp
        return otlp is not None and otlp.endpoint == ITSELF

    def telemetry(self) -> TelemetryConfig:
        """Our own telemetry; where it is to come into Andon itself, with the address of a door and a token for it."""
        config = self.config.telemetry
        if config.otlp is None or not self.telemetry_into_itself:
            return config
        doors, auth = self.config.receivers.otlp.protocols, self.config.receivers.otlp.auth
        door, protocol = (doors.http, Protocol.HTTP) if doors.http else (doors.grpc, Protocol.GRPC)
        if door is None or host_and_port(door.endpoint)[1] == 0:
            raise self._error(("telemetry", "otlp", "endpoint"), "a URL: no OTLP receiver has an address here")
        tokens = [("authorization", SecretStr(f"Bearer {_secret(token)}")) for token in auth.bearer_tokens[:1]]
        update = {
            "endpoint": f"{'https' if door.tls else 'http'}://{_reachable(door.endpoint)}",
            "protocol": protocol,
            "headers": dict(tokens) | dict(config.otlp.headers),
        }
        return config.model_copy(update={"otlp": config.otlp.model_copy(update=update)})

    @property
    def health_endpoint(self) -> str | None:
        """Where ingest's health is to be had, if anywhere."""
        health = self.config.telemetry.health
        return health.endpoint if health else None

    @property
    def evaluate_health_endpoint(self) -> str | None:
        """Where the evaluator's health is to be had, if anywhere."""
        health = self.config.telemetry.health
        return health.evaluate if health else None

    def health_file(self, number: int) -> Path:
        """Where worker `number` of ingest writes down where its own is."""
        return self.config.spool.directory / str(number) / "health"

    def _user(self, role: str) -> Credentials:
        user: Credentials | None = getattr(self.config.clickhouse, role)
        if user is None:
            raise self._error(("clickhouse", role), "a username and a password, for what you started")
        return user

    def problem(self, path: tuple[str, ...], expected: str, hint: str = "") -> Problem:
        """Something wrong at `path` that only shows when a program starts."""
        return self._document.problem(path, expected=expected, hint=hint)

    def _error(self, path: tuple[str, ...], expected: str) -> ConfigError:
        return ConfigError([self.problem(path, expected)])


def _secret(value: SecretStr) -> str:
    return value.get_secret_value()


def _reachable(endpoint: str) -> str:
    """The address that leads to who listens on `endpoint`, from this machine."""
    host, _, port = endpoint.rpartition(":")
    return f"{HERE.get(host, host)}:{port}"
