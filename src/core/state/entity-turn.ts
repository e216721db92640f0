/**
 * One batch of an entity: which of its messages run as operations, which wait for its lock, what is answered, and what the
 * commit therefore holds. Pure. Running the operations is in `core/replay/entity-runner.ts`; an orchestration's turn is in
 * `open-turn.ts` and `close-turn.ts`.
 *
 * While an entity is locked only operations of the holder run. Everybody else's messages are *parked*: they stay in the
 * inbox, invisible, and become visible in their old place when the lock is given back (engine.md 8.6).
 */
import { assertNever } from '../../model/errors.ts';
import type { Failure } from '../../model/failure.ts';
import type {
  EntityBatchOutcome,
  EntityCommit,
  EntityLock,
  EntityLockRequest,
  EntityMessage,
  EntityOperation,
  EntityOutgoing,
  EntityRecord,
  EntityReply,
  EntityRequest,
  EntityUnlock,
  NewOrchestration,
  OperationOutcome,
} from '../../model/entity-work.ts';
import type { OwnedInstance } from '../../model/work.ts';
import { inOrder } from './message-order.ts';

/** The record of an entity that nobody has written yet. */
export const newEntity: EntityRecord = { state: null, lock: null, parked: 0 };

/** What both halves of a batch start from. */
export interface EntityTurn {
  readonly record: EntityRecord;
  /** In the order of their ids. */
  readonly messages: readonly EntityMessage[];
}

/** What a batch has to do. */
export interface OpenedEntityTurn {
  /** To be run one after the other; none when the messages are about the lock only. */
  readonly operations: readonly EntityOperation[];
  /** Whether there is nothing to write at all. */
  readonly idle: boolean;
}

/** @param maxOperations operations of the batch at most */
export function openEntityTurn(turn: EntityTurn, maxOperations: number): OpenedEntityTurn {
  const { operations, consumed, parked } = walk(turn, maxOperations);
  return { operations, idle: consumed.length === 0 && parked.length === 0 };
}

/**
 * The commit of a batch. Operations without an outcome, and what comes after them, stay in the inbox.
 * @param request.done `undefined` when there was no operation to run
 */
export function closeEntityTurn(request: {
  readonly instance: OwnedInstance;
  readonly turn: EntityTurn;
  readonly done: Extract<EntityBatchOutcome, { kind: 'done' }> | undefined;
  /** Whether the worker keeps the entity whatever this batch leaves: more is known to wait. */
  readonly hasMore: boolean;
}): EntityCommit {
  const { instance, turn, done } = request;
  const outcomes = done?.outcomes ?? [];
  const walked = walk(turn, outcomes.length);
  const outgoing: EntityOutgoing[] = [];
  const starts: NewOrchestration[] = [];
  let index = 0;
  for (const step of walked.steps) {
    if (step.kind === 'send') {
      outgoing.push(step.message);
      continue;
    }
    const outcome = outcomes[index];
    index += 1;
    if (outcome === undefined) continue;
    if (outcome.kind === 'completed') collect(outcome.actions, outgoing, starts);
    const reply = replyTo(step.operation, outcome);
    if (reply !== undefined) outgoing.push(reply);
  }
  const record: EntityRecord = {
    state: done === undefined ? turn.record.state : done.state,
    lock: walked.lock,
    parked: walked.lock === null ? 0 : parkedBefore(turn.record, walked) + walked.parked.length,
  };
  return {
    key: instance.key,
    fence: instance.sequence,
    record,
    consumedMessages: walked.consumed,
    parkedMessages: walked.parked,
    unpark: walked.unpark,
    outgoing,
    starts,
    keepOwnership: request.hasMore || walked.left,
  };
}

/** What a batch comes to when none of its operations can be run: each fails, the state stays. */
export function failOperations(turn: EntityTurn, operations: readonly EntityOperation[], failure: Failure) {
  return {
    kind: 'done' as const,
    outcomes: operations.map(() => ({ kind: 'failed' as const, failure })),
    state: turn.record.state,
  };
}

/** Whether an entity is nothing any more: without state, lock and waiting messages it may disappear. */
export function isEmpty(record: EntityRecord): boolean {
  return record.state === null && record.lock === null;
}

type Step =
  | { readonly kind: 'operation'; readonly operation: EntityOperation }
  | { readonly kind: 'send'; readonly message: EntityOutgoing };

interface Walked {
  readonly steps: readonly Step[];
  readonly operations: readonly EntityOperation[];
  readonly consumed: readonly string[];
  readonly parked: readonly string[];
  readonly unpark: boolean;
  /** After all of it. */
  readonly lock: EntityLock | null;
  /** Whether messages that were read stay in the inbox, visible. */
  readonly left: boolean;
}

/** Goes through the messages in order, as far as `maxOperations` operations allow. */
function walk({ record, messages }: EntityTurn, maxOperations: number): Walked {
  const steps: Step[] = [];
  const operations: EntityOperation[] = [];
  const consumed: string[] = [];
  let { lock } = record;
  let queue = inOrder(messages, isScheduled);
  let at = 0;
  /** Met while locked, in order. */
  let waiting: EntityMessage[] = [];
  let unpark = false;
  let stopped = false;
  for (let message = queue[at]; message !== undefined && !stopped; message = queue[at]) {
    const { event } = message;
    switch (event.type) {
      case 'EntityOperationSignaled':
      case 'EntityOperationCalled':
        if (lock !== null && event.parentInstanceId !== lock.instanceId) {
          waiting.push(message);
          break;
        }
        if (operations.length === maxOperations) {
          stopped = true;
          continue;
        }
        operations.push(event);
        steps.push({ kind: 'operation', operation: event });
        consumed.push(message.id);
        break;
      case 'EntityLockRequested':
        if (lock !== null) {
          waiting.push(message);
          break;
        }
        consumed.push(message.id);
        // Whoever asked has ended meanwhile.
        if (queue.slice(at + 1).some((later) => isUnlockOf(later.event, event.criticalSectionId))) break;
        lock = lockOf(event);
        steps.push({ kind: 'send', message: afterLock(event) });
        break;
      case 'EntityUnlockSent':
        // The request that it takes back may wait for the lock: then it is found behind that.
        if (lock !== null && !isHolder(lock, event)) {
          waiting.push(message);
          break;
        }
        consumed.push(message.id);
        if (lock === null) break;
        lock = null;
        steps.push(...afterUnlock(event));
        // What was parked before comes before all that is here: the next batch reads everything in its place.
        unpark = record.parked > 0;
        stopped = unpark;
        queue = [...waiting, ...queue.slice(at + 1)];
        waiting = [];
        at = -1;
        break;
      default:
        assertNever(event);
    }
    at += 1;
  }
  return {
    steps,
    operations,
    consumed,
    // Not parked when the lock was given back: `waiting` is empty then.
    parked: waiting.map((message) => message.id),
    unpark,
    lock,
    left: queue.length > at,
  };
}

function parkedBefore(record: EntityRecord, walked: Walked): number {
  return walked.unpark ? 0 : record.parked;
}

function lockOf(event: EntityLockRequest): EntityLock {
  return {
    criticalSectionId: event.criticalSectionId,
    instanceId: event.parentInstanceId,
    executionId: event.parentExecutionId,
  };
}

function isUnlockOf(event: EntityRequest, criticalSectionId: string): boolean {
  return event.type === 'EntityUnlockSent' && event.criticalSectionId === criticalSectionId;
}

function isHolder(lock: EntityLock, event: EntityUnlock): boolean {
  return lock.criticalSectionId === event.criticalSectionId && lock.instanceId === event.parentInstanceId;
}

/** On to the next entity of the set; behind the last one the requester has them all. */
function afterLock(event: EntityLockRequest): EntityOutgoing {
  const position = event.position + 1;
  const next = event.lockSet[position];
  if (next !== undefined) return { kind: 'entity', instanceId: next, event: { ...event, position } };
  return {
    kind: 'orchestration',
    instanceId: event.parentInstanceId,
    executionId: event.parentExecutionId,
    event: { type: 'EntityLockGranted', criticalSectionId: event.criticalSectionId },
  };
}

/** Where it was locked the request went on to the next entity, and has reached that before this. */
function afterUnlock({ follows, ...event }: EntityUnlock): readonly Step[] {
  const position = (follows?.position ?? 0) + 1;
  const next = follows?.lockSet[position];
  if (follows === undefined || next === undefined) return [];
  const message = { ...event, follows: { ...follows, position } };
  return [{ kind: 'send', message: { kind: 'entity', instanceId: next, event: message } }];
}

function collect(
  actions: Extract<OperationOutcome, { kind: 'completed' }>['actions'],
  outgoing: EntityOutgoing[],
  starts: NewOrchestration[],
): void {
  for (const action of actions) {
    switch (action.type) {
      case 'SignalEntity':
        outgoing.push({ kind: 'entity', instanceId: action.instanceId, event: action.signal });
        break;
      case 'StartOrchestration':
        starts.push(action.start);
        break;
      default:
        assertNever(action);
    }
  }
}

/** Callers are answered; who signals wants to hear nothing. */
function replyTo(operation: EntityOperation, outcome: OperationOutcome): EntityOutgoing | undefined {
  if (operation.type === 'EntityOperationSignaled') return undefined;
  const { requestId, parentInstanceId: instanceId, parentExecutionId: executionId } = operation;
  return { kind: 'orchestration', instanceId, executionId, event: toReply(requestId, outcome) };
}

function toReply(requestId: string, outcome: OperationOutcome): EntityReply {
  if (outcome.kind === 'failed') return { type: 'EntityOperationFailed', requestId, failure: outcome.failure };
  return {
    type: 'EntityOperationCompleted',
    requestId,
    ...(outcome.result === undefined ? {} : { result: outcome.result }),
  };
}

function isScheduled({ event }: EntityMessage): boolean {
  return event.type === 'EntityOperationSignaled' && event.scheduledTime !== undefined;
}
