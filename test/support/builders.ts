/** Data for tests: every builder has defaults for what a test does not care about. */
import type { CompleteOrchestration, CreateTimer, Decision, Action, ScheduleTask } from '../../src/model/actions.ts';
import type { Failure } from '../../src/model/failure.ts';
import type {
  EventRaised,
  ExecutionCompleted,
  ExecutionResumed,
  ExecutionStarted,
  ExecutionSuspended,
  ExecutionTerminated,
  HistoryEvent,
  InboxEvent,
  OrchestratorStarted,
  TaskCompleted,
  TaskFailed,
  TaskScheduled,
  TimerCreated,
  TimerFired,
} from '../../src/model/history.ts';
import type { Message, OwnedInstance } from '../../src/model/work.ts';

/** The execution that builders mean when a test names none. */
export const executionId = 'e1';

export const failure: Failure = { errorType: 'Error', message: 'boom' };

export function turnStarted(timestamp = 0): OrchestratorStarted {
  return { type: 'OrchestratorStarted', timestamp };
}

export function started(given: Partial<ExecutionStarted> = {}): ExecutionStarted {
  return { type: 'ExecutionStarted', timestamp: 0, name: 'Order', executionId, ...given };
}

export function scheduled(eventId: number, given: Partial<TaskScheduled> = {}): TaskScheduled {
  return { type: 'TaskScheduled', timestamp: 0, eventId, name: 'Charge', ...given };
}

export function completed(taskScheduledId: number, result = '"ok"'): TaskCompleted {
  return { type: 'TaskCompleted', timestamp: 0, taskScheduledId, result };
}

export function failed(taskScheduledId: number): TaskFailed {
  return { type: 'TaskFailed', timestamp: 0, taskScheduledId, failure };
}

export function timerCreated(eventId: number, fireAt = 1_000): TimerCreated {
  return { type: 'TimerCreated', timestamp: 0, eventId, fireAt };
}

export function fired(timerId: number, fireAt = 1_000): TimerFired {
  return { type: 'TimerFired', timestamp: 0, timerId, fireAt };
}

export function raised(name: string, input?: string): EventRaised {
  return { type: 'EventRaised', timestamp: 0, name, ...(input === undefined ? {} : { input }) };
}

export function suspended(): ExecutionSuspended {
  return { type: 'ExecutionSuspended', timestamp: 0 };
}

export function resumed(): ExecutionResumed {
  return { type: 'ExecutionResumed', timestamp: 0 };
}

export function terminated(reason?: string): ExecutionTerminated {
  return { type: 'ExecutionTerminated', timestamp: 0, ...(reason === undefined ? {} : { reason }) };
}

export function ended(status: ExecutionCompleted['status'] = 'Completed'): ExecutionCompleted {
  return { type: 'ExecutionCompleted', timestamp: 0, eventId: 0, status };
}

/** A history of which every event belongs to the first turn. */
export function history(...events: readonly HistoryEvent[]): readonly HistoryEvent[] {
  return [turnStarted(), started(), ...events];
}

/** A message; ids and places are given by {@link inbox} unless the test says otherwise. */
export function message(event: InboxEvent, given: Partial<Omit<Message, 'event'>> = {}): Message {
  return { id: '1', visibleAt: 0, executionId: null, ...given, event };
}

/** Messages in the order of their ids, which count from 1; plain events became visible in that order too. */
export function inbox(...messages: readonly (InboxEvent | Message)[]): readonly Message[] {
  return messages.map((given, index) => {
    const id = String(index + 1);
    return 'event' in given ? { ...given, id } : message(given, { id, visibleAt: index + 1 });
  });
}

export function ownedInstance(given: Partial<OwnedInstance> = {}): OwnedInstance {
  return {
    key: '7',
    instanceId: 'order-7',
    name: 'Order',
    version: null,
    executionId,
    status: 'Running',
    sequence: 3,
    crashCount: 0,
    customStatus: null,
    parent: null,
    ...given,
  };
}

export function schedule(id: number, given: Partial<ScheduleTask> = {}): ScheduleTask {
  return { type: 'ScheduleTask', id, name: 'Charge', ...given };
}

export function createTimer(id: number, fireAt = 1_000): CreateTimer {
  return { type: 'CreateTimer', id, fireAt };
}

export function complete(id: number, result?: string): CompleteOrchestration {
  return {
    type: 'CompleteOrchestration',
    id,
    status: 'Completed',
    ...(result === undefined ? {} : { result }),
  };
}

export function fail(id: number, why: Failure = failure): CompleteOrchestration {
  return { type: 'CompleteOrchestration', id, status: 'Failed', failure: why };
}

export function decision(...actions: readonly Action[]): Decision {
  return { actions };
}
