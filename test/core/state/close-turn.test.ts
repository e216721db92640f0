import { describe, expect, it } from 'vitest';
import { closeTurn, failTurn, type CloseRequest } from '../../../src/core/state/close-turn.ts';
import { defaultLimits } from '../../../src/core/state/turn-limits.ts';
import { stateOf } from '../../../src/core/state/execution-state.ts';
import { openTurn, type OpenedTurn, type TurnInput } from '../../../src/core/state/open-turn.ts';
import type { Action } from '../../../src/model/actions.ts';
import type { HistoryEvent } from '../../../src/model/history.ts';
import {
  complete,
  completed,
  createTimer,
  decision,
  executionId,
  fail,
  failure,
  history,
  inbox,
  ownedInstance,
  raised,
  resumed,
  schedule,
  scheduled,
  suspended,
  terminated,
  timerCreated,
  turnStarted,
} from '../../support/builders.ts';

const now = 50;

function opened(events: readonly HistoryEvent[], input: Partial<TurnInput>): OpenedTurn {
  const turn = openTurn(stateOf(executionId, events), { messages: [], local: [], now, ...input });
  if ('discard' in turn) throw new Error('nothing to do');
  return turn;
}

/** A turn on a history, opened by an event, with what the orchestrator decided. */
function request(
  actions: readonly Action[],
  given: Partial<CloseRequest> & {
    readonly before?: readonly HistoryEvent[];
    readonly input?: Partial<TurnInput>;
  } = {},
): CloseRequest {
  const { before = history(), input = { messages: inbox(raised('go')) }, ...rest } = given;
  return {
    instance: ownedInstance(),
    state: stateOf(executionId, before),
    opened: opened(before, input),
    decision: decision(...actions),
    hasMore: false,
    newExecutionId: () => 'e2',
    limits: defaultLimits,
    ...rest,
  };
}

describe('a commit', () => {
  it('names the instance, its execution and the fence that the turn was made with', () => {
    const { commit } = closeTurn(request([], { instance: ownedInstance({ key: '12', sequence: 9 }) }));
    expect(commit).toMatchObject({ key: '12', executionId, fence: 9 });
  });

  it('appends the new events, then one event for each action, at the time of the turn', () => {
    const { commit } = closeTurn(request([schedule(0, { input: '1' }), createTimer(1, 900)]));
    expect(commit.events).toEqual([
      turnStarted(now),
      { ...raised('go'), timestamp: now },
      { type: 'TaskScheduled', timestamp: now, eventId: 0, name: 'Charge', input: '1' },
      { type: 'TimerCreated', timestamp: now, eventId: 1, fireAt: 900 },
    ]);
  });

  it('of a turn without actions still keeps its new events', () => {
    const { commit } = closeTurn(request([]));
    expect(commit.events).toHaveLength(2);
    expect(commit).toMatchObject({ status: 'Running', output: null, failure: null, queuedTasks: [], timers: [] });
  });

  it('takes the messages that the turn used up', () => {
    const messages = inbox(raised('a'), completed(9), raised('b'));
    expect(closeTurn(request([], { input: { messages } })).commit.consumedMessages).toEqual(['1', '2', '3']);
  });

  it('shows the custom status of the decision, and none when it has none', () => {
    const instance = ownedInstance({ customStatus: '"old"' });
    const set = closeTurn(request([], { instance, decision: { actions: [], customStatus: '"new"' } }));
    expect(set.commit.customStatus).toBe('"new"');
    expect(closeTurn(request([], { instance })).commit.customStatus).toBeNull();
  });

  it('keeps the custom status when the orchestrator did not run', () => {
    const { decision: _, ...rest } = request([], {
      instance: ownedInstance({ customStatus: '"old"' }),
      input: { messages: inbox(terminated()) },
    });
    expect(closeTurn(rest).commit.customStatus).toBe('"old"');
  });

  it('leaves the state as it is: it changes only when the commit has counted', () => {
    const state = stateOf(executionId, history(scheduled(5)));
    closeTurn(request([schedule(6), complete(7)], { state }));
    expect(state).toEqual(stateOf(executionId, history(scheduled(5))));
  });

  it('refuses an action of a type that it does not know', () => {
    const unknown = JSON.parse('{"type":"Dream"}') as never;
    expect(() => closeTurn(request([unknown]))).toThrow('Dream');
  });
});

describe('activities', () => {
  it('become queue rows with all that the call said', () => {
    const { commit, local } = closeTurn(
      request([schedule(0), schedule(1, { name: 'Ship', input: '""', version: '2', attempt: 3, firstId: 0 })]),
    );
    expect(local).toEqual([]);
    expect(commit.queuedTasks).toEqual([
      { taskScheduledId: 0, name: 'Charge', attempt: 1, firstScheduledId: 0, redelivery: 0 },
      {
        taskScheduledId: 1,
        name: 'Ship',
        input: '""',
        version: '2',
        attempt: 3,
        firstScheduledId: 0,
        redelivery: 0,
      },
    ]);
  });

  it('run here when the worker takes them, and leave no queue row then', () => {
    const asked: number[] = [];
    const takeLocally: CloseRequest['takeLocally'] = (task) => {
      asked.push(task.eventId);
      return task.eventId !== 1;
    };
    const { commit, local } = closeTurn(request([schedule(0), schedule(1), schedule(2)], { takeLocally }));
    expect(asked).toEqual([0, 1, 2]);
    expect(local.map((task) => task.eventId)).toEqual([0, 2]);
    expect(commit.queuedTasks.map((task) => task.taskScheduledId)).toEqual([1]);
    expect(commit.events.filter((event) => event.type === 'TaskScheduled')).toHaveLength(3);
  });

  it('of an execution that ends in the turn go to the queue: nobody keeps the instance', () => {
    const { commit, local } = closeTurn(request([schedule(0), complete(1)], { takeLocally: () => true }));
    expect(local).toEqual([]);
    expect(commit.queuedTasks.map((task) => task.taskScheduledId)).toEqual([0]);
    expect(commit.keepOwnership).toBe(false);
  });

  it('of an execution that was suspended in the turn go to the queue', () => {
    const input = { messages: inbox(raised('go'), suspended()) };
    const { commit, local } = closeTurn(request([schedule(0)], { input, takeLocally: () => true }));
    expect(local).toEqual([]);
    expect(commit.queuedTasks).toHaveLength(1);
  });

  it('run here again once the execution is resumed', () => {
    const input = { messages: inbox(resumed()) };
    const { local } = closeTurn(
      request([schedule(0)], { before: history(suspended()), input, takeLocally: () => true }),
    );
    expect(local).toHaveLength(1);
  });
});

describe('activities lost with their worker', () => {
  it('are queued again with their first scheduling and a redelivery, never local', () => {
    const before = history(scheduled(4, { input: '1', attempt: 2, firstId: 1 }), scheduled(5));
    const { commit, local } = closeTurn(
      request([], { before, input: { lostTasks: [4, 5] }, lostTasks: [4, 5], takeLocally: () => true }),
    );
    expect(local).toEqual([]);
    expect(commit.queuedTasks).toEqual([
      { taskScheduledId: 4, name: 'Charge', input: '1', attempt: 2, firstScheduledId: 1, redelivery: 1 },
      { taskScheduledId: 5, name: 'Charge', attempt: 1, firstScheduledId: 5, redelivery: 1 },
    ]);
    expect(commit.events).toEqual([turnStarted(now)]);
  });

  it('are not queued when their result arrives in the same turn', () => {
    const { commit } = closeTurn(
      request([], {
        before: history(scheduled(0), scheduled(1)),
        input: { messages: inbox(completed(0)), lostTasks: [0, 1] },
        lostTasks: [0, 1],
      }),
    );
    expect(commit.queuedTasks.map((task) => task.taskScheduledId)).toEqual([1]);
  });

  it('are not queued when they are not open', () => {
    const { commit } = closeTurn(request([], { lostTasks: [3] }));
    expect(commit.queuedTasks).toEqual([]);
  });

  it('are not queued when the execution ends in the turn', () => {
    const before = history(scheduled(0));
    const { commit } = closeTurn(request([complete(1)], { before, lostTasks: [0] }));
    expect(commit.queuedTasks).toEqual([]);
  });

  it('are queued though the execution is suspended', () => {
    const before = history(scheduled(0), suspended());
    const { commit } = closeTurn(request([], { before, input: { lostTasks: [0] }, lostTasks: [0] }));
    expect(commit).toMatchObject({ status: 'Suspended', queuedTasks: [{ taskScheduledId: 0, redelivery: 1 }] });
  });
});

describe('timers', () => {
  it('become messages for later', () => {
    const { commit } = closeTurn(request([createTimer(0, 900), createTimer(1, 300)]));
    expect(commit.timers).toEqual([
      { timerId: 0, fireAt: 900 },
      { timerId: 1, fireAt: 300 },
    ]);
    expect(commit.cancelledTimers).toEqual([]);
  });

  it('cancelled in the turn that created them leave their event and nothing else', () => {
    const { commit } = closeTurn(request([createTimer(0), createTimer(1), { type: 'CancelTimer', timerId: 0 }]));
    expect(commit.timers.map((timer) => timer.timerId)).toEqual([1]);
    expect(commit.cancelledTimers).toEqual([]);
    expect(commit.events.filter((event) => event.type === 'TimerCreated')).toHaveLength(2);
  });

  it('of an earlier turn are cancelled by deleting their message', () => {
    const before = history(timerCreated(0));
    const { commit } = closeTurn(request([{ type: 'CancelTimer', timerId: 0 }], { before }));
    expect(commit.cancelledTimers).toEqual([0]);
    expect(commit.events.map((event) => event.type)).toEqual(['OrchestratorStarted', 'EventRaised']);
  });

  it('of an execution that ends in the turn are not stored', () => {
    const { commit } = closeTurn(request([createTimer(0), complete(1)]));
    expect(commit.timers).toEqual([]);
  });
});

describe('a completion', () => {
  it('is the last event and sets status and output', () => {
    const { commit } = closeTurn(request([schedule(0), complete(1, '{"total":3}')]));
    expect(commit.events.at(-1)).toEqual({
      type: 'ExecutionCompleted',
      timestamp: now,
      eventId: 1,
      status: 'Completed',
      result: '{"total":3}',
    });
    expect(commit).toMatchObject({ status: 'Completed', output: '{"total":3}', failure: null, keepOwnership: false });
  });

  it.each(['""', '0', 'false', 'null'])('with the result %s is not one without a result', (result) => {
    expect(closeTurn(request([complete(0, result)])).commit.output).toBe(result);
  });

  it('without a result has no output', () => {
    const { commit } = closeTurn(request([complete(0)]));
    expect(commit).toMatchObject({ status: 'Completed', output: null });
    expect(commit.events.at(-1)).not.toHaveProperty('result');
  });

  it('by an error keeps the failure and has no output', () => {
    const { commit } = closeTurn(request([fail(0)]));
    expect(commit).toMatchObject({ status: 'Failed', output: null, failure });
    expect(commit.events.at(-1)).toMatchObject({ type: 'ExecutionCompleted', status: 'Failed', failure });
  });

  it('ends a suspended execution all the same', () => {
    const input = { messages: inbox(raised('go'), suspended()) };
    expect(closeTurn(request([complete(0)], { input })).commit.status).toBe('Completed');
  });

  it('gives the instance up though there is more', () => {
    expect(closeTurn(request([complete(0)], { hasMore: true })).commit.keepOwnership).toBe(false);
  });
});

describe('termination', () => {
  const input = { messages: inbox(terminated('"enough"')) };

  it('wins over whatever the orchestrator decided', () => {
    const { commit, local } = closeTurn(
      request([schedule(0), createTimer(1), complete(2, '1')], { input, takeLocally: () => true }),
    );
    expect(commit.events.map((event) => event.type)).toEqual([
      'OrchestratorStarted',
      'ExecutionTerminated',
      'ExecutionCompleted',
    ]);
    expect(commit).toMatchObject({
      status: 'Terminated',
      output: '"enough"',
      queuedTasks: [],
      timers: [],
      keepOwnership: false,
    });
    expect(local).toEqual([]);
  });

  it('without a reason has no output', () => {
    const { commit } = closeTurn(request([], { input: { messages: inbox(terminated()) } }));
    expect(commit).toMatchObject({ status: 'Terminated', output: null });
    expect(commit.events.at(-1)).not.toHaveProperty('result');
  });

  it('ends an execution that never started', () => {
    const { commit } = closeTurn(request([], { before: [], input }));
    expect(commit.status).toBe('Terminated');
  });

  it('ends a suspended execution', () => {
    expect(closeTurn(request([], { before: history(suspended()), input })).commit.status).toBe('Terminated');
  });
});

describe('the status', () => {
  it('follows suspend and resume of the turn', () => {
    expect(closeTurn(request([], { input: { messages: inbox(suspended()) } })).commit.status).toBe('Suspended');
    const before = history(suspended());
    expect(closeTurn(request([], { before })).commit.status).toBe('Suspended');
    expect(closeTurn(request([], { before, input: { messages: inbox(resumed()) } })).commit.status).toBe('Running');
    const back = { messages: inbox(suspended(), resumed()) };
    expect(closeTurn(request([], { input: back })).commit.status).toBe('Running');
  });
});

describe('the worker keeps the instance', () => {
  it('while it runs an activity of it, or has its next turn', () => {
    expect(closeTurn(request([])).commit.keepOwnership).toBe(false);
    expect(closeTurn(request([schedule(0)])).commit.keepOwnership).toBe(false);
    expect(closeTurn(request([schedule(0)], { takeLocally: () => true })).commit.keepOwnership).toBe(true);
    expect(closeTurn(request([], { hasMore: true })).commit.keepOwnership).toBe(true);
  });
});

describe('limits', () => {
  it('fail an execution that asks for too much in one turn, and do nothing of it', () => {
    const limits = { ...defaultLimits, maxActionsPerTurn: 2 };
    const { commit, local } = closeTurn(
      request([schedule(0), schedule(1), schedule(2)], { limits, takeLocally: () => true }),
    );
    expect(commit).toMatchObject({ status: 'Failed', queuedTasks: [], failure: { errorType: 'ActionLimitExceeded' } });
    expect(commit.events.map((event) => event.type)).toEqual([
      'OrchestratorStarted',
      'EventRaised',
      'ExecutionCompleted',
    ]);
    expect(local).toEqual([]);
    expect(closeTurn(request([schedule(0), schedule(1)], { limits })).commit.status).toBe('Running');
  });

  it('fail an execution whose history would grow too long', () => {
    // Two events before, two new ones, one action.
    const grown = (maxEvents: number): string =>
      closeTurn(request([schedule(0)], { limits: { ...defaultLimits, maxEvents } })).commit.failure?.errorType ??
      'none';
    expect(grown(5)).toBe('none');
    expect(grown(4)).toBe('HistoryLimitExceeded');
  });

  it('do not stop a termination', () => {
    const limits = { maxActionsPerTurn: 0, maxEvents: 0, maxTurnLength: 0, maxHistoryLength: 0 };
    const { commit } = closeTurn(request([schedule(0)], { limits, input: { messages: inbox(terminated()) } }));
    expect(commit.status).toBe('Terminated');
  });

  it('count for a turn in which the orchestrator did not run', () => {
    const before = history(scheduled(0));
    const { decision: _, ...rest } = request([], { before, input: { lostTasks: [0] }, lostTasks: [0] });
    expect(closeTurn(rest).commit).toMatchObject({ status: 'Running', queuedTasks: [{ taskScheduledId: 0 }] });
  });
});

describe('failing a turn that cannot be written', () => {
  const {
    takeLocally: _,
    hasMore: __,
    limits: ___,
    decision: ____,
    ...turn
  } = request([], {
    before: history(scheduled(0)),
    instance: ownedInstance({ customStatus: '"so far"' }),
    input: { messages: inbox(raised('go'), completed(0)) },
    lostTasks: [0],
  });

  it('ends the instance with the failure and keeps what it had received', () => {
    const commit = failTurn(turn, failure);
    expect(commit.events.map((event) => event.type)).toEqual([
      'OrchestratorStarted',
      'EventRaised',
      'TaskCompleted',
      'ExecutionCompleted',
    ]);
    expect(commit).toMatchObject({
      status: 'Failed',
      failure,
      output: null,
      customStatus: '"so far"',
      consumedMessages: ['1', '2'],
      queuedTasks: [],
      keepOwnership: false,
      fence: 3,
    });
  });

  it('ends it even when it is being terminated', () => {
    const commit = failTurn({ ...turn, opened: opened(history(), { messages: inbox(terminated()) }) }, failure);
    expect(commit.status).toBe('Terminated');
  });
});

describe('a turn without events', () => {
  it('takes the time of the last one', () => {
    const state = stateOf(executionId, [turnStarted(77)]);
    const { commit } = closeTurn(
      request([complete(0)], { state, opened: { newEvents: [], consumed: [], runs: true } }),
    );
    expect(commit.events).toEqual([{ type: 'ExecutionCompleted', timestamp: 77, eventId: 0, status: 'Completed' }]);
  });
});

describe('the time-out of an activity', () => {
  const withTimeout = schedule(4, { timeoutAt: now + 500 });
  const open = history(scheduled(4, { timeoutAt: now + 500 }), scheduled(5));
  const timedOut = { type: 'TaskFailed', taskScheduledId: 4, timestamp: 0, failure, timedOut: true } as const;

  it('is a timer under the id of the activity, which becomes its failure', () => {
    const { commit } = closeTurn(request([withTimeout]));
    expect(commit.events.at(-1)).toMatchObject({ type: 'TaskScheduled', eventId: 4, timeoutAt: now + 500 });
    expect(commit.timers).toEqual([
      {
        timerId: 4,
        fireAt: now + 500,
        timeout: {
          errorType: 'TimeoutError',
          message: "Activity 'Charge' timed out: it had not ended 500 ms after it was scheduled.",
        },
      },
    ]);
  });

  it.each([completed(4), { ...timedOut, timedOut: undefined }])(
    'is forgotten when the activity ended in time',
    (end) => {
      const { commit } = closeTurn(
        request([], { before: open, input: { messages: inbox(end as never, completed(5)) } }),
      );
      expect(commit.cancelledTimers).toEqual([4]);
      expect(commit).not.toHaveProperty('cancelledTasks');
    },
  );

  it('gives the activity up when it comes first', () => {
    const { commit } = closeTurn(request([], { before: open, input: { messages: inbox(timedOut) } }));
    expect(commit).toMatchObject({ cancelledTimers: [], cancelledTasks: [4] });
  });

  it('comes in the order of the times when an end is found beside it', () => {
    // The time-out was stored with the call, so its message is older.
    const late = inbox({ id: '', executionId: null, visibleAt: 20, event: timedOut }, message10(completed(4)));
    expect(closeTurn(request([], { before: open, input: { messages: late } })).commit).toMatchObject({
      cancelledTimers: [4],
      events: [turnStarted(now), { type: 'TaskCompleted' }],
    });
    const early = inbox({ id: '', executionId: null, visibleAt: 5, event: timedOut }, message10(completed(4)));
    expect(closeTurn(request([], { before: open, input: { messages: early } })).commit).toMatchObject({
      cancelledTasks: [4],
      events: [turnStarted(now), { type: 'TaskFailed', timedOut: true }],
    });
  });

  it('that has passed keeps the activity from being queued again when its worker is lost', () => {
    const before = [...open, turnStarted(), timedOut];
    const { commit } = closeTurn(request([], { before, lostTasks: [4, 5] }));
    expect(commit.queuedTasks.map((task) => task.taskScheduledId)).toEqual([5]);
  });

  function message10(event: ReturnType<typeof completed>) {
    return { id: '', executionId: null, visibleAt: 10, event } as const;
  }
});
