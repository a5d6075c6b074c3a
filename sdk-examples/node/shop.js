// A shop that knows no OpenTelemetry: `--require @opentelemetry/auto-instrumentations-node/register` does the rest.
const http = require('node:http');
const log = require('pino')();

const server = http.createServer((request, response) => {
  const order = request.url.split('/').pop();
  const status = order === 'declined' ? 503 : 201;
  log[status === 503 ? 'error' : 'info']({ order }, status === 503 ? 'the card network did not answer' : 'sold');
  response.writeHead(status).end();
});

server.listen(Number(process.env.PORT ?? 0), '127.0.0.1', () => {
  console.log(`listening on http://127.0.0.1:${server.address().port}`);
});

// The instrumentation has a handler too, which sends what it still holds; Node then ends because nothing is left to do.
process.once('SIGTERM', () => server.close());
