"""Where our own telemetry is pushed: the SDK's OTLP exporters, built as `telemetry.otlp` says, and quiet.

In: `OtlpExportConfig`. Out: an exporter of metrics and one of spans. Promised: a target that does not take them is told
once in the log, with what the SDK last said of it, and once when it takes them again. Nothing on the way to this
machine goes through a proxy.
"""

import logging
import threading
from collections import deque
from collections.abc import Sequence
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import grpc
import requests
from opentelemetry.exporter.otlp.proto.grpc.metric_exporter import OTLPMetricExporter as GrpcMetricExporter
from opentelemetry.exporter.otlp.proto.grpc.trace_exporter import OTLPSpanExporter as GrpcSpanExporter
from opentelemetry.exporter.otlp.proto.http.metric_exporter import OTLPMetricExporter as HttpMetricExporter
from opentelemetry.exporter.otlp.proto.http.trace_exporter import OTLPSpanExporter as HttpSpanExporter
from opentelemetry.sdk.metrics.export import MetricExporter, MetricExportResult, MetricsData
from opentelemetry.sdk.trace import ReadableSpan
from opentelemetry.sdk.trace.export import SpanExporter, SpanExportResult

from pipeline.clock import NS_PER_S
from pipeline.config import is_loopback
from pipeline.errors import PermanentError
from pipeline.telemetry_config import OtlpExportConfig, Protocol

log = logging.getLogger("andon")

SDK_LOGGER = "opentelemetry.exporter"
MAX_WORDS = 2  # the last try, and why no further one was made


class Exporters:
    """`metrics` and `spans`; `shutdown` gives the SDK its own voice back."""

    def __init__(self, config: OtlpExportConfig) -> None:
        metrics, spans = _grpc(config) if config.protocol is Protocol.GRPC else _http(config)
        self._last_words = _LastWords()
        self._last_words.listen()
        self.metrics = _Metrics(metrics, _Delivery("metrics", config.endpoint, self._last_words))
        self.spans = _Spans(spans, _Delivery("traces", config.endpoint, self._last_words))

    def shutdown(self) -> None:
        """After the readers and processors that use them."""
        self._last_words.leave()


def _grpc(config: OtlpExportConfig) -> tuple[MetricExporter, SpanExporter]:
    tls = config.tls
    secure = urlsplit(config.endpoint).scheme == "https"
    credentials = grpc.ssl_channel_credentials(*map(_pem, (tls.ca_file, tls.key_file, tls.cert_file)))
    options: dict[str, Any] = {
        "endpoint": config.endpoint,
        "insecure": not secure,
        "credentials": credentials if secure else None,
        "headers": _headers(config),
        "timeout": config.timeout / NS_PER_S,
        "channel_options": (("grpc.enable_http_proxy", 0),) if _is_here(config) else None,
    }
    return GrpcMetricExporter(**options), GrpcSpanExporter(**options)


def _http(config: OtlpExportConfig) -> tuple[MetricExporter, SpanExporter]:
    tls = config.tls
    files = {"certificate_file": tls.ca_file, "client_key_file": tls.key_file, "client_certificate_file": tls.cert_file}
    options: dict[str, Any] = {
        **{name: str(path) for name, path in files.items() if _pem(path) is not None},
        "headers": _headers(config),
        "timeout": config.timeout / NS_PER_S,
    }
    metrics = HttpMetricExporter(endpoint=f"{config.endpoint}/v1/metrics", session=_session(config), **options)
    return metrics, HttpSpanExporter(endpoint=f"{config.endpoint}/v1/traces", session=_session(config), **options)


def _session(config: OtlpExportConfig) -> requests.Session:
    session = requests.Session()
    session.trust_env = not _is_here(config)
    return session


def _headers(config: OtlpExportConfig) -> dict[str, str]:
    return {name.lower(): value.get_secret_value() for name, value in config.headers.items()}


def _is_here(config: OtlpExportConfig) -> bool:
    return is_loopback(f"{urlsplit(config.endpoint).hostname}:0")


def _pem(path: Path | None) -> bytes | None:
    try:
        return path.read_bytes() if path else None
    except OSError as error:
        raise PermanentError(f"telemetry.otlp.tls: expected a readable file, got: {error}") from error


class _LastWords(logging.Handler):
    """Keeps what the SDK's exporters last said, instead of printing it at every interval."""

    def __init__(self) -> None:
        super().__init__(logging.WARNING)
        self._words: deque[str] = deque(maxlen=MAX_WORDS)

    def listen(self) -> None:
        logger = logging.getLogger(SDK_LOGGER)
        logger.addHandler(self)
        logger.propagate = False

    def leave(self) -> None:
        logger = logging.getLogger(SDK_LOGGER)
        logger.removeHandler(self)
        logger.propagate = not logger.handlers

    def emit(self, record: logging.LogRecord) -> None:
        self._words.append(record.getMessage())

    def __str__(self) -> str:
        return " ".join(self._words)


class _Delivery:
    """Whether the target takes what we send; told in the log when that changes."""

    def __init__(self, what: str, endpoint: str, last_words: _LastWords) -> None:
        self._what = what
        self._endpoint = endpoint
        self._last_words = last_words
        self._lock = threading.Lock()
        self._failing = False

    def told(self, *, delivered: bool) -> None:
        """One export came to its end."""
        with self._lock:
            if not delivered and not self._failing:
                log.warning("our own %s do not reach %s: %s", self._what, self._endpoint, self._last_words)
            if delivered and self._failing:
                log.info("our own %s reach %s again", self._what, self._endpoint)
            self._failing = not delivered


class _Metrics(MetricExporter):
    """An exporter of metrics whose fate is told once."""

    def __init__(self, exporter: MetricExporter, delivery: _Delivery) -> None:
        super().__init__()
        self._exporter = exporter
        self._delivery = delivery

    def export(self, metrics_data: MetricsData, timeout_millis: float = 10_000, **kwargs: Any) -> MetricExportResult:
        result = self._exporter.export(metrics_data, timeout_millis, **kwargs)
        self._delivery.told(delivered=result is MetricExportResult.SUCCESS)
        return result

    def force_flush(self, timeout_millis: float = 10_000) -> bool:
        return self._exporter.force_flush(timeout_millis)

    def shutdown(self, timeout_millis: float = 30_000, **kwargs: Any) -> None:
        self._exporter.shutdown(timeout_millis, **kwargs)


class _Spans(SpanExporter):
    """An exporter of spans whose fate is told once."""

    def __init__(self, exporter: SpanExporter, delivery: _Delivery) -> None:
        self._exporter = exporter
        self._delivery = delivery

    def export(self, spans: Sequence[ReadableSpan]) -> SpanExportResult:
        result = self._exporter.export(spans)
        self._delivery.told(delivered=result is SpanExportResult.SUCCESS)
        return result

    def shutdown(self) -> None:
        self._exporter.shutdown()
