/** A history, for people: one line for each thing that happened. */
import { inWords } from '../model/duration.ts';
import type { Failure } from '../model/failure.ts';
import type { HistoryEvent } from '../model/history.ts';
import { shorten, visible, type Printer } from './printer.ts';
import { localTime } from './times.ts';

const mostOfAPayload = 200;

/** @param isShown of which events; what they say may need the others */
export function showHistory(
  printer: Printer,
  history: readonly HistoryEvent[],
  isShown: (event: HistoryEvent) => boolean = () => true,
): void {
  const names = new Map<number, string>();
  for (const event of history) {
    if (event.type === 'TaskScheduled' || event.type === 'SubOrchestrationInstanceCreated') {
      names.set(event.eventId, event.name);
    }
  }
  const [first] = history;
  const shown = history.filter((event) => event.type !== 'OrchestratorStarted' && isShown(event));
  printer.table(
    ['TIME', 'AFTER', 'EVENT', 'WHAT'],
    shown.map((event) => {
      const time = new Date(event.timestamp);
      return [
        printer.isTerminal ? localTime(time) : time.toISOString(),
        inWords(event.timestamp - (first?.timestamp ?? 0)),
        coloured(printer, event),
        visible(whatOf(event, names, printer)),
      ];
    }),
    3,
  );
}

function coloured({ colours }: Printer, { type }: HistoryEvent): string {
  if (type.endsWith('Failed') || type === 'ExecutionTerminated') return colours.red(type);
  return type.endsWith('Completed') ? colours.green(type) : type;
}

/** A pipe gets payloads whole, and times as programs read them. */
function whatOf(event: HistoryEvent, names: ReadonlyMap<number, string>, printer: Printer): string {
  const join = (what: string, payload: string | undefined): string =>
    payload === undefined ? what : `${what} ${printer.isTerminal ? shorten(payload, mostOfAPayload) : payload}`.trim();
  switch (event.type) {
    case 'ExecutionStarted':
      return join(event.name, event.input);
    case 'TaskScheduled':
      return join(`#${event.eventId} ${event.name}`, event.input);
    case 'TaskCompleted':
      return join(`#${event.taskScheduledId} ${names.get(event.taskScheduledId) ?? ''}`, event.result);
    case 'TaskFailed':
    case 'SubOrchestrationInstanceFailed':
      return join(`#${event.taskScheduledId} ${names.get(event.taskScheduledId) ?? ''}`, failureText(event.failure));
    case 'SubOrchestrationInstanceCreated':
      return join(`#${event.eventId} ${event.name} as ${event.instanceId}`, event.input);
    case 'SubOrchestrationInstanceCompleted':
      return join(`#${event.taskScheduledId} ${names.get(event.taskScheduledId) ?? ''}`, event.result);
    case 'TimerCreated':
      return `#${event.eventId} ${timeText(event.fireAt, printer)}`;
    case 'TimerFired':
      return `#${event.timerId}`;
    case 'EventSent':
      return join(`${event.name} to ${event.instanceId}`, event.input);
    case 'EventRaised':
      return join(event.name, event.input);
    case 'EntityOperationCalled':
    case 'EntityOperationSignaled':
      return join(`${event.operation} of ${event.instanceId}`, event.input);
    case 'EntityLockRequested':
      return event.lockSet.join(', ');
    case 'EntityUnlockSent':
      return event.instanceId;
    case 'EntityOperationCompleted':
      return join('', event.result);
    case 'EntityOperationFailed':
      return failureText(event.failure);
    case 'ExecutionSuspended':
    case 'ExecutionResumed':
    case 'ExecutionTerminated':
    case 'ExecutionRewound':
      return event.reason ?? '';
    case 'ExecutionCompleted':
      return join(event.status, event.failure === undefined ? event.result : failureText(event.failure));
    case 'OrchestratorStarted':
    case 'EntityLockGranted':
      return '';
  }
}

function failureText({ errorType, message }: Failure): string {
  return `${errorType}: ${message}`;
}

/** Timers may be set beyond what a date can hold. */
function timeText(time: number, printer: Printer): string {
  return Math.abs(time) > 8.64e15 ? 'never' : printer.whenExactly(new Date(time));
}
