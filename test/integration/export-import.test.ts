/** What was exported, purged and imported is as it was. */
import { gzipSync } from 'node:zlib';
import { pino } from 'pino';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import type { FastifyInstance } from 'fastify';
import { createServer } from '../../src/http/server.ts';
import { type HubTools, openHubTools } from '../../src/hub-tools.ts';
import { activity, orchestration } from '../../src/model/functions.ts';
import { createTaskHub } from '../../src/task-hub.ts';
import { assertReplays } from '../../src/testing/index.ts';
import { testDatabase } from '../support/postgres.ts';
import { execute } from '../support/sql.ts';
import { waitFor } from '../support/wait-for.ts';

const echo = activity('Echo', (input: unknown) => input);
const child = orchestration('Child', (ctx, input: unknown) => ctx.callActivity(echo, input));
const parent = orchestration('Parent', async (ctx, input: unknown) => {
  ctx.setCustomStatus({ step: 'ünterwegs', n: 1.5 });
  await ctx.createTimer(1);
  return ctx.callSubOrchestrator(child, input, { instanceId: `${ctx.instanceId}-child` });
});
const fails = orchestration('Fails', () => {
  throw new RangeError('on purpose\nand on two lines');
});
const waits = orchestration('Waits', async (ctx) => {
  await ctx.waitForExternalEvent('Go');
});
const again = orchestration('Again', (ctx, n: number) => {
  if (n > 0) ctx.continueAsNew(n - 1);
});

const database = await testDatabase();
const taskHub = 'archive';
const hub = createTaskHub({
  ...{ databaseUrl: database.url, schema: database.schema, taskHub, retention: false },
  functions: [echo, child, parent, fails, waits, again],
});
let tools: HubTools;
let api: FastifyInstance;
const origin = { actor: 'test', actorKind: 'cli', address: null, userAgent: null, requestId: null } as const;

beforeAll(async () => {
  await hub.start();
  api = await createServer(hub);
  tools = await openHubTools({
    ...{ databaseUrl: database.url, directDatabaseUrl: undefined, schema: database.schema, taskHub, origin },
    ...{ retention: { after: '1d' }, log: pino({ level: 'silent' }) },
  });
});
afterAll(async () => {
  await tools.close();
  await api.close();
  await hub.stop();
});

async function exported(request: {
  readonly ids?: readonly string[];
  readonly prefix?: string;
  readonly history?: boolean;
}): Promise<string> {
  let text = '';
  await tools.exportInstances({
    instanceIds: request.ids ?? [],
    filter: request.prefix === undefined ? {} : { instanceIdPrefix: request.prefix },
    history: request.history ?? true,
    write: (more) => {
      text += more;
      return Promise.resolve();
    },
    onProgress: () => undefined,
  });
  return text;
}

/** In pieces that cut lines and characters apart. */
function imported(content: string | Buffer, more: { readonly onTaken?: 'refuse'; readonly onLive?: 'skip' } = {}) {
  async function* chunks(): AsyncGenerator<Buffer> {
    const bytes = Buffer.from(content);
    for (let at = 0; at < bytes.length; at += 997) yield await Promise.resolve(bytes.subarray(at, at + 997));
  }
  return tools.importInstances({ chunks: chunks(), onTaken: 'skip', onLive: 'refuse', ...more });
}

/** Everything that GET says, as it is on the wire. */
async function everything(prefix: string): Promise<readonly string[]> {
  const mount = '/runtime/webhooks/durabletask/instances';
  const page = await api.inject(`${mount}?instanceIdPrefix=${prefix}&showInput=true&top=100`);
  const ids = (JSON.parse(page.body) as readonly { readonly instanceId: string }[]).map((one) => one.instanceId);
  const each = ids.flatMap((id) => [
    `${mount}/${id}?showHistory=true&showHistoryOutput=true&showInput=true`,
    `/runtime/webhooks/durabletask/stored-instances?instanceIdPrefix=${id}`,
  ]);
  const answers = await Promise.all(each.map(async (url) => (await api.inject(url)).body));
  // The key of a row is given anew.
  return [page.body, ...answers].map((body) => body.replaceAll(/"key":"\d+"/g, '"key":"…"'));
}

async function run(name: string, instanceId: string, input?: unknown): Promise<void> {
  await hub.client.startNew<unknown>(name, {
    instanceId,
    input,
    tags: { team: 'a', ...(input ? { with: 'input' } : {}) },
  });
  await hub.client.waitForCompletion(instanceId, { timeoutMs: 20_000 });
}

async function purge(prefix: string): Promise<void> {
  await hub.client.purgeInstanceHistoryBy({ instanceIdPrefix: prefix });
}

describe('a round trip', () => {
  it('brings back everything that GET says, byte for byte, the tree and what replays', async () => {
    await run('Parent', 'rt-parent', {
      text: 'ä"\\\u2028\u{1f600}',
      big: 12_345_678_901_234_567n.toString(),
      zero: -0,
    });
    await run('Fails', 'rt-fails');
    await run('Again', 'rt-again', 2);
    await hub.client.startNew('Waits', { instanceId: 'rt-ended', version: '1.2' });
    await hub.client.terminate('rt-ended', 'no "reason"');
    await hub.client.waitForCompletion('rt-ended');
    const before = await everything('rt-');
    const rows = () =>
      execute(
        database,
        `select instance_id, created_at::text, last_updated_at::text, completed_at::text, input, output, failure, tags::text
         from instances where starts_with(instance_id, 'rt-') order by 1`,
      );
    const rowsBefore = await rows();
    const file = await exported({ prefix: 'rt-' });
    await purge('rt-');
    expect((await everything('rt-')).slice(1)).toEqual([]);
    expect(await imported(file)).toEqual({ imported: 5, present: 0, taken: 0, live: 0 });
    expect(await everything('rt-')).toEqual(before);
    expect(await rows()).toEqual(rowsBefore);
    const instance = await hub.client.getStatus('rt-parent', { showHistory: true });
    if (instance === undefined) throw new Error('it is not there');
    await assertReplays(instance, parent);
    // A second time nothing changes, and the file is the same again.
    expect(await imported(file)).toEqual({ imported: 0, present: 5, taken: 0, live: 0 });
    const lines = (text: string): readonly string[] =>
      text
        .split('\n')
        .slice(1)
        .map((line) => line.replaceAll(/"parent":{"key":"\d+"/g, ''))
        .sort();
    expect(lines(await exported({ prefix: 'rt-' }))).toEqual(lines(file));
  });

  it('children hang below their parents again, also when they come first, and whole trees can be purged', async () => {
    await run('Parent', 'tree', 1);
    const [header = '', ...lines] = (await exported({ prefix: 'tree' })).trimEnd().split('\n');
    await purge('tree');
    const [first = '', second = '', end = ''] = lines;
    const childFirst = first.includes('"instanceId":"tree-child"') ? [first, second] : [second, first];
    await imported([header, ...childFirst, end].join('\n'));
    expect(await hub.client.purgeInstanceHistory('tree', { recursive: true })).toEqual({ instancesDeleted: 2 });
  });

  it('what was imported counts for retention from its import', async () => {
    await run('Fails', 'kept');
    const old = (await exported({ ids: ['kept'] })).replaceAll(
      /"(createdAt|lastUpdatedAt|completedAt)":"\d{4}/g,
      '"$1":"2020',
    );
    await purge('kept');
    expect(await imported(gzipSync(old))).toMatchObject({ imported: 1 });
    expect((await tools.retention.preview()).rows).toEqual([]);
    expect((await hub.client.getStatus('kept'))?.completedAt?.getUTCFullYear()).toBe(2020);
    await purge('kept');
  });
});

describe('what is refused', () => {
  let file = '';
  let live = '';
  beforeAll(async () => {
    await run('Fails', 'one');
    await run('Fails', 'two');
    file = await exported({ ids: ['one', 'two'] });
    await hub.client.startNew('Waits', { instanceId: 'live' });
    await waitFor(async () => (await hub.client.getStatus('live'))?.runtimeStatus === 'Running', { what: 'it to run' });
    live = await exported({ ids: ['live'] });
  });

  it.each<readonly [what: string, content: () => string | Buffer, message: RegExp]>([
    ['an empty file', () => '', /line 0: the file is empty/],
    ['another file', () => 'hello\n', /line 1: this is no JSON/],
    ['JSON of something else', () => '{"a":1}\n', /line 1: this is no file of perdure export/],
    [
      'a newer format',
      () => file.replace('"version":1', '"version":2'),
      /line 1: it has version 2 of the format.*newer/,
    ],
    ['a broken line', () => file.replace('"executionId"', '"executionid"'), /line 2: .*executionI?d/],
    ['half a line', () => file.split('\n').slice(0, 2).join('\n').slice(0, -5), /line 2: this is no JSON/],
    [
      'a file that was cut off',
      () => file.split('\n').slice(0, 2).join('\n'),
      /without its last line: it has been cut off/,
    ],
    ['a line too few', () => file.split('\n').toSpliced(1, 1).join('\n'), /has 1 instances, and its last line says 2/],
    ['something behind the end', () => `${file}{}\n`, /line 5: there is something behind the last line/],
    [
      'a history out of order',
      () => file.replace('"history":[', '"history":[{"sequence":3,"events":[]},'),
      /line 2: .*out of order at sequence/,
    ],
    ['half a compressed file', () => gzipSync(file).subarray(0, 200), /damaged or has been cut off/],
    ['text that is no UTF-8', () => Buffer.from(`${file.slice(0, 20)}\xff`, 'latin1'), /encoded data was not valid/],
    ['what still runs', () => live, /line 2: 'live' is Running: only what has ended .* --skip-live/],
  ])('%s, with the line', async (_, content, message) => {
    const before = await hub.client.getStatusBy({});
    await expect(imported(content())).rejects.toThrow(message);
    expect(await hub.client.getStatusBy({})).toEqual(before);
  });

  it('instances without their history', async () => {
    await expect(imported(await exported({ ids: ['one'], history: false }))).rejects.toThrow(
      /line 2: 'one' has no history: export it with --with-history/,
    );
  });

  it('an id that another instance has is left alone, or refused when that is asked for', async () => {
    await hub.client.restart('two', { restartWithNewInstanceId: false });
    await hub.client.waitForCompletion('two');
    const now = await hub.client.getStatus('two');
    expect(await imported(file)).toEqual({ imported: 0, present: 1, taken: 1, live: 0 });
    await expect(imported(file, { onTaken: 'refuse' })).rejects.toThrow(/line 3: another instance has the id 'two'/);
    expect(await hub.client.getStatus('two')).toEqual(now);
    expect(await imported(live, { onLive: 'skip' })).toEqual({ imported: 0, present: 0, taken: 0, live: 1 });
  });

  it('an export of an instance that is not there', async () => {
    await expect(exported({ ids: ['one', 'nobody'] })).rejects.toMatchObject({ code: 'InstanceNotFound' });
  });
});
