/** The files in `migrations/`: plain SQL, in order of their names, each applied once. */
import { readdirSync, readFileSync } from 'node:fs';

const folder = new URL('../../../migrations/', import.meta.url);

/** One file. */
export interface Migration {
  readonly name: string;
  readonly sql: string;
  /** `-- breaking` above its first statement: versions without this file must stop. */
  readonly breaking: boolean;
  /** The index that a `-- no transaction` file builds; such a file holds one `create index concurrently` and nothing else. */
  readonly concurrentIndex: string | undefined;
}

let own: readonly Migration[] | undefined;

/** Those that this version brings. */
export function ownMigrations(): readonly Migration[] {
  return (own ??= readMigrations(folder));
}

/** @throws Error for a file that says `-- no transaction` and does something else than building one index */
export function readMigrations(from: URL): readonly Migration[] {
  return readdirSync(from)
    .filter((name) => name.endsWith('.sql'))
    .sort()
    .map((name) => parseMigration(name, readFileSync(new URL(name, from), 'utf8')));
}

/** See {@link readMigrations}. */
export function parseMigration(name: string, sql: string): Migration {
  const lines = sql.split('\n').map((line) => line.trim());
  const firstStatement = lines.findIndex((line) => line !== '' && !line.startsWith('--'));
  const marks = new Set(firstStatement === -1 ? lines : lines.slice(0, firstStatement));
  const breaking = marks.has('-- breaking');
  if (!marks.has('-- no transaction')) return { name, sql, breaking, concurrentIndex: undefined };
  const statements = lines.filter((line) => line !== '' && !line.startsWith('--')).join(' ');
  const concurrentIndex =
    /^create (?:unique )?index concurrently (?:if not exists )?([a-z_][a-z0-9_]*) on [^;]*;?$/i.exec(statements)?.[1];
  if (concurrentIndex === undefined || breaking) {
    throw new Error(
      `${name}: '-- no transaction' is for one 'create index concurrently name on …', which breaks nothing.`,
    );
  }
  return { name, sql, breaking, concurrentIndex };
}
