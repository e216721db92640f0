/**
 * Whole orchestrations, through both halves of the core, over a model of the store that keeps its promises and no others:
 * results come in any order and more than once, turns are lost before and after their commit, workers die and forget.
 * However it goes, an orchestration ends with the same output, and each task completes once (P2, P3, P9; I6, I16, I17).
 */
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { Replay } from '../../src/core/replay/replay.ts';
import { closeTurn } from '../../src/core/state/close-turn.ts';
import { defaultLimits } from '../../src/core/state/turn-limits.ts';
import { applyEvent, stateOf, type ExecutionState } from '../../src/core/state/execution-state.ts';
import { openTurn, type LocalEvent } from '../../src/core/state/open-turn.ts';
import type { OrchestrationContext, Orchestrator, Task } from '../../src/model/functions.ts';
import type { HistoryEvent, InboxEvent, TaskScheduled } from '../../src/model/history.ts';
import { isTerminal, type RuntimeStatus } from '../../src/model/instance.ts';
import type { Message, NewActivityTask, TurnCommit } from '../../src/model/work.ts';
import { lostActivities } from '../../src/worker/local-activities.ts';
import {
  executionId,
  failure,
  ownedInstance,
  raised,
  resumed,
  started,
  suspended,
  terminated,
} from '../support/builders.ts';

type Step =
  | { readonly op: 'call' | 'retry' | 'race' | 'timer' | 'forget'; readonly n: number }
  | { readonly op: 'all'; readonly size: number }
  | { readonly op: 'event' };

interface Program {
  readonly kind: 'async' | 'generator';
  readonly steps: readonly Step[];
}

const steps: fc.Arbitrary<Step> = fc.oneof(
  fc.record({
    op: fc.constantFrom('call' as const, 'retry' as const, 'race' as const, 'timer' as const, 'forget' as const),
    n: fc.nat(50),
  }),
  fc.record({ op: fc.constant('all' as const), size: fc.integer({ min: 1, max: 6 }) }),
  fc.constant<Step>({ op: 'event' }),
);
const programs: fc.Arbitrary<Program> = fc.record({
  kind: fc.constantFrom('async' as const, 'generator' as const),
  steps: fc.array(steps, { maxLength: 7 }),
});

const twice = { firstRetryIntervalInMilliseconds: 5, maxNumberOfAttempts: 2 };

/** Begins a step. What it waits for is nothing, or one task. */
function begin(ctx: OrchestrationContext, step: Step): Task<unknown> | undefined {
  switch (step.op) {
    case 'call':
      return ctx.callActivity('Double', step.n);
    case 'retry':
      return ctx.callActivity('Flaky', step.n, { retry: twice });
    case 'race':
      return ctx.any([ctx.callActivity('Double', step.n), ctx.createTimer(step.n)]);
    case 'timer':
      return ctx.createTimer(step.n);
    case 'forget':
      ctx.callActivity('Double', step.n);
      return undefined;
    case 'all':
      return ctx.all(Array.from({ length: step.size }, (_, n) => ctx.callActivity('Double', n)));
    case 'event':
      return ctx.waitForExternalEvent('E');
  }
}

/** What of a step's result shows in the output: nothing that may depend on who was first. */
function shown(step: Step, result: unknown): unknown {
  return step.op === 'race' || step.op === 'timer' || step.op === 'forget' ? step.op : result;
}

function bodyOf({ kind, steps: all }: Program): Orchestrator<never, unknown> {
  if (kind === 'generator') {
    return function* (ctx) {
      const output: unknown[] = [];
      for (const step of all) {
        const task = begin(ctx, step);
        output.push(shown(step, task === undefined ? undefined : yield task));
      }
      return output;
    };
  }
  return async (ctx) => {
    const output: unknown[] = [];
    for (const step of all) output.push(shown(step, await begin(ctx, step)));
    return output;
  };
}

/** What the program comes to, said without any engine. */
function expectedOutput({ steps: all }: Program): unknown {
  let events = 0;
  return all.map((step) => {
    if (step.op === 'event') return `event ${events++}`;
    if (step.op === 'all') return Array.from({ length: step.size }, (_, n) => 2 * n);
    if (step.op === 'call' || step.op === 'retry') return 2 * step.n;
    return step.op;
  });
}

function runActivity(task: Pick<TaskScheduled, 'name' | 'input' | 'attempt'>, taskScheduledId: number): LocalEvent {
  if (task.name === 'Flaky' && (task.attempt ?? 1) === 1) return { type: 'TaskFailed', taskScheduledId, failure };
  return { type: 'TaskCompleted', taskScheduledId, result: String(2 * Number(task.input)) };
}

interface Memory {
  readonly state: ExecutionState;
  readonly run: Replay;
  unplayed: readonly HistoryEvent[];
  sequence: number;
}

interface Worker {
  alive: boolean;
  /** Kept when the instance is given up, valid for its sequence only (decision 3). */
  memory: Memory | undefined;
  takenOver: boolean;
  readonly running: Map<number, TaskScheduled>;
  results: LocalEvent[];
}

interface QueueRow {
  readonly task: NewActivityTask;
  owner: Worker | undefined;
}

/** How a turn ends. */
type Fate = 'is committed' | 'dies before its commit' | 'dies after its commit' | 'is overtaken';

/** What happens next, to whom. */
interface Happening {
  readonly what:
    | 'claim'
    | 'turn'
    | 'local end'
    | 'take task'
    | 'task end'
    | 'event'
    | 'suspend'
    | 'resume'
    | 'time'
    | 'set back'
    | 'repeat'
    | 'stale'
    | 'forget'
    | 'death';
  readonly who: number;
  readonly which: number;
  readonly fate: Fate;
}

const happenings = fc.array(
  fc.record<Happening>({
    what: fc.constantFrom(
      ...(['claim', 'turn', 'local end', 'take task', 'task end'] as const),
      ...(['claim', 'turn', 'local end', 'take task', 'task end'] as const),
      ...(['event', 'suspend', 'resume', 'time', 'set back', 'repeat', 'repeat', 'stale', 'forget', 'death'] as const),
    ),
    who: fc.nat(1),
    which: fc.nat(20),
    fate: fc.constantFrom<Fate>(
      'is committed',
      'is committed',
      'is committed',
      'dies before its commit',
      'dies after its commit',
      'is overtaken',
    ),
  }),
  { maxLength: 120 },
);

/** One instance in a store, and the workers around it. */
class World {
  readonly #body: Orchestrator<never, unknown>;
  readonly #events: string[];
  #now = 1_000;
  #nextMessage = 1;
  #messages: Message[] = [];
  #queue: QueueRow[] = [];
  #owner: Worker | undefined;
  #sequence = 0;
  #workers: Worker[] = [newWorker(), newWorker()];
  /** Everything that ever arrived: it may arrive again. */
  readonly #arrived: InboxEvent[] = [];
  status: RuntimeStatus = 'Pending';
  output: string | null = null;
  readonly history: HistoryEvent[] = [];
  readonly turns: (readonly HistoryEvent[])[] = [];
  /** Where in the history each committed turn ends. */
  readonly ends: number[] = [];

  constructor(program: Program) {
    this.#body = bodyOf(program);
    this.#events = program.steps.filter((step) => step.op === 'event').map((_, index) => `"event ${index}"`);
    this.send(started({ name: 'Test' }), executionId);
  }

  get ended(): boolean {
    return isTerminal(this.status);
  }

  async happen({ what, who, which, fate }: Happening): Promise<void> {
    const worker = this.#workers[who] ?? newWorker();
    switch (what) {
      case 'claim':
        return this.#claim(worker);
      case 'turn':
        return this.#turn(worker, { fate, parity: which });
      case 'local end':
        return this.#endLocal(worker, which);
      case 'take task':
        return this.#takeTask(worker);
      case 'task end':
        return this.#endTask(which);
      case 'event': {
        const next = this.#events.shift();
        if (next !== undefined) this.send(raised('E', next));
        return;
      }
      case 'suspend':
        return this.send(suspended());
      case 'resume':
        return this.send(resumed());
      case 'time':
        this.#now += 10;
        return;
      case 'set back':
        // The database's clock. What was stored meanwhile would wait for it; here is about what was committed.
        if (this.#messages.every(({ event }) => event.type === 'TimerFired')) this.#now -= 15;
        return;
      case 'repeat': {
        const again = this.#arrived.at(-1 - (which % 4));
        // An event that is raised twice is two events, and no timer comes early; all else may come twice.
        if (again === undefined || again.type === 'EventRaised') return;
        if (again.type === 'TimerFired' && again.fireAt > this.#now) return;
        return this.send(again, executionId);
      }
      case 'stale':
        return this.send({ type: 'TaskCompleted', timestamp: 0, taskScheduledId: which, result: '"no"' }, 'e0');
      case 'forget':
        worker.memory = undefined;
        return;
      case 'death':
        return this.#kill(worker);
    }
  }

  /** Lets everything that waits happen, in some fair order, until the end. */
  async settle(): Promise<void> {
    for (let round = 0; round < 400 && !this.ended; round += 1) {
      const whoever = { who: round % 2, which: round, fate: 'is committed' } as const;
      await this.happen({ what: 'event', ...whoever });
      // Not more than needed: every message wakes, and what is owed a wake-up must not get one by chance.
      if (this.status === 'Suspended') await this.happen({ what: 'resume', ...whoever });
      await this.happen({ what: 'time', ...whoever });
      for (const what of ['claim', 'turn', 'local end', 'turn', 'take task', 'task end'] as const) {
        await this.happen({ what, ...whoever });
      }
      // Twice at the same moment: that wakes no more than once would.
      if (this.#visible.length > 0 && round % 2 === 0) await this.happen({ what: 'repeat', ...whoever, which: 0 });
    }
  }

  send(event: InboxEvent, to: string | null = null, visibleAt = this.#now): void {
    if (this.ended) return;
    if (to === null || to === executionId) this.#arrived.push(event);
    this.#messages.push({
      id: String(this.#nextMessage++),
      visibleAt,
      executionId: to,
      event: { ...event, timestamp: visibleAt },
    });
  }

  get #visible(): readonly Message[] {
    return this.#messages.filter((message) => message.visibleAt <= this.#now);
  }

  #claim(worker: Worker): void {
    if (this.ended || this.#owner === worker) return;
    if (this.#owner?.alive === false) {
      this.#sequence += 1;
      worker.takenOver = true;
    } else if (this.#owner !== undefined || this.#visible.length === 0) return;
    this.#owner = worker;
    if (worker.memory?.sequence !== this.#sequence) worker.memory = undefined;
  }

  async #turn(worker: Worker, { fate, parity }: { readonly fate: Fate; readonly parity: number }): Promise<void> {
    if (this.#owner !== worker || this.ended) return;
    const messages = this.#visible;
    const fence = this.#sequence;
    const memory = (worker.memory ??= this.#remember());
    const ended = messages.flatMap(({ event, executionId: to }) =>
      'taskScheduledId' in event && (to === null || to === memory.state.executionId) ? [event.taskScheduledId] : [],
    );
    const queuedTaskIds = [...this.#queue.map((row) => row.task.taskScheduledId), ...ended];
    const lostTasks = worker.takenOver ? lostActivities(memory.state, { queuedTaskIds }) : undefined;
    worker.takenOver = false;
    const opened = openTurn(memory.state, {
      messages,
      local: worker.results.splice(0),
      now: this.#now,
      ...(lostTasks ? { lostTasks } : {}),
    });
    if ('discard' in opened) {
      this.#delete(opened.discard);
      if (worker.running.size === 0) this.#owner = undefined;
      return;
    }
    const history = memory.unplayed;
    memory.unplayed = [];
    const decision = opened.runs ? await memory.run.advance({ history, newEvents: opened.newEvents }) : undefined;
    const { commit, local } = closeTurn({
      instance: ownedInstance({ status: this.status, sequence: fence }),
      state: memory.state,
      opened,
      ...(decision ? { decision } : {}),
      ...(lostTasks ? { lostTasks } : {}),
      takeLocally: (task) => (task.eventId + parity) % 3 !== 0,
      hasMore: worker.running.size > 0,
      limits: defaultLimits,
      newExecutionId: () => `${executionId}-next`,
    });
    if (fate === 'dies before its commit') return this.#kill(worker);
    if (fate === 'is overtaken') {
      // Its lease ended while it ran; somebody else has the instance already, and the late commit is refused.
      const heir = newWorker();
      this.#kill(worker);
      this.#workers = this.#workers.map((other, index) => (index === parity % 2 ? heir : other));
      this.#claim(heir);
    }
    if (!this.#commit(commit, worker)) return;
    memory.sequence = this.#sequence;
    for (const event of commit.events) applyEvent(memory.state, event);
    for (const task of local) worker.running.set(task.eventId, task);
    if (fate === 'dies after its commit') this.#kill(worker);
  }

  #remember(): Memory {
    return {
      state: stateOf(executionId, this.history),
      run: new Replay({ instanceId: 'order-7', orchestrator: this.#body }),
      unplayed: [...this.history],
      sequence: this.#sequence,
    };
  }

  #commit(commit: TurnCommit, worker: Worker): boolean {
    if (commit.fence !== this.#sequence || this.#owner !== worker) return false;
    this.#sequence += 1;
    this.history.push(...commit.events);
    this.turns.push(commit.events);
    this.ends.push(this.history.length);
    this.status = commit.status;
    this.output = commit.output;
    this.#delete(commit.consumedMessages);
    this.#messages = this.#messages.filter(
      ({ event, visibleAt }) =>
        event.type !== 'TimerFired' || visibleAt <= this.#now || !commit.cancelledTimers.includes(event.timerId),
    );
    for (const { timerId, fireAt } of commit.timers) {
      this.send({ type: 'TimerFired', timestamp: 0, timerId, fireAt }, executionId, fireAt);
    }
    this.#queue.push(...commit.queuedTasks.map((task) => ({ task, owner: undefined })));
    if (this.ended) this.#messages = [];
    if (this.ended || !commit.keepOwnership) this.#owner = undefined;
    return true;
  }

  #endLocal(worker: Worker, which: number): void {
    const task = [...worker.running.values()][which % Math.max(1, worker.running.size)];
    if (task === undefined || this.#owner !== worker) return;
    worker.running.delete(task.eventId);
    worker.results.push(runActivity(task, task.eventId));
  }

  #takeTask(worker: Worker): void {
    const row = this.#queue.find(({ owner }) => owner === undefined || !owner.alive);
    if (row) row.owner = worker;
  }

  #endTask(which: number): void {
    const held = this.#queue.filter(({ owner }) => owner?.alive === true);
    const row = held[which % Math.max(1, held.length)];
    if (row === undefined) return;
    this.#queue = this.#queue.filter((other) => other !== row);
    this.send({ ...runActivity(row.task, row.task.taskScheduledId), timestamp: 0 }, executionId);
  }

  #delete(ids: readonly string[]): void {
    this.#messages = this.#messages.filter((message) => !ids.includes(message.id));
  }

  /** It and all that it knew is gone; another begins in its place. */
  #kill(worker: Worker): void {
    worker.alive = false;
    this.#workers = this.#workers.map((other) => (other === worker ? newWorker() : other));
  }
}

function newWorker(): Worker {
  return { alive: true, memory: undefined, takenOver: false, running: new Map(), results: [] };
}

function ofType<T extends HistoryEvent['type']>(history: readonly HistoryEvent[], type: T) {
  return history.filter((event): event is Extract<HistoryEvent, { readonly type: T }> => event.type === type);
}

/** I16: begins, goes on and ends in order. */
function expectWellFormed({ history, turns }: World): void {
  for (const turn of turns) expect(turn[0]?.type).toBe('OrchestratorStarted');
  expect(history[1]?.type).toBe('ExecutionStarted');
  expect(ofType(history, 'ExecutionStarted')).toHaveLength(1);
  expect(ofType(history, 'ExecutionCompleted')).toEqual([history.at(-1)]);
  const times = history.map((event) => event.timestamp);
  expect(times).toEqual([...times].sort((a, b) => a - b));
}

/** I6: completions after their scheduling, and one for each at most. */
function expectCompletedOnce({ history }: World): void {
  const completions = history.filter((event) => event.type === 'TaskCompleted' || event.type === 'TaskFailed');
  const ids = completions.map((event) => event.taskScheduledId);
  expect(new Set(ids).size).toBe(ids.length);
  for (const completion of completions) {
    const scheduledAt = history.findIndex(
      (event) => event.type === 'TaskScheduled' && event.eventId === completion.taskScheduledId,
    );
    expect(scheduledAt).toBeGreaterThan(-1);
    expect(scheduledAt).toBeLessThan(history.indexOf(completion));
  }
  const fired = ofType(history, 'TimerFired');
  expect(new Set(fired.map((event) => event.timerId)).size).toBe(fired.length);
  for (const event of fired) expect(event.timestamp).toBeGreaterThanOrEqual(event.fireAt); // I18
}

/** I17: the history, cut at the end of any turn, replays to what the next turn did. */
async function expectReplays({ history, turns, ends }: World, program: Program): Promise<void> {
  for (const [index, turn] of turns.entries()) {
    const run = new Replay({ instanceId: 'order-7', orchestrator: bodyOf(program) });
    const news = turn.filter((event) => !('eventId' in event));
    if (news.some((event) => event.type === 'ExecutionTerminated')) continue;
    const { actions } = await run.advance({ history: history.slice(0, ends[index - 1] ?? 0), newEvents: news });
    const recorded = turn.filter((event) => 'eventId' in event).map((event) => event.eventId);
    expect(actions.filter((action) => 'id' in action).map((action) => action.id)).toEqual(recorded);
  }
}

describe('an orchestration, whatever happens to its turns, results and workers,', () => {
  it('ends with the same output, each task completed once', async () => {
    await fc.assert(
      fc.asyncProperty(programs, happenings, async (program, all) => {
        const world = new World(program);
        for (const one of all) await world.happen(one);
        await world.settle();
        expect(world.status).toBe('Completed');
        expect(JSON.parse(world.output ?? '')).toEqual(expectedOutput(program));
        expectWellFormed(world);
        expectCompletedOnce(world);
        await expectReplays(world, program);
        const events = program.steps.filter((step) => step.op === 'event').length;
        // In the order in which they were sent, each once; the last may have come after the end.
        expect(ofType(world.history, 'EventRaised').map((event) => event.input)).toEqual(
          Array.from({ length: events }, (_, index) => `"event ${index}"`),
        );
      }),
      { numRuns: 1_000 },
    );
  });

  it('ends as terminated when that is asked for, and stays so', async () => {
    await fc.assert(
      fc.asyncProperty(programs, happenings, happenings, async (program, before, then) => {
        const world = new World(program);
        for (const one of before) await world.happen(one);
        if (world.ended) return;
        world.send(terminated('"enough"'));
        for (const one of then) await world.happen(one);
        await world.settle();
        const { status, output } = world;
        // What ended by itself in a turn before stays as it is.
        expect(status === 'Terminated' ? output : '"enough"').toBe('"enough"');
        expectWellFormed(world);
        expectCompletedOnce(world);
        await expectReplays(world, program);
        for (const one of then) await world.happen(one);
        expect(world).toMatchObject({ status, output });
      }),
      { numRuns: 500 },
    );
  });
});
