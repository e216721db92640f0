/**
 * Every sample, started as `npm start -- samples/<name>` does and driven with the curl lines of its page, to the end of
 * everything that it starts. A new sample is covered as soon as it is there.
 */
import { randomBytes } from 'node:crypto';
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

/** The part of the README that leads through the order. */
function orderJourney(): string {
  const readme = readFileSync(`${root}/README.md`, 'utf8');
  return readme.slice(readme.indexOf('## The order journey'), readme.indexOf('## Write your own functions'));
}

/**
 * Starts a sample, makes the requests of a page in their order, each of which must be answered as the page says (status
 * queries in time), and waits for the end of all that they started.
 */
async function walk(sample: string, page: string, flags: readonly string[]): Promise<void> {
  const { url } = await startService({
    modules: [`samples/${sample}`],
    flags: ['--database-url', database.url, '--task-hub', `hub${randomBytes(4).toString('hex')}`, ...flags],
  });
  const shell = new ShellLines();
  const blocks = blocksOf(page);
  for (const [index, { language, text }] of blocks.entries()) {
    if (language !== 'sh') continue;
    const lines = shellLines(text).filter((line) => !/^(npm|npx|kill|#) /.test(line));
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
  await vi.waitFor(async () => expect(await goingOn(url)).toEqual([]), patience);
}

/** Orchestrations that have not ended. Entities, whose ids begin with @, have no end. */
async function goingOn(url: string): Promise<readonly unknown[]> {
  const { body } = await send('GET', `${management(url)}/instances?runtimeStatus=Pending,Running,Suspended`);
  return body.filter(({ instanceId }: { readonly instanceId: string }) => !instanceId.startsWith('@'));
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
    await walk(sample, pageOf(sample), flagsOf(sample));
  }, 90_000);
});

it('the order journey of the README, line by line', () => walk('order', orderJourney(), []), 90_000);

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
