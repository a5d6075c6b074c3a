"""What users write about the status page."""

from typing import Annotated

from pydantic import AfterValidator, Field, ValidationInfo, field_validator

from pipeline.config import Config, DurationNs, Endpoint, FilePath, host_and_port, is_loopback, written


def _web_address(value: str) -> str:
    if value and not value.startswith(("http://", "https://")):
        raise ValueError("the page's public address, such as https://status.example.com")
    return value.rstrip("/")


class StatusPageConfig(Config):
    """The public page. `insecure` says in words that it may be reached from elsewhere without TLS of its own."""

    name: str = Field("Acme", min_length=1, max_length=60)
    url: Annotated[str, AfterValidator(_web_address)] = ""
    insecure: bool = False
    endpoint: Endpoint = "127.0.0.1:8080"
    refresh: DurationNs = written("2s")
    snapshot: FilePath = written("data/statuspage.json")

    @field_validator("endpoint")
    @classmethod
    def _loopback_or_said_so(cls, endpoint: str, info: ValidationInfo) -> str:
        if not info.data.get("insecure") and not is_loopback(endpoint):
            raise ValueError("a loopback endpoint such as 127.0.0.1:8080, or insecure: true (the page speaks no TLS)")
        return endpoint

    @property
    def host(self) -> str:
        return host_and_port(self.endpoint)[0]

    @property
    def port(self) -> int:
        return host_and_port(self.endpoint)[1]
