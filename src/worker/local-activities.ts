/** Activities that run in the worker of their instance: without a queue row, known only by their scheduling in history. */
import { lastStrike } from '../model/culprit.ts';
import type { ExecutionState } from '../core/state/execution-state.ts';
import type { LocalEvent } from '../core/state/open-turn.ts';
import type { TaskScheduled } from '../model/history.ts';
import type { ActivityOutcome, ActivityWork, ClaimContents, OwnedInstance } from '../model/work.ts';
import { givenUp } from './failures.ts';

export function toLocalWork(instance: OwnedInstance, task: TaskScheduled): ActivityWork {
  const work: { -readonly [Key in keyof ActivityWork]: ActivityWork[Key] } = {
    instanceKey: instance.key,
    instanceId: instance.instanceId,
    executionId: instance.executionId,
    taskScheduledId: task.eventId,
    name: task.name,
    attempt: task.attempt ?? 1,
    firstScheduledId: task.firstId ?? task.eventId,
    redelivery: 0,
  };
  if (task.input !== undefined) work.input = task.input;
  if (task.version !== undefined) work.version = task.version;
  if (task.tags !== undefined) work.tags = task.tags;
  if (instance.trace !== undefined) work.trace = instance.trace;
  return work;
}

export function toResult(taskScheduledId: number, outcome: ActivityOutcome): LocalEvent {
  if (outcome.kind === 'failed') return { type: 'TaskFailed', taskScheduledId, failure: outcome.failure };
  const { result } = outcome;
  if (result === undefined) return { type: 'TaskCompleted', taskScheduledId };
  return { type: 'TaskCompleted', taskScheduledId, result };
}

/** Of lost activities those that brought their worker down for the last time: they fail. */
export function poisonActivities(
  lostTasks: readonly number[] | undefined,
  { strikes }: Pick<OwnedInstance, 'strikes'>,
): readonly LocalEvent[] {
  if (lostTasks === undefined || strikes === undefined) return [];
  return lostTasks.flatMap((id) => {
    const strike = lastStrike(strikes, id);
    return strike === undefined ? [] : [toResult(id, { kind: 'failed', failure: givenUp(strike, 'PoisonActivity') })];
  });
}

/** Scheduled, not completed, not in the queue, no result on its way: it ran in the worker that died. */
export function lostActivities(
  { openTasks }: ExecutionState,
  { queuedTaskIds }: Pick<ClaimContents, 'queuedTaskIds'>,
): readonly number[] {
  const safe = new Set(queuedTaskIds);
  return [...openTasks.keys()].filter((id) => !safe.has(id));
}
