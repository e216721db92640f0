/** Knows at any moment whose code runs in this thread: by the asynchronous context of that code, and by what was entered last. */
import type { AsyncLocalStorage } from 'node:async_hooks';
import { callSite } from '../../core/replay/call-sites.ts';
import type { ActivityLimits } from '../../model/activity-limits.ts';
import type { Culprit } from '../../model/culprit.ts';
import { parseEntityId } from '../../model/entity-id.ts';
import type { EntityBatch, EntityBatchOutcome } from '../../model/entity-work.ts';
import type { Version } from '../../model/versions.ts';
import type { ActivityOutcome, ActivityWork, FunctionNames } from '../../model/work.ts';
import type { ActivityCancellation, Executor, OrchestrationRun, RunTarget } from '../../worker/executor.ts';
import type { Running, SharedState } from './protocol.ts';

export class WatchedExecutor implements Executor {
  readonly #inner: Executor;
  readonly #shared: SharedState;
  readonly #contexts: AsyncLocalStorage<Culprit>;
  readonly #activities = new Set<Culprit>();
  #entered: Culprit | undefined;

  /** @param contexts whose code runs: one for the whole thread */
  constructor(inner: Executor, shared: SharedState, contexts: AsyncLocalStorage<Culprit>) {
    this.#inner = inner;
    this.#shared = shared;
    this.#contexts = contexts;
  }

  get functions(): FunctionNames {
    return this.#inner.functions;
  }

  get isSelective(): boolean {
    return this.#inner.isSelective;
  }

  get limits(): ReadonlyMap<string, ActivityLimits> {
    return this.#inner.limits;
  }

  servesOrchestration(name: string, version: Version): boolean {
    return this.#inner.servesOrchestration(name, version);
  }

  hasActivity(name: string, version: Version): boolean {
    return this.#inner.hasActivity(name, version);
  }

  openRun(target: RunTarget): OrchestrationRun {
    const { instanceId, executionId, name } = target;
    const culprit: Culprit = { kind: 'turn', instanceId, executionId, name };
    const run = this.#inner.openRun(target);
    return {
      advance: (turn) => this.#enter(culprit, () => run.advance(turn)),
      dispose: () => run.dispose(),
    };
  }

  runEntityBatch(batch: EntityBatch): Promise<EntityBatchOutcome> {
    const { instanceId } = batch;
    const culprit: Culprit = { kind: 'operation', instanceId, name: parseEntityId(instanceId)?.name ?? '' };
    return this.#enter(culprit, () => this.#inner.runEntityBatch(batch));
  }

  async runActivity(work: ActivityWork, cancellation: ActivityCancellation): Promise<ActivityOutcome | undefined> {
    const { instanceId, executionId, name, taskScheduledId } = work;
    const culprit: Culprit = { kind: 'activity', instanceId, executionId, name, taskScheduledId };
    this.#activities.add(culprit);
    try {
      // What comes after its first wait is found by its context.
      const run = this.#enter(culprit, () => this.#inner.runActivity(work, cancellation));
      this.#leave(culprit);
      return await run;
    } finally {
      this.#activities.delete(culprit);
    }
  }

  /** Whether this activity is under way. */
  runs(culprit: Culprit | undefined): boolean {
    if (culprit?.kind !== 'activity') return false;
    return [...this.#activities].some(
      ({ instanceId, taskScheduledId }) =>
        instanceId === culprit.instanceId && taskScheduledId === culprit.taskScheduledId,
    );
  }

  #enter<Result>(culprit: Culprit, run: () => Promise<Result>): Promise<Result> {
    this.#entered = culprit;
    this.#shared.mark(culprit);
    const result = this.#contexts.run(culprit, run);
    const leave = (): void => this.#leave(culprit);
    void result.then(leave, leave);
    return result;
  }

  #leave(culprit: Culprit): void {
    if (this.#entered !== culprit) return;
    this.#entered = undefined;
    this.#shared.unmark();
  }
}

/** Whose code runs now, and at which line. */
export function running(contexts: AsyncLocalStorage<Culprit>): Running {
  const culprit = contexts.getStore();
  const site = callSite();
  return { ...(culprit === undefined ? {} : { culprit }), ...(site === undefined ? {} : { site }) };
}
