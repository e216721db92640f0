import { expect, it } from 'vitest';
import { activity, orchestration } from '../../src/model/functions.ts';
import { gate } from '../support/gate.ts';
import { eventsOf, historyOf } from '../support/history.ts';
import { execute } from '../support/sql.ts';
import { freshName, inBothModes } from '../support/task-hubs.ts';
import { waitFor } from '../support/wait-for.ts';

const echo = activity('Echo', (input: unknown) => input);

inBothModes('timers', ({ open, database }) => {
  it.each([
    ['milliseconds', 300, 300],
    ['a text', '300ms', 300],
    ['ISO 8601', 'PT0.3S', 300],
  ])('B59: a timer given as %s fires not before its time and soon after', async (_, duration, ms) => {
    const body = orchestration('Body', async (ctx) => {
      await ctx.createTimer(duration);
    });
    const hub = await open({ functions: [body] });
    const { instanceId } = await hub.run(body);
    const history = await historyOf(hub, instanceId);
    const [created] = eventsOf(history, 'TimerCreated');
    const [fired] = eventsOf(history, 'TimerFired');
    expect(created && created.fireAt - created.timestamp).toBe(ms);
    expect(fired && created && fired.timestamp - created.fireAt).toBeGreaterThanOrEqual(0);
    expect(fired && created && fired.timestamp - created.fireAt).toBeLessThan(10_000);
  });

  it.each([
    ['the year 1970', new Date(0)],
    ['no time at all', 0],
  ])('B59: a timer for %s fires at once', async (_, when) => {
    const body = orchestration('Body', async (ctx) => {
      await ctx.createTimer(when);
      return 'fired';
    });
    const hub = await open({ functions: [body] });
    expect((await hub.run(body)).output).toBe('fired');
  });

  it('B60: many timers of one instance all fire', async () => {
    const body = orchestration('Body', async (ctx) => {
      const timers = Array.from({ length: 300 }, (_, n) => ctx.createTimer((n * 7) % 400));
      await Promise.all(timers);
      return timers.every((timer) => timer.isCompleted);
    });
    const hub = await open({ functions: [body] });
    const ended = await hub.run(body);
    expect(ended.output).toBe(true);
    expect(eventsOf(await historyOf(hub, ended.instanceId), 'TimerFired')).toHaveLength(300);
  });

  it('F68 B60: timers of many instances all fire at their time, whatever was to fire before them', async () => {
    const body = orchestration('Body', async (ctx, n: number) => {
      for (let round = 0; round < 3; round += 1) await ctx.createTimer(((n * 7 + round * 5) % 10) * 40);
    });
    // No heartbeat comes to tell what was forgotten.
    const hub = await open({ functions: [body], pollMs: 60_000, leaseMs: 180_000 });
    const ended = await Promise.all(Array.from({ length: 10 }, (_, n) => hub.run(body, { input: n })));
    expect(ended.map(({ runtimeStatus }) => runtimeStatus)).toEqual(ended.map(() => 'Completed'));
  });

  it('B60: timers fire at their time beside an activity that runs', async () => {
    const running = gate();
    const slow = activity('Slow', () => running.passed);
    const body = orchestration('Body', async (ctx) => {
      const activityTask = ctx.callActivity(slow);
      const timers = [20, 60, 100, 140].map((ms) => ctx.createTimer(ms));
      for (const timer of timers) await timer;
      ctx.setCustomStatus('all have fired');
      await activityTask;
    });
    const hub = await open({ functions: [body, slow], pollMs: 60_000, leaseMs: 180_000 });
    const id = await hub.client.startNew(body);
    await waitFor(async () => (await hub.client.getStatus(id))?.customStatus === '"all have fired"');
    running.open();
    await hub.finish(id);
  });

  it.each([
    { raise: true, winner: 'event' },
    { raise: false, winner: 'timer' },
  ])('B61: a timer races an event, and the $winner wins in every replay', async ({ raise, winner }) => {
    const body = orchestration('Body', async (ctx) => {
      const event = ctx.waitForExternalEvent('Go');
      const timer = ctx.createTimer(raise ? '1h' : '100ms');
      const first = await ctx.any([event, timer]);
      const seen = [Object.is(first, event) ? 'event' : 'timer'];
      await ctx.callActivity(echo, 1);
      seen.push(Object.is(first, event) ? 'event' : 'timer');
      return seen;
    });
    const hub = await open({ functions: [body, echo] });
    const id = await hub.client.startNew(body);
    if (raise) await hub.client.raiseEvent(id, 'Go');
    expect((await hub.finish(id)).output).toEqual([winner, winner]);
  });

  it.each([true, false])('B62: a pending timer does not delay the end (cancelled: %s)', async (cancels) => {
    const body = orchestration('Body', async (ctx) => {
      const timer = ctx.createTimer('1h');
      await ctx.callActivity(echo, 1);
      if (cancels) timer.cancel();
      return timer.isCanceled;
    });
    const hub = await open({ functions: [body, echo] });
    expect((await hub.run(body)).output).toBe(cancels);
  });

  it('B62: nothing is left of a cancelled timer that could fire', async () => {
    const body = orchestration('Body', async (ctx) => {
      const timer = ctx.createTimer('1h');
      await ctx.callActivity(echo, 1);
      timer.cancel();
      await ctx.waitForExternalEvent('Go');
    });
    const hub = await open({ functions: [body, echo] });
    const id = await hub.client.startNew(body);
    const { key } = await hub.reach(id, 'Running');
    await waitFor(async () => eventsOf(await historyOf(hub, id), 'TaskCompleted').length === 1);
    expect(await execute(database, 'select timer_id from messages where instance_key = $1', [key])).toEqual([]);
  });

  it('B63: cancelling a timer that has fired throws', async () => {
    const body = orchestration('Body', async (ctx) => {
      const timer = ctx.createTimer(1);
      await timer;
      timer.cancel();
    });
    const hub = await open({ functions: [body] });
    expect(await hub.run(body)).toMatchObject({
      runtimeStatus: 'Failed',
      failure: { message: expect.stringContaining('fired already') },
    });
  });

  it('B64: timers survive a restart of everything, those that came due meanwhile and those that did not', async () => {
    const taskHub = freshName();
    const body = orchestration('Body', async (ctx, ms: number) => {
      await ctx.createTimer(ms);
      return ctx.currentUtcDateTime;
    });
    const first = await open({ taskHub, functions: [body] });
    const overdue = await first.client.startNew(body, { input: 300 });
    const waiting = await first.client.startNew(body, { input: 1_500 });
    await first.reach(overdue, 'Running');
    const running = await first.reach(waiting, 'Running');
    await first.stop();
    const dueAt = running.lastUpdatedAt.getTime() + 300;
    await waitFor(() => Date.now() > dueAt, { what: 'the first timer to come due' });
    const second = await open({ taskHub, functions: [body] });
    expect((await second.finish(overdue)).runtimeStatus).toBe('Completed');
    const ended = await second.finish(waiting);
    const [created] = eventsOf(await historyOf(second, waiting), 'TimerCreated');
    expect(new Date(String(ended.output)).getTime()).toBeGreaterThanOrEqual(created?.fireAt ?? Number.NaN);
  });

  it.each([
    ['an invalid date', new Date(Number.NaN)],
    ['a negative duration', -1],
    ['text that is no duration', 'soon'],
    ['an infinite duration', Number.POSITIVE_INFINITY],
    ['the year 300000', 1e16],
  ])('B65: createTimer with %s throws a TypeError', async (_, when) => {
    const body = orchestration('Body', async (ctx) => {
      await ctx.createTimer(when);
    });
    const hub = await open({ functions: [body] });
    expect(await hub.run(body)).toMatchObject({ runtimeStatus: 'Failed', failure: { errorType: 'TypeError' } });
  });

  it.each(['30d', '400d', 'P5000W', new Date('9999-12-31T23:59:59.999Z')])(
    'F67 B66: takes a timer of %s',
    async (when) => {
      const body = orchestration('Body', async (ctx) => {
        await ctx.createTimer(when);
      });
      const hub = await open({ functions: [body] });
      const id = await hub.client.startNew(body);
      await hub.reach(id, 'Running');
      expect(eventsOf(await historyOf(hub, id), 'TimerCreated')).toHaveLength(1);
      await hub.client.terminate(id);
      await hub.finish(id);
    },
  );

  // Where clocks are put forward and back, and where 32 bits of seconds end: with a sign, and without.
  it.each([
    ['clocks go forward in Berlin', '2050-03-27T01:00:00.000Z'],
    ['clocks go back in New York', '2050-11-06T06:00:00.000Z'],
    ['the last of 31 bits', '2038-01-19T03:14:07.999Z'],
    ['the first after them', '2038-01-19T03:14:08.000Z'],
    ['the first after 32 bits', '2106-02-07T06:28:16.001Z'],
  ])('F67: a timer for when %s is stored to the millisecond, and not fired before', async (_, when) => {
    const body = orchestration('Body', async (ctx) => {
      await Promise.all([ctx.createTimer(new Date(when)), ctx.createTimer(new Date(Date.parse(when) - 1))]);
    });
    const soon = orchestration('Soon', async (ctx) => {
      await ctx.createTimer(100);
    });
    const hub = await open({ functions: [body, soon] });
    const id = await hub.client.startNew(body);
    const { key } = await hub.reach(id, 'Running');
    const timers = eventsOf(await historyOf(hub, id), 'TimerCreated');
    expect(timers.map(({ fireAt }) => fireAt)).toEqual([Date.parse(when), Date.parse(when) - 1]);
    // As the database compares them, whatever the zone that it speaks in.
    const due = await execute<{ due: boolean; at: Date; exact: boolean }>(
      database,
      `select visible_at <= now() as due, visible_at as at,
         visible_at = date_trunc('milliseconds', visible_at) as exact
       from messages where instance_key = $1 order by visible_at desc`,
      [key],
    );
    expect(due).toEqual(timers.map(({ fireAt }) => ({ due: false, at: new Date(fireAt), exact: true })));
    // One that was created later and is due has fired.
    await hub.run(soon);
    expect(eventsOf(await historyOf(hub, id), 'TimerFired')).toEqual([]);
    await hub.client.terminate(id);
    await hub.finish(id);
  });

  it('B67: durations count from the time of the turn, which replays do not move', async () => {
    const body = orchestration('Body', async (ctx) => {
      const startedAt = ctx.currentUtcDateTime.getTime();
      await ctx.createTimer(50);
      await ctx.createTimer(50);
      await ctx.callActivity(echo, 1);
      return startedAt;
    });
    const hub = await open({ functions: [body, echo] });
    const ended = await hub.run(body);
    const history = await historyOf(hub, ended.instanceId);
    expect(ended.output).toBe(history[0]?.timestamp);
    for (const timer of eventsOf(history, 'TimerCreated')) expect(timer.fireAt).toBe(timer.timestamp + 50);
  });
});
