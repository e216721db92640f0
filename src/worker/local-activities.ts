/** Activities that run in the worker of their instance: without a queue row, known only by their scheduling in history. */
import type { LocalEvent } from '../core/state/open-turn.ts';
import type { TaskScheduled } from '../model/history.ts';
import type { ActivityOutcome, ActivityWork, ClaimContents, OwnedInstance } from '../model/work.ts';
import type { LiveInstance } from './live-instances.ts';

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

/** Scheduled, not completed, not in the queue: it ran in the worker that died. */
export function lostActivities(live: LiveInstance, contents: ClaimContents): readonly number[] {
  const safe = new Set(contents.queuedTaskIds);
  for (const { event } of contents.messages) if ('taskScheduledId' in event) safe.add(event.taskScheduledId);
  return [...(live.memory?.state.openTasks.keys() ?? [])].filter((id) => !safe.has(id));
}
