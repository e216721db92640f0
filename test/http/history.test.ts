/** Histories in status queries (http-api.md 6.5). */
import { describe, expect, test } from 'vitest';
import type { HistoryEvent } from '../../src/model/history.ts';
import { presentHistory } from '../../src/http/present-history.ts';
import { waitFor } from '../support/wait-for.ts';
import { openGate } from './fixtures.ts';
import { stage } from './support.ts';

const it6 = stage();
type Shown = Record<string, unknown>;

async function historyOf(id: string, query = ''): Promise<Shown[]> {
  return (await it6.api.status(id, `?showHistory=true${query}`))['historyEvents'] as Shown[];
}

const iso = /^\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{1,7}Z$/;

describe('an orchestration with one activity', () => {
  test('B167, #106 - #110, #113, #120 shows what happened without internals', async () => {
    const id = await it6.api.run('Acts', 'tokyo');
    const events = await historyOf(id);
    expect(events.map((one) => one['EventType'])).toEqual(['ExecutionStarted', 'TaskCompleted', 'ExecutionCompleted']);
    const [started, completed, ended] = events;
    expect(started).toEqual({
      EventType: 'ExecutionStarted',
      Timestamp: expect.stringMatching(iso),
      Input: '"tokyo"',
      FunctionName: 'Acts',
    });
    expect(completed).toEqual({
      EventType: 'TaskCompleted',
      Timestamp: expect.stringMatching(iso),
      ScheduledTime: expect.stringMatching(iso),
      FunctionName: 'Upper',
      Input: '"tokyo"',
    });
    expect(Date.parse(String(completed?.['ScheduledTime']))).toBeLessThanOrEqual(
      Date.parse(String(completed?.['Timestamp'])),
    );
    expect(ended).toEqual({
      EventType: 'ExecutionCompleted',
      Timestamp: expect.stringMatching(iso),
      OrchestrationStatus: 'Completed',
      FailureDetails: null,
    });
  });

  test('B167, #111 showHistoryOutput adds results as JSON', async () => {
    const id = await it6.api.run('Acts', 'tokyo');
    const [, completed, ended] = await historyOf(id, '&showHistoryOutput=true');
    expect(completed?.['Result']).toBe('TOKYO');
    expect(ended?.['Result']).toBe('TOKYO');
  });

  test('#112 showHistoryOutput alone shows nothing', async () => {
    const id = await it6.api.run('Acts', 'tokyo');
    expect(await it6.api.status(id, '?showHistoryOutput=true')).not.toHaveProperty('historyEvents');
  });

  test('#119 showInput=false removes Input from every event', async () => {
    const id = await it6.api.run('Acts', 'tokyo');
    for (const event of await historyOf(id, '&showInput=false')) expect(event).not.toHaveProperty('Input');
  });

  test('#114 an activity that runs shows as TaskScheduled', async () => {
    const id = await it6.api.running('ActsGated', 'gate-114');
    const scheduled = await waitFor(async () =>
      (await historyOf(id)).find((one) => one['EventType'] === 'TaskScheduled'),
    );
    expect(scheduled).toEqual({
      EventType: 'TaskScheduled',
      Timestamp: expect.stringMatching(iso),
      Name: 'Gate',
      Input: '"gate-114"',
    });
    openGate('gate-114');
    await it6.api.reach(id, 'Completed');
  });

  test('#115 a failing activity shows why, whatever the flags', async () => {
    const id = await it6.api.run('ActsFailing', 1);
    const events = await historyOf(id, '&showHistoryOutput=true');
    const failed = events.find((one) => one['EventType'] === 'TaskFailed');
    expect(failed).toMatchObject({
      Reason: 'activity failed',
      FunctionName: 'Failing',
      ScheduledTime: expect.stringMatching(iso),
      Input: '1',
      FailureDetails: { ErrorType: 'TypeError', ErrorMessage: 'activity failed', IsNonRetriable: false },
    });
    expect(failed).not.toHaveProperty('Result');
    expect(events.at(-1)).toMatchObject({
      OrchestrationStatus: 'Failed',
      FailureDetails: { ErrorMessage: expect.any(String) },
    });
  });

  test('#125 completions stand in the order in which they came', async () => {
    const id = await it6.api.start('Reversed', 'gate-125');
    await waitFor(async () => (await it6.api.status(id))['customStatus'] === 'quick is done');
    openGate('gate-125');
    await it6.api.reach(id, 'Completed');
    const done = (await historyOf(id)).filter((one) => one['EventType'] === 'TaskCompleted');
    expect(done.map((one) => one['FunctionName'])).toEqual(['Upper', 'Gate']);
  });
});

describe('other events', () => {
  test('#96 a Pending instance has none', async () => {
    const id = await it6.api.pending('idle-96');
    const status = await it6.api.status(id, '?taskHub=idle-96&showHistory=true');
    expect(status).not.toHaveProperty('historyEvents');
  });

  test('#116 timers', async () => {
    const id = await it6.api.run('Nap', 0.1);
    const timers = (await historyOf(id)).filter((one) => String(one['EventType']).startsWith('Timer'));
    expect(timers.map((one) => one['EventType'])).toEqual(['TimerCreated', 'TimerFired']);
    for (const timer of timers) {
      expect(Object.keys(timer)).toEqual(['EventType', 'Timestamp', 'FireAt']);
      expect(timer['FireAt']).toMatch(iso);
    }
  });

  test('#118 raised events keep their data as text', async () => {
    const id = await it6.api.running('WaitGo');
    await it6.api.post(`/instances/${id}/raiseEvent/Go`, { body: { v: 1 } });
    await it6.api.reach(id, 'Completed');
    const raised = (await historyOf(id)).find((one) => one['EventType'] === 'EventRaised');
    expect(raised).toMatchObject({ Name: 'Go', Input: '{"v":1}' });
  });

  test('#121, #208 suspend and resume with reasons', async () => {
    const id = await it6.api.running('WaitGo');
    await it6.api.post(`/instances/${id}/suspend?reason=a%20b%26c`);
    await it6.api.reach(id, 'Suspended');
    await it6.api.post(`/instances/${id}/resume`);
    await it6.api.reach(id, 'Running');
    const events = await historyOf(id);
    expect(events.find((one) => one['EventType'] === 'ExecutionSuspended')).toMatchObject({ Reason: 'a b&c' });
    expect(events.find((one) => one['EventType'] === 'ExecutionResumed')).toMatchObject({ Reason: null });
  });

  test('#122 terminate', async () => {
    const id = await it6.api.terminated('r');
    const events = await historyOf(id, '&showHistoryOutput=true');
    expect(events.find((one) => one['EventType'] === 'ExecutionTerminated')).toMatchObject({ Input: 'r' });
    expect(events.at(-1)).toMatchObject({ OrchestrationStatus: 'Terminated', Result: 'r' });
  });
});

describe('histories that only other versions write', () => {
  const at = Date.UTC(2024, 4, 1);
  const shown = { input: true, historyOutput: true };

  test('#124 the last of two events with one id wins', () => {
    const twice: HistoryEvent[] = [
      { type: 'TaskScheduled', timestamp: at, eventId: 0, name: 'Old' },
      { type: 'TaskScheduled', timestamp: at + 1, eventId: 0, name: 'New', input: '1' },
      { type: 'TaskCompleted', timestamp: at + 2, taskScheduledId: 0 },
      { type: 'TaskCompleted', timestamp: at + 3, taskScheduledId: 9, result: ' ' },
    ];
    expect(JSON.parse(presentHistory(twice, shown))).toEqual([
      {
        EventType: 'TaskCompleted',
        Timestamp: '2024-05-01T00:00:00.002Z',
        Result: null,
        ScheduledTime: '2024-05-01T00:00:00.001Z',
        FunctionName: 'New',
        Input: '1',
      },
      {
        EventType: 'TaskCompleted',
        Timestamp: '2024-05-01T00:00:00.003Z',
        Result: '',
        ScheduledTime: null,
        FunctionName: null,
        Input: null,
      },
    ]);
  });

  test('inner failures, scheduled starts and timers beyond dates', () => {
    const failure = {
      errorType: 'A',
      message: 'a',
      innerFailure: { errorType: 'B', message: 'b', isNonRetriable: true },
    };
    const events: HistoryEvent[] = [
      { type: 'ExecutionStarted', timestamp: at, name: 'N', executionId: 'e', scheduledStartAt: at },
      { type: 'TimerCreated', timestamp: at, eventId: 0, fireAt: 1e16 },
      { type: 'ExecutionCompleted', timestamp: at, eventId: 1, status: 'Failed', failure },
    ];
    const inner = { ErrorType: 'B', ErrorMessage: 'b', StackTrace: null, InnerFailure: null, IsNonRetriable: true };
    expect(JSON.parse(presentHistory(events, shown))).toMatchObject([
      { ScheduledStartTime: '2024-05-01T00:00:00.000Z', Input: null },
      { FireAt: null },
      { Result: null, FailureDetails: { ErrorType: 'A', InnerFailure: inner, IsNonRetriable: false } },
    ]);
  });
});
