// Serves the page and takes its orders.
const fs = require('node:fs');
const http = require('node:http');

const page = fs.readFileSync('index.html', 'utf8').replace('TELEMETRY', () =>
  JSON.stringify({
    endpoint: process.env.OTEL_EXPORTER_OTLP_ENDPOINT,
    'service.name': process.env.OTEL_SERVICE_NAME,
    'run.id': process.env.RUN,
  }).replaceAll('<', '\\u003c'),
);

const server = http.createServer(({ method, url }, response) => {
  if (method === 'POST') response.writeHead(url === '/orders/declined' ? 503 : 201).end();
  else if (url === '/page.bundle.js') response.setHeader('content-type', 'text/javascript').end(fs.readFileSync('build/page.bundle.js'));
  else if (url === '/') response.setHeader('content-type', 'text/html').end(page);
  else response.writeHead(404).end();
});

server.listen(Number(process.env.PORT ?? 0), '127.0.0.1', () => {
  console.log(`listening on http://127.0.0.1:${server.address().port}`);
});
