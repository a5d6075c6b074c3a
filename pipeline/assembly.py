"""What `andon.yaml` may say, and how its sections become parts.

In: the path of `andon.yaml`. Out: `AndonConfig`, or `ConfigError` with every problem. Paths in it are relative to the
file.
"""

from pathlib import Path

from pydantic import SecretStr

from exporters.clickhouse.client import ClickHouseConfig, Client, Credentials
from exporters.clickhouse.embedded import EmbeddedSettings
from pipeline.config import Config, FilePath, load, one_problem, section, written
from pipeline.errors import ConfigError, Problem
from pipeline.spool import SpoolConfig
from processors.incidents.config import EvaluateConfig
from processors.stored.config import ProcessorsConfig
from receivers.otlp.config import OtlpConfig
from statuspage.config import StatusPageConfig


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

    def embedded_settings(self) -> EmbeddedSettings:
        """The embedded engine, at the address and with the users that everybody else uses."""
        if self.config.embedded is None:
            raise self._problem(("embedded",), "the embedded engine's directory here")
        writer, reader = self._user("writer"), self._user("reader")
        scheme, _, address = self.config.clickhouse.endpoint.partition("://")
        host, _, port = address.rstrip("/").rpartition(":")
        if scheme != "http" or not host or not port.isdigit():
            raise self._problem(("clickhouse", "endpoint"), "http://HOST:PORT, where the embedded engine is to listen")
        return EmbeddedSettings(
            host=host.strip("[]"),
            port=int(port),
            directory=self.config.embedded.directory,
            username=writer.username,
            password=_secret(writer.password),
            readonly_username=reader.username,
            readonly_password=_secret(reader.password),
            insecure=self.config.embedded.insecure,
        )

    def _user(self, role: str) -> Credentials:
        user: Credentials | None = getattr(self.config.clickhouse, role)
        if user is None:
            raise self._problem(("clickhouse", role), "a username and a password, for what you started")
        return user

    def _problem(self, path: tuple[str, ...], expected: str) -> ConfigError:
        problem: Problem = self._document.problem(path, expected=expected)
        return ConfigError([problem])


def _secret(value: SecretStr) -> str:
    return value.get_secret_value()
