/** What workers do with instances: claim, read, commit, give up. */
import type { ExecutionStarted, Untimed } from '../../model/history.ts';
import { isTerminal } from '../../model/instance.ts';
import { idTaken } from '../../model/sub-orchestration.ts';
import {
  eventOfTimer,
  type Claim,
  type ClaimContents,
  type CommitOutcome,
  type InstanceKey,
  type NewChild,
  type Message,
  type OutgoingMessage,
  type TurnCommit,
  type WorkerId,
} from '../../model/work.ts';
import { versionedName } from '../../model/versions.ts';
import type { InstanceClaim, WorkerStore } from '../store.ts';
import { sendToEntity } from './entities.ts';
import { createInstance } from './clients.ts';
import {
  end,
  isLive,
  nameSet,
  toEvents,
  toMessage,
  type LiveStoredInstance,
  type MemoryData,
  type StoredInstance,
} from './data.ts';

/** Messages that one turn takes at most; more wait for the next. */
const maxMessagesPerTurn = 1_000;
const maxInt = 2_147_483_647;
const endOfTime = 8.64e15;

export function claimOrchestrations(data: MemoryData, request: InstanceClaim): readonly Claim[] {
  if (!data.lives(request.workerId)) return [];
  const names = nameSet(request.names);
  const left = new Set(request.without);
  const able = [...data.liveOf(request.hubId)].filter(
    ({ name, version }) => names.has(name.toLowerCase()) && !left.has(versionedName(name, version)),
  );
  const orphans = request.includeDeadOwners ? able.filter(({ execution }) => data.isDead(execution.owner)) : [];
  const taken = orphans.slice(0, request.limit).map((instance) => takeAnew(instance, request.workerId));

  const ready = able
    .filter(({ execution }) => execution.owner === null)
    .map((instance) => ({ instance, readyAt: firstVisibleAt(data, instance) }))
    .filter(({ readyAt }) => readyAt < Number.POSITIVE_INFINITY)
    .sort((a, b) => a.readyAt - b.readyAt)
    .slice(0, request.limit - taken.length);
  for (const { instance } of ready) instance.execution.owner = request.workerId;
  return [...taken, ...ready.map(({ instance }) => toClaim(instance, false))];
}

export function findOrphanVersions(
  data: MemoryData,
  request: Parameters<WorkerStore['findOrphanVersions']>[0],
): readonly { readonly name: string; readonly version: string | null }[] {
  const names = nameSet(request.names);
  return [...data.liveOf(request.hubId)]
    .filter(({ name, execution }) => names.has(name.toLowerCase()) && data.isDead(execution.owner))
    .map(({ name, version }) => ({ name, version }));
}

export function takeBackInstances(
  data: MemoryData,
  workerId: WorkerId,
  keys: readonly InstanceKey[],
): readonly Claim[] {
  return keys.flatMap((key) => {
    const instance = data.live(key);
    return instance?.execution.owner === workerId ? [takeAnew(instance, workerId)] : [];
  });
}

/** From a dead worker, or from one that forgot it: a higher sequence shuts out whatever is still on its way. */
function takeAnew(instance: LiveStoredInstance, workerId: WorkerId): Claim {
  const { execution } = instance;
  execution.owner = workerId;
  execution.sequence += 1;
  execution.crashCount += 1;
  return toClaim(instance, true);
}

function firstVisibleAt(data: MemoryData, instance: LiveStoredInstance): number {
  return Math.min(...data.visibleMessages(instance).map((message) => message.visibleAt));
}

function toClaim({ execution, ...instance }: LiveStoredInstance, takenOver: boolean): Claim {
  const { key, instanceId, name, version, executionId, parent } = instance;
  const { status, sequence, crashCount, customStatus } = execution;
  return { key, instanceId, name, version, executionId, status, sequence, crashCount, customStatus, parent, takenOver };
}

export function readClaimed(
  data: MemoryData,
  requests: Parameters<WorkerStore['readClaimed']>[0],
): readonly ClaimContents[] {
  return requests.map(({ key, withHistory, withTasks }): ClaimContents => {
    const empty = { key, messages: [], history: [], queuedTaskIds: [], readAt: data.now() };
    const instance = data.live(key);
    if (instance === undefined) return empty;
    const tasks = withTasks ? [...data.tasks.values()].filter((task) => task.instanceKey === key) : [];
    try {
      const messages = data.visibleMessages(instance).map(toMessage);
      const ended = withTasks ? messages.flatMap((message) => endedTask(message, instance.executionId)) : [];
      return {
        ...empty,
        messages: messages.slice(0, maxMessagesPerTurn),
        history: withHistory ? toEvents(instance.history) : [],
        queuedTaskIds: [...tasks.map((task) => task.taskScheduledId), ...ended],
      };
    } catch (error) {
      // The misfortune of this instance, not of those that are read with it.
      return { ...empty, unreadable: error instanceof Error ? error.message : String(error) };
    }
  });
}

/** A result for another execution is no result: it will be dropped. */
function endedTask({ event, executionId }: Message, own: string): readonly number[] {
  const isEnd = event.type === 'TaskCompleted' || event.type === 'TaskFailed';
  return isEnd && (executionId === null || executionId === own) ? [event.taskScheduledId] : [];
}

/** Not that of a scheduled one, which is a message that is not visible yet. */
export function readStart(data: MemoryData, key: InstanceKey): Omit<ExecutionStarted, 'timestamp'> | undefined {
  const instance = data.instances.get(key);
  if (instance === undefined || (instance.scheduledStartAt ?? 0) > data.now()) return undefined;
  if (instance.messages.some((message) => message.executionId === instance.executionId)) return undefined;
  return {
    type: 'ExecutionStarted',
    name: instance.name,
    executionId: instance.executionId,
    ...(instance.input === null ? {} : { input: instance.input }),
    ...(instance.version === null ? {} : { version: instance.version }),
    ...(instance.tags === null ? {} : { tags: instance.tags }),
    ...(instance.parent === null ? {} : { parent: instance.parent }),
  };
}

export function commitTurn(data: MemoryData, workerId: WorkerId, turn: TurnCommit): CommitOutcome {
  const { key } = turn;
  const instance = data.live(key);
  if (instance?.execution.owner !== workerId || instance.execution.sequence !== turn.fence)
    return { kind: 'lost', key };
  const reason = refusal(turn);
  if (reason !== undefined) return { kind: 'refused', key, reason };

  const now = data.now();
  const sequence = turn.fence + 1;
  instance.history = [...instance.history, JSON.stringify(turn.events)];
  instance.lastUpdatedAt = Math.max(instance.lastUpdatedAt, now);
  for (const task of turn.queuedTasks) {
    const id = String(data.nextId());
    const { hubId, executionId } = instance;
    data.tasks.set(id, { ...task, id, hubId, instanceKey: key, executionId, createdAt: now, owner: null });
  }
  const givenUp = new Set(turn.cancelledTasks);
  if (givenUp.size > 0) {
    for (const task of data.tasks.values()) {
      const mine = task.instanceKey === key && task.executionId === instance.executionId;
      if (mine && givenUp.has(task.taskScheduledId)) data.tasks.delete(task.id);
    }
  }
  const born = turn.children.flatMap((child) => bear(data, workerId, instance, child));
  const told = turn.messages.flatMap((message) => tell(data, { now, sender: instance, message }));
  for (const { instanceId, event } of turn.entityMessages ?? []) {
    const entity = sendToEntity(data, { hubId: instance.hubId, instanceId, event });
    told.push({ key: entity.key, visibleAt: entity.messages.at(-1)?.visibleAt ?? now });
  }
  const { status, customStatus } = turn;
  if (isTerminal(status)) {
    if (status === 'Terminated') data.removeTasks(key);
    end(instance, { status, output: turn.output, customStatus, failure: turn.failure });
    return { kind: 'committed', key, sequence, inboxWaiting: false, committedAt: now, told, born };
  }
  const consumed = new Set(turn.consumedMessages);
  // A timer that has become due meanwhile stays.
  const cancelled = new Set(turn.cancelledTimers);
  instance.messages = instance.messages.filter(
    ({ id, timerId, visibleAt }) =>
      !consumed.has(String(id)) && !(timerId !== null && cancelled.has(timerId) && visibleAt > now),
  );
  for (const timer of turn.timers) {
    const { timerId, fireAt } = timer;
    data.send(instance, {
      event: eventOfTimer(timer),
      visibleAt: fireAt,
      executionId: instance.executionId,
      timerId,
    });
  }
  if (turn.next !== null) renew(instance, { sequence, start: turn.next, now });
  instance.execution = {
    kind: 'live',
    status,
    sequence,
    owner: turn.keepOwnership ? workerId : null,
    crashCount: 0,
    customStatus,
  };
  const inboxWaiting = data.visibleMessages(instance).length > 0;
  return { kind: 'committed', key, sequence, inboxWaiting, committedAt: now, told, born };
}

/** One for nobody is dropped. One for a scheduled instance waits for its start: it must not start it early. */
function tell(
  data: MemoryData,
  given: { readonly now: number; readonly sender: StoredInstance; readonly message: OutgoingMessage },
): readonly { readonly key: InstanceKey; readonly visibleAt: number }[] {
  const { target, event, executionId, visibleAt } = given.message;
  const found = target.kind === 'key' ? data.live(target.key) : data.find(given.sender.hubId, target.instanceId);
  if (found === undefined || !isLive(found)) return [];
  if (target.kind === 'child' && found.parent?.key !== given.sender.key) return [];
  const startAt = found.execution.status === 'Pending' ? (found.scheduledStartAt ?? 0) : 0;
  const seenAt = Math.max(given.now, startAt, visibleAt ?? 0);
  data.send(found, { event, visibleAt: seenAt, ...(executionId === undefined ? {} : { executionId }) });
  return [{ key: found.key, visibleAt: seenAt }];
}

/** One whose id is taken is not created, and its parent is told so. */
function bear(
  data: MemoryData,
  workerId: WorkerId,
  parent: StoredInstance,
  { instanceId, mayExist, start, owned }: NewChild,
): readonly { readonly key: InstanceKey; readonly executionId: string }[] {
  const { hubId } = parent;
  const old = data.find(hubId, instanceId);
  if (old !== undefined && (!mayExist || isLive(old))) {
    const { taskScheduledId } = start.parent;
    const event = { type: 'SubOrchestrationInstanceFailed', taskScheduledId, failure: idTaken };
    data.send(parent, { event, executionId: parent.executionId });
    return [];
  }
  if (old !== undefined) data.remove(old);
  const { name, executionId, version = null, input = null, tags } = start;
  const { key } = createInstance(data, {
    ...{ hubId, instanceId, name, version, executionId, input, event: start, parent: start.parent },
    ...(tags === undefined ? {} : { tags }),
    scheduledStartAt: null,
    owner: owned ? workerId : null,
  });
  return [{ key, executionId }];
}

/** The next execution: its start comes before all that waits, and what was for the one before it is gone. */
function renew(
  instance: StoredInstance,
  {
    sequence,
    start,
    now,
  }: { readonly sequence: number; readonly start: Untimed<ExecutionStarted>; readonly now: number },
): void {
  const { executionId } = start;
  const event = JSON.stringify(start);
  instance.history = [];
  instance.messages = [
    { id: -sequence, visibleAt: now, executionId, timerId: null, event },
    ...instance.messages.filter((message) => message.executionId !== instance.executionId),
  ];
  instance.executionId = executionId;
  instance.input = start.input ?? null;
  instance.version = start.version ?? null;
}

/** Why Postgres would not store a turn: a test should find that too. */
function refusal({ customStatus, output, queuedTasks, timers }: TurnCommit): string | undefined {
  const texts = [customStatus, output, ...queuedTasks.flatMap(({ name, version, input }) => [name, version, input])];
  if (texts.some((text) => text?.includes('\u0000'))) return 'text with the character U+0000';
  if (queuedTasks.some((task) => task.taskScheduledId > maxInt)) return 'an id above 2,147,483,647';
  if (timers.some((timer) => !(Math.abs(timer.fireAt) <= endOfTime))) return 'a time that no date can hold';
  return undefined;
}

export function discardMessages(
  data: MemoryData,
  workerId: WorkerId,
  discards: Parameters<WorkerStore['discardMessages']>[1],
): void {
  for (const { key, fence, messageIds, keepOwnership } of discards) {
    const instance = data.live(key);
    if (instance?.execution.owner !== workerId || instance.execution.sequence !== fence) continue;
    if (!keepOwnership) instance.execution.owner = null;
    const discarded = new Set(messageIds);
    instance.messages = instance.messages.filter((message) => !discarded.has(String(message.id)));
  }
}
