/**
 * Every sample, started as `npm start -- samples/<name>` does and driven with the curl lines of its page, to the end of
 * everything that it starts. A new sample is covered as soon as it is there.
 */
import { existsSync, readdirSync, readFileSync } from 'node:fs';
import { fileURLToPath } from 'node:url';
import { describe, expect, it, vi } from 'vitest';
import { management, send } from '../support/http.ts';
import { blocksOf, ShellLines, shellLines, type CurlRequest } from '../support/page.ts';
import { testDatabase } from '../support/postgres.ts';
import { startService } from '../support/service.ts';

const root = fileURLToPath(new URL('../..', import.meta.url));
const samples = readdirSync(`${root}/samples`, { withFileTypes: true })
  .filter((entry) => entry.isDirectory())
  .map(({ name }) => name);
const database = await testDatabase();
const patience = { timeout: 30_000, interval: 50 };

/** The page that leads through a sample: that of its concept, or a README beside it. */
function pageOf(sample: string): string {
  const page = [`docs/concepts/${sample}.md`, `samples/${sample}/README.md`].find((path) => existsSync(root + path));
  if (page === undefined) throw new Error(`samples/${sample} has no page: write docs/concepts/${sample}.md.`);
  return readFileSync(root + page, 'utf8');
}

/** The flags of the page's `npm start -- samples/<name> …`. */
function flagsOf(sample: string): readonly string[] {
  const start = new RegExp(`^npm start -- samples/${sample}(?<flags>(?: [^#\\n]*)?)(?:#.*)?$`, 'm');
  const found = blocksOf(pageOf(sample))
    .filter(({ language }) => language === 'sh')
    .map(({ text }) => start.exec(text))
    .find((match) => match !== null);
  if (found === undefined)
    throw new Error(`The page of samples/${sample} does not say: npm start -- samples/${sample}`);
  return (found.groups?.['flags'] ?? '').split(' ').filter((flag) => flag !== '');
}

/** Makes the requests of a page in their order; each must be answered as the page says, status queries in time. */
async function walk(sample: string, url: string): Promise<void> {
  const shell = new ShellLines();
  const blocks = blocksOf(pageOf(sample));
  for (const [index, { language, text }] of blocks.entries()) {
    if (language !== 'sh') continue;
    const lines = shellLines(text).filter((line) => !/^(npm|npx|#) /.test(line));
    const next = blocks[index + 1];
    const last = lines.findLastIndex((line) => line.includes('curl '));
    for (const [at, line] of lines.entries()) {
      const request = shell.read(line);
      if (request === undefined) continue;
      const body: unknown = at === last && next?.language === 'json' ? JSON.parse(next.text) : undefined;
      const answer = await ask(request, url, body);
      if (request.idInto !== undefined) shell.set(request.idInto, answer.split('"')[3] ?? '');
    }
  }
}

/** The answer, once it is as expected: what is read may take a moment to become so. */
async function ask(request: CurlRequest, url: string, expected: unknown): Promise<string> {
  const attempt = async (): Promise<string> => {
    const { method, headers, body = null } = request;
    const response = await fetch(request.url.replace('http://127.0.0.1:7071', url), { method, headers, body });
    const answer = await response.text();
    const said = `${request.line}\nanswered ${response.status} ${answer}`;
    if (request.status === undefined) expect(response.status, said).toBeLessThan(400);
    else expect(response.status, said).toBe(request.status);
    if (expected !== undefined) expect({ body: JSON.parse(answer) as unknown }, said).toMatchObject({ body: expected });
    return answer;
  };
  return request.method === 'GET' ? await vi.waitFor(attempt, patience) : await attempt();
}

describe.each(samples)('samples/%s', (sample) => {
  it('has a test in memory', () => {
    expect(existsSync(`${root}/samples/${sample}/${sample}.test.ts`)).toBe(true);
  });

  it('answers every curl line of its page as the page says, and everything comes to its end', async () => {
    const { url } = await startService({
      modules: [`samples/${sample}`],
      flags: ['--database-url', database.url, '--task-hub', sample.replaceAll('-', ''), ...flagsOf(sample)],
    });
    await walk(sample, url);
    await vi.waitFor(async () => {
      const { body } = await send('GET', `${management(url)}/instances`);
      // Entities, whose ids begin with @, have no end.
      const going = body.filter(
        ({ instanceId, runtimeStatus }: { instanceId: string; runtimeStatus: string }) =>
          !instanceId.startsWith('@') && /Pending|Running|Suspended/.test(runtimeStatus),
      );
      expect(going).toEqual([]);
    }, patience);
  }, 90_000);
});

it.each(readdirSync(`${root}/docs/concepts`))('the code that docs/concepts/%s shows is that of the sample', (page) => {
  for (const { language, text } of blocksOf(readFileSync(`${root}/docs/concepts/${page}`, 'utf8'))) {
    const path = /^\/\/ (samples\/\S+)\n/.exec(text)?.[1];
    if (language !== 'ts' || path === undefined) continue;
    const source = readFileSync(root + path, 'utf8');
    // A line `// …` stands for what is left out.
    const parts = text.slice(text.indexOf('\n')).split(/^ *\/\/ …$/m);
    for (const part of parts) expect(source).toContain(part.trim());
  }
});
