/** Clocks, signals, pipes and disks of the machine (reliability.md, 4.2, 4.3 and 4.5), with services as processes. */
import { spawn } from 'node:child_process';
import { chmodSync, existsSync, mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import pg from 'pg';
import { beforeAll, describe, expect, it, onTestFinished } from 'vitest';
import { build } from '../../scripts/build.mjs';
import { management, reach, send, type Answer } from '../support/http.ts';
import { testDatabase } from '../support/postgres.ts';
import { startService, type Service, type ServiceOptions } from '../support/service.ts';
import { waitFor } from '../support/wait-for.ts';

const isDone = (status: Answer['body']): boolean => status.runtimeStatus === 'Completed';
const hour = 3_600_000;
const isRoot = process.getuid?.() === 0;

describe('a service', async () => {
  const database = await testDatabase();
  beforeAll(() => {
    build({ onlyIfStale: true, quiet: true });
  }, 240_000);

  const start = (hub: string, more: Partial<ServiceOptions> = {}): Promise<Service> =>
    startService({
      modules: ['test/faults/fixtures/work.mjs'],
      ...more,
      flags: [
        ...['--database-url', database.url, '--task-hub', hub, '--lease-ms', '1000', '--poll-ms', '100'],
        ...(more.flags ?? []),
      ],
    });

  async function query<Row extends pg.QueryResultRow>(text: string): Promise<readonly Row[]> {
    const client = new pg.Client({ connectionString: database.url });
    await client.connect();
    try {
      return (await client.query<Row>(text)).rows;
    } finally {
      await client.end();
    }
  }

  async function begin(url: string, name: string, input: unknown): Promise<string> {
    const { status, body } = await send('POST', `${management(url)}/orchestrators/${name}`, input);
    expect(status).toBe(202);
    return body.id;
  }

  const ended = async (url: string, id: string): Promise<Answer['body']> =>
    (await reach(`${management(url)}/instances/${id}`, isDone, { what: `${id} to complete` })).body;

  it('F65 F68 a clock that is an hour wrong and jumps changes neither leases nor timers, and time in an instance never goes back', async () => {
    const wrong = await start('clock', {
      nodeFlags: ['--import', join(import.meta.dirname, 'fixtures/shift.mjs')],
      env: { SHIFT_MS: String(hour) },
    });
    const right = await start('clock');
    const from = Date.now();
    const ids = await Promise.all(
      Array.from({ length: 40 }, (_, n) =>
        begin(n % 2 === 0 ? wrong.url : right.url, 'Sleeper', { ms: 400, times: 5 }),
      ),
    );
    for (const id of ids) {
      const { output, createdTime, lastUpdatedTime } = await ended(right.url, id);
      for (const [n, at] of output.entries()) {
        if (n === 0) continue;
        // Of the database, whichever process it ran in.
        expect(at - output[n - 1], `${id}: ${output.join()}`).toBeGreaterThanOrEqual(400);
      }
      expect(Date.parse(createdTime)).toBeGreaterThan(from - 5_000);
      expect(Date.parse(lastUpdatedTime)).toBeLessThan(Date.now() + 5_000);
    }
    // Nobody lost a lease over it.
    for (const { output } of [wrong, right]) expect(output()).not.toContain('the lease has ended');
  }, 90_000);

  it('F20 F38 F71 paused longer than its lease: others take over, what it commits late is refused; all killed at once: they come back', async () => {
    await query('create table if not exists runs (instance_id text, task_id text, redelivery integer, pid integer)');
    const env = { RUNS_URL: database.url };
    const paused = await start('pause', { env });
    const ids = await Promise.all(
      Array.from({ length: 10 }, () => begin(paused.url, 'Chain', { ms: 300_000, once: true })),
    );
    const runs = () =>
      query<{ instance_id: string; task_id: string; redelivery: number; pid: number }>('select * from runs');
    await waitFor(async () => (await runs()).length === ids.length, {
      what: 'the activities to begin',
      timeoutMs: 30_000,
    });
    process.kill(paused.pid, 'SIGSTOP');
    const other = await start('pause', { env });
    for (const id of ids) expect((await ended(other.url, id)).output).toEqual([other.pid]);
    process.kill(paused.pid, 'SIGCONT');
    await waitFor(() => paused.output().includes('the lease has ended'), { what: 'it to notice', timeoutMs: 30_000 });
    // A run each, with the same id, and one more for the lost lease; nothing came of the first.
    for (const id of ids) {
      const of = (await runs()).filter((run) => run.instance_id === id);
      expect(of.map(({ redelivery }) => redelivery).sort()).toEqual([0, 1]);
      expect(new Set(of.map((run) => run.task_id)).size).toBe(1);
      expect((await ended(other.url, id)).output).toEqual([other.pid]);
    }
    // It works on under a new lease.
    expect((await ended(paused.url, await begin(paused.url, 'Chain', {}))).output).toHaveLength(1);

    const late = await begin(other.url, 'Chain', { ms: 300_000, once: true });
    await waitFor(async () => (await runs()).some((run) => run.instance_id === late), { what: 'the last to begin' });
    await Promise.all([paused.end('SIGKILL'), other.end('SIGKILL')]);
    const after = await start('pause', { env });
    expect((await ended(after.url, late)).output).toEqual([after.pid]);
  }, 120_000);

  it('F21 a turn that takes longer than the lease: it is renewed meanwhile, and the instance has one owner', async () => {
    const env = { RUNS_URL: database.url };
    await query('create table if not exists runs (instance_id text, task_id text, redelivery integer, pid integer)');
    // Each takes over from whoever loses its lease.
    const both = await Promise.all([start('slow', { env }), start('slow', { env })]);
    const id = await begin(both[0].url, 'SlowTurn', { ms: 3_500 });
    const { output } = await ended(both[1].url, id);
    expect(both.map(({ pid }) => pid)).toContain(output);
    expect(await query(`select from runs where instance_id = '${id}'`)).toHaveLength(2);
    const said = (): string => both.map((service) => service.output()).join('');
    await waitFor(() => said().includes('slow turn in'), { what: 'what the turn said' });
    expect(said().match(/slow turn in \d+/g)).toHaveLength(1);
    expect(said()).not.toContain('the lease has ended');
  }, 90_000);

  it('F74 nobody reads the log, then its pipe is closed: the service neither blocks nor ends', async () => {
    // A reader that stands still after the line that says where HTTP is.
    const reader = spawn(
      process.execPath,
      [
        join(import.meta.dirname, 'fixtures/unread-log.mjs'),
        ...[join(import.meta.dirname, '../../dist/main.js'), 'start', join(import.meta.dirname, 'fixtures/work.mjs')],
        ...['--port', '0', '--log-format', 'json', '--log-level', 'trace', '--database-url', database.url],
        ...['--task-hub', 'log', '--poll-ms', '100'],
      ],
      { stdio: ['pipe', 'pipe', 'inherit'] },
    );
    let said = '';
    reader.stdout.on('data', (chunk: Buffer) => (said += chunk.toString()));
    const pidOf = (): number => Number(/pid (\d+)/.exec(said)?.[1] ?? 0);
    onTestFinished(() => {
      if (pidOf() > 0 && !said.includes('ended')) process.kill(pidOf(), 'SIGKILL');
      reader.kill('SIGKILL');
    });
    const url = await waitFor(() => /url (\S+)/.exec(said)?.[1], { what: 'the service', timeoutMs: 45_000 });
    // Each request is two lines: this is more than a pipe holds.
    for (let round = 0; round < 10; round += 1) {
      const answers = await Promise.all(
        Array.from({ length: 50 }, (_, n) => send('GET', `${management(url)}/instances/${'x'.repeat(200)}${n}`)),
      );
      expect(new Set(answers.map(({ status }) => status))).toEqual(new Set([404]));
    }
    expect((await ended(url, await begin(url, 'Chain', { steps: 3 }))).output).toHaveLength(3);
    reader.stdin.write('close\n');
    await waitFor(() => said.includes('closed'), { what: 'the pipe to be closed' });
    for (let round = 0; round < 3; round += 1) expect((await send('GET', `${url}/readyz`)).status).toBe(200);
    expect((await ended(url, await begin(url, 'Chain', { steps: 3 }))).output).toHaveLength(3);
    process.kill(pidOf(), 'SIGTERM');
    await waitFor(() => /ended (\S+)/.exec(said)?.[1] === '0', { what: 'a clean end', timeoutMs: 30_000 });
  }, 90_000);

  it.skipIf(isRoot && !existsSync('/usr/bin/setpriv'))(
    'F75 without a place to write to it runs',
    async () => {
      const folder = mkdtempSync(join(tmpdir(), 'perdure-read-only-'));
      chmodSync(folder, 0o555);
      onTestFinished(() => rmSync(folder, { recursive: true, force: true }));
      const service = await start('read-only', {
        workingDirectory: folder,
        env: { TMPDIR: folder, HOME: folder },
        // Root may write everywhere: without that right it is like everybody.
        ...(isRoot ? { wrapper: ['setpriv', '--bounding-set=-dac_override', '--inh-caps=-dac_override'] } : {}),
      });
      expect((await ended(service.url, await begin(service.url, 'Chain', { steps: 3 }))).output).toHaveLength(3);
      expect(await service.end('SIGTERM')).toEqual({ code: 0, signal: null });
    },
    60_000,
  );
});
