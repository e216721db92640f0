/** Builders of histories, and a small engine that plays a run against them. */
import { expect } from 'vitest';
import { recordEntityCall } from '../../src/core/state/entity-calls.ts';
import type { Action, Decision } from '../../src/model/actions.ts';
import type { Failure } from '../../src/model/failure.ts';
import type { Orchestrator } from '../../src/model/functions.ts';
import type { HistoryEvent } from '../../src/model/history.ts';
import { Replay } from '../../src/core/replay/replay.ts';
import type { ReplayOptions } from '../../src/core/replay/run.ts';

export const startTime = Date.UTC(2026, 0, 1);

/** Events; the time is that of the turn and seldom matters. */
export const turn = (timestamp = startTime): HistoryEvent => ({ type: 'OrchestratorStarted', timestamp });

export function started(input?: unknown, more: Partial<Extract<HistoryEvent, { type: 'ExecutionStarted' }>> = {}) {
  return {
    type: 'ExecutionStarted',
    timestamp: startTime,
    name: 'Test',
    executionId: 'e1',
    ...(input === undefined ? {} : { input: JSON.stringify(input) }),
    ...more,
  } as const;
}

export function scheduled(
  eventId: number,
  name = 'A',
  more: { attempt?: number; firstId?: number } = {},
): HistoryEvent {
  return { type: 'TaskScheduled', timestamp: startTime, eventId, name, ...more };
}

export function completed(taskScheduledId: number, result?: unknown): HistoryEvent {
  return {
    type: 'TaskCompleted',
    timestamp: startTime,
    taskScheduledId,
    ...(result === undefined ? {} : { result: JSON.stringify(result) }),
  };
}

export function failed(taskScheduledId: number, failure: Partial<Failure> = {}): HistoryEvent {
  return {
    type: 'TaskFailed',
    timestamp: startTime,
    taskScheduledId,
    failure: { errorType: 'Error', message: 'boom', ...failure },
  };
}

export const timerCreated = (eventId: number, fireAt = startTime): HistoryEvent => ({
  type: 'TimerCreated',
  timestamp: startTime,
  eventId,
  fireAt,
});

export const fired = (timerId: number, fireAt = startTime): HistoryEvent => ({
  type: 'TimerFired',
  timestamp: startTime,
  timerId,
  fireAt,
});

export function raised(name: string, input?: unknown): HistoryEvent {
  return {
    type: 'EventRaised',
    timestamp: startTime,
    name,
    ...(input === undefined ? {} : { input: JSON.stringify(input) }),
  };
}

export const suspended: HistoryEvent = { type: 'ExecutionSuspended', timestamp: startTime };
export const resumed: HistoryEvent = { type: 'ExecutionResumed', timestamp: startTime };
export const terminated: HistoryEvent = { type: 'ExecutionTerminated', timestamp: startTime };

export type Body = Orchestrator<never, unknown>;

export function replayOf(orchestrator: Body, options: Partial<ReplayOptions> = {}): Replay {
  return new Replay({ instanceId: 'i1', orchestrator, ...options });
}

/** What actions leave in history. */
export function record(actions: readonly Action[]): HistoryEvent[] {
  return actions.flatMap((action): HistoryEvent[] => {
    const timestamp = startTime;
    switch (action.type) {
      case 'ScheduleTask': {
        const { id, type: _, ...rest } = action;
        return [{ type: 'TaskScheduled', timestamp, eventId: id, ...rest }];
      }
      case 'CreateTimer':
        return [
          {
            type: 'TimerCreated',
            timestamp,
            eventId: action.id,
            fireAt: action.fireAt,
            ...(action.retryOf === undefined ? {} : { retryOf: action.retryOf }),
          },
        ];
      case 'CancelTimer':
        return [];
      case 'CreateSubOrchestration': {
        const { id, type: _, ...rest } = action;
        return [{ type: 'SubOrchestrationInstanceCreated', timestamp, eventId: id, ...rest }];
      }
      case 'ContinueAsNew':
        throw new Error('an execution that continues as new leaves no history');
      case 'SendEvent': {
        const { id, type: _, ...rest } = action;
        return [{ type: 'EventSent', timestamp, eventId: id, ...rest }];
      }
      case 'CallEntity':
      case 'SignalEntity':
      case 'LockEntities':
      case 'UnlockEntity':
        return [recordEntityCall(action, { instanceId: 'i1', executionId: 'e1' }, timestamp).event];
      case 'CompleteOrchestration': {
        const { id, type: _, ...rest } = action;
        return [{ type: 'ExecutionCompleted', timestamp, eventId: id, ...rest }];
      }
    }
  });
}

/** A live run beside its growing history: each `turn` takes new events and records what was decided. */
export class LiveRun {
  readonly history: HistoryEvent[] = [];
  readonly decisions: Decision[] = [];
  /** Where each turn begins in the history. */
  readonly cuts: number[] = [];
  readonly replay: Replay;
  #now = startTime - 1_000;

  constructor(orchestrator: Body, options: Partial<ReplayOptions> = {}) {
    this.replay = replayOf(orchestrator, options);
  }

  /** One turn, a second after the one before; OrchestratorStarted is added. */
  async turn(...events: HistoryEvent[]): Promise<Decision> {
    this.#now += 1_000;
    const newEvents = [turn(this.#now), ...events];
    const decision = await this.replay.advance({ history: [], newEvents });
    this.cuts.push(this.history.length);
    this.history.push(...newEvents, ...record(decision.actions));
    this.decisions.push(decision);
    return decision;
  }

  /** The first turn. */
  start(input?: unknown): Promise<Decision> {
    return this.turn(started(input));
  }

  /** The same code from nothing, with turn `index` as the new one. */
  async replayedDecision(orchestrator: Body, index: number): Promise<Decision> {
    const cut = this.cuts[index] ?? 0;
    const end = this.cuts[index + 1] ?? this.history.length;
    const newEvents = this.history.slice(cut, end).filter((event) => !isRecord(event));
    return replayOf(orchestrator).advance({ history: this.history.slice(0, cut), newEvents });
  }
}

function isRecord(event: HistoryEvent): boolean {
  return 'eventId' in event;
}

/** The last action when it ends the orchestration. */
export function endOf(decision: Decision) {
  const last = decision.actions.at(-1);
  return last?.type === 'CompleteOrchestration' ? last : undefined;
}

/** The result of a completed orchestration. */
export function resultOf(decision: Decision): unknown {
  const end = endOf(decision);
  if (end?.status !== 'Completed') throw new Error(`not completed: ${JSON.stringify(decision)}`);
  const value: unknown = end.result === undefined ? undefined : JSON.parse(end.result);
  return value;
}

/** The failure of a failed orchestration. */
export function failureOf(decision: Decision): Failure {
  const end = endOf(decision);
  if (end?.status !== 'Failed') throw new Error(`not failed: ${JSON.stringify(decision)}`);
  return end.failure;
}

/**
 * Plays a body over some events, one turn each, and expects of every turn that a replay from nothing decides the same.
 * @returns the last decision
 */
export async function play(body: Body, ...events: readonly HistoryEvent[]): Promise<Decision> {
  const run = new LiveRun(body);
  let decision = await run.start();
  for (const event of events) decision = await run.turn(event);
  await expectSameReplay(run, body);
  return decision;
}

/** Every turn of a run is decided alike by a replay of what was before it. */
export async function expectSameReplay(run: LiveRun, body: Body): Promise<void> {
  for (const [index, decision] of run.decisions.entries()) {
    expect(withoutStacks(await run.replayedDecision(body, index))).toEqual(withoutStacks(decision));
  }
}

/** Frames of a stack may be those of the test or of the engine, and only a run that began with its history knows its last call. */
function withoutStacks(decision: Decision): unknown {
  const value: unknown = JSON.parse(
    JSON.stringify(decision, (key, inner: unknown) => {
      if (key === 'stackTrace') return undefined;
      return typeof inner === 'string'
        ? inner.replace(/ The last that it used of its context was \S+ at \S+\./, '')
        : inner;
    }),
  );
  return value;
}
