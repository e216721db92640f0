/** The beginnings of executions that turns ask for: of sub-orchestrations, and of the one that follows continueAsNew. */
import { randomUUID } from 'node:crypto';
import type { Action, Decision } from '../model/actions.ts';
import type { ExecutionStarted, Untimed } from '../model/history.ts';
import type { Claim, CommitOutcome, NewChild } from '../model/work.ts';
import type { Version } from '../model/versions.ts';
import type { Executor } from './executor.ts';
import type { LiveInstance } from './live-instances.ts';

/** A sub-orchestration that was created. */
export type Born = NonNullable<Extract<CommitOutcome, { readonly kind: 'committed' }>['born']>[number];

/** 32 hex digits, as Durable Functions makes them. */
export function newExecutionId(): string {
  return randomUUID().replaceAll('-', '');
}

/** Takes sub-orchestrations that are served here while there is room; the others wait for whichever worker claims them. */
export function childTaker(executor: Executor, room: number): (name: string, version: Version) => boolean {
  let left = room;
  return (name, version) => {
    const takes = left > 0 && executor.servesOrchestration(name, version);
    if (takes) left -= 1;
    return takes;
  };
}

/** Sub-orchestrations that were created and belong to this worker from birth, as claims, with their starts. */
export function bornHere(
  children: readonly NewChild[],
  born: readonly Born[],
): readonly { readonly claim: Claim; readonly start: NewChild['start'] }[] {
  const keys = new Map(born.map(({ key, executionId }) => [executionId, key]));
  return children.flatMap(({ instanceId, start, owned, trace }) => {
    const { name, executionId, version = null, parent } = start;
    const key = keys.get(executionId);
    if (!owned || key === undefined) return [];
    const fresh = { status: 'Pending', sequence: 0, crashCount: 0, customStatus: null, takenOver: false } as const;
    const traced = trace === undefined ? {} : { trace };
    return [{ claim: { key, instanceId, name, version, executionId, parent, ...fresh, ...traced }, start }];
  });
}

/**
 * From here on the instance is in another execution, which begins with its next turn. Activities of the one before go on;
 * nobody hears how they end.
 */
export function renew(live: LiveInstance, start: Untimed<ExecutionStarted>): void {
  live.memory?.run.dispose();
  live.memory = undefined;
  live.events = [];
  live.running.clear();
  live.instance = { ...live.instance, executionId: start.executionId, version: start.version ?? null };
  live.inboxWaiting = true;
  live.dueTimes = undefined;
  live.startedAt = undefined;
  live.timersSince = undefined;
  live.weight = 0;
  live.generations += 1;
}

/** Whether a turn is to begin executions of this kind: most do not, and nothing is prepared for them. */
export function asksFor(decision: Decision | undefined, type: Action['type']): boolean {
  return decision?.actions.some((action) => action.type === type) === true;
}
