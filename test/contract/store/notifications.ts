import { describe, expect, it, onTestFinished } from 'vitest';
import type { WorkNotification } from '../../../src/model/work.ts';
import type { Store } from '../../../src/store/store.ts';
import { waitFor } from '../../support/wait-for.ts';
import { freshHub, freshId, type StoreUnderTest } from './fixture.ts';

export function notifications({ store, other }: StoreUnderTest): void {
  function listen(to: Store): readonly WorkNotification[] {
    const heard: WorkNotification[] = [];
    onTestFinished(to.notifications.subscribe((notification) => heard.push(notification)));
    return heard;
  }

  /** A process that listens hears what others say; before, it may miss some of it. */
  async function connected(): Promise<void> {
    let heard = false;
    const end = other.notifications.subscribe((notification) => {
      heard ||= notification.kind === 'ended' && notification.keys.includes('0');
    });
    await waitFor(
      () => {
        store.notifications.publish({ kind: 'ended', hubId: 0, keys: ['0'] });
        return heard;
      },
      { intervalMs: 50, what: 'the other process to listen' },
    );
    end();
  }

  const ofHub = (hubId: number) => (notification: WorkNotification) =>
    'hubId' in notification && notification.hubId === hubId;

  describe('a notification', () => {
    it('is heard at once in its own process and soon in others, once in each', async () => {
      await connected();
      const hub = await freshHub(store);
      const [here, there] = [listen(store), listen(other)];
      store.notifications.publish({ kind: 'ended', hubId: hub.id, keys: ['1', '2'] });
      expect(here.filter(ofHub(hub.id))).toEqual([{ kind: 'ended', hubId: hub.id, keys: ['1', '2'] }]);
      await waitFor(() => there.some(ofHub(hub.id)));
      store.notifications.publish({ kind: 'activities', hubId: hub.id });
      await waitFor(() => there.filter(ofHub(hub.id)).length === 2);
      expect(there.filter(ofHub(hub.id))).toEqual([
        { kind: 'ended', hubId: hub.id, keys: ['1', '2'] },
        { kind: 'activities', hubId: hub.id },
      ]);
      expect(here.filter(ofHub(hub.id))).toHaveLength(2);
    });

    it('tells workers of starts, and the owner of messages', async () => {
      await connected();
      const hub = await freshHub(store);
      const there = listen(other);
      const instanceId = freshId();
      const { worker, claim } = await hub.claimed({ instanceId });
      await waitFor(() => there.some((heard) => heard.kind === 'instances' && heard.hubId === hub.id));
      await hub.raise(instanceId, 'Go');
      await waitFor(() => there.some((heard) => heard.kind === 'inbox' && heard.keys.includes(claim.key)));
      await worker.commitOne(claim);
      await hub.raise(instanceId, 'Go');
      await waitFor(() => there.filter((heard) => heard.kind === 'instances' && heard.hubId === hub.id).length === 2);
    });

    it('of more keys than one payload holds tells all of them', async () => {
      await connected();
      const hub = await freshHub(store);
      const there = listen(other);
      const keys = Array.from({ length: 5_000 }, (_, index) => String(9_000_000_000_000_000n + BigInt(index)));
      store.notifications.publish({ kind: 'ended', hubId: hub.id, keys });
      const told = (): string[] =>
        there.flatMap((heard) => (heard.kind === 'ended' && heard.hubId === hub.id ? [...heard.keys] : []));
      await waitFor(() => told().length === keys.length);
      expect(new Set(told())).toEqual(new Set(keys));
    });

    it('is not heard by those who have stopped listening', async () => {
      const heard: WorkNotification[] = [];
      const end = store.notifications.subscribe((notification) => heard.push(notification));
      end();
      store.notifications.publish({ kind: 'instances', hubId: 0 });
      expect(heard).toEqual([]);
    });
  });
}
