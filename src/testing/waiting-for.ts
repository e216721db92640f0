/** Says in words what an instance waits for, for those who wait for it in vain. */
import { stateOf } from '../core/state/execution-state.ts';
import type { HistoryEvent } from '../model/history.ts';
import type { OrchestrationInstance } from '../model/instance.ts';
import { withoutRewound } from '../model/rewound-history.ts';
import type { TestExecutor } from './test-executor.ts';

/** An instance of which somebody awaits the end cannot go on by itself. */
export class StillWaitingError extends Error {
  override readonly name = 'StillWaitingError';
  readonly instanceId: string;

  constructor(instanceId: string, message: string) {
    super(message);
    this.instanceId = instanceId;
  }
}

/** @param instance with its history */
export async function stillWaiting(
  instance: OrchestrationInstance,
  { executor, now }: { readonly executor: TestExecutor; readonly now: number },
): Promise<StillWaitingError> {
  const { instanceId, name } = instance;
  const reasons = await findReasons(instance, { executor, now });
  const list = reasons.map((reason) => `\n  - ${reason}`).join('');
  return new StillWaitingError(
    instanceId,
    `Instance '${instanceId}' (${name}) is ${instance.runtimeStatus} and cannot go on by itself. It waits for:${list}\n` +
      `It is ${new Date(now).toISOString()}.`,
  );
}

async function findReasons(
  instance: OrchestrationInstance,
  { executor, now }: { readonly executor: TestExecutor; readonly now: number },
): Promise<readonly string[]> {
  const { instanceId, scheduledStartAt, history = [] } = instance;
  if (!executor.functions.orchestrators.some((name) => name.toLowerCase() === instance.name.toLowerCase())) {
    return [`an orchestrator named '${instance.name}', which is not among the functions of this environment`];
  }
  if (instance.runtimeStatus === 'Pending') {
    return scheduledStartAt === null || scheduledStartAt.getTime() <= now
      ? ['a worker: the one of this environment was ended']
      : [`its start at ${inTime(scheduledStartAt.getTime(), now)}`];
  }
  const reasons: string[] = [];
  if (instance.runtimeStatus === 'Suspended') reasons.push(`being resumed: env.client.resume('${instanceId}')`);
  const { openTasks, openTimers, openChildren, entityCalls } = stateOf(instance.executionId, withoutRewound(history));
  const target = { ...instance, instanceKey: instance.key };
  for (const event of await executor.awaitedEvents(target, history)) {
    reasons.push(`the event '${event}': env.raiseEvent('${instanceId}', '${event}', …)`);
  }
  for (const task of openTasks.values())
    reasons.push(`activity '${task.name}' (#${task.eventId}), which has not ended`);
  for (const event of history) {
    if (event.type !== 'TimerCreated' || openTimers?.has(event.eventId) !== true) continue;
    reasons.push(`the timer #${event.eventId} at ${inTime(event.fireAt, now)}`);
  }
  for (const child of openChildren?.values() ?? [])
    reasons.push(`the sub-orchestration '${child}', which has not ended`);
  for (const event of history) reasons.push(...entityReasons(event, entityCalls?.open));
  return reasons.length > 0 ? reasons : ['nothing that is known'];
}

function entityReasons(event: HistoryEvent, open: ReadonlySet<string> | undefined): readonly string[] {
  if (event.type === 'EntityOperationCalled' && open?.has(event.requestId) === true) {
    return [`operation '${event.operation}' of the entity '${event.instanceId}', which has not answered`];
  }
  if (event.type === 'EntityLockRequested' && open?.has(event.criticalSectionId) === true) {
    return [`the locks of ${event.lockSet.map((id) => `'${id}'`).join(', ')}: another orchestration has one of them`];
  }
  return [];
}

function inTime(at: number, now: number): string {
  return `${new Date(at).toISOString()}, in ${describeMs(at - now)}: env.advance('${describeMs(at - now)}')`;
}

/** As a duration is written, in the largest unit that is exact. */
function describeMs(ms: number): string {
  const units = [
    ['d', 86_400_000],
    ['h', 3_600_000],
    ['m', 60_000],
    ['s', 1_000],
  ] as const;
  const whole = Math.max(0, ms);
  const [unit, size] = units.find(([, size]) => whole >= size && whole % size === 0) ?? ['ms', 1];
  return `${whole / size}${unit}`;
}
