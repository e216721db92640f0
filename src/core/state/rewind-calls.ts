/** The calls of a history with their tries and what became of them: what a rewind opens again. */
import type { SubOrchestrationInstanceCreated, TaskScheduled } from '../../model/history.ts';
import type { CountingEvent } from '../../model/rewound-history.ts';

/** A call of an activity, a sub-orchestration or an entity, with all its tries. */
export interface Call {
  lastId: number;
  /** Position of its last failure; `undefined` while it is open, or when it has succeeded. */
  failedAt: number | undefined;
  /** Everything but what records its first try: without it the call is as when it was made. */
  readonly toIgnore: CountingEvent[];
}

export function callsOf(counting: readonly CountingEvent[]): readonly Call[] {
  const calls = new Map<number, Call>();
  const byTry = new Map<number, Call>();
  const byTimer = new Map<number, Call>();
  const byRequest = new Map<string, Call>();
  const begun = (eventId: number): Call => {
    const call: Call = { lastId: eventId, failedAt: undefined, toIgnore: [] };
    calls.set(eventId, call);
    return call;
  };
  const tried = (event: TaskScheduled | SubOrchestrationInstanceCreated, one: CountingEvent): void => {
    const before = event.firstId === undefined ? undefined : calls.get(event.firstId);
    const call = before ?? begun(event.eventId);
    if (before !== undefined) call.toIgnore.push(one);
    call.lastId = event.eventId;
    call.failedAt = undefined;
    byTry.set(event.eventId, call);
  };
  const failed = (call: Call | undefined, one: CountingEvent): void => {
    if (call === undefined) return;
    call.failedAt = one.position;
    call.toIgnore.push(one);
  };
  for (const one of counting) {
    const { event } = one;
    switch (event.type) {
      case 'TaskScheduled':
      case 'SubOrchestrationInstanceCreated':
        tried(event, one);
        break;
      case 'TaskFailed':
      case 'SubOrchestrationInstanceFailed':
        failed(byTry.get(event.taskScheduledId), one);
        break;
      case 'EntityOperationCalled':
        byRequest.set(event.requestId, begun(event.eventId));
        break;
      case 'EntityOperationFailed':
        failed(byRequest.get(event.requestId), one);
        break;
      case 'TimerCreated': {
        const call = event.retryOf === undefined ? undefined : calls.get(event.retryOf);
        if (call === undefined) break;
        call.failedAt = undefined; // it waits for its next try
        call.toIgnore.push(one);
        byTimer.set(event.eventId, call);
        break;
      }
      case 'TimerFired':
        byTimer.get(event.timerId)?.toIgnore.push(one);
        break;
      default:
        break;
    }
  }
  return [...calls.values()];
}
