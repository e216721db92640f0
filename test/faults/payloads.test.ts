/** A service that has little memory (reliability.md, F73 and F76). */
import { existsSync, readFileSync } from 'node:fs';
import { setTimeout as pause } from 'node:timers/promises';
import { beforeAll, expect, it, onTestFinished } from 'vitest';
import { build } from '../../scripts/build.mjs';
import { management, reach, send } from '../support/http.ts';
import { testDatabase } from '../support/postgres.ts';
import { startService, type Service } from '../support/service.ts';
import { waitFor } from '../support/wait-for.ts';

const database = await testDatabase();
const large = 'x'.repeat(4_000_000);
const waiting: string[] = [];

function startSmallService(flags: readonly string[] = []) {
  const heapMb = 224;
  return startService({
    modules: ['test/faults/fixtures/work.mjs'],
    nodeFlags: [`--max-old-space-size=${heapMb}`, '--max-semi-space-size=8'],
    flags: ['--database-url', database.url, '--poll-ms', '100', '--max-worker-heap-mb', String(heapMb), ...flags],
  });
}

beforeAll(() => {
  build({ onlyIfStale: true, quiet: true });
}, 240_000);

it('F76 more payloads at the size limit than fit into memory: nothing ends for want of it, and small requests are answered meanwhile', async () => {
  const service = await startSmallService();
  const orchestrators = `${management(service.url)}/orchestrators`;
  // Each stays, waiting for an event: together they are more than the heap of any thread.
  let left = 40;
  const statuses: number[] = [];
  const sending = Promise.all(
    Array.from({ length: 6 }, async () => {
      while (left > 0) {
        const { status, body } = await send('POST', `${orchestrators}/Wait`, large);
        statuses.push(status);
        if (status === 202) {
          left -= 1;
          waiting.push(String(body.id));
        } else await pause(100);
      }
    }),
  );
  const times: number[] = [];
  while (left > 0) {
    const from = performance.now();
    expect((await send('GET', `${service.url}/livez`)).status).toBe(200);
    times.push(performance.now() - from);
    await pause(20);
  }
  await sending;
  // Whoever could not be served was told so.
  expect(statuses.filter((status) => status !== 202 && status !== 503)).toEqual([]);
  expect(Math.max(...times)).toBeLessThan(10_000);
  // Whoever looks at all of them gets a part at a time.
  const instances = `${management(service.url)}/instances`;
  const page = await send('GET', `${instances}?top=40`);
  expect([page.status, page.headers.get('x-ms-continuation-token')]).toEqual([200, expect.stringMatching(/./)]);
  expect(page.body.length).toBeGreaterThan(4);
  expect(page.body.length).toBeLessThan(12);
  expect(page.body[0].input).toBe(large);
  const looks = await Promise.all(waiting.map((id) => send('GET', `${instances}/${id}`)));
  for (const look of looks) {
    expect([200, 202, 503]).toContain(look.status);
    if (look.status !== 503) expect(look.body.input).toBe(large);
  }
  expect(looks.some((look) => look.status !== 503)).toBe(true);
  const { body } = await send('POST', `${orchestrators}/Chain`, {});
  await reach(`${management(service.url)}/instances/${body.id}`, ({ runtimeStatus }) => runtimeStatus === 'Completed', {
    what: 'a small one to complete',
  });
  // Neither the process nor a thread of it ended.
  expect(service.output()).not.toMatch(/out of memory|is ended|has ended/i);
}, 120_000);

it('F76 histories and an inbox that are more than fit into memory: they are read a part at a time', async () => {
  const untilAccepted = async (url: string, body?: unknown): Promise<void> => {
    while ((await send('POST', url, body)).status !== 202) await pause(100);
  };
  // Nobody works while they come.
  const front = await startSmallService(['--workers', '0']);
  const [first = '', ...others] = waiting.map((id) => `${management(front.url)}/instances/${id}/raiseEvent/go`);
  await Promise.all(others.map((url) => untilAccepted(url, 1)));
  let left = 16;
  const flood = Array.from({ length: 3 }, async () => {
    while ((left -= 1) >= 0) await untilAccepted(first, large);
  });
  await Promise.all(flood);
  await front.end('SIGKILL');
  const service = await startSmallService();
  for (const id of waiting) {
    const url = `${management(service.url)}/instances/${id}?showInput=false`;
    await reach(url, ({ runtimeStatus }) => runtimeStatus === 'Completed', { what: `${id} to complete` });
  }
  expect(service.output()).not.toMatch(/out of memory|is ended|has ended/i);
}, 120_000);

/** What a process has in memory, in MB; 0 when it has ended. */
function residentMb(pid: number): number {
  if (!existsSync(`/proc/${pid}`)) return 0;
  return Number(/VmRSS:\s+(\d+)/.exec(readFileSync(`/proc/${pid}/status`, 'utf8'))?.[1] ?? 0) / 1_024;
}

/** A service and the processes that it has begun, the largest first. */
function processesOf({ pid }: Service): readonly { readonly pid: number; readonly mb: number }[] {
  const list = `/proc/${pid}/task/${pid}/children`;
  const children = existsSync(list) ? readFileSync(list, 'utf8').split(' ').filter(Boolean).map(Number) : [];
  return [pid, ...children].map((id) => ({ pid: id, mb: residentMb(id) })).sort((one, other) => other.mb - one.mb);
}

const totalMb = (service: Service): number => processesOf(service).reduce((sum, { mb }) => sum + mb, 0);

it.skipIf(process.platform !== 'linux')(
  'F73 killed for want of memory and started again, each time later: what took it is given up after its tries, everything else completes (skipped where there is no /proc)',
  async () => {
    const start = (): Promise<Service> =>
      startService({
        modules: ['test/faults/fixtures/work.mjs'],
        flags: [
          ...['--database-url', database.url, '--task-hub', 'limited', '--workers', '1'],
          ...['--lease-ms', '1000', '--poll-ms', '100'],
        ],
      });
    let service = await start();
    const limitMb = totalMb(service) + 300;
    const begin = async (name: string, input: unknown): Promise<string> => {
      const { status, body } = await send('POST', `${management(service.url)}/orchestrators/${name}`, input);
      expect(status).toBe(202);
      return body.id;
    };
    const chains = await Promise.all([1, 2, 3, 4].map(() => begin('Chain', { steps: 3, ms: 200 })));
    const hoarder = await begin('Hoarder', { mb: 600 });
    // What the kernel does to the largest process of a container, and whoever looks after containers.
    let kills = 0;
    let isWatched = true;
    const watch = (async () => {
      while (isWatched) {
        await pause(10);
        const [largest] = processesOf(service);
        if (largest === undefined || totalMb(service) <= limitMb) continue;
        kills += 1;
        if (largest.pid !== service.pid) {
          process.kill(largest.pid, 'SIGKILL');
          await waitFor(() => residentMb(largest.pid) === 0, { what: 'its memory to be free' });
          continue;
        }
        await service.end('SIGKILL');
        await pause(Math.min(400, 50 * 2 ** kills));
        service = await start();
      }
    })();
    onTestFinished(() => {
      isWatched = false;
      return watch;
    });
    const failed = await waitFor(
      async () => {
        const answer = await send('GET', `${management(service.url)}/instances/${hoarder}`).catch(() => undefined);
        return answer?.body.runtimeStatus === 'Failed' && answer.body;
      },
      { what: 'the one that takes too much to be given up', timeoutMs: 120_000, intervalMs: 100 },
    );
    expect(JSON.stringify(failed.output)).toMatch(
      /The process in which it ran, and nothing else did, has ended \(SIGKILL\).*third time/,
    );
    // Beside others, where nobody is to blame, then three times alone.
    expect(kills).toBeGreaterThanOrEqual(3);
    expect(kills).toBeLessThanOrEqual(8);
    for (const id of chains) {
      const { body } = await reach(
        `${management(service.url)}/instances/${id}`,
        ({ runtimeStatus }) => runtimeStatus === 'Completed',
        { what: `${id} to complete` },
      );
      expect(body.output).toHaveLength(3);
    }
    expect(totalMb(service)).toBeLessThan(limitMb);
  },
  150_000,
);
