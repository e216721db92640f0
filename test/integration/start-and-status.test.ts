import { describe, expect, it } from 'vitest';
import { activity, orchestration } from '../../src/model/functions.ts';
import { holdingCommits } from '../support/sql.ts';
import { inBothModes } from '../support/task-hubs.ts';
import { waitFor } from '../support/wait-for.ts';

const waits = orchestration('Waits', async (ctx, input: unknown) => {
  await ctx.waitForExternalEvent('Go');
  return input;
});
const echoes = orchestration('Echoes', (_ctx, input: unknown) => input);
const fails = orchestration('Fails', () => {
  throw new Error('on purpose');
});

inBothModes('starting and looking', ({ open, database }) => {
  it('B1: a body that returns at once ends Completed, its value as output', async () => {
    const hub = await open({ functions: [orchestration('Answers', () => ({ answer: 42 }))] });
    const ended = await hub.run('Answers');
    expect(ended).toMatchObject({ runtimeStatus: 'Completed', output: { answer: 42 }, failure: null });
    expect(ended.completedAt).toBeInstanceOf(Date);
  });

  it('B2: the input given at start is what the body gets, and the status shows it', async () => {
    const hub = await open({ functions: [echoes] });
    const input = { nested: [1, 'two', { three: null }] };
    const ended = await hub.run(echoes, { input });
    expect(ended.output).toEqual(input);
    expect(ended.input).toBe(JSON.stringify(input));
  });

  it('B4, B8: Pending until the first turn is committed; a wait that runs out changes nothing', async () => {
    let isInTurn = false;
    const slow = orchestration('Slow', () => {
      isInTurn = true;
    });
    const hub = await open({ functions: [slow] });
    const id = await holdingCommits(database, async () => {
      const started = await hub.client.startNew(slow);
      await waitFor(() => isInTurn, { what: 'the body to run' });
      const waited = await hub.client.waitForCompletion(started, { timeoutMs: 300 });
      expect(waited?.runtimeStatus).toBe('Pending');
      return started;
    });
    expect((await hub.finish(id)).runtimeStatus).toBe('Completed');
  });

  it('B5: Running after the first commit of a body that waits', async () => {
    const hub = await open({ functions: [waits] });
    const id = await hub.client.startNew(waits, { input: 1 });
    const running = await hub.reach(id, 'Running');
    expect(running).toMatchObject({ name: 'Waits', output: null, completedAt: null });
    await hub.client.raiseEvent(id, 'Go');
    expect((await hub.finish(id)).output).toBe(1);
  });

  it('B6, B7: an unknown id does not exist, for a look and for a wait, and neither takes time', async () => {
    const hub = await open({ functions: [waits] });
    expect(await hub.client.getStatus('nobody')).toBeUndefined();
    expect(await hub.client.waitForCompletion('nobody', { timeoutMs: 60_000 })).toBeUndefined();
  });

  it('B9, B22: a start without id makes a fresh one; ids and execution ids are 32 hex digits', async () => {
    const hub = await open({ functions: [waits] });
    const ids = await Promise.all([hub.client.startNew(waits), hub.client.startNew(waits)]);
    expect(new Set(ids).size).toBe(2);
    for (const id of ids) {
      expect(id).toMatch(/^[0-9a-f]{32}$/);
      expect((await hub.client.getStatus(id))?.executionId).toMatch(/^[0-9a-f]{32}$/);
    }
  });

  it('B10: a second start of a live id is refused and leaves the first alone', async () => {
    const hub = await open({ functions: [waits] });
    await hub.client.startNew(waits, { instanceId: 'one', input: 'first' });
    const before = await hub.reach('one', 'Running');
    await expect(hub.client.startNew(waits, { instanceId: 'one', input: 'second' })).rejects.toMatchObject({
      code: 'InstanceAlreadyExists',
    });
    expect(await hub.client.getStatus('one')).toEqual(before);
    await hub.client.raiseEvent('one', 'Go');
    expect((await hub.finish('one')).output).toBe('first');
  });

  it.each([
    { status: 'Completed', first: echoes },
    { status: 'Failed', first: fails },
    { status: 'Terminated', first: waits },
  ] as const)('B11, B12: a start under the id of a $status instance replaces it', async ({ status, first }) => {
    const hub = await open({ functions: [waits, echoes, fails] });
    await hub.client.startNew(first, { instanceId: 'one', input: 'first' });
    if (status === 'Terminated') await hub.client.terminate('one', 'enough');
    const before = await hub.reach('one', status);
    await hub.client.startNew(waits, { instanceId: 'one', input: 'second' });
    const running = await hub.reach('one', 'Running');
    expect(running.executionId).not.toBe(before.executionId);
    expect(running.createdAt.getTime()).toBeGreaterThan(before.createdAt.getTime());
    expect(running).toMatchObject({ output: null, failure: null, completedAt: null, customStatus: null });
    await hub.client.raiseEvent('one', 'Go');
    expect((await hub.finish('one')).output).toBe('second');
  });

  it('B17: of many concurrent starts of one id exactly one wins', async () => {
    const hub = await open({ functions: [waits] });
    const starts = Array.from({ length: 20 }, (_, input) => hub.client.startNew(waits, { instanceId: 'one', input }));
    const outcomes = await Promise.allSettled(starts);
    const winners = outcomes.flatMap((outcome, input) => (outcome.status === 'fulfilled' ? [input] : []));
    expect(winners).toHaveLength(1);
    for (const outcome of outcomes) {
      if (outcome.status === 'rejected') expect(outcome.reason).toMatchObject({ code: 'InstanceAlreadyExists' });
    }
    await hub.client.raiseEvent('one', 'Go');
    expect((await hub.finish('one')).output).toBe(winners[0]);
  });

  it.each([
    ['an entity id', '@counter@one'],
    ['a slash', 'a/b'],
    ['a backslash', 'a\\b'],
    ['a hash', 'a#b'],
    ['a question mark', 'a?b'],
    ['a control character', 'a\u0007b'],
    ['U+0000', 'a\u0000b'],
    ['half a character', 'a\ud800b'],
    ['more than 256 characters', 'a'.repeat(257)],
  ])('B18: refuses %s as an instance id', async (_, instanceId) => {
    const hub = await open({ functions: [waits] });
    await expect(hub.client.startNew(waits, { instanceId })).rejects.toMatchObject({ code: 'InvalidArgument' });
    expect((await hub.client.getStatusBy({})).instances).toEqual([]);
  });

  it.each(['a', 'order 1', 'ünï-cödé-🛒', 'quote\'or"two', '%41', 'a'.repeat(256)])(
    'B18: takes %j as an instance id, as it is',
    async (instanceId) => {
      const hub = await open({ functions: [echoes] });
      expect(await hub.client.startNew(echoes, { instanceId, input: 1 })).toBe(instanceId);
      expect((await hub.finish(instanceId)).instanceId).toBe(instanceId);
    },
  );

  it('B19: a scheduled start is Pending and keeps its events; it runs at its time and not before', async () => {
    const hub = await open({ functions: [waits] });
    const startAt = new Date(Date.now() + 1_500);
    const id = await hub.client.startNew(waits, { input: 'in time', startAt });
    await hub.client.raiseEvent(id, 'Go');
    const pending = await hub.client.getStatus(id);
    expect(pending).toMatchObject({ runtimeStatus: 'Pending', scheduledStartAt: startAt });
    const ended = await hub.finish(id);
    expect(ended.output).toBe('in time');
    expect(ended.completedAt?.getTime()).toBeGreaterThanOrEqual(startAt.getTime());
  });

  it('B20: a start scheduled for the past runs at once', async () => {
    const hub = await open({ functions: [echoes] });
    expect((await hub.run(echoes, { input: 1, startAt: new Date(0) })).output).toBe(1);
  });
});

describe('task hubs', () => {
  inBothModes('side by side', ({ open }) => {
    it('nothing crosses them: same ids, own instances, own functions', async () => {
      const makeHub = (says: string) =>
        open({
          functions: [
            orchestration('Same', async (ctx) => [
              await ctx.callActivity('Says'),
              await ctx.waitForExternalEvent('Go'),
            ]),
            activity('Says', () => says),
          ],
        });
      const [one, two] = [await makeHub('one'), await makeHub('two')];
      await one.client.startNew('Same', { instanceId: 'x' });
      await two.client.startNew('Same', { instanceId: 'x' });
      await one.client.raiseEvent('x', 'Go', 1);
      expect((await one.finish('x')).output).toEqual(['one', 1]);
      expect((await two.client.getStatus('x'))?.completedAt).toBeNull();
      expect(await one.client.purgeInstanceHistoryBy({})).toEqual({ instancesDeleted: 1 });
      await two.client.raiseEvent('x', 'Go', 2);
      expect((await two.finish('x')).output).toEqual(['two', 2]);
    });
  });
});
