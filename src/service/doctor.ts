/** `perdure doctor`, as far as it looks at the database. */
import type { DoctorRequest } from '../cli/commands/doctor.ts';
import { readHubConfig } from '../config.ts';
import { fail, ok, type Finding } from '../model/finding.ts';
import { runningEmbeddedUrl } from '../store/embedded/running.ts';
import { diagnose } from '../store/postgres/diagnosis/index.ts';
import { databaseError } from './explain.ts';
import { StartupError } from './startup-error.ts';

/**
 * @returns `undefined` when no database is named and no embedded one runs here
 * @throws ConfigError
 */
export async function examineDatabase(flags: DoctorRequest): Promise<readonly Finding[] | undefined> {
  const { databaseUrl: given, directDatabaseUrl, schema, dataDir } = readHubConfig({ flags });
  const databaseUrl = given ?? (await runningEmbeddedUrl(dataDir));
  if (databaseUrl === undefined) return undefined;
  try {
    const { host, pathname } = new URL(databaseUrl);
    return [
      ok('database', `${host}${pathname} answers`),
      ...(await diagnose({ databaseUrl, directDatabaseUrl, schema })),
    ];
  } catch (error) {
    const known = databaseError(error, databaseUrl);
    if (!(known instanceof StartupError)) throw known;
    const [text = '', fix = ''] = known.message.split(': check ');
    return [fail('database', text, `check ${fix}`)];
  }
}
