/** The end of a registration: turns finish, activities get their time, what is left is handed over. */
import type { Logger } from 'pino';
import { within } from '../flow/within.ts';
import type { Culprit } from '../model/culprit.ts';
import type { WorkerStore } from '../store/store.ts';
import type { Session } from './session.ts';

/** After the signal: how long activities get to act on it. */
const abortGraceMs = 500;
/** How long giving back what is left may take. */
const handOverMs = 5_000;

export async function finish(
  session: Session,
  options: {
    readonly store: WorkerStore;
    readonly log: Logger;
    /** Whether no activity is under way that is worth waiting for. */
    readonly isQuiet: () => boolean;
    /** How long turns may take, and then activities, in ms. */
    readonly graceMs: number;
    /** Resolves when the last heartbeat has been answered. */
    readonly endBeats: () => Promise<void>;
  },
): Promise<void> {
  const { orchestrations, entities, activities, live } = session;
  const { isQuiet, graceMs, log } = options;
  // Each wait has a bound: while the database is away turns do not end.
  await within(Promise.all([orchestrations.stop(), entities.stop()]), graceMs);
  await until(isQuiet, graceMs);
  activities.withdrawAll();
  for (const instance of live.owned()) for (const cancellation of instance.running.values()) cancellation.withdraw();
  await until(isQuiet, abortGraceMs);
  const ended = options.endBeats();
  try {
    if (!(await within(handOver(session, options.store, ended), handOverMs))) {
      throw new Error('the database does not answer');
    }
  } catch (error) {
    log.warn({ err: error }, 'not everything was handed over; the rest is taken over when the lease ends');
  }
  live.clear();
}

async function handOver(
  { orchestrations, activities, workerId }: Session,
  store: WorkerStore,
  beatsEnded: Promise<void>,
): Promise<void> {
  await beatsEnded;
  await orchestrations.stop();
  await activities.handOver();
  if (await orchestrations.handOver()) await store.deregisterWorker(workerId);
}

async function until(condition: () => boolean, timeoutMs: number): Promise<void> {
  const end = performance.now() + timeoutMs;
  while (!condition() && performance.now() < end) await new Promise((resolve) => setTimeout(resolve, 10));
}

/** Others have taken over what a session owned, but for the instance or the activity that held its worker up. */
export function keepOnly({ live, activities }: Session, kept: Culprit | undefined): void {
  for (const one of [...live.owned()]) if (one.instance.instanceId !== kept?.instanceId) live.drop(one);
  activities.keepOnly((task) => task.instanceId === kept?.instanceId && task.taskScheduledId === kept.taskScheduledId);
}
