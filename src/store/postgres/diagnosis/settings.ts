/** Settings of the server that weaken what is promised: nothing acknowledged is lost (P1). */
import { fail, ok, warn, type Finding } from '../../../model/finding.ts';

/** As `pg_settings` has them: times in the unit of the setting. */
export type Settings = Readonly<Record<string, string>>;

const durability: readonly (readonly [name: string, bad: readonly string[], harm: string])[] = [
  ['fsync', ['off'], 'a crash of the machine can destroy the database'],
  ['full_page_writes', ['off'], 'a crash of the machine can leave torn pages'],
  ['synchronous_commit', ['off'], 'a crash of the server loses what was acknowledged last'],
];

/** In ms. Shorter ones than these break statements and connections of the service in ordinary work. */
const shortest = {
  statement_timeout: 15_000,
  lock_timeout: 5_000,
  transaction_timeout: 15_000,
  idle_session_timeout: 60_000,
};

export const settingsQuery = `select name, setting from pg_settings where name in (
  'fsync', 'full_page_writes', 'synchronous_commit', 'synchronous_standby_names', 'autovacuum', 'wal_level',
  'statement_timeout', 'lock_timeout', 'transaction_timeout', 'idle_session_timeout', 'max_connections',
  'superuser_reserved_connections', 'server_version_num', 'server_version')`;

export function settingsOf(rows: readonly { readonly name: string; readonly setting: string }[]): Settings {
  return Object.fromEntries(rows.map(({ name, setting }) => [name, setting]));
}

/** Those alone that weaken the promise, for a start to say. */
export function weakSettings(settings: Settings): readonly string[] {
  return durability.flatMap(([name, bad, harm]) =>
    bad.includes(settings[name] ?? '') ? [`${name} is ${settings[name] ?? ''}: ${harm}`] : [],
  );
}

export function judgeSettings(settings: Settings): readonly Finding[] {
  const findings: Finding[] = durability.map(([name, bad, harm]) => {
    const value = settings[name] ?? 'unknown';
    return bad.includes(value)
      ? fail(name, `${name} is ${value}: ${harm}`, `alter system set ${name} = on; select pg_reload_conf();`)
      : ok(name, `${name} is ${value}`);
  });
  const hasStandbys = (settings['synchronous_standby_names'] ?? '') !== '';
  if (hasStandbys && settings['synchronous_commit'] === 'local') {
    const text =
      'synchronous_commit is local although there are synchronous standbys: a failover can lose what was acknowledged last';
    findings.push(warn('standbys', text, 'set synchronous_commit to on for the role of the service'));
  }
  findings.push(
    settings['autovacuum'] === 'off'
      ? fail(
          'autovacuum',
          'autovacuum is off: queue tables grow until nothing moves',
          'alter system set autovacuum = on;',
        )
      : ok('autovacuum', 'autovacuum is on'),
  );
  for (const [name, least] of Object.entries(shortest)) {
    const value = Number(settings[name] ?? 0);
    if (value === 0 || value >= least) continue;
    const text = `${name} is ${value} ms for this role: it ends what the service does in ordinary work`;
    findings.push(warn(name, text, `alter role … set ${name} = 0; or ${least} or more`));
  }
  return findings;
}
