/** What a rewound execution waits for from others: looked at, and put back on its way. */
import type { RenewedCalls } from '../core/state/close-turn.ts';
import { planRewind } from '../core/state/rewind.ts';
import { DurableError } from '../model/errors.ts';
import type { Failure } from '../model/failure.ts';
import type { HistoryEvent, SubOrchestrationInstanceCreated } from '../model/history.ts';
import { isTerminal, type OrchestrationInstance } from '../model/instance.ts';
import { idTaken } from '../model/sub-orchestration.ts';
import type { ClientStore } from '../store/store.ts';
import type { LiveInstance, Memory } from './live-instances.ts';

/** What is needed of the store to look at sub-orchestrations and to rewind them. */
type CalleeStore = Pick<ClientStore, 'getInstance' | 'rewindInstance'>;

/** What is needed to look after them. */
export interface CalleeCare {
  readonly store: CalleeStore;
  readonly hubId: number;
  readonly newExecutionId: () => string;
}

/**
 * Sub-orchestrations that have failed are rewound in turn, and do the same for their own; what ended meanwhile is news to
 * the parent. Those that are gone or were terminated begin anew. Calls of entities without an answer are made again:
 * the answer may have come while nobody was there to hear it.
 * @returns what the turn has to do for them
 */
export async function renewCalls(live: LiveInstance, memory: Memory, around: CalleeCare): Promise<RenewedCalls> {
  const { state, unplayed } = memory;
  const children: SubOrchestrationInstanceCreated[] = [];
  for (const created of unplayed.filter((event) => event.type === 'SubOrchestrationInstanceCreated')) {
    if (state.openChildren?.has(created.eventId) !== true) continue;
    const found = await lookAt(live, created, { ...around, reason: reasonOf(unplayed) });
    if (found.kind === 'anew') children.push(created);
    else if (found.kind === 'ended') live.events.push(found.event);
  }
  const open = state.entityCalls?.open;
  const entityCalls = unplayed
    .filter((event) => event.type === 'EntityOperationCalled')
    .filter(({ requestId }) => open?.has(requestId) === true);
  return { children, entityCalls };
}

type Found =
  | { readonly kind: 'under-way' }
  | { readonly kind: 'anew' }
  | { readonly kind: 'ended'; readonly event: LiveInstance['events'][number] };

async function lookAt(
  { instance: parent }: LiveInstance,
  { eventId, instanceId }: SubOrchestrationInstanceCreated,
  { store, hubId, newExecutionId, reason }: CalleeCare & { readonly reason: string | undefined },
): Promise<Found> {
  const child = await store.getInstance(hubId, instanceId);
  if (child === undefined) return { kind: 'anew' };
  const ended = isTerminal(child.runtimeStatus);
  // Somebody else has taken the id; one that has ended makes way.
  if (child.parent?.key !== parent.key) return ended ? { kind: 'anew' } : failed(eventId, idTaken);
  if (!ended) return { kind: 'under-way' };
  switch (child.runtimeStatus) {
    case 'Completed':
      return { kind: 'ended', event: completed(eventId, child) };
    case 'Failed': {
      const executionId = newExecutionId();
      try {
        const outcome = await store.rewindInstance({
          hubId,
          instanceId,
          executionId,
          plan: (stored, now) => planRewind({ stored, executionId, reason, now }),
          parent: {
            key: parent.key,
            instanceId: parent.instanceId,
            executionId: parent.executionId,
            name: parent.name,
            taskScheduledId: eventId,
          },
        });
        return outcome.kind === 'not-found' ? { kind: 'anew' } : { kind: 'under-way' };
      } catch (error) {
        if (!(error instanceof DurableError) || error.code !== 'InvalidTransition') throw error;
        return failed(eventId, { errorType: 'NotRewindable', message: `'${instanceId}': ${error.message}` });
      }
    }
    default:
      return { kind: 'anew' };
  }
}

function completed(taskScheduledId: number, { output }: OrchestrationInstance): LiveInstance['events'][number] {
  return {
    type: 'SubOrchestrationInstanceCompleted',
    taskScheduledId,
    ...(output === null ? {} : { result: output }),
  };
}

function failed(taskScheduledId: number, failure: Failure): Found {
  return { kind: 'ended', event: { type: 'SubOrchestrationInstanceFailed', taskScheduledId, failure } };
}

function reasonOf(history: readonly HistoryEvent[]): string | undefined {
  return history.findLast((event) => event.type === 'ExecutionRewound')?.reason;
}
