/** The monitor sample, started without the flag that it needs; samples.test.ts starts it with it. */
import { expect, it } from 'vitest';
import { management, send } from '../support/http.ts';
import { testDatabase } from '../support/postgres.ts';
import { startService } from '../support/service.ts';
import { waitFor } from '../support/wait-for.ts';

const database = await testDatabase();

async function start(flags: readonly string[]) {
  const { url } = await startService({
    modules: ['samples/monitor'],
    flags: ['--database-url', database.url, ...flags],
  });
  const { status, body } = await send('POST', `${url}/api/monitor`);
  expect(status).toBe(202);
  return waitFor(
    async () => {
      const instance = await send('GET', `${management(url)}/instances/${body.id}?showHistory=true`);
      return instance.status === 200 && instance.body;
    },
    { what: 'the monitor to end', timeoutMs: 30_000, intervalMs: 100 },
  );
}

it('without --http-allow it fails, and says which flag is missing', async () => {
  const ended = await start(['--task-hub', 'refused']);
  expect(ended.runtimeStatus).toBe('Failed');
  expect(JSON.stringify(ended)).toContain('--http-allow 127.0.0.1');
}, 90_000);
