/** Completion webhooks: an addition to the API of Azure. */
import { createHmac } from 'node:crypto';
import { once } from 'node:events';
import { createServer, type IncomingHttpHeaders } from 'node:http';
import type { AddressInfo } from 'node:net';
import { pino } from 'pino';
import { afterAll, beforeAll, describe, expect, onTestFinished, test } from 'vitest';
import { createTaskHub, type TaskHub } from '../../src/task-hub.ts';
import { openPostgresStore } from '../../src/store/postgres/index.ts';
import { type SendWebhook, WebhookDelivery } from '../../src/worker/webhook-delivery.ts';
import { waitFor } from '../support/wait-for.ts';
import { functions } from './fixtures.ts';
import { type Api, expectEmpty, expectError, stage } from './support.ts';

const it6 = stage();
const secret = 'the secret of the webhooks';
let hub: TaskHub;
let api: Api;

beforeAll(async () => {
  const { url, schema } = it6.database;
  hub = createTaskHub({
    ...{ databaseUrl: url, schema, functions, taskHub: 'hooked', pollMs: 100 },
    ...{ webhookSecret: secret, durableHttp: { allow: ['127.0.0.1'] } },
  });
  await hub.start();
  api = await it6.server({}, hub);
});
afterAll(() => hub.stop());

interface Delivery {
  readonly headers: IncomingHttpHeaders;
  readonly body: string;
}

/** Somebody who is told; answers with these statuses in turn, the last one for ever. */
async function receiver(
  ...statuses: readonly number[]
): Promise<{ readonly url: string; readonly got: readonly Delivery[] }> {
  const got: Delivery[] = [];
  const server = createServer((request, response) => {
    let body = '';
    request.setEncoding('utf8').on('data', (text: string) => (body += text));
    request.on('end', () => {
      const status = statuses[Math.min(got.length, statuses.length - 1)] ?? 204;
      got.push({ headers: request.headers, body });
      response.writeHead(status, { location: '/elsewhere' }).end();
    });
  }).listen(0, '127.0.0.1');
  await once(server, 'listening');
  onTestFinished(() => {
    server.closeAllConnections();
    server.close();
  });
  return { url: `http://127.0.0.1:${(server.address() as AddressInfo).port}/hook?a=b`, got };
}

const start = (name: string, url: string, more = '', call = {}) =>
  api.post(`/orchestrators/${name}?completionWebhook=${encodeURIComponent(url)}${more}`, call);

async function waiting(): Promise<number> {
  return (await it6.query('select 1 from completion_webhooks')).length;
}

describe('a completion webhook', () => {
  test.each([
    ['Echo', 'Completed'],
    ['Boom', 'Failed'],
  ])('tells of the end of %s, signed', async (name, runtimeStatus) => {
    const { url, got } = await receiver();
    const started = await start(name, url, '&tag=a=b', { body: { a: 1 } });
    expect(started.statusCode, started.body).toBe(202);
    await waitFor(() => got.length > 0, { what: 'the delivery' });
    const [{ headers, body }] = got as [Delivery];
    expect(JSON.parse(body)).toEqual({
      type: 'orchestration.ended',
      timestamp: expect.stringMatching(/Z$/),
      data: {
        ...{ taskHub: 'hooked', name, instanceId: started.json().id, runtimeStatus, customStatus: null },
        createdTime: expect.stringMatching(/Z$/),
        lastUpdatedTime: expect.stringMatching(/Z$/),
      },
    });
    const { 'webhook-id': id, 'webhook-timestamp': time, 'webhook-signature': signature } = headers;
    const expected = createHmac('sha256', secret)
      .update(`${String(id)}.${String(time)}.${body}`)
      .digest('base64');
    expect(signature).toBe(`v1,${expected}`);
    expect(Math.abs(Number(time) - Date.now() / 1_000)).toBeLessThan(60);
    expect(headers['content-type']).toBe('application/json');
    await waitFor(async () => (await waiting()) === 0, { what: 'nothing to be left' });
    expect(got).toHaveLength(1);
  });

  test('tells nothing before the end, and then of an end without a turn too', async () => {
    const { url, got } = await receiver();
    const { id } = (await start('WaitGo', url)).json();
    await waitFor(async () => (await api.status(id))['runtimeStatus'] === 'Running');
    expect([got.length, await waiting()]).toEqual([0, 1]);
    expectEmpty(await api.post(`/instances/${id}/terminate`), 202);
    await waitFor(() => got.length === 1);
    expect(JSON.parse(got[0]?.body ?? '')).toMatchObject({ data: { instanceId: id, runtimeStatus: 'Terminated' } });
  });

  test('is registered once for a call that is repeated, and not at all for one that is refused', async () => {
    const { url, got } = await receiver();
    const call = { headers: { 'idempotency-key': 'hooked' } };
    const first = await start('Echo', url, '', call);
    const second = await start('Echo', url, '', call);
    expect(second.json().id).toBe(first.json().id);
    await waitFor(() => got.length === 1);
    await api.running('WaitGo', undefined, 'hook-taken');
    const path = `/orchestrators/Echo/hook-taken?completionWebhook=${encodeURIComponent(url)}`;
    expectError(await api.post(path), 409);
    expect((await api.post(`${path}&onExisting=return`)).statusCode).toBe(202);
    expect((await api.post(`${path}&onExisting=terminate`)).statusCode).toBe(202);
    await waitFor(() => got.length === 2);
    expect(JSON.parse(got[1]?.body ?? '')).toMatchObject({ data: { name: 'Echo', runtimeStatus: 'Completed' } });
    await waitFor(async () => (await waiting()) === 0);
  });

  test('may come from a start in process, and from one that waits', async () => {
    const { url, got } = await receiver();
    await hub.client.startNew('Echo', { input: 1, completionWebhook: url });
    expect((await start('Echo', url, '&timeout=20', { body: 'w' })).json()).toBe('w');
    await waitFor(() => got.length === 2);
  });

  test.each([
    'x',
    'ftp://127.0.0.1/x',
    'http://user:pw@127.0.0.1/x',
    `http://127.0.0.1/${'x'.repeat(2_000)}`,
    'http://10.0.0.7/x',
    'http://[::1]/x',
    'http://169.254.169.254/latest',
    'http://127.0.0.2/x',
    'http://',
  ])('to %s is 400, and nothing is started', async (url) => {
    const before = await it6.query('select count(*) from instances');
    expectError(await start('Echo', url), 400);
    expect(await it6.query('select count(*) from instances')).toEqual(before);
  });

  test('is 400 where there is no secret; an empty one is none', async () => {
    const answer = await it6.api.post('/orchestrators/Echo?completionWebhook=https://h.example/');
    expect(expectError(answer, 400)['ExceptionMessage']).toContain('--webhook-secret');
    expect((await it6.api.post('/orchestrators/Echo?completionWebhook=')).statusCode).toBe(202);
  });
});

describe('deliveries', () => {
  /** A process that delivers, impatiently, what the one under test does not. */
  function deliver(send: SendWebhook): WebhookDelivery {
    const store = openPostgresStore({ connectionString: it6.database.url, schema: it6.database.schema });
    const delivery = new WebhookDelivery({
      store: store.webhooks,
      notifications: store.notifications,
      send,
      secret: `whsec_${Buffer.from('raw').toString('base64')}`,
      pollMs: 20,
      firstRetryMs: 20,
      log: pino({ level: 'silent' }),
    });
    onTestFinished(async () => {
      await delivery.stop();
      await store.close();
    });
    delivery.start();
    return delivery;
  }

  /** An ended instance with a webhook that another hub's process has to deliver. */
  async function ended(id: string): Promise<string> {
    const [row] = await it6.query(
      `with made as (
         insert into instances (hub_id, instance_id, name, execution_id, status, completed_at)
         select id, $1, 'Echo', 'e', 'Completed', now() from task_hubs where name = 'hooked' returning key
       )
       insert into completion_webhooks (instance_key, url) select key, 'http://h.example/' || $1 from made returning instance_key`,
      [id],
    );
    return String(row?.['instance_key']);
  }

  test('are repeated with the same id until they are taken, redirects and errors alike', async () => {
    const { url, got } = await receiver(500, 302, 429, 200);
    await hub.stop();
    const key = await ended('retried');
    await it6.query('update completion_webhooks set url = $2 where instance_key = $1', [key, url]);
    const answers: number[] = [];
    deliver(async ({ headers, body }) => {
      const response = await fetch(url, { method: 'POST', headers, body, redirect: 'manual' });
      answers.push(response.status);
      if (answers.length === 2) throw new Error('cut off');
      return response.status;
    });
    await waitFor(async () => (await waiting()) === 0, { what: 'the delivery to be taken' });
    expect(answers).toEqual([500, 302, 429, 200]);
    expect(new Set(got.map((one) => one.headers['webhook-id'])).size).toBe(1);
    const { headers, body } = got[0] as Delivery;
    const signed = `${String(headers['webhook-id'])}.${String(headers['webhook-timestamp'])}.${body}`;
    const expected = createHmac('sha256', 'raw').update(signed).digest('base64');
    expect(headers['webhook-signature']).toBe(`v1,${expected}`);
  });

  test('are given up a day after the end, and dropped with their instance', async () => {
    const old = await ended('old');
    await it6.query(`update instances set completed_at = now() - interval '25 hours' where key = $1`, [old]);
    const purged = await ended('purged');
    await it6.query('delete from instances where key = $1', [purged]);
    let tries = 0;
    deliver(() => {
      tries += 1;
      return Promise.resolve(500);
    });
    await waitFor(async () => (await waiting()) === 0);
    expect(tries).toBe(1);
  });

  test('are made by one of many processes', async () => {
    const ids = Array.from({ length: 50 }, (_, n) => `shared-${n}`);
    for (const id of ids) await ended(id);
    const told: string[] = [];
    for (let process = 0; process < 3; process += 1) {
      deliver(({ url }) => {
        told.push(url);
        return Promise.resolve(200);
      });
    }
    await waitFor(async () => (await waiting()) === 0);
    expect([...told].sort()).toEqual(ids.map((id) => `http://h.example/${id}`).sort());
  });

  test('that a process was about to make when it stopped are made by the next', async () => {
    await ended('handed-over');
    let begun = false;
    const first = deliver(
      (_, signal) =>
        new Promise((_resolve, reject) => {
          begun = true;
          signal.addEventListener('abort', () => reject(new Error('stopped')));
        }),
    );
    await waitFor(() => begun);
    await first.stop();
    let told = 0;
    deliver(() => {
      told += 1;
      return Promise.resolve(200);
    });
    await waitFor(async () => (await waiting()) === 0);
    expect(told).toBe(1);
  });
});
