// A shop for one customer: spans, metrics and log records whose numbers the test knows.
// Where to, how, and as whom it sends is told by OTEL_* variables alone.
const { metrics, SpanKind, SpanStatusCode, trace } = require('@opentelemetry/api');
const { logs, SeverityNumber } = require('@opentelemetry/api-logs');
const { NodeSDK } = require('@opentelemetry/sdk-node');

const sdk = new NodeSDK();
sdk.start();

const tracer = trace.getTracer('shop', '1.2.3');
const meter = metrics.getMeter('shop', '1.2.3');
const logger = logs.getLogger('shop', '1.2.3');

tracer.startActiveSpan('POST /checkout', { kind: SpanKind.SERVER, attributes: { items: 2, total: 12.5, gift: true } }, (server) => {
  server.addEvent('paid', { currency: 'EUR' });
  logger.emit({ severityNumber: SeverityNumber.INFO, severityText: 'INFO', body: 'paid', attributes: { order: 42 } });
  const client = tracer.startSpan('charge', { kind: SpanKind.CLIENT, links: [{ context: server.spanContext() }] });
  client.setStatus({ code: SpanStatusCode.ERROR, message: 'declined' });
  client.end();
  server.end();
});
logger.emit({ severityNumber: SeverityNumber.ERROR, severityText: 'ERROR', body: { reason: 'declined', tries: 3 } });

const orders = meter.createCounter('orders', { unit: '{order}', description: 'Orders taken' });
orders.add(3, { currency: 'EUR' });
orders.add(4, { currency: 'EUR' });
orders.add(1, { currency: 'CHF' });
const latency = meter.createHistogram('latency', { unit: 'ms', advice: { explicitBucketBoundaries: [10, 100] } });
for (const ms of [5, 50, 50, 500]) latency.record(ms);
meter.createGauge('temperature', { unit: 'Cel' }).record(21.5);

sdk.shutdown().catch((error) => {
  console.error(error);
  process.exitCode = 1;
});
