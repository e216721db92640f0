/** Completion in shells, asked as their scripts ask. */
import { randomBytes } from 'node:crypto';
import { beforeAll, expect, test, vi } from 'vitest';
import { stage } from '../http/support.ts';
import { perdure } from './support.ts';

const service = stage();
let url = '';

beforeAll(async () => {
  url = await service.api.app.listen({ port: 0, host: '127.0.0.1' });
});

/** What a shell is offered for a line whose last word is being typed. */
async function complete(words: readonly string[], at = url): Promise<readonly string[]> {
  const said: string[] = [];
  const log = vi.spyOn(console, 'log').mockImplementation((text: string) => void said.push(text));
  try {
    const { code, out, errors } = await perdure(['complete', '--', ...words], { url: at });
    expect([code, errors]).toEqual([0, '']);
    return [...said, ...out.split('\n')].map((line) => line.split('\t')[0] ?? '').filter((line) => line !== '');
  } finally {
    log.mockRestore();
  }
}

test.each(['bash', 'zsh', 'fish', 'powershell'])('there is a script for %s', async (shell) => {
  const said: string[] = [];
  const log = vi.spyOn(console, 'log').mockImplementation((text: string) => void said.push(text));
  const { code } = await perdure(['completion', shell]);
  log.mockRestore();
  expect(code).toBe(0);
  expect(said.join('\n')).toMatch(/perdure.* complete /);
});

test('another shell is refused', async () => {
  expect(await perdure(['completion', 'tcsh'])).toMatchObject({ code: 2, errors: expect.stringContaining('zsh') });
});

test('commands, flags and the values of flags', async () => {
  expect(await complete(['st'])).toEqual(['start', 'status', 'start-new', ':4']);
  expect(await complete(['keys', 'rot'])).toEqual(['rotate', 'rotate-links', ':4']);
  expect(await complete(['list', '--st'])).toEqual(['--status', ':4']);
  expect(await complete(['start-new', 'Echo', '--on-existing', ''])).toEqual(
    expect.arrayContaining(['error', 'return', 'replace', 'terminate']),
  );
});

test('ids and names that the service knows; nothing when it does not answer', async () => {
  const id = await service.api.running('WaitGo', undefined, `tab-${randomBytes(6).toString('hex')}`);
  for (const command of ['status', 'terminate', 'wait']) {
    expect(await complete([command, id.slice(0, 10)])).toEqual([id, ':4']);
  }
  expect(await complete(['start-new', 'Wait'])).toEqual(['WaitGo', ':4']);
  expect(await complete(['status', 'tab-'], 'http://127.0.0.1:1')).toEqual([':4']);
});

test('modules are files', async () => {
  expect(await complete(['start', './'])).toEqual([':0']);
});
