/** The service with a collector: what it sends, and what its log says. */
import { createServer, type IncomingMessage } from 'node:http';
import { once } from 'node:events';
import type { AddressInfo } from 'node:net';
import { expect, onTestFinished, test } from 'vitest';
import { readConfig } from '../../src/config.ts';
import { MetricsPage } from '../metrics/page.ts';
import { management } from '../support/http.ts';
import { testDatabase } from '../support/postgres.ts';
import { startService } from '../support/service.ts';
import { waitFor } from '../support/wait-for.ts';

const database = await testDatabase();
const traceId = '4bf92f3577b34da6a3ce929d0e0e4736';

interface Export {
  readonly url: string | undefined;
  readonly type: string | undefined;
  readonly body: Buffer;
}

/** What an OpenTelemetry collector gets. */
async function collector(): Promise<{ readonly url: string; readonly exports: readonly Export[] }> {
  const exports: Export[] = [];
  const server = createServer((request, response) => {
    void read(request).then((body) => {
      exports.push({ url: request.url, type: request.headers['content-type'], body });
      response.end();
    });
  });
  server.listen(0, '127.0.0.1');
  await once(server, 'listening');
  onTestFinished(() => {
    server.close();
    server.closeAllConnections();
  });
  return { url: `http://127.0.0.1:${(server.address() as AddressInfo).port}`, exports };
}

async function read(request: IncomingMessage): Promise<Buffer> {
  const chunks: Buffer[] = [];
  for await (const chunk of request) chunks.push(chunk);
  return Buffer.concat(chunks);
}

test('sends its spans to the collector, the last ones when it stops, and its log says which trace a line is of', async () => {
  const { url, exports } = await collector();
  const service = await startService({
    modules: ['test/tracing/fixtures/logs.ts'],
    flags: ['--database-url', database.url, '--otlp-endpoint', url],
  });
  const answer = await fetch(`${management(service.url)}/orchestrators/Logs`, {
    method: 'POST',
    headers: { traceparent: `00-${traceId}-00f067aa0ba902b7-01` },
  });
  expect(answer.status).toBe(202);
  const lines = await waitFor(
    () => {
      const found = service
        .output()
        .split('\n')
        .filter((line) => line.includes('from the '))
        .map((line) => JSON.parse(line));
      return found.length === 2 && found;
    },
    { what: 'the lines of user code' },
  );
  for (const line of lines) {
    expect(line).toMatchObject({
      trace_id: traceId,
      span_id: expect.stringMatching(/^[\da-f]{16}$/),
      trace_flags: '01',
    });
  }
  // Counted where they ran, in a thread.
  const seen = new MetricsPage(await (await fetch(`${service.url}/metrics`)).text());
  expect(seen.value('perdure_activities_ended_total', { name: 'Writes', status: 'Completed' })).toBe(1);
  expect(seen.value('perdure_orchestrations_started_total', { name: 'Logs' })).toBe(1);
  expect((await service.end('SIGTERM')).code).toBe(0);
  const sent = Buffer.concat(exports.map(({ body }) => body));
  expect(exports[0]).toMatchObject({ url: '/v1/traces', type: 'application/x-protobuf' });
  for (const name of [
    'create_orchestration:Logs',
    'orchestration:Logs',
    'activity:Writes',
    'service.name',
    'perdure',
  ]) {
    expect([name, sent.includes(name)]).toEqual([name, true]);
  }
  expect(sent.includes(Buffer.from(traceId, 'hex'))).toBe(true);
}, 90_000);

test('is off unless an endpoint is given, by the flag or as OpenTelemetry says', () => {
  const read = (env: Record<string, string>, otlpEndpoint?: string) =>
    readConfig({ flags: otlpEndpoint === undefined ? {} : { otlpEndpoint }, env }).traces;
  expect(read({})).toBe(undefined);
  expect(read({}, 'http://localhost:4318/')).toEqual({ url: 'http://localhost:4318/v1/traces' });
  expect(read({ OTEL_EXPORTER_OTLP_ENDPOINT: 'http://localhost:4318' })).toEqual({ url: undefined });
  expect(read({ OTEL_EXPORTER_OTLP_TRACES_ENDPOINT: 'http://localhost:4318/v1/traces' })).toEqual({ url: undefined });
  expect(read({ OTEL_SDK_DISABLED: 'true' }, 'http://localhost:4318')).toBe(undefined);
  expect(read({ OTEL_TRACES_EXPORTER: 'none' }, 'http://localhost:4318')).toBe(undefined);
  expect(() => read({}, 'localhost:4318')).toThrow(
    "--otlp-endpoint (OTEL_EXPORTER_OTLP_ENDPOINT) must be an http or https URL such as http://localhost:4318, not 'localhost:4318'.",
  );
  expect(() => read({ OTEL_EXPORTER_OTLP_PROTOCOL: 'grpc' }, 'http://localhost:4318')).toThrow(
    "OTEL_EXPORTER_OTLP_PROTOCOL must be http/protobuf, not 'grpc'.",
  );
});
