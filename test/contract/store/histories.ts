import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import type { HistoryEvent } from '../../../src/model/history.ts';
import { raised, scheduled, turnStarted } from '../../support/builders.ts';
import { after, freshHub, freshId, type StoreUnderTest } from './fixture.ts';

export function histories({ store, remains }: StoreUnderTest): void {
  /** Commits turns and reads the history back, both as a client and as a worker. */
  async function store_(turns: readonly (readonly HistoryEvent[])[]) {
    const hub = await freshHub(store);
    const instanceId = freshId();
    const { worker, claim } = await hub.claimed({ instanceId });
    let instance = { ...claim, sequence: 0 };
    for (const events of turns) {
      const outcome = await worker.commitOne(instance, { events, keepOwnership: true });
      instance = { ...instance, sequence: after(instance, outcome).sequence };
    }
    const seen = await hub.history(instanceId);
    const { history } = await worker.read(claim.key, { history: true });
    expect(history).toEqual(seen);
    return { seen, instance, worker, key: claim.key };
  }

  describe('a history', () => {
    it('of a turn over 1 MiB is read back whole, and turns go on behind it', async () => {
      const events = Array.from({ length: 60 }, (_, id) =>
        scheduled(id, { input: JSON.stringify('x'.repeat(50_000)) }),
      );
      const { seen, instance, worker, key } = await store_([[turnStarted()], events, [raised('after')]]);
      expect(seen).toEqual([turnStarted(), ...events, raised('after')]);
      expect((await remains(key))['history']).toBe(instance.sequence);
      // The sequence that is told is the fence.
      expect(await worker.commitOne({ ...instance, sequence: instance.sequence - 1 })).toMatchObject({ kind: 'lost' });
      expect(await worker.commitOne(instance)).toMatchObject({ kind: 'committed', sequence: instance.sequence + 1 });
    });

    it('keeps an event that is larger than a part', async () => {
      const large = raised('large', JSON.stringify('é'.repeat(2_500_000)));
      const { seen } = await store_([[turnStarted(), large, raised('b')]]);
      expect(seen).toEqual([turnStarted(), large, raised('b')]);
    });

    it('keeps turns without events', async () => {
      const { seen, instance } = await store_([[], [turnStarted()], []]);
      expect(seen).toEqual([turnStarted()]);
      expect(instance.sequence).toBe(3);
    });

    it('of any sizes comes back in order', async () => {
      const sizes = fc.array(
        fc.array(fc.constantFrom(0, 10, 300_000, 700_000, 1_048_500, 1_100_000), { maxLength: 5 }),
        {
          maxLength: 4,
        },
      );
      await fc.assert(
        fc.asyncProperty(sizes, async (given) => {
          const turns = given.map((turn, at) =>
            turn.map((size, index) => raised(`${at}.${index}`, JSON.stringify('y'.repeat(size)))),
          );
          expect((await store_(turns)).seen).toEqual(turns.flat());
        }),
        { numRuns: 12 },
      );
    });
  });
}
