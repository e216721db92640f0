import { expect, it } from 'vitest';
import { createTestEnvironment, inTurn, mockHttp, type MockHttpResponse } from 'perdure/testing';
import { reportMonitor } from './index.ts';

const input = 'https://reports.example/reports';
const accepted = { statusCode: 202, headers: { location: '/reports/7', 'retry-after': '600' } };
const ready = { headers: { 'content-type': 'application/json' }, content: '{"id":"7","rows":42}' };

it('asks every ten minutes, as it is told, until the report is ready', async () => {
  const seen: string[] = [];
  const answers = inTurn<MockHttpResponse>(accepted, accepted, accepted, ready);
  const server = mockHttp((request, context, call) => {
    seen.push(`${request.method} ${request.uri}`);
    return answers(request, context, call);
  });
  const env = createTestEnvironment({ functions: [reportMonitor, server] });
  const id = await env.client.startNew(reportMonitor, { input });
  await env.advance('30m');
  expect(await env.outputOf(id)).toEqual({ id: '7', rows: 42, contentType: 'application/json' });
  expect(seen).toEqual([
    'POST https://reports.example/reports',
    ...Array(3).fill('GET https://reports.example/reports/7'),
  ]);
});

it('gives up after an hour', async () => {
  const env = createTestEnvironment({ functions: [reportMonitor, mockHttp(() => accepted)] });
  const id = await env.client.startNew(reportMonitor, { input });
  await env.advance('1h');
  await expect(env.outputOf(id)).rejects.toThrow(/not ready within an hour/);
});

it('fails with the status that is none of a report', async () => {
  const env = createTestEnvironment({ functions: [reportMonitor, mockHttp(() => ({ statusCode: 404 }))] });
  await expect(env.run(reportMonitor, { input })).rejects.toThrow(/answered 404/);
});
