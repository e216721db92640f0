/** Keeps a process that is too old for its database from it: a newer version has applied a breaking migration. */
import { DurableError } from '../../model/errors.ts';
import { ownMigrations } from './migrations.ts';
import type { Connections, Runner, Statement, Tables } from './sql.ts';
import { statement } from './sql.ts';

/** SQL: nothing was applied that breaks whoever has only the migrations in a parameter, a text[]. */
export function isNotSuperseded(t: Tables, known: string): string {
  return `not exists (select 1 from ${t.migrations} m where m.breaking and m.name <> all(${known}::text[]))`;
}

/** For `isNotSuperseded`. */
export function knownMigrations(): readonly string[] {
  return ownMigrations().map(({ name }) => name);
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
  #saidAt = -Infinity;

  constructor(tables: Tables) {
    this.#question = statement('superseded', `select ${isNotSuperseded(tables, '$1')} as open`);
  }

  /**
   * Looks, unless another statement has said it within the last `maxAgeMs`; once closed, it stays closed.
   *
   * @returns whether this process may go on
   */
  async look(runner: Runner, maxAgeMs: number): Promise<boolean> {
    if (this.#isClosed) return false;
    if (performance.now() - this.#saidAt < maxAgeMs) return true;
    const [row] = await runner.rows<{ open: boolean }>(this.#question, [knownMigrations()]);
    if (row !== undefined) this.said(row.open);
    return !this.#isClosed;
  }

  /** A statement that was sent anyway has answered the question, too. */
  said(open: boolean): void {
    this.#isClosed ||= !open;
    this.#saidAt = performance.now();
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
