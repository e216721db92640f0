/** What the workers of this process have done. Those of several threads are added up. */
import {
  batchBounds,
  durationBounds,
  lifeBounds,
  type ActivityCounts,
  type HistogramCounts,
  type OrchestrationCounts,
  type WorkerSnapshot,
} from '../worker/counters.ts';
import type { Definitions, Sample } from './definitions.ts';
import type { HistogramSeries } from './histogram.ts';

type Snapshots = () => Promise<readonly WorkerSnapshot[]>;

export function defineWorkers(define: Definitions, read: Snapshots): void {
  defineTotals(define, read);
  defineOrchestrations(define, read);
  defineActivities(define, read);
}

type NumberOf<Type> = { [Key in keyof Type]: Type[Key] extends number ? Key : never }[keyof Type];

function defineTotals(define: Definitions, read: Snapshots): void {
  const sum = async (key: NumberOf<WorkerSnapshot>): Promise<number> =>
    (await read()).reduce((total, snapshot) => total + snapshot[key], 0);
  const counters = [
    ['perdure_turns_total', 'Turns that were committed.', 'turns'],
    ['perdure_replays_total', 'Executions that were replayed from their history.', 'replays'],
    ['perdure_replayed_events_total', 'Events of these histories.', 'replayedEvents'],
    [
      'perdure_lost_fences_total',
      'Turns and batches that somebody else had overtaken; nothing was written.',
      'lostFences',
    ],
    ['perdure_refused_turns_total', 'Turns that the database refused to store.', 'refusedTurns'],
    ['perdure_lost_leases_total', 'Leases that ended while their worker still ran.', 'lostLeases'],
    ['perdure_taken_over_instances_total', 'Instances taken from workers that died.', 'takenOverInstances'],
    ['perdure_poisoned_instances_total', 'Instances given up because workers died of them.', 'poisonedInstances'],
  ] as const;
  for (const [name, help, key] of counters) define.counter(name, help, [], async () => [[await sum(key)]]);
  const gauges = [
    ['perdure_turns_under_way', 'Turns under way.', 'turnsUnderWay'],
    ['perdure_activities_running', 'Activities that run.', 'activitiesRunning'],
    ['perdure_activities_waiting', 'Activities that wait in a worker for a slot.', 'activitiesWaiting'],
  ] as const;
  for (const [name, help, key] of gauges) define.gauge(name, help, [], async () => [[await sum(key)]]);
  define.gauge(
    'perdure_live_instances',
    'Instances in memory: owned by a worker, or cached in case they come back.',
    ['state'],
    async () => [
      [await sum('ownedInstances'), { state: 'owned' }],
      [await sum('cachedInstances'), { state: 'cached' }],
    ],
  );
  const one = (key: 'commitTurns' | 'commitDuration') => async () => [
    seriesOf(
      {},
      (await read()).map((snapshot) => snapshot[key]),
    ),
  ];
  define.histogram(
    { name: 'perdure_commit_turns', help: 'Turns that shared a statement.', labels: [] },
    batchBounds,
    one('commitTurns'),
  );
  define.histogram(
    { name: 'perdure_commit_duration_seconds', help: 'Time to write such a statement.', labels: [] },
    durationBounds,
    one('commitDuration'),
  );
}

const ends = [
  ['completed', 'Completed'],
  ['failed', 'Failed'],
  ['terminated', 'Terminated'],
  ['continuedAsNew', 'ContinuedAsNew'],
] as const;

function defineOrchestrations(define: Definitions, read: Snapshots): void {
  const byName = async (): Promise<readonly Named<OrchestrationCounts>[]> =>
    grouped((await read()).map((snapshot) => snapshot.orchestrations));
  define.counter('perdure_orchestrations_started_total', 'Executions that had their first turn.', ['name'], async () =>
    (await byName()).map(({ name, all }): Sample => [total(all, 'started'), { name }]),
  );
  define.counter(
    'perdure_orchestrations_ended_total',
    'Executions that ended, by how. A failed one was not handled by its code.',
    ['name', 'status'],
    async () =>
      (await byName()).flatMap(({ name, all }) =>
        ends.map(([key, status]): Sample => [total(all, key), { name, status }]),
      ),
  );
  define.histogram(
    {
      name: 'perdure_orchestration_duration_seconds',
      help: 'From the first turn of an execution to its end, waiting included.',
      labels: ['name'],
    },
    lifeBounds,
    async () =>
      (await byName()).map(({ name, all }) =>
        seriesOf(
          { name },
          all.map((counts) => counts.duration),
        ),
      ),
  );
  define.histogram(
    {
      name: 'perdure_orchestration_schedule_to_start_seconds',
      help: 'From when an execution could begin to its first turn.',
      labels: ['name'],
    },
    durationBounds,
    async () =>
      (await byName()).map(({ name, all }) =>
        seriesOf(
          { name },
          all.map((counts) => counts.scheduleToStart),
        ),
      ),
  );
}

function defineActivities(define: Definitions, read: Snapshots): void {
  const byName = async (): Promise<readonly Named<ActivityCounts>[]> =>
    grouped((await read()).map((snapshot) => snapshot.activities));
  define.counter(
    'perdure_activities_ended_total',
    'Runs of activities, by how they ended.',
    ['name', 'status'],
    async () =>
      (await byName()).flatMap(({ name, all }): Sample[] => [
        [total(all, 'completed'), { name, status: 'Completed' }],
        [total(all, 'failed'), { name, status: 'Failed' }],
      ]),
  );
  const durations = [
    ['perdure_activity_duration_seconds', 'Time of one run of an activity.', 'duration'],
    [
      'perdure_activity_schedule_to_start_seconds',
      'How long activities waited in the queue or for a slot before they ran.',
      'scheduleToStart',
    ],
  ] as const;
  for (const [name, help, key] of durations) {
    define.histogram({ name, help, labels: ['name'] }, durationBounds, async () =>
      (await byName()).map((one) =>
        seriesOf(
          { name: one.name },
          one.all.map((counts) => counts[key]),
        ),
      ),
    );
  }
  define.counter(
    'perdure_entity_operations_total',
    'Operations on entities, by how they ended.',
    ['name', 'status'],
    async () =>
      grouped((await read()).map((snapshot) => snapshot.entities)).flatMap(({ name, all }): Sample[] => [
        [total(all, 'completed'), { name, status: 'Completed' }],
        [total(all, 'failed'), { name, status: 'Failed' }],
      ]),
  );
}

/** The counts of one function in each worker that knows it. */
interface Named<Counts> {
  readonly name: string;
  readonly all: readonly Counts[];
}

function grouped<Counts>(workers: readonly Readonly<Record<string, Counts>>[]): readonly Named<Counts>[] {
  const byName = new Map<string, Counts[]>();
  for (const worker of workers) {
    for (const [name, counts] of Object.entries(worker)) {
      const all = byName.get(name);
      if (all === undefined) byName.set(name, [counts]);
      else all.push(counts);
    }
  }
  return [...byName].map(([name, all]) => ({ name, all }));
}

function total<Counts>(all: readonly Counts[], key: NumberOf<Counts>): number {
  return all.reduce((sum, counts) => sum + Number(counts[key]), 0);
}

function seriesOf(labels: Readonly<Record<string, string>>, all: readonly HistogramCounts[]): HistogramSeries {
  const length = Math.max(0, ...all.map(({ buckets }) => buckets.length));
  return {
    labels,
    buckets: Array.from({ length }, (_, at) => all.reduce((sum, { buckets }) => sum + (buckets[at] ?? 0), 0)),
    sum: all.reduce((sum, counts) => sum + counts.sum, 0),
  };
}
