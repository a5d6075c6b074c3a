"""Andon's own metrics and traces, by the OpenTelemetry SDK: made here, read by Prometheus, pushed over OTLP.

In: `telemetry` of `andon.yaml`. Out: a meter and a tracer for the instruments of one program; its metrics as Prometheus
text; with `otlp`, the same pushed every `interval`, and traces as they are sampled. Promised: no instrument waits for
an exporter; the SDK's global providers stay as they are.
"""

import socket
import threading

from opentelemetry.exporter.prometheus import PrometheusMetricReader
from opentelemetry.sdk.metrics import MeterProvider
from opentelemetry.sdk.metrics.export import PeriodicExportingMetricReader
from opentelemetry.sdk.resources import Resource
from opentelemetry.sdk.trace import TracerProvider
from opentelemetry.sdk.trace.export import BatchSpanProcessor
from opentelemetry.sdk.trace.sampling import TraceIdRatioBased
from prometheus_client import CollectorRegistry, generate_latest

from pipeline.component import Component
from pipeline.health import Health, HealthServer
from pipeline.telemetry_config import SERVICE, TelemetryConfig
from pipeline.telemetry_export import Exporters

NS_PER_MS = 1_000_000
SHUTDOWN_TIMEOUT_MS = 3_000


class Watched:
    """A program with telemetry and health, for one that does not have any by itself."""

    def __init__(self, component: Component, telemetry: "Telemetry", health: Health, endpoint: str | None) -> None:
        self._component = component
        self._telemetry = telemetry
        self._health = health
        self._server = HealthServer(endpoint, health.routes(telemetry.exposition))

    def start(self) -> None:
        self._server.start()
        self._telemetry.start()
        self._component.start()
        self._health.started = True

    def shutdown(self) -> None:
        self._health.stopping = True
        self._component.shutdown()
        self._telemetry.shutdown()
        self._server.shutdown()


class Telemetry:
    """The telemetry of one program. `meter` and `tracer` may be used at once; `start` begins to push."""

    def __init__(self, config: TelemetryConfig, program: str) -> None:
        """`program` names this process among those of this machine: `ingest`, `ingest-3`, `evaluate`."""
        self._config = config
        resource = Resource.create(
            {
                "service.name": SERVICE,
                "service.instance.id": f"{program}@{socket.gethostname()}",
                "andon.program": program,
            }
        )
        self._registry = CollectorRegistry()
        self._reading = threading.Lock()
        self._meters = MeterProvider(
            [PrometheusMetricReader(registry=self._registry, scope_info_enabled=False)],
            resource=resource,
            shutdown_on_exit=False,
        )
        share = config.traces.sampling_percentage / 100
        self._tracers = TracerProvider(TraceIdRatioBased(share), resource=resource, shutdown_on_exit=False)
        self._exporters: Exporters | None = None
        self._pushing: PeriodicExportingMetricReader | None = None
        self.meter = self._meters.get_meter(SERVICE)
        self.tracer = self._tracers.get_tracer(SERVICE)

    def start(self) -> None:
        """Begin to push, if `otlp` says where.

        Raises:
            PermanentError: a TLS file cannot be read.
        """
        if self._config.otlp is None:
            return
        self._exporters = Exporters(self._config.otlp)
        self._pushing = PeriodicExportingMetricReader(
            self._exporters.metrics,
            export_interval_millis=self._config.otlp.interval / NS_PER_MS,
            export_timeout_millis=self._config.otlp.timeout / NS_PER_MS,
        )
        self._meters.add_metric_reader(self._pushing)
        self._tracers.add_span_processor(BatchSpanProcessor(self._exporters.spans))

    def shutdown(self) -> None:
        """Push once more, for at most some seconds. Safe before `start`, and twice."""
        pushing, self._pushing = self._pushing, None
        if pushing is not None and self._exporters is not None:
            pushing.shutdown(timeout_millis=SHUTDOWN_TIMEOUT_MS)
            self._tracers.shutdown()
            self._exporters.shutdown()

    def exposition(self) -> bytes:
        """All metrics now, as Prometheus text."""
        with self._reading:  # the reader hands what it collected to whoever asks first
            return generate_latest(self._registry)
