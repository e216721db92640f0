/**
 * The turns of the instances that a worker owns: read what waits, open, run, close, commit, release the effects. One
 * turn of an instance at a time (A1); effects only after the commit that carries them has returned. Which instances
 * are owned is decided in `worker.ts`; how many turns share a statement in `committer.ts`.
 */
import { closeTurn, failTurn, type ClosedTurn } from '../core/state/close-turn.ts';
import { applyEvent, emptyState } from '../core/state/execution-state.ts';
import { openTurn, type OpenedTurn } from '../core/state/open-turn.ts';
import { isEntityInstanceId } from '../model/entity-id.ts';
import { assertNever } from '../model/errors.ts';
import type { Failure } from '../model/failure.ts';
import type { ExecutionStarted, TaskScheduled } from '../model/history.ts';
import { isTerminal } from '../model/instance.ts';
import type {
  Claim,
  ClaimContents,
  CommitOutcome,
  InstanceKey,
  NewInstance,
  StartOffer,
  TurnCommit,
} from '../model/work.ts';
import type { Version } from '../model/versions.ts';
import { Cancellation } from './cancellation.ts';
import { Committer, noteTurn, weightOf } from './committer.ts';
import { poisonOf, refused, unreadable } from './failures.ts';
import { claimOf, keyed, runFirstTurn } from './first-turn.ts';
import { abortAll, advance, noteDue, type LiveInstance } from './live-instances.ts';
import { settleRewound } from './rewound.ts';
import { lostActivities, poisonActivities, toLocalWork, toResult } from './local-activities.ts';
import { asksFor, bornHere, childTaker, renew, type Born } from './new-execution.ts';
import type { ProcessorOptions } from './processor-options.ts';
import { forgiveTurn } from './strikes.ts';
import { TurnReader } from './turn-reader.ts';
import { wakeTargets } from './wake.ts';

/** Executions of one instance in a row; then it stands behind all that waits. */
const maxGenerations = 16;

export class OrchestrationProcessor {
  readonly #options: ProcessorOptions;
  readonly #committer: Committer;
  readonly #reader: TurnReader;
  readonly #takeLocally = (task: TaskScheduled): boolean =>
    !this.#stopping && this.#options.slots.reserve(task.name, task.version);
  #turns = 0;
  #stopping = false;
  #quiet: (() => void)[] = [];

  constructor(options: ProcessorOptions) {
    this.#options = options;
    this.#committer = new Committer(options.store, options.workerId);
    this.#reader = new TurnReader(options);
  }

  /** Turns under way. */
  get turns(): number {
    return this.#turns;
  }

  /** Begins the turns of instances that were just claimed. */
  take(claims: readonly Claim[]): void {
    for (const claim of claims) {
      const live = this.#options.live.getOwned(claim.key);
      if (live === undefined) this.#pump(this.#options.live.adopt(claim));
      // Given up by a statement whose answer is still on its way, and claimed since.
      else live.claimedAgain = claim;
    }
  }

  /** Takes a new instance before it is stored, and runs its first turn if nobody else can have its id. */
  async offer(start: NewInstance): Promise<StartOffer> {
    const { workerId } = this.#options;
    if (!start.isNewId) {
      return {
        owner: workerId,
        firstTurn: null,
        accept: (key) => this.#begin(claimOf(start, key), start.event),
        withdraw: () => undefined,
      };
    }
    this.#turns += 1;
    try {
      const { opened, closed, memory, firstTurn } = await runFirstTurn(start, {
        ...this.#options,
        takeLocally: this.#takeLocally,
        takeChild: this.#takeChild(),
      });
      const withdraw = (): void => {
        this.#options.slots.giveBack(closed.local.map((task) => task.name));
        memory.run.dispose();
        this.#endTurn();
      };
      return {
        owner: workerId,
        firstTurn,
        withdraw,
        accept: (key, hasTurn = firstTurn !== null) => {
          // Taken back meanwhile, as something that nobody seemed to know.
          if (this.#options.live.getOwned(key) !== undefined) return withdraw();
          const live = this.#options.live.adopt(claimOf(start, key));
          const turn = keyed(closed, key);
          live.inboxWaiting = false;
          live.memory = memory;
          live.busy = true;
          if (hasTurn) this.#committed(live, turn, 1, false);
          void (hasTurn ? Promise.resolve() : this.#commit(live, opened, turn))
            .catch((error: unknown) => this.#abandon(live, error))
            .finally(() => this.#turnOver(live));
        },
      };
    } catch (error) {
      this.#endTurn();
      throw error;
    }
  }

  /** Begins the first turn of an instance that was started here and belongs to this worker from birth. */
  #begin(claim: Claim, start: Omit<ExecutionStarted, 'timestamp'>): void {
    if (this.#options.live.getOwned(claim.key) !== undefined) return;
    const live = this.#options.live.adopt(claim);
    live.inboxWaiting = false;
    live.events.push(start);
    this.#pump(live);
  }

  /** Messages arrived for these instances, if they are owned here. */
  inboxArrived(keys: readonly InstanceKey[]): void {
    for (const key of keys) {
      const live = this.#options.live.getOwned(key);
      if (live === undefined || isEntityInstanceId(live.instance.instanceId)) continue;
      live.inboxWaiting = true;
      this.#pump(live);
    }
  }

  /** Looks at the inboxes of all owned instances, or of those with a timer due by then. */
  inboxesDue(until = Number.POSITIVE_INFINITY): void {
    for (const live of [...this.#options.live.owned()]) {
      if (isEntityInstanceId(live.instance.instanceId)) continue;
      if (live.dueTimes?.takeUntil(until) !== true && until !== Number.POSITIVE_INFINITY) continue;
      live.inboxWaiting = true;
      this.#pump(live);
    }
  }

  /** From now on nothing new is begun here: activities go to the queue. Resolves when no turn is under way. */
  async stop(): Promise<void> {
    this.#stopping = true;
    this.#reader.stop();
    while (this.#turns > 0) await new Promise<void>((resolve) => this.#quiet.push(resolve));
  }

  /**
   * Hands local activities that do not end to the queue and gives their instances up.
   * @returns whether all of them were: if not, only the end of the lease brings them back
   */
  async handOver(): Promise<boolean> {
    await this.stop();
    const left = [...this.#options.live.owned()].filter((live) => live.running.size > 0);
    const done = await Promise.all(left.map((live) => this.#handOver(live, [...live.running.keys()])));
    return done.every(Boolean);
  }

  /** Called for all at once, before anything else can happen: results that come after are too late. */
  async #handOver(live: LiveInstance, lostTasks: readonly number[]): Promise<boolean> {
    live.busy = true;
    live.inboxWaiting = false;
    await this.#reader.read(live).finally(() => this.#reader.end(live.instance.key));
    const state = live.memory?.state;
    if (state === undefined) return false;
    const { clock, limits, newExecutionId } = this.#options;
    const opened = openTurn(state, { messages: [], local: [], now: clock.now(), lostTasks });
    if ('discard' in opened) return true;
    const { commit } = closeTurn({
      ...{ instance: live.instance, state, opened, lostTasks, limits, newExecutionId },
      hasMore: false,
    });
    return (await this.#committer.commit(commit)).kind === 'committed';
  }

  #pump(live: LiveInstance): void {
    if (live.busy || !live.owned) return;
    if (!live.inboxWaiting && !live.takenOver && live.events.length === 0) return;
    live.busy = true;
    this.#turns += 1;
    void this.#takeTurn(live);
  }

  /** Never rejects. */
  async #takeTurn(live: LiveInstance): Promise<void> {
    try {
      await this.#turn(live);
    } catch (error) {
      this.#abandon(live, error);
    }
    this.#turnOver(live);
  }

  #turnOver(live: LiveInstance): void {
    live.busy = false;
    this.#reader.end(live.instance.key);
    this.#endTurn(live);
  }

  /** @param next has, perhaps, another turn */
  #endTurn(next?: LiveInstance): void {
    this.#turns -= 1;
    if (next !== undefined) this.#pump(next);
    if (this.#turns === 0) for (const resolve of this.#quiet.splice(0)) resolve();
    this.#options.onRoom();
  }

  async #turn(live: LiveInstance): Promise<void> {
    const hasAll = live.memory !== undefined && !live.inboxWaiting && !live.takenOver;
    const contents = hasAll ? undefined : await this.#reader.read(live);
    if (contents?.unreadable !== undefined) return this.#failUnreadable(live, contents);
    if (!live.owned || live.memory === undefined) return;
    const settled = live.memory.rewound === undefined ? undefined : await settleRewound(live, this.#options);
    const { memory } = live;
    if (!live.owned || memory === undefined) return;
    const { state, run } = memory;
    const now = contents?.readAt ?? this.#options.clock.now();
    const lostTasks = live.takenOver && contents ? lostActivities(state, contents) : undefined;
    live.takenOver = false;
    const local = [...live.events.splice(0), ...poisonActivities(lostTasks, live.instance)];
    const opened = openTurn(state, {
      messages: contents?.messages ?? [],
      local,
      now,
      maxLength: this.#options.limits.maxTurnLength / 2,
      lostTasks,
    });
    if ('discard' in opened) return this.#discard(live, opened.discard);

    if (opened.terminated) abortAll(live, 'The orchestration was terminated.');
    const poison = poisonOf(live.instance, 'PoisonInstance');
    if (poison !== undefined) return this.#fail(live, opened, poison);
    const history = memory.unplayed;
    memory.unplayed = [];
    const decision = opened.runs ? await run.advance({ history, newEvents: opened.newEvents }) : undefined;
    if (!live.owned) return;
    const closed = closeTurn({
      instance: live.instance,
      state,
      opened: settled === undefined ? opened : { ...opened, newEvents: [...settled.undone, ...opened.newEvents] },
      renewed: settled?.renewed,
      decision,
      lostTasks,
      takeLocally: this.#takeLocally,
      hasMore: live.events.length > 0 || live.running.size > 0,
      limits: this.#options.limits,
      takeChild: asksFor(decision, 'CreateSubOrchestration') ? this.#takeChild() : undefined,
      keepsNext: asksFor(decision, 'ContinueAsNew') ? (version) => this.#keepsNext(live, version) : undefined,
      newExecutionId: this.#options.newExecutionId,
    });
    await this.#commit(live, opened, closed);
  }

  async #commit(live: LiveInstance, opened: OpenedTurn, turn: ClosedTurn): Promise<void> {
    const closed = this.#options.tracing?.carryOn(live.instance, turn) ?? turn;
    let outcome: CommitOutcome;
    try {
      outcome = await this.#committer.commit(closed.commit);
    } catch (error) {
      this.#options.slots.giveBack(closed.local.map((task) => task.name));
      throw error;
    }
    switch (outcome.kind) {
      case 'committed':
        this.#options.clock.observe(outcome.committedAt);
        if (outcome.told.length > 0) wakeTargets(outcome, this.#options);
        if (live.owned && outcome.born) this.#beginChildren(live, closed.commit, outcome.born);
        if (live.owned) this.#committed(live, closed, outcome.sequence, outcome.inboxWaiting);
        else this.#options.slots.giveBack(closed.local.map((task) => task.name));
        return;
      case 'lost':
        this.#options.slots.giveBack(closed.local.map((task) => task.name));
        this.#options.log.warn({ instanceId: live.instance.instanceId }, 'turn lost its fence');
        this.#options.live.drop(live);
        return;
      case 'refused':
        this.#options.slots.giveBack(closed.local.map((task) => task.name));
        this.#options.log.warn({ instanceId: live.instance.instanceId, reason: outcome.reason }, 'turn refused');
        return this.#fail(live, opened, refused(outcome.reason));
      default:
        assertNever(outcome);
    }
  }

  /** Ends an instance that cannot go on. */
  async #fail(live: LiveInstance, opened: OpenedTurn, failure: Failure): Promise<void> {
    const state = live.memory?.state ?? emptyState(live.instance.executionId);
    const commit = failTurn({ instance: live.instance, state, opened }, failure);
    const outcome = await this.#committer.commit(commit);
    if (outcome.kind === 'committed') {
      if (outcome.told.length > 0) wakeTargets(outcome, this.#options);
      this.#committed(live, { commit, local: [] }, outcome.sequence, false);
    } else this.#options.live.drop(live);
  }

  async #failUnreadable(live: LiveInstance, { readAt, unreadable: reason = '' }: ClaimContents): Promise<void> {
    const { instanceId } = live.instance;
    this.#options.log.error({ instanceId, reason }, 'stored history cannot be read');
    const newEvents = [{ type: 'OrchestratorStarted', timestamp: readAt } as const];
    return this.#fail(live, { newEvents, consumed: [], runs: false }, unreadable(reason));
  }

  #committed(live: LiveInstance, { commit, local }: ClosedTurn, sequence: number, inboxWaiting: boolean): void {
    const { store, hubId } = this.#options;
    noteTurn(this.#options, live, commit);
    advance(live, commit, sequence);
    if (live.instance.strikes !== undefined) forgiveTurn(live, this.#options);
    live.weight += weightOf(commit);
    if (commit.queuedTasks.length > 0) store.notifications.publish({ kind: 'activities', hubId });
    for (const id of commit.cancelledTasks ?? []) live.running.get(id)?.request('The call timed out.', 'TimeoutError');
    for (const timer of commit.timers) {
      this.#options.onTimer(timer.fireAt);
      noteDue(live, timer.fireAt);
    }
    if (isTerminal(commit.status)) {
      this.#options.live.drop(live);
      const output = commit.status === 'Completed' ? { output: commit.output } : {};
      store.notifications.publish({ kind: 'ended', hubId, keys: [live.instance.key], ...output });
      return;
    }
    if (commit.next !== null) renew(live, commit.next);
    const state = live.memory?.state;
    if (state) for (const event of commit.events) applyEvent(state, event);
    for (const task of local) this.#runLocally(live, task);
    live.inboxWaiting ||= inboxWaiting;
    if (!this.#options.live.remembers && live.memory) {
      live.memory.run.dispose();
      live.memory = undefined;
    }
    if (!commit.keepOwnership) this.#giveUp(live);
  }

  #keepsNext({ generations, instance }: LiveInstance, version: Version): boolean {
    const { executor } = this.#options;
    return !this.#stopping && generations < maxGenerations && executor.servesOrchestration(instance.name, version);
  }

  #takeChild(): (name: string, version: Version) => boolean {
    return childTaker(this.#options.executor, this.#stopping ? 0 : this.#options.slots.free - this.#turns);
  }

  #beginChildren(live: LiveInstance, { children }: TurnCommit, born: readonly Born[]): void {
    for (const { claim, start } of bornHere(children, born)) this.#begin(claim, start);
    const { store, hubId } = this.#options;
    if (children.some((child) => !child.owned)) store.notifications.publish({ kind: 'instances', hubId });
    if (born.length < children.length) live.inboxWaiting = true; // a message says whose id was taken
  }

  /** Starts an activity whose scheduling is committed; its slot is reserved. */
  #runLocally(live: LiveInstance, task: TaskScheduled): void {
    const cancellation = new Cancellation();
    const { executionId } = live.instance;
    live.running.set(task.eventId, cancellation);
    void this.#options.slots.run(toLocalWork(live.instance, task), cancellation).then((outcome) => {
      // Of an execution that is over it is not asked for any more.
      if (!live.owned || live.instance.executionId !== executionId) return;
      // Not started. While stopping it is handed over; else the lease was in doubt, and the instance is taken back.
      if (outcome === undefined && !cancellation.isTimeout) {
        if (!this.#stopping) this.#options.live.drop(live);
        return;
      }
      live.running.delete(task.eventId);
      // One that was not started because its time was up has its failure already: this one only says that it is over.
      live.events.push(toResult(task.eventId, outcome ?? { kind: 'completed' }));
      this.#pump(live);
    });
  }

  async #discard(live: LiveInstance, messageIds: readonly string[]): Promise<void> {
    const keepOwnership = live.running.size > 0 || live.events.length > 0;
    const { instance } = live;
    await this.#options.store.discardMessages(this.#options.workerId, [
      { key: instance.key, fence: instance.sequence, messageIds, keepOwnership },
    ]);
    if (!keepOwnership) this.#giveUp(live);
  }

  /** What came meanwhile is for whoever claims it next. */
  #giveUp(live: LiveInstance): void {
    const { store, hubId } = this.#options;
    const claim = this.#options.live.giveUp(live);
    if (claim !== undefined) this.take([claim]);
    else if (live.inboxWaiting) store.notifications.publish({ kind: 'instances', hubId });
  }

  /** A bug: others go on. What the store still says of this one is found by the next heartbeats (`strays.ts`). */
  #abandon(live: LiveInstance, error: unknown): void {
    this.#options.log.error({ instanceId: live.instance.instanceId, err: error }, 'turn abandoned');
    this.#options.live.drop(live);
  }
}
