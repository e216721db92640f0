/** Versions: several of one name in a worker, workers that serve some of them, defaults (engine.md 2.15). */
import { expect, it } from 'vitest';
import { activity, orchestration } from '../../src/model/functions.ts';
import { eventsOf, historyOf } from '../support/history.ts';
import { execute } from '../support/sql.ts';
import { freshName, inBothModes } from '../support/task-hubs.ts';
import { waitFor } from '../support/wait-for.ts';

/** An orchestration that says which code ran it, and as what. */
function code(name: string, label: string, version?: string) {
  return orchestration(name, version === undefined ? {} : { version }, (ctx) => [label, ctx.version ?? null]);
}

inBothModes('versions', ({ open, database }) => {
  it('B193: a worker runs each instance with the code of its version', async () => {
    const functions = [code('Order', 'any'), code('order', 'two', '2.0'), code('Order', 'three', '3')];
    const hub = await open({ functions });
    const outputs = [];
    for (const version of [undefined, '', '1', '2', '2.0', '3.0', '4']) {
      outputs.push((await hub.run('Order', version === undefined ? {} : { version })).output);
    }
    expect(outputs).toEqual([
      ['any', null],
      ['any', ''],
      ['any', '1'],
      ['two', '2'],
      ['two', '2.0'],
      ['three', '3.0'],
      ['any', '4'],
    ]);
  });

  it('a definition that is started or called brings its version; a start by name gets the newest when all have one', async () => {
    const [one, two] = [code('Child', 'one', '1.9'), code('Child', 'two', '1.10')];
    const calls = orchestration('Calls', async (ctx) => [
      await ctx.callSubOrchestrator(one),
      await ctx.callSubOrchestrator(two),
      await ctx.callSubOrchestrator('Child', undefined, { version: '1.9' }),
    ]);
    const hub = await open({ functions: [one, two, calls] });
    expect((await hub.run(one)).output).toEqual(['one', '1.9']);
    expect((await hub.run('Child')).output).toEqual(['two', '1.10']);
    expect((await hub.run(calls)).output).toEqual([
      ['one', '1.9'],
      ['two', '1.10'],
      ['one', '1.9'],
    ]);
  });

  it('two definitions of one name and version are refused', async () => {
    await expect(open({ functions: [code('A', 'x', '1'), code('a', 'y', '1.0')] })).rejects.toMatchObject({
      code: 'InvalidArgument',
      message: expect.stringContaining("with the version '1'") as string,
    });
  });

  it('B98: continueAsNew with another version goes on with the code for that', async () => {
    const old = orchestration('Loop', { version: '1' }, (ctx, seen: readonly string[]) => {
      ctx.continueAsNew([...seen, 'one'], { version: '2' });
    });
    const young = orchestration('Loop', { version: '2' }, (_ctx, seen: readonly string[]) => [...seen, 'two']);
    const hub = await open({ functions: [old, young] });
    const ended = await hub.run('Loop', { input: [], version: '1' });
    expect(ended).toMatchObject({ output: ['one', 'two'], version: '2' });
  });

  it('B98: also when only another worker has it', async () => {
    const taskHub = freshName();
    const old = orchestration('Loop', { version: '1' }, (ctx) => ctx.continueAsNew(undefined, { version: '2' }));
    const first = await open({ taskHub, functions: [old] });
    const id = await first.client.startNew(old);
    await waitFor(async () => (await first.client.getStatus(id))?.version === '2');
    const second = await open({ taskHub, functions: [code('Loop', 'two', '2')] });
    expect((await second.finish(id)).output).toEqual(['two', '2']);
  });

  it.each([
    ['Strict', ['', '0.9', '1.1'], ['1.0']],
    ['CurrentOrOlder', ['1.1'], ['', '0.9', '1.0']],
  ] as const)('B194: %s with Fail ends what does not match', async (matchStrategy, failing, served) => {
    const versioning = { version: '1.0', matchStrategy, failureStrategy: 'Fail' } as const;
    const hub = await open({ functions: [code('A', 'ran')], versioning });
    for (const version of served) expect((await hub.run('A', { version })).output).toEqual(['ran', version]);
    for (const version of failing) {
      const ended = await hub.run('A', { version });
      expect(ended).toMatchObject({ runtimeStatus: 'Failed', failure: { errorType: 'VersionMismatch' } });
    }
  });

  it('B195: what a worker rejects stays, and a suitable worker completes it later', async () => {
    const taskHub = freshName();
    const old = { version: '1.0', matchStrategy: 'CurrentOrOlder' } as const;
    const first = await open({ taskHub, functions: [code('A', 'first')], versioning: old });
    const newer = await Promise.all(Array.from({ length: 20 }, () => first.client.startNew('A', { version: '2.0' })));
    // Behind those that it cannot run, it goes on with those that it can.
    expect((await first.run('A', { version: '0.9' })).output).toEqual(['first', '0.9']);
    for (const id of newer) expect((await first.client.getStatus(id))?.runtimeStatus).toBe('Pending');
    const second = await open({ taskHub, functions: [code('A', 'second', '2')] });
    for (const id of newer) expect((await second.finish(id)).output).toEqual(['second', '2.0']);
  });

  it('B195: a worker without the code leaves the instances of one that has died to one that has it', async () => {
    const taskHub = freshName();
    const slow = activity('Slow', (_input: undefined, ctx) =>
      ctx.redelivery > 0 ? 'again' : new Promise<string>(() => undefined),
    );
    const two = orchestration('A', { version: '2' }, (ctx) => ctx.callActivity(slow));
    // It does not look again so soon: as if it were dead once its lease has ended.
    const dying = await open({ taskHub, functions: [two, slow], stopGraceMs: 50, pollMs: 60_000, leaseMs: 600_000 });
    const id = await dying.client.startNew(two);
    await waitFor(async () => eventsOf(await historyOf(dying, id), 'TaskScheduled').length === 1);
    await execute(
      database,
      "update workers set expires_at = now() - interval '1 second' where hub_id = (select id from task_hubs where name = $1)",
      [taskHub],
    );
    const without = await open({ taskHub, functions: [code('A', 'one', '1'), slow] });
    expect((await without.run('A', { version: '1' })).output).toEqual(['one', '1']);
    expect((await without.client.getStatus(id))?.runtimeStatus).toBe('Running');
    const heir = await open({ taskHub, functions: [two, slow] });
    expect((await heir.finish(id)).output).toBe('again');
  });

  it("B196: a sub-orchestration gets the worker's default version unless it is given one; an empty text counts", async () => {
    const child = orchestration('Child', (ctx) => ctx.version ?? null);
    const parent = orchestration('Parent', async (ctx) => [
      ctx.version ?? null,
      await ctx.callSubOrchestrator(child),
      await ctx.callSubOrchestrator(child, undefined, { version: '7' }),
      await ctx.callSubOrchestrator(child, undefined, { version: '' }),
    ]);
    const hub = await open({ functions: [parent, child], versioning: { defaultVersion: '3' } });
    expect((await hub.run(parent)).output).toEqual(['3', '3', '7', '']);
    expect((await hub.run(parent, { version: '' })).output).toEqual(['', '3', '7', '']);
  });

  it('a restart keeps the version that it had, be it none', async () => {
    const taskHub = freshName();
    const echo = orchestration('Echo', (ctx) => ctx.version ?? null);
    const before = await open({ taskHub, functions: [echo] });
    const { instanceId } = await before.run(echo);
    await before.stop();
    const after = await open({ taskHub, functions: [echo], versioning: { defaultVersion: '3' } });
    expect((await after.finish(await after.client.restart(instanceId))).output).toBeNull();
  });

  it('compareVersionTo: code that changed for new instances only', async () => {
    const body = orchestration('Body', (ctx) => ['1.9', '2', '2.1'].map((other) => ctx.compareVersionTo(other)));
    const hub = await open({ functions: [body] });
    expect((await hub.run(body, { version: '2.0' })).output).toEqual([1, 0, -1]);
    expect((await hub.run(body)).output).toEqual([-1, -1, -1]);
  });

  it('a call of an activity runs the code of its version; a worker leaves calls to those who have it', async () => {
    const taskHub = freshName();
    const [one, two] = [
      activity('Work', { version: '1' }, () => 'one'),
      activity('Work', { version: '2' }, () => 'two'),
    ];
    const body = orchestration('Body', async (ctx) => [
      await ctx.callActivity(one),
      await ctx.callActivity('Work', undefined, { version: '2.0' }),
    ]);
    const first = await open({ taskHub, functions: [body, one] });
    const id = await first.client.startNew(body);
    await waitFor(async () => eventsOf(await historyOf(first, id), 'TaskScheduled').length === 2);
    await open({ taskHub, functions: [two] });
    expect((await first.finish(id)).output).toEqual(['one', 'two']);
  });
});
