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

    it('filters by what the starts said: name without case, exact version, all of some tags', async () => {
      const said = await freshHub(store);
      await said.start({ instanceId: '1', name: 'Order', version: '2', tags: { team: 'a', tier: 'gold' } });
      await said.start({ instanceId: '2', name: 'ORDER', version: '2.0', tags: { team: 'a' } });
      await said.start({ instanceId: '3', name: 'Orders', tags: { team: 'b' } });
      await said.ended({ instanceId: '4', version: '2' });
      expect(await ids(said, { name: 'order' })).toEqual(['1', '2', '4']);
      expect(await ids(said, { name: 'Orders' })).toEqual(['3']);
      expect(await ids(said, { name: 'Order%' })).toEqual([]);
      expect(await ids(said, { version: '2' })).toEqual(['1', '4']);
      expect(await ids(said, { tags: { team: 'a' } })).toEqual(['1', '2']);
      expect(await ids(said, { tags: { tier: 'gold', team: 'a' } })).toEqual(['1']);
      expect(await ids(said, { tags: { team: 'A' } })).toEqual([]);
      expect(await ids(said, { tags: {} })).toEqual(['1', '2', '3', '4']);
      expect(await ids(said, { name: 'order', version: '2', runtimeStatus: ['Pending'] })).toEqual(['1']);
      expect((await pages(said, { name: 'order' }, 2)).map((page) => page.length)).toEqual([2, 1]);
    });

    it('of live instances only is in the order of their starts', async () => {
      const live = all.filter((_, index) => index % 3 !== 1);
      expect(await ids(hub, { runtimeStatus: ['Pending', 'Running'] })).toEqual(live);
      expect(await ids(hub, { runtimeStatus: ['Suspended'] })).toEqual([]);
    });

    it.each(['\u{D7FF}', 'z\u{10FFFF}', '\u{10FFFF}', '\u{1F600}'])(
      'finds everything that begins with %j',
      async (prefix) => {
        const odd = await freshHub(store);
        const beginning = [prefix, `${prefix}a`, `${prefix}\u{10FFFF}`];
        for (const instanceId of [...beginning, 'y', 'z', '\u{E000}']) await odd.start({ instanceId });
        expect([...(await ids(odd, { instanceIdPrefix: prefix }))].sort()).toEqual([...beginning].sort());
      },
    );

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

  describe('a count', () => {
    it('is that of a listing with the same filter, by status', async () => {
      const hub = await freshHub(store);
      for (const instanceId of ['a1', 'a2', 'b1']) await hub.start({ instanceId });
      await hub.ended({ instanceId: 'a3' });
      await hub.ended({ instanceId: 'b2', name: 'Order', version: '1' }, { status: 'Failed' });
      const none = { Pending: 0, Running: 0, Suspended: 0, Completed: 0, Failed: 0, Terminated: 0, Canceled: 0 };
      expect(await store.countInstances(hub.id, {})).toEqual({ ...none, Pending: 3, Completed: 1, Failed: 1 });
      expect(await store.countInstances(hub.id, { instanceIdPrefix: 'a' })).toEqual({
        ...none,
        Pending: 2,
        Completed: 1,
      });
      expect(await store.countInstances(hub.id, { version: '1' })).toEqual({ ...none, Failed: 1 });
      expect(await store.countInstances(hub.id, { runtimeStatus: ['Pending'] })).toEqual({ ...none, Pending: 3 });
      const filter = { createdFrom: new Date(0), runtimeStatus: ['Completed', 'Pending'] as const };
      expect(await store.countInstances(hub.id, filter)).toEqual({ ...none, Pending: 3, Completed: 1 });
      expect(await store.countInstances(0, {})).toEqual(none);
    });
  });

  describe('finding orchestrations', () => {
    it('gives ids and statuses in pages, and no entities', async () => {
      const hub = await freshHub(store);
      for (const instanceId of ['a', 'b', 'c']) await hub.start({ instanceId });
      await hub.ended({ instanceId: 'd' });
      const event = { type: 'EntityOperationSignaled' as const, requestId: 'r', operation: 'add' };
      await store.sendToEntity({ hubId: hub.id, instanceId: '@counter@k', event });
      for (const filter of [{}, { runtimeStatus: ['Pending', 'Running'] }, { createdFrom: new Date(0) }] as const) {
        const first = await store.findOrchestrations(hub.id, filter, { limit: 2 });
        expect(first.instances.map((one) => one.instanceId)).toEqual(['a', 'b']);
        const { continuationToken = '' } = first;
        const second = await store.findOrchestrations(hub.id, filter, { limit: 9, continuationToken });
        const rest = 'runtimeStatus' in filter ? ['c'] : ['c', 'd'];
        expect(second.instances.map((one) => one.instanceId)).toEqual(rest);
        expect(second.continuationToken).toBeUndefined();
        expect(second.instances[0]).toMatchObject({ key: (await hub.get('c')).key, runtimeStatus: 'Pending' });
      }
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
          [hub.id, { ...filter, name: 'Order' }, continuationToken],
          [hub.id, { ...filter, version: '1' }, continuationToken],
          [hub.id, { ...filter, tags: { a: 'b' } }, continuationToken],
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
