/** What ended long ago is removed: what exactly, by whom, in which order, and what is kept of it. */
import { mkdtemp, readdir, readFile, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { gunzipSync } from 'node:zlib';
import { pino } from 'pino';
import { afterAll, describe, expect, it, onTestFinished } from 'vitest';
import { entity } from '../../src/model/entity-functions.ts';
import { activity, orchestration } from '../../src/model/functions.ts';
import type { RetentionOptions } from '../../src/model/retention.ts';
import { openRetention } from '../../src/retention/open-retention.ts';
import type { Retention } from '../../src/retention/retention.ts';
import { openPostgresStore } from '../../src/store/postgres/index.ts';
import { sweepStart } from '../../src/store/retention-store.ts';
import { createServer } from '../../src/http/server.ts';
import { createTaskHub, type TaskHub } from '../../src/task-hub.ts';
import { testDatabase } from '../support/postgres.ts';
import { execute } from '../support/sql.ts';
import { freshName } from '../support/task-hubs.ts';
import { waitFor } from '../support/wait-for.ts';

const echo = activity('Echo', (input: unknown) => input);
const done = orchestration('Done', (ctx, input: unknown) => ctx.callActivity(echo, input));
const other = orchestration('Other', () => 1);
const fails = orchestration('Fails', () => {
  throw new Error('on purpose');
});
const waits = orchestration('Waits', async (ctx) => {
  await ctx.waitForExternalEvent('Go');
});
const calls = orchestration('Calls', async (ctx, id: string) => {
  await ctx.callSubOrchestrator('Middle', id, { instanceId: `${id}-middle` });
  return 'called';
});
const middle = orchestration('Middle', async (ctx, id: string) => {
  await ctx.callSubOrchestrator(done, 1, { instanceId: `${id}-leaf` });
});
const callsAndWaits = orchestration('CallsAndWaits', async (ctx, id: string) => {
  await ctx.callSubOrchestrator(done, 1, { instanceId: `${id}-child` });
  await ctx.waitForExternalEvent('Go');
});
const counter = entity('Counter', { initialState: () => 0, operations: { add: (ctx, n: number) => (ctx.state += n) } });
const functions = [echo, done, other, fails, waits, calls, middle, callsAndWaits, counter];

const database = await testDatabase();
const store = openPostgresStore({ connectionString: database.url, schema: database.schema });
afterAll(() => store.close());

interface Stage {
  readonly taskHub: string;
  readonly hub: TaskHub;
  retention(options: RetentionOptions): Retention;
  /** Runs to its end. */
  run(name: string, id: string, input?: unknown): Promise<void>;
  /** As if everything whose id begins so had happened days ago. */
  age(days: number, prefix: string): Promise<void>;
  /** Ids that are there, without entities. */
  ids(): Promise<readonly string[]>;
}

async function stage(): Promise<Stage> {
  const taskHub = freshName();
  const hub = createTaskHub({
    ...{ databaseUrl: database.url, schema: database.schema },
    ...{ taskHub, functions, pollMs: 200, retention: false },
  });
  onTestFinished(() => hub.stop());
  await hub.start();
  return {
    taskHub,
    hub,
    retention: (retention) => {
      const opened = openRetention({ store, taskHub, retention, log: pino({ level: 'silent' }) });
      onTestFinished(() => opened.stop());
      return opened;
    },
    run: async (name, instanceId, input) => {
      await hub.client.startNew<unknown>(name, { instanceId, input });
      await hub.client.waitForCompletion(instanceId, { timeoutMs: 20_000 });
    },
    age: async (days, prefix) => {
      await execute(
        database,
        `update instances set created_at = created_at - $1 * interval '1 day', completed_at = completed_at - $1 * interval '1 day'
         where hub_id = (select id from task_hubs where name = $2) and starts_with(instance_id, $3)`,
        [days, taskHub, prefix],
      );
    },
    ids: async () => {
      const rows = await execute<{ readonly instance_id: string }>(
        database,
        `select instance_id from instances where hub_id = (select id from task_hubs where name = $1)
         and not starts_with(instance_id, '@') order by 1`,
        [taskHub],
      );
      return rows.map((row) => row.instance_id);
    },
  };
}

async function folder(): Promise<string> {
  const path = await mkdtemp(join(tmpdir(), 'perdure-retention-'));
  onTestFinished(() => rm(path, { recursive: true, force: true }));
  return path;
}

/** The lines of all files in a folder. */
async function linesIn(path: string): Promise<readonly string[]> {
  const files = await readdir(path);
  const texts = await Promise.all(
    files.sort().map(async (file) => gunzipSync(await readFile(join(path, file))).toString()),
  );
  return texts.flatMap((text) => text.trimEnd().split('\n'));
}

const always = { everyMs: 0 };

describe('what is removed', () => {
  it('goes by status, name and age; what runs and entities stay, and nothing is left of what goes', async () => {
    const { hub, run, age, ids, retention, taskHub } = await stage();
    await run('Done', 'done-old', 1);
    await run('Done', 'done-new', 1);
    await run('Other', 'other-old');
    await run('Fails', 'fails-old');
    await run('Fails', 'fails-ancient');
    await hub.client.startNew('Waits', { instanceId: 'ended-old' });
    await hub.client.terminate('ended-old');
    await hub.client.waitForCompletion('ended-old');
    await hub.client.startNew('Waits', { instanceId: 'waits-ancient' });
    await hub.client.signalEntity(counter.id('a'), 'add', 1);
    await waitFor(async () => (await hub.client.readEntityState(counter.id('a'))).entityExists, { what: 'the entity' });
    await age(40, '');
    await age(-40, 'done-new');
    await age(200, 'fails-ancient');
    await age(400, 'waits-ancient');
    await age(400, '@');
    const keys = await execute<{ readonly key: string }>(
      database,
      `select key from instances where instance_id = 'done-old' and hub_id = (select id from task_hubs where name = $1)`,
      [taskHub],
    );
    const rules = retention({
      after: { completed: '30d', failed: '180d', terminated: '30d' },
      names: { OTHER: { completed: '60d' } },
    });
    const seen = await rules.preview();
    expect(seen).toMatchObject({
      complete: true,
      kept: 0,
      rows: [
        { name: 'Done', status: 'Completed', roots: 1, instances: 1 },
        { name: 'Fails', status: 'Failed', roots: 1, instances: 1 },
        { name: 'Waits', status: 'Terminated', roots: 1, instances: 1 },
      ],
    });
    expect(await ids()).toHaveLength(7);
    expect(await rules.sweep(always)).toEqual({ removed: 3, exported: 0, complete: true });
    expect(await ids()).toEqual(['done-new', 'fails-old', 'other-old', 'waits-ancient']);
    expect((await hub.client.readEntityState(counter.id('a'))).entityState).toBe(1);
    expect(rules.counters).toEqual({ sweeps: 1, removed: 3, exported: 0, failures: 0 });
    expect(await execute(database, 'select 1 from history where instance_key = $1', [keys[0]?.key])).toEqual([]);
    const { records } = await hub.access.listAudit({ taskHub }, { limit: 10 });
    expect(records).toMatchObject([
      {
        action: 'purgeMany',
        actor: 'retention',
        actorKind: 'service',
        outcome: 'accepted',
        reason: 'retention',
        detail: expect.stringMatching(
          /^completed=30d, failed=180d, terminated=30d; OTHER: .* \{"instancesDeleted":3\}$/,
        ),
      },
    ]);
    expect(await rules.status()).toMatchObject({ running: false, removed: 3, removedTotal: 3, kept: 0, error: null });
  });

  it('goes with its root and not before; a tree stays while anything in it runs or ended too lately', async () => {
    const { hub, run, age, ids, retention } = await stage();
    await run('Calls', 'old', 'old');
    await run('Calls', 'late', 'late');
    await hub.client.startNew('CallsAndWaits', { instanceId: 'live', input: 'live' });
    await waitFor(async () => (await hub.client.getStatus('live-child'))?.runtimeStatus === 'Completed', {
      what: 'the child to end',
    });
    await age(100, '');
    await age(-100, 'late-leaf');
    const rules = retention({ after: '90d' });
    expect(await rules.preview()).toMatchObject({ kept: 1, rows: [{ name: 'Calls', roots: 1, instances: 3 }] });
    expect(await rules.sweep(always)).toMatchObject({ removed: 3 });
    expect(await ids()).toEqual(['late', 'late-leaf', 'late-middle', 'live', 'live-child']);
    expect(await rules.status()).toMatchObject({ kept: 1 });
    // Its parent has been purged alone: nothing holds it any more.
    await hub.client.raiseEvent('live', 'Go');
    await hub.client.waitForCompletion('live');
    await hub.client.purgeInstanceHistory('live');
    await rules.sweep(always);
    expect(await ids()).toEqual(['late', 'late-leaf', 'late-middle']);
  });

  it('nothing by default before 90 days, nothing ever with 0, and no names that nobody gave', async () => {
    const { run, age, ids, retention } = await stage();
    await run('Other', 'one');
    await age(89, 'one');
    expect(await retention({}).sweep(always)).toMatchObject({ removed: 0 });
    await age(400, 'one');
    expect(await retention({ after: 0 }).sweep(always)).toBeUndefined();
    expect(await retention({ after: 0, names: { Done: '1d' } }).sweep(always)).toMatchObject({ removed: 0 });
    expect(await ids()).toEqual(['one']);
    expect(await retention({}).sweep(always)).toMatchObject({ removed: 1 });
  });

  it('begins by itself in a hub that works, and is announced', async () => {
    const { taskHub, run, age, ids } = await stage();
    await run('Other', 'one');
    await age(2, 'one');
    const lines: string[] = [];
    const logger = pino({ level: 'info' }, { write: (line: string) => void lines.push(line) });
    const hub = createTaskHub({
      ...{ databaseUrl: database.url, schema: database.schema, taskHub, functions, logger },
      retention: { after: '1d', every: 50 },
    });
    onTestFinished(() => hub.stop());
    await hub.start();
    await waitFor(async () => (await ids()).length === 0, { what: 'the sweep' });
    expect(lines.join('')).toMatch(/"retention":"1d".*what ended longer ago is removed/);
  });
});

describe('who removes', () => {
  it('one process at a time; another goes on where one was lost', async () => {
    const { taskHub } = await stage();
    const hubId = await store.ensureHub(taskHub);
    const [a, b] = ['00000000-0000-4000-8000-00000000000a', '00000000-0000-4000-8000-00000000000b'] as const;
    const ask = (holder: string, rules = '1d', everyMs = 0) =>
      store.retention.takeSweep({ hubId, holder, leaseMs: 200, rules, everyMs });
    const taken = await Promise.all([ask(a), ask(b)]);
    expect(taken.filter((one) => one !== undefined)).toEqual([{ place: sweepStart, removed: 0 }]);
    const [holder, rival] = taken[0] === undefined ? [b, a] : [a, b];
    const place = { created: '2024-05-01 00:00:00+00', key: '7' };
    const kept = { hubId, holder, leaseMs: 200, place, removed: 5, kept: 1 };
    expect(await store.retention.keepSweep({ ...kept, holder: rival })).toBe(false);
    expect(await store.retention.keepSweep(kept)).toBe(true);
    expect(await ask(rival)).toBeUndefined();
    // The holder says nothing any more.
    const heir = await waitFor(() => ask(rival), { what: 'the lease to end' });
    expect(heir.removed).toBe(5);
    expect(heir.place.key).toBe('7');
    expect(await store.retention.keepSweep(kept)).toBe(false);
    await store.retention.leaveSweep({ hubId, holder: rival, ended: true, error: null });
    expect(await ask(a, '1d', 60_000)).toBeUndefined();
    // Other rules are not kept waiting.
    expect(await ask(a, '2d', 60_000)).toEqual({ place: sweepStart, removed: 0 });
  });

  it('what was rewound after it was looked at stays', async () => {
    const { taskHub, hub, run, age, ids } = await stage();
    await run('Fails', 'one');
    await age(2, 'one');
    const hubId = await store.ensureHub(taskHub);
    const rules = { all: { completed: 1, failed: 1, terminated: 1 }, names: [] };
    const { roots } = await store.retention.findDue({ hubId, rules, after: sweepStart, limit: 10 });
    const members = (await store.retention.readTrees(roots, 10)) ?? [];
    expect(members).toMatchObject([{ mayGo: true }]);
    await hub.client.rewind('one', 'again');
    await hub.client.waitForCompletion('one');
    expect(await store.retention.removeMembers(members)).toBe(0);
    expect(await ids()).toEqual(['one']);
  });
});

describe('how far it is', () => {
  it('is told to admins over HTTP: what was removed, when it goes on, what is due', async () => {
    const { taskHub, hub, run, age, retention } = await stage();
    await run('Calls', 'old', 'old');
    await run('Fails', 'bad');
    await run('Done', 'young');
    await age(100, 'old');
    await age(95, 'bad');
    const rules = retention({ after: { completed: '90d', failed: '97d' } });
    const app = await createServer({ ...hub, retention: rules }, { systemKey: 'the key' });
    onTestFinished(() => app.close());
    const reader = await hub.access.createKey(
      { name: `r-${taskHub}`, scopes: ['read'] },
      { actor: 'test', actorKind: 'system', address: null, userAgent: null, requestId: null },
    );
    const ask = async (key: string) => {
      const answer = await app.inject({ url: '/admin/retention', headers: { 'x-functions-key': key } });
      return { status: answer.statusCode, body: answer.json<Record<string, unknown>>() };
    };
    expect((await ask('no key')).status).toBe(401);
    expect((await ask(reader)).status).toBe(403);

    const time = /^\d{4}-\d\d-\d\dT[\d:.]+Z$/;
    const told = expect.stringMatching(time);
    const old = { roots: 1, instances: 3, firstEndedTime: told, lastEndedTime: told };
    expect(await ask('the key')).toEqual({
      status: 200,
      body: {
        taskHub,
        rules: 'completed=90d, failed=97d, terminated=90d',
        removedTotal: 0,
        lastSweep: null,
        nextSweepTime: told,
        due: {
          instances: 3,
          kept: 0,
          isComplete: true,
          byName: [{ name: 'Calls', runtimeStatus: 'Completed', ...old }],
        },
      },
    });
    await rules.sweep(always);
    const { body } = await ask('the key');
    expect(body).toMatchObject({
      removedTotal: 3,
      lastSweep: { beganTime: told, endedTime: told, isRunning: false, reachedTime: null, removed: 3, error: null },
      due: { instances: 0, byName: [] },
    });
    const { endedTime } = body['lastSweep'] as { readonly endedTime: string };
    expect(Date.parse(String(body['nextSweepTime'])) - Date.parse(endedTime)).toBe(3_600_000);

    // Other rules do not wait for an hour; and what is kept for ever is never removed.
    expect(
      retention({ after: '97d' })
        .nextAfter(await rules.status())
        ?.getTime(),
    ).toBeLessThanOrEqual(Date.now());
    expect(retention({ after: 0 }).nextAfter(undefined)).toBeUndefined();
  });
});

describe('what is removed is written first', () => {
  it('to compressed lines with everything, in a file that was not there', async () => {
    const { run, age, ids, retention } = await stage();
    const exportTo = await folder();
    await run('Calls', 'old', 'old');
    await age(2, '');
    expect(await retention({ after: '1d', exportTo }).sweep(always)).toEqual({
      removed: 3,
      exported: 3,
      complete: true,
    });
    expect(await ids()).toEqual([]);
    const [header, ...lines] = (await linesIn(exportTo)).map((line) => JSON.parse(line));
    expect(header).toMatchObject({ perdure: 'instances', version: 1, history: true, closed: false });
    expect(lines.map((line) => line.instanceId)).toEqual(['old-leaf', 'old-middle', 'old']);
    expect(lines[2]).toMatchObject({ output: '"called"', history: [{ sequence: 1 }, { sequence: 2 }] });
    await run('Other', 'another');
    await age(2, '');
    await retention({ after: '1d', exportTo }).sweep(always);
    expect(await readdir(exportTo)).toHaveLength(2);
  });

  it('what cannot be written is not removed, and the reason is told', async () => {
    const { run, age, ids, retention } = await stage();
    await run('Other', 'one');
    await age(2, '');
    const file = join(await folder(), 'taken');
    await writeFile(file, '');
    const rules = retention({ after: '1d', exportTo: join(file, 'below') });
    await expect(rules.sweep(always)).rejects.toThrow(/ENOTDIR/);
    expect(await ids()).toEqual(['one']);
    expect(await rules.status()).toMatchObject({
      running: false,
      endedAt: null,
      removed: 0,
      error: expect.stringContaining('ENOTDIR'),
    });
    expect(rules.counters).toMatchObject({ failures: 1, removed: 0 });
  });
});
