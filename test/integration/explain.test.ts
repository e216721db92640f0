/** `client.explain`: one sentence for each thing that can keep an instance, on a real database. */
import { randomBytes } from 'node:crypto';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import pg from 'pg';
import { entity } from '../../src/model/entity-functions.ts';
import { reasonKinds, type Explanation, type ReasonKind } from '../../src/model/explanation.ts';
import { activity, orchestration } from '../../src/model/functions.ts';
import { createTaskHub, type TaskHub, type TaskHubOptions } from '../../src/task-hub.ts';
import { explanation as wireExplanation } from '../../src/wire/explanation.ts';
import { gate } from '../support/gate.ts';
import { testDatabase } from '../support/postgres.ts';
import { waitFor } from '../support/wait-for.ts';

const database = await testDatabase();
const opened = gate();
const counter = entity('Counter', {
  initialState: (): number => 0,
  operations: {
    add: (ctx, n: number) => {
      ctx.state += n;
    },
  },
});

const functions = [
  counter,
  orchestration('Echo', (_ctx, input) => input),
  orchestration('WaitGo', (ctx) => ctx.waitForExternalEvent('Go')),
  orchestration('WaitBoth', async (ctx) => {
    const go = ctx.waitForExternalEvent('Go');
    await ctx.waitForExternalEvent('First');
    await ctx.all([go, ctx.waitForExternalEvent('Second')]);
  }),
  orchestration('Approval', (ctx) => ctx.waitForExternalEvent('Approval', { timeout: '24h' })),
  orchestration('Nap', (ctx) => ctx.createTimer('1h')),
  orchestration('Retries', (ctx) =>
    ctx.callActivity('Fails', undefined, {
      retry: { firstRetryIntervalInMilliseconds: 3_600_000, maxNumberOfAttempts: 2 },
    }),
  ),
  orchestration('Fails', () => {
    throw new RangeError('no luck');
  }),
  orchestration('Gated', (ctx) => ctx.callActivity('Gate', undefined, { timeout: '1h' })),
  orchestration('GatedOne', (ctx) => ctx.callActivity('GateOne')),
  orchestration('Lost', (ctx) => ctx.callActivity('Nowhere')),
  orchestration('Parent', (ctx) =>
    ctx.callSubOrchestrator('WaitGo', undefined, { instanceId: `${ctx.instanceId}-child` }),
  ),
  orchestration('Holds', async (ctx, key: string) => {
    const held = await ctx.lock([counter.id(key)]);
    await ctx.waitForExternalEvent('Go');
    held.release();
  }),
  orchestration('Calls', (ctx, key: string) => ctx.callEntity(counter.id(key), 'add', 1)),
  activity('Gate', () => opened.passed),
  activity('GateOne', { maxConcurrentPerHub: 1 }, () => opened.passed),
  activity('Fails', () => {
    throw new TypeError('not today');
  }),
];

const hubs: TaskHub[] = [];
let busy: TaskHub;
const pool = new pg.Pool({ connectionString: database.url, max: 2, options: `-c search_path=${database.schema}` });

async function open(options: Partial<TaskHubOptions>): Promise<TaskHub> {
  const hub = createTaskHub({
    databaseUrl: database.url,
    schema: database.schema,
    pollMs: 100,
    stopGraceMs: 500,
    unregisteredActivityGraceMs: 600_000,
    ...options,
  });
  hubs.push(hub);
  await hub.start();
  return hub;
}

beforeAll(async () => {
  busy = await open({ taskHub: 'busy', functions });
});

afterAll(async () => {
  opened.open();
  await Promise.all(hubs.map((hub) => hub.stop()));
  await pool.end();
});

function fresh(what = 'i'): string {
  return `${what}-${randomBytes(6).toString('hex')}`;
}

/** The explanation once its first reason is of this kind, or all that it said else. */
async function explained(hub: TaskHub, id: string, kind: ReasonKind): Promise<Explanation> {
  let last: Explanation | undefined;
  return await waitFor(
    async () => {
      last = await hub.client.explain(id);
      return last?.kind === kind && last;
    },
    { what: `${id} to be kept by ${kind}` },
  ).catch((error: unknown) => {
    throw new Error(`it said: ${JSON.stringify(last)}`, { cause: error });
  });
}

async function started(name: string, input?: unknown, hub = busy): Promise<string> {
  return await hub.client.startNew<unknown>(name, { instanceId: fresh(name.toLowerCase()), input });
}

function commandsOf({ suggestions }: Explanation): readonly string[] {
  return suggestions.map(({ command }) => command);
}

test('the API says every kind that there is', () => {
  expect(wireExplanation.shape.kind.options).toEqual(reasonKinds);
});

describe('what it asked for', () => {
  test('an event: which, and since when, also when other turns came after', async () => {
    const id = await started('WaitBoth');
    const first = await explained(busy, id, 'event');
    expect(first.reasons.map(({ subject }) => subject).toSorted()).toEqual(['First', 'Go']);
    await busy.client.raiseEvent(id, 'First', 1);
    const then = await waitFor(async () => {
      const now = await busy.client.explain(id);
      return now?.reasons.some(({ subject }) => subject === 'Second') === true && now;
    });
    const since = new Map(then.reasons.map((reason) => [reason.subject, reason.since?.getTime() ?? 0]));
    expect(since.get('Go')).toBe(first.since?.getTime());
    expect(since.get('Second')).toBeGreaterThan(since.get('Go') ?? Infinity);
    expect(then.sentence).toMatch(
      /^'waitboth-\w+' \(WaitBoth\) is Running: it waits for the event '\w+', for .* \(since \d{4}-/,
    );
    expect(commandsOf(then)).toContain(`perdure raise-event ${id} Go --data <json>`);
  });

  test('an event with a time limit: both', async () => {
    const id = await started('Approval');
    const { reasons, sentence } = await explained(busy, id, 'event');
    expect(reasons.map(({ kind }) => kind)).toEqual(['event', 'timer']);
    expect(sentence).toMatch(/event 'Approval'.*; it waits for the timer #\d+, until .*\(in 23h 59m\)\.$/);
  });

  test('an event whose name only code knows that is not here', async () => {
    const stranger = await open({ taskHub: 'busy', worker: false });
    const id = await started('WaitGo');
    await explained(busy, id, 'event');
    const { kind, sentence, since } = await explained(stranger, id, 'event');
    expect(sentence).toContain('an external event (which, only its code knows)');
    expect([kind, since]).toEqual(['event', expect.any(Date)]);
  });

  test('a timer, and until when', async () => {
    const id = await started('Nap');
    const { until, at, sentence, suggestions } = await explained(busy, id, 'timer');
    expect(Math.abs((until?.getTime() ?? 0) - at.getTime() - 3_600_000)).toBeLessThan(60_000);
    expect(sentence).toMatch(/it waits for the timer #0, until \d{4}-.*Z \(in 59m 5\ds\)\.$/);
    expect(suggestions[0]?.command).toBe(`perdure wait ${id}`);
  });

  test('the next attempt of an activity, and why the last one failed', async () => {
    const { until, sentence } = await explained(busy, await started('Retries'), 'retry');
    expect(sentence).toContain("it waits to try 'Fails' again after TypeError: not today");
    expect(until?.getTime()).toBeGreaterThan(Date.now() + 3_000_000);
  });

  test('an activity that runs: on which worker, for how long, until when at most', async () => {
    const { reasons } = await explained(busy, await started('Gated'), 'activity-running');
    expect(reasons[0]).toMatchObject({
      subject: 'Gate',
      worker: expect.stringMatching(/ \(#\d+\)$/),
      since: expect.any(Date),
      until: expect.any(Date),
    });
  });

  test('an activity in the queue, because its limit is reached', async () => {
    await explained(busy, await started('GatedOne'), 'activity-running');
    const { sentence } = await explained(busy, await started('GatedOne'), 'activity-queued');
    expect(sentence).toContain("activity 'GateOne' is in the queue: every worker that runs it is busy, or its limit");
  });

  test('an activity that nobody runs', async () => {
    const { reasons, suggestions } = await explained(busy, await started('Lost'), 'unregistered-name');
    expect(reasons[0]).toMatchObject({ subject: 'Nowhere', text: expect.stringContaining('no live worker runs it') });
    expect(suggestions[0]).toEqual({
      command: 'perdure start <module>',
      effect: 'starts a worker that runs Nowhere',
    });
  });

  test('a sub-orchestration: which, and how it is', async () => {
    const id = await started('Parent');
    const { sentence, suggestions } = await explained(busy, id, 'sub-orchestration');
    expect(sentence).toMatch(
      new RegExp(`the sub-orchestration '${id}-child' \\(WaitGo\\), which is (Pending|Running)`),
    );
    expect(suggestions[0]?.command).toBe(`perdure explain ${id}-child`);
  });

  test('the lock of an entity, and an operation of one: who holds it', async () => {
    const key = fresh('k');
    const holder = await started('Holds', key);
    await explained(busy, holder, 'event');
    const waiting = await explained(busy, await started('Holds', key), 'entity-lock');
    expect(waiting.sentence).toContain(`the lock of entity '@counter@${key}', which '${holder}' holds`);
    const calling = await explained(busy, await started('Calls', key), 'entity-operation');
    expect(calling.sentence).toContain(`operation 'add' of entity '@counter@${key}', which '${holder}' has locked`);
    expect(commandsOf(calling)).toEqual([`perdure entities @counter@${key}`]);
  });
});

describe('who should take it', () => {
  /** A hub in which nothing runs, with workers that are rows only. */
  async function quiet(): Promise<{
    readonly hub: TaskHub;
    worker(orchestrators: readonly string[], leaseSeconds: number): Promise<string>;
  }> {
    const taskHub = fresh('quiet');
    const hub = await open({ taskHub, worker: false });
    return {
      hub,
      worker: async (orchestrators, leaseSeconds) => {
        const { rows } = await pool.query<{ id: string }>(
          `insert into workers (hub_id, name, orchestrators, activities, expires_at)
           select id, 'host:7', $2, '{}', now() + $3 * interval '1 second' from task_hubs where name = $1 returning id`,
          [taskHub, orchestrators, leaseSeconds],
        );
        return rows[0]?.id ?? '';
      },
    };
  }
  const own = (id: string, owner: string | null) =>
    pool.query(
      `update executions set owner = $2, status = 'Running'
       where instance_key = (select key from instances where instance_id = $1)`,
      [id, owner],
    );

  test('nobody: no worker lives, or none runs the name', async () => {
    const { hub, worker } = await quiet();
    const id = await started('Gone', undefined, hub);
    const nobody = await explained(hub, id, 'no-worker');
    expect(nobody.sentence).toMatch(/is Pending: no worker of its task hub lives, for /);
    await worker(['Other'], 60);
    const other = await explained(hub, id, 'unregistered-name');
    expect(other.sentence).toContain("no live worker runs orchestrations of the name 'Gone'");
  });

  test('one that has not come to it yet; then one that should have', async () => {
    const { hub, worker } = await quiet();
    const id = await hub.client.startNew('Versioned', { instanceId: fresh(), version: '2.0' });
    await worker(['Versioned'], 60);
    await explained(hub, id, 'turn-queued');
    await pool.query(
      `update messages set visible_at = now() - interval '1 minute'
       where instance_key = (select key from instances where instance_id = $1)`,
      [id],
    );
    const { sentence } = await explained(hub, id, 'not-taken');
    expect(sentence).toMatch(/live workers run 'Versioned': .*none of them serves version '2\.0' of it, for 1m/);
  });

  test('one that runs its turn, and one that is gone', async () => {
    const { hub, worker } = await quiet();
    const id = await started('Slow', undefined, hub);
    const live = await worker(['Slow'], 60);
    await own(id, live);
    const running = await explained(hub, id, 'turn-running');
    expect(running.reasons[0]?.worker).toBe(`host:7 (#${live})`);
    await own(id, await worker(['Slow'], -5));
    const { sentence, since } = await explained(hub, id, 'dead-worker');
    expect(sentence).toMatch(/worker host:7 \(#\d+\), which had it, is gone: another one takes it over, for [5-9]s/);
    expect(since?.getTime()).toBeLessThan(Date.now());
  });

  test('nobody before its time', async () => {
    const id = await busy.client.startNew('WaitGo', { startAt: '1h' });
    const { until, sentence } = await explained(busy, id, 'scheduled-start');
    expect(until?.getTime()).toBeGreaterThan(Date.now() + 3_000_000);
    expect(sentence).toMatch(/is Pending: its start is scheduled, until .*\(in 59m/);
  });
});

describe('what was done to it', () => {
  test('it was suspended; then what it would wait for', async () => {
    const id = await started('WaitGo');
    await explained(busy, id, 'event');
    await busy.client.suspend(id, 'night shift');
    const { reasons, suggestions, sentence } = await explained(busy, id, 'suspended');
    expect(reasons.map(({ kind }) => kind)).toEqual(['suspended', 'event']);
    expect(sentence).toContain('it was suspended (night shift), for ');
    expect(suggestions[0]).toEqual({ command: `perdure resume ${id}`, effect: 'lets it go on' });
  });

  test('it has ended: well, badly, by somebody', async () => {
    expect((await explained(busy, await started('Echo'), 'completed')).sentence).toMatch(
      / is Completed since \d{4}-[^ ]+Z: it has completed\.$/,
    );
    const failed = await started('Fails');
    expect((await explained(busy, failed, 'failed')).sentence).toMatch(
      / is Failed since 2[^ ]+Z: it failed with RangeError: no luck\.$/,
    );
    const poison = JSON.stringify({ errorType: 'PoisonInstance', message: '4 workers have died' });
    await pool.query('update instances set failure = $2 where instance_id = $1', [failed, poison]);
    const poisoned = await explained(busy, failed, 'poisoned');
    expect(poisoned.sentence).toContain('it was given up, because running it ended its workers again and again');
    expect(commandsOf(poisoned)).toEqual([`perdure rewind ${failed}`]);
    const ended = await started('WaitGo');
    await busy.client.terminate(ended, 'enough');
    expect((await explained(busy, ended, 'terminated')).sentence).toContain('it was terminated: enough.');
  });

  test('it is not there', async () => {
    expect(await busy.client.explain('nobody')).toBeUndefined();
    expect(await busy.client.explain('@counter@a')).toBeUndefined();
  });
});
