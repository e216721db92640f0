/**
 * Group commit: many turns, one statement. Batches are what gathered while the statements before were on their way; two
 * at a time keep both this process and Postgres busy.
 */
import { Batcher } from '../flow/batcher.ts';
import type { CommitOutcome, TurnCommit, WorkerId } from '../model/work.ts';
import type { WorkerStore } from '../store/store.ts';
import type { LiveInstance } from './live-instances.ts';
import type { ProcessorOptions } from './processor-options.ts';

const commitsUnderWay = 2;
const maxTurns = 1_000;
const maxWeight = 16 * 1_048_576;

export class Committer {
  readonly #batcher: Batcher<TurnCommit, CommitOutcome>;

  constructor(store: WorkerStore, workerId: WorkerId) {
    this.#batcher = new Batcher({
      run: (turns) => store.commitTurns(workerId, turns),
      concurrency: commitsUnderWay,
      maxItems: maxTurns,
      maxWeight,
      weigh: weightOf,
    });
  }

  /** Resolves when the outcome is known, however long the database is away. */
  commit(turn: TurnCommit): Promise<CommitOutcome> {
    return this.#batcher.add(turn);
  }
}

/** Counts a turn that was committed, and tells of it. */
export function noteTurn(
  { counters, tracing, clock }: Pick<ProcessorOptions, 'clock' | 'counters' | 'tracing'>,
  live: LiveInstance,
  commit: TurnCommit,
): void {
  counters.committed(live, commit, clock);
  tracing?.committed(live, commit, clock);
}

/** Rough size of what a turn writes, in UTF-16 units. */
export function weightOf(turn: TurnCommit): number {
  let weight = 200 + (turn.output?.length ?? 0) + (turn.customStatus?.length ?? 0) + weightOfEvents(turn.events);
  for (const { event } of turn.messages) weight += 200 + lengthOf(event);
  if (turn.entityMessages !== undefined) for (const { event } of turn.entityMessages) weight += 200 + lengthOf(event);
  return weight;
}

/** Rough size of events, in UTF-16 units. */
export function weightOfEvents(events: TurnCommit['events']): number {
  let weight = 0;
  for (const event of events) weight += 100 + lengthOf(event);
  return weight;
}

function lengthOf(event: { readonly input?: string } | { readonly result?: string } | object): number {
  let length = 0;
  if ('input' in event) length += event.input?.length ?? 0;
  if ('result' in event) length += event.result?.length ?? 0;
  return length;
}
