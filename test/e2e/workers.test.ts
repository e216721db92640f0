/** Several processes on one database. */
import { describe, expect, it } from 'vitest';
import { management, reach, send, type Answer } from '../support/http.ts';
import { testDatabase } from '../support/postgres.ts';
import { startService } from '../support/service.ts';
import { waitFor } from '../support/wait-for.ts';

const modules = ['test/e2e/fixtures/chain.ts'];
const isDone = (status: Answer['body']): boolean => status.runtimeStatus === 'Completed';

/** Starts chains whose activities take a while. */
async function startChains(url: string, count: number, ms: number): Promise<readonly string[]> {
  const ids = Array.from({ length: count }, (_, n) => `chain-${n}`);
  const answers = await Promise.all(ids.map((id) => send('POST', `${management(url)}/orchestrators/Chain/${id}`, ms)));
  for (const answer of answers) expect(answer.status).toBe(202);
  return ids;
}

/** Where the activities of completed chains ran. */
async function outputs(url: string, ids: readonly string[]): Promise<readonly (readonly number[])[]> {
  const answers: Answer['body'][] = [];
  for (const id of ids) {
    answers.push(
      (await reach(`${management(url)}/instances/${id}`, isDone, { what: `${id} to complete` })).body.output,
    );
  }
  return answers;
}

/** The processes in which the activities ran that have ended so far. */
async function ranIn(url: string, ids: readonly string[]): Promise<readonly number[]> {
  const query = 'showHistory=true&showHistoryOutput=true';
  const answers = await Promise.all(ids.map((id) => send('GET', `${management(url)}/instances/${id}?${query}`)));
  return (
    answers
      // None of one that has not begun, nor in a 503 of a service that is overloaded.
      .flatMap(({ body }) => body.historyEvents ?? [])
      .filter((event) => event.EventType === 'TaskCompleted')
      .map((event) => event.Result)
  );
}

describe('one database', async () => {
  const database = await testDatabase();
  const start = (hub: string, ...flags: readonly string[]) =>
    startService({ modules, flags: ['--database-url', database.url, '--task-hub', hub, ...flags] });

  it('F11 F34 F35 two workers and an API share the work; one worker is killed, everything completes', async () => {
    const scaled = ['--lease-ms', '1000', '--poll-ms', '100'];
    const api = await start('shared', '--workers', '0', ...scaled);
    const workers = [
      await start('shared', '--no-http', ...scaled),
      await start('shared', '--no-http', ...scaled),
    ] as const;
    const ids = await startChains(api.url, 60, 200);
    const seen = await waitFor(
      async () => {
        const pids = await ranIn(api.url, ids);
        return pids.length >= 60 && pids;
      },
      { what: 'some activities to end', timeoutMs: 30_000 },
    );
    // The one with more to do.
    const isFirst = (pid: number): boolean => pid === workers[0].pid;
    const [killed, survivor] = seen.filter(isFirst).length * 2 > seen.length ? workers : workers.toReversed();
    await killed?.end('SIGKILL');
    const pids = (await outputs(api.url, ids)).flat();
    expect(pids).toHaveLength(300);
    expect(new Set(pids)).toEqual(new Set([killed?.pid, survivor?.pid]));
  }, 90_000);

  it('F10 F70 SIGTERM: exit code 0, and what was under way goes on elsewhere without waiting for a lease', async () => {
    // With this lease the others would have to wait for a minute if the work were not handed over.
    const long = ['--lease-ms', '60000', '--poll-ms', '200'];
    const first = await start('handover', ...long);
    const ids = await startChains(first.url, 40, 300);
    await waitFor(async () => (await ranIn(first.url, ids)).length >= 40, {
      what: 'some activities to end',
      timeoutMs: 30_000,
    });
    expect(await first.end('SIGTERM')).toEqual({ code: 0, signal: null });
    const second = await start('handover', ...long);
    const pids = (await outputs(second.url, ids)).flat();
    expect(pids).toHaveLength(200);
    expect(new Set(pids)).toEqual(new Set([first.pid, second.pid]));
  }, 90_000);

  it.each(['SIGTERM', 'SIGKILL'] as const)(
    'F07 F08 %s in the middle of many starts: whatever was answered with 202 is there afterwards, and completes',
    async (signal) => {
      const hub = `starts-${signal}`;
      const scaled = ['--lease-ms', '1000', '--poll-ms', '100'];
      const first = await start(hub, ...scaled);
      const accepted: string[] = [];
      const refused: unknown[] = [];
      const starts = Array.from({ length: 500 }, async (_, n) => {
        try {
          const answer = await send('POST', `${management(first.url)}/orchestrators/Chain/many-${n}`, 0);
          if (answer.status === 202) accepted.push(`many-${n}`);
          else refused.push(answer.status);
        } catch {
          // The connection was refused or cut: nobody knows, and nothing was promised.
        }
      });
      await waitFor(() => accepted.length >= 50, { what: 'some starts to be answered' });
      const exit = await first.end(signal);
      await Promise.all(starts);
      expect(exit).toEqual(signal === 'SIGTERM' ? { code: 0, signal: null } : { code: null, signal });
      expect(new Set(refused)).toEqual(new Set(refused.length > 0 ? [503] : []));
      const second = await start(hub, ...scaled);
      for (const pids of await outputs(second.url, accepted)) expect(pids).toHaveLength(5);
    },
    90_000,
  );
});
