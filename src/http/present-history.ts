/** A history as `showHistory=true` shows it (http-api.md 3). */
import type { Failure } from '../model/failure.ts';
import type {
  ExecutionCompleted,
  HistoryEvent,
  SubOrchestrationInstanceCreated,
  TaskScheduled,
} from '../model/history.ts';
import { assertNever } from '../model/errors.ts';
import type { FailureDetails } from '../wire/history.ts';
import { payloadText, presentFreeText } from './payload-text.ts';

/** What of the events a request wants to see. */
export interface ShownEvents {
  readonly input: boolean;
  readonly historyOutput: boolean;
}

/** The events as a JSON array. */
export function presentHistory(history: readonly HistoryEvent[], shown: ShownEvents): string {
  const scheduled = new Map<number, ScheduledEvent>();
  const ended = new Set<number>();
  for (const event of history) {
    if (event.type === 'TaskScheduled' || event.type === 'SubOrchestrationInstanceCreated') {
      scheduled.set(event.eventId, event);
    }
    if ('taskScheduledId' in event) ended.add(event.taskScheduledId);
  }
  const reader: Reader = { shown, scheduled, ended };
  return `[${history
    .map((event) => presentEvent(event, reader))
    .filter((text) => text !== undefined)
    .join(',')}]`;
}

/** What a completion takes the place of. */
type ScheduledEvent = TaskScheduled | SubOrchestrationInstanceCreated;

interface Reader {
  readonly shown: ShownEvents;
  readonly scheduled: ReadonlyMap<number, ScheduledEvent>;
  readonly ended: ReadonlySet<number>;
}

/** JSON text of one event, or `undefined` for those that are not shown. */
function presentEvent(event: HistoryEvent, reader: Reader): string | undefined {
  const { shown } = reader;
  switch (event.type) {
    case 'OrchestratorStarted':
      return undefined;
    case 'ExecutionStarted':
      return record(event, [
        ...(event.scheduledStartAt === undefined ? [] : [instantField('ScheduledStartTime', event.scheduledStartAt)]),
        ...inputField(event.input, shown),
        textField('FunctionName', event.name),
      ]);
    case 'TaskScheduled':
      // Once it has ended, its completion stands for it.
      if (reader.ended.has(event.eventId)) return undefined;
      return record(event, [textField('Name', event.name), ...inputField(event.input, shown)]);
    case 'TaskCompleted':
      return record(event, [...resultField(payloadText(event.result), shown), ...scheduledFields(event, reader)]);
    case 'TaskFailed':
    case 'SubOrchestrationInstanceFailed':
      return record(event, [
        textField('Reason', event.failure.message),
        textField('Details', undefined),
        failureField(event.failure),
        ...scheduledFields(event, reader),
      ]);
    case 'TimerCreated':
    case 'TimerFired':
      return record(event, [instantField('FireAt', event.fireAt)]);
    case 'SubOrchestrationInstanceCreated':
      if (reader.ended.has(event.eventId)) return undefined;
      return record(event, [
        textField('Name', event.name),
        textField('InstanceId', event.instanceId),
        ...inputField(event.input, shown),
      ]);
    case 'SubOrchestrationInstanceCompleted':
      return record(event, [...resultField(payloadText(event.result), shown), ...scheduledFields(event, reader)]);
    case 'EventSent':
      return record(event, [
        textField('InstanceId', event.instanceId),
        textField('Name', event.name),
        ...inputField(event.input, shown),
      ]);
    case 'EntityOperationCalled':
    case 'EntityOperationSignaled':
      return record(event, [
        textField('InstanceId', event.instanceId),
        textField('Name', event.operation),
        ...inputField(event.input, shown),
      ]);
    case 'EntityLockRequested':
      return record(event, [['LockSet', JSON.stringify(event.lockSet)]]);
    case 'EntityUnlockSent':
      return record(event, [textField('InstanceId', event.instanceId)]);
    case 'EntityOperationCompleted':
      return record(event, resultField(payloadText(event.result), shown));
    case 'EntityOperationFailed':
      return record(event, [textField('Reason', event.failure.message), failureField(event.failure)]);
    case 'EntityLockGranted':
      return record(event, []);
    case 'EventRaised':
      return record(event, [textField('Name', event.name), ...inputField(event.input, shown)]);
    case 'ExecutionSuspended':
    case 'ExecutionResumed':
    case 'ExecutionRewound':
      return record(event, [textField('Reason', event.reason)]);
    case 'ExecutionTerminated':
      return record(event, inputField(event.reason, shown));
    case 'ExecutionCompleted':
      return record(event, completionFields(event, shown));
    default:
      return assertNever(event);
  }
}

/** A field's name and its value as JSON text. */
type Field = readonly [name: string, json: string];

function record(event: HistoryEvent, fields: readonly Field[]): string {
  const own = fields.map(([name, json]) => `,"${name}":${json}`).join('');
  return `{"EventType":"${event.type}","Timestamp":${instant(event.timestamp)}${own}}`;
}

/** What a completion takes over from the event that scheduled it. The last one wins should two have the same id. */
function scheduledFields(event: { readonly taskScheduledId: number }, reader: Reader): Field[] {
  const scheduled = reader.scheduled.get(event.taskScheduledId);
  return [
    ['ScheduledTime', scheduled === undefined ? 'null' : instant(scheduled.timestamp)],
    textField('FunctionName', scheduled?.name),
    // The real service loses it, and with it the way from a parent to its children.
    ...(scheduled?.type === 'SubOrchestrationInstanceCreated' ? [textField('InstanceId', scheduled.instanceId)] : []),
    ...inputField(scheduled?.input, reader.shown),
  ];
}

function completionFields(event: ExecutionCompleted, shown: ShownEvents): Field[] {
  const result = event.status === 'Completed' ? payloadText(event.result) : presentFreeText(event.result);
  return [
    ['OrchestrationStatus', `"${event.status}"`],
    ...resultField(result, shown),
    event.failure === undefined ? ['FailureDetails', 'null'] : failureField(event.failure),
  ];
}

function textField(name: string, text: string | undefined): Field {
  return [name, text === undefined ? 'null' : JSON.stringify(text)];
}

/** Inputs in events stay JSON text as a string, unlike the instance's own input. */
function inputField(input: string | undefined, shown: ShownEvents): Field[] {
  return shown.input ? [textField('Input', input)] : [];
}

function resultField(json: string, shown: ShownEvents): Field[] {
  return shown.historyOutput ? [['Result', json]] : [];
}

function instantField(name: string, time: number): Field {
  return [name, instant(time)];
}

/** Timers may be set beyond what a JavaScript date can hold. */
function instant(time: number): string {
  return Math.abs(time) <= 8.64e15 ? `"${new Date(time).toISOString()}"` : 'null';
}

function failureField(failure: Failure): Field {
  return ['FailureDetails', JSON.stringify(failureDetails(failure))];
}

function failureDetails(failure: Failure): FailureDetails {
  return {
    ErrorType: failure.errorType,
    ErrorMessage: failure.message,
    StackTrace: failure.stackTrace ?? null,
    InnerFailure: failure.innerFailure === undefined ? null : failureDetails(failure.innerFailure),
    IsNonRetriable: failure.isNonRetriable ?? false,
    ...(failure.properties === undefined ? {} : { Properties: failure.properties }),
  };
}
