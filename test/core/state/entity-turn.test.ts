import { describe, expect, it } from 'vitest';
import { closeEntityTurn, newEntity, openEntityTurn } from '../../../src/core/state/entity-turn.ts';
import type {
  EntityCommit,
  EntityLock,
  EntityMessage,
  EntityRecord,
  EntityRequest,
  OperationOutcome,
} from '../../../src/model/entity-work.ts';
import { ownedInstance } from '../../support/builders.ts';

const self = '@counter@a';
const instance = ownedInstance({ instanceId: self, sequence: 4 });

function from(instanceId: string) {
  return { parentInstanceId: instanceId, parentExecutionId: `${instanceId}-e1` };
}

function signal(operation: string, given: Partial<Extract<EntityRequest, { type: 'EntityOperationSignaled' }>> = {}) {
  return { type: 'EntityOperationSignaled', requestId: `signal-${operation}`, operation, ...given } as const;
}

function call(operation: string, caller: string): EntityRequest {
  return { type: 'EntityOperationCalled', requestId: `call-${operation}`, operation, ...from(caller) };
}

function lockRequest(caller: string, lockSet: readonly string[] = [self], position = 0): EntityRequest {
  return { type: 'EntityLockRequested', criticalSectionId: `section-${caller}`, lockSet, position, ...from(caller) };
}

function unlock(caller: string, criticalSectionId = `section-${caller}`): EntityRequest {
  return { type: 'EntityUnlockSent', criticalSectionId, parentInstanceId: caller };
}

function lockOf(caller: string): EntityLock {
  return { criticalSectionId: `section-${caller}`, instanceId: caller, executionId: `${caller}-e1` };
}

/** Messages with ids from 1, visible in that order. */
function inbox(...events: readonly EntityRequest[]): readonly EntityMessage[] {
  return events.map((event, index) => ({ id: String(index + 1), visibleAt: index + 1, event }));
}

/** Runs a batch whose operations all succeed. */
function batch(
  record: EntityRecord,
  messages: readonly EntityMessage[],
  options: { readonly maxOperations?: number; readonly outcomes?: number } = {},
): { readonly ran: readonly string[]; readonly commit: EntityCommit } {
  const turn = { record, messages };
  const { operations } = openEntityTurn(turn, options.maxOperations ?? 1_000);
  const ran = operations.slice(0, options.outcomes ?? operations.length);
  const outcomes = ran.map((): OperationOutcome => ({ kind: 'completed', result: '"ok"', actions: [] }));
  const done = operations.length === 0 ? undefined : { kind: 'done' as const, outcomes, state: '"after"' };
  return {
    ran: ran.map(({ operation }) => operation),
    commit: closeEntityTurn({ instance, turn, done, hasMore: false }),
  };
}

const stored: EntityRecord = { state: '"before"', lock: null, parked: 0 };
const locked: EntityRecord = { ...stored, lock: lockOf('o1') };

describe('operations', () => {
  it('run in the order of the inbox, and are consumed', () => {
    const { ran, commit } = batch(newEntity, inbox(signal('a'), call('b', 'o1'), signal('c')));
    expect(ran).toEqual(['a', 'b', 'c']);
    expect(commit).toMatchObject({
      fence: 4,
      consumedMessages: ['1', '2', '3'],
      parkedMessages: [],
      record: { state: '"after"', lock: null, parked: 0 },
      keepOwnership: false,
    });
  });

  it('a call is answered to the execution that asked, a signal to nobody', () => {
    const { commit } = batch(stored, inbox(signal('a'), call('b', 'o1')));
    expect(commit.outgoing).toEqual([
      {
        kind: 'orchestration',
        instanceId: 'o1',
        executionId: 'o1-e1',
        event: { type: 'EntityOperationCompleted', requestId: 'call-b', result: '"ok"' },
      },
    ]);
  });

  it('what a failed one would have sent is not sent, and its caller gets the failure', () => {
    const turn = { record: stored, messages: inbox(call('a', 'o1'), signal('b')) };
    const failure = { errorType: 'Error', message: 'no' };
    const sent = { type: 'SignalEntity', instanceId: '@x@y', signal: signal('s') } as const;
    const start = { instanceId: 'i', event: { type: 'ExecutionStarted', name: 'O', executionId: 'e' } } as const;
    const commit = closeEntityTurn({
      instance,
      turn,
      done: {
        kind: 'done',
        state: null,
        outcomes: [
          { kind: 'failed', failure },
          { kind: 'completed', actions: [sent, { type: 'StartOrchestration', start }] },
        ],
      },
      hasMore: false,
    });
    expect(commit.outgoing).toEqual([
      {
        kind: 'orchestration',
        instanceId: 'o1',
        executionId: 'o1-e1',
        event: { type: 'EntityOperationFailed', requestId: 'call-a', failure },
      },
      { kind: 'entity', instanceId: '@x@y', event: sent.signal },
    ]);
    expect(commit.starts).toEqual([start]);
    expect(commit.record.state).toBeNull();
  });

  it('those without an outcome, and all behind them, stay in the inbox', () => {
    const messages = inbox(signal('a'), signal('b'), lockRequest('o1'), signal('c'));
    const { commit } = batch(stored, messages, { outcomes: 1 });
    expect(commit).toMatchObject({ consumedMessages: ['1'], parkedMessages: [], keepOwnership: true });
    expect(commit.record.lock).toBeNull();
  });

  it('a batch has so many at most', () => {
    const { ran, commit } = batch(stored, inbox(signal('a'), signal('b'), signal('c')), { maxOperations: 2 });
    expect(ran).toEqual(['a', 'b']);
    expect(commit.keepOwnership).toBe(true);
  });

  it('a scheduled signal takes its place when it became visible', () => {
    const messages: readonly EntityMessage[] = [
      { id: '1', visibleAt: 50, event: signal('scheduled', { scheduledTime: 50 }) },
      { id: '2', visibleAt: 10, event: signal('early') },
      { id: '3', visibleAt: 60, event: signal('late') },
    ];
    expect(batch(stored, messages).ran).toEqual(['early', 'scheduled', 'late']);
  });
});

describe('the lock', () => {
  it('of the only entity of a set is granted at once', () => {
    const { commit } = batch(stored, inbox(lockRequest('o1')));
    expect(commit.record).toEqual({ state: '"before"', lock: lockOf('o1'), parked: 0 });
    expect(commit.outgoing).toEqual([
      {
        kind: 'orchestration',
        instanceId: 'o1',
        executionId: 'o1-e1',
        event: { type: 'EntityLockGranted', criticalSectionId: 'section-o1' },
      },
    ]);
  });

  it('goes on to the next entity of the set, and is granted by the last', () => {
    const set = ['@a@a', self, '@z@z'];
    expect(batch(stored, inbox(lockRequest('o1', set, 1))).commit.outgoing).toEqual([
      { kind: 'entity', instanceId: '@z@z', event: lockRequest('o1', set, 2) },
    ]);
    expect(batch(stored, inbox(lockRequest('o1', [self], 0))).commit.outgoing[0]?.kind).toBe('orchestration');
  });

  it('is given back along the way of its request, where that was granted', () => {
    const follows = { lockSet: [self, '@z@z'], position: 0 };
    const given = {
      type: 'EntityUnlockSent',
      criticalSectionId: 'section-o1',
      parentInstanceId: 'o1',
      follows,
    } as const;
    expect(batch(locked, inbox(given)).commit.outgoing).toEqual([
      { kind: 'entity', instanceId: '@z@z', event: { ...given, follows: { ...follows, position: 1 } } },
    ]);
    const last = { ...given, follows: { ...follows, position: 1 } };
    expect(batch(locked, inbox(last)).commit.outgoing).toEqual([]);
    expect(batch(stored, inbox(lockRequest('o1', follows.lockSet), given)).commit).toMatchObject({
      outgoing: [],
      record: { lock: null },
    });
  });

  it('comes after the operations before it; what others sent behind it waits', () => {
    const { ran, commit } = batch(stored, inbox(signal('a'), lockRequest('o1'), signal('b'), call('c', 'o2')));
    expect(ran).toEqual(['a']);
    expect(commit).toMatchObject({
      consumedMessages: ['1', '2'],
      parkedMessages: ['3', '4'],
      record: { lock: lockOf('o1'), parked: 2 },
      keepOwnership: false,
    });
  });

  it('lets only its holder in, past all who wait', () => {
    const { ran, commit } = batch({ ...locked, parked: 3 }, inbox(signal('a'), call('b', 'o1'), lockRequest('o2')));
    expect(ran).toEqual(['b']);
    expect(commit.parkedMessages).toEqual(['1', '3']);
    expect(commit.record.parked).toBe(5);
  });

  it('is given back by its holder: who waited in this inbox comes next, in order', () => {
    const messages = inbox(signal('a'), lockRequest('o2'), unlock('o1'), signal('b'));
    const { ran, commit } = batch(locked, messages);
    expect(ran).toEqual(['a']);
    expect(commit).toMatchObject({
      consumedMessages: ['3', '1', '2'],
      parkedMessages: ['4'],
      unpark: false,
      record: { lock: lockOf('o2'), parked: 1 },
    });
  });

  it('given back while others are parked, lets them come first: the rest is left for the next batch', () => {
    const { ran, commit } = batch({ ...locked, parked: 2 }, inbox(signal('a'), unlock('o1'), signal('b')));
    expect(ran).toEqual([]);
    expect(commit).toMatchObject({
      consumedMessages: ['2'],
      parkedMessages: [],
      unpark: true,
      record: { lock: null, parked: 0 },
      keepOwnership: true,
    });
  });

  it.each([
    ['somebody else', unlock('o2')],
    ['an earlier section of the holder', unlock('o1', 'section-before')],
  ])('is not given back by %s', (_, event) => {
    const { commit } = batch(locked, inbox(event));
    expect(commit).toMatchObject({ consumedMessages: [], parkedMessages: ['1'], record: { lock: lockOf('o1') } });
  });

  it('an unlock of an entity that is free means nothing', () => {
    const { commit } = batch(stored, inbox(unlock('o1')));
    expect(commit).toMatchObject({ consumedMessages: ['1'], record: stored, outgoing: [] });
  });

  it('is handed from one to the next', () => {
    const { ran, commit } = batch(locked, inbox(lockRequest('o2'), unlock('o1'), signal('a')));
    expect(ran).toEqual([]);
    expect(commit).toMatchObject({ record: { lock: lockOf('o2'), parked: 1 }, parkedMessages: ['3'] });
    expect(commit.outgoing.map((message) => message.instanceId)).toEqual(['o2']);
  });

  it('that is asked for and given back in one batch, by one that has ended meanwhile, goes to nobody', () => {
    const { ran, commit } = batch(stored, inbox(lockRequest('o1', [self, '@z@z']), signal('a'), unlock('o1')));
    expect(ran).toEqual(['a']);
    expect(commit).toMatchObject({ record: { lock: null, parked: 0 }, outgoing: [] });
  });

  it('a request that waits is taken back with it', () => {
    const waits = inbox(lockRequest('o2', [self, '@z@z']), unlock('o2'));
    expect(batch(locked, waits).commit.parkedMessages).toEqual(['1', '2']);
    const { commit } = batch(locked, inbox(unlock('o1'), ...waits.map(({ event }) => event), signal('a')));
    expect(commit).toMatchObject({ record: { lock: null, parked: 0 }, outgoing: [], parkedMessages: [] });
  });

  it('an inbox without anything is nothing to do', () => {
    expect(openEntityTurn({ record: locked, messages: [] }, 10)).toEqual({ operations: [], idle: true });
  });
});
