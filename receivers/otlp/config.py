"""What users write under `receivers.otlp`: the collector's names where it has one.

In: YAML. Out: `OtlpConfig`. Promised: without `insecure: true` nothing listens beyond this machine unless it asks for a
token and encrypts.
"""

import re
from collections.abc import Mapping
from typing import Annotated, Any, Self

from pydantic import AfterValidator, BeforeValidator, Field, SecretStr, model_validator

from pipeline.config import Config, DurationNs, Endpoint, FilePath, SizeBytes, is_loopback, section, written
from pipeline.frame import MAX_TENANT_BYTES
from receivers.otlp.limits import LEAST_DEPTH, LONGEST_PAIR, MAX_DEPTH, MOST_ATTRIBUTES, Limits


class TlsConfig(Config):
    """Files in PEM. With `client_ca_file`, clients must show a certificate that it signed."""

    cert_file: FilePath
    key_file: FilePath
    client_ca_file: FilePath | None = None


class ServerParameters(Config):
    """How long a gRPC connection lives, give or take a tenth; clients then connect anew, maybe to another process."""

    max_connection_age: DurationNs = written("10m")
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


def _origin(value: str) -> str:
    if value == "*" or _ORIGIN.fullmatch(value):
        return value
    raise ValueError("`*`, or an origin such as https://shop.example.com or https://*.example.com")


_ORIGIN = re.compile(r"[a-z][a-z0-9+.-]*://[^/*\s]*\*?[^/*\s]*")
Origin = Annotated[str, AfterValidator(_origin)]
HeaderName = Annotated[str, Field(pattern=r"^(\*|[A-Za-z0-9-]+)$")]


class CorsConfig(Config):
    """Which web pages may send. None may by default; `*` stands for any text, once an origin."""

    allowed_origins: tuple[Origin, ...] = Field(default=(), strict=False)
    allowed_headers: tuple[HeaderName, ...] = Field(default=(), strict=False)
    max_age: DurationNs = written("2h")


class HttpConfig(Config):
    """OTLP/HTTP, protobuf and JSON."""

    endpoint: Endpoint = written("127.0.0.1:4318")
    tls: TlsConfig | None = None
    cors: CorsConfig = section()
    max_connections: int = Field(1000, ge=1)
    max_connection_age: DurationNs = written("10m")
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
    """Who may send: whoever shows `Authorization: Bearer` with a token from here. None of both means everybody."""

    bearer_tokens: tuple[Annotated[SecretStr, BeforeValidator(_token)], ...] = Field(default=(), strict=False)
    tokens_file: FilePath | None = None

    @property
    def asks(self) -> bool:
        """Whether a token is asked for at all."""
        return bool(self.bearer_tokens) or self.tokens_file is not None


class LimitsConfig(Config):
    """What one request, and one item in it, may be. More attributes and longer texts than these are cut."""

    max_items: int = Field(200_000, ge=1)
    max_attributes: int = Field(1024, ge=1, le=MOST_ATTRIBUTES)
    max_key_length: Annotated[SizeBytes, Field(ge=LONGEST_PAIR)] = written("1KiB")
    max_value_length: Annotated[SizeBytes, Field(ge=LONGEST_PAIR)] = written("256KiB")
    max_depth: int = Field(MAX_DEPTH, ge=LEAST_DEPTH, le=MAX_DEPTH)
    max_age: DurationNs = written("30d")
    max_future: DurationNs = written("1d")
    max_services: int = Field(10_000, ge=1)

    def of_items(self) -> Limits:
        """For scan and decode, which must be given the same."""
        return Limits(
            attributes=self.max_attributes,
            key_bytes=self.max_key_length,
            text_bytes=self.max_value_length,
            depth=self.max_depth,
        )


class QuotaConfig(Config):
    """What one tenant may send in the long run; after a rest, `burst` worth of it at once. Unlimited if not said."""

    requests_per_second: int | None = Field(None, ge=1)
    bytes_per_second: Annotated[SizeBytes, Field(ge=1)] | None = None
    items_per_second: int | None = Field(None, ge=1)
    burst: DurationNs = written("10s")


def tenant_name(value: str) -> str:
    """A tenant's name as it is written.

    Raises:
        ValueError: saying what a name looks like.
    """
    if re.fullmatch(r"[A-Za-z0-9][A-Za-z0-9._-]*", value) and len(value) <= MAX_TENANT_BYTES:
        return value
    raise ValueError(f"a name of letters, digits, dots, dashes and underscores, at most {MAX_TENANT_BYTES} of them")


Tenant = Annotated[str, AfterValidator(tenant_name)]


class QuotasConfig(Config):
    """A quota for each tenant, and for those who are not named; who has no tenant's token counts as one of those."""

    default: QuotaConfig = section()
    tenants: Mapping[Tenant, QuotaConfig] = section()


class RetriesConfig(Config):
    """How long, and how many, requests are remembered, so that one that comes again is not stored twice."""

    enabled: bool = True
    window: Annotated[DurationNs, Field(ge=1)] = written("5m")
    max_requests: int = Field(100_000, ge=1)


class OtlpConfig(Config):
    """The OTLP receiver."""

    protocols: ProtocolsConfig = ProtocolsConfig(grpc=GrpcConfig(), http=HttpConfig())
    auth: AuthConfig = AuthConfig()
    max_request_bytes: SizeBytes = written("64MiB")
    workers: int | None = Field(None, ge=1, le=1024)
    limits: LimitsConfig = section()
    quotas: QuotasConfig = section()
    retries: RetriesConfig = section()
    insecure: bool = False

    @model_validator(mode="after")
    def _is_safe(self) -> Self:
        for section_ in (self.protocols.grpc, self.protocols.http):
            if section_ is None or self.insecure or is_loopback(section_.endpoint):
                continue
            if section_.tls is None or not self.auth.asks:
                raise ValueError(
                    f"tls and auth.bearer_tokens (or auth.tokens_file) where others can connect "
                    f"({section_.endpoint}), or `insecure: true` to say that it may stand open"
                )
        return self
