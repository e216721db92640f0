/** Calls of sub-orchestrations: what is asked for, checked. Their tries are those of any call (`retried-call.ts`). */
import type { CallSubOrchestratorOptions } from '../../model/call-options.ts';
import type { Failure } from '../../model/failure.ts';
import { isOrchestration, type OrchestrationContext } from '../../model/functions.ts';
import type { ExecutionStarted, Payload } from '../../model/history.ts';
import { instanceIdProblem, tagsProblem, versionProblem } from '../../model/instance.ts';
import { childInstanceId } from '../../model/sub-orchestration.ts';
import { startCall } from './retried-call.ts';
import { checkRetry } from './retry.ts';
import type { AttemptListener, Scheduler } from './scheduler.ts';
import { DurableTask } from './task.ts';
import type { TurnScope } from './turn-scope.ts';

/**
 * The name that a call means.
 * @throws TypeError for what is neither an orchestration nor a name
 */
export function orchestrationName(orchestration: unknown, called: string): string {
  if (typeof orchestration === 'string' && orchestration !== '') return orchestration;
  if (isOrchestration(orchestration)) return orchestration.name;
  throw new TypeError(`${called}(orchestration, …): the first argument must be an orchestration or the name of one.`);
}

/** What is called, and what the caller gets when it has failed for good. */
export interface ChildCall {
  readonly name: string;
  readonly input: Payload;
  readonly options: CallSubOrchestratorOptions;
  readonly toError: (failure: Failure, call: { readonly name: string; readonly id: number }) => Error;
}

interface ChildParts {
  readonly instanceId: string;
  readonly started: ExecutionStarted;
  readonly scope: TurnScope;
  readonly scheduler: Scheduler;
}

/** Calls a child. @throws TypeError, RangeError, Error for options that cannot be */
export function callChild<Output>(
  context: OrchestrationContext,
  parts: ChildParts,
  call: ChildCall,
): DurableTask<Output> {
  const { scope, scheduler } = parts;
  const { name, options, toError } = call;
  if (options.retry !== undefined) checkRetry(options.retry);
  const task = new DurableTask<Output>(scope);
  startCall(
    { scope, scheduler, context },
    {
      what: `sub-orchestration '${name}'`,
      task,
      retry: options.retry,
      schedule: childRequest(parts, call),
      toError: (failure, id) => toError(failure, { name, id }),
    },
  );
  return task;
}

/**
 * What every try of a child asks for. With an id that the caller chose each try replaces the one before, else each has an
 * id of its own.
 * @throws TypeError, Error for options that cannot be
 */
function childRequest(
  { scheduler, started, instanceId: self }: ChildParts,
  { name, input, options }: ChildCall,
): (listener: AttemptListener, attempt: number, firstId: number | undefined) => number {
  const { instanceId, version, tags } = options;
  const isOwn = instanceId !== undefined && instanceId.trim() !== '';
  if (isOwn) checkId(instanceId, { name, self, parent: started.parent?.instanceId });
  const problem =
    (version === undefined ? null : versionProblem(version)) ?? (tags === undefined ? null : tagsProblem(tags));
  if (problem !== null) throw new TypeError(`The sub-orchestration '${name}' cannot be called. ${problem}`);
  return (listener, _attempt, firstId) =>
    scheduler.createSubOrchestration(
      {
        name,
        ...(input === undefined ? {} : { input }),
        ...(version === undefined ? {} : { version }),
        ...(tags === undefined ? {} : { tags: { ...tags } }),
        ...(firstId === undefined ? {} : { firstId }),
      },
      (id) => (isOwn ? instanceId : childInstanceId(started.executionId, id)),
      listener,
    );
}

function checkId(
  instanceId: string,
  { name, self, parent }: { readonly name: string; readonly self: string; readonly parent: string | undefined },
): void {
  const problem = instanceIdProblem(instanceId);
  if (problem !== null) throw new TypeError(`The sub-orchestration '${name}' cannot be called. ${problem}`);
  if (instanceId === self || instanceId === parent) {
    const whose = instanceId === self ? 'of the orchestration that calls it' : "of its caller's parent";
    throw new Error(
      `The sub-orchestration '${name}' cannot have the instance id '${instanceId}', which is that ${whose}. Give it another, or none.`,
    );
  }
}
