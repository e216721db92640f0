import { describe, expect, it } from 'vitest';
import { emptyState, stateOf } from '../../../src/core/state/execution-state.ts';
import { openTurn, type OpenedTurn, type TurnInput } from '../../../src/core/state/open-turn.ts';
import type { HistoryEvent } from '../../../src/model/history.ts';
import {
  completed,
  ended,
  executionId,
  failed,
  fired,
  history,
  inbox,
  message,
  raised,
  resumed,
  scheduled,
  started,
  suspended,
  terminated,
  timerCreated,
  turnStarted,
} from '../../support/builders.ts';

/** Opens a turn on a history; the turn must have something to do. */
function open(events: readonly HistoryEvent[], input: Partial<TurnInput>): OpenedTurn {
  const opened = openTurn(stateOf(executionId, events), { messages: [], local: [], now: 0, ...input });
  if ('discard' in opened) throw new Error(`nothing to do, discards ${opened.discard.join(', ')}`);
  return opened;
}

function openNothing(events: readonly HistoryEvent[], input: Partial<TurnInput>): readonly string[] {
  const opened = openTurn(stateOf(executionId, events), { messages: [], local: [], now: 0, ...input });
  if (!('discard' in opened)) throw new Error(`there is something to do: ${JSON.stringify(opened.newEvents)}`);
  return opened.discard;
}

/** What a turn tells the orchestrator, without times. */
function told(opened: OpenedTurn): readonly string[] {
  return opened.newEvents.map((event) => {
    if ('taskScheduledId' in event) return `${event.type} ${event.taskScheduledId}`;
    if ('timerId' in event) return `${event.type} ${event.timerId}`;
    return 'name' in event ? `${event.type} ${event.name}` : event.type;
  });
}

describe('opening the first turn', () => {
  it('begins with OrchestratorStarted, then ExecutionStarted', () => {
    const opened = open([], { messages: inbox(started({ input: '1' })), now: 40 });
    expect(opened.newEvents).toEqual([turnStarted(40), started({ input: '1', timestamp: 40 })]);
    expect(opened).toMatchObject({ consumed: ['1'], runs: true });
    expect(opened).not.toHaveProperty('terminated');
  });

  it('puts the start first though other messages were stored before it', () => {
    const opened = open([], { messages: inbox(raised('a'), raised('b'), started(), raised('c')) });
    expect(told(opened)).toEqual([
      'OrchestratorStarted',
      'ExecutionStarted Order',
      'EventRaised a',
      'EventRaised b',
      'EventRaised c',
    ]);
  });

  it('drops a second start', () => {
    const opened = open([], { messages: inbox(started(), started({ input: '"again"' })) });
    expect(told(opened)).toEqual(['OrchestratorStarted', 'ExecutionStarted Order']);
    expect(opened.consumed).toEqual(['1', '2']);
  });

  it('leaves messages alone that came before the start', () => {
    expect(openNothing([], { messages: inbox(raised('a'), suspended()) })).toEqual([]);
  });

  it('drops completions that a new execution never asked for', () => {
    const opened = open([], { messages: inbox(started(), completed(0), fired(0)) });
    expect(told(opened)).toEqual(['OrchestratorStarted', 'ExecutionStarted Order']);
    expect(opened.consumed).toEqual(['1', '2', '3']);
  });

  it('records a suspend that arrives with the start and still runs', () => {
    const opened = open([], { messages: inbox(started(), suspended()) });
    expect(told(opened)).toEqual(['OrchestratorStarted', 'ExecutionStarted Order', 'ExecutionSuspended']);
    expect(opened.runs).toBe(true);
  });
});

describe('opening the first turn of an instance that was born owned', () => {
  it('takes the start from the worker, before the inbox', () => {
    const opened = open([], { local: [started({ input: '1' })], messages: inbox(raised('a')), now: 40 });
    expect(opened.newEvents).toEqual([
      turnStarted(40),
      started({ input: '1', timestamp: 40 }),
      { ...raised('a'), timestamp: 40 },
    ]);
    expect(opened).toMatchObject({ consumed: ['1'], runs: true });
  });

  it('starts it once, though the start is a message too', () => {
    const opened = open([], { local: [started(), started()], messages: inbox(started()) });
    expect(told(opened)).toEqual(['OrchestratorStarted', 'ExecutionStarted Order']);
    expect(opened.consumed).toEqual(['1']);
  });

  it('drops the start of an execution that has started', () => {
    expect(openNothing(history(), { local: [started()] })).toEqual([]);
  });

  it('ends it without running it when a request to terminate came first', () => {
    const opened = open([], { local: [started()], messages: inbox(terminated()) });
    expect(told(opened)).toEqual(['OrchestratorStarted', 'ExecutionStarted Order', 'ExecutionTerminated']);
    expect(opened.runs).toBe(false);
  });
});

describe('dropped input', () => {
  it('drops a start for an execution that has started', () => {
    expect(openNothing(history(), { messages: inbox(started()) })).toEqual(['1']);
  });

  it('drops a message for another execution, and keeps those for this or for whichever runs', () => {
    const opened = open(history(), {
      messages: inbox(
        message(raised('old'), { executionId: 'e0' }),
        message(raised('mine'), { executionId }),
        raised('any'),
      ),
    });
    expect(told(opened)).toEqual(['OrchestratorStarted', 'EventRaised mine', 'EventRaised any']);
    expect([...opened.consumed].sort()).toEqual(['1', '2', '3']);
  });

  it('drops a message for another execution though the instance waits for its start', () => {
    const messages = inbox(message(raised('old'), { executionId: 'e0' }), raised('early'));
    expect(openNothing([], { messages })).toEqual(['1']);
  });

  it('drops everything that reaches an ended execution (A6)', () => {
    const messages = inbox(raised('a'), message(completed(0), { executionId }), terminated(), suspended());
    expect(openNothing(history(scheduled(0), ended()), { messages, local: [completed(0)] })).toEqual([
      '1',
      '2',
      '3',
      '4',
    ]);
  });

  it('drops a completion of a task that was never scheduled', () => {
    expect(openNothing(history(scheduled(0)), { messages: inbox(completed(1), failed(2)) })).toEqual(['1', '2']);
  });

  it('drops the second completion of a task, in one turn as over turns (A5)', () => {
    const once = open(history(scheduled(0)), { messages: inbox(completed(0), failed(0), completed(0)) });
    expect(told(once)).toEqual(['OrchestratorStarted', 'TaskCompleted 0']);
    expect(once.consumed).toEqual(['1', '2', '3']);
    expect(openNothing(history(scheduled(0), failed(0)), { messages: inbox(completed(0)) })).toEqual(['1']);
  });

  it('drops the second firing of a timer, in one turn as over turns', () => {
    const once = open(history(timerCreated(0)), { messages: inbox(fired(0), fired(0)) });
    expect(told(once)).toEqual(['OrchestratorStarted', 'TimerFired 0']);
    expect(openNothing(history(timerCreated(0), fired(0)), { messages: inbox(fired(0)) })).toEqual(['1']);
  });

  it('compares the kind as well as the id: a task and a timer may share one', () => {
    expect(openNothing(history(scheduled(0)), { messages: inbox(fired(0)) })).toEqual(['1']);
    expect(openNothing(history(timerCreated(0)), { messages: inbox(completed(0)) })).toEqual(['1']);
    const both = open(history(scheduled(0), timerCreated(0)), { messages: inbox(completed(0), fired(0)) });
    expect(told(both)).toEqual(['OrchestratorStarted', 'TaskCompleted 0', 'TimerFired 0']);
  });

  it('takes a completion of a task that was opened again under its id', () => {
    const opened = open(history(scheduled(0), completed(0), scheduled(0)), { messages: inbox(completed(0)) });
    expect(told(opened)).toEqual(['OrchestratorStarted', 'TaskCompleted 0']);
  });

  it('never drops events, however often they are raised', () => {
    const opened = open(history(), { messages: inbox(raised('a'), raised('a'), raised('a')) });
    expect(told(opened)).toEqual(['OrchestratorStarted', 'EventRaised a', 'EventRaised a', 'EventRaised a']);
  });

  it('refuses a message of a type that it does not know', () => {
    const unknown = JSON.parse('{"type":"Dreamt"}') as never;
    expect(() => open(history(), { messages: inbox(message(unknown)) })).toThrow('Dreamt');
  });
});

describe('suspend and resume', () => {
  it('drops a suspend of a suspended and a resume of a running execution', () => {
    expect(openNothing(history(suspended()), { messages: inbox(suspended()) })).toEqual(['1']);
    expect(openNothing(history(), { messages: inbox(resumed()) })).toEqual(['1']);
  });

  it('keeps every real change within one turn', () => {
    const opened = open(history(), {
      messages: inbox(resumed(), suspended(), suspended(), resumed(), resumed(), suspended()),
    });
    expect(told(opened)).toEqual([
      'OrchestratorStarted',
      'ExecutionSuspended',
      'ExecutionResumed',
      'ExecutionSuspended',
    ]);
  });

  it('records results that arrive while the execution is suspended', () => {
    const opened = open(history(scheduled(0), timerCreated(1), suspended()), {
      messages: inbox(completed(0), fired(1), raised('a')),
    });
    expect(told(opened)).toEqual(['OrchestratorStarted', 'TaskCompleted 0', 'TimerFired 1', 'EventRaised a']);
    expect(opened.runs).toBe(true);
  });
});

describe('terminate', () => {
  it('ends an execution without running it, whatever else arrived', () => {
    const opened = open(history(scheduled(0)), { messages: inbox(completed(0), terminated('enough'), raised('late')) });
    expect(told(opened)).toEqual(['OrchestratorStarted', 'TaskCompleted 0', 'ExecutionTerminated']);
    expect(opened.consumed).toEqual(['1', '2', '3']);
    expect(opened).toMatchObject({ runs: false, terminated: { type: 'ExecutionTerminated', reason: 'enough' } });
  });

  it('counts once: the first reason stays', () => {
    const opened = open(history(), { messages: inbox(terminated('first'), terminated('second')) });
    expect(opened.terminated).toMatchObject({ reason: 'first' });
    expect(told(opened)).toEqual(['OrchestratorStarted', 'ExecutionTerminated']);
  });

  it('works on a suspended execution', () => {
    expect(open(history(suspended()), { messages: inbox(terminated()) })).toMatchObject({ runs: false });
  });

  it('before the start still records the start that came with it', () => {
    const opened = open([], { messages: inbox(terminated(), started()) });
    expect(told(opened)).toEqual(['OrchestratorStarted', 'ExecutionStarted Order', 'ExecutionTerminated']);
    expect(opened.runs).toBe(false);
  });

  it('before a start that is not there yet is the only news', () => {
    const opened = open([], { messages: inbox(raised('a'), terminated()) });
    expect(told(opened)).toEqual(['OrchestratorStarted', 'EventRaised a', 'ExecutionTerminated']);
    expect(opened).toMatchObject({ runs: false, consumed: ['1', '2'] });
  });

  it('drops local results that come in the same turn', () => {
    const opened = open(history(scheduled(0)), { messages: inbox(terminated()), local: [completed(0)] });
    expect(told(opened)).toEqual(['OrchestratorStarted', 'ExecutionTerminated']);
  });
});

describe('order', () => {
  it('keeps the order of the ids for everything but timers', () => {
    const messages = inbox(
      message(raised('a'), { visibleAt: 30 }),
      message(raised('b'), { visibleAt: 10 }),
      message(raised('c'), { visibleAt: 20 }),
    );
    const opened = open(history(), { messages });
    expect(told(opened)).toEqual(['OrchestratorStarted', 'EventRaised a', 'EventRaised b', 'EventRaised c']);
  });

  it('gives a timer the place at which it became visible', () => {
    const events = history(timerCreated(0), timerCreated(1), timerCreated(2), timerCreated(3));
    const opened = open(events, {
      messages: inbox(
        message(fired(0), { visibleAt: 90 }),
        message(fired(1), { visibleAt: 25 }),
        message(fired(2), { visibleAt: 5 }),
        message(raised('a'), { visibleAt: 10 }),
        message(raised('b'), { visibleAt: 20 }),
        message(raised('c'), { visibleAt: 30 }),
        message(fired(3), { visibleAt: 90 }),
      ),
    });
    expect(told(opened)).toEqual([
      'OrchestratorStarted',
      'TimerFired 2',
      'EventRaised a',
      'EventRaised b',
      'TimerFired 1',
      'EventRaised c',
      'TimerFired 0',
      'TimerFired 3',
    ]);
    expect([...opened.consumed].sort()).toEqual(['1', '2', '3', '4', '5', '6', '7']);
  });

  it('lets a timer go before a message of the same moment', () => {
    const messages = inbox(message(raised('a'), { visibleAt: 10 }), message(fired(0), { visibleAt: 10 }));
    expect(told(open(history(timerCreated(0)), { messages }))).toEqual([
      'OrchestratorStarted',
      'TimerFired 0',
      'EventRaised a',
    ]);
  });

  it('takes local results after the inbox', () => {
    const opened = open(history(scheduled(0), scheduled(1), scheduled(2)), {
      messages: inbox(completed(1)),
      local: [completed(2), failed(0)],
    });
    expect(told(opened)).toEqual(['OrchestratorStarted', 'TaskCompleted 1', 'TaskCompleted 2', 'TaskFailed 0']);
    expect(opened.consumed).toEqual(['1']);
  });

  it('drops a local result that the inbox had already', () => {
    const opened = open(history(scheduled(0)), { messages: inbox(completed(0)), local: [failed(0)] });
    expect(told(opened)).toEqual(['OrchestratorStarted', 'TaskCompleted 0']);
  });
});

describe('time', () => {
  it('stamps every new event with the time of the turn', () => {
    const opened = open(history(scheduled(0)), { messages: inbox(raised('a')), local: [completed(0)], now: 700 });
    expect(opened.newEvents.map((event) => event.timestamp)).toEqual([700, 700, 700]);
  });

  it('never goes back behind the history', () => {
    const events = history({ ...raised('a'), timestamp: 900 });
    const opened = open(events, { messages: inbox(raised('b')), now: 700 });
    expect(opened.newEvents.map((event) => event.timestamp)).toEqual([900, 900]);
  });

  it('hands the terminating request on with the time of the turn', () => {
    expect(open(history(), { messages: inbox(terminated()), now: 5 }).terminated).toEqual({
      type: 'ExecutionTerminated',
      timestamp: 5,
    });
  });
});

describe('nothing to do', () => {
  it('says so for an empty inbox', () => {
    expect(openNothing(history(scheduled(0)), {})).toEqual([]);
    expect(openNothing(history(scheduled(0)), { lostTasks: [] })).toEqual([]);
    expect(openTurn(emptyState(executionId), { messages: [], local: [], now: 0 })).toEqual({ discard: [] });
  });

  it('is not the case when activities were lost with their worker', () => {
    const opened = open(history(scheduled(0)), { lostTasks: [0], now: 3 });
    expect(opened).toEqual({ newEvents: [turnStarted(3)], consumed: [], runs: true });
  });

  it('names what was dropped, so that it can be deleted', () => {
    const messages = inbox(message(raised('old'), { executionId: 'e0' }), completed(4), resumed());
    expect([...openNothing(history(), { messages })].sort()).toEqual(['1', '2', '3']);
  });

  it('leaves the state as it is', () => {
    const state = stateOf(executionId, history(scheduled(0)));
    const before = stateOf(executionId, history(scheduled(0)));
    openTurn(state, { messages: inbox(completed(0), suspended()), local: [], now: 9 });
    expect(state).toEqual(before);
  });
});
