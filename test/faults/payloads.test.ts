/** Many payloads at the size limit at once (reliability.md, F76), with a service that has little memory. */
import { setTimeout as pause } from 'node:timers/promises';
import { beforeAll, expect, it } from 'vitest';
import { build } from '../../scripts/build.mjs';
import { management, reach, send } from '../support/http.ts';
import { testDatabase } from '../support/postgres.ts';
import { startService } from '../support/service.ts';

const database = await testDatabase();

beforeAll(() => {
  build({ onlyIfStale: true, quiet: true });
}, 240_000);

it('F76 more payloads at the size limit than fit into memory: nothing ends for want of it, and small requests are answered meanwhile', async () => {
  const heapMb = 224;
  const service = await startService({
    modules: ['test/faults/fixtures/work.mjs'],
    nodeFlags: [`--max-old-space-size=${heapMb}`, '--max-semi-space-size=8'],
    flags: ['--database-url', database.url, '--poll-ms', '100', '--max-worker-heap-mb', String(heapMb)],
  });
  const orchestrators = `${management(service.url)}/orchestrators`;
  const large = 'x'.repeat(4_000_000);
  // Each stays, waiting for an event: together they are more than the heap of any thread.
  let left = 40;
  const statuses: number[] = [];
  const sending = Promise.all(
    Array.from({ length: 6 }, async () => {
      while (left > 0) {
        const { status } = await send('POST', `${orchestrators}/Wait`, large);
        statuses.push(status);
        if (status === 202) left -= 1;
        else await pause(100);
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
  const { body } = await send('POST', `${orchestrators}/Chain`, {});
  await reach(`${management(service.url)}/instances/${body.id}`, ({ runtimeStatus }) => runtimeStatus === 'Completed', {
    what: 'a small one to complete',
  });
  // Neither the process nor a thread of it ended.
  expect(service.output()).not.toMatch(/out of memory|is ended|has ended/i);
}, 120_000);
