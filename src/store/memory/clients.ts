/** What clients do with single instances: start, send, look, end before the start, purge. */
import { isEntityInstanceId } from '../../model/entity-id.ts';
import type { InboxEvent, ParentInstance } from '../../model/history.ts';
import { isTerminal, terminalStatuses, type OrchestrationInstance, type RuntimeStatus } from '../../model/instance.ts';
import { reportEnd, type EndReport } from '../../model/sub-orchestration.ts';
import { eventOfTimer, type InstanceKey } from '../../model/work.ts';
import type {
  ClientMessage,
  InstanceRewind,
  InstanceStart,
  PurgeOutcome,
  RewindOutcome,
  SendOutcome,
  StartOutcome,
  TerminatePending,
  TreePurgeOutcome,
} from '../store.ts';
import { checkText, end, isLive, toEvents, toInstance, type MemoryData, type StoredInstance } from './data.ts';

export function startInstance(data: MemoryData, start: InstanceStart): StartOutcome {
  checkText(start.instanceId, start.name, start.version, start.executionId, start.input);
  const old = data.find(start.hubId, start.instanceId);
  const status = old?.execution.status;
  if (status !== undefined && !(start.replace ?? terminalStatuses).includes(status)) return { kind: 'exists', status };
  if (old !== undefined) {
    if (isLive(old)) reportReplaced(data, old);
    data.remove(old);
  }
  // Under a lease that has ended it is left to everybody.
  const owner = start.owner !== null && data.lives(start.owner) ? start.owner : null;
  const { key } = createInstance(data, { ...start, owner, parent: null });
  const replaced = status === undefined || isTerminal(status) ? undefined : old?.key;
  return { kind: 'created', key, owner, ...(replaced === undefined ? {} : { replaced }) };
}

function tellParent(data: MemoryData, { target, executionId, event }: EndReport): void {
  const parent = data.live(target.key);
  if (parent !== undefined) data.send(parent, { event, executionId });
}

/** To its parent a live instance that another one takes the place of was terminated. */
function reportReplaced(data: MemoryData, { parent }: StoredInstance): void {
  const result = 'The sub-orchestration was replaced by another instance of its id.';
  if (parent !== null) tellParent(data, reportEnd(parent, { status: 'Terminated', result }));
}

/** A new Pending instance, with a start message unless somebody owns it from birth. */
export function createInstance(
  data: MemoryData,
  start: InstanceStart & { readonly parent: ParentInstance | null },
): StoredInstance {
  const { owner } = start;
  const firstTurn = owner === null ? undefined : start.firstTurn;
  const now = data.now();
  const instance: StoredInstance = {
    key: String(data.nextId()),
    hubId: start.hubId,
    instanceId: start.instanceId,
    name: start.name,
    version: start.version,
    tags: start.tags ? { ...start.tags } : null,
    executionId: start.executionId,
    input: start.input,
    parent: start.parent,
    createdAt: firstTurn?.events[0]?.timestamp ?? now,
    scheduledStartAt: start.scheduledStartAt?.getTime() ?? null,
    lastUpdatedAt: now,
    execution: {
      kind: 'live',
      status: firstTurn ? 'Running' : 'Pending',
      sequence: firstTurn ? 1 : 0,
      owner: firstTurn?.keepOwnership === false ? null : owner,
      crashCount: 0,
      customStatus: firstTurn?.customStatus ?? null,
    },
    history: firstTurn ? [JSON.stringify(firstTurn.events)] : [],
    messages: [],
  };
  data.add(instance);
  // One that a worker takes at once needs no message.
  if (owner === null) {
    data.send(instance, {
      event: start.event,
      executionId: start.executionId,
      visibleAt: Math.max(now, instance.scheduledStartAt ?? now),
    });
  }
  return instance;
}

export function sendMessage(data: MemoryData, message: ClientMessage): SendOutcome & { readonly owned?: boolean } {
  checkText(message.instanceId);
  const instance = data.find(message.hubId, message.instanceId);
  if (instance === undefined) return { kind: 'not-found' };
  const { execution } = instance;
  if (execution.kind === 'ended') return { kind: 'terminal', status: execution.status };
  const now = data.now();
  // A message for a scheduled instance becomes visible with its start: it must not start it early.
  const visibleAt = execution.status === 'Pending' ? Math.max(now, instance.scheduledStartAt ?? now) : now;
  data.send(instance, { event: message.event, visibleAt });
  return { kind: 'sent', key: instance.key, owned: execution.owner !== null };
}

export function terminatePending(data: MemoryData, request: TerminatePending): 'terminated' | undefined {
  const instance = data.live(request.key);
  if (instance === undefined || instance.execution.status !== 'Pending' || instance.execution.owner !== null) {
    return undefined;
  }
  checkText(request.output);
  const now = data.now();
  const { customStatus } = instance.execution;
  instance.history = [JSON.stringify(request.eventsAt(now))];
  instance.lastUpdatedAt = now;
  end(instance, { status: 'Terminated', output: request.output, customStatus, failure: null });
  if (request.report !== undefined) tellParent(data, request.report);
  return 'terminated';
}

export function getInstance(
  data: MemoryData,
  address: { readonly hubId: number; readonly instanceId: string },
  withHistory: boolean,
): OrchestrationInstance | undefined {
  const found = data.find(address.hubId, address.instanceId);
  if (found === undefined) return undefined;
  return withHistory ? { ...toInstance(found), history: toEvents(found.history) } : toInstance(found);
}

export function findEnded(data: MemoryData, keys: readonly InstanceKey[]): readonly InstanceKey[] {
  return keys.filter((key) => data.live(key) === undefined);
}

export function purgeInstance(data: MemoryData, hubId: number, instanceId: string): PurgeOutcome {
  const instance = data.find(hubId, instanceId);
  if (instance === undefined) return { kind: 'not-found' };
  const { status } = instance.execution;
  if (!isTerminal(status) && !isEntityInstanceId(instanceId)) return { kind: 'not-terminal', status };
  data.remove(instance);
  return { kind: 'purged' };
}

export function purgeTree(data: MemoryData, hubId: number, instanceId: string): TreePurgeOutcome {
  const root = data.find(hubId, instanceId);
  if (root === undefined) return { kind: 'not-found' };
  const tree = [root];
  // Grows while it is walked.
  for (const { key } of tree) {
    for (const instance of data.instances.values()) if (instance.parent?.key === key) tree.push(instance);
  }
  for (const { execution, instanceId: id } of tree) {
    if (!isTerminal(execution.status)) return { kind: 'not-terminal', instanceId: id, status: execution.status };
  }
  for (const instance of tree) data.remove(instance);
  return { kind: 'purged', instances: tree.length };
}

export function rewindInstance(data: MemoryData, request: InstanceRewind): RewindOutcome {
  const { hubId, executionId } = request;
  const instance = data.find(hubId, request.instanceId);
  if (instance === undefined) return { kind: 'not-found' };
  const { execution, key } = instance;
  if (execution.status !== 'Failed') return { kind: 'not-failed', status: execution.status };
  const now = data.now();
  const { event, timers, queuedTasks } = request.plan(toEvents(instance.history), now);
  instance.history = [...instance.history, JSON.stringify([event])];
  instance.executionId = executionId;
  if (request.parent !== undefined) instance.parent = request.parent;
  instance.lastUpdatedAt = Math.max(instance.lastUpdatedAt, now);
  instance.messages = [];
  data.removeTasks(key);
  instance.execution = {
    kind: 'live',
    status: 'Running',
    // A number that no turn was ever made with.
    sequence: data.nextId(),
    owner: null,
    crashCount: 0,
    customStatus: execution.customStatus,
  };
  data.send(instance, { event: { ...event, ignores: [], ignoredIds: [] }, executionId });
  for (const timer of timers) {
    const { timerId, fireAt } = timer;
    data.send(instance, { event: eventOfTimer(timer), visibleAt: fireAt, executionId, timerId });
  }
  for (const task of queuedTasks) {
    const id = String(data.nextId());
    data.tasks.set(id, { ...task, id, hubId, instanceKey: key, executionId, createdAt: now, owner: null });
  }
  return { kind: 'rewound', key };
}

export function findSuspension(
  data: MemoryData,
  hubId: number,
  instanceId: string,
): { readonly status: RuntimeStatus; readonly suspended: boolean } | undefined {
  const instance = data.find(hubId, instanceId);
  if (instance === undefined) return undefined;
  const { status } = instance.execution;
  const requests = instance.messages.flatMap(({ event }) => {
    const { type } = JSON.parse(event) as InboxEvent;
    return type === 'ExecutionSuspended' || type === 'ExecutionResumed' ? [type] : [];
  });
  const last = requests.at(-1);
  return { status, suspended: last === undefined ? status === 'Suspended' : last === 'ExecutionSuspended' };
}
