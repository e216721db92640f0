/**
 * The batches of the entities that a worker owns: read what waits, run the operations, commit, remove what is empty. One
 * batch of an entity at a time (A1). Which entities are owned is decided in `worker.ts`, as for orchestrations, whose
 * turns are in `orchestration-processor.ts`; both share claims, lease and cache.
 */
import type { Logger } from 'pino';
import { closeEntityTurn, failOperations, isEmpty, newEntity, openEntityTurn } from '../core/state/entity-turn.ts';
import { Batcher } from '../flow/batcher.ts';
import { Turnstile } from '../flow/turnstile.ts';
import type { Clock } from '../flow/clock.ts';
import { isEntityInstanceId } from '../model/entity-id.ts';
import type { EntityBatchOutcome, EntityCommit, EntityContents, EntityOperation } from '../model/entity-work.ts';
import { assertNever } from '../model/errors.ts';
import type { Failure } from '../model/failure.ts';
import type { Claim, CommitOutcome, InstanceKey, WorkerId } from '../model/work.ts';
import type { EmptyEntity, WorkerStore } from '../store/store.ts';
import type { DatabaseClock } from './database-clock.ts';
import type { Executor } from './executor.ts';
import { poisonOf } from './failures.ts';
import type { LiveInstance, LiveInstances } from './live-instances.ts';
import { forgiveTurn } from './strikes.ts';
import { wakeTargets } from './wake.ts';

const maxBackOffMs = 5_000;
/** Batches under way, at most, of entities for which more waits than is read together. */
const maxHeavyBatches = 2;
const maxOperations = 1_000;
const maxCommits = 1_000;
const maxCommitWeight = 16 * 1_048_576;

export interface EntityProcessorOptions {
  readonly store: WorkerStore;
  readonly executor: Executor;
  readonly workerId: WorkerId;
  readonly hubId: number;
  readonly live: LiveInstances;
  readonly clock: DatabaseClock;
  /** Of this process. */
  readonly own: Clock;
  readonly log: Logger;
  /** There may be room for more. */
  readonly onRoom: () => void;
  /** A message was stored that becomes visible then, milliseconds since 1970. */
  readonly onTimer: (visibleAt: number) => void;
}

/** What a batch has read. */
type Turn = Parameters<typeof closeEntityTurn>[0]['turn'];

export class EntityProcessor {
  readonly #options: EntityProcessorOptions;
  readonly #reader: Batcher<Parameters<WorkerStore['readEntities']>[0][number], EntityContents>;
  readonly #committer: Batcher<EntityCommit, CommitOutcome>;
  readonly #remover: Batcher<EmptyEntity, 'tried'>;
  readonly #heavy = new Turnstile(maxHeavyBatches);
  #batches = 0;
  #stopping = false;
  #quiet: (() => void)[] = [];

  constructor(options: EntityProcessorOptions) {
    this.#options = options;
    this.#reader = new Batcher({ run: (requests) => this.#readAll(requests), concurrency: 2, maxItems: 500 });
    this.#committer = new Batcher({
      run: (commits) => this.#commitAll(commits),
      concurrency: 2,
      maxItems: maxCommits,
      maxWeight: maxCommitWeight,
      weigh: weightOf,
    });
    this.#remover = new Batcher({ run: (entities) => this.#removeAll(entities), concurrency: 1, maxItems: 500 });
  }

  /** Batches under way. */
  get turns(): number {
    return this.#batches;
  }

  /** Begins with entities that were just claimed. */
  take(claims: readonly Claim[]): void {
    for (const claim of claims) {
      const live = this.#options.live.getOwned(claim.key);
      if (live === undefined) this.#pump(this.#options.live.adopt(claim));
      // Given up by a statement whose answer is still on its way, and claimed since.
      else live.claimedAgain = claim;
    }
  }

  /** Messages arrived for these instances, if they are entities that are owned here. */
  inboxArrived(keys: readonly InstanceKey[]): void {
    for (const key of keys) {
      const live = this.#options.live.getOwned(key);
      if (live === undefined || !isEntity(live)) continue;
      live.inboxWaiting = true;
      this.#pump(live);
    }
  }

  /** Looks at the inboxes of all owned entities. */
  inboxesDue(): void {
    for (const live of [...this.#options.live.owned()]) if (isEntity(live)) this.inboxArrived([live.instance.key]);
  }

  /** No new batch begins. Resolves when none is under way. */
  async stop(): Promise<void> {
    this.#stopping = true;
    while (this.#batches > 0) await new Promise<void>((resolve) => this.#quiet.push(resolve));
    await this.#remover.drained();
  }

  #pump(live: LiveInstance): void {
    if (live.busy || !live.owned || !live.inboxWaiting || this.#stopping) return;
    live.busy = true;
    this.#batches += 1;
    void this.#turn(live)
      .catch((error: unknown) => this.#abandon(live, error))
      .finally(() => {
        live.busy = false;
        this.#batches -= 1;
        this.#pump(live);
        if (this.#batches === 0) for (const resolve of this.#quiet.splice(0)) resolve();
        this.#options.onRoom();
      });
  }

  async #turn(live: LiveInstance): Promise<void> {
    live.inboxWaiting = false;
    live.takenOver = false;
    const { instance } = live;
    const request = { key: instance.key, withRecord: live.entity === undefined };
    const light = await this.#reader.add(request);
    if (light.isHeavy !== true) return this.#turnWith(live, light);
    const leave = await this.#heavy.enter();
    try {
      const [contents] = await this.#readAll([{ ...request, whole: true }]);
      if (contents !== undefined) await this.#turnWith(live, contents);
    } finally {
      leave();
    }
  }

  async #turnWith(live: LiveInstance, contents: EntityContents): Promise<void> {
    const { instance } = live;
    this.#options.clock.observe(contents.readAt);
    if (!live.owned) return;
    const record = (live.entity ??= { record: contents.record ?? newEntity }).record;
    const turn: Turn = { record, messages: contents.messages };
    const unreadable = contents.unreadable.map((message) => message.id);
    for (const { id, reason } of contents.unreadable) {
      this.#options.log.error({ instanceId: instance.instanceId, messageId: id, reason }, 'a message cannot be read');
    }
    const opened = openEntityTurn(turn, this.#limitOf(live));
    if (opened.idle && unreadable.length === 0) return this.#release(live);
    const done = opened.operations.length === 0 ? undefined : await this.#run(live, turn, opened.operations);
    if (!live.owned) return;
    if (done?.kind === 'failed') return this.#again(live, done.failure);
    live.entity.failures = 0;
    const commit = closeEntityTurn({ instance, turn, done, hasMore: live.inboxWaiting });
    await this.#commit(live, turn, {
      ...commit,
      consumedMessages: [...commit.consumedMessages, ...unreadable],
      // A worker that stops leaves the rest to others.
      keepOwnership: commit.keepOwnership && !this.#stopping,
    });
  }

  /** One at a time where something went wrong: then it is known which operation is to blame. */
  #limitOf(live: LiveInstance): number {
    return live.instance.crashCount > 0 || live.entity?.oneByOne === true ? 1 : maxOperations;
  }

  async #run(
    { instance }: LiveInstance,
    turn: Turn,
    operations: readonly EntityOperation[],
  ): Promise<EntityBatchOutcome> {
    const poison = poisonOf(instance, 'PoisonOperation');
    if (poison !== undefined) return failOperations(turn, operations, poison);
    const { state } = turn.record;
    return this.#options.executor.runEntityBatch({ instanceId: instance.instanceId, state, operations });
  }

  async #commit(live: LiveInstance, turn: Turn, commit: EntityCommit): Promise<void> {
    const outcome = await this.#committer.add(commit);
    switch (outcome.kind) {
      case 'committed':
        this.#options.clock.observe(outcome.committedAt);
        if (live.owned) this.#committed(live, commit, outcome);
        return;
      case 'lost':
        this.#options.log.warn({ instanceId: live.instance.instanceId }, 'batch lost its fence');
        this.#options.live.drop(live);
        return;
      case 'refused':
        return this.#refused(live, turn, outcome.reason);
      default:
        assertNever(outcome);
    }
  }

  #committed(
    live: LiveInstance,
    commit: EntityCommit,
    { sequence, inboxWaiting }: Extract<CommitOutcome, { kind: 'committed' }>,
  ): void {
    // One that brought workers down is looked for among all that waits.
    const oneByOne = commit.keepOwnership && (live.instance.crashCount > 0 || live.entity?.oneByOne === true);
    live.instance = { ...live.instance, sequence, crashCount: 0 };
    if (live.instance.strikes !== undefined) forgiveTurn(live, this.#options);
    live.entity = { record: commit.record, ...(oneByOne ? { oneByOne } : {}) };
    live.weight = commit.record.state?.length ?? 0;
    live.inboxWaiting ||= inboxWaiting;
    if (!this.#options.live.remembers) live.entity = undefined;
    if (commit.keepOwnership) {
      // It said that there is more.
      live.inboxWaiting = true;
      return;
    }
    if (this.#giveUp(live) === 'at rest' && isEmpty(commit.record)) {
      void this.#remover.add({ key: commit.key, fence: sequence });
    }
  }

  /** What came meanwhile is for whoever claims it next. */
  #giveUp(live: LiveInstance): 'at rest' | 'goes on' {
    const { store, hubId } = this.#options;
    const claim = this.#options.live.giveUp(live);
    if (claim !== undefined) this.take([claim]);
    else if (live.inboxWaiting) store.notifications.publish({ kind: 'instances', hubId });
    else return 'at rest';
    return 'goes on';
  }

  /** First it is found out which operation it is, then that one fails. */
  async #refused(live: LiveInstance, turn: Turn, reason: string): Promise<void> {
    this.#options.log.warn({ instanceId: live.instance.instanceId, reason }, 'batch refused');
    const { operations } = openEntityTurn(turn, this.#limitOf(live));
    if (live.entity !== undefined && operations.length > 1) {
      live.entity = { ...live.entity, oneByOne: true };
      live.inboxWaiting = true;
      return;
    }
    const failure = {
      errorType: 'OperationRefused',
      message: `The database cannot store what this operation produced (${reason}). It must be of a size that Postgres can hold.`,
      isNonRetriable: true,
    };
    const done = failOperations(turn, operations, failure);
    const commit = closeEntityTurn({ instance: live.instance, turn, done, hasMore: false });
    const outcome = await this.#committer.add(commit);
    if (outcome.kind === 'committed') this.#committed(live, commit, outcome);
    else this.#options.live.drop(live);
  }

  /** The batch as a whole has failed: nothing of it is kept, it is tried again. */
  #again(live: LiveInstance, failure: Failure): void {
    const failures = (live.entity?.failures ?? 0) + 1;
    if (live.entity) live.entity.failures = failures;
    const { instanceId } = live.instance;
    this.#options.log.warn({ instanceId, failure, failures }, 'a batch of operations failed, trying again');
    const pauseMs = Math.min(maxBackOffMs, 50 * 2 ** failures);
    this.#options.own.poll(pauseMs, () => this.inboxArrived([live.instance.key]));
  }

  /** Nothing to do: the messages that led here are gone, or wait for the lock. */
  async #release(live: LiveInstance): Promise<void> {
    const { key, sequence } = live.instance;
    await this.#options.store.discardMessages(this.#options.workerId, [
      { key, fence: sequence, messageIds: [], keepOwnership: false },
    ]);
    this.#giveUp(live);
  }

  /** A bug: others go on. What the store still says of this one is found by the next heartbeats (`strays.ts`). */
  #abandon(live: LiveInstance, error: unknown): void {
    this.#options.log.error({ instanceId: live.instance.instanceId, err: error }, 'batch abandoned');
    this.#options.live.drop(live);
  }

  async #readAll(requests: Parameters<WorkerStore['readEntities']>[0]): Promise<readonly EntityContents[]> {
    for (let attempt = 0; ; attempt += 1) {
      try {
        return await this.#options.store.readEntities(requests);
      } catch (error) {
        if (this.#stopping) throw error;
        this.#options.log.warn({ err: error }, 'reading what waits for entities failed, trying again');
        await new Promise((resolve) => setTimeout(resolve, Math.min(maxBackOffMs, 50 * 2 ** attempt)));
      }
    }
  }

  async #commitAll(commits: readonly EntityCommit[]): Promise<readonly CommitOutcome[]> {
    const outcomes = await this.#options.store.commitEntities(this.#options.workerId, commits);
    for (const outcome of outcomes) {
      if (outcome.kind === 'committed' && outcome.told.length > 0) wakeTargets(outcome, this.#options);
    }
    return outcomes;
  }

  async #removeAll(entities: readonly EmptyEntity[]): Promise<readonly 'tried'[]> {
    try {
      await this.#options.store.removeEmptyEntities(entities);
    } catch (error) {
      // Maintenance finds them later.
      this.#options.log.warn({ err: error }, 'removing empty entities failed');
    }
    return entities.map(() => 'tried' as const);
  }
}

function isEntity(live: LiveInstance): boolean {
  return isEntityInstanceId(live.instance.instanceId);
}

/** Rough size of what a batch writes, in UTF-16 units. */
function weightOf(commit: EntityCommit): number {
  let weight = 200 + (commit.record.state?.length ?? 0);
  for (const { event } of commit.outgoing) {
    weight += 100;
    if ('input' in event) weight += event.input?.length ?? 0;
    if ('result' in event) weight += event.result?.length ?? 0;
  }
  for (const { event } of commit.starts) weight += 200 + (event.input?.length ?? 0);
  return weight;
}
