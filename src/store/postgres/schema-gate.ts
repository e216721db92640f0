/** Keeps a process that is too old for its database from it: a newer version has applied a breaking migration. */
import { DurableError } from '../../model/errors.ts';
import { ownMigrations } from './migrations.ts';
import type { Connections, Runner, Statement, Tables } from './sql.ts';
import { statement } from './sql.ts';

/** SQL: nothing was applied that breaks whoever has only the migrations in a parameter, a text[]. */
export function isNotSuperseded(t: Tables, known: string): string {
  return `not exists (select 1 from ${t.migrations} m where m.breaking and m.name <> all(${known}::text[]))`;
}

export function superseded(): DurableError {
  return new DurableError(
    'SchemaMismatch',
    'The database was upgraded by a newer version of Perdure, with which this one cannot work: replace this process.',
  );
}

export class SchemaGate {
  readonly #question: Statement;
  #isClosed = false;

  constructor(tables: Tables) {
    this.#question = statement('superseded', `select ${isNotSuperseded(tables, '$1')} as open`);
  }

  /** Looks; once closed, it stays closed. @returns whether this process may go on */
  async look(runner: Runner): Promise<boolean> {
    if (this.#isClosed) return false;
    const known = ownMigrations().map(({ name }) => name);
    const [row] = await runner.rows<{ open: boolean }>(this.#question, [known]);
    this.#isClosed = row?.open === false;
    return !this.#isClosed;
  }

  /** The same connections, while this process may have them. @throws DurableError `SchemaMismatch` after that */
  guard(connections: Connections): Connections {
    return {
      connect: async () => {
        if (this.#isClosed) throw superseded();
        return connections.connect();
      },
    };
  }
}
