import { describe, expect, it } from 'vitest';
import { applyEvent, emptyState, stateOf, statusOf } from '../../../src/core/state/execution-state.ts';
import type { HistoryEvent } from '../../../src/model/history.ts';
import {
  completed,
  ended,
  executionId,
  failed,
  fired,
  history,
  raised,
  resumed,
  scheduled,
  started,
  suspended,
  terminated,
  timerCreated,
  turnStarted,
} from '../../support/builders.ts';

describe('the state of an execution', () => {
  it('is empty before the first event', () => {
    expect(stateOf(executionId, [])).toEqual(emptyState(executionId));
    expect(emptyState(executionId)).toMatchObject({ started: false, suspended: false, ended: false, eventCount: 0 });
  });

  it('has started with ExecutionStarted, not with the turn', () => {
    expect(stateOf(executionId, [turnStarted()]).started).toBe(false);
    expect(stateOf(executionId, [turnStarted(), started()]).started).toBe(true);
  });

  it('keeps a task open until it completes or fails', () => {
    const first = scheduled(0, { name: 'Charge', input: '1' });
    const second = scheduled(1);
    const third = scheduled(2);
    const state = stateOf(executionId, history(first, second, third, completed(1), failed(2)));
    expect([...state.openTasks]).toEqual([[0, first]]);
  });

  it('opens a task again that is scheduled again under its id', () => {
    const again = scheduled(0, { name: 'Refund' });
    const state = stateOf(executionId, history(scheduled(0), completed(0), again));
    expect([...state.openTasks.values()]).toEqual([again]);
  });

  it('keeps a timer open until it fires', () => {
    const state = stateOf(executionId, history(timerCreated(0), timerCreated(1), fired(0)));
    expect([...(state.openTimers ?? [])]).toEqual([1]);
  });

  it('tells tasks and timers of one id apart', () => {
    const state = stateOf(executionId, history(scheduled(0), timerCreated(0), completed(0)));
    expect(state.openTasks.size).toBe(0);
    expect([...(state.openTimers ?? [])]).toEqual([0]);
  });

  it('is suspended from a suspend to the next resume', () => {
    const events: readonly HistoryEvent[] = [suspended(), raised('go'), resumed(), suspended()];
    const seen = events.map((_, index) => stateOf(executionId, history(...events.slice(0, index + 1))).suspended);
    expect(seen).toEqual([true, true, false, true]);
  });

  it('ends with ExecutionCompleted of whatever status, not with the request to terminate', () => {
    expect(stateOf(executionId, history(terminated())).ended).toBe(false);
    expect(stateOf(executionId, history(terminated(), ended('Terminated'))).ended).toBe(true);
    expect(stateOf(executionId, history(ended('Failed'))).ended).toBe(true);
  });

  it('counts events and never lets time go back', () => {
    const events = history(raised('a'), { ...raised('b'), timestamp: 500 }, { ...raised('c'), timestamp: 300 });
    const state = stateOf(executionId, events);
    expect(state).toMatchObject({ eventCount: 5, lastTimestamp: 500 });
  });

  it('is the same whether events are applied one by one or all at once', () => {
    const events = history(scheduled(0), timerCreated(1), suspended(), completed(0), resumed(), fired(1), ended());
    const state = emptyState(executionId);
    for (const event of events) applyEvent(state, event);
    expect(state).toEqual(stateOf(executionId, events));
  });

  it('refuses an event of a type that it does not know', () => {
    const unknown = JSON.parse('{"type":"Dreamt"}') as never;
    expect(() => applyEvent(emptyState(executionId), unknown)).toThrow('Dreamt');
  });
});

describe('the status that readers see', () => {
  it('is the end, when there is one, also of a suspended execution', () => {
    const state = stateOf(executionId, history(suspended()));
    expect(statusOf(state.suspended, 'Terminated')).toBe('Terminated');
  });

  it('is Suspended or Running otherwise', () => {
    expect(statusOf(stateOf(executionId, history(suspended())).suspended, undefined)).toBe('Suspended');
    expect(statusOf(stateOf(executionId, history()).suspended, undefined)).toBe('Running');
  });
});
