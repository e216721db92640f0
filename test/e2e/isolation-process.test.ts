/** User code that ends the whole process, which is started again each time: F29. */
import { describe, expect, it } from 'vitest';
import { management, send, type Answer } from '../support/http.ts';
import { testDatabase } from '../support/postgres.ts';
import { startService, type Service, type ServiceOptions } from '../support/service.ts';
import { waitFor } from '../support/wait-for.ts';

const modules = ['test/e2e/fixtures/poison.ts'];
const scaled = [
  ...['--lease-ms', '1000', '--poll-ms', '100', '--turn-limit-ms', '5000', '--block-limit-ms', '5000'],
  ...['--stall-ms', '500', '--max-worker-heap-mb', '64'],
];
/** Machines are busy. */
const timeoutMs = 180_000;
const innocents = Array.from({ length: 10 }, (_, n) => `innocent-${n}`);

/** What starts a process again when it has ended, as Docker, Kubernetes, or systemd do. */
class Restarts {
  starts = 0;
  readonly #options: ServiceOptions;
  #service: Promise<Service | undefined> | undefined;

  constructor(options: ServiceOptions) {
    this.#options = options;
  }

  /** The answer of the process, once one lives for long enough to give it. */
  async send(method: string, path: string, body?: unknown): Promise<Answer | undefined> {
    const service = await (this.#service ??= this.#start());
    return service && (await send(method, `${management(service.url)}${path}`, body).catch(() => undefined));
  }

  /** The status in which the instance ends. */
  async end(id: string): Promise<Answer['body']> {
    const ask = async (): Promise<Answer['body']> => {
      const answer = await this.send('GET', `/instances/${id}`);
      return ['Completed', 'Failed'].includes(answer?.body.runtimeStatus) && answer?.body;
    };
    return waitFor(ask, { what: `${id} to end`, timeoutMs, intervalMs: 20 });
  }

  async #start(): Promise<Service | undefined> {
    this.starts += 1;
    try {
      const service = await startService(this.#options);
      void service.exited.then(() => (this.#service = undefined));
      return service;
    } catch {
      // It was dead before it was ready.
      this.#service = undefined;
      return undefined;
    }
  }
}

describe('a process that user code ends, and that is started again each time', async () => {
  const database = await testDatabase();

  it.each([
    // The kernel ends it: nobody can say whose doing it was.
    { row: 'F29', way: 'process', reason: /died with its process/ },
  ])(
    '$row: an orchestration ($way) is given up after three deaths alone, and all others complete',
    async ({ row, way, reason }) => {
      const restarts = new Restarts({
        modules,
        flags: ['--database-url', database.url, '--task-hub', `${row}${way}`, ...scaled],
        whenFinished: (stop) => stops.push(stop),
      });
      const stops: (() => Promise<void>)[] = [];
      try {
        const start = async (name: string, id: string, input?: unknown): Promise<void> => {
          const path = `/orchestrators/${name}/${id}`;
          // An answer that was lost is asked for again: the instance may exist.
          const isKnown = async (): Promise<boolean> =>
            [202, 409].includes((await restarts.send('POST', path, input))?.status ?? 0);
          await waitFor(isKnown, { what: `${id} to be started`, timeoutMs });
        };
        for (const id of innocents) await start('Innocent', id);
        await start('Poison', 'turn', way);
        const turn = await restarts.end('turn');
        expect([turn.runtimeStatus, turn.output]).toEqual(['Failed', expect.stringMatching(reason)]);
        expect(turn.output).toMatch(/^PoisonInstance: .*This was the third time/);
        for (const id of innocents) expect((await restarts.end(id)).runtimeStatus).toBe('Completed');
        // The first one, then two beside others and three alone; a busy machine may need another.
        expect(restarts.starts).toBeLessThanOrEqual(8);
      } finally {
        for (const stop of stops) await stop();
      }
    },
    timeoutMs,
  );
});
