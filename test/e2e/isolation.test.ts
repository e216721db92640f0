/** User code that does not end, or takes its worker down with it: F22, F24, F28, F29, F39, F42, F43. */
import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { management, reach, send, type Answer } from '../support/http.ts';
import { testDatabase } from '../support/postgres.ts';
import { startService, type Service } from '../support/service.ts';
import { waitFor } from '../support/wait-for.ts';

const modules = ['test/e2e/fixtures/poison.ts'];
const scaled = [
  ...['--lease-ms', '1000', '--poll-ms', '100', '--turn-limit-ms', '500', '--block-limit-ms', '500'],
  ...['--stall-ms', '250', '--activity-limit-ms', '1000', '--max-worker-heap-mb', '96'],
];
/** Each try takes a new thread, and machines are busy. */
const timeoutMs = 180_000;

const isOver = ({ runtimeStatus }: Answer['body']): boolean => ['Completed', 'Failed'].includes(runtimeStatus);

describe('one service', async () => {
  const database = await testDatabase();
  const stops: (() => Promise<void>)[] = [];
  let service: Service;
  let api = '';
  let folder = '';

  beforeAll(async () => {
    folder = await mkdtemp(join(tmpdir(), 'perdure-isolation-'));
    service = await startService({
      modules,
      flags: ['--database-url', database.url, '--workers', '2', ...scaled],
      // As `npm start` and the image do; V8 would end the process instead of a thread if threads had as much.
      nodeFlags: ['--max-semi-space-size=64'],
      whenFinished: (stop) => stops.push(stop),
    });
    api = management(service.url);
  }, 60_000);

  afterAll(async () => {
    for (const stop of stops) await stop();
    await rm(folder, { recursive: true, force: true });
  });

  const start = async (name: string, id: string, input?: unknown): Promise<void> => {
    expect((await send('POST', `${api}/orchestrators/${name}/${id}`, input)).status).toBe(202);
  };
  const end = async (id: string): Promise<Answer['body']> =>
    (await reach(`${api}/instances/${id}`, isOver, { what: `${id} to end`, timeoutMs })).body;
  const logged = (text: string): Record<string, unknown> | undefined =>
    service
      .output()
      .split('\n')
      .filter((line) => line.includes(text))
      .map((line) => JSON.parse(line) as Record<string, unknown>)[0];

  it.concurrent.each([
    ['F22', 'regex', /did not return within 500 ms \(the turn limit\), at .*poison\.ts:\d+\. This was the third time/],
    // On a busy machine even an exit may take longer than this limit.
    ['F29', 'exit', /ended its worker with process\.exit\(3\), at .*poison\.ts:\d+|did not return within 500 ms/],
    // The same goes for what takes much memory.
    ['F28', 'memory', /used up the memory of its worker \(96 MB, --max-worker-heap-mb\)|did not return within 500 ms/],
  ])(
    '%s: an orchestrator (%s) fails after three tries, with the place',
    async (_row, way, message) => {
      await start('Poison', way, way);
      const { runtimeStatus, output } = await end(way);
      expect([runtimeStatus, output]).toEqual(['Failed', expect.stringMatching(message)]);
      expect(output).toMatch(/^PoisonInstance: The orchestrator 'Poison'/);
    },
    timeoutMs,
  );

  it.concurrent(
    'F43, F45: the call of an activity that blocks fails after three tries, and its retry policy is not asked',
    async () => {
      await start('Caller', 'caller', 'sync');
      const { runtimeStatus, output } = await end('caller');
      const message = /kept its thread busy for more than 500 ms .* at .*poison\.ts:\d+/;
      expect([runtimeStatus, output]).toEqual(['Completed', expect.stringMatching(message)]);
      const { body } = await send('GET', `${api}/instances/caller?showHistory=true`);
      expect(body.historyEvents.filter(({ EventType }: Answer['body']) => EventType === 'TaskFailed')).toHaveLength(1);
    },
    timeoutMs,
  );

  it.concurrent(
    'F22: the operation of an entity fails, those before and after it are applied',
    async () => {
      const entity = `${service.url}/runtime/webhooks/durabletask/entities/Counter/c`;
      for (const by of [1, 2, -1, 4]) expect((await send('POST', `${entity}?op=add`, by)).status).toBe(202);
      await waitFor(async () => (await send('GET', entity)).body === 7, { what: 'the sum', timeoutMs });
    },
    timeoutMs,
  );

  it.concurrent(
    'a hundred others run on beside all of it',
    async () => {
      const ids = Array.from({ length: 100 }, (_, n) => `innocent-${n}`);
      await Promise.all(ids.map((id) => start('Innocent', id)));
      const ends = await Promise.all(ids.map(end));
      expect(ends.filter(({ runtimeStatus }) => runtimeStatus !== 'Completed')).toEqual([]);
    },
    timeoutMs,
  );

  it.concurrent(
    'what is given up can be seen, and goes on with a rewind when its code is mended',
    async () => {
      const file = join(folder, 'mended');
      await start('Mendable', 'mendable', file);
      expect((await end('mendable')).runtimeStatus).toBe('Failed');
      const { body: explanation } = await send('GET', `${api}/instances/mendable/explain`);
      expect(explanation.kind).toBe('poisoned');
      expect(explanation.sentence).toMatch(/running it ended its workers again and again .*'Mendable' did not return/);
      await writeFile(file, '');
      expect((await send('POST', `${api}/instances/mendable/rewind?reason=mended`)).status).toBe(202);
      const isCompleted = ({ runtimeStatus }: Answer['body']): boolean => runtimeStatus === 'Completed';
      const { body } = await reach(`${api}/instances/mendable`, isCompleted, { what: 'the end', timeoutMs });
      expect(body.output).toBe('mended');
    },
    timeoutMs,
  );

  it.concurrent(
    'F39: an activity that never ends fails at its limit, and is tried again',
    async () => {
      await start('Patient', 'patient');
      expect(await end('patient')).toMatchObject({ runtimeStatus: 'Completed', output: 'attempt 2' });
    },
    timeoutMs,
  );

  it.concurrent(
    'F24, F42: what code forgot is logged with its instance, and harms nobody',
    async () => {
      await start('Forgetful', 'forgetful');
      expect(await end('forgetful')).toMatchObject({ runtimeStatus: 'Completed', output: 'done' });
      const rejection = await waitFor(() => logged('forgotten in a turn'), { what: 'the rejection', timeoutMs });
      expect(rejection).toMatchObject({ instanceId: 'forgetful', turn: 'Forgetful' });
      const error = await waitFor(() => logged('thrown after the end'), { what: 'the error', timeoutMs });
      expect(error).toMatchObject({ instanceId: 'forgetful', activity: 'ForgetfulActivity' });
    },
    timeoutMs,
  );

  it(
    'afterwards both workers share the work, and SIGTERM ends in order',
    async () => {
      await waitFor(
        async () => {
          const id = `shared-${Math.random().toString(36).slice(2)}`;
          await Promise.all(Array.from({ length: 20 }, (_, n) => start('Innocent', `${id}-${n}`)));
          const ends = await Promise.all(Array.from({ length: 20 }, (_, n) => end(`${id}-${n}`)));
          return new Set(ends.flatMap(({ output }) => output)).size > 1;
        },
        { what: 'several threads', timeoutMs },
      );
      expect((await send('GET', `${service.url}/readyz`)).status).toBe(200);
      expect(await service.end('SIGTERM')).toEqual({ code: 0, signal: null });
    },
    timeoutMs,
  );
});
