/** Turns that hold their thread for longer than the lease of its worker, or fill the memory: F21, F22, F28. */
import { mkdtemp, readFile, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { management, reach, send, type Answer } from '../support/http.ts';
import { testDatabase } from '../support/postgres.ts';
import { startService, type Service } from '../support/service.ts';
import { waitFor } from '../support/wait-for.ts';

const leaseMs = 1_000;
const turnLimitMs = 60_000;
const scaled = [
  ...['--lease-ms', `${leaseMs}`, '--poll-ms', '100', '--stall-ms', '250', '--turn-limit-ms', `${turnLimitMs}`],
  ...['--max-memory-mb', '800'],
];
const timeoutMs = 2 * turnLimitMs;

describe('one worker whose turns may take long', async () => {
  const database = await testDatabase();
  const stops: (() => Promise<void>)[] = [];
  let service: Service;
  let api = '';
  let folder = '';

  beforeAll(async () => {
    folder = await mkdtemp(join(tmpdir(), 'perdure-slow-'));
    service = await startService({
      modules: ['test/e2e/fixtures/process-poison.mjs'],
      flags: ['--database-url', database.url, ...scaled],
      whenFinished: (stop) => stops.push(stop),
    });
    api = management(service.url);
  }, 60_000);

  afterAll(async () => {
    for (const stop of stops) await stop();
    await rm(folder, { recursive: true, force: true });
  });

  const start = async (path: string, input?: string): Promise<string> => {
    const { status, body } = await send('POST', `${api}/orchestrators/${path}`, input);
    expect(status).toBe(202);
    return body.id;
  };
  const end = async (id: string, withinMs: number): Promise<Answer['body']> => {
    const isOver = ({ runtimeStatus }: Answer['body']): boolean => ['Completed', 'Failed'].includes(runtimeStatus);
    return (await reach(`${api}/instances/${id}`, isOver, { what: `${id} to end`, timeoutMs: withinMs })).body;
  };

  it.each([
    ['with an id', 'Slow/slow'],
    ['without one: it is not stored before', 'Slow'],
  ])(
    'F21, F22: a first turn that outlasts the lease (started %s) runs once, and nobody waits for it',
    async (what, path) => {
      const file = join(folder, what);
      const before = await Promise.all(Array.from({ length: 10 }, () => start('Innocent')));
      const began = performance.now();
      const starting = start(path, file);
      const isHeld = (): Promise<boolean> => readFile(file, 'utf8').then(Boolean, () => false);
      await waitFor(isHeld, { what: 'the thread to be held', timeoutMs });
      const slow = await starting;
      const during = await Promise.all(Array.from({ length: 10 }, () => start('Innocent')));
      // They would wait for the limit of the turn if they waited for it.
      for (const id of [...before, ...during]) {
        expect((await end(id, turnLimitMs / 2)).runtimeStatus).toBe('Completed');
      }
      const { body } = await send('GET', `${api}/instances/${slow}`);
      expect(['Pending', 'Running']).toContain(body.runtimeStatus);
      await waitFor(() => performance.now() - began > 3 * leaseMs, { what: 'the lease to have ended twice' });
      await writeFile(`${file}.go`, '');
      expect(await end(slow, timeoutMs)).toMatchObject({ runtimeStatus: 'Completed', output: 'at last' });
      expect(await readFile(file, 'utf8')).toBe('x');
    },
    timeoutMs,
  );

  it(
    'F28: a turn that fills the memory with buffers is ended before the process is, and given up',
    async () => {
      const { runtimeStatus, output } = await end(await start('Buffers'), timeoutMs);
      const message =
        /^PoisonInstance: The orchestrator 'Buffers' filled \d+ MB with buffers when its process had no more than 800 MB \(--max-memory-mb\), at .*process-poison\.mjs:\d+\. This was the third time/;
      expect([runtimeStatus, output]).toEqual(['Failed', expect.stringMatching(message)]);
      // The same process.
      expect(await service.end('SIGTERM')).toEqual({ code: 0, signal: null });
    },
    timeoutMs,
  );
});
