/** Two thousand orchestrations over HTTP. What is asserted is that all complete and that the service answers meanwhile. */
import { expect, it } from 'vitest';
import { management, send } from '../support/http.ts';
import { testDatabase } from '../support/postgres.ts';
import { startService } from '../support/service.ts';
import { waitFor } from '../support/wait-for.ts';

const count = 2_000;
const connections = 50;
/** Far beyond what a healthy service takes, on machines that do other things as well. */
const longestLook = 5_000;

const database = await testDatabase();

it('2,000 orchestrations of five activities, started over 50 connections, all complete; /livez answers all the time', async () => {
  const { url } = await startService({
    modules: ['test/e2e/fixtures/chain.ts'],
    flags: ['--database-url', database.url],
  });
  const looks: number[] = [];
  const watching = new AbortController();
  const watch = (async () => {
    while (!watching.signal.aborted) {
      const startedAt = performance.now();
      expect((await send('GET', `${url}/livez`)).status).toBe(200);
      looks.push(performance.now() - startedAt);
      await waitFor(() => performance.now() - startedAt > 50);
    }
  })();

  let next = 0;
  await Promise.all(
    Array.from({ length: connections }, async () => {
      while (next < count) {
        const id = `load-${next}`;
        next += 1;
        const { status } = await send('POST', `${management(url)}/orchestrators/Chain/${id}`, 0);
        expect(status).toBe(202);
      }
    }),
  );
  await waitFor(
    async () =>
      (await send('GET', `${management(url)}/instances?runtimeStatus=Pending,Running&top=1`)).body.length === 0,
    { what: 'all orchestrations to end', timeoutMs: 90_000, intervalMs: 100 },
  );
  watching.abort();
  await watch;

  expect(await countCompleted(url)).toBe(count);
  expect(Math.max(...looks)).toBeLessThan(longestLook);
}, 150_000);

/** Counts over the pages of the list, each instance once. */
async function countCompleted(url: string): Promise<number> {
  const ids = new Set<string>();
  let token: string | null = null;
  do {
    const response: Response = await fetch(`${management(url)}/instances?runtimeStatus=Completed&top=500`, {
      headers: token === null ? {} : { 'x-ms-continuation-token': token },
    });
    const page = (await response.json()) as readonly { readonly instanceId: string; readonly output: unknown[] }[];
    for (const { instanceId, output } of page) {
      expect(output).toHaveLength(5);
      ids.add(instanceId);
    }
    token = response.headers.get('x-ms-continuation-token');
  } while (token !== null && token !== '');
  return ids.size;
}
