import { readFile } from 'node:fs/promises';
import { describe, expect, it } from 'vitest';
import type { OrchestrationContext } from '../../src/model/functions.ts';
import type { HistoryEvent } from '../../src/model/history.ts';
import {
  completed,
  failed,
  failureOf,
  fired,
  raised,
  replayOf,
  resumed,
  scheduled,
  started,
  startTime,
  suspended,
  terminated,
  timerCreated,
  turn,
  type Body,
} from './support.ts';

const replay = (body: Body, history: readonly HistoryEvent[], newEvents: readonly HistoryEvent[] = [turn()]) =>
  replayOf(body).advance({ history, newEvents });

/** What is said of a difference: position, history's side, the code's side. */
async function differenceOf(body: Body, ...history: readonly HistoryEvent[]): Promise<readonly string[]> {
  const decision = await replay(body, history, [turn(), raised('Ignored')]);
  expect(decision.actions).toHaveLength(1);
  const failure = failureOf(decision);
  expect(failure.errorType).toBe('NonDeterminismError');
  expect(failure.message).toContain('Deploy the change as a new version');
  const [, position, expected, found] =
    /^Code and history differ (.*?): a previous execution (.*), but the code (.*?)\. The/.exec(failure.message) ?? [];
  // Time and place are looked at by tests of their own.
  const when = / of the history, of 2026-01-01T00:00:00\.000Z$/;
  const where = /, at \S+\/determinism\.test\.ts:\d+:\d+$/;
  return [
    position?.replace(when, ' of the history') ?? failure.message,
    expected ?? '',
    (found ?? '').replace(where, ''),
  ];
}

const calls =
  (...names: string[]): Body =>
  async (ctx: OrchestrationContext) => {
    for (const name of names) await ctx.callActivity(name);
  };
const sleeps: Body = async (ctx: OrchestrationContext) => {
  await ctx.createTimer('1h');
};
const begin = [turn(), started()];
const completion = (status: 'Completed' | 'Failed' | 'Terminated'): HistoryEvent => ({
  type: 'ExecutionCompleted',
  timestamp: startTime,
  eventId: 1,
  status,
});

describe('code that no longer agrees with history ends its instance', () => {
  it('when it calls another activity', async () => {
    expect(await differenceOf(calls('B'), ...begin, scheduled(0, 'A'))).toEqual([
      'at event 2 of the history',
      "scheduled activity 'A' (#0)",
      "now schedules activity 'B' (#0)",
    ]);
  });

  it('when it creates a timer instead of calling, and the other way round', async () => {
    expect(await differenceOf(sleeps, ...begin, scheduled(0, 'A'))).toEqual([
      'at event 2 of the history',
      "scheduled activity 'A' (#0)",
      'now creates timer #0',
    ]);
    expect(await differenceOf(calls('A'), ...begin, timerCreated(0))).toEqual([
      'at event 2 of the history',
      'created timer #0',
      "now schedules activity 'A' (#0)",
    ]);
  });

  it('when it no longer asks for it', async () => {
    const waits: Body = async (ctx: OrchestrationContext) => ctx.waitForExternalEvent('E');
    expect(await differenceOf(waits, ...begin, scheduled(0, 'A'))).toEqual([
      'at event 2 of the history',
      "scheduled activity 'A' (#0)",
      'now asks for nothing more',
    ]);
  });

  it('when the ids no longer meet', async () => {
    expect(await differenceOf(calls('A'), ...begin, scheduled(3, 'A'))).toEqual([
      'at event 2 of the history',
      "scheduled activity 'A' (#3)",
      "now schedules activity 'A' (#0)",
    ]);
  });

  it('when it asks for more than a turn recorded', async () => {
    const more: Body = async (ctx: OrchestrationContext) => {
      ctx.callActivity('B');
      await ctx.callActivity('A');
    };
    const fewer: Body = async (ctx: OrchestrationContext) => {
      const first = ctx.callActivity('A');
      ctx.callActivity('B');
      await first;
    };
    expect(await differenceOf(more, ...begin, scheduled(0, 'A'))).toContain("now schedules activity 'B' (#0)");
    expect(await differenceOf(fewer, ...begin, scheduled(0, 'A'), turn(), completed(0))).toEqual([
      'at event 3 of the history',
      'did nothing more in this turn',
      "now schedules activity 'B' (#1)",
    ]);
    expect(await differenceOf(fewer, ...begin, scheduled(0, 'A'))).toEqual([
      'at the end of the history',
      'did nothing more in this turn',
      "now schedules activity 'B' (#1)",
    ]);
  });

  it('when it completes where it went on before', async () => {
    const short: Body = () => 1;
    expect(await differenceOf(short, ...begin, scheduled(0, 'A'))).toEqual([
      'at event 2 of the history',
      "scheduled activity 'A' (#0)",
      'now completes',
    ]);
    expect(await differenceOf(short, ...begin, turn(), raised('E'))).toEqual([
      'at event 2 of the history',
      'went on after this turn',
      'now completes',
    ]);
    expect(await differenceOf(short, ...begin)).toEqual([
      'at the end of the history',
      'went on after this turn',
      'now completes',
    ]);
  });

  it('when it fails where it went on before', async () => {
    const broken: Body = () => {
      throw new TypeError('oops');
    };
    expect(await differenceOf(broken, ...begin)).toContain('now fails with TypeError: oops');
  });

  it('when it does not complete where it completed before', async () => {
    const history = [...begin, scheduled(0, 'A'), turn(), completed(0), completion('Completed')];
    const waits: Body = async (ctx: OrchestrationContext) => {
      await ctx.callActivity('A');
      await ctx.waitForExternalEvent('E');
    };
    expect(await differenceOf(waits, ...history)).toEqual([
      'at event 5 of the history',
      'completed here',
      'still waits',
    ]);
    expect(await differenceOf(calls('A', 'B'), ...history)).toContain("now schedules activity 'B' (#1)");
    const fails: Body = async (ctx: OrchestrationContext) => {
      await ctx.callActivity('A');
      throw new Error('now broken');
    };
    expect(await differenceOf(fails, ...history)).toContain('now fails with Error: now broken');
    const more: Body = async (ctx: OrchestrationContext) => {
      await ctx.callActivity('A');
      ctx.callActivity('Extra');
    };
    expect(await differenceOf(more, ...history)).toContain("now schedules activity 'Extra' (#1)");
  });

  it('before any of its actions is done, under an id that history does not have', async () => {
    const history = [...begin, scheduled(0, 'A'), turn(), completed(0), scheduled(1, 'X'), scheduled(2, 'Y')];
    const decision = await replay(calls('A', 'B'), history, [turn(), completed(1)]);
    expect(decision.actions).toEqual([
      { type: 'CompleteOrchestration', id: 3, status: 'Failed', failure: failureOf(decision) },
    ]);
  });

  it('and ends it once', async () => {
    const run = replayOf(calls('B'));
    await run.advance({ history: [...begin, scheduled(0, 'A')], newEvents: [turn()] });
    expect(await run.advance({ history: [], newEvents: [turn(), completed(0)] })).toEqual({ actions: [] });
  });
});

/** The text of the line that a message names, as `file:line:column`. */
async function lineIn(message: string, pattern: RegExp): Promise<string> {
  const [, file = '', line = ''] = pattern.exec(message) ?? [];
  expect(file, message).not.toBe('');
  return (await readFile(file, 'utf8')).split('\n')[Number(line) - 1] ?? '';
}

describe('the error names', () => {
  const site = /, at (\S+?):(\d+):\d+\. /;
  const messageOf = async (body: Body, ...history: readonly HistoryEvent[]) =>
    failureOf(await replay(body, history, [turn()])).message;

  it('the event with its time, and the line of the call, also after waits and in helpers', async () => {
    const helper = (ctx: OrchestrationContext) => ctx.createTimer(1);
    const bodies: [Body, string][] = [
      [async (ctx: OrchestrationContext) => ctx.callActivity('New'), "ctx.callActivity('New')"],
      [
        function* (ctx: OrchestrationContext) {
          yield ctx.callActivity('Other');
        },
        "yield ctx.callActivity('Other')",
      ],
      [async (ctx: OrchestrationContext) => helper(ctx), 'ctx.createTimer(1)'],
      [async (ctx: OrchestrationContext) => ctx.callHttp({ url: 'http://a.example' }), 'ctx.callHttp('],
    ];
    for (const [body, code] of bodies) {
      const message = await messageOf(body, ...begin, scheduled(0, 'A'));
      expect(message).toContain(
        'at event 2 of the history, of 2026-01-01T00:00:00.000Z: a previous execution scheduled',
      );
      expect(await lineIn(message, site)).toContain(code);
    }
    const later: Body = async (ctx: OrchestrationContext) => {
      await ctx.callActivity('A');
      await ctx.callActivity('Later');
    };
    const message = await messageOf(later, ...begin, scheduled(0, 'A'), turn(), completed(0), scheduled(1, 'B'));
    expect(await lineIn(message, site)).toContain("await ctx.callActivity('Later')");
  });

  it('what to do about a change', async () => {
    const message = await messageOf(calls('B'), ...begin, scheduled(0, 'A'));
    expect(message).toMatch(/code was changed while instances were running/);
    expect(message).toMatch(/new version.*assertReplays/);
  });

  it('code that decides differently each time as such', async () => {
    let runs = 0;
    const random: Body = async (ctx: OrchestrationContext) => ctx.callActivity(`Random${(runs += 1)}`);
    const message = await messageOf(random, ...begin, scheduled(0, 'A'));
    expect(message).toContain(
      'The code is not deterministic: played twice, the same history led to different decisions.',
    );
    expect(message).toContain('ctx.currentUtcDateTime');
  });

  it('the last use of the context when the code then waits for something else', async () => {
    const body: Body = async (ctx: OrchestrationContext) => {
      await ctx.callActivity('A');
      await new Promise(() => undefined);
    };
    const message = await messageOf(body, ...begin, scheduled(0, 'A'), turn(), completed(0));
    expect(message).toMatch(
      /^The orchestrator waits, but no task of its context is open: it could never go on\. The last/,
    );
    expect(await lineIn(message, / was callActivity at (\S+?):(\d+):\d+\. /)).toContain("await ctx.callActivity('A')");
  });

  it('nothing of it in a run that agrees: its code runs once', async () => {
    let runs = 0;
    const body: Body = async (ctx: OrchestrationContext) => {
      runs += 1;
      await ctx.callActivity('A');
    };
    await replay(body, [...begin, scheduled(0, 'A')], [turn(), completed(0)]);
    expect(runs).toBe(1);
  });
});

describe('no difference is', () => {
  it('the case of a name, an input, a time, a version', async () => {
    const body: Body = async (ctx: OrchestrationContext) => {
      await ctx.callActivity('SendMail', 'new input', { version: '2' });
      await ctx.createTimer('2h');
      return 'done';
    };
    const history: HistoryEvent[] = [
      ...begin,
      { type: 'TaskScheduled', timestamp: startTime, eventId: 0, name: 'sendmail', input: '"old"', version: '1' },
      turn(),
      completed(0),
      timerCreated(1, 5),
    ];
    expect((await replay(body, history, [turn(), fired(1)])).actions).toMatchObject([{ status: 'Completed' }]);
  });

  it('a turn in which nothing happened to the code', async () => {
    const history = [...begin, scheduled(0), turn(), raised('E'), turn(), completed(9), turn()];
    expect(await replay(calls('A'), history, [turn()])).toEqual({ actions: [] });
  });

  it('a whole history that is replayed to its end', async () => {
    const whole = (end: HistoryEvent) => [...begin, scheduled(0), turn(), completed(0), end];
    expect(await replay(calls('A'), whole(completion('Completed')), [])).toEqual({ actions: [] });
    // An engine that failed or ended it does not need the code's consent.
    expect(await replay(calls('A', 'B'), whole(completion('Failed')), [])).toEqual({ actions: [] });
    const ended = [...begin, scheduled(0), turn(), completed(0), terminated, completion('Terminated')];
    expect(await replay(calls('A', 'B'), ended, [])).toEqual({ actions: [] });
    expect(await replay(calls('A'), [...ended, scheduled(8), turn()], [])).toEqual({ actions: [] });
    expect(await replay(calls('A'), [...ended, completion('Completed')], [])).toEqual({ actions: [] });
  });

  it('what an instance did before it was suspended, and after it was resumed', async () => {
    const body: Body = async (ctx: OrchestrationContext) => {
      await ctx.callActivity('A');
      await ctx.callActivity('B');
      return 'done';
    };
    const history = [...begin, scheduled(0), turn(), completed(0), suspended, scheduled(1, 'B'), turn(), completed(1)];
    expect((await replay(body, history, [turn(), resumed])).actions).toMatchObject([{ result: '"done"' }]);
  });

  it('a failed task that is caught', async () => {
    const body: Body = async (ctx: OrchestrationContext) => {
      await Promise.resolve(ctx.callActivity('A')).catch(() => ctx.callActivity('Undo'));
    };
    const history = [...begin, scheduled(0), turn(), failed(0), scheduled(1, 'Undo')];
    expect((await replay(body, history, [turn(), completed(1)])).actions).toMatchObject([{ status: 'Completed' }]);
  });
});

describe('history is for the engine to write', () => {
  it('a record of an action cannot be a new event', async () => {
    await expect(replay(calls('A'), begin.slice(0, 0), [turn(), scheduled(0)])).rejects.toThrow('can only be history');
  });
});
