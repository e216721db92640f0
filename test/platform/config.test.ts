import { readFileSync } from 'node:fs';
import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, describe, expect, test } from 'vitest';
import { ConfigError, readConfig, type StartFlags } from '../../src/config.ts';
import { defaultLimits } from '../../src/http/limits.ts';
import { perdure } from '../cli/support.ts';

const read = (flags: StartFlags = {}, env: Record<string, string> = {}) =>
  readConfig({ flags, env, isTerminal: false });

test('without flags and environment the documented defaults apply', () => {
  expect(read()).toEqual({
    databaseUrl: undefined,
    directDatabaseUrl: undefined,
    migrate: true,
    dataDir: '.perdure',
    taskHub: 'default',
    schema: 'perdure',
    versioning: { matchStrategy: 'None', failureStrategy: 'Reject' },
    workers: 1,
    isolation: {
      turnLimitMs: 10_000,
      blockLimitMs: 60_000,
      activityLimitMs: 3_600_000,
      stallMs: 500,
      maxHeapMb: expect.any(Number),
      maxMemoryMb: expect.any(Number),
    },
    leaseMs: 30_000,
    storageLimits: {
      maxPayloadLength: 16_777_216,
      maxTurnLength: 67_108_864,
      maxHistoryLength: 268_435_456,
      maxHistoryEvents: 1_000_000,
      maxActionsPerTurn: 100_000,
      maxCustomStatusBytes: 16_384,
      maxInstanceIdLength: 256,
    },
    pollMs: 1_000,
    auditRetentionMs: 90 * 86_400_000,
    retention: {},
    http: {
      host: '127.0.0.1',
      port: 7071,
      publicUrl: undefined,
      systemKey: undefined,
      requireKeys: false,
      signedLinks: false,
      linkTtlMs: 7 * 86_400_000,
      rateLimit: undefined,
      maxBodyBytes: 4_194_304,
      trustProxy: false,
      corsOrigins: [],
      limits: defaultLimits,
    },
    durableHttp: { allow: [], pollIntervalMs: 30_000, maxResponseBytes: 4_194_304 },
    log: { level: 'info', format: 'json' },
  });
});

test('retention is one time, times by status, and the same by name', () => {
  const day = 86_400_000;
  const all = { completed: 30 * day, failed: 30 * day, terminated: 30 * day };
  expect(read({ retention: '30d' }).retention).toEqual({ after: all });
  expect(read({}, { PERDURE_RETENTION: '0' }).retention).toEqual({ after: { completed: 0, failed: 0, terminated: 0 } });
  expect(read({ retention: '30d, failed=180d' }).retention).toEqual({ after: { ...all, failed: 180 * day } });
  expect(read({ retention: 'completed=12h' }).retention).toEqual({ after: { completed: day / 2 } });
  const names = { Order: { ...all, completed: 7 * day }, 'a b': all };
  expect(read({ retentionName: ['Order=30d,completed=7d', 'a b=30d'] }).retention).toEqual({ names });
  expect(read({}, { PERDURE_RETENTION_NAMES: 'Order=30d,completed=7d; a b=30d;' }).retention).toEqual({ names });
  expect(read({}, { PERDURE_RETENTION_EXPORT: 'kept' }).retention).toEqual({ exportTo: 'kept' });
  for (const [flags, message] of [
    [{ retention: 'soon' }, /--retention \(PERDURE_RETENTION\) must be a time such as .* 'soon'/],
    [{ retention: 'lost=3d' }, /knows completed, failed, terminated, not 'lost'/],
    [{ retentionName: ['Order'] }, /--retention-name .* must be a name and a time such as .* 'Order'/],
    [{ retentionExport: '' }, /--retention-export .* must be a folder/],
  ] as const) {
    expect(() => read(flags)).toThrow(message);
  }
});

test('what callHttp may reach is a list with commas or spaces', () => {
  expect(read({ httpAllow: 'a.internal, 10.0.0.0/8' }).durableHttp.allow).toEqual(['a.internal', '10.0.0.0/8']);
  expect(read({}, { PERDURE_HTTP_ALLOW: '*' }).durableHttp.allow).toEqual(['*']);
});

test('a flag wins over its variable, and an empty variable counts as none', () => {
  const env = { PORT: '8080', PERDURE_TASK_HUB: 'fromEnvironment', PERDURE_SCHEMA: '' };
  const config = read({ port: '9090' }, env);
  expect(config.http?.port).toBe(9090);
  expect(config.taskHub).toBe('fromEnvironment');
  expect(config.schema).toBe('perdure');
});

test('on a terminal the log is for people unless told otherwise', () => {
  expect(readConfig({ flags: {}, env: {}, isTerminal: true }).log.format).toBe('pretty');
  expect(readConfig({ flags: { logFormat: 'json' }, env: {}, isTerminal: true }).log.format).toBe('json');
});

test('--workers 0 serves HTTP only, --no-http works only', () => {
  expect(read({ workers: '0' }).workers).toBe(0);
  expect(read({ workers: '4' }).workers).toBe(4);
  expect(read({ http: false }).http).toBeUndefined();
});

test('proxies are believed by address, by number, or all of them', () => {
  expect(read({ trustProxy: true }).http?.trustProxy).toBe(true);
  expect(read({}, { PERDURE_TRUST_PROXY: '2' }).http?.trustProxy).toBe(2);
  expect(read({ trustProxy: 'loopback, 10.0.0.0/8,::1' }).http?.trustProxy).toEqual(['loopback', '10.0.0.0/8', '::1']);
});

test('origins are a list', () => {
  expect(read({ corsOrigins: 'https://a.example/, http://localhost:3000' }).http?.corsOrigins).toEqual([
    'https://a.example',
    'http://localhost:3000',
  ]);
});

test('a public URL loses the slash at its end', () => {
  expect(read({ publicUrl: 'https://example.org/x/' }).http?.publicUrl).toBe('https://example.org/x');
});

describe('what cannot be used is refused in one line that names flag and variable', () => {
  const cases: readonly [StartFlags, Record<string, string>, RegExp][] = [
    [{ port: '70000' }, {}, /--port \(PORT\).*65535.*'70000'/],
    [{ port: '' }, {}, /--port/],
    [{}, { PORT: 'http' }, /--port \(PORT\).*'http'/],
    [{ port: '-1' }, {}, /--port/],
    [{ leaseMs: '1.5' }, {}, /--lease-ms \(PERDURE_LEASE_MS\)/],
    [{ pollMs: '1' }, {}, /--poll-ms/],
    [{ maxBodyBytes: '10' }, {}, /--max-body-bytes/],
    [{ httpPollMs: '1' }, {}, /--http-poll-ms \(PERDURE_HTTP_POLL_MS\)/],
    [{ httpMaxResponseBytes: '1' }, {}, /--http-max-response-bytes/],
    [{ workers: '65' }, {}, /--workers \(PERDURE_WORKERS\).*from 0 to 64/],
    [{ turnLimitMs: '0' }, {}, /--turn-limit-ms \(PERDURE_TURN_LIMIT_MS\)/],
    [{ databaseUrl: 'mysql://x' }, {}, /--database-url \(DATABASE_URL\).*postgres:\/\//],
    [{}, { DIRECT_DATABASE_URL: 'nonsense' }, /--direct-database-url/],
    [{ publicUrl: 'ftp://x' }, {}, /--public-url/],
    [{ publicUrl: 'https://x/?a=1' }, {}, /--public-url/],
    [{ logLevel: 'loud' }, {}, /--log-level.*trace, debug/],
    [{ logFormat: 'xml' }, {}, /--log-format/],
    [{ systemKey: ' ' }, {}, /--system-key/],
    [{}, { PERDURE_TRUST_PROXY: 'maybe' }, /--trust-proxy/],
    [{ trustProxy: './functions.mjs' }, {}, /--trust-proxy.*'\.\/functions\.mjs'/],
    [{ corsOrigins: 'app.example' }, {}, /--cors-origins.*'app\.example'/],
    [{ corsOrigins: 'https://app.example/path' }, {}, /--cors-origins/],
    [{ linkTtl: '7' }, {}, /--link-ttl.*30m, 24h or 90d/],
    [{ linkTtl: '400d' }, {}, /--link-ttl.*366d/],
    [{}, { PERDURE_SIGNED_LINKS: 'ja' }, /--signed-links/],
    [{}, { PERDURE_AUDIT_RETENTION: '-1d' }, /--audit-retention/],
    [{ rateLimit: 'none' }, {}, /--rate-limit/],
    [{ headersTimeoutMs: '1' }, {}, /--headers-timeout-ms \(PERDURE_HEADERS_TIMEOUT_MS\)/],
    [{}, { PERDURE_MAX_HEAP_PERCENT: '101' }, /--max-heap-percent/],
  ];
  test.each(cases)('%j %j', (flags, env, message) => {
    expect(() => read(flags, env)).toThrow(ConfigError);
    expect(() => read(flags, env)).toThrow(message);
    expect(() => read(flags, env)).not.toThrow(/\n/);
  });
});

test('a password in a bad database URL is not repeated', () => {
  expect(() => read({ databaseUrl: 'postgre://me:geheim@host/db' })).not.toThrow(/geheim/);
});

describe('beyond loopback', () => {
  test.each(['127.0.0.1', '127.1.2.3', 'localhost', '::1'])('%s needs no key', (host) => {
    expect(read({ host }).http?.host).toBe(host);
  });

  test.each(['0.0.0.0', '::', '192.168.1.5', '127.evil.example'])('%s needs a key or --allow-anonymous', (host) => {
    expect(() => read({ host })).toThrow(/--system-key \(or PERDURE_SYSTEM_KEY\).*--allow-anonymous/);
    expect(read({ host, systemKey: 'k' }).http?.systemKey).toBe('k');
    expect(read({ host, allowAnonymous: true }).http?.host).toBe(host);
    expect(read({ host, requireKeys: true }).http?.requireKeys).toBe(true);
  });

  test('a worker without HTTP needs none', () => {
    expect(read({ host: '0.0.0.0', http: false }).http).toBeUndefined();
  });
});

describe('the system key from a file', () => {
  const folders: string[] = [];
  afterEach(async () => {
    for (const folder of folders.splice(0)) await rm(folder, { recursive: true });
  });
  async function keyFile(content: string): Promise<string> {
    const folder = await mkdtemp(join(tmpdir(), 'perdure-key-'));
    folders.push(folder);
    await writeFile(join(folder, 'key'), content);
    return join(folder, 'key');
  }

  test('is the file without its last line break', async () => {
    const file = await keyFile('top secret\n');
    expect(read({}, { PERDURE_SYSTEM_KEY_FILE: file }).http?.systemKey).toBe('top secret');
    expect(read({ systemKey: 'flag' }, { PERDURE_SYSTEM_KEY_FILE: file }).http?.systemKey).toBe('flag');
  });

  test('must be there and not be empty', async () => {
    const empty = await keyFile('\n');
    expect(() => read({}, { PERDURE_SYSTEM_KEY_FILE: empty })).toThrow(/PERDURE_SYSTEM_KEY_FILE.*empty/);
    expect(() => read({}, { PERDURE_SYSTEM_KEY_FILE: '/nowhere/key' })).toThrow(/PERDURE_SYSTEM_KEY_FILE.*read/);
  });
});

test('limits of what is stored come from flags and variables, and errors name both', () => {
  const { storageLimits } = read({ maxTurnLength: '100000' }, { PERDURE_MAX_HISTORY_EVENTS: '500' });
  expect(storageLimits).toMatchObject({ maxTurnLength: 100_000, maxHistoryEvents: 500, maxPayloadLength: 16_777_216 });
  expect(() => read({ maxInstanceIdLength: '257' })).toThrow(
    '--max-instance-id-length (PERDURE_MAX_INSTANCE_ID_LENGTH) must be a whole number from 32 to 256',
  );
});

test('the page lists every flag of start, with the default that --help says', async () => {
  const page = readFileSync(new URL('../../docs/configuration.md', import.meta.url), 'utf8');
  const rows = [...page.matchAll(/^\| `(--[a-z-]+)[^|]*\|[^|]*\|([^|]*)\|/gm)];
  const { out } = await perdure(['start', '--help']);
  const help = out.replaceAll(/\s+/g, ' ');
  const known = [...out.matchAll(/^ {2}(--[a-z-]+)/gm)].map(([, flag]) => flag);
  expect(rows.map(([, flag]) => flag).sort()).toEqual(known.sort());
  const numbers = rows.flatMap(([, flag = '', text = '']) => {
    const value = /^`?(\d+\w?)`?$/.exec(text.trim())?.[1];
    return value === undefined ? [] : [[flag, value]];
  });
  expect(numbers.length).toBeGreaterThan(30);
  for (const [flag, value] of numbers) {
    const said = new RegExp(`${flag} .*?\\(default: (\\w+)\\)`).exec(help)?.[1];
    expect([flag, said]).toEqual([flag, value]);
  }
});
