/**
 * Runs registered functions in this thread: the executor of embedded hubs and of worker threads. Orchestrators go
 * through `core/replay`; activities are called once per work item, and whatever they do comes back as an outcome.
 */
import type { ActivityLimits } from '../../model/activity-limits.ts';
import { toPayload, fromPayload } from '../../core/replay/payload.ts';
import { Replay } from '../../core/replay/replay.ts';
import { parseEntityId } from '../../model/entity-id.ts';
import type { EntityBatch, EntityBatchOutcome } from '../../model/entity-work.ts';
import { toFailure } from '../../model/failure.ts';
import type { ActivityDefinition, FunctionDefinition } from '../../model/functions.ts';
import { checkLater, SchemaError, type InvalidValue, type Schema } from '../../model/schema.ts';
import { matchesWorker, type Version, type Versioning } from '../../model/versions.ts';
import type { ActivityOutcome, ActivityWork, FunctionNames } from '../../model/work.ts';
import type { ActivityCancellation, Executor, OrchestrationRun, RunTarget } from '../executor.ts';
import { RunningActivity, type UserLogWriter } from './activity-context.ts';
import { FunctionRegistry } from './function-registry.ts';
import { runEntityBatch } from './run-entity-batch.ts';
import { versionMismatch } from './version-mismatch.ts';
import { WorldProbe } from './world-probe.ts';

export interface InProcessExecutorOptions {
  readonly functions: readonly FunctionDefinition[];
  /** What the engine itself brings. */
  readonly builtIns?: readonly FunctionDefinition[];
  /** Default: nowhere. */
  readonly log?: UserLogWriter;
  /** Default 16 KiB. */
  readonly maxCustomStatusBytes?: number;
  /** Largest result of an activity, in UTF-16 units of JSON. Default: no bound. */
  readonly maxPayloadLength?: number;
  /** Default 30,000. */
  readonly httpPollIntervalMs?: number;
  /** Default: every version is served. */
  readonly versioning?: Versioning;
}

export class InProcessExecutor implements Executor {
  readonly #registry: FunctionRegistry;
  readonly #options: InProcessExecutorOptions;
  readonly #versioning: Versioning;

  /** @throws DurableError `InvalidArgument` when two functions have one name and version */
  constructor(options: InProcessExecutorOptions) {
    this.#registry = new FunctionRegistry(options.functions, options.builtIns);
    this.#options = options;
    this.#versioning = options.versioning ?? {};
  }

  get isSelective(): boolean {
    const { matchStrategy = 'None', failureStrategy = 'Reject' } = this.#versioning;
    return failureStrategy === 'Reject' && (matchStrategy !== 'None' || this.#registry.isSelective);
  }

  servesOrchestration(name: string, version: Version): boolean {
    if (this.#versioning.failureStrategy === 'Fail') return this.#registry.hasOrchestration(name);
    return matchesWorker(this.#versioning, version) && this.#registry.orchestration(name, version) !== undefined;
  }

  get functions(): FunctionNames {
    return this.#registry.names;
  }

  get limits(): ReadonlyMap<string, ActivityLimits> {
    return this.#registry.limits;
  }

  /** @throws Error for an orchestration that is not registered: claims ask for known names only */
  openRun(target: RunTarget): OrchestrationRun {
    if (!this.#registry.hasOrchestration(target.name)) {
      throw new Error(`No orchestration named '${target.name}' is registered here.`);
    }
    const definition = matchesWorker(this.#versioning, target.version)
      ? this.#registry.orchestration(target.name, target.version)
      : undefined;
    if (definition === undefined) return versionMismatch(target, this.#versioning);
    const { log, maxCustomStatusBytes, httpPollIntervalMs } = this.#options;
    const { instanceId, executionId, name } = target;
    return new Replay({
      instanceId,
      probe: () => new WorldProbe(),
      orchestrator: (context, input) => definition.run(context, input),
      schemas: definition.schemas,
      ...(log === undefined
        ? {}
        : {
            log: (level, message, fields) =>
              log(level, message, { ...fields, instanceId, executionId, orchestration: name }),
          }),
      ...(maxCustomStatusBytes === undefined ? {} : { maxCustomStatusBytes }),
      ...(httpPollIntervalMs === undefined ? {} : { httpPollIntervalMs }),
      ...(this.#versioning.defaultVersion === undefined ? {} : { defaultVersion: this.#versioning.defaultVersion }),
    });
  }

  runEntityBatch(batch: EntityBatch): Promise<EntityBatchOutcome> {
    const name = parseEntityId(batch.instanceId)?.name ?? '';
    return runEntityBatch({ definition: this.#registry.entity(name), batch, log: this.#options.log });
  }

  hasActivity(name: string, version: Version): boolean {
    return this.#registry.activity(name, version) !== undefined;
  }

  async runActivity(work: ActivityWork, cancellation: ActivityCancellation): Promise<ActivityOutcome | undefined> {
    const definition = this.#registry.activity(work.name, work.version);
    if (definition === undefined) return notRegistered(work.name);
    let output: unknown;
    try {
      output = await this.#call(definition, work, cancellation);
      const { output: schema } = definition.schemas;
      if (schema !== undefined)
        output = await checked(schema, output, `The output of activity '${work.name}'`, 'InvalidOutputError');
    } catch (error) {
      if (cancellation.isWithdrawal?.(error) === true) return undefined;
      return { kind: 'failed', failure: toFailure(error) };
    }
    try {
      const result = toPayload(output, `the result of activity '${work.name}'`);
      const { maxPayloadLength } = this.#options;
      if (result !== undefined && maxPayloadLength !== undefined && result.length > maxPayloadLength) {
        return tooLarge(work.name, result.length, maxPayloadLength);
      }
      return result === undefined ? { kind: 'completed' } : { kind: 'completed', result };
    } catch (error) {
      // It has done its work; doing it again would give the same result.
      return { kind: 'failed', failure: { ...toFailure(error), isNonRetriable: true } };
    }
  }

  /** Async, so that what the handler throws at once is a rejection too. */
  async #call(
    definition: ActivityDefinition<never, unknown>,
    work: ActivityWork,
    cancellation: { readonly signal: AbortSignal },
  ): Promise<unknown> {
    const context = new RunningActivity(work, {
      activityName: definition.name,
      cancellation,
      write: this.#options.log,
    });
    const what = `The input of activity '${work.name}'`;
    const input = fromPayload<never>(work.input, what);
    const { input: schema } = definition.schemas;
    if (schema === undefined) return await definition.run(input, context);
    return await definition.run((await checked(schema, input, what, 'InvalidInputError')) as never, context);
  }
}

/** @throws SchemaError when the schema refuses the value */
async function checked(schema: Schema, value: unknown, what: string, error: InvalidValue): Promise<unknown> {
  const result = await checkLater(schema, value);
  if (result.kind === 'valid') return result.value;
  throw new SchemaError(error, what, result.issues);
}

function tooLarge(name: string, length: number, maxLength: number): ActivityOutcome {
  const message =
    `The result of activity '${name}' has ${length} characters of JSON; at most ${maxLength} are allowed ` +
    '(max-payload-length). Store large data elsewhere and return a reference.';
  return { kind: 'failed', failure: { errorType: 'PayloadTooLarge', message, isNonRetriable: true } };
}

function notRegistered(name: string): ActivityOutcome {
  const message =
    `No activity named '${name}' is registered. Define it with activity('${name}', …), export it from a module that is ` +
    'loaded (perdure start <module>) or list it in createTaskHub({ functions }).';
  return { kind: 'failed', failure: { errorType: 'ActivityNotRegistered', message, isNonRetriable: true } };
}
