import { expect, it } from 'vitest';
import { activity, orchestration } from '../../src/model/functions.ts';
import { gate } from '../support/gate.ts';
import { eventsOf, historyOf, typesOf } from '../support/history.ts';
import { freshName, inBothModes } from '../support/task-hubs.ts';
import { waitFor } from '../support/wait-for.ts';

const echo = activity('Echo', (input: unknown) => input);
const waits = orchestration('Waits', async (ctx) => ctx.waitForExternalEvent('Go'));
/** Takes ten events, then ends. */
const takesTen = orchestration('TakesTen', async (ctx) => {
  const taken: unknown[] = [];
  while (taken.length < 10) taken.push(await ctx.waitForExternalEvent('Item'));
  return taken;
});

inBothModes('terminate', ({ open }) => {
  it.each(['enough', '{"because":"enough"}', '', undefined, 'ünï 🛑'])(
    'B109: a waiting instance ends Terminated, the reason %j as its output, verbatim',
    async (reason) => {
      const hub = await open({ functions: [waits] });
      const id = await hub.client.startNew(waits);
      await hub.reach(id, 'Running');
      await hub.client.terminate(id, reason);
      const ended = await hub.reach(id, 'Terminated');
      expect(ended.output).toBe(reason ?? null);
      expect(ended.completedAt).toBeInstanceOf(Date);
    },
  );

  it('B110: right after the start, whether it has begun or not', async () => {
    const hub = await open({ functions: [waits] });
    const ids = Array.from({ length: 20 }, (_, n) => `order-${n}`);
    await Promise.all(
      ids.map(async (instanceId) => {
        await hub.client.startNew(waits, { instanceId });
        await hub.client.terminate(instanceId, 'enough');
      }),
    );
    for (const id of ids) expect((await hub.finish(id)).runtimeStatus).toBe('Terminated');
  });

  it('B110: without any worker a Pending instance is ended at once', async () => {
    const hub = await open({ worker: false });
    const id = await hub.client.startNew('Nobody');
    await hub.client.terminate(id, 'enough');
    expect(await hub.client.getStatus(id)).toMatchObject({ runtimeStatus: 'Terminated', output: 'enough' });
  });

  it('B111: a scheduled instance ends at once, and does not start at its time', async () => {
    let runs = 0;
    const counted = orchestration('Counted', () => void (runs += 1));
    const hub = await open({ functions: [counted] });
    const startAt = new Date(Date.now() + 600);
    const id = await hub.client.startNew(counted, { startAt });
    await hub.client.terminate(id, 'enough');
    expect((await hub.client.getStatus(id))?.runtimeStatus).toBe('Terminated');
    // One that was scheduled for later has run: so would this one have.
    await hub.run(counted, { startAt: new Date(startAt.getTime() + 100) });
    expect(runs).toBe(1);
    expect((await hub.client.getStatus(id))?.runtimeStatus).toBe('Terminated');
  });

  it('B112: a suspended instance', async () => {
    const hub = await open({ functions: [waits] });
    const id = await hub.client.startNew(waits);
    await hub.reach(id, 'Running');
    await hub.client.suspend(id);
    await hub.reach(id, 'Suspended');
    await hub.client.terminate(id, 'enough');
    expect(await hub.finish(id)).toMatchObject({ runtimeStatus: 'Terminated', output: 'enough' });
  });

  it('B113, B114: an ended instance, also one that was terminated: refused, nothing changes', async () => {
    const hub = await open({ functions: [waits, orchestration('Done', () => 1)] });
    const { instanceId: completed } = await hub.run('Done');
    const terminated = await hub.client.startNew(waits);
    await hub.client.terminate(terminated, 'once');
    await hub.finish(terminated);
    for (const id of [completed, terminated]) {
      const before = await hub.client.getStatus(id);
      await expect(hub.client.terminate(id, 'twice')).rejects.toMatchObject({ code: 'InstanceTerminal' });
      expect(await hub.client.getStatus(id)).toEqual(before);
    }
  });

  it('B114: twice at the same time is as once', async () => {
    const hub = await open({ functions: [waits] });
    const id = await hub.client.startNew(waits);
    await hub.reach(id, 'Running');
    await Promise.allSettled([hub.client.terminate(id, 'enough'), hub.client.terminate(id, 'enough')]);
    expect(await hub.finish(id)).toMatchObject({ runtimeStatus: 'Terminated', output: 'enough' });
    expect(eventsOf(await historyOf(hub, id), 'ExecutionTerminated')).toHaveLength(1);
  });

  it.each(['here', 'in another worker'])(
    'F46 B117: an activity that ends afterwards %s changes nothing',
    async (where) => {
      const taskHub = freshName();
      const [begun, release] = [gate(), gate()];
      const wasAborted = gate();
      const slow = activity('Slow', async (_input, ctx) => {
        ctx.signal.addEventListener('abort', () => wasAborted.open());
        begun.open();
        await release.passed;
        return 'too late';
      });
      const body = orchestration('Body', (ctx) => ctx.callActivity('Slow'));
      const isLocal = where === 'here';
      const hub = await open({ taskHub, functions: isLocal ? [body, slow] : [body] });
      const other = isLocal ? undefined : await open({ taskHub, functions: [slow] });
      const id = await hub.client.startNew(body);
      await begun.passed;
      await hub.client.terminate(id, 'enough');
      const ended = await hub.reach(id, 'Terminated');
      // It is told, and may go on all the same.
      await wasAborted.passed;
      const before = await hub.client.getStatus(id, { showHistory: true });
      release.open();
      await Promise.all([hub.stop(), other?.stop()]);
      const { client } = await open({ taskHub, worker: false });
      expect(await client.getStatus(id, { showHistory: true })).toEqual(before);
      expect(ended.output).toBe('enough');
    },
  );

  it('F46 queued activities that nobody has begun are not run', async () => {
    const taskHub = freshName();
    const body = orchestration('Body', (ctx) => ctx.callActivity('Elsewhere', 'doomed'));
    const hub = await open({ taskHub, functions: [body] });
    const id = await hub.client.startNew(body);
    await waitFor(async () => eventsOf(await historyOf(hub, id), 'TaskScheduled').length === 1);
    await hub.client.terminate(id);
    await hub.finish(id);
    const ran: unknown[] = [];
    const elsewhere = activity('Elsewhere', (input: unknown) => void ran.push(input));
    const probe = orchestration('Probe', (ctx) => ctx.callActivity(elsewhere, 'probe'));
    const other = await open({ taskHub, functions: [probe, elsewhere] });
    await other.run(probe);
    expect(ran).toEqual(['probe']);
  });

  it('an unknown instance is not found', async () => {
    const hub = await open({ functions: [waits] });
    for (const verb of ['terminate', 'suspend', 'resume'] as const) {
      await expect(hub.client[verb]('nobody')).rejects.toMatchObject({ code: 'InstanceNotFound' });
    }
  });
});

inBothModes('suspend and resume', ({ open }) => {
  it('B118: events raised while suspended are taken after the resume, in order', async () => {
    const hub = await open({ functions: [takesTen] });
    const id = await hub.client.startNew(takesTen);
    await hub.reach(id, 'Running');
    await hub.client.suspend(id, 'stock-taking');
    await hub.reach(id, 'Suspended');
    for (let n = 0; n < 10; n += 1) await hub.client.raiseEvent(id, 'Item', n);
    await waitFor(async () => eventsOf(await historyOf(hub, id), 'EventRaised').length === 10);
    expect((await hub.client.getStatus(id))?.runtimeStatus).toBe('Suspended');
    await hub.client.resume(id);
    expect((await hub.finish(id)).output).toEqual([0, 1, 2, 3, 4, 5, 6, 7, 8, 9]);
  });

  it('B118: also one that was suspended before it began', async () => {
    const taskHub = freshName();
    const early = await open({ taskHub, worker: false, pollMs: 10 });
    const id = await early.client.startNew(takesTen);
    await early.client.suspend(id);
    const hub = await open({ taskHub, functions: [takesTen] });
    await hub.reach(id, 'Suspended');
    for (let n = 0; n < 10; n += 1) await hub.client.raiseEvent(id, 'Item', n);
    await hub.client.resume(id);
    expect((await hub.finish(id)).output).toEqual([0, 1, 2, 3, 4, 5, 6, 7, 8, 9]);
  });

  it('B119: suspending or resuming an ended instance is refused and changes nothing', async () => {
    const hub = await open({ functions: [orchestration('Done', () => 1)] });
    const { instanceId } = await hub.run('Done');
    const before = await hub.client.getStatus(instanceId);
    await expect(hub.client.suspend(instanceId)).rejects.toMatchObject({ code: 'InstanceTerminal' });
    await expect(hub.client.resume(instanceId)).rejects.toMatchObject({ code: 'InstanceTerminal' });
    expect(await hub.client.getStatus(instanceId)).toEqual(before);
  });

  it('B119: resuming a running and suspending a suspended instance is refused and changes nothing', async () => {
    const hub = await open({ functions: [waits] });
    const id = await hub.client.startNew(waits);
    await hub.reach(id, 'Running');
    await expect(hub.client.resume(id)).rejects.toMatchObject({ code: 'InvalidTransition' });
    await hub.client.suspend(id);
    await expect(hub.client.suspend(id)).rejects.toMatchObject({ code: 'InvalidTransition' });
    expect((await hub.client.getStatus(id))?.runtimeStatus).toBe('Suspended');
    await hub.client.resume(id);
    await hub.client.raiseEvent(id, 'Go', 'went on');
    expect((await hub.finish(id)).output).toBe('went on');
  });

  it.each(['scheduled for later', 'that no worker has seen'])(
    'B118, B119: of an instance %s, requests count in the order in which they were sent',
    async (which) => {
      const taskHub = freshName();
      const early = await open({ taskHub, worker: false, pollMs: 10 });
      const startAt = which.startsWith('scheduled') ? '1s' : undefined;
      const id = await early.client.startNew(takesTen, startAt === undefined ? {} : { startAt });
      await expect(early.client.resume(id)).rejects.toMatchObject({ code: 'InvalidTransition' });
      await early.client.suspend(id);
      await expect(early.client.suspend(id)).rejects.toMatchObject({
        code: 'InvalidTransition',
        message: expect.stringContaining('Suspended'),
      });
      await early.client.resume(id);
      await expect(early.client.resume(id)).rejects.toMatchObject({ code: 'InvalidTransition' });
      await early.client.suspend(id);
      const hub = await open({ taskHub, functions: [takesTen] });
      await hub.reach(id, 'Suspended');
      for (let n = 0; n < 10; n += 1) await hub.client.raiseEvent(id, 'Item', n);
      await hub.client.resume(id);
      expect((await hub.finish(id)).output).toEqual([0, 1, 2, 3, 4, 5, 6, 7, 8, 9]);
      const types = typesOf(await historyOf(hub, id)).filter((type) => /Suspended|Resumed/.test(type));
      expect(types).toEqual(['ExecutionSuspended', 'ExecutionResumed', 'ExecutionSuspended', 'ExecutionResumed']);
    },
  );

  it('B119: a suspend that a long turn has not taken yet can be taken back', async () => {
    const [begun, release] = [gate(), gate()];
    const slow = activity('Slow', async () => {
      begun.open();
      await release.passed;
    });
    const body = orchestration('Body', (ctx) => ctx.callActivity(slow));
    const hub = await open({ functions: [body, slow] });
    const id = await hub.client.startNew(body);
    await begun.passed;
    await Promise.all([hub.client.suspend(id), hub.client.suspend(id).catch(() => undefined)]);
    await hub.client.resume(id);
    release.open();
    expect((await hub.finish(id)).runtimeStatus).toBe('Completed');
  });

  it('B120: works without a reason, and again and again', async () => {
    const hub = await open({ functions: [waits] });
    const id = await hub.client.startNew(waits);
    await hub.reach(id, 'Running');
    for (let n = 0; n < 3; n += 1) {
      await hub.client.suspend(id);
      await hub.reach(id, 'Suspended');
      await hub.client.resume(id);
      await hub.reach(id, 'Running');
    }
    await hub.client.raiseEvent(id, 'Go');
    expect((await hub.finish(id)).runtimeStatus).toBe('Completed');
  });

  it('B121: an activity that ends while suspended is recorded, and nothing new begins', async () => {
    const [begun, release] = [gate(), gate()];
    const slow = activity('Slow', async () => {
      begun.open();
      await release.passed;
    });
    const body = orchestration('Body', async (ctx) => {
      await ctx.callActivity(slow);
      ctx.setCustomStatus('went on');
      return ctx.callActivity(echo, 'after');
    });
    const hub = await open({ functions: [body, slow, echo] });
    const id = await hub.client.startNew(body);
    await begun.passed;
    await hub.client.suspend(id);
    await hub.reach(id, 'Suspended');
    release.open();
    await waitFor(async () => eventsOf(await historyOf(hub, id), 'TaskCompleted').length === 1);
    expect(eventsOf(await historyOf(hub, id), 'TaskScheduled')).toHaveLength(1);
    expect(await hub.client.getStatus(id)).toMatchObject({ runtimeStatus: 'Suspended', customStatus: null });
    await hub.client.resume(id);
    expect(await hub.finish(id)).toMatchObject({ output: 'after', customStatus: '"went on"' });
  });

  it('B121: a timer that comes due while suspended fires after the resume', async () => {
    const body = orchestration('Body', async (ctx) => {
      // Long enough to be suspended before it fires, also on a busy machine.
      await ctx.createTimer(500);
      return 'fired';
    });
    const hub = await open({ functions: [body] });
    const id = await hub.client.startNew(body);
    await hub.reach(id, 'Running');
    await hub.client.suspend(id);
    await waitFor(async () => eventsOf(await historyOf(hub, id), 'TimerFired').length === 1);
    expect((await hub.client.getStatus(id))?.runtimeStatus).toBe('Suspended');
    await hub.client.resume(id);
    expect((await hub.finish(id)).output).toBe('fired');
  });
});
