import { describe, expect, it } from 'vitest';
import { emptyState } from '../../src/core/state/execution-state.ts';
import type { Claim } from '../../src/model/work.ts';
import { Cancellation } from '../../src/worker/cancellation.ts';
import type { OrchestrationRun } from '../../src/worker/executor.ts';
import { abortAll, LiveInstances, type LiveInstance } from '../../src/worker/live-instances.ts';
import { ownedInstance } from '../support/builders.ts';

class Run implements OrchestrationRun {
  disposed = 0;

  advance(): Promise<never> {
    return Promise.reject(new Error('not asked for here'));
  }

  dispose(): void {
    this.disposed += 1;
  }
}

function claim(given: Partial<Claim> = {}): Claim {
  return { ...ownedInstance(), takenOver: false, ...given };
}

/** Gives a live instance something to remember. */
function warm(live: LiveInstance, weight = 10): Run {
  const run = new Run();
  live.memory = { state: emptyState(live.instance.executionId), run, unplayed: [] };
  live.weight = weight;
  return run;
}

const roomy = { maxInstances: 10, maxWeight: 1_000 };

describe('adopting a claim', () => {
  it('makes an owned instance whose inbox is to be read', () => {
    const instances = new LiveInstances(roomy);
    const live = instances.adopt(claim({ takenOver: true }));
    expect(live).toMatchObject({ owned: true, busy: false, inboxWaiting: true, takenOver: true, memory: undefined });
    expect(instances.ownedCount).toBe(1);
    expect(instances.getOwned(live.instance.key)).toBe(live);
    expect([...instances.owned()]).toEqual([live]);
    expect(instances.getOwned('99')).toBeUndefined();
  });

  it('goes on with what is remembered at the very sequence', () => {
    const instances = new LiveInstances(roomy);
    const before = instances.adopt(claim({ sequence: 3 }));
    const run = warm(before, 7);
    instances.giveUp(before);
    const live = instances.adopt(claim({ sequence: 3 }));
    expect(live.memory?.run).toBe(run);
    expect(live.weight).toBe(7);
    expect(run.disposed).toBe(0);
  });

  it.each([
    ['another sequence', { sequence: 4 }],
    ['another execution', { executionId: 'e2' }],
  ])('forgets what is remembered of %s', (_, changed) => {
    const instances = new LiveInstances(roomy);
    const before = instances.adopt(claim());
    const run = warm(before);
    instances.giveUp(before);
    expect(instances.adopt(claim(changed)).memory).toBeUndefined();
    expect(run.disposed).toBe(1);
  });

  it('remembers once: what was adopted again is not lent a second time', () => {
    const instances = new LiveInstances(roomy);
    const before = instances.adopt(claim());
    warm(before);
    instances.giveUp(before);
    const again = instances.adopt(claim());
    instances.drop(again);
    expect(instances.adopt(claim()).memory).toBeUndefined();
  });
});

describe('giving an instance up', () => {
  it('keeps it as a cache only when there is something to remember', () => {
    const instances = new LiveInstances(roomy);
    const live = instances.adopt(claim());
    instances.giveUp(live);
    expect(live.owned).toBe(false);
    expect(instances.ownedCount).toBe(0);
    expect(instances.adopt(claim()).memory).toBeUndefined();
  });

  it('forgets the longest unused when there are too many', () => {
    const instances = new LiveInstances({ maxInstances: 2, maxWeight: 1_000 });
    const runs = ['1', '2', '3'].map((key) => {
      const live = instances.adopt(claim({ key }));
      const run = warm(live);
      instances.giveUp(live);
      return run;
    });
    expect(runs.map((run) => run.disposed)).toEqual([1, 0, 0]);
  });

  it('forgets the longest unused when they are too heavy together', () => {
    const instances = new LiveInstances({ maxInstances: 10, maxWeight: 100 });
    const runs = ['1', '2', '3'].map((key) => {
      const live = instances.adopt(claim({ key }));
      const run = warm(live, 40);
      instances.giveUp(live);
      return run;
    });
    expect(runs.map((run) => run.disposed)).toEqual([1, 0, 0]);
  });

  it('forgets at once what is too heavy by itself, and nothing else for it', () => {
    const instances = new LiveInstances({ maxInstances: 10, maxWeight: 100 });
    const small = instances.adopt(claim({ key: '1' }));
    const kept = warm(small, 10);
    instances.giveUp(small);
    const large = instances.adopt(claim({ key: '2' }));
    const gone = warm(large, 101);
    instances.giveUp(large);
    expect([kept.disposed, gone.disposed]).toEqual([0, 1]);
    expect(instances.adopt(claim({ key: '2' })).memory).toBeUndefined();
  });

  it('remembers nothing at all when told so', () => {
    const instances = new LiveInstances({ maxInstances: 0, maxWeight: 100 });
    expect(instances.remembers).toBe(false);
    const live = instances.adopt(claim());
    const run = warm(live);
    instances.giveUp(live);
    expect(run.disposed).toBe(1);
    expect(new LiveInstances(roomy).remembers).toBe(true);
  });

  it('leaves alone what has taken its place', () => {
    const instances = new LiveInstances(roomy);
    const before = instances.adopt(claim());
    const after = instances.adopt(claim({ sequence: 9 }));
    instances.giveUp(before);
    expect(instances.getOwned(after.instance.key)).toBe(after);
    instances.drop(before);
    expect(instances.getOwned(after.instance.key)).toBe(after);
  });
});

describe('dropping an instance', () => {
  it('keeps nothing of it and tells its activities to stop', () => {
    const instances = new LiveInstances(roomy);
    const live = instances.adopt(claim());
    const run = warm(live);
    const cancellation = new Cancellation();
    live.running.set(0, cancellation);
    instances.drop(live);
    expect(run.disposed).toBe(1);
    expect(cancellation.isRequested).toBe(true);
    expect(live).toMatchObject({ owned: false, memory: undefined });
    expect(instances.ownedCount).toBe(0);
    expect(instances.adopt(claim()).memory).toBeUndefined();
  });

  it('of all keeps nothing of anything, owned or remembered', () => {
    const instances = new LiveInstances(roomy);
    const idle = instances.adopt(claim({ key: '1' }));
    const runs = [warm(idle)];
    instances.giveUp(idle);
    const owned = instances.adopt(claim({ key: '2' }));
    runs.push(warm(owned));
    const cancellation = new Cancellation();
    owned.running.set(4, cancellation);
    instances.clear();
    expect(runs.map((run) => run.disposed)).toEqual([1, 1]);
    expect(cancellation.isRequested).toBe(true);
    expect(owned.owned).toBe(false);
    expect(instances.adopt(claim({ key: '1' })).memory).toBeUndefined();
    new LiveInstances({ maxInstances: 0, maxWeight: 1 }).clear();
  });
});

describe('telling activities to stop', () => {
  it('reaches each of them and leaves the instance as it is', () => {
    const instances = new LiveInstances(roomy);
    const live = instances.adopt(claim());
    const cancellations = [new Cancellation(), new Cancellation()];
    cancellations.forEach((cancellation, id) => live.running.set(id, cancellation));
    abortAll(live, 'enough');
    expect(cancellations.map((cancellation) => cancellation.isRequested)).toEqual([true, true]);
    expect(live.owned).toBe(true);
  });
});
