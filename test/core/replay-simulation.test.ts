/**
 * Random orchestrations over random histories: a run that lives from turn to turn and a replay from nothing, at every
 * turn, decide the same. So do a run that is forgotten and replayed in between, and one that is replayed once more.
 */
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import type { OrchestrationContext, Task } from '../../src/model/functions.ts';
import type { HistoryEvent } from '../../src/model/history.ts';
import {
  completed,
  expectSameReplay,
  failed,
  fired,
  LiveRun,
  raised,
  replayOf,
  resumed,
  suspended,
  turn,
  type Body,
} from './support.ts';

type Step =
  | { readonly op: 'call' | 'retry' | 'timer' | 'cancel' | 'event' | 'timeout' | 'guid' | 'status' | 'fireAndForget' }
  | { readonly op: 'all' | 'any' | 'race'; readonly size: number }
  | { readonly op: 'nested' };

const simple = fc.constantFrom<Step>(
  { op: 'call' },
  { op: 'retry' },
  { op: 'timer' },
  { op: 'cancel' },
  { op: 'event' },
  { op: 'timeout' },
  { op: 'guid' },
  { op: 'status' },
  { op: 'fireAndForget' },
  { op: 'nested' },
);
const compound = fc.record({
  op: fc.constantFrom('all' as const, 'any' as const, 'race' as const),
  size: fc.integer({ min: 1, max: 5 }),
});
/** Flows run side by side in an async body, one after the other in a generator. */
const programs = fc.array(fc.array(fc.oneof(simple, compound), { maxLength: 5 }), { minLength: 1, maxLength: 4 });

const retry = { firstRetryIntervalInMilliseconds: 5, maxNumberOfAttempts: 3, backoffCoefficient: 2 };

/** The tasks of a step, as one to wait for; `undefined` when there is nothing to wait for. */
function begin(ctx: OrchestrationContext, step: Step, note: (value: unknown) => void): Task<unknown> | undefined {
  const calls = (size: number) => Array.from({ length: size }, (_, i) => ctx.callActivity(`A${i}`, i));
  switch (step.op) {
    case 'call':
      return ctx.callActivity('A');
    case 'retry':
      return ctx.callActivity('R', 1, { retry });
    case 'timer':
      return ctx.createTimer(10);
    case 'cancel':
      ctx.createTimer(10).cancel();
      return undefined;
    case 'event':
      return ctx.waitForExternalEvent('E');
    case 'timeout':
      return ctx.waitForExternalEvent('E', { timeout: 5, defaultValue: 'late' });
    case 'guid':
      note(ctx.newGuid());
      return undefined;
    case 'status':
      ctx.setCustomStatus({ at: ctx.currentUtcDateTime });
      return undefined;
    case 'fireAndForget':
      ctx.callActivity('F');
      return undefined;
    case 'all':
      return ctx.all(calls(step.size));
    case 'any':
    case 'race':
      return ctx.any(calls(step.size));
    case 'nested': {
      const timer = ctx.createTimer(3);
      return ctx.any([ctx.all([ctx.callActivity('N'), ctx.waitForExternalEvent('E')]), timer]);
    }
  }
}

const bodiesOf = (program: readonly (readonly Step[])[]): Readonly<Record<string, Body>> => ({
  'async function': async (ctx: OrchestrationContext) => {
    const log: unknown[] = [];
    const flow = async (steps: readonly Step[], name: number): Promise<void> => {
      for (const step of steps) {
        const note = (value: unknown): unknown => log.push([name, isTask(value) ? value.isFaulted : value]);
        try {
          const task = begin(ctx, step, note);
          if (step.op === 'race') note(await Promise.race([task, ctx.waitForExternalEvent('E')]));
          else if (step.op === 'any') note((await ctx.any([task ?? ctx.all([])])).isFaulted);
          else note(await task);
        } catch (error) {
          note(String(error));
        }
      }
    };
    await Promise.all(program.map(flow));
    return log;
  },
  generator: function* (ctx: OrchestrationContext) {
    const log: unknown[] = [];
    for (const step of program.flat()) {
      try {
        const task = begin(ctx, step, (value) => log.push(value));
        const value: unknown = task === undefined ? undefined : yield task;
        log.push(isTask(value) ? value.isFaulted : value);
      } catch (error) {
        log.push(String(error));
      }
    }
    return log;
  },
  'async generator': async function* (ctx: OrchestrationContext) {
    const log: unknown[] = [];
    for (const step of program.flat()) {
      try {
        const task = begin(ctx, step, (value) => log.push(value));
        const value: unknown = task === undefined ? await null : yield task;
        log.push(isTask(value) ? value.isFaulted : value);
      } catch (error) {
        log.push(String(error));
      }
    }
    return log;
  },
});

function isTask(value: unknown): value is Task<unknown> {
  return typeof value === 'object' && value !== null && 'isFaulted' in value;
}

/** One choice of the world: what kind of thing happens, and to which of the candidates. */
const happenings = fc.array(
  fc.array(fc.tuple(fc.integer({ min: 0, max: 9 }), fc.nat(1_000)), { minLength: 1, maxLength: 4 }),
  { minLength: 1, maxLength: 25 },
);

/** What the world knows is open. */
class World {
  readonly #tasks = new Set<number>();
  readonly #timers = new Set<number>();

  learn(history: readonly HistoryEvent[]): void {
    for (const event of history) {
      if (event.type === 'TaskScheduled') this.#tasks.add(event.eventId);
      else if (event.type === 'TimerCreated') this.#timers.add(event.eventId);
    }
  }

  happen(kind: number, pick: number): HistoryEvent {
    if (kind <= 3) return take(this.#tasks, pick, (id) => completed(id, { id }));
    if (kind === 4) return take(this.#tasks, pick, (id) => failed(id, { message: `failed ${id}` }));
    if (kind <= 6) return take(this.#timers, pick, (id) => fired(id));
    if (kind === 7) return suspended;
    if (kind === 8) return resumed;
    return raised(pick % 2 === 0 ? 'E' : 'e', pick);
  }
}

function take(open: Set<number>, pick: number, make: (id: number) => HistoryEvent): HistoryEvent {
  const id = [...open][pick % Math.max(1, open.size)];
  // Now and then something arrives twice, or for nobody.
  if (id === undefined) return raised('E', 'filler');
  if (pick % 11 !== 0) open.delete(id);
  return make(id);
}

describe('live or replayed, an orchestration decides the same', () => {
  it.each(['async function', 'generator', 'async generator'] as const)('as %s', async (kind) => {
    await fc.assert(
      fc.asyncProperty(programs, happenings, async (program, turns) => {
        const body = bodiesOf(program)[kind];
        if (body === undefined) throw new Error('no such body');
        const run = new LiveRun(body);
        const world = new World();
        await run.start({});
        world.learn(run.history);
        for (const happening of turns) {
          if (run.history.at(-1)?.type === 'ExecutionCompleted') break;
          const from = run.history.length;
          await run.turn(...happening.map(([what, pick]) => world.happen(what, pick)));
          world.learn(run.history.slice(from));
        }
        // No orchestration of ours waits for anything but tasks, and none differs from its history.
        const ends = run.history.filter((event) => event.type === 'ExecutionCompleted');
        expect(ends.filter((event) => event.status === 'Failed')).toEqual([]);
        await expectSameReplay(run, body);
        await expectForgottenRunsGoOn(run, body);
      }),
      { numRuns: 150 },
    );
  });
});

/** A whole history replays without asking for anything, and each half can be replayed and then go on living. */
async function expectForgottenRunsGoOn(run: LiveRun, body: Body): Promise<void> {
  const whole = await replayOf(body).advance({ history: run.history, newEvents: [] });
  expect(whole.actions).toEqual([]);
  const half = Math.floor(run.cuts.length / 2);
  const replay = replayOf(body);
  let history: readonly HistoryEvent[] = run.history.slice(0, run.cuts[half]);
  for (let index = half; index < run.cuts.length; index += 1) {
    const part = run.history.slice(run.cuts[index], run.cuts[index + 1] ?? run.history.length);
    const newEvents = part.filter((event) => !('eventId' in event));
    expect(newEvents[0]?.type).toBe(turn().type);
    expect(await replay.advance({ history, newEvents })).toEqual(run.decisions[index]);
    history = [];
  }
}
