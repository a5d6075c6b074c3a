"""What users write under `telemetry`: where Andon's own metrics, traces and health are to be had.

In: YAML. Out: `TelemetryConfig`. Promised: nothing listens beyond this machine, and no secret leaves it unencrypted,
unless `insecure: true` says so.
"""

from collections.abc import Mapping
from enum import StrEnum
from typing import Annotated, Self
from urllib.parse import urlsplit

from pydantic import AfterValidator, BeforeValidator, Field, SecretStr, model_validator

from pipeline.clock import NS_PER_S
from pipeline.config import Config, DurationNs, Endpoint, FilePath, is_loopback, written

SERVICE = "andon"  # our own service.name
ITSELF = "self"
PORT_OF = {"http": 80, "https": 443}


class Protocol(StrEnum):
    """The two transports of OTLP, as `OTEL_EXPORTER_OTLP_PROTOCOL` names them."""

    GRPC = "grpc"
    HTTP = "http/protobuf"


class HealthConfig(Config):
    """Where `/healthz`, `/readyz` and `/metrics` are answered: by ingest, and by the evaluator if it has a place."""

    endpoint: Endpoint = written("127.0.0.1:13133")
    evaluate: Endpoint | None = None
    insecure: bool = False

    @model_validator(mode="after")
    def _is_safe(self) -> Self:
        endpoints = [one for one in (self.endpoint, self.evaluate) if one is not None]
        if not self.insecure and not all(is_loopback(one) for one in endpoints):
            raise ValueError(
                "a loopback endpoint such as 127.0.0.1:13133, or `insecure: true` to say that everybody may read "
                "counts and states (there is no TLS and no token here)"
            )
        return self


class ClientTlsConfig(Config):
    """Files in PEM: whom we trust instead of the usual authorities, and the certificate we show."""

    ca_file: FilePath | None = None
    cert_file: FilePath | None = None
    key_file: FilePath | None = None

    @model_validator(mode="after")
    def _is_whole(self) -> Self:
        if (self.cert_file is None) != (self.key_file is None):
            raise ValueError("cert_file and key_file together, or neither")
        return self


def _target(value: str) -> str:
    if value == ITSELF:
        return value
    parts = urlsplit(value)
    if parts.scheme not in PORT_OF or not parts.hostname or parts.username or parts.query or parts.fragment:
        raise ValueError("`self`, or a URL such as http://127.0.0.1:4318, without /v1/…")
    return value.rstrip("/")


def _name(value: object) -> Protocol:
    if isinstance(value, str) and value in set(Protocol):
        return Protocol(value)
    raise ValueError(" or ".join(Protocol))


def _secret(value: object) -> SecretStr:
    if isinstance(value, SecretStr):
        return value
    if isinstance(value, str) and value.isascii() and value.isprintable():
        return SecretStr(value)
    raise ValueError("the value of a header: printable ASCII")


def _a_second(value: int) -> int:
    if value < NS_PER_S:
        raise ValueError("1s or longer")
    return value


class OtlpExportConfig(Config):
    """The collector, or Andon itself, that our own metrics and traces are sent to."""

    endpoint: Annotated[str, AfterValidator(_target)]
    protocol: Annotated[Protocol, BeforeValidator(_name)] = Protocol.HTTP
    headers: Mapping[str, Annotated[SecretStr, BeforeValidator(_secret)]] = Field(default_factory=dict)
    interval: Annotated[DurationNs, AfterValidator(_a_second)] = written("1m")
    timeout: Annotated[DurationNs, AfterValidator(_a_second)] = written("10s")
    tls: ClientTlsConfig = ClientTlsConfig()
    insecure: bool = False

    @model_validator(mode="after")
    def _is_safe(self) -> Self:
        url = urlsplit(self.endpoint)
        if self.headers and url.scheme == "http" and not self.insecure:
            address = f"[{url.hostname}]:{url.port or PORT_OF['http']}"
            if not is_loopback(address):
                raise ValueError("https where headers are sent to another machine, or `insecure: true`")
        return self


class TracesConfig(Config):
    """One trace for each chunk: receive, decode, count, insert."""

    sampling_percentage: float = Field(0.0, ge=0, le=100)


class TelemetryConfig(Config):
    """Andon's own telemetry."""

    health: HealthConfig | None = HealthConfig()
    otlp: OtlpExportConfig | None = None
    traces: TracesConfig = TracesConfig()

    @model_validator(mode="after")
    def _traces_go_somewhere(self) -> Self:
        if self.traces.sampling_percentage and self.otlp is None:
            raise ValueError("`otlp`, which says where traces go, or no traces")
        return self
