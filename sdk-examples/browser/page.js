// A page that says of itself how it loaded, and of every request how it was answered: OTLP/HTTP, straight to Andon.
import { OTLPTraceExporter } from '@opentelemetry/exporter-trace-otlp-http';
import { registerInstrumentations } from '@opentelemetry/instrumentation';
import { DocumentLoadInstrumentation } from '@opentelemetry/instrumentation-document-load';
import { FetchInstrumentation } from '@opentelemetry/instrumentation-fetch';
import { resourceFromAttributes } from '@opentelemetry/resources';
import { BatchSpanProcessor, WebTracerProvider } from '@opentelemetry/sdk-trace-web';

// What OTEL_* say elsewhere; a page has no environment, so whoever serves it writes it into the page.
const { endpoint, ...resource } = JSON.parse(document.getElementById('telemetry').textContent);

const exporter = new OTLPTraceExporter({ url: `${endpoint}/v1/traces` });
const spans = new BatchSpanProcessor(exporter, { scheduledDelayMillis: 500 });
new WebTracerProvider({ resource: resourceFromAttributes(resource), spanProcessors: [spans] }).register();
registerInstrumentations({
  instrumentations: [
    new DocumentLoadInstrumentation({ semconvStabilityOptIn: 'http' }),
    new FetchInstrumentation({ semconvStabilityOptIn: 'http', ignoreUrls: [endpoint] }),
  ],
});

document.getElementById('buy').addEventListener('click', async ({ target }) => {
  const answer = await fetch(`/orders/${target.dataset.order}`, { method: 'POST' });
  document.getElementById('said').textContent = answer.ok ? 'Thank you!' : 'Please try again.';
});
