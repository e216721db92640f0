/** What the migrations of other versions do to this one, and how they are applied apart from a start. */
import pg from 'pg';
import { describe, expect, it } from 'vitest';
import { migrate, planMigrations, requireMigrated } from '../../src/store/postgres/migrate.ts';
import { ownMigrations, parseMigration } from '../../src/store/postgres/migrations.ts';
import { createTaskHub } from '../../src/task-hub.ts';
import { testDatabase } from '../support/postgres.ts';
import { waitFor } from '../support/wait-for.ts';

const expansion = parseMigration('9001_expand.sql', 'alter table instances add column remark text;');
const contraction = parseMigration('9002_contract.sql', '-- breaking\nalter table instances drop column remark;');
const index = parseMigration(
  '9003_index.sql',
  '-- no transaction\ncreate index concurrently if not exists instances_later on instances (completed_at);',
);

describe('migrations of another version', async () => {
  const { url } = await testDatabase({ migrated: false });

  async function query<Row extends pg.QueryResultRow>(text: string): Promise<readonly Row[]> {
    const client = new pg.Client({ connectionString: url });
    await client.connect();
    try {
      return (await client.query<Row>(text)).rows;
    } finally {
      await client.end();
    }
  }

  const indexes = (schema: string) =>
    query(
      `select i.indisvalid as valid from pg_index i join pg_class c on c.oid = i.indexrelid
       join pg_namespace n on n.oid = c.relnamespace where n.nspname = '${schema}' and c.relname = 'instances_later'`,
    );

  it('that break nothing are nothing to an older one; one that breaks keeps it out, before and while it runs', async () => {
    const schema = 'older';
    const at = { connectionString: url, schema };
    await migrate({ ...at, migrations: [...ownMigrations(), expansion] });
    expect(await migrate(at)).toEqual([]);
    await requireMigrated(at);
    const lines: { readonly msg: string }[] = [];
    const { pino } = await import('pino');
    const logger = pino({ level: 'error' }, { write: (line: string) => void lines.push(JSON.parse(line)) });
    const hub = createTaskHub({ databaseUrl: url, schema, functions: [], pollMs: 100, logger });
    try {
      await hub.start();
      await hub.client.getStatus('nobody');
      await migrate({ ...at, migrations: [...ownMigrations(), expansion, contraction] });
      // From this moment it has no lease, and gets none.
      expect(await query(`select 1 from ${schema}.workers where expires_at > now()`)).toEqual([]);
      await waitFor(
        () =>
          hub.client.getStatus('nobody').then(
            () => false,
            (error: unknown) => error instanceof Error && 'code' in error && error.code === 'SchemaMismatch',
          ),
        { what: 'the old version to notice' },
      );
      await waitFor(() => lines.some(({ msg }) => msg.includes('a newer version of Perdure')), { what: 'a line' });
      expect(await query(`select 1 from ${schema}.workers where expires_at > now()`)).toEqual([]);
    } finally {
      await hub.stop();
    }
    expect(lines.map(({ msg }) => msg.split(':')[0])).toEqual([
      'the lease has ended',
      expect.stringContaining('a newer version of Perdure has upgraded the database'),
    ]);
    for (const late of [migrate, requireMigrated, planMigrations]) {
      await expect(late({ ...at, version: '0' })).rejects.toMatchObject({
        code: 'SchemaMismatch',
        message: /9002_contract\.sql/,
      });
    }
  });

  it('that break move the fence of every turn that is under way', async () => {
    const schema = 'fenced';
    const at = { connectionString: url, schema };
    await migrate({ ...at, migrations: [...ownMigrations(), expansion] });
    await query(
      `insert into ${schema}.executions (instance_key, hub_id, name, execution_id, status, sequence, owner)
       values (1, 1, 'a', 'x', 'Running', 7, 5), (2, 1, 'a', 'y', 'Running', 7, null)`,
    );
    await migrate({ ...at, migrations: [...ownMigrations(), expansion, contraction] });
    expect(await query(`select sequence from ${schema}.executions order by instance_key`)).toEqual([
      { sequence: '8' },
      { sequence: '7' },
    ]);
  });

  it('build an index without a transaction, once, however many are at it; one that was left half built is built anew', async () => {
    const schema = 'indexed';
    const at = { connectionString: url, schema, migrations: [...ownMigrations(), index, expansion] };
    const applied = await Promise.all(Array.from({ length: 6 }, () => migrate(at)));
    expect(applied.flat().sort()).toEqual(at.migrations.map(({ name }) => name).sort());
    expect(await indexes(schema)).toEqual([{ valid: true }]);
    // As a build that was broken off leaves it.
    await query(
      `delete from ${schema}.migrations where name = '9003_index.sql';
       update pg_index set indisvalid = false where indexrelid = '${schema}.instances_later'::regclass`,
    );
    expect(await migrate(at)).toEqual(['9003_index.sql']);
    expect(await indexes(schema)).toEqual([{ valid: true }]);
  });

  it('wait for an index that is still being built when its migrator has lost the lock', async () => {
    const schema = 'rebuilt';
    const at = { connectionString: url, schema };
    await migrate(at);
    // An old transaction keeps the first build from its end.
    const old = new pg.Client({ connectionString: url });
    await old.connect();
    await old.query(`begin; lock table ${schema}.instances in row exclusive mode`);
    const builder = new pg.Client({ connectionString: url });
    await builder.connect();
    const built = builder.query(`create index concurrently instances_later on ${schema}.instances (completed_at)`);
    await waitFor(async () => (await indexes(schema)).length > 0, { what: 'the first build to begin' });
    const second = migrate({ ...at, migrations: [...ownMigrations(), index] });
    await waitFor(
      async () =>
        (await query(`select 1 from pg_stat_activity where query like 'drop index concurrently%'`)).length > 0,
      { what: 'the second to come' },
    );
    await old.query('commit');
    await old.end();
    // Whichever of the two the database gives up to break a deadlock: in the end there is one index, and it is good.
    await built.catch(() => undefined);
    await builder.end();
    expect(await second).toEqual(['9003_index.sql']);
    expect(await indexes(schema)).toEqual([{ valid: true }]);
  });

  it('give way to who holds a table, and come back', async () => {
    const schema = 'busy';
    const at = { connectionString: url, schema };
    await migrate(at);
    const holder = new pg.Client({ connectionString: url });
    await holder.connect();
    await holder.query(`begin; select 1 from ${schema}.instances`);
    const migrating = migrate({ ...at, migrations: [...ownMigrations(), expansion] });
    // Between two tries the lock is free, and readers come through.
    await waitFor(
      async () => (await query(`select 1 from pg_stat_activity where query like 'alter table instances%'`)).length > 0,
      { what: 'the first try' },
    );
    expect(await query(`select 1 from ${schema}.instances`)).toEqual([]);
    await holder.query('commit');
    await holder.end();
    expect(await migrating).toEqual(['9001_expand.sql']);
  });

  it('as SQL: a plan changes nothing, and what it prints does what a start would do', async () => {
    const migrations = [...ownMigrations(), index, expansion, contraction];
    for (const [schema, before] of [
      ['planned', []],
      ['planned_further', ownMigrations()],
    ] as const) {
      const at = { connectionString: url, schema, migrations };
      if (before.length > 0) await migrate({ ...at, migrations: before });
      const { pending, sql } = await planMigrations({ ...at, version: '1.2.3' });
      expect(pending).toEqual(migrations.slice(before.length).map(({ name }) => name));
      expect(sql).toContain('-- 9002_contract.sql\n');
      const tables = `select count(*)::int as count from pg_tables where schemaname = '${schema}'`;
      if (before.length === 0) expect(await query(tables)).toEqual([{ count: 0 }]);
      // psql sends one statement after the other.
      const client = new pg.Client({ connectionString: url });
      await client.connect();
      for (const part of sql.split(/(?=^drop index concurrently|^create index concurrently|^begin;)/m)) {
        if (part.startsWith('create index concurrently')) {
          const end = part.indexOf(';') + 1;
          await client.query(part.slice(0, end));
          await client.query(part.slice(end));
        } else if (part.startsWith('drop index')) await client.query(part.slice(0, part.indexOf(';') + 1));
        else {
          await client.query(part.replace(/set search_path to "\w+";\s*$/, ''));
          const last = /set search_path to "\w+";\s*$/.exec(part)?.[0];
          if (last !== undefined && !last.startsWith('set local')) await client.query(last);
        }
      }
      await client.end();
      expect(await migrate(at)).toEqual([]);
      expect((await planMigrations({ ...at, version: '1.2.3' })).sql).toBe('');
      expect(await query(`select name, breaking from ${schema}.migrations where breaking`)).toEqual([
        { name: '9002_contract.sql', breaking: true },
      ]);
    }
  });

  it('are left to others by who may not migrate: it says what is missing', async () => {
    const schema = 'by_hand';
    const hub = createTaskHub({ databaseUrl: url, schema, migrate: false });
    try {
      await expect(hub.start()).rejects.toMatchObject({
        code: 'SchemaMismatch',
        message: /schema by_hand is behind .*0001_init\.sql.* Run perdure migrate/,
      });
      expect(await query(`select 1 from pg_namespace where nspname = '${schema}'`)).toEqual([]);
      await migrate({ connectionString: url, schema });
      await hub.start();
    } finally {
      await hub.stop();
    }
  });

  it.each([
    ['-- no transaction\ncreate table a (b int);'],
    ['-- no transaction\ncreate index concurrently a on b (c); drop table d;'],
    ['-- no transaction\n-- breaking\ncreate index concurrently a on b (c);'],
  ])('that cannot be applied safely are refused: %s', (sql) => {
    expect(() => parseMigration('x.sql', sql)).toThrow(/x\.sql: '-- no transaction' is for one/);
  });
});
