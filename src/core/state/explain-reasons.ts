/** What an execution waits for that it asked for itself, read off its history. */
import type { EntityLockRequested, EntityOperationCalled } from '../../model/entity-calls.ts';
import type { ExplanationFacts, HoldingWorker, Obstacles, Reason, ReasonKind } from '../../model/explanation.ts';
import type {
  HistoryEvent,
  SubOrchestrationInstanceCreated,
  TaskScheduled,
  TimerCreated,
} from '../../model/history.ts';
import { stateOf } from './execution-state.ts';

/** A live instance's facts. */
export type LiveFacts = ExplanationFacts & { readonly obstacles: Obstacles };

/** A reason from what it is about. */
export function reason(
  kind: ReasonKind,
  text: string,
  about: {
    readonly since?: number | null;
    readonly until?: number | null;
    readonly subject?: string | null;
    readonly worker?: HoldingWorker | null;
  } = {},
): Reason {
  const { since, until, subject = null, worker } = about;
  return { kind, text, since: dateOf(since), until: dateOf(until), subject, worker: worker ? nameOf(worker) : null };
}

/** Timers may be set beyond what a date can hold. */
function dateOf(time: number | null | undefined): Date | null {
  return time === null || time === undefined || Math.abs(time) > 8.64e15 ? null : new Date(time);
}

export function nameOf({ id, name }: HoldingWorker): string {
  return name === null ? `#${id}` : `${name} (#${id})`;
}

/** What is open, in the order in which it counts. */
export function openReasons(facts: LiveFacts): readonly Reason[] {
  const { instance, awaitedEvents } = facts;
  const history = instance.history ?? [];
  const { openTasks, openTimers, openChildren, entityCalls } = stateOf(instance.executionId, history);
  const timers = history.filter(
    (event): event is TimerCreated => event.type === 'TimerCreated' && openTimers?.has(event.eventId) === true,
  );
  const asked: Reason[] = [
    ...[...openTasks.values()].map((task) => activityReason(facts, task)),
    ...history.flatMap((event) =>
      event.type === 'SubOrchestrationInstanceCreated' && openChildren?.has(event.eventId) === true
        ? [childReason(facts, event)]
        : [],
    ),
    ...history.flatMap((event) => entityReason(facts, event, entityCalls?.open)),
  ].sort((a, b) => order.indexOf(a.kind) - order.indexOf(b.kind));
  const events = (awaitedEvents ?? []).map(({ name, since }) =>
    reason('event', `it waits for the event '${name}'`, { since, subject: name }),
  );
  const timed = timers.map((timer) => timerReason(timer, history)).sort((a, b) => time(a) - time(b));
  if (asked.length === 0 && awaitedEvents === undefined) {
    const last = history.at(-1)?.timestamp ?? null;
    // A timer alone may be all, or the time limit of an event: only its code knows.
    if (timed.length === 0)
      return [reason('event', 'it waits for an external event (which, only its code knows)', { since: last })];
  }
  return [...asked, ...events, ...timed];
}

/** Trouble first, then what takes time by itself. */
const order: readonly ReasonKind[] = [
  'dead-worker',
  'no-worker',
  'unregistered-name',
  'activity-queued',
  'activity-running',
  'sub-orchestration',
  'entity-lock',
  'entity-operation',
];

function time({ until }: Reason): number {
  return until?.getTime() ?? Infinity;
}

function activityReason({ obstacles }: LiveFacts, task: TaskScheduled): Reason {
  const queued = obstacles.tasks.find(({ taskScheduledId }) => taskScheduledId === task.eventId);
  const { name } = task;
  const about = { since: task.timestamp, until: task.timeoutAt ?? null, subject: name };
  const again = task.attempt !== undefined && task.attempt > 1 ? `, attempt ${task.attempt}` : '';
  if (queued === undefined) {
    const { owner } = obstacles;
    if (owner === null) return reason('turn-queued', `the result of activity '${name}' is about to arrive`, about);
    return owner.isLive
      ? reason('activity-running', `activity '${name}'${again} runs on worker ${nameOf(owner)}`, {
          ...about,
          worker: owner,
        })
      : deadWorker(owner, `ran activity '${name}'`, about);
  }
  const lost =
    queued.redelivery > 0 ? ` (${queued.redelivery} ${queued.redelivery === 1 ? 'run' : 'runs'} of it lost)` : '';
  if (queued.owner !== null) {
    return queued.owner.isLive
      ? reason('activity-running', `activity '${name}'${again}${lost} runs on worker ${nameOf(queued.owner)}`, {
          ...about,
          worker: queued.owner,
        })
      : deadWorker(queued.owner, `ran activity '${name}'`, about);
  }
  if (queued.isListed) {
    return reason(
      'activity-queued',
      `activity '${name}'${again}${lost} is in the queue: every worker that runs it is busy, or its limit is reached`,
      about,
    );
  }
  return obstacles.liveWorkers === 0
    ? reason('no-worker', `activity '${name}' is in the queue and no worker of the task hub lives`, about)
    : reason(
        'unregistered-name',
        `activity '${name}' is in the queue and no live worker runs it; soon it fails as ActivityNotRegistered`,
        about,
      );
}

export function deadWorker(
  worker: HoldingWorker,
  did: string,
  about: { readonly since?: number | null; readonly until?: number | null; readonly subject?: string | null },
): Reason {
  const text = `worker ${nameOf(worker)}, which ${did}, is gone: another one takes it over`;
  return reason('dead-worker', text, { ...about, since: worker.expiresAt ?? about.since ?? null, worker });
}

function childReason({ children }: LiveFacts, event: SubOrchestrationInstanceCreated): Reason {
  const status = children.get(event.instanceId);
  const state = status === undefined ? '' : `, which is ${status}`;
  return reason(
    'sub-orchestration',
    `it waits for the sub-orchestration '${event.instanceId}' (${event.name})${state}`,
    {
      since: event.timestamp,
      subject: event.instanceId,
    },
  );
}

function entityReason(
  { instance, lockHolders }: LiveFacts,
  event: HistoryEvent,
  open: ReadonlySet<string> | undefined,
): readonly Reason[] {
  if (event.type === 'EntityOperationCalled' && open?.has(event.requestId) === true) {
    return [operationReason(event, heldByOther(event.instanceId))];
  }
  if (event.type === 'EntityLockRequested' && open?.has(event.criticalSectionId) === true) {
    return [lockReason(event)];
  }
  return [];

  function heldByOther(id: string): string | undefined {
    const holder = lockHolders.get(id);
    return holder === null || holder === instance.instanceId ? undefined : holder;
  }

  function lockReason({ lockSet, timestamp }: EntityLockRequested): Reason {
    const blocked = lockSet.find((id) => heldByOther(id) !== undefined);
    if (blocked === undefined) {
      const ids = lockSet.map((id) => `'${id}'`).join(', ');
      return reason('entity-lock', `it waits for the locks of ${ids}`, {
        since: timestamp,
        subject: lockSet[0] ?? null,
      });
    }
    const text = `it waits for the lock of entity '${blocked}', which '${heldByOther(blocked) ?? ''}' holds`;
    return reason('entity-lock', text, { since: timestamp, subject: blocked });
  }
}

function operationReason(event: EntityOperationCalled, holder: string | undefined): Reason {
  const locked = holder === undefined ? '' : `, which '${holder}' has locked`;
  const text = `it waits for operation '${event.operation}' of entity '${event.instanceId}'${locked}`;
  return reason('entity-operation', text, { since: event.timestamp, subject: event.instanceId });
}

function timerReason(timer: TimerCreated, history: readonly HistoryEvent[]): Reason {
  const about = { since: timer.timestamp, until: timer.fireAt };
  if (timer.retryOf === undefined) return reason('timer', `it waits for the timer #${timer.eventId}`, about);
  const call = history.find(
    (event): event is TaskScheduled | SubOrchestrationInstanceCreated =>
      (event.type === 'TaskScheduled' || event.type === 'SubOrchestrationInstanceCreated') &&
      event.eventId === timer.retryOf,
  );
  const failed = history.findLast(
    (event) =>
      (event.type === 'TaskFailed' || event.type === 'SubOrchestrationInstanceFailed') &&
      event.timestamp <= timer.timestamp,
  );
  const why =
    failed !== undefined && 'failure' in failed && failed.failure !== undefined
      ? ` after ${failed.failure.errorType}: ${failed.failure.message}`
      : '';
  const text = `it waits to try '${call?.name ?? `#${timer.retryOf}`}' again${why}`;
  return reason('retry', text, { ...about, subject: call?.name ?? null });
}
