/** Wrappers around the ports of a worker that count what passes through them. They change nothing and wait for nothing. */
import { parseEntityId } from '../model/entity-id.ts';
import type { Claim, ClaimContents, CommitOutcome } from '../model/work.ts';
import type { WorkerStore } from '../store/store.ts';
import type { WorkerCounters } from './counters.ts';
import type { Executor } from './executor.ts';

/** @param store one that is made of functions, which do not ask for `this` */
export function countStore<Store extends WorkerStore>(store: Store, counters: WorkerCounters): Store {
  const { totals } = counters;
  const noteClaims = (claims: readonly Claim[]): readonly Claim[] => {
    for (const claim of claims) if (claim.takenOver) totals.takenOverInstances += 1;
    return claims;
  };
  return {
    ...store,
    claimOrchestrations: async (request) => noteClaims(await store.claimOrchestrations(request)),
    heartbeat: async (request) => {
      const beat = await store.heartbeat(request);
      if (beat.kind === 'expired') totals.lostLeases += 1;
      return beat;
    },
    readClaimed: async (requests) => {
      const contents = await store.readClaimed(requests);
      for (const one of contents) noteContents(one, counters);
      return contents;
    },
    commitTurns: async (workerId, turns) => {
      const begun = performance.now();
      const outcomes = await store.commitTurns(workerId, turns);
      counters.commitAnswered(turns.length, performance.now() - begun);
      noteOutcomes(outcomes, counters);
      return outcomes;
    },
    commitEntities: async (workerId, commits) => {
      const outcomes = await store.commitEntities(workerId, commits);
      noteOutcomes(outcomes, counters);
      return outcomes;
    },
  };
}

function noteContents({ history, messages, readAt }: ClaimContents, counters: WorkerCounters): void {
  if (history.length > 0) {
    counters.totals.replays += 1;
    counters.totals.replayedEvents += history.length;
  }
  const [first] = messages;
  if (first?.event.type === 'ExecutionStarted') counters.startWaited(first.event.name, readAt - first.visibleAt);
}

function noteOutcomes(outcomes: readonly CommitOutcome[], { totals }: WorkerCounters): void {
  for (const { kind } of outcomes) {
    if (kind === 'lost') totals.lostFences += 1;
    else if (kind === 'refused') totals.refusedTurns += 1;
  }
}

export function countExecutor(executor: Executor, counters: WorkerCounters): Executor {
  return {
    functions: executor.functions,
    isSelective: executor.isSelective,
    limits: executor.limits,
    openRun: (target) => executor.openRun(target),
    servesOrchestration: (name, version) => executor.servesOrchestration(name, version),
    hasActivity: (name, version) => executor.hasActivity(name, version),
    runEntityBatch: (batch) => {
      const outcome = executor.runEntityBatch(batch);
      const name = parseEntityId(batch.instanceId)?.name ?? '';
      // Beside the way of the outcome, which gets there as soon as without.
      void outcome.then((ended) => counters.entityBatchEnded(name, ended)).catch(() => undefined);
      return outcome;
    },
    runActivity: (work, cancellation) => {
      const begun = performance.now();
      const outcome = executor.runActivity(work, cancellation);
      void outcome.then((ended) => {
        if (ended !== undefined) counters.activityEnded(work.name, ended.kind, performance.now() - begun);
      });
      return outcome;
    },
  };
}
