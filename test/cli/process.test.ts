/** The built program as a process: exit codes, and a reader that has had enough. */
import { execFile } from 'node:child_process';
import { createServer } from 'node:http';
import type { AddressInfo } from 'node:net';
import { fileURLToPath } from 'node:url';
import { beforeAll, expect, onTestFinished, test } from 'vitest';
import { build } from '../../scripts/build.mjs';

const main = fileURLToPath(new URL('../../dist/main.js', import.meta.url));

beforeAll(() => {
  build({ onlyIfStale: true, quiet: true });
}, 120_000);

interface Outcome {
  readonly code: number;
  readonly out: string;
  readonly errors: string;
}

function run(file: string, args: readonly string[], env: Record<string, string> = {}): Promise<Outcome> {
  return new Promise((resolve) => {
    const options = { env: { PATH: process.env['PATH'], ...env }, timeout: 60_000 };
    execFile(file, [...args], options, (error, out, errors) => {
      resolve({ code: error === null ? 0 : Number(error.code), out, errors });
    });
  });
}

test('what cannot be reached ends with 5, bad usage with 2, help with 0', async () => {
  const [gone, bad, help] = await Promise.all([
    run(process.execPath, [main, 'list', '--url', 'http://127.0.0.1:1']),
    run(process.execPath, [main, 'list', '--limt']),
    run(process.execPath, [main, '--help']),
  ]);
  expect(gone).toMatchObject({ code: 5, out: '', errors: expect.stringMatching(/^perdure: .*perdure start.*\n$/) });
  expect(bad).toMatchObject({ code: 2, out: '', errors: expect.stringContaining('--limit') });
  expect(help).toMatchObject({ code: 0, errors: '' });
}, 60_000);

test('a reader that has had enough is no error', async () => {
  const time = '2030-01-01T00:00:00.000Z';
  const instance = { name: 'n'.repeat(100), runtimeStatus: 'Running', createdAt: time, lastUpdatedAt: time };
  const page = Array.from({ length: 1_000 }, (_, index) => ({
    ...instance,
    ...{ instanceId: `i-${index}`, completedAt: null, scheduledStartAt: null },
  }));
  const server = createServer((_request, response) => response.end(JSON.stringify(page)));
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  onTestFinished(() => void server.close());
  const env = { PERDURE_URL: `http://127.0.0.1:${(server.address() as AddressInfo).port}` };
  const { out, errors } = await run('sh', ['-c', `"${process.execPath}" "${main}" list --all | head -1`], env);
  expect([out.split('\t')[0], errors]).toEqual(['i-0', '']);
}, 60_000);
