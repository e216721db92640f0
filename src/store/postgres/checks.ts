/** What in a database will make work slower and slower: worth a line in the log (F61, F62). */
import type { DatabaseChecks } from '../database-checks.ts';
import { statement, type Runner, type Statement } from './sql.ts';

/** Below so many dead rows nothing is wrong, whatever their share. */
const manyDeadRows = 100_000;
const longMs = 1_800_000;

const looks = (schema: string): Statement =>
  statement(
    'checks',
    `select
       array(
         select t.relname || ' (' || t.n_dead_tup || ')' from pg_stat_all_tables t
         where t.schemaname = '${schema}' and t.n_dead_tup > $1 and t.n_dead_tup > 2 * t.n_live_tup
           and coalesce(greatest(t.last_autovacuum, t.last_vacuum), '-infinity') < now() - $2 * interval '1 millisecond'
         order by t.relname
       ) as unswept,
       (
         select a.pid from pg_stat_activity a
         where a.backend_xmin is not null and a.xact_start < now() - $2 * interval '1 millisecond'
         order by a.xact_start limit 1
       ) as holder`,
  );

interface Look {
  readonly unswept: readonly string[];
  readonly holder: number | null;
}

export class PostgresChecks implements DatabaseChecks {
  readonly #runner: Runner;
  readonly #looks: Statement;

  constructor(runner: Runner, schema: string) {
    this.#runner = runner;
    this.#looks = looks(schema);
  }

  async findWarnings({ deadRows = manyDeadRows, forMs = longMs } = {}): Promise<readonly string[]> {
    const [seen] = await this.#runner.rows<Look>(this.#looks, [deadRows, forMs]);
    if (seen === undefined) return [];
    const { unswept, holder } = seen;
    const warnings: string[] = [];
    if (unswept.length > 0) {
      warnings.push(
        `vacuum does not keep up: dead rows in ${unswept.join(', ')}; work gets slower until autovacuum can run on them`,
      );
    }
    if (holder !== null) {
      warnings.push(`process ${holder} of Postgres holds an old snapshot: no dead row is removed until it ends`);
    }
    return warnings;
  }
}
