/** An old and a new version of the service on one database (F63). The new one is this one with a migration more. */
import pg from 'pg';
import { beforeAll, describe, expect, it } from 'vitest';
import { build } from '../../scripts/build.mjs';
import { management, reach, send, type Answer } from '../support/http.ts';
import { testDatabase } from '../support/postgres.ts';
import { startService, type Service } from '../support/service.ts';
import { otherVersion } from '../support/versions.ts';

const expand = { '9001_expand.sql': 'alter table instances add column remark text;\n' };
const contract = {
  ...expand,
  '9002_contract.sql':
    '-- Nobody reads it any more.\n-- breaking\nalter table instances rename column custom_status to state_text;\nalter table instances rename column state_text to custom_status;\n',
};
const isDone = (status: Answer['body']): boolean => status.runtimeStatus === 'Completed';

describe('F63 an old and a new version side by side', async () => {
  const database = await testDatabase();
  beforeAll(() => {
    build({ onlyIfStale: true, quiet: true });
  }, 240_000);

  async function query<Row extends pg.QueryResultRow>(text: string): Promise<readonly Row[]> {
    const client = new pg.Client({ connectionString: database.url });
    await client.connect();
    try {
      return (await client.query<Row>(text)).rows;
    } finally {
      await client.end();
    }
  }

  const flags = ['--database-url', database.url, '--lease-ms', '2000', '--poll-ms', '100'];
  const start = (version?: string): Promise<Service> =>
    startService({ modules: ['test/faults/fixtures/work.mjs'], flags, ...(version === undefined ? {} : { version }) });

  const begin = async (url: string, name: string, input: unknown): Promise<string> => {
    const { status, body } = await send('POST', `${management(url)}/orchestrators/${name}`, input);
    expect(status).toBe(202);
    return body.id;
  };

  it('F63 after an expansion both work; a breaking migration stops the old one, and the new one takes its work over', async () => {
    const old = await start();
    const early = await begin(old.url, 'Wait', null);

    const newer = await start(otherVersion(expand));
    expect(await query(`select name from ${database.schema}.migrations where name like '9%'`)).toEqual([
      { name: '9001_expand.sql' },
    ]);
    // Each goes on with what the other has begun.
    const late = await begin(newer.url, 'Wait', null);
    for (const [id, url] of [
      [early, newer.url],
      [late, old.url],
    ] as const) {
      expect((await send('POST', `${management(url)}/instances/${id}/raiseEvent/go`, 'both')).status).toBe(202);
      await reach(`${management(old.url)}/instances/${id}`, isDone, { what: `${id} to end` });
    }
    for (const { url } of [old, newer]) {
      const id = await begin(url, 'Chain', { steps: 3 });
      await reach(`${management(newer.url)}/instances/${id}`, isDone, { what: 'a chain to end' });
      expect((await send('GET', `${url}/readyz`)).body).toEqual({ status: 'ok' });
    }
    expect(await newer.end('SIGTERM')).toEqual({ code: 0, signal: null });

    // Only the old one is left, and at work.
    const held = await begin(old.url, 'Chain', { ms: 300_000, once: true });
    await reach(`${management(old.url)}/instances/${held}`, (one) => one.runtimeStatus === 'Running', {
      what: 'the chain to begin',
    });
    const newest = await start(otherVersion(contract));
    await reach(`${old.url}/readyz`, ({ status }) => status === 'superseded', { what: 'the old version to notice' });
    const refused = await send('GET', `${management(old.url)}/instances/${held}`);
    expect(refused).toMatchObject({ status: 503, body: { ExceptionType: 'SchemaMismatch' } });
    expect(refused.headers.get('retry-after')).not.toBeNull();
    expect((await send('POST', `${management(old.url)}/orchestrators/Chain`, {})).status).toBe(503);
    expect((await send('GET', `${old.url}/livez`)).status).toBe(200);
    const { body } = await reach(`${management(newest.url)}/instances/${held}`, isDone, { what: 'the work to go on' });
    expect(body.output).toEqual([newest.pid]);
    expect(old.output().match(/a newer version of Perdure has upgraded the database/g)).toHaveLength(1);
    expect(await old.end('SIGTERM')).toEqual({ code: 0, signal: null });

    // It cannot be started again by mistake.
    await expect(start()).rejects.toThrow(/belongs to a newer version of Perdure: it has 9002_contract\.sql/);
  }, 120_000);
});
