/** The monitor sample as users run it: an order, polls, a report. */
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

it('the monitor polls the slow service until the report is ready', async () => {
  const ended = await start(['--http-allow', '127.0.0.1', '--task-hub', 'allowed']);
  expect(ended).toMatchObject({ runtimeStatus: 'Completed', output: { rows: 42 } });
  const requests = ended.historyEvents.filter(
    (event: { FunctionName?: string; EventType: string }) =>
      event.FunctionName === 'BuiltIn::HttpActivity' && event.EventType === 'TaskCompleted',
  );
  // The order, polls while it is made (6 s, one each 2 s), and the report.
  expect(requests.length).toBeGreaterThanOrEqual(4);
}, 90_000);

it('without --http-allow it fails, and says which flag is missing', async () => {
  const ended = await start(['--task-hub', 'refused']);
  expect(ended.runtimeStatus).toBe('Failed');
  expect(JSON.stringify(ended)).toContain('--http-allow 127.0.0.1');
}, 90_000);
