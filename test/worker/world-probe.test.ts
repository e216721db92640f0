import { execFile } from 'node:child_process';
import { mkdtemp, readFile, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { setTimeout as pause } from 'node:timers/promises';
import { promisify } from 'node:util';
import { describe, expect, it, onTestFinished } from 'vitest';
import type { HistoryEvent } from '../../src/model/history.ts';
import { orchestration, type OrchestrationContext, type Orchestrator } from '../../src/model/functions.ts';
import { InProcessExecutor } from '../../src/worker/in-process/in-process-executor.ts';
import { failureOf, scheduled, started, turn } from '../core/support.ts';

const source = new URL('../../src', import.meta.url).href;

const executorOf = (body: Orchestrator<never, unknown>) =>
  new InProcessExecutor({ functions: [orchestration('Test', body)] });

/** The message with which a body fails that meets a history which is not its own, or waits for ever. */
async function messageOf(
  executor: InProcessExecutor,
  history: readonly HistoryEvent[],
  newEvents: readonly HistoryEvent[],
) {
  const run = executor.openRun({ instanceId: 'i', executionId: 'e1', name: 'Test' });
  return failureOf(await run.advance({ history, newEvents })).message;
}

const differing = (body: Orchestrator<never, unknown>) =>
  messageOf(executorOf(body), [turn(), started(), scheduled(0, 'A')], [turn()]);
const stuck = (body: Orchestrator<never, unknown>) => messageOf(executorOf(body), [], [turn(), started()]);

describe('an orchestrator that fails for a difference is told what it used', () => {
  it.each<[string, () => unknown, string]>([
    ['Date.now()', () => Date.now(), 'ctx.currentUtcDateTime'],
    ['new Date()', () => new Date(), 'ctx.currentUtcDateTime'],
    ['Date()', () => Date(), 'ctx.currentUtcDateTime'],
    ['performance.now()', () => performance.now(), 'ctx.currentUtcDateTime'],
    ['process.hrtime()', () => process.hrtime(), 'ctx.currentUtcDateTime'],
    ['Math.random()', () => Math.random(), 'ctx.newGuid()'],
    ['crypto.randomUUID()', () => crypto.randomUUID(), 'ctx.newGuid()'],
    ['crypto.getRandomValues()', () => crypto.getRandomValues(new Uint8Array(1)), 'ctx.newGuid()'],
  ])('%s', async (what, use, instead) => {
    const message = await differing((ctx: OrchestrationContext) => {
      use();
      return ctx.callActivity('Other');
    });
    expect(message).toMatch(
      new RegExp(`Seen in the same code: ${what.replace(/[()]/g, '\\$&')} at \\S+world-probe.test.ts:\\d+:\\d+ `),
    );
    expect(message).toContain(`(instead: ${instead}`);
  });

  it('and not what it may use', async () => {
    const message = await differing((ctx: OrchestrationContext) => {
      new Date(5).toISOString();
      Math.max(1, ctx.currentUtcDateTime.getTime());
      return ctx.callActivity('Other');
    });
    expect(message).not.toContain('Seen in the same code');
  });
});

describe('an orchestrator that waits for something that is no task is told where', () => {
  it.each<[string, () => unknown]>([
    ['a timer', () => new Promise((resolve) => setTimeout(resolve, 1))],
    ['a timer', () => pause(1)],
    ['setImmediate', () => new Promise((resolve) => setImmediate(resolve))],
    ['a file', () => readFile('/dev/null')],
    ['fetch()', () => fetch('http://127.0.0.1:1').catch(() => new Promise(() => undefined))],
  ])('%s', async (what, use) => {
    const message = await stuck(async () => {
      await use();
    });
    expect(message).toMatch(/^The orchestrator waits, but no task of its context is open/);
    expect(message).toMatch(
      new RegExp(`${what.replace(/[()]/g, '\\$&')} at \\S+world-probe.test.ts:\\d+:\\d+ \\(instead: `),
    );
  });
});

it('everything is as before afterwards', async () => {
  const before = [Date, Math.random, performance.now, process.hrtime, crypto.randomUUID, fetch];
  await differing((ctx: OrchestrationContext) => ctx.callActivity('Other'));
  expect([Date, Math.random, performance.now, process.hrtime, crypto.randomUUID, fetch]).toEqual(before);
  expect(Object.hasOwn(performance, 'now')).toBe(false);
});

it('the lines of TypeScript are those of its source', async () => {
  const folder = await mkdtemp(join(tmpdir(), 'perdure-site-'));
  onTestFinished(() => rm(folder, { recursive: true, maxRetries: 20 }));
  await writeFile(
    join(folder, 'test.mts'),
    `interface Context {
  callActivity(name: string): Promise<number>;
}
// Types and comments are gone in what runs.
enum Names {
  other = 'Other',
}
const brand = Symbol.for('perdure.definition');
export const test = {
  [brand]: 'orchestration',
  name: 'Test',
  run: async (ctx: Context): Promise<number> => {
    const now: number = Date.now();
    return (await ctx.callActivity(Names.other)) + now;
  },
};
`,
  );
  // In a process of its own: the test runner maps stacks in its own way.
  const { stdout } = await promisify(execFile)(process.execPath, [
    ...['--import', 'tsx', '--input-type=module', '-e'],
    `
      const { loadFunctions } = await import('${source}/worker/in-process/load-functions.ts');
      const { InProcessExecutor } = await import('${source}/worker/in-process/in-process-executor.ts');
      const { functions } = await loadFunctions(['${join(folder, 'test.mts')}']);
      const run = new InProcessExecutor({ functions }).openRun({ instanceId: 'i', executionId: 'e', name: 'Test' });
      const history = ${JSON.stringify([turn(), started(), scheduled(0, 'A')])};
      const { actions } = await run.advance({ history, newEvents: [history[0]] });
      console.log(actions[0].failure.message);
    `,
  ]);
  expect(stdout).toMatch(/now schedules activity 'Other' \(#0\), at \S+\/test\.mts:14:\d+\. /);
  expect(stdout).toMatch(/Date\.now\(\) at \S+\/test\.mts:13:\d+ /);
});
