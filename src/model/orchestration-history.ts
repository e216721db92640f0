/** A history on its own, as a file: what a test needs to replay it against other code. */
import type { HistoryEvent } from './history.ts';
import type { OrchestrationInstance, RuntimeStatus } from './instance.ts';

export const historyFormat = 'perdure-history/1';

/** The history of an instance's current execution, ready to be written as JSON. */
export interface OrchestrationHistory {
  /** Says how the rest is to be read. */
  readonly format: typeof historyFormat;
  readonly instanceId: string;
  readonly name: string;
  readonly version: string | null;
  readonly executionId: string;
  /** When it was read. */
  readonly runtimeStatus: RuntimeStatus;
  /** Payloads are JSON text, times milliseconds since 1970. */
  readonly events: readonly HistoryEvent[];
}

/** @param instance with its history */
export function toOrchestrationHistory(instance: OrchestrationInstance): OrchestrationHistory {
  const { instanceId, name, version, executionId, runtimeStatus, history = [] } = instance;
  return { format: historyFormat, instanceId, name, version, executionId, runtimeStatus, events: history };
}
