import { beforeAll, describe, expect, it } from 'vitest';
import type { InstanceFilter, OrchestrationInstance } from '../../../src/model/instance.ts';
import { freshHub, freshId, type Hub, type StoreUnderTest } from './fixture.ts';

export function listings({ store }: StoreUnderTest): void {
  async function pages(hub: Hub, filter: InstanceFilter, limit: number): Promise<readonly OrchestrationInstance[][]> {
    const found: OrchestrationInstance[][] = [];
    for (let token: string | undefined; ;) {
      const page = await store.listInstances(hub.id, filter, {
        limit,
        ...(token === undefined ? {} : { continuationToken: token }),
      });
      found.push([...page.instances]);
      token = page.continuationToken;
      if (token === undefined) return found;
      if (found.length > 1_000) throw new Error('the listing does not end');
    }
  }

  async function ids(hub: Hub, filter: InstanceFilter): Promise<readonly string[]> {
    return (await pages(hub, filter, 1_000)).flat().map((instance) => instance.instanceId);
  }

  describe('a listing', () => {
    let hub: Hub;
    const all = ['a%', 'a_1', 'ab', 'Ab', 'B', 'a', 'ä', 'zz', 'z\u{1F600}', 'a b', 'ab1', 'ab2', 'ab3'];
    const created = new Map<string, Date>();

    beforeAll(async () => {
      hub = await freshHub(store);
      for (const [index, instanceId] of all.entries()) {
        if (index % 3 === 1) await hub.ended({ instanceId, input: '1' }, { output: '2', customStatus: '"c"' });
        else await hub.start({ instanceId });
        created.set(instanceId, (await hub.get(instanceId)).createdAt);
      }
      // Others must not show.
      await (await freshHub(store)).start({ instanceId: 'ab' });
    });

    it('shows what a look-up of each would', async () => {
      const [page] = await pages(hub, {}, 100);
      for (const instance of page ?? []) expect(instance).toEqual(await hub.get(instance.instanceId));
      expect(page).toHaveLength(all.length);
    });

    it('is in the order of the ids, code point by code point', async () => {
      const sorted = [...all].sort((a, b) => Buffer.compare(Buffer.from(a), Buffer.from(b)));
      expect(await ids(hub, {})).toEqual(sorted);
    });

    it.each([1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 13, 14])(
      'B160: in pages of %i shows everything exactly once',
      async (limit) => {
        for (const filter of [{}, { createdFrom: new Date(0) }, { runtimeStatus: ['Pending', 'Completed'] as const }]) {
          const found = await pages(hub, filter, limit);
          expect(
            found
              .flat()
              .map((instance) => instance.instanceId)
              .sort(),
          ).toEqual([...all].sort());
          // No empty page at the end, none that is not full before.
          expect(found.map((page) => page.length)).toEqual(
            Array.from({ length: Math.ceil(all.length / limit) }, (_, page) =>
              Math.min(limit, all.length - page * limit),
            ),
          );
        }
      },
    );

    it('filters by prefix, in which nothing is a wildcard', async () => {
      expect(await ids(hub, { instanceIdPrefix: 'ab' })).toEqual(['ab', 'ab1', 'ab2', 'ab3']);
      expect(await ids(hub, { instanceIdPrefix: 'a%' })).toEqual(['a%']);
      expect(await ids(hub, { instanceIdPrefix: 'a_' })).toEqual(['a_1']);
      expect(await ids(hub, { instanceIdPrefix: 'A' })).toEqual(['Ab']);
      expect(await ids(hub, { instanceIdPrefix: 'ä' })).toEqual(['ä']);
      expect(await ids(hub, { instanceIdPrefix: 'none' })).toEqual([]);
    });

    it('B163: filters by status, live and ended', async () => {
      const done = all.filter((_, index) => index % 3 === 1).sort();
      expect([...(await ids(hub, { runtimeStatus: ['Completed'] }))].sort()).toEqual(done);
      expect(await ids(hub, { runtimeStatus: ['Failed', 'Running'] })).toEqual([]);
      expect(await ids(hub, { runtimeStatus: ['Pending', 'Completed'] })).toHaveLength(all.length);
      expect(await ids(hub, { runtimeStatus: [] })).toHaveLength(all.length);
    });

    it('filters by time of creation, both ends included, as shown', async () => {
      const times = all.map((id) => created.get(id)?.getTime() ?? 0);
      const middle = new Date(times[6] ?? 0);
      const expectedFrom = all.filter((_, index) => (times[index] ?? 0) >= middle.getTime()).sort();
      const expectedTo = all.filter((_, index) => (times[index] ?? 0) <= middle.getTime()).sort();
      expect([...(await ids(hub, { createdFrom: middle }))].sort()).toEqual(expectedFrom);
      expect([...(await ids(hub, { createdTo: middle }))].sort()).toEqual(expectedTo);
      const just = await ids(hub, { createdFrom: middle, createdTo: middle });
      expect(just).toContain(all[6]);
    });

    it('combines filters, and with times is in the order of creation', async () => {
      const filter = {
        createdFrom: new Date(0),
        createdTo: new Date(Date.now() + 60_000),
        runtimeStatus: ['Pending'] as const,
        instanceIdPrefix: 'a',
      };
      const expected = all.filter((id, index) => index % 3 !== 1 && id.startsWith('a'));
      expect(await ids(hub, filter)).toEqual(expected);
    });
  });

  describe('a continuation token', () => {
    it('of another hub, another filter, or with one character changed is refused', async () => {
      const hub = await freshHub(store);
      for (let index = 0; index < 4; index += 1) await hub.start({ instanceId: freshId() });
      for (const filter of [{}, { createdFrom: new Date(0) }] as const) {
        const page = { limit: 2 };
        const { continuationToken = '' } = await store.listInstances(hub.id, filter, page);
        expect(continuationToken).not.toBe('');
        const elsewhere = await freshHub(store);
        const changed = [...continuationToken].map(
          (letter, at) =>
            continuationToken.slice(0, at) + (letter === 'A' ? 'B' : 'A') + continuationToken.slice(at + 1),
        );
        const attempts: readonly (readonly [number, InstanceFilter, string])[] = [
          [elsewhere.id, filter, continuationToken],
          [hub.id, { ...filter, instanceIdPrefix: 'x' }, continuationToken],
          ...['nonsense', '.', 'a.b', 'null', continuationToken + 'x'].map((token) => [hub.id, filter, token] as const),
          ...changed.map((token) => [hub.id, filter, token] as const),
        ];
        for (const [hubId, given, token] of attempts) {
          await expect(
            store.listInstances(hubId, given, { ...page, continuationToken: token }),
            token,
          ).rejects.toMatchObject({ code: 'InvalidArgument' });
        }
      }
    });

    it('B161: goes on with another page size', async () => {
      const hub = await freshHub(store);
      const all = Array.from({ length: 21 }, (_, index) => `i${String(index).padStart(2, '0')}`);
      for (const instanceId of all) await hub.start({ instanceId });
      const found: string[] = [];
      let token: string | undefined;
      for (const limit of [5, 4, 7, 100]) {
        const page = await store.listInstances(
          hub.id,
          {},
          { limit, ...(token === undefined ? {} : { continuationToken: token }) },
        );
        found.push(...page.instances.map((instance) => instance.instanceId));
        token = page.continuationToken;
      }
      expect(found).toEqual(all);
      expect(token).toBeUndefined();
    });

    it('goes on behind its page though instances come and go in between', async () => {
      for (const filter of [{}, { createdFrom: new Date(0) }] as const) {
        const hub = await freshHub(store);
        for (const instanceId of ['b', 'c', 'd', 'e']) await hub.ended({ instanceId });
        const first = await store.listInstances(hub.id, filter, { limit: 2 });
        expect(first.instances.map((instance) => instance.instanceId)).toEqual(['b', 'c']);
        await store.purgeInstance(hub.id, 'c');
        await store.purgeInstance(hub.id, 'd');
        await hub.start({ instanceId: 'f' });
        const second = await store.listInstances(hub.id, filter, {
          limit: 10,
          continuationToken: first.continuationToken ?? '',
        });
        expect(second.instances.map((instance) => instance.instanceId)).toEqual(['e', 'f']);
      }
    });
  });

  describe('a listing of instances created in one moment', () => {
    it('shows each exactly once in pages', async () => {
      const hub = await freshHub(store);
      const wanted = Array.from({ length: 60 }, () => freshId());
      await Promise.all(wanted.map((instanceId) => hub.start({ instanceId })));
      const found = (await pages(hub, { runtimeStatus: ['Pending'] }, 7)).flat().map((instance) => instance.instanceId);
      expect([...found].sort()).toEqual([...wanted].sort());
    });
  });

  describe('finding what has ended', () => {
    it('names ended and missing instances, not live ones', async () => {
      const hub = await freshHub(store);
      const live = await hub.start();
      const done = await hub.ended();
      expect(new Set(await store.findEnded([live, done, '999999999']))).toEqual(new Set([done, '999999999']));
      expect(await store.findEnded([])).toEqual([]);
    });
  });
}
