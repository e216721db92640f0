/** What a start does when its id is taken. */
import { expect, it } from 'vitest';
import type { OnExisting } from '../../src/client/client.ts';
import { activity, orchestration } from '../../src/model/functions.ts';
import { gate } from '../support/gate.ts';
import { freshName, inBothModes, type TestHub } from '../support/task-hubs.ts';

const waits = orchestration('Waits', async (ctx, input: unknown) => {
  await ctx.waitForExternalEvent('Go');
  return input;
});
const echoes = orchestration('Echoes', (_ctx, input: unknown) => input);
const fails = orchestration('Fails', () => {
  throw new Error('on purpose');
});
const functions = [waits, echoes, fails];

const makers = {
  Completed: (hub: TestHub) => hub.client.startNew(echoes, { instanceId: 'one', input: 'first' }),
  Failed: (hub: TestHub) => hub.client.startNew(fails, { instanceId: 'one', input: 'first' }),
  Terminated: async (hub: TestHub) => {
    await hub.client.startNew(waits, { instanceId: 'one', input: 'first' });
    await hub.client.terminate('one', 'enough');
  },
  Pending: (hub: TestHub) => hub.client.startNew(waits, { instanceId: 'one', input: 'first', startAt: '1h' }),
  Running: (hub: TestHub) => hub.client.startNew(waits, { instanceId: 'one', input: 'first' }),
  Suspended: async (hub: TestHub) => {
    await hub.client.startNew(waits, { instanceId: 'one', input: 'first' });
    await hub.reach('one', 'Running');
    await hub.client.suspend('one');
  },
} as const;
type Status = keyof typeof makers;
const ended = ['Completed', 'Failed', 'Terminated'] as const;
const live = ['Pending', 'Running', 'Suspended'] as const;

async function openWith(open: (options: { readonly functions: typeof functions }) => Promise<TestHub>, status: Status) {
  const hub = await open({ functions });
  await makers[status](hub);
  return { hub, before: await hub.reach('one', status) };
}

inBothModes('a start under an id that is taken', ({ open }) => {
  it.each([
    ...live.map((status) => ({ status, onExisting: undefined })),
    ...live.map((status) => ({ status, onExisting: 'replace' as const })),
    ...[...live, ...ended].map((status) => ({ status, onExisting: 'error' as const })),
    { status: 'Completed', onExisting: { replace: ['Failed', 'Terminated', 'Running'] } },
    { status: 'Suspended', onExisting: { replace: ['Failed', 'Terminated', 'Running'] } },
  ] as readonly { readonly status: Status; readonly onExisting: OnExisting | undefined }[])(
    'B10, B16: by a $status instance with onExisting $onExisting is refused, and the first is untouched',
    async ({ status, onExisting }) => {
      const { hub, before } = await openWith(open, status);
      const options = { instanceId: 'one', input: 'second', ...(onExisting === undefined ? {} : { onExisting }) };
      await expect(hub.client.startNew(waits, options)).rejects.toMatchObject({
        code: 'InstanceAlreadyExists',
        message: `An Orchestration instance with the status ${status} already exists.`,
      });
      expect(await hub.client.getStatus('one')).toEqual(before);
    },
  );

  it.each([
    ...ended.map((status) => ({ status, onExisting: 'replace' as const })),
    ...[...live, ...ended].map((status) => ({ status, onExisting: 'terminate' as const })),
    { status: 'Completed', onExisting: { replace: ['Completed'] } },
    { status: 'Running', onExisting: { replace: ['Running', 'Terminated'] } },
  ] as readonly { readonly status: Status; readonly onExisting: OnExisting }[])(
    'B12, B13, B16: by a $status instance with onExisting $onExisting replaces it',
    async ({ status, onExisting }) => {
      const { hub, before } = await openWith(open, status);
      await hub.client.startNew(waits, { instanceId: 'one', input: 'second', onExisting });
      const running = await hub.reach('one', 'Running');
      expect(running.key).not.toBe(before.key);
      expect(running.executionId).not.toBe(before.executionId);
      expect(running.createdAt.getTime()).toBeGreaterThan(before.createdAt.getTime());
      expect(running).toMatchObject({ output: null, failure: null, scheduledStartAt: null });
      await hub.client.raiseEvent('one', 'Go');
      expect((await hub.finish('one')).output).toBe('second');
    },
  );

  it.each([...live, ...ended])(
    'B14: with "return" a %s instance is left alone, and its id returned',
    async (status) => {
      const { hub, before } = await openWith(open, status);
      for (const onExisting of ['return', { replace: [], otherwise: 'return' }] as const) {
        expect(await hub.client.startNew(waits, { instanceId: 'one', input: 'second', onExisting })).toBe('one');
      }
      expect(await hub.client.getStatus('one')).toEqual(before);
    },
  );

  it('a singleton: goes on if it is live, starts anew when it has ended', async () => {
    const { hub, before } = await openWith(open, 'Running');
    const onExisting = { replace: ended, otherwise: 'return' } as const;
    await hub.client.startNew(waits, { instanceId: 'one', onExisting });
    expect((await hub.client.getStatus('one'))?.key).toBe(before.key);
    await hub.client.raiseEvent('one', 'Go');
    await hub.finish('one');
    await hub.client.startNew(waits, { instanceId: 'one', onExisting });
    expect((await hub.reach('one', 'Running')).key).not.toBe(before.key);
  });

  it("B15: a policy that replaces live instances but not terminated ones is refused, naming 'Terminated'", async () => {
    const { hub, before } = await openWith(open, 'Running');
    const onExisting = { replace: ['Running', 'Completed', 'Failed'] } as const;
    await expect(hub.client.startNew(waits, { instanceId: 'one', onExisting })).rejects.toMatchObject({
      code: 'InvalidArgument',
      message: expect.stringContaining("'Terminated'"),
    });
    expect(await hub.client.getStatus('one')).toEqual(before);
  });

  it.each(['ignore', '', null, 7, {}, { replace: 'Running' }, { replace: ['Done'] }, { replace: [], otherwise: 'x' }])(
    'refuses onExisting %j',
    async (given) => {
      const hub = await open({ functions });
      const onExisting = given as OnExisting;
      await expect(hub.client.startNew(waits, { instanceId: 'one', onExisting })).rejects.toMatchObject({
        code: 'InvalidArgument',
      });
      expect(await hub.client.getStatus('one')).toBeUndefined();
    },
  );

  it.each(['error', 'return', 'replace', 'terminate'] as const)(
    'B17: with %s a new id is created once',
    async (onExisting) => {
      const hub = await open({ functions });
      const starts = Array.from({ length: 10 }, (_, input) =>
        hub.client.startNew(waits, { instanceId: 'one', input, onExisting }),
      );
      const outcomes = await Promise.allSettled(starts);
      const won = outcomes.filter((outcome) => outcome.status === 'fulfilled').length;
      expect(won).toBe(onExisting === 'return' || onExisting === 'terminate' ? 10 : 1);
      await hub.reach('one', 'Running');
      expect((await hub.client.getStatusBy({})).instances).toHaveLength(1);
    },
  );

  it('who waits for the one that is replaced waits for the new one', async () => {
    const { hub } = await openWith(open, 'Running');
    const waiting = hub.client.waitForCompletion('one', { timeoutMs: 15_000 });
    await hub.client.startNew(echoes, { instanceId: 'one', input: 'second', onExisting: 'terminate' });
    expect((await waiting)?.output).toBe('"second"');
  });

  it.each(['in its own worker', 'in another worker'])(
    'an activity of the replaced one that runs %s is told to stop, and its result reaches nobody',
    async (where) => {
      const taskHub = freshName();
      const [begun, aborted, release] = [gate(), gate(), gate()];
      let runs = 0;
      const slow = activity('Slow', async (_input, ctx) => {
        runs += 1;
        if (runs > 1) return 'new';
        ctx.signal.addEventListener('abort', () => aborted.open());
        begun.open();
        await release.passed;
        return 'old';
      });
      const body = orchestration('Body', (ctx) => ctx.callActivity('Slow'));
      const isLocal = where === 'in its own worker';
      const hub = await open({ taskHub, functions: isLocal ? [body, slow] : [body] });
      if (!isLocal) await open({ taskHub, functions: [slow] });
      await hub.client.startNew(body, { instanceId: 'one' });
      await begun.passed;
      await hub.client.startNew(body, { instanceId: 'one', onExisting: 'terminate' });
      await aborted.passed;
      release.open();
      expect((await hub.finish('one')).output).toBe('new');
      expect(runs).toBe(2);
    },
  );
});
