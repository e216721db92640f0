/** The orchestrators of the conformance checklist (http-api.md 6). */
import { EventEmitter, once } from 'node:events';
import { z } from 'zod';
import { defineEvent } from '../../src/model/events.ts';
import { entity } from '../../src/model/entity-functions.ts';
import { activity, orchestration } from '../../src/model/functions.ts';

const typedInput = z.object({ items: z.array(z.object({ price: z.number() })), note: z.string().default('') });
const approval = defineEvent('Approval', z.object({ by: z.string() }));
const gates = new EventEmitter();
gates.setMaxListeners(0);

/** Lets the activity `Gate` go on that was called with this name. */
export function openGate(name: string): void {
  gates.emit(name);
}

const mended = new Set<unknown>();

/** Lets the activity `Broken` work for this input from now on. */
export function mend(input: unknown): void {
  mended.add(input);
}

export const counter = entity('Counter', {
  initialState: (): unknown => 0,
  operations: {
    add: (ctx, n: number) => {
      ctx.state = Number(ctx.state) + n;
    },
    set: (ctx, value: unknown) => {
      ctx.state = value;
    },
    get: (ctx) => ctx.state,
    '': (ctx) => {
      ctx.state = 'without a name';
    },
    noInput: (ctx, input: unknown) => {
      ctx.state = { input: input === undefined ? 'none' : input };
    },
  },
});

export const functions = [
  counter,
  orchestration('Echo', (_ctx, input) => input),
  orchestration('WaitGo', (ctx) => ctx.waitForExternalEvent('Go')),
  orchestration('Boom', () => {
    throw new RangeError('no luck');
  }),
  orchestration('Nap', async (ctx, seconds: number) => {
    await ctx.createTimer(seconds * 1_000);
    return 'rested';
  }),
  orchestration('Custom', async (ctx, status) => {
    ctx.setCustomStatus(status);
    return ctx.waitForExternalEvent('Go');
  }),
  orchestration('Acts', (ctx, input) => ctx.callActivity('Upper', input)),
  orchestration('ActsFailing', (ctx, input) => ctx.callActivity('Failing', input)),
  orchestration('ActsGated', (ctx, input) => ctx.callActivity('Gate', input)),
  orchestration('Version', (ctx) => ctx.version ?? null),
  orchestration('Twice', async (ctx) => [await ctx.waitForExternalEvent('Go'), await ctx.waitForExternalEvent('Go')]),
  orchestration('LateGo', async (ctx) => {
    await ctx.createTimer(300);
    return ctx.waitForExternalEvent('Go');
  }),
  orchestration('NamedEvent', (ctx, name: string) => ctx.waitForExternalEvent(name)),
  orchestration('Reversed', async (ctx, name: string) => {
    const slow = ctx.callActivity('Gate', name);
    const quick = ctx.callActivity('Upper', name);
    await quick;
    ctx.setCustomStatus('quick is done');
    return slow;
  }),
  orchestration('Typed', { input: typedInput, output: typedInput, events: [approval] }, async (ctx, input) => {
    await ctx.waitForExternalEvent(approval);
    return input;
  }),
  orchestration('Calls', (ctx, { name, input }: { name: string; input?: unknown }) =>
    ctx.callSubOrchestrator(name, input),
  ),
  orchestration('Sends', (ctx, { to, name, data }: { to: string; name: string; data: unknown }) => {
    ctx.sendEvent(to, name, data);
  }),
  orchestration('CountsTo', (ctx, left: number) => (left === 0 ? 'done' : ctx.continueAsNew(left - 1))),
  orchestration('ActsBroken', (ctx, input) => ctx.callActivity('Broken', input)),
  activity('Broken', (input) => {
    if (!mended.has(input)) throw new Error('broken');
    return 'works';
  }),
  activity('Upper', (input) => String(input).toUpperCase()),
  activity('Failing', () => {
    throw new TypeError('activity failed');
  }),
  activity('Gate', async (input) => {
    await once(gates, String(input));
    return 'through';
  }),
];
