/** The journey of the README, over HTTP and with the embedded Postgres, as a newcomer does it. */
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { expect, it, onTestFinished } from 'vitest';
import { management, reach, send, type Answer } from '../support/http.ts';
import { startService, type Service } from '../support/service.ts';

const order = { id: 'A-1001', customer: 'Ann', item: 'T-shirt', amount: 30 };
const isWaiting = (status: Answer['body']): boolean => status.customStatus?.step === 'waiting for approval';
const hasEnded = (status: Answer['body']): boolean => /Completed|Failed|Terminated/.test(status.runtimeStatus);

async function startOnEmbedded(dataDir: string, ...flags: readonly string[]): Promise<Service> {
  return startService({ modules: ['samples/order'], flags: ['--data-dir', dataDir, ...flags] });
}

async function freshDataDir(): Promise<string> {
  const dataDir = await mkdtemp(join(tmpdir(), 'perdure-e2e-'));
  onTestFinished(() => rm(dataDir, { recursive: true, force: true, maxRetries: 20, retryDelay: 100 }));
  return dataDir;
}

async function place(url: string, more: object = {}): Promise<Answer> {
  const answer = await send('POST', `${url}/api/orders`, { ...order, ...more });
  expect(answer.status).toBe(202);
  return answer;
}

it('an order: placed, waiting, approved; another rejected, another too late, another ended and purged', async () => {
  const { url } = await startOnEmbedded(await freshDataDir());
  // This one takes ten seconds of retries; it is looked at in the end.
  const { body: unpaid } = await place(url, { failPayments: 3 });

  const placed = await place(url);
  expect(Object.keys(placed.body)).toEqual([
    'id',
    'statusQueryGetUri',
    'sendEventPostUri',
    'terminatePostUri',
    'purgeHistoryDeleteUri',
    'restartPostUri',
    'suspendPostUri',
    'resumePostUri',
  ]);
  expect(placed.headers.get('location')).toBe(placed.body.statusQueryGetUri);
  expect(placed.headers.get('retry-after')).toBe('10');
  const waiting = await reach(placed.body.statusQueryGetUri, isWaiting, { what: 'the order to wait' });
  expect(waiting).toMatchObject({ status: 202, body: { runtimeStatus: 'Running', output: null } });
  expect(waiting.body.customStatus.versions.map((version: { color: string }) => version.color)).toEqual([
    'white',
    'black',
    'pink',
    'green',
  ]);
  const sent = await send('POST', placed.body.sendEventPostUri.replace('{eventName}', 'Approval'), 'approved');
  expect(sent.status).toBe(202);
  expect(await reach(placed.body.statusQueryGetUri, hasEnded, { what: 'the order to end' })).toMatchObject({
    status: 200,
    body: {
      runtimeStatus: 'Completed',
      output: { order: 'A-1001', outcome: 'fulfilled' },
      customStatus: { step: 'closed', outcome: 'fulfilled' },
    },
  });

  // The link in the customer's mail.
  const { body: rejected } = await place(url);
  const confirm = `${url}/api/orders/${rejected.id}/confirm`;
  await reach(rejected.statusQueryGetUri, isWaiting, { what: 'the order to wait' });
  expect((await send('GET', `${confirm}?result=perhaps`)).status).toBe(400);
  expect(await send('GET', `${confirm}?result=rejected`)).toMatchObject({
    status: 200,
    body: expect.stringContaining('rejected'),
  });
  expect((await reach(rejected.statusQueryGetUri, hasEnded, { what: 'the order to end' })).body.output).toEqual({
    order: 'A-1001',
    outcome: 'cancelled',
    reason: 'the answer was "rejected"',
  });
  expect((await send('POST', `${confirm}?result=approved`)).status).toBe(410);
  expect((await send('POST', `${url}/api/orders/nobody/confirm?result=approved`)).status).toBe(404);

  const { body: late } = await place(url, { approvalTimeout: '100ms' });
  expect((await reach(late.statusQueryGetUri, hasEnded, { what: 'the order to end' })).body.output).toMatchObject({
    outcome: 'cancelled',
    reason: 'no answer in time',
  });

  const { body: ended } = await place(url);
  expect((await send('POST', ended.terminatePostUri.replace('{text}', 'changed%20my%20mind'))).status).toBe(202);
  const terminated = await reach(ended.statusQueryGetUri, hasEnded, { what: 'the order to end' });
  expect(terminated).toMatchObject({ status: 200, body: { runtimeStatus: 'Terminated', output: 'changed my mind' } });
  expect(await send('DELETE', ended.purgeHistoryDeleteUri)).toMatchObject({
    status: 200,
    body: { instancesDeleted: 1 },
  });
  expect((await send('GET', ended.statusQueryGetUri)).status).toBe(404);
  expect((await send('DELETE', ended.purgeHistoryDeleteUri)).status).toBe(404);

  const cancelled = await reach(unpaid.statusQueryGetUri, hasEnded, { what: 'the unpaid order to end' });
  expect(cancelled.body.output).toMatchObject({
    outcome: 'cancelled',
    reason: expect.stringContaining('The bank refused the payment (attempt 3)'),
  });
}, 120_000);

it('an order that is none answers 400, says what is missing and starts nothing', async () => {
  const { url } = await startOnEmbedded(await freshDataDir());
  for (const [body, says] of [
    [{}, '"id", "customer" and "item"'],
    [[], '"id", "customer" and "item"'],
    ['order', 'JSON object'],
    [null, 'JSON object'],
    [{ ...order, customer: ' ' }, '"customer"'],
    [{ ...order, amount: '30' }, '"amount"'],
    [{ ...order, amount: -1 }, '"amount"'],
    [{ ...order, failPayments: 1.5 }, '"failPayments"'],
    [{ ...order, approvalTimeout: 'tomorrow' }, '"approvalTimeout"'],
  ] as const) {
    const answer = await send('POST', `${url}/api/orders`, body);
    expect(answer).toMatchObject({ status: 400, body: { error: expect.stringContaining(says) } });
  }
  const broken = await fetch(`${url}/api/orders`, { method: 'POST', body: '{"id":"A-1' });
  expect(broken.status).toBe(400);
  expect((await send('GET', `${management(url)}/instances`)).body).toEqual([]);
}, 120_000);

it('killed and started again on the same folder: the order goes on', async () => {
  const dataDir = await freshDataDir();
  const first = await startOnEmbedded(dataDir);
  const { body } = await place(first.url);
  await reach(body.statusQueryGetUri, isWaiting, { what: 'the order to wait' });
  expect(await first.end('SIGKILL')).toEqual({ code: null, signal: 'SIGKILL' });

  const second = await startOnEmbedded(dataDir);
  const status = `${management(second.url)}/instances/${body.id}`;
  expect(await send('GET', status)).toMatchObject({ status: 202, body: { runtimeStatus: 'Running' } });
  expect((await send('POST', `${second.url}/api/orders/${body.id}/confirm?result=approved`)).status).toBe(200);
  const ended = await reach(status, hasEnded, { what: 'the order to end' });
  expect(ended.body).toMatchObject({ runtimeStatus: 'Completed', output: { outcome: 'fulfilled' } });
  expect(await second.end('SIGINT')).toEqual({ code: 0, signal: null });
}, 120_000);
