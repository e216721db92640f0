/** What the suites of the store contract work with: a store, and short ways to do what clients and workers do. */
import { randomBytes } from 'node:crypto';
import type { HistoryEvent } from '../../../src/model/history.ts';
import type { OrchestrationInstance } from '../../../src/model/instance.ts';
import type {
  ActivityOutcome,
  Claim,
  ClaimContents,
  CommitOutcome,
  FunctionNames,
  InstanceKey,
  NewActivityTask,
  OwnedInstance,
  QueuedActivity,
  TurnCommit,
  WorkerId,
} from '../../../src/model/work.ts';
import type {
  ClientEvent,
  Heartbeat,
  InstanceStart,
  SendOutcome,
  StartOutcome,
  Store,
} from '../../../src/store/store.ts';
import { turnStarted } from '../../support/builders.ts';

/** A store under test. */
export interface StoreUnderTest {
  readonly store: Store;
  /** The same data through another process's eyes. */
  readonly other: Store;
  /** How many records of each kind the store still has of an instance; kinds without any are left out. */
  remains(key: InstanceKey): Promise<Readonly<Record<string, number>>>;
  /** Makes the stored history of an instance unreadable. */
  spoil(key: InstanceKey): Promise<void>;
}

export function freshId(prefix = 'order'): string {
  return `${prefix}-${randomBytes(6).toString('hex')}`;
}

/** A task hub that no other test touches. */
export async function freshHub(store: Store): Promise<Hub> {
  return new Hub(store, await store.ensureHub(freshId('hub')));
}

export type StartGiven = Partial<Omit<InstanceStart, 'event' | 'hubId'>>;

export class Hub {
  readonly store: Store;
  readonly id: number;

  constructor(store: Store, id: number) {
    this.store = store;
    this.id = id;
  }

  /** The same hub through another store. */
  through(store: Store): Hub {
    return new Hub(store, this.id);
  }

  tryStart(given: StartGiven = {}): Promise<StartOutcome> {
    const start = {
      instanceId: freshId(),
      name: 'Order',
      version: null,
      executionId: freshId('execution'),
      input: null,
      scheduledStartAt: null,
      owner: null,
      ...given,
    };
    return this.store.startInstance({
      ...start,
      hubId: this.id,
      event: {
        type: 'ExecutionStarted',
        name: start.name,
        executionId: start.executionId,
        ...(start.input === null ? {} : { input: start.input }),
        ...(start.tags ? { tags: start.tags } : {}),
      },
    });
  }

  async start(given: StartGiven = {}): Promise<InstanceKey> {
    const outcome = await this.tryStart(given);
    if (outcome.kind !== 'created') throw new Error(`not created: ${outcome.status}`);
    return outcome.key;
  }

  send(instanceId: string, event: ClientEvent): Promise<SendOutcome> {
    return this.store.sendMessage({ hubId: this.id, instanceId, event });
  }

  raise(instanceId: string, name: string, input?: string): Promise<SendOutcome> {
    return this.send(instanceId, { type: 'EventRaised', name, ...(input === undefined ? {} : { input }) });
  }

  async get(instanceId: string, options?: { readonly history?: boolean }): Promise<OrchestrationInstance> {
    const found = await this.store.getInstance(this.id, instanceId, options);
    if (found === undefined) throw new Error(`there is no instance ${instanceId}`);
    return found;
  }

  async history(instanceId: string): Promise<readonly HistoryEvent[]> {
    return (await this.get(instanceId, { history: true })).history ?? [];
  }

  async worker(
    given: { readonly functions?: Partial<FunctionNames>; readonly leaseMs?: number } = {},
  ): Promise<TestWorker> {
    const functions = {
      orchestrators: ['Order'],
      activities: ['Charge', 'Ship'],
      entities: ['Counter'],
      ...given.functions,
    };
    const { workerId } = await this.store.registerWorker({
      hubId: this.id,
      name: 'test',
      functions,
      leaseMs: given.leaseMs ?? 60_000,
    });
    return new TestWorker(this, workerId, functions);
  }

  /** A new instance that a new worker has claimed; whatever else can be claimed is left to others. */
  async claimed(given: StartGiven = {}): Promise<{ readonly worker: TestWorker; readonly claim: Claim }> {
    const key = await this.start(given);
    const worker = await this.worker();
    const claims = await worker.claim({ limit: 10_000 });
    const claim = claims.find((candidate) => candidate.key === key);
    if (claim === undefined) throw new Error(`${key} was not claimed`);
    const others = claims.filter((candidate) => candidate !== claim);
    await this.store.discardMessages(
      worker.id,
      others.map(({ key: other, sequence }) => ({ key: other, fence: sequence, messageIds: [], keepOwnership: false })),
    );
    return { worker, claim };
  }

  /** An instance that has ended. */
  async ended(given: StartGiven = {}, end: Partial<TurnCommit> = {}): Promise<InstanceKey> {
    const { worker, claim } = await this.claimed(given);
    const { messages } = await worker.read(claim.key);
    await worker.commitOne(claim, {
      status: 'Completed',
      consumedMessages: messages.map((message) => message.id),
      ...end,
    });
    return claim.key;
  }
}

export class TestWorker {
  readonly #hub: Hub;
  readonly id: WorkerId;
  readonly #functions: FunctionNames;

  constructor(hub: Hub, id: WorkerId, functions: FunctionNames) {
    this.#hub = hub;
    this.id = id;
    this.#functions = functions;
  }

  claim(
    given: { readonly names?: readonly string[]; readonly limit?: number; readonly dead?: boolean } = {},
  ): Promise<readonly Claim[]> {
    return this.#hub.store.claimOrchestrations({
      workerId: this.id,
      hubId: this.#hub.id,
      names: given.names ?? this.#functions.orchestrators,
      limit: given.limit ?? 100,
      includeDeadOwners: given.dead ?? false,
    });
  }

  /** Claims and expects just this instance. */
  async claimOnly(key: InstanceKey, given: { readonly dead?: boolean } = {}): Promise<Claim> {
    const [claim, ...others] = await this.claim(given);
    if (claim?.key !== key || others.length > 0) throw new Error(`claimed ${claim?.key ?? 'nothing'}, not ${key}`);
    return claim;
  }

  async read(
    key: InstanceKey,
    given: { readonly history?: boolean; readonly tasks?: boolean } = {},
  ): Promise<ClaimContents> {
    const request = { key, withHistory: given.history ?? false, withTasks: given.tasks ?? false };
    const [contents] = await this.#hub.store.readClaimed([request]);
    const isHeavy = contents?.isHeavy === true;
    const [whole] = isHeavy ? await this.#hub.store.readClaimed([{ ...request, whole: true }]) : [contents];
    if (whole === undefined) throw new Error(`nothing was read of ${key}`);
    return whole;
  }

  commit(turns: readonly TurnCommit[]): Promise<readonly CommitOutcome[]> {
    return this.#hub.store.commitTurns(this.id, turns);
  }

  async commitOne(instance: OwnedInstance, given: Partial<TurnCommit> = {}): Promise<CommitOutcome> {
    const [outcome] = await this.commit([turnOf(instance, given)]);
    if (outcome === undefined) throw new Error('a commit has no outcome');
    return outcome;
  }

  /** Without how long they have waited, which no test can know. */
  async claimTasks(
    given: {
      readonly names?: readonly string[];
      readonly limit?: number;
      readonly dead?: boolean;
      readonly hubLimit?: number;
    } = {},
  ): Promise<readonly QueuedActivity[]> {
    const tasks = await this.#hub.store.claimActivities({
      workerId: this.id,
      hubId: this.#hub.id,
      names: given.names ?? this.#functions.activities,
      limit: given.limit ?? 100,
      includeDeadOwners: given.dead ?? false,
      ...(given.hubLimit === undefined ? {} : { hubLimit: given.hubLimit }),
    });
    return tasks.map(({ waitedMs: _, ...task }) => task);
  }

  completeTask(task: QueuedActivity, outcome: ActivityOutcome = { kind: 'completed' }): Promise<readonly string[]> {
    return this.#hub.store.completeActivities(this.id, [{ task, outcome }]);
  }

  beat(given: { readonly leaseMs?: number; readonly claimedTasks?: readonly string[] } = {}): Promise<Heartbeat> {
    return this.#hub.store.heartbeat({
      workerId: this.id,
      hubId: this.#hub.id,
      leaseMs: given.leaseMs ?? 60_000,
      claimedTasks: given.claimedTasks ?? [],
    });
  }

  async alive(
    given: { readonly claimedTasks?: readonly string[] } = {},
  ): Promise<Extract<Heartbeat, { kind: 'alive' }>> {
    const beat = await this.beat(given);
    if (beat.kind !== 'alive') throw new Error('the lease has ended');
    return beat;
  }

  /** Lets the lease end now. */
  async die(): Promise<void> {
    await this.beat({ leaseMs: 0 });
  }
}

/** A turn of an instance; unless told otherwise it goes on, gives up the instance and changes nothing else. */
export function turnOf(instance: OwnedInstance, given: Partial<TurnCommit> = {}): TurnCommit {
  return {
    key: instance.key,
    executionId: instance.executionId,
    fence: instance.sequence,
    events: [turnStarted()],
    status: 'Running',
    customStatus: null,
    output: null,
    failure: null,
    consumedMessages: [],
    queuedTasks: [],
    timers: [],
    cancelledTimers: [],
    messages: [],
    children: [],
    next: null,
    keepOwnership: false,
    ...given,
  };
}

export function newTask(taskScheduledId: number, given: Partial<NewActivityTask> = {}): NewActivityTask {
  return {
    taskScheduledId,
    name: 'Charge',
    attempt: 1,
    firstScheduledId: taskScheduledId,
    redelivery: 0,
    ...given,
  };
}

/** The instance as it is after a commit that counted. */
export function after(instance: OwnedInstance, outcome: CommitOutcome): OwnedInstance {
  if (outcome.kind !== 'committed') throw new Error(`the commit was ${outcome.kind}`);
  return { ...instance, sequence: outcome.sequence };
}
