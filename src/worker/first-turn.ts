/**
 * The first turn of an instance that was started in this process, made before the instance is stored: when it leaves
 * nothing but events it is written by the very statement that stores the instance. What becomes of it is in
 * `orchestration-processor.ts`.
 */
import { closeTurn, type ClosedTurn } from '../core/state/close-turn.ts';
import type { ExecutionLimits } from '../core/state/turn-limits.ts';
import { openTurn, type OpenedTurn } from '../core/state/open-turn.ts';
import type { TaskScheduled } from '../model/history.ts';
import { isTerminal } from '../model/instance.ts';
import type { Version } from '../model/versions.ts';
import type { Claim, FirstTurn, InstanceKey, NewInstance, TurnCommit } from '../model/work.ts';
import { weightOf } from './committer.ts';
import type { DatabaseClock } from './database-clock.ts';
import type { Executor } from './executor.ts';
import { openMemory, type Memory } from './live-instances.ts';

/** It takes one history row. */
const maxWeight = 500_000;

export interface MadeFirstTurn {
  readonly opened: OpenedTurn;
  /** Its commit has no key yet. */
  readonly closed: ClosedTurn;
  readonly memory: Memory;
  /** `null`: it takes a commit of its own. */
  readonly firstTurn: FirstTurn | null;
}

export async function runFirstTurn(
  start: NewInstance,
  worker: {
    readonly executor: Executor;
    readonly clock: DatabaseClock;
    readonly limits: ExecutionLimits;
    readonly newExecutionId: () => string;
    readonly takeLocally: (task: TaskScheduled) => boolean;
    readonly takeChild: (name: string, version: Version) => boolean;
  },
): Promise<MadeFirstTurn> {
  const { executor, clock, limits, takeLocally, takeChild } = worker;
  const instance = claimOf(start, '');
  const memory = openMemory(executor, instance, []);
  const opened = openTurn(memory.state, { messages: [], local: [start.event], now: clock.now() });
  if ('discard' in opened) throw new Error('a start was no news to a new instance');
  const decision = await memory.run.advance({ history: [], newEvents: opened.newEvents });
  const closed = closeTurn({
    ...{ instance, state: memory.state, opened, decision, takeLocally, takeChild, hasMore: false, limits },
    newExecutionId: worker.newExecutionId,
  });
  return { opened, closed, memory, firstTurn: leavesOnlyEvents(closed.commit) ? closed.commit : null };
}

/** What a claim of an instance that was just started would return. */
export function claimOf({ instanceId, name, version, executionId, trace }: NewInstance, key: InstanceKey): Claim {
  return {
    ...{ key, instanceId, name, version, executionId },
    ...{ status: 'Pending', sequence: 0, crashCount: 0, customStatus: null, parent: null, takenOver: false },
    ...(trace === undefined ? {} : { trace }),
  };
}

function leavesOnlyEvents(commit: TurnCommit): boolean {
  if (isTerminal(commit.status) || weightOf(commit) >= maxWeight) return false;
  const { queuedTasks, timers, messages, children, next } = commit;
  if (commit.entityMessages !== undefined) return false;
  return queuedTasks.length + timers.length + messages.length + children.length === 0 && next === null;
}

/** The turn as that of the stored instance: its children learn only now who their parent is. */
export function keyed(closed: ClosedTurn, key: InstanceKey): ClosedTurn {
  const children = closed.commit.children.map((child) => ({
    ...child,
    start: { ...child.start, parent: { ...child.start.parent, key } },
  }));
  return { ...closed, commit: { ...closed.commit, key, children } };
}
