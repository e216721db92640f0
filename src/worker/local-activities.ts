/** Activities that run in the worker of their instance: without a queue row, known only by their scheduling in history. */
import type { ExecutionState } from '../core/state/execution-state.ts';
import type { LocalEvent } from '../core/state/open-turn.ts';
import type { TaskScheduled } from '../model/history.ts';
import type { ActivityOutcome, ActivityWork, ClaimContents, OwnedInstance } from '../model/work.ts';

export function toLocalWork(instance: OwnedInstance, task: TaskScheduled): ActivityWork {
  return {
    instanceKey: instance.key,
    instanceId: instance.instanceId,
    executionId: instance.executionId,
    taskScheduledId: task.eventId,
    name: task.name,
    attempt: task.attempt ?? 1,
    firstScheduledId: task.firstId ?? task.eventId,
    redelivery: 0,
    ...(task.input === undefined ? {} : { input: task.input }),
    ...(task.version === undefined ? {} : { version: task.version }),
    ...(task.tags === undefined ? {} : { tags: task.tags }),
  };
}

export function toResult(taskScheduledId: number, outcome: ActivityOutcome): LocalEvent {
  return outcome.kind === 'failed'
    ? { type: 'TaskFailed', taskScheduledId, failure: outcome.failure }
    : {
        type: 'TaskCompleted',
        taskScheduledId,
        ...(outcome.result === undefined ? {} : { result: outcome.result }),
      };
}

/** Scheduled, not completed, not in the queue, no result on its way: it ran in the worker that died. */
export function lostActivities(
  { executionId, openTasks }: ExecutionState,
  { queuedTaskIds, messages }: Pick<ClaimContents, 'queuedTaskIds' | 'messages'>,
): readonly number[] {
  const safe = new Set(queuedTaskIds);
  for (const { event, executionId: to } of messages) {
    // A result for another execution is no result: it will be dropped.
    if ('taskScheduledId' in event && (to === null || to === executionId)) safe.add(event.taskScheduledId);
  }
  return [...openTasks.keys()].filter((id) => !safe.has(id));
}
