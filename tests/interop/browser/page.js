// A page that tells what its visitor did: one bundle, all three signals, as OTLP/HTTP JSON.
import { SpanStatusCode, trace, context } from '@opentelemetry/api';
import { SeverityNumber } from '@opentelemetry/api-logs';
import { OTLPLogExporter } from '@opentelemetry/exporter-logs-otlp-http';
import { OTLPMetricExporter } from '@opentelemetry/exporter-metrics-otlp-http';
import { OTLPTraceExporter } from '@opentelemetry/exporter-trace-otlp-http';
import { resourceFromAttributes } from '@opentelemetry/resources';
import { BatchLogRecordProcessor, LoggerProvider } from '@opentelemetry/sdk-logs';
import { MeterProvider, PeriodicExportingMetricReader } from '@opentelemetry/sdk-metrics';
import { BatchSpanProcessor, WebTracerProvider } from '@opentelemetry/sdk-trace-web';

// Visit, and send everything to `endpoint` with `headers`; done once all has been answered or given up.
window.visit = async (endpoint, run, headers) => {
  const resource = resourceFromAttributes({ 'service.name': 'page', 'run.id': run });
  const to = (path) => ({ url: `${endpoint}${path}`, headers, timeoutMillis: 5000 });
  const spans = new BatchSpanProcessor(new OTLPTraceExporter(to('/v1/traces')));
  const records = new BatchLogRecordProcessor({ exporter: new OTLPLogExporter(to('/v1/logs')) });
  const reader = new PeriodicExportingMetricReader({ exporter: new OTLPMetricExporter(to('/v1/metrics')) });
  const tracing = new WebTracerProvider({ resource, spanProcessors: [spans] });
  const logging = new LoggerProvider({ resource, processors: [records] });
  const metering = new MeterProvider({ resource, readers: [reader] });

  const tracer = tracing.getTracer('page', '1.2.3');
  const visit = tracer.startSpan('visit', { attributes: { 'browser.mobile': false } });
  const click = tracer.startSpan('click', {}, trace.setSpan(context.active(), visit));
  click.setStatus({ code: SpanStatusCode.ERROR, message: 'käse' });
  click.end();
  visit.end();
  logging.getLogger('page').emit({ severityNumber: SeverityNumber.WARN, severityText: 'WARN', body: 'slow' });
  metering.getMeter('page').createCounter('clicks').add(3, { button: 'buy' });
  await Promise.allSettled([tracing.shutdown(), logging.shutdown(), metering.shutdown()]);
};
