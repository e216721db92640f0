/** Everything that belongs to one registration of a worker: when its lease ends, all of it is dropped (decision 8). */
import type { Logger } from 'pino';
import type { ExecutionLimits } from '../core/state/turn-limits.ts';
import type { Clock } from '../flow/clock.ts';
import { isEntityInstanceId } from '../model/entity-id.ts';
import type { Claim, NewInstance, StartOffer, WorkerId } from '../model/work.ts';
import type { Heartbeat, WorkerStore } from '../store/store.ts';
import { ActivityProcessor } from './activity-processor.ts';
import type { ActivitySlots } from './activity-slots.ts';
import type { WorkerCounters, WorkerCounts, WorkerSnapshot } from './counters.ts';
import type { DatabaseClock } from './database-clock.ts';
import { EntityProcessor } from './entity-processor.ts';
import type { Executor } from './executor.ts';
import type { LiveInstances } from './live-instances.ts';
import { OrchestrationProcessor } from './orchestration-processor.ts';
import { Strays } from './strays.ts';
import type { TurnTracing } from './turn-tracing.ts';

/** How long the answer to a claim may take before what it took is looked for. */
const strayAfterMs = 1_000;

/** How long a registration holds, by the monotonic clock; counted from when the heartbeat was sent. */
export interface Lease {
  endsAt: number;
  /** It belongs to a database that is not the one that we are connected to any more. */
  isVoid?: boolean;
}

export interface Session {
  readonly workerId: WorkerId;
  readonly lease: Lease;
  readonly live: LiveInstances;
  readonly orchestrations: OrchestrationProcessor;
  readonly entities: EntityProcessor;
  readonly activities: ActivityProcessor;
  readonly strays: { readonly instances: Strays; readonly tasks: Strays };
}

/** What the processors of a session share with their worker. */
export interface SessionOptions {
  readonly store: WorkerStore;
  readonly executor: Executor;
  readonly workerId: WorkerId;
  readonly hubId: number;
  readonly lease: Lease;
  readonly live: LiveInstances;
  readonly slots: ActivitySlots;
  readonly clock: DatabaseClock;
  /** Of this process. */
  readonly own: Clock;
  readonly limits: ExecutionLimits;
  readonly counters: WorkerCounters;
  readonly tracing: TurnTracing | undefined;
  readonly newExecutionId: () => string;
  readonly log: Logger;
  /** Instances may be claimable, or there is room for more. */
  readonly onRoom: () => void;
  /** A message was stored that becomes visible then, milliseconds since 1970. */
  readonly onTimer: (visibleAt: number) => void;
}

/** Nothing is owned yet. */
export function openSession({ lease, ...shared }: SessionOptions): Session {
  return {
    workerId: shared.workerId,
    lease,
    live: shared.live,
    orchestrations: new OrchestrationProcessor(shared),
    entities: new EntityProcessor(shared),
    activities: new ActivityProcessor({ ...shared, limits: shared.executor.limits }),
    strays: { instances: new Strays(strayAfterMs), tasks: new Strays(strayAfterMs) },
  };
}

/** Hands claimed instances to whom they concern. */
export function take({ orchestrations, entities }: Session, claims: readonly Claim[]): void {
  orchestrations.take(claims.filter((claim) => !isEntityInstanceId(claim.instanceId)));
  entities.take(claims.filter((claim) => isEntityInstanceId(claim.instanceId)));
}

/** An offer to take a new instance, which ends with the registration. */
export async function offerOf(
  { orchestrations }: Session,
  start: NewInstance,
  holds: () => boolean,
): Promise<StartOffer> {
  const offer = await orchestrations.offer(start);
  return {
    ...offer,
    accept: (key, hasTurn) => {
      // Stored for an id whose lease has ended: whoever takes over that id's instances has it.
      if (holds()) offer.accept(key, hasTurn);
      else offer.withdraw();
    },
  };
}

/**
 * The database is not quite the one that was read (decision 9). After a restart what is owned is safe: the fence of its next
 * commit shows whether it is what is stored. In another database nothing is.
 */
export function reset({ live, lease }: Session, change: 'restarted' | 'replaced'): void {
  live.forgetIdle();
  if (change === 'replaced') Object.assign(lease, { endsAt: -Infinity, isVoid: true });
}

/** Renews the lease, or ends one that is void. */
export async function renew(
  { workerId, lease, activities }: Session,
  { store, hubId, leaseMs }: { readonly store: WorkerStore; readonly hubId: number; readonly leaseMs: number },
): Promise<Heartbeat> {
  if (lease.isVoid !== true) return store.heartbeat({ workerId, hubId, leaseMs, claimedTasks: activities.claimed });
  await store.deregisterWorker(workerId);
  return { kind: 'expired' };
}

/** How a worker stands. */
export function snapshotOf(worker: {
  readonly counts: WorkerCounts;
  readonly slots: ActivitySlots;
  /** `undefined` between two leases. */
  readonly session: Session | undefined;
}): WorkerSnapshot {
  const { counts, slots, session } = worker;
  return {
    ...counts,
    ownedInstances: session?.live.ownedCount ?? 0,
    cachedInstances: session?.live.idleCount ?? 0,
    turnsUnderWay: (session?.orchestrations.turns ?? 0) + (session?.entities.turns ?? 0),
    activitiesRunning: slots.underWay - slots.waiting,
    activitiesWaiting: slots.waiting,
  };
}
