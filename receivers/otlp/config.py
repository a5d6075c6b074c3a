"""What users write under `receivers.otlp`: the collector's names where it has one.

In: YAML. Out: `OtlpConfig`. Promised: without `insecure: true` nothing listens beyond this machine unless it asks for a
token and encrypts.
"""

from typing import Annotated, Any, Self

from pydantic import BeforeValidator, Field, SecretStr, model_validator

from pipeline.config import Config, DurationNs, Endpoint, FilePath, SizeBytes, is_loopback, written


class TlsConfig(Config):
    """Files in PEM. With `client_ca_file`, clients must show a certificate that it signed."""

    cert_file: FilePath
    key_file: FilePath
    client_ca_file: FilePath | None = None


class ServerParameters(Config):
    """How long a gRPC connection lives; a limit spreads clients over several processes again."""

    max_connection_age: DurationNs | None = None
    max_connection_age_grace: DurationNs = written("30s")


class EnforcementPolicy(Config):
    """How often a client may ping; some do every 10 s without a call."""

    min_time: DurationNs = written("5s")


class KeepaliveConfig(Config):
    """As the collector's `keepalive`."""

    server_parameters: ServerParameters = ServerParameters()
    enforcement_policy: EnforcementPolicy = EnforcementPolicy()


class GrpcConfig(Config):
    """OTLP/gRPC."""

    endpoint: Endpoint = written("127.0.0.1:4317")
    tls: TlsConfig | None = None
    keepalive: KeepaliveConfig = KeepaliveConfig()
    max_concurrent_streams: int = Field(128, ge=1)
    read_timeout: DurationNs = written("30s")
    threads: int = Field(8, ge=1, le=256)


class HttpConfig(Config):
    """OTLP/HTTP, protobuf and JSON."""

    endpoint: Endpoint = written("127.0.0.1:4318")
    tls: TlsConfig | None = None
    max_connections: int = Field(1000, ge=1)
    read_header_timeout: DurationNs = written("10s")
    read_timeout: DurationNs = written("30s")
    idle_timeout: DurationNs = written("1m")
    threads: int = Field(4, ge=1, le=256)


class ProtocolsConfig(Config):
    """Which transports listen: those that are named, with defaults where nothing is said of them."""

    grpc: GrpcConfig | None = None
    http: HttpConfig | None = None

    @model_validator(mode="before")
    @classmethod
    def _named_is_on(cls, data: Any) -> Any:
        if isinstance(data, dict):
            return {name: {} if section is None else section for name, section in data.items()}
        return data


def _token(value: object) -> SecretStr:
    if isinstance(value, str | SecretStr):
        secret = value if isinstance(value, SecretStr) else SecretStr(value)
        text = secret.get_secret_value()
        if text and text.isascii() and text.isprintable() and " " not in text:
            return secret
    raise ValueError("a token: printable ASCII without spaces")


class AuthConfig(Config):
    """Who may send: whoever shows `Authorization: Bearer` with one of these tokens. None means everybody."""

    bearer_tokens: tuple[Annotated[SecretStr, BeforeValidator(_token)], ...] = Field(default=(), strict=False)


class OtlpConfig(Config):
    """The OTLP receiver."""

    protocols: ProtocolsConfig = ProtocolsConfig(grpc=GrpcConfig(), http=HttpConfig())
    auth: AuthConfig = AuthConfig()
    max_request_bytes: SizeBytes = written("64MiB")
    workers: int | None = Field(None, ge=1, le=1024)
    insecure: bool = False

    @model_validator(mode="after")
    def _is_safe(self) -> Self:
        for section in (self.protocols.grpc, self.protocols.http):
            if section is None or self.insecure or is_loopback(section.endpoint):
                continue
            if section.tls is None or not self.auth.bearer_tokens:
                raise ValueError(
                    f"tls and auth.bearer_tokens where others can connect ({section.endpoint}), "
                    "or `insecure: true` to say that it may stand open"
                )
        return self
