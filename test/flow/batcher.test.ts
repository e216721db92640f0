import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { Batcher, type BatcherOptions } from '../../src/flow/batcher.ts';
import { gate, type Gate } from '../support/gate.ts';
import { waitFor } from '../support/wait-for.ts';

interface Held {
  readonly items: readonly string[];
  readonly gate: Gate;
}

/** A batcher whose batches stand still until the test lets them go; each item's result is its text in capitals. */
function heldBatcher(options: Partial<BatcherOptions<string, string>> = {}) {
  const batches: Held[] = [];
  const batcher = new Batcher<string, string>({
    run: async (items) => {
      const held: Held = { items, gate: gate() };
      batches.push(held);
      await held.gate.passed;
      return items.map((item) => item.toUpperCase());
    },
    concurrency: 1,
    maxItems: 100,
    ...options,
  });
  return {
    batcher,
    add: (...items: readonly string[]) => Promise.all(items.map((item) => batcher.add(item))),
    /** The items of the n-th batch, once it was sent. */
    sent: async (n: number): Promise<readonly string[]> =>
      (await waitFor(() => batches[n], { what: `batch ${n}` })).items,
    release: (n: number) => batches[n]?.gate.open(),
    get count() {
      return batches.length;
    },
  };
}

/** Lets everything run that was due. */
function settled(): Promise<void> {
  return new Promise((resolve) => setImmediate(() => setImmediate(resolve)));
}

describe('joining calls', () => {
  it('sends a lone item at once', async () => {
    const { add, sent, release } = heldBatcher();
    const results = add('a');
    expect(await sent(0)).toEqual(['a']);
    release(0);
    expect(await results).toEqual(['A']);
  });

  it('joins the items of one moment, in order, and answers each', async () => {
    const { add, sent, release } = heldBatcher();
    const results = add('a', 'b', 'c');
    expect(await sent(0)).toEqual(['a', 'b', 'c']);
    release(0);
    expect(await results).toEqual(['A', 'B', 'C']);
  });

  it('joins what one answer sets free, though it takes a few microtasks', async () => {
    const { batcher, add, sent } = heldBatcher();
    void add('a');
    void Promise.resolve()
      .then(() => undefined)
      .then(() => batcher.add('b'));
    expect(await sent(0)).toEqual(['a', 'b']);
  });

  it('gathers what comes while the batches before are on their way', async () => {
    const { batcher, add, sent, release } = heldBatcher();
    void add('a');
    await sent(0);
    void add('b');
    await settled();
    void add('c');
    await settled();
    expect(batcher.size).toBe(2);
    release(0);
    expect(await sent(1)).toEqual(['b', 'c']);
    expect(batcher.size).toBe(0);
  });

  it('has as many batches under way as it may, and no more', async () => {
    const held = heldBatcher({ concurrency: 2, maxItems: 1 });
    void held.add('a', 'b', 'c');
    expect(await held.sent(1)).toEqual(['b']);
    await settled();
    expect(held.count).toBe(2);
    held.release(1);
    expect(await held.sent(2)).toEqual(['c']);
  });
});

describe('the size of a batch', () => {
  it('is bounded in items', async () => {
    const { add, sent, release } = heldBatcher({ maxItems: 2 });
    void add('a', 'b', 'c');
    expect(await sent(0)).toEqual(['a', 'b']);
    release(0);
    expect(await sent(1)).toEqual(['c']);
  });

  it('is bounded in weight', async () => {
    const { add, sent, release } = heldBatcher({ maxWeight: 5, weigh: (item) => item.length });
    void add('aa', 'bbb', 'c');
    expect(await sent(0)).toEqual(['aa', 'bbb']);
    release(0);
    expect(await sent(1)).toEqual(['c']);
  });

  it('lets an item that is heavier than the bound go alone', async () => {
    const { add, sent, release } = heldBatcher({ maxWeight: 3, weigh: (item) => item.length });
    void add('aaaaa', 'b');
    expect(await sent(0)).toEqual(['aaaaa']);
    release(0);
    expect(await sent(1)).toEqual(['b']);
  });

  it('never makes a light item overtake a heavy one', async () => {
    const { add, sent, release } = heldBatcher({ maxWeight: 3, weigh: (item) => item.length });
    void add('aa', 'bb', 'c');
    expect(await sent(0)).toEqual(['aa']);
    release(0);
    expect(await sent(1)).toEqual(['bb', 'c']);
  });
});

describe('items that must differ', () => {
  const distinctBy = (item: string): string => item.slice(0, 1);

  it('puts a repeated one into the next batch and lets others pass', async () => {
    const { add, sent, release } = heldBatcher({ distinctBy });
    void add('a1', 'a2', 'b1', 'a3', 'b2');
    expect(await sent(0)).toEqual(['a1', 'b1']);
    release(0);
    expect(await sent(1)).toEqual(['a2', 'b2']);
    release(1);
    expect(await sent(2)).toEqual(['a3']);
  });

  it('keeps the order of those of one name though a bound cut the batch', async () => {
    const { add, sent, release } = heldBatcher({ distinctBy, maxItems: 2 });
    void add('a1', 'b1', 'c1', 'c2', 'b2');
    expect(await sent(0)).toEqual(['a1', 'b1']);
    release(0);
    expect(await sent(1)).toEqual(['c1', 'b2']);
    release(1);
    expect(await sent(2)).toEqual(['c2']);
  });
});

describe('failures', () => {
  it('reject every item of their batch and of no other', async () => {
    let sent = 0;
    const batcher = new Batcher<string, string>({
      run: async (items) => {
        sent += 1;
        if (sent === 1) throw new Error('away');
        return items;
      },
      concurrency: 1,
      maxItems: 2,
    });
    const results = await Promise.allSettled(['a', 'b', 'c'].map((item) => batcher.add(item)));
    expect(results.map((result) => (result.status === 'fulfilled' ? result.value : String(result.reason)))).toEqual([
      'Error: away',
      'Error: away',
      'c',
    ]);
  });

  it('of one item can be told from the rest of its batch', async () => {
    const batcher = new Batcher<string, string>({
      run: async (items) =>
        items.map((item) => (item === 'bad' ? Promise.reject(new Error('bad')) : Promise.resolve(item))),
      concurrency: 1,
      maxItems: 10,
    });
    const [good, bad] = [batcher.add('good'), batcher.add('bad')];
    await expect(bad).rejects.toThrow('bad');
    expect(await good).toBe('good');
  });

  it('tell a caller that got no result', async () => {
    const batcher = new Batcher<string, string>({ run: async () => ['only'], concurrency: 1, maxItems: 10 });
    const [first, second] = [batcher.add('a'), batcher.add('b')];
    expect(await first).toBe('only');
    await expect(second).rejects.toThrow('fewer results than items');
  });
});

describe('draining', () => {
  it('is over at once when nothing is under way', async () => {
    await heldBatcher().batcher.drained();
  });

  it('waits for what is under way and what waits, also when it fails', async () => {
    const { batcher, add, sent, release } = heldBatcher({ maxItems: 1 });
    void add('a', 'b');
    let drained = false;
    const done = batcher.drained().then(() => (drained = true));
    await sent(0);
    release(0);
    await sent(1);
    expect(drained).toBe(false);
    release(1);
    await done;

    const failing = new Batcher<string, string>({
      run: () => Promise.reject(new Error('away')),
      concurrency: 1,
      maxItems: 1,
    });
    const results = Promise.allSettled([failing.add('a'), failing.add('b')]);
    await failing.drained();
    expect((await results).map((result) => result.status)).toEqual(['rejected', 'rejected']);
  });
});

describe('any sequence of calls', () => {
  it('is answered one by one, within the bounds, in order of each name', async () => {
    const calls = fc.array(
      fc.record({ name: fc.constantFrom('a', 'b', 'c'), weight: fc.nat(6), later: fc.boolean() }),
      {
        maxLength: 60,
      },
    );
    const bounds = fc.record({
      concurrency: fc.integer({ min: 1, max: 3 }),
      maxItems: fc.integer({ min: 1, max: 5 }),
      maxWeight: fc.integer({ min: 1, max: 10 }),
      distinct: fc.boolean(),
    });
    await fc.assert(
      fc.asyncProperty(calls, bounds, async (given, { distinct, ...rest }) => {
        const items = given.map((call, index) => ({ ...call, index }));
        const sent: (readonly (typeof items)[number][])[] = [];
        let underWay = 0;
        const batcher = new Batcher<(typeof items)[number], number>({
          ...rest,
          run: async (batch) => {
            sent.push(batch);
            underWay += 1;
            expect(underWay).toBeLessThanOrEqual(rest.concurrency);
            await settled();
            underWay -= 1;
            return batch.map((item) => item.index);
          },
          weigh: (item) => item.weight,
          ...(distinct ? { distinctBy: (item: (typeof items)[number]) => item.name } : {}),
        });
        const results: Promise<number>[] = [];
        for (const item of items) {
          if (item.later) await settled();
          results.push(batcher.add(item));
        }
        expect(await Promise.all(results)).toEqual(items.map((item) => item.index));
        for (const batch of sent) {
          expect(batch.length).toBeLessThanOrEqual(rest.maxItems);
          if (batch.length > 1) {
            expect(batch.reduce((sum, item) => sum + item.weight, 0)).toBeLessThanOrEqual(rest.maxWeight);
          }
          if (distinct) expect(new Set(batch.map((item) => item.name)).size).toBe(batch.length);
        }
        const order = sent.flat();
        for (const name of distinct ? ['a', 'b', 'c'] : ['']) {
          const ofName = order.filter((item) => !distinct || item.name === name).map((item) => item.index);
          expect(ofName).toEqual([...ofName].sort((a, b) => a - b));
        }
      }),
      { numRuns: 60 },
    );
  });
});
