/**
 * What a worker has done so far, as numbers on plain objects: counting costs an addition, and nothing is made of them
 * until somebody asks (`metrics/`). A snapshot is data, so that it can travel from a thread of its own.
 */
import { randomUUID } from 'node:crypto';
import type { EntityBatchOutcome } from '../model/entity-work.ts';
import type { FunctionNames, TurnCommit } from '../model/work.ts';
import type { LiveInstance } from './live-instances.ts';

/** Upper bounds in seconds of what takes a worker's time. The last bucket of a histogram has no bound. */
export const durationBounds = [0.001, 0.005, 0.01, 0.05, 0.1, 0.5, 1, 5, 10, 60, 300, 3_600] as const;
/** Upper bounds in seconds of the life of an execution, which may wait for people. */
export const lifeBounds = [0.01, 0.1, 1, 10, 60, 600, 3_600, 21_600, 86_400, 604_800] as const;
/** Upper bounds of how many turns share a statement. */
export const batchBounds = [1, 2, 5, 10, 20, 50, 100, 200, 500, 1_000] as const;

/** How often a value was at most each bound, and between it and the one before; the last one counts what is above all. */
export interface HistogramCounts {
  readonly buckets: number[];
  sum: number;
}

/** How executions of an orchestration began and ended. */
export interface OrchestrationCounts {
  started: number;
  completed: number;
  failed: number;
  terminated: number;
  continuedAsNew: number;
  /** From the first turn of an execution to its end, in seconds. */
  readonly duration: HistogramCounts;
  /** From when it could begin to its first turn, in seconds. */
  readonly scheduleToStart: HistogramCounts;
}

/** How runs of an activity ended. */
export interface ActivityCounts {
  completed: number;
  failed: number;
  /** Of one run, in seconds. */
  readonly duration: HistogramCounts;
  /** From its scheduling, or from its place in the queue, to the run, in seconds. */
  readonly scheduleToStart: HistogramCounts;
}

/** How operations on an entity ended. */
export interface EntityCounts {
  completed: number;
  failed: number;
}

/** What a worker counts as a whole, since it was made. */
interface WorkerTotals {
  turns: number;
  /** Executions that were replayed from history. */
  replays: number;
  replayedEvents: number;
  /** Turns in one statement. */
  readonly commitTurns: HistogramCounts;
  /** Of one statement, in seconds. */
  readonly commitDuration: HistogramCounts;
  lostFences: number;
  refusedTurns: number;
  lostLeases: number;
  /** Instances taken over from workers that died. */
  takenOverInstances: number;
  /** Instances given up because workers died of them. */
  poisonedInstances: number;
}

/** All that a worker has counted. */
export interface WorkerCounts extends Readonly<WorkerTotals> {
  /** Whose they are. Never shown. */
  readonly id: string;
  /** By registered name; what is not registered is `other`. */
  readonly orchestrations: Readonly<Record<string, OrchestrationCounts>>;
  readonly activities: Readonly<Record<string, ActivityCounts>>;
  readonly entities: Readonly<Record<string, EntityCounts>>;
}

/** What a worker has counted, and how it stands at the moment. */
export interface WorkerSnapshot extends WorkerCounts {
  readonly ownedInstances: number;
  readonly cachedInstances: number;
  readonly turnsUnderWay: number;
  readonly activitiesRunning: number;
  readonly activitiesWaiting: number;
}

/** What a value that is not registered is counted under: callers must not be able to make new series. */
export const otherName = 'other';

export class WorkerCounters {
  readonly #id = randomUUID();
  readonly totals: WorkerTotals = {
    ...{ turns: 0, replays: 0, replayedEvents: 0, lostFences: 0, refusedTurns: 0, lostLeases: 0 },
    ...{ takenOverInstances: 0, poisonedInstances: 0 },
    commitTurns: histogram(batchBounds),
    commitDuration: histogram(durationBounds),
  };
  readonly #orchestrations: NamedCounts<OrchestrationCounts>;
  readonly #activities: NamedCounts<ActivityCounts>;
  readonly #entities: NamedCounts<EntityCounts>;

  constructor({ orchestrators, activities, entities }: FunctionNames) {
    this.#orchestrations = new NamedCounts(orchestrators, () => ({
      ...{ started: 0, completed: 0, failed: 0, terminated: 0, continuedAsNew: 0 },
      duration: histogram(lifeBounds),
      scheduleToStart: histogram(durationBounds),
    }));
    this.#activities = new NamedCounts(activities, () => ({
      ...{ completed: 0, failed: 0, duration: histogram(durationBounds), scheduleToStart: histogram(durationBounds) },
    }));
    this.#entities = new NamedCounts(entities, () => ({ completed: 0, failed: 0 }));
  }

  /** The counts of the moment; they go on counting, so they are to be read or copied at once. */
  get counts(): WorkerCounts {
    return {
      ...this.totals,
      id: this.#id,
      orchestrations: this.#orchestrations.byName,
      activities: this.#activities.byName,
      entities: this.#entities.byName,
    };
  }

  /** A turn has been committed. @param clock the database's, asked when an execution ends */
  committed(live: LiveInstance, commit: TurnCommit, clock: { now(): number }): void {
    this.totals.turns += 1;
    if (live.startedAt === undefined) {
      // Nothing of this execution was stored before. Its events are not kept when another follows at once.
      live.startedAt = commit.events[0]?.timestamp ?? clock.now();
      const counts = this.#orchestrations.of(live.instance.name);
      counts.started += 1;
      // One that was begun where it was started has not waited; the others were counted when their message was read.
      if (commit.consumedMessages.length === 0) observe(counts.scheduleToStart, durationBounds, 0);
    }
    const ended = endOf(commit);
    if (ended === undefined) return;
    const counts = this.#orchestrations.of(live.instance.name);
    counts[ended] += 1;
    observe(counts.duration, lifeBounds, Math.max(0, clock.now() - live.startedAt) / 1_000);
    if (commit.failure?.errorType === 'PoisonInstance') this.totals.poisonedInstances += 1;
  }

  /** An execution has waited for its first turn. */
  startWaited(name: string, waitedMs: number): void {
    observe(this.#orchestrations.of(name).scheduleToStart, durationBounds, Math.max(0, waitedMs) / 1_000);
  }

  /** An activity begins to run. */
  activityWaited(name: string, waitedMs: number): void {
    observe(this.#activities.of(name).scheduleToStart, durationBounds, waitedMs / 1_000);
  }

  activityEnded(name: string, how: keyof EntityCounts, ranMs: number): void {
    const counts = this.#activities.of(name);
    counts[how] += 1;
    observe(counts.duration, durationBounds, ranMs / 1_000);
  }

  entityBatchEnded(name: string, outcome: EntityBatchOutcome): void {
    if (outcome.kind === 'failed') return;
    const counts = this.#entities.of(name);
    for (const { kind } of outcome.outcomes) counts[kind === 'failed' ? 'failed' : 'completed'] += 1;
  }

  /** A statement with turns has been answered. */
  commitAnswered(turns: number, tookMs: number): void {
    observe(this.totals.commitTurns, batchBounds, turns);
    observe(this.totals.commitDuration, durationBounds, tookMs / 1_000);
  }
}

function endOf({ status, next }: TurnCommit): 'completed' | 'failed' | 'terminated' | 'continuedAsNew' | undefined {
  if (next !== null) return 'continuedAsNew';
  if (status === 'Completed') return 'completed';
  if (status === 'Failed') return 'failed';
  return status === 'Terminated' ? 'terminated' : undefined;
}

/** Counts by registered name, which is looked up without case as everywhere. */
class NamedCounts<Counts> {
  readonly #known = new Map<string, { readonly name: string; counts?: Counts }>();
  readonly #other: { readonly name: string; counts?: Counts } = { name: otherName };
  readonly #make: () => Counts;

  constructor(names: readonly string[], make: () => Counts) {
    for (const name of names) this.#known.set(name.toLowerCase(), { name });
    this.#make = make;
  }

  of(name: string): Counts {
    const entry = this.#known.get(name.toLowerCase()) ?? this.#other;
    return (entry.counts ??= this.#make());
  }

  get byName(): Readonly<Record<string, Counts>> {
    return Object.fromEntries(
      [...this.#known.values(), this.#other].flatMap(({ name, counts }) =>
        counts === undefined ? [] : [[name, counts]],
      ),
    );
  }
}

export function histogram(bounds: readonly number[]): HistogramCounts {
  return { buckets: Array.from({ length: bounds.length + 1 }, () => 0), sum: 0 };
}

export function observe(counts: HistogramCounts, bounds: readonly number[], value: number): void {
  let at = 0;
  while (at < bounds.length && value > (bounds[at] ?? 0)) at += 1;
  counts.buckets[at] = (counts.buckets[at] ?? 0) + 1;
  counts.sum += value;
}
