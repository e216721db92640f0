/**
 * The functions that the nodes of a chaos run serve. Every activity notes the start and the end of each of its runs in the
 * ledger, a Postgres that has no faults, and returns the number of its run beside its value: so what a history holds can
 * be compared with what was done. What the orchestrations return is computed anew, and otherwise, in `model.ts`.
 */
import { createHash } from 'node:crypto';
import { setTimeout as pause } from 'node:timers/promises';
import {
  activity,
  entity,
  EntityId,
  orchestration,
  type ActivityContext,
  type OrchestrationContext,
  type Task,
} from 'perdure';
import pg from 'pg';
import type {
  CartInput,
  ClaimedInput,
  ControlledInput,
  OrderInput,
  StepInput,
  TimersInput,
  TransferInput,
  TreeInput,
} from './types.ts';

/** What an activity returns: its value, and which run in the ledger made it. */
export interface Recorded<T> {
  readonly run: number;
  readonly value: T;
}

let pool: pg.Pool | undefined;

function ledger(): pg.Pool {
  if (pool === undefined) {
    pool = new pg.Pool({ connectionString: process.env['CHAOS_LEDGER_URL'], max: 6 });
    pool.on('error', (error) => console.error('the ledger lost a connection', error));
  }
  return pool;
}

async function begin(name: string, ctx: ActivityContext): Promise<number> {
  const { rows } = await ledger().query<{ id: number }>(
    `insert into runs (task, attempt, redelivery, instance_id, name, node, pid, started_at)
     values ($1, $2, $3, $4, $5, $6, $7, clock_timestamp()) returning id`,
    [ctx.taskId, ctx.attempt, ctx.redelivery, ctx.instanceId, name, process.env['CHAOS_NODE'] ?? '', process.pid],
  );
  return rows[0]?.id ?? 0;
}

async function end(run: number, outcome: string, result: string | undefined): Promise<void> {
  await ledger().query(`update runs set ended_at = clock_timestamp(), outcome = $2, result = $3 where id = $1`, [
    run,
    outcome,
    result === undefined ? null : digest(result),
  ]);
}

/** How results are kept in the ledger. */
export function digest(json: string): string {
  return createHash('sha256').update(json).digest('hex');
}

function recorded<Input, Output>(name: string, work: (input: Input, ctx: ActivityContext) => Promise<Output> | Output) {
  return activity(name, async (input: Input, ctx): Promise<Recorded<Output>> => {
    const run = await begin(name, ctx);
    try {
      const result = { run, value: await work(input, ctx) };
      await end(run, 'ok', JSON.stringify(result));
      return result;
    } catch (error) {
      await end(run, ctx.signal.aborted ? 'aborted' : 'error', undefined);
      throw error;
    }
  });
}

export const step = recorded('Step', async ({ value, failures = 0, ms = 0 }: StepInput, ctx) => {
  if (ms > 0) await pause(ms, undefined, { signal: ctx.signal });
  if (ctx.attempt <= failures) throw new Error(`failure ${ctx.attempt} of ${failures}, as planned`);
  return value;
});

export const echo = recorded('Echo', (input: unknown) => input);

const retry = { firstRetryIntervalInMilliseconds: 30, maxNumberOfAttempts: 4 };

async function run(ctx: OrchestrationContext, input: StepInput): Promise<unknown> {
  return (await ctx.callActivity(step, input, { retry })).value;
}

export const order = orchestration('Order', async (ctx, input: OrderInput) => {
  await run(ctx, { value: 'reserved', failures: input.reserveFailures });
  const prices = await ctx.all(input.items.map((value) => ctx.callActivity(step, { value, ms: input.stepMs })));
  const total = prices.reduce((sum, price) => sum + Number(price.value), 0);
  const approval = ctx.waitForExternalEvent<string>('Approval');
  const deadline = ctx.createTimer(input.approvalMs);
  const first = await ctx.any([approval as Task<unknown>, deadline as Task<unknown>]);
  if (first === deadline) return { order: input.order, total, outcome: 'expired' };
  deadline.cancel();
  try {
    const tracking = await ctx.callSubOrchestrator(shipment, input);
    return { order: input.order, total, outcome: 'shipped', by: await approval, tracking };
  } catch {
    return { order: input.order, total, outcome: await run(ctx, { value: 'refunded' }), by: await approval };
  }
});

export const shipment = orchestration('Shipment', async (ctx, input: OrderInput) => {
  const packed = await run(ctx, { value: `${input.order} packed`, failures: input.packFailures });
  if (input.lost) throw new Error('the parcel is lost, as planned');
  return packed;
});

export const cart = orchestration('Cart', async (ctx, state: CartInput) => {
  const seen = [...(state.seen ?? [])];
  for (let taken = 0; taken < state.take && seen.at(-1) !== state.total; taken += 1) {
    seen.push(await ctx.waitForExternalEvent<number>('Item'));
  }
  if (state.stepEach) await run(ctx, { value: seen.length });
  if (seen.at(-1) === state.total) return seen;
  ctx.continueAsNew({ ...state, seen });
  return undefined;
});

export const tree = orchestration('Tree', async (ctx, input: TreeInput): Promise<number> => {
  if (input.depth === 0) return Number(await run(ctx, { value: input.value }));
  const child = { ...input, depth: input.depth - 1 };
  const sums = await ctx.all(
    Array.from({ length: input.breadth }, () => ctx.callSubOrchestrator<number>('Tree', child)),
  );
  return sums.reduce((sum, value) => sum + value, 0);
});

export const timers = orchestration('Timers', async (ctx, { parallel, chain }: TimersInput) => {
  await ctx.all(parallel.map((ms) => ctx.createTimer(ms)));
  for (const ms of chain) await ctx.createTimer(ms);
  return parallel.length + chain.length;
});

export const long = orchestration('Long', async (ctx, input: StepInput) => {
  return (await ctx.callActivity(step, input)).value;
});

export const controlled = orchestration('Controlled', async (ctx, { steps }: ControlledInput) => {
  let sum = 0;
  for (let number = 1; number <= steps; number += 1) {
    sum += Number(await run(ctx, { value: number, ms: 10 }));
    await ctx.createTimer(20);
  }
  return sum;
});

/** Goes on until somebody ends it. */
export const endless = orchestration('Endless', async (ctx) => {
  for (;;) {
    await run(ctx, { value: 'again', ms: 20 });
    await ctx.createTimer(100);
  }
});

export const claimed = orchestration('Claimed', async (ctx, { value }: ClaimedInput) => {
  return { value, go: await ctx.waitForExternalEvent<string>('Go') };
});

export const simple = orchestration('Simple', (ctx, input: StepInput) => run(ctx, input));

export const payload = orchestration('Payload', async (ctx, input: string) => {
  return (await ctx.callActivity(echo, input)).value;
});

export const account = entity('Account', {
  initialState: () => 0,
  operations: {
    add: (context, amount: number) => {
      context.state += amount;
      return context.state;
    },
  },
});

/** Moves money between two accounts under their locks, and tells a third one by a signal. */
export const transfer = orchestration('Transfer', async (ctx, { from, to, amount, count }: TransferInput) => {
  const [source, target] = [new EntityId('Account', from), new EntityId('Account', to)];
  const held = await ctx.lock([source, target]);
  await ctx.callEntity(source, 'add', -amount);
  await ctx.callEntity(target, 'add', amount);
  held.release();
  for (let number = 0; number < count; number += 1) ctx.signalEntity(new EntityId('Account', 'signals'), 'add', 1);
  return amount;
});

export const poisonThrow = orchestration('PoisonThrow', async (ctx) => {
  await run(ctx, { value: 1 });
  throw new TypeError('poison, as planned');
});

export const poisonStep = activity('PoisonStep', () => {
  throw null;
});

export const poisonActivity = orchestration('PoisonActivity', (ctx) => ctx.callActivity(poisonStep));

export const notJson = activity('NotJson', () => 1n);

export const poisonResult = orchestration('PoisonResult', (ctx) => ctx.callActivity(notJson));

export const poisonOutput = orchestration('PoisonOutput', async (ctx) => {
  await run(ctx, { value: 1 });
  return 1n;
});

/** Decides otherwise when it is replayed: completes where nobody ever replays it. */
export const poisonDiverging = orchestration('PoisonDiverging', async (ctx) => {
  const name = ctx.isReplaying ? 'Echo' : 'Step';
  await ctx.callActivity(name, { value: 1 });
  await ctx.createTimer(1_500);
  return (await ctx.callActivity(step, { value: 2 })).value;
});

/** The last three end their worker, if it lets them: in threads they end alone. */
export const poisonLoop = orchestration('PoisonLoop', async (ctx) => {
  await run(ctx, { value: 1 });
  for (;;);
});

export const poisonExit = orchestration('PoisonExit', async (ctx) => {
  await run(ctx, { value: 1 });
  process.exit(7);
});

export const hog = activity('Hog', () => {
  const kept: unknown[] = [];
  for (;;) kept.push(Array.from({ length: 10_000 }, (_, index) => ({ index })));
});

export const poisonMemory = orchestration('PoisonMemory', (ctx) => ctx.callActivity(hog));
