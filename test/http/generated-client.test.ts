/** A TypeScript client made from the OpenAPI document works; that it compiles is in `generated-types.test.ts`. */
import { describe, expect, test } from 'vitest';
import { lintOpenApi } from '../../scripts/lint-openapi.ts';
import { stage } from './support.ts';

const it6 = stage({ systemKey: 'the-key' });
const calls = new URL('fixtures/generated-client.ts', import.meta.url);
test('its calls do what they say', async () => {
  const { callEverything } = (await import(calls.href)) as {
    callEverything(url: string, key: string, id: string): Promise<unknown>;
  };
  const url = await it6.api.app.listen({ port: 0, host: '127.0.0.1' });
  const instanceId = 'generated / 1'.replace('/', '+');
  expect(await callEverything(url, 'the-key', instanceId)).toEqual({
    started: true,
    refusal: 'One or more of the arguments submitted is incorrect',
    running: 'Running',
    tags: { team: 'payments' },
    statuses: [202, 202, 202, 202, 404],
    output: { by: 'Ann' },
    events: expect.arrayContaining(['ExecutionStarted', 'EventRaised', 'ExecutionCompleted']),
    input: '{"any":"JSON"}',
    ids: [instanceId],
    deleted: 1,
    actions: ['purge', 'resume', 'suspend'],
  });
});

describe('the document of a running service', () => {
  test('is as sound as the stored one, with the orchestrations that it runs', async () => {
    const { body } = await it6.api.send('GET', '/openapi.json');
    expect(await lintOpenApi(body)).toEqual([]);
    const { paths } = JSON.parse(body) as { paths: Record<string, { post?: { parameters?: { name: string }[] } }> };
    const own = paths['/runtime/webhooks/durabletask/orchestrators/Typed']?.post;
    expect(own?.parameters?.map((one) => one.name)).toEqual(expect.arrayContaining(['onExisting', 'timeout']));
    expect(own?.parameters?.map((one) => one.name)).not.toContain('functionName');
  });

  test('a document that is not sound is refused, and said where', async () => {
    const broken = JSON.stringify({
      openapi: '3.1.0',
      info: { title: 't', version: '1' },
      paths: { '/a': { get: {} } },
    });
    expect((await lintOpenApi(broken)).join('\n')).toMatch(/operation-operationId.*paths/);
  });
});
