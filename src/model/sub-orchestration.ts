/** What a parent and its sub-orchestrations owe each other. */
import type { Failure } from './failure.ts';
import type { ExecutionCompleted, ParentInstance } from './history.ts';
import type { MessageTarget, OutgoingMessage } from './work.ts';

/** What a child that ends leaves with its parent. */
export interface EndReport extends OutgoingMessage {
  readonly target: Extract<MessageTarget, { readonly kind: 'key' }>;
  readonly executionId: string;
}

/** The id of a sub-orchestration that was given none: another for each call and each execution, however deep it nests. */
export function childInstanceId(executionId: string, id: number): string {
  return `${executionId}:${id.toString(16).padStart(4, '0')}`;
}

/** Only the execution of the parent that called is told: the next one did not ask. */
export function reportEnd(
  parent: ParentInstance,
  { status, result, failure }: Pick<ExecutionCompleted, 'status' | 'result' | 'failure'>,
): EndReport {
  const { taskScheduledId } = parent;
  return {
    target: { kind: 'key', key: parent.key },
    executionId: parent.executionId,
    event:
      status === 'Completed'
        ? { type: 'SubOrchestrationInstanceCompleted', taskScheduledId, ...(result === undefined ? {} : { result }) }
        : { type: 'SubOrchestrationInstanceFailed', taskScheduledId, failure: failure ?? terminated(result) },
  };
}

/** Why a child is not created: its id belongs to a live instance that is somebody else's. */
export const idTaken: Failure = {
  errorType: 'OrchestrationAlreadyExists',
  message: 'A live instance has the instance id of the sub-orchestration. Wait for its end, or use another id.',
};

/** A child that was terminated has failed, for the reason that was given. */
function terminated(reason: string | undefined): Failure {
  return { errorType: 'OrchestrationTerminated', message: reason ?? 'The sub-orchestration was terminated.' };
}
