"""Ten checkouts, told by hand: each a span, a count and a log record, as OTLP/HTTP.

In: OTEL_*, as every SDK reads them. Out: of ten orders two are declined, and all three signals say so.
"""

from collections.abc import Iterator
from contextlib import contextmanager

from opentelemetry._logs import SeverityNumber
from opentelemetry.exporter.otlp.proto.http._log_exporter import OTLPLogExporter
from opentelemetry.exporter.otlp.proto.http.metric_exporter import OTLPMetricExporter
from opentelemetry.exporter.otlp.proto.http.trace_exporter import OTLPSpanExporter
from opentelemetry.sdk._logs import LoggerProvider
from opentelemetry.sdk._logs.export import BatchLogRecordProcessor
from opentelemetry.sdk.metrics import MeterProvider
from opentelemetry.sdk.metrics.export import PeriodicExportingMetricReader
from opentelemetry.sdk.trace import TracerProvider
from opentelemetry.sdk.trace.export import BatchSpanProcessor
from opentelemetry.trace import StatusCode

CODE = "APP-ERR-SEV1-946"
ORDERS = 10
DECLINED = (4, 9)


@contextmanager
def providers() -> Iterator[tuple[TracerProvider, MeterProvider, LoggerProvider]]:
    """One of each signal; leaving the block sends what they still hold."""
    tracing, logging = TracerProvider(), LoggerProvider()
    metering = MeterProvider([PeriodicExportingMetricReader(OTLPMetricExporter())])
    tracing.add_span_processor(BatchSpanProcessor(OTLPSpanExporter()))
    logging.add_log_record_processor(BatchLogRecordProcessor(OTLPLogExporter()))
    try:
        yield tracing, metering, logging
    finally:
        for provider in (tracing, metering, logging):
            provider.shutdown()


def main() -> None:
    with providers() as (tracing, metering, logging):
        tracer, logger = tracing.get_tracer("checkout"), logging.get_logger("checkout")
        orders = metering.get_meter("checkout").create_counter(
            "shop.orders", unit="{order}", description="Orders taken"
        )
        for number in range(ORDERS):
            declined = number in DECLINED
            with tracer.start_as_current_span("checkout", attributes={"order.number": number}) as span:
                orders.add(1, {"outcome": "declined" if declined else "sold"})
                if declined:
                    span.set_status(StatusCode.ERROR, "the card network did not answer")
                    body = f"{CODE} the card network did not answer"
                    logger.emit(severity_number=SeverityNumber.FATAL, severity_text=CODE, body=body)
                else:
                    logger.emit(severity_number=SeverityNumber.INFO, severity_text="INFO", body=f"order {number} sold")


if __name__ == "__main__":
    main()
