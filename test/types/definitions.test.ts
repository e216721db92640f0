/**
 * What the compiler knows: this file is compiled by `tsc`, which fails for a wrong type and for a `@ts-expect-error` that
 * expects in vain.
 */
import { describe, expectTypeOf, it } from 'vitest';
import { z } from 'zod';
import {
  activity,
  createTaskHub,
  defineEvent,
  entity,
  orchestration,
  type OrchestrationContext,
  type OrchestrationDefinition,
  type Task,
} from 'perdure';
import { createHttpClient, type OrchestrationClient } from 'perdure/client';

interface Order {
  readonly id: string;
  readonly amount: number;
}

const charge = activity('Charge', async (order: Order) => ({ receipt: `${order.id}-1` }));
const ping = activity('Ping', () => 'pong');
const approval = defineEvent<{ readonly by: string }>('Approval');
const nothing = defineEvent<undefined>('Nothing');

const counter = entity('Counter', {
  initialState: () => 0,
  operations: { add: (ctx, n: number) => (ctx.state += n), reset: (ctx) => void (ctx.state = 0) },
});

const orderSchema = z.object({ id: z.string(), amount: z.number().default(1), at: z.coerce.date() });
const checkedOrder = orchestration(
  'CheckedOrder',
  { input: orderSchema, output: z.object({ total: z.number() }), events: [approval] },
  async (ctx, order) => {
    expectTypeOf(ctx).toEqualTypeOf<OrchestrationContext>();
    expectTypeOf(order).toEqualTypeOf<{ id: string; amount: number; at: Date }>();
    return { total: order.amount };
  },
);
const checkedCharge = activity(
  'CheckedCharge',
  { input: orderSchema, output: z.string(), maxConcurrentPerHub: 3 },
  (order) => {
    expectTypeOf(order.at).toEqualTypeOf<Date>();
    return order.id;
  },
);

/** Never called: only its types matter. */
export async function types(ctx: OrchestrationContext): Promise<void> {
  const { client } = createTaskHub({ databaseUrl: '' });

  expectTypeOf(ctx.callActivity(charge, { id: 'a', amount: 1 })).toEqualTypeOf<Task<{ receipt: string }>>();
  expectTypeOf(ctx.callActivity(ping)).toEqualTypeOf<Task<string>>();
  expectTypeOf(ctx.all([ctx.callActivity(ping), ctx.callActivity<number>('N')])).toEqualTypeOf<
    Task<[string, number]>
  >();
  expectTypeOf(ctx.all([1, 2].map(() => ctx.callActivity(ping)))).toEqualTypeOf<Task<string[]>>();
  expectTypeOf(ctx.callActivity<number>('Elsewhere', 1)).toEqualTypeOf<Task<number>>();
  expectTypeOf(ctx.df.callActivity(ping)).toEqualTypeOf<Task<string>>();
  // @ts-expect-error an order has an id
  void ctx.callActivity(charge, { amount: 1 });
  // @ts-expect-error the input is missing
  void ctx.callActivity(charge);
  // @ts-expect-error the amount is a number
  void ctx.callActivity(charge, { id: 'a', amount: '1' });

  expectTypeOf(await ctx.waitForExternalEvent(approval)).toEqualTypeOf<{ readonly by: string }>();
  expectTypeOf(await ctx.waitForExternalEvent(approval, { timeout: '1h', defaultValue: null })).toEqualTypeOf<{
    readonly by: string;
  } | null>();
  expectTypeOf(await ctx.waitForExternalEvent<string>('Plain')).toEqualTypeOf<string>();
  expectTypeOf(await ctx.df.waitForExternalEvent(approval)).toEqualTypeOf<{ readonly by: string }>();
  const dated = defineEvent('Dated', z.object({ at: z.coerce.date() }));
  expectTypeOf(await ctx.waitForExternalEvent(dated)).toEqualTypeOf<{ at: Date }>();

  // The client over HTTP knows the same.
  const remote = createHttpClient({ url: 'http://h' });
  expectTypeOf(remote).toExtend<OrchestrationClient>();
  await remote.raiseEvent('i', approval, { by: 'Ann' });
  // @ts-expect-error who approved is a text
  await remote.raiseEvent('i', approval, { by: 5 });
  await remote.startNew(checkedOrder, { input: { id: 'a', at: 0 } });
  // @ts-expect-error the input is missing
  await remote.startNew(checkedOrder);

  await client.raiseEvent('i', approval, { by: 'Ann' });
  await client.raiseEvent('i', nothing);
  await client.raiseEvent('i', 'Plain', 5);
  // @ts-expect-error who approved is a text
  await client.raiseEvent('i', approval, { by: 5 });
  // @ts-expect-error the payload is missing
  await client.raiseEvent('i', approval);

  // What goes in has neither defaults nor transformations yet.
  expectTypeOf(checkedOrder).toEqualTypeOf<
    OrchestrationDefinition<{ id: string; at: unknown; amount?: number | undefined }, { total: number }>
  >();
  await client.startNew(checkedOrder, { input: { id: 'a', at: '2026-01-01' } });
  await client.startNew('Elsewhere');
  // @ts-expect-error an order has an id
  await client.startNew(checkedOrder, { input: { at: '2026-01-01' } });
  // @ts-expect-error the input is missing
  await client.startNew(checkedOrder);
  // @ts-expect-error the input is missing here too
  await client.startNew(checkedOrder, { instanceId: 'a' });

  expectTypeOf(ctx.callActivity(checkedCharge, { id: 'a', at: 0 })).toEqualTypeOf<Task<string>>();
  // @ts-expect-error the amount is a number
  void ctx.callActivity(checkedCharge, { id: 'a', at: 0, amount: 'much' });

  // @ts-expect-error the output has a total
  orchestration('Bad', { output: z.object({ total: z.number() }) }, async () => ({ sum: 1 }));
  // @ts-expect-error the handler takes a number where the schema gives a text
  activity('Bad', { input: z.string() }, (n: number) => n);
  // @ts-expect-error that is no schema at all
  orchestration('Bad', { input: { type: 'object' } }, async () => 1);
}

/** Never called either. */
export async function entityTypes(ctx: OrchestrationContext): Promise<void> {
  const id = counter.id('a');
  expectTypeOf(ctx.callEntity(id, 'add', 5)).toEqualTypeOf<Task<number>>();
  expectTypeOf(ctx.callEntity(id, 'reset')).toEqualTypeOf<Task<undefined>>();
  ctx.signalEntity(id, 'add', 5, { scheduledTime: new Date(0) });
  const lock = await ctx.lock([id, counter.id('b')]);
  lock.release();
  // @ts-expect-error there is no such operation
  void ctx.callEntity(id, 'subtract', 5);
  // @ts-expect-error its input is a number
  void ctx.callEntity(id, 'add', '5');
  // @ts-expect-error it takes an input
  ctx.signalEntity(id, 'add');

  expectTypeOf(ctx.compareVersionTo('1.0')).toEqualTypeOf<number>();
  // @ts-expect-error a version is a text
  orchestration('Versioned', { version: 2 }, () => 1);
  // @ts-expect-error there is no such strategy
  createTaskHub({ databaseUrl: '', versioning: { matchStrategy: 'Newest' } });
}

describe('types of definitions', () => {
  it('without a schema come from the functions', () => {
    const typed = orchestration('Typed', async (_ctx, order: Order) => order.amount);
    expectTypeOf(typed).toEqualTypeOf<OrchestrationDefinition<Order, number>>();
    const limited = activity('Limited', { maxConcurrentPerWorker: 1 }, (order: Order) => order.id);
    expectTypeOf(limited.run).parameter(0).toEqualTypeOf<Order>();
    const declared = orchestration('Declared', { events: [approval] }, async (_ctx, order: Order) => order.id);
    expectTypeOf(declared).toEqualTypeOf<OrchestrationDefinition<Order, string>>();
  });
});
