/** User code that ends the whole process, which is started again each time: F28, F29. */
import { mkdtemp, readFile, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { describe, expect, it, onTestFinished } from 'vitest';
import { management, send, type Answer } from '../support/http.ts';
import { testDatabase } from '../support/postgres.ts';
import { startService } from '../support/service.ts';
import { waitFor } from '../support/wait-for.ts';

const modules = ['test/e2e/fixtures/process-poison.mjs'];
const scaled = [
  ...['--no-http', '--lease-ms', '1000', '--poll-ms', '100', '--turn-limit-ms', '30000', '--block-limit-ms', '30000'],
  ...['--max-worker-heap-mb', '64'],
];
/** Machines are busy. */
const timeoutMs = 180_000;
const givenUp =
  /The process in which it ran, and nothing else did, has ended \(SIG[A-Z]+\)\. This was the third time; it is not tried again\.$/;

/** Starts it again when it has ended, as Docker, Kubernetes, or systemd do. */
async function supervise(flags: readonly string[], signal: AbortSignal): Promise<void> {
  while (!signal.aborted) {
    const stops: (() => Promise<void>)[] = [];
    const ended = startService({ modules, flags, whenFinished: (stop) => stops.push(stop) })
      .then((service) => service.exited)
      // It was dead before it was ready.
      .catch(() => undefined);
    const aborted = new Promise((resolve) => signal.addEventListener('abort', resolve, { once: true }));
    await Promise.race([ended, aborted]);
    for (const stop of stops) await stop();
    await ended;
  }
}

describe('a process that user code ends, and that is started again each time', async () => {
  const database = await testDatabase();

  it(
    'F28, F29: a turn and an activity are given up after three deaths alone, and all others complete',
    async () => {
      const folder = await mkdtemp(join(tmpdir(), 'perdure-process-'));
      onTestFinished(() => rm(folder, { recursive: true, force: true }));
      const flags = ['--database-url', database.url];
      const { url } = await startService({ modules, flags: [...flags, '--workers', '0'] });
      const api = management(url);
      const start = async (name: string, id: string, input?: string): Promise<void> => {
        expect((await send('POST', `${api}/orchestrators/${name}/${id}`, input)).status).toBe(202);
      };
      const end = async (id: string): Promise<Answer['body']> => {
        const isOver = ({ runtimeStatus }: Answer['body']): boolean => ['Completed', 'Failed'].includes(runtimeStatus);
        const ask = async (): Promise<Answer['body']> => {
          const { body } = await send('GET', `${api}/instances/${id}`);
          return isOver(body) && body;
        };
        // Every look takes time from what is started again and again.
        return waitFor(ask, { what: `${id} to end`, timeoutMs, intervalMs: 200 });
      };
      const runs = { turn: join(folder, 'turn'), activity: join(folder, 'activity') };
      for (const file of Object.values(runs)) await writeFile(file, '');
      const innocents = Array.from({ length: 5 }, (_, n) => `innocent-${n}`);
      for (const id of innocents) await start('Innocent', id);
      await start('Poison', 'turn', runs.turn);
      await start('Caller', 'activity', runs.activity);

      const stop = new AbortController();
      const supervised = supervise([...flags, ...scaled], stop.signal);
      onTestFinished(async () => {
        stop.abort();
        await supervised;
      });
      const turn = await end('turn');
      expect([turn.runtimeStatus, turn.output]).toEqual(['Failed', expect.stringMatching(givenUp)]);
      expect(turn.output).toMatch(/^PoisonInstance: /);
      // Its orchestrator sees the failure.
      const caller = await end('activity');
      expect([caller.runtimeStatus, caller.output]).toEqual(['Completed', expect.stringMatching(givenUp)]);
      for (const id of innocents) expect((await end(id)).runtimeStatus).toBe('Completed');
      // Two or three times beside others and three times alone; another, when the service died at the same moment.
      for (const file of Object.values(runs)) expect((await readFile(file, 'utf8')).length).toBeLessThanOrEqual(9);
    },
    timeoutMs,
  );
});
