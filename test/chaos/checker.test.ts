/** The checker itself: it finds nothing in a sound run, and each invariant is broken by what is wrong with one. */
import { expect, it } from 'vitest';
import { check, checks } from '../../chaos/check/index.ts';
import { digest } from '../../chaos/functions.ts';
import type { Evidence, InstanceRecord, JournalEntry, NodeRecord, PlanItem, Run, Sighting } from '../../chaos/types.ts';
import type { HistoryEvent } from '../../src/model/history.ts';

const at = 1_700_000_000_000;
const result = JSON.stringify({ run: 1, value: 'done' });

const item: PlanItem = {
  id: 'one',
  kind: 'controlled',
  name: 'Simple',
  startAt: 0,
  actions: [],
  expected: { status: ['Completed'], output: '"done"' },
};
const input = JSON.stringify({ value: 'done' });

const history: readonly HistoryEvent[] = [
  { type: 'OrchestratorStarted', timestamp: at },
  { type: 'ExecutionStarted', timestamp: at, name: 'Simple', executionId: 'e1', input },
  { type: 'TaskScheduled', timestamp: at, eventId: 0, name: 'Step', input },
  { type: 'OrchestratorStarted', timestamp: at + 100 },
  { type: 'TaskCompleted', timestamp: at + 100, taskScheduledId: 0, result },
  { type: 'ExecutionCompleted', timestamp: at + 100, eventId: 1, status: 'Completed', result: '"done"' },
];

const instance: InstanceRecord = {
  ...{ key: '7', id: 'one', name: 'Simple', executionId: 'e1', status: 'Completed', isFinal: true },
  ...{ hasExecution: false, owner: null, input, output: '"done"', failure: null, parentKey: null },
  ...{ lastUpdatedAt: at + 100, completedAt: at + 100, history, sequences: [1, 2], firstSequence: 0 },
};

const started: JournalEntry = {
  ...{ id: 'one', action: 0, op: 'start', data: input, node: 'north', invokedAt: at - 20, answeredAt: at - 10 },
  ...{ outcome: 'ok', status: 202 },
};

const run: Run = {
  ...{ id: 1, task: '7:e1:0', attempt: 1, redelivery: 0, instanceId: 'one', name: 'Step', node: 'north', pid: 1 },
  ...{ startedAt: at + 10, endedAt: at + 20, outcome: 'ok', result: digest(result) },
};

const seen: Sighting = {
  ...{ id: 'one', node: 'south', askedAt: at + 200, seenAt: at + 210, httpStatus: 200, status: 'Completed' },
  ...{ lastUpdated: '2023-11-14T22:13:20Z', created: '2023-11-14T22:13:20Z', output: '"done"' },
};

const node: NodeRecord = {
  ...{ name: 'north', exits: [], logLines: 10, seconds: 60, leaks: [], memoryMiB: 100, leasesLost: [] },
};

const sound: Evidence = {
  plan: { seed: 1, items: [item], accounts: { a: 5 }, longestTimerMs: 1_000 },
  journal: [started],
  sightings: [seen],
  runs: [run],
  faults: [],
  tables: { instances: [instance], messages: [], tasks: [], orphans: [], transactions: [], lockedEntities: [] },
  accounts: { a: 5 },
  nodes: [node],
  settings: { leaseMs: 1_000, pollMs: 100, backOffMs: 5_000 },
  begunAt: at - 100,
  lastFaultAt: at,
  restedAt: at + 300,
  stuck: [],
  command: 'npm run chaos',
};

type Tables = Partial<Evidence['tables']>;

const withTables = (tables: Tables): Evidence => ({ ...sound, tables: { ...sound.tables, ...tables } });
const withInstance = (change: Partial<InstanceRecord>): Evidence =>
  withTables({ instances: [{ ...instance, ...change }] });
const withHistory = (events: readonly HistoryEvent[]): Evidence => withInstance({ history: events });
const withCalls = (...calls: readonly Partial<JournalEntry>[]): Evidence => ({
  ...sound,
  journal: [started, ...calls.map((call) => ({ ...started, action: 1, ...call }))],
});
const withSightings = (...sightings: readonly Partial<Sighting>[]): Evidence => ({
  ...sound,
  sightings: sightings.map((sighting) => ({ ...seen, ...sighting })),
});
const withRuns = (...runs: readonly Partial<Run>[]): Evidence => ({
  ...sound,
  runs: [run, ...runs.map((other, index) => ({ ...run, id: index + 2, ...other }))],
});
const withNode = (change: Partial<NodeRecord>): Evidence => ({ ...sound, nodes: [{ ...node, ...change }] });
const withItem = (change: Partial<PlanItem>): Evidence => ({
  ...sound,
  plan: { ...sound.plan, items: [{ ...item, ...change }] },
});
const without = (type: HistoryEvent['type']) => history.filter((event) => event.type !== type);
const again = (type: HistoryEvent['type']) =>
  history.flatMap((event) => (event.type === type ? [event, event] : [event]));
const raise = { op: 'raise', event: 'Go', data: '1', key: 'k' } as const;
const took: HistoryEvent = { type: 'EventRaised', timestamp: at + 50, name: 'Go', input: '1' };
const timer: readonly HistoryEvent[] = [
  { type: 'TimerCreated', timestamp: at, eventId: 5, fireAt: at + 90 },
  { type: 'TimerFired', timestamp: at + 80, timerId: 5, fireAt: at + 90 },
];

const doctored: readonly (readonly [invariant: string, what: string, evidence: Evidence])[] = [
  ['I1', 'an acknowledged start has no row', withTables({ instances: [] })],
  ['I2', 'an instance that nobody started', { ...sound, journal: [] }],
  ['I3', 'two rows of one id', withTables({ instances: [instance, { ...instance, key: '8' }] })],
  ['I3', 'an execution that began twice', withHistory(again('ExecutionStarted'))],
  ['I4', 'an acknowledged event is nowhere', withCalls(raise)],
  ['I5', 'an event that nobody sent', withHistory([...history.slice(0, 4), took, ...history.slice(4)])],
  [
    'I5',
    'an event with a key twice',
    {
      ...withHistory([...history.slice(0, 4), took, took, ...history.slice(4)]),
      journal: [started, { ...started, ...raise }, { ...started, ...raise, outcome: 'unknown' }],
    },
  ],
  ['I6', 'a task with two completions', withHistory(again('TaskCompleted'))],
  ['I6', 'a completed instance with an open task', withHistory(without('TaskCompleted'))],
  ['I7', 'a result that no run returned', { ...sound, runs: [{ ...run, result: digest('other') }] }],
  ['I8', 'a completed task that never ran', { ...sound, runs: [] }],
  ['I9', 'a second run without a fault', withRuns({ startedAt: at + 30 })],
  ['I10', 'a run after the completion', withRuns({ startedAt: at + 500, attempt: 2 })],
  ['I11', 'two nodes at once', withRuns({ startedAt: at + 15, node: 'south' })],
  ['I12', 'a status that went back', withSightings(seen, { status: 'Running', askedAt: at + 300, seenAt: at + 310 })],
  [
    'I12',
    'a time that went back',
    withSightings(seen, { lastUpdated: '2023-11-14T22:13:19Z', askedAt: at + 300, seenAt: at + 310 }),
  ],
  ['I13', 'another output later', withSightings(seen, { output: '"other"', askedAt: at + 300, seenAt: at + 310 })],
  ['I14', 'a 404 after the answer', { ...sound, sightings: [{ ...seen, httpStatus: 404, afterStart: true }, seen] }],
  ['I15', 'another output than the model', withSightings({ output: '"other"' })],
  ['I15', 'another balance than the model', { ...sound, accounts: { a: 4 } }],
  ['I16', 'rows of history out of order', withInstance({ sequences: [2, 1] })],
  [
    'I16',
    'a completion before its schedule',
    withHistory([...history.slice(0, 2), ...history.slice(4, 5), ...history.slice(2, 4), ...history.slice(5)]),
  ],
  ['I16', 'an end without an event', withHistory(without('ExecutionCompleted'))],
  [
    'I17',
    'a history that the code does not make',
    withHistory(history.map((event) => (event.type === 'TaskScheduled' ? { ...event, name: 'Other' } : event))),
  ],
  ['I18', 'a timer that fired early', withHistory([...history.slice(0, 3), ...timer, ...history.slice(3)])],
  ['I19', 'fewer tries than planned', withItem({ failures: { '"done"': 2 } })],
  ['I20', 'a terminated instance that completed', withCalls({ op: 'terminate' })],
  [
    'I20',
    'work while it was suspended',
    withHistory([
      ...history.slice(0, 2),
      { type: 'ExecutionSuspended', timestamp: at },
      { type: 'OrchestratorStarted', timestamp: at + 1 },
      ...history.slice(2),
    ]),
  ],
  ['I21', 'a row of an instance that is gone', withTables({ orphans: ['history 6'] })],
  [
    'I21',
    'a former life',
    { ...withItem({ kind: 'reused' }), tables: { ...sound.tables, instances: [{ ...instance, input: '1' }] } },
  ],
  ['I22', 'a lease that nobody gave back', withInstance({ owner: '3' })],
  ['I22', 'a message that nobody took', withTables({ messages: [{ key: '7', event: '{}' }] })],
  ['I22', 'a task that nobody took', withTables({ tasks: [{ key: '7', name: 'Step', owner: null }] })],
  ['I22', 'an open transaction', withTables({ transactions: ['begin'] })],
  ['I22', 'a lock that nobody gave back', withTables({ lockedEntities: ['@account@a'] })],
  ['I23', 'an instance that is stuck', { ...sound, stuck: ['one'] }],
  ['I23', 'an end that came too late', { ...sound, restedAt: at + 600_000 }],
  ['I24', 'poison that completes', withItem({ kind: 'poison', expected: { status: ['Failed'] } })],
  [
    'I25',
    'a node that ended by itself',
    withNode({ exits: [{ at, code: 1, signal: null, wanted: false, wasReady: true, lastLine: 'oh' }] }),
  ],
  ['I25', 'a node that grew', withNode({ memoryMiB: 5_000 })],
  ['I26', 'a payload in a log', withNode({ leaks: ['secret'] })],
  ['I26', 'a log without a bound', withNode({ logLines: 1_000_000 })],
];

it('finds nothing in a sound run', async () => {
  expect(await check(sound)).toEqual({ violations: [], replayed: 2 });
});

it.each(doctored)('%s: %s', async (invariant, _, evidence) => {
  const { violations } = await check(evidence);
  expect(violations.map((violation) => violation.invariant)).toContain(invariant);
});

it('has a doctored run for every invariant', () => {
  const broken = new Set(doctored.map(([invariant]) => invariant));
  expect([...checks.map(({ invariant }) => invariant), 'I17'].filter((invariant) => !broken.has(invariant))).toEqual(
    [],
  );
});

it('does not blame a node for what a fault explains', async () => {
  const faults = [{ kind: 'kill', node: 'north', from: at + 12, to: at + 14 }];
  expect((await check({ ...withRuns({ startedAt: at + 30 }), faults })).violations).toEqual([]);
});
