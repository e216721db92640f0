/** Evidence, found by what the checks ask for. */
import { groupBy } from '../group-by.ts';
import type { HistoryEvent } from '../../src/model/history.ts';
import type { Evidence, Fault, InstanceRecord, JournalEntry, PlanItem, Run, Sighting, Violation } from '../types.ts';

/** How long a connection that says nothing may go unnoticed (F52). */
export const halfOpenMs = 15_000;

export class Lookup {
  readonly evidence: Evidence;
  readonly items: ReadonlyMap<string, PlanItem>;
  readonly byId: ReadonlyMap<string, readonly InstanceRecord[]>;
  readonly byKey: ReadonlyMap<string, InstanceRecord>;
  readonly journal: ReadonlyMap<string, readonly JournalEntry[]>;
  readonly sightings: ReadonlyMap<string, readonly Sighting[]>;
  readonly runsOfTask: ReadonlyMap<string, readonly Run[]>;
  readonly runs: ReadonlyMap<number, Run>;

  constructor(evidence: Evidence) {
    this.evidence = evidence;
    this.items = new Map(evidence.plan.items.map((item) => [item.id, item]));
    this.byId = groupBy(evidence.tables.instances, ({ id }) => id);
    this.byKey = new Map(evidence.tables.instances.map((instance) => [instance.key, instance]));
    this.journal = groupBy(evidence.journal, ({ id }) => id);
    this.sightings = groupBy(evidence.sightings, ({ id }) => id);
    this.runsOfTask = groupBy(
      evidence.runs.toSorted((one, other) => one.startedAt - other.startedAt || one.id - other.id),
      ({ task }) => task,
    );
    this.runs = new Map(evidence.runs.map((run) => [run.id, run]));
  }

  /** The only instance with this id, if there is one. */
  instance(id: string): InstanceRecord | undefined {
    return this.byId.get(id)?.at(-1);
  }

  /** Whether a purge of it was sent at all. */
  wasPurged(id: string): boolean {
    return (this.journal.get(id) ?? []).some(({ op, outcome }) => op === 'purge' && outcome !== 'fail');
  }

  /** Calls of one kind with an outcome. */
  calls(id: string, ops: readonly JournalEntry['op'][], outcomes: readonly JournalEntry['outcome'][]) {
    return (this.journal.get(id) ?? []).filter(({ op, outcome }) => ops.includes(op) && outcomes.includes(outcome));
  }

  /**
   * A fault that can have cost a node its lease or its connections between two moments: its effect outlasts it by the time
   * that takeovers and dead connections need.
   */
  explains(node: string, from: number, to: number): boolean {
    const { faults, settings, nodes } = this.evidence;
    const affects = (fault: Fault): boolean => fault.node === undefined || fault.node === node;
    const tail = (fault: Fault): number =>
      (fault.kind === 'blackhole' ? halfOpenMs : settings.backOffMs) + 2 * settings.leaseMs;
    if (faults.some((fault) => affects(fault) && fault.from <= to && fault.to + tail(fault) >= from)) return true;
    // The machine was too busy for heartbeats: the node itself says that it lost its lease, or it ended by itself.
    const reach = 3 * settings.leaseMs;
    return nodes.some(
      ({ name, leasesLost, exits }) =>
        name === node &&
        [...leasesLost, ...exits.map(({ at }) => at)].some((at) => at >= from - reach && at <= to + reach),
    );
  }
}

export interface Check {
  /** Its number in the design. */
  readonly invariant: string;
  readonly says: string;
  readonly find: (lookup: Lookup) => Iterable<Omit<Violation, 'invariant'>>;
}

/** Types of events that end what an event before them began, by the field that names it. */
export const endings = {
  TaskScheduled: ['TaskCompleted', 'TaskFailed'],
  SubOrchestrationInstanceCreated: ['SubOrchestrationInstanceCompleted', 'SubOrchestrationInstanceFailed'],
} as const;

/** The ids of what events of these types end. */
export function endedIds(history: readonly HistoryEvent[], types: readonly string[]): readonly number[] {
  return history.flatMap((event) =>
    types.includes(event.type) && 'taskScheduledId' in event ? [event.taskScheduledId] : [],
  );
}

/** A history in turns: each begins with OrchestratorStarted. */
export function turnsOf(history: readonly HistoryEvent[]): readonly (readonly HistoryEvent[])[] {
  const turns: HistoryEvent[][] = [];
  for (const event of history) {
    if (event.type === 'OrchestratorStarted' || turns.length === 0) turns.push([]);
    turns.at(-1)?.push(event);
  }
  return turns;
}

export function isEntity(id: string): boolean {
  return id.startsWith('@');
}
