/** The commands that talk to a running service, against one. */
import { randomBytes } from 'node:crypto';
import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { beforeAll, describe, expect, onTestFinished, test } from 'vitest';
import { mend } from '../http/fixtures.ts';
import { stage } from '../http/support.ts';
import { waitFor } from '../support/wait-for.ts';
import { perdure, type CliOptions, type CliRun } from './support.ts';

const service = stage();
let url = '';

beforeAll(async () => {
  url = await service.api.app.listen({ port: 0, host: '127.0.0.1' });
});

const cli = (args: readonly string[], options: CliOptions = {}): Promise<CliRun> => perdure(args, { url, ...options });
const fresh = (what = 'i'): string => `${what}-${randomBytes(6).toString('hex')}`;

async function ok(args: readonly string[], options: CliOptions = {}): Promise<string> {
  const { code, out, errors } = await cli(args, options);
  expect([code, errors], args.join(' ')).toEqual([0, '']);
  return out;
}

async function json(args: readonly string[], options: CliOptions = {}): Promise<ReturnType<typeof JSON.parse>> {
  const { out } = await cli([...args, '--json'], options);
  return JSON.parse(out);
}

async function waiting(count: number, prefix = fresh('many')): Promise<string> {
  for (let index = 0; index < count; index += 1) await service.api.running('WaitGo', undefined, `${prefix}-${index}`);
  return prefix;
}

describe('start-new', () => {
  test('prints the id alone, and takes input from the line, a file and the standard input', async () => {
    const folder = await mkdtemp(join(tmpdir(), 'perdure-cli-'));
    onTestFinished(() => rm(folder, { recursive: true }));
    const file = join(folder, 'input.json');
    await writeFile(file, '{"from":"file"}\n');
    for (const [given, stdin, stored] of [
      ['{"n": 12345678901234567890}', undefined, '{"n": 12345678901234567890}'],
      [`@${file}`, undefined, '{"from":"file"}'],
      ['-', '[1]\n', '[1]'],
    ] as const) {
      const out = await ok(['start-new', 'Echo', '--input', given], stdin === undefined ? {} : { stdin });
      expect(out).toMatch(/^[0-9a-f]{32}\n$/);
      expect((await service.hub.client.getStatus(out.trim()))?.input).toBe(stored);
    }
  });

  test('passes on id, version, tags and time', async () => {
    const id = fresh();
    const flags = ['--id', id, '--version', '2.0', '--tag', 'a=b=c', '--tag', 'd=', '--at', '1h'];
    expect(await json(['start-new', 'WaitGo', ...flags])).toEqual({ instanceId: id });
    const status = await json(['status', id]);
    expect(status).toMatchObject({ version: '2.0', tags: { a: 'b=c', d: '' }, runtimeStatus: 'Pending' });
    expect(Math.abs(Date.parse(String(status.scheduledStartTime)) - Date.now() - 3_600_000)).toBeLessThan(60_000);
    const again = await cli(['start-new', 'WaitGo', '--id', id, '--on-existing', 'error']);
    expect(again).toMatchObject({ code: 4, out: '', errors: expect.stringMatching(/^perdure: .*already exists\.\n$/) });
  });

  test('with --wait prints the output', async () => {
    const { code, out } = await cli(['start-new', 'Echo', '--input', '{"a":1}', '--wait']);
    expect([code, out]).toEqual([0, '{"a":1}\n']);
  });

  test('of a name that nobody runs says which there are', async () => {
    const { code, errors } = await cli(['start-new', 'Nope']);
    expect(code).toBe(3);
    expect(errors).toMatch(/'Nope'.*live workers: .*Echo/);
  });
});

describe('status, list, counts and history', () => {
  test('--json is what the HTTP API shows', async () => {
    const id = await service.api.run('Echo', { big: 1 });
    expect(await json(['status', id])).toEqual(await service.api.status(id));
    expect(await json(['list', '--prefix', id])).toEqual([await service.api.status(id)]);
    const withHistory = await json(['status', id, '--history']);
    expect(withHistory).toEqual(await service.api.status(id, '?showHistory=true&showHistoryOutput=true'));
  });

  test('a pipe gets rows with tabs and ISO times, without head line and colours', async () => {
    const prefix = await waiting(2);
    const lines = (await ok(['list', '--prefix', prefix])).trimEnd().split('\n');
    expect(lines).toHaveLength(2);
    const iso = expect.stringMatching(/^\d{4}-\d\d-\d\dT[\d:.]+Z$/);
    expect(lines[0]?.split('\t')).toEqual([`${prefix}-0`, 'WaitGo', 'Running', iso, iso]);
    expect(await ok(['status', `${prefix}-0`])).toMatch(/^instance\t.*\norchestration\tWaitGo\nstatus\tRunning\n/);
  });

  test('a terminal gets a table with colours that fits, unless NO_COLOR says otherwise', async () => {
    const prefix = await waiting(1, fresh('a-long-id-'.repeat(8)));
    const out = await ok(['list', '--prefix', prefix], { terminal: 80 });
    expect(out).toContain('\u001b[36mRunning\u001b[39m');
    const plain = await ok(['list', '--prefix', prefix], { terminal: 80, env: { NO_COLOR: '1' } });
    expect(plain).not.toContain('\u001b');
    expect(plain).toMatch(
      /^INSTANCE +ORCHESTRATION +STATUS +CREATED +UPDATED\n\S+… +WaitGo +Running +\S.* (ago|now)\n$/,
    );
    for (const line of plain.split('\n')) expect(line.length).toBeLessThanOrEqual(80);
    expect(await ok(['counts'], { env: { FORCE_COLOR: '1' } })).toContain('\u001b[');
  });

  test('a list has as many as wanted, and a filter finds what it says', async () => {
    const prefix = await waiting(3);
    expect(await json(['list', '--prefix', prefix, '--limit', '2'])).toHaveLength(2);
    expect(await json(['list', '--prefix', prefix, '--all'])).toHaveLength(3);
    expect(await json(['list', '--prefix', prefix, '--status', 'completed,Failed'])).toEqual([]);
    const { byStatus, total } = await json(['counts', '--prefix', prefix, '--created-from', '1h']);
    expect([byStatus.Running, total]).toEqual([3, 3]);
    expect((await cli(['list', '--status', 'Done'])).code).toBe(2);
  });

  test('history is a file that tests replay, or a line for each event', async () => {
    const id = await service.api.run('Acts', 'x');
    expect(await json(['history', id])).toEqual(JSON.parse(JSON.stringify(await service.hub.client.getHistory(id))));
    const lines = (await ok(['history', id, '--event-type', 'TaskCompleted'])).trimEnd().split('\n');
    expect(lines).toEqual([expect.stringMatching(/^[\dT:.Z-]+\t\d+ms\tTaskCompleted\t#0 Upper "X"$/)]);
    // A pipe gets payloads whole and times in ISO 8601; a terminal what fits and how long ago.
    const nap = await service.api.run('Nap', 0.01);
    expect(await ok(['history', nap, '--event-type', 'TimerCreated'])).toMatch(/\t#0 \d{4}-\d\d-\d\dT[\d:.]+Z\n$/);
    const onTerminal = await ok(['history', nap], { terminal: 120, env: { NO_COLOR: '1' } });
    expect(onTerminal).toMatch(/ #0 \d{4}-\d\d-\d\d [\d:]+ \((now|\d+\w+ ago)\)\n/);
    const long = await service.api.run('Echo', 'x'.repeat(300));
    expect(await ok(['history', long, '--event-type', 'ExecutionStarted'])).toContain(`"${'x'.repeat(300)}"\n`);
  });

  test('what terminals obey is shown and not sent', async () => {
    const id = await service.api.running('WaitGo');
    await service.api.post(`/instances/${id}/raiseEvent/Other`, { body: 'a' });
    await service.api.post(`/instances/${id}/terminate?reason=${encodeURIComponent('\u001b]0;owned\u0007')}`);
    await service.api.reach(id, 'Terminated');
    const out = await ok(['status', id], { terminal: 100, env: { NO_COLOR: '1' } });
    expect(out).toContain('\\x1b]0;owned\\x07');
  });

  test('--watch shows an instance until it has ended', async () => {
    const id = await service.api.running('WaitGo');
    let sent = false;
    const { code, out } = await cli(['status', id, '--watch', '100ms'], {
      onOutput: () => {
        if (!sent) void service.api.post(`/instances/${id}/raiseEvent/Go`, { body: 7 });
        sent = true;
      },
    });
    expect(code).toBe(0);
    expect(out).toMatch(/status\tRunning\n[^]*status\tCompleted\n[^]*output\t7\n$/);
  });

  test('--watch of a list ends with Ctrl-C, and begins each look at the top of a terminal', async () => {
    const stop = new AbortController();
    const { code, out } = await cli(['list', '--watch', '100ms', '--limit', '1'], {
      terminal: 80,
      signal: stop.signal,
      onOutput: (text) => text.split('\u001b[H\u001b[J').length > 2 && stop.abort(),
    });
    expect(code).toBe(0);
    expect(out.split('\u001b[H\u001b[J').length).toBeGreaterThan(2);
  });
});

describe('wait', () => {
  test('prints the output; its exit code says how the instance ended', async () => {
    expect(await cli(['wait', await service.api.start('Echo', [1])])).toEqual({ code: 0, out: '[1]\n', errors: '' });
    const failed = await cli(['wait', await service.api.start('Boom')]);
    expect(failed).toMatchObject({ code: 6, out: '', errors: expect.stringMatching(/ended as Failed: .*no luck\n$/) });
    expect(await cli(['wait', await service.api.terminated('enough')])).toMatchObject({ code: 7 });
    const id = await service.api.running('WaitGo');
    const timeout = await cli(['wait', id, '--timeout', '50ms', '--json']);
    expect([timeout.code, JSON.parse(timeout.out)]).toEqual([8, await service.api.status(id)]);
    expect(timeout.errors).toMatch(/is still Running after 50ms/);
    expect(await cli(['wait', 'nobody'])).toMatchObject({ code: 3, out: '' });
  });
});

describe('explain', () => {
  test('says it in a sentence, with what would move it', async () => {
    const id = await service.api.running('WaitGo');
    const out = await waitFor(async () => {
      const said = await ok(['explain', id]);
      return said.includes("event 'Go'") && said;
    });
    expect(out).toMatch(
      /^'\w+' \(WaitGo\) is Running: it waits for the event 'Go', for .*\.\n {2}perdure raise-event /,
    );
    expect(await json(['explain', id])).toMatchObject({ kind: 'event', since: expect.stringMatching(/^\d{4}-.*Z$/) });
    expect(await cli(['explain', 'nobody'])).toMatchObject({ code: 3, out: '' });
    expect((await cli(['explain', '@counter@a'])).errors).toMatch(
      / is the id of an entity.*'perdure entities @counter@a'/,
    );
    // To be copied, also by who has no perdure but npx.
    expect((await cli(['explain', id], { env: { npm_command: 'exec' } })).out).toContain(
      '\n  npx perdure raise-event ',
    );
  });
});

describe('verbs on one instance', () => {
  test('do what they say, and say it', async () => {
    const id = await service.api.running('WaitGo');
    expect(await ok(['suspend', id, '--reason', 'later'])).toBe(`${id} suspended\n`);
    expect((await cli(['suspend', id])).code).toBe(4);
    expect(await ok(['resume', id])).toBe(`${id} resumed\n`);
    expect(await ok(['raise-event', id, 'Go', '--data', '"yes"'])).toBe(`event Go sent to ${id}\n`);
    await service.api.reach(id, 'Completed');
    expect((await cli(['terminate', id])).code).toBe(4);
    const restarted = (await ok(['restart', id])).trim();
    expect(restarted).not.toBe(id);
    expect(await ok(['terminate', restarted, '--reason', 'done'])).toBe(`${restarted} terminated\n`);
    await service.api.reach(restarted, 'Terminated');
    expect(await json(['restart', restarted, '--same-id'])).toEqual({ instanceId: restarted });
    expect(await cli(['purge', restarted])).toMatchObject({
      code: 4,
      errors: expect.stringMatching(/\. 'perdure terminate' ends it\.\n$/),
    });
    expect(await ok(['purge', id, '--dry-run'])).toBe(`${id} would be purged\n`);
    expect(await ok(['purge', id])).toBe(`${id} purged\n`);
    expect((await cli(['purge', id])).code).toBe(3);
  });

  test('rewind puts a failed one back to work', async () => {
    const input = fresh();
    const id = await service.api.run('ActsBroken', input);
    mend(input);
    await ok(['rewind', id]);
    await service.api.reach(id, 'Completed');
  });

  test('one that is not there: exit code 3, and what may have been meant', async () => {
    const id = await service.api.running('WaitGo', undefined, fresh('order'));
    const typo = `${id.slice(0, -2)}${id.slice(-1)}${id.at(-2) === id.at(-1) ? 'x' : id.at(-2)}`;
    for (const args of [['status'], ['terminate'], ['history'], ['suspend']]) {
      const { code, errors, out } = await cli([...args, typo]);
      expect([code, out, errors]).toEqual([
        3,
        '',
        `perdure: there is no instance '${typo}' in the task hub: did you mean ${id}?\n`,
      ]);
    }
    expect((await cli(['status', 'zz', '--task-hub', 'other'])).errors).toMatch(/'other'.*perdure list/);
  });
});

describe('verbs on many', () => {
  test('look first with --dry-run, want a yes, and do it', async () => {
    const prefix = await waiting(3);
    const filter = ['--prefix', prefix, '--status', 'Running'];
    const dry = await cli(['terminate', ...filter, '--dry-run']);
    expect(dry).toEqual({
      code: 0,
      out: `${prefix}-0\n${prefix}-1\n${prefix}-2\n`,
      errors: '3 instances would be terminated.\n',
    });
    const refused = await cli(['terminate', ...filter]);
    expect([refused.code, refused.out]).toEqual([2, '']);
    expect(refused.errors).toMatch(/terminate 3 instances: say --yes/);
    expect(await json(['suspend', ...filter, '--yes'])).toEqual({
      dryRun: false,
      matched: 3,
      done: 3,
      refused: 0,
      instanceIds: [`${prefix}-0`, `${prefix}-1`, `${prefix}-2`],
    });
    await waitFor(async () => (await json(['counts', '--prefix', prefix])).byStatus.Suspended === 3);
    expect(await ok(['terminate', '--prefix', prefix, '-y'])).toBe('3 instances terminated\n');
    await waitFor(async () => (await json(['counts', '--prefix', prefix])).byStatus.Terminated === 3);
    expect(await ok(['purge', '--prefix', prefix, '--dry-run'])).toBe('3 instances would be purged\n');
    expect(await json(['purge', '--prefix', prefix, '--yes'])).toMatchObject({ dryRun: false, done: 3 });
    expect(await json(['counts', '--prefix', prefix])).toMatchObject({ total: 0 });
  });

  test('want to know which: ids or a filter, and --all only when it is said', async () => {
    for (const args of [['terminate'], ['terminate', 'a', '--all'], ['purge'], ['rewind', 'a', '--name', 'Echo']]) {
      expect(await cli(args)).toMatchObject({ code: 2, out: '' });
    }
    const dry = await json(['terminate', '--all', '--dry-run', '--task-hub', fresh('hub')]);
    expect(dry).toEqual({ dryRun: true, matched: 0, done: 0, refused: 0, instanceIds: [] });
  });
});

describe('entities', () => {
  test('get operations, are listed and shown', async () => {
    const id = `@counter@${fresh('k')}`;
    expect(await ok(['signal-entity', id, 'add', '--input', '5'])).toBe(`operation add sent to ${id}\n`);
    await waitFor(async () => (await json(['entities', id])).state === '5', { what: 'the operation' });
    expect(await ok(['entities', id])).toContain('state\t5\n');
    expect(await ok(['entities', '--prefix', id])).toMatch(/^@counter@k-.*\t0\t-\t5\n$/);
    expect((await cli(['entities', '@counter@nobody'])).code).toBe(3);
    expect((await cli(['signal-entity', 'counter', 'add'])).code).toBe(2);
  });
});

describe('what goes wrong', () => {
  test('is one line with the fix, and an exit code', async () => {
    const guarded = await service.server({ systemKey: 'the key' });
    const locked = await guarded.app.listen({ port: 0, host: '127.0.0.1' });
    const cases: readonly [readonly string[], CliOptions, number, RegExp][] = [
      [['list'], { url: 'http://127.0.0.1:1' }, 5, /could not be reached: .*perdure start.*--url \(PERDURE_URL\)/],
      [['list'], { url: 'nonsense' }, 2, /--url \(PERDURE_URL\) must be a URL/],
      [['list'], { url: locked }, 4, /missing, wrong.*--code \(PERDURE_CODE\)/],
      [['list', '--code', 'wrong'], { url: locked }, 4, /missing, wrong/],
      [['start-new', 'Echo', '--input', '{'], {}, 2, /--input gives is no JSON/],
      [['start-new', 'Echo', '--input', 'hello'], {}, 2, /--input '"hello"'/],
      [['start-new', 'Echo', '--input', '@nowhere.json'], {}, 2, /nowhere\.json.*cannot be read/],
      [['start-new', 'Echo', '--id', 'a/b'], {}, 2, /must not contain/],
    ];
    for (const [args, options, code, text] of cases) {
      const result = await cli(args, options);
      expect([args, result.code, result.out]).toEqual([args, code, '']);
      expect(result.errors).toMatch(/^perdure: [^\n]+\n$/);
      expect(result.errors).toMatch(text);
    }
    expect(await json(['list'], { url: locked, env: { PERDURE_CODE: 'the key' } })).toBeInstanceOf(Array);
  });

  test('a command line that cannot be is 2, with a hint; help is 0', async () => {
    expect(await perdure(['lst'])).toMatchObject({ code: 2, errors: expect.stringContaining('Did you mean list?') });
    expect(await perdure(['list', '--limt', '3'])).toMatchObject({
      code: 2,
      errors: expect.stringContaining('--limit'),
    });
    expect(await perdure(['status'])).toMatchObject({ code: 2, errors: expect.stringContaining("'instanceId'") });
    expect(await perdure(['list', '--created-from', 'noon'])).toMatchObject({ code: 2 });
    expect(await perdure(['--help'])).toMatchObject({ code: 0, out: expect.stringContaining('raise-event') });
    expect(await perdure(['purge', '--help'])).toMatchObject({ code: 0, out: expect.stringContaining('--dry-run') });
    expect(await perdure(['--version'])).toEqual({ code: 0, out: '1.2.3\n', errors: '' });
  });
});
