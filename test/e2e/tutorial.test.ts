/** The tutorial, from an empty folder to its end, as a newcomer types it: with the embedded Postgres, and killed on the way. */
import { execFile } from 'node:child_process';
import { readFileSync } from 'node:fs';
import { mkdir, mkdtemp, rm, symlink, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join, relative } from 'node:path';
import { fileURLToPath } from 'node:url';
import { promisify } from 'node:util';
import { expect, onTestFinished, test, vi } from 'vitest';
import { perdure } from '../cli/support.ts';
import { blocksOf, shellLines, ShellLines, type CurlRequest } from '../support/page.ts';
import { startService, type Service } from '../support/service.ts';

const run = promisify(execFile);
const root = fileURLToPath(new URL('../..', import.meta.url));

test('the tutorial, line by line', async () => {
  const folder = await mkdtemp(join(tmpdir(), 'perdure-tutorial-'));
  onTestFinished(() => rm(folder, { recursive: true, force: true, maxRetries: 20, retryDelay: 100 }));
  // What npm would install; the tarball itself has a test of its own.
  await mkdir(join(folder, 'node_modules'));
  await symlink(root, join(folder, 'node_modules/perdure'), 'junction');
  const shell = new ShellLines();
  let service: Service | undefined;
  const main = join(root, 'dist/main.js');

  const execute = async (line: string, expected: unknown): Promise<void> => {
    if (/^(mkdir|npm (init|install)) /.test(line) || line.trim() === '') return;
    if (line.startsWith('kill -9 ')) {
      await service?.end('SIGKILL');
      return;
    }
    const start = /^npx perdure start (\S+)$/.exec(line)?.[1];
    if (start !== undefined) {
      const modules = [relative(root, join(folder, start))];
      service = await startService({ modules, workingDirectory: folder });
      return;
    }
    const command = /^npx perdure (.*)$/.exec(line)?.[1];
    if (command !== undefined && /^(export|import) /.test(command)) {
      // On the database of the service, beside it.
      await run(process.execPath, [main, ...shell.words(command)], { cwd: folder, env: { PATH: process.env['PATH'] } });
      return;
    }
    const file = /^(cp -a|rm -r) (.*)$/.exec(line);
    if (file !== null) {
      // The reader has stopped the service by now.
      await service?.end('SIGTERM');
      service = undefined;
      const [program = '', flag = ''] = (file[1] ?? '').split(' ');
      await run(program, [flag, ...shell.words(file[2] ?? '')], { cwd: folder });
      return;
    }
    if (command !== undefined) {
      const ended = await perdure(shell.words(command), { url: service?.url ?? '' });
      expect(ended.code, ended.errors).toBe(0);
      expect(ended.out).toContain('A-1');
      return;
    }
    if (line.startsWith('node --test ')) {
      await run(process.execPath, shell.words(line).slice(1), { cwd: folder });
      return;
    }
    const request = shell.read(line);
    if (request !== undefined) await ask(request, service?.url ?? '', expected);
  };

  const blocks = blocksOf(readFileSync(join(root, 'docs/tutorial.md'), 'utf8'));
  for (const [index, { language, text }] of blocks.entries()) {
    const file = /^\/\/ ([\w.]+)\n/.exec(text)?.[1];
    if (language === 'js' && file !== undefined) await writeFile(join(folder, file), text);
    if (language !== 'sh') continue;
    const lines = shellLines(text);
    const next = blocks[index + 1];
    const last = lines.findLastIndex((line) => line.startsWith('curl '));
    for (const [at, line] of lines.entries()) {
      const isAnswered = at === last && next?.language === 'json';
      await execute(line, isAnswered ? JSON.parse(next.text) : undefined);
    }
  }
}, 120_000);

/** Once it is as the page says: what is read may take a moment to become so. */
async function ask(request: CurlRequest, url: string, expected: unknown): Promise<void> {
  const { method, headers, body = null } = request;
  const attempt = async (): Promise<void> => {
    const response = await fetch(request.url.replace('http://127.0.0.1:7071', url), { method, headers, body });
    const answer = await response.text();
    const said = `${request.line}\nanswered ${response.status} ${answer}`;
    if (request.status === undefined) expect(response.status, said).toBeLessThan(400);
    else expect(response.status, said).toBe(request.status);
    if (expected !== undefined) expect({ body: JSON.parse(answer) as unknown }, said).toMatchObject({ body: expected });
  };
  await vi.waitFor(attempt, { timeout: 30_000, interval: 50 });
}
