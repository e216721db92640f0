import type { HistoryEvent } from '../model/history.ts';
import type { OrchestrationInstance } from '../model/instance.ts';

/** The history of an instance that is terminated before anybody has begun it. */
export function endedBeforeStart(
  instance: OrchestrationInstance,
  reason: string | undefined,
  timestamp: number,
): readonly HistoryEvent[] {
  const text = reason === undefined ? {} : { reason };
  const result = reason === undefined ? {} : { result: reason };
  return [
    { type: 'OrchestratorStarted', timestamp },
    {
      type: 'ExecutionStarted',
      timestamp,
      name: instance.name,
      executionId: instance.executionId,
      ...(instance.input === null ? {} : { input: instance.input }),
      ...(instance.version === null ? {} : { version: instance.version }),
      ...(instance.tags === null ? {} : { tags: instance.tags }),
      ...(instance.scheduledStartAt === null ? {} : { scheduledStartAt: instance.scheduledStartAt.getTime() }),
    },
    { type: 'ExecutionTerminated', timestamp, ...text },
    { type: 'ExecutionCompleted', timestamp, eventId: -1, status: 'Terminated', ...result },
  ];
}
