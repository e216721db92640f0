/** Runs the operations of an entity's batch in this process, one after the other. */
import { EntityRun, type RunningOperation } from '../../core/replay/entity-runner.ts';
import type { EntityFunction } from '../../model/entity-functions.ts';
import type { EntityBatch, EntityBatchOutcome, OperationOutcome } from '../../model/entity-work.ts';
import type { ReplaySafeLog } from '../../model/functions.ts';
import type { UserLogWriter } from './activity-context.ts';

/** After so long the batch ends: what has been done is written, the rest stays in the inbox. */
const maxBatchMs = 500;

export async function runEntityBatch(options: {
  /** `undefined`: nobody has registered it, and all operations fail. */
  readonly definition: EntityFunction | undefined;
  readonly batch: EntityBatch;
  readonly log: UserLogWriter | undefined;
}): Promise<EntityBatchOutcome> {
  const { definition, batch, log } = options;
  if (definition === undefined) return notRegistered(batch);
  const run = new EntityRun({ definition, batch, log: (operation) => logOf(batch.instanceId, operation, log) });
  const outcomes: OperationOutcome[] = [];
  const begun = performance.now();
  for (const operation of batch.operations) {
    if (outcomes.length > 0 && performance.now() - begun > maxBatchMs) break;
    outcomes.push(await runOne(run.begin(operation)));
  }
  return { kind: 'done', outcomes, state: run.state };
}

async function runOne(operation: RunningOperation): Promise<OperationOutcome> {
  let result: unknown;
  try {
    result = operation.call();
    // Most operations are synchronous: no microtask for those.
    if (isPromiseLike(result)) result = await result;
  } catch (error) {
    return operation.fail(error);
  }
  return operation.succeed(result);
}

function isPromiseLike(value: unknown): value is PromiseLike<unknown> {
  return typeof value === 'object' && value !== null && 'then' in value && typeof value.then === 'function';
}

function notRegistered({ instanceId, operations, state }: EntityBatch): EntityBatchOutcome {
  const name = instanceId.slice(1, instanceId.indexOf('@', 1));
  const message =
    `No live worker has registered the entity '${name}'. Define it with entity('${name}', …) and export it from a module ` +
    'that a worker loads (perdure start <module>), list it in createTaskHub({ functions }), or correct the name.';
  const failure = { errorType: 'EntityTaskNotFound', message, isNonRetriable: true };
  return { kind: 'done', outcomes: operations.map(() => ({ kind: 'failed', failure })), state };
}

function logOf(entityId: string, operation: string, write: UserLogWriter | undefined): ReplaySafeLog {
  const to =
    (level: keyof ReplaySafeLog): ReplaySafeLog['info'] =>
    (message, fields) =>
      write?.(level, message, { ...fields, instanceId: entityId, operation });
  return { debug: to('debug'), info: to('info'), warn: to('warn'), error: to('error') };
}
