/** The server and the way to it: version, pooler, clock, connections. */
import pg from 'pg';
import { fail, ok, warn, type Finding } from '../../../model/finding.ts';
import type { Settings } from './settings.ts';

const oldest = 14;
const maxClockDifferenceMs = 5_000;
/** Of one process of the service: clients, workers, heartbeat, LISTEN. */
const connectionsPerProcess = 18;

export function judgeVersion(settings: Settings): Finding {
  const major = Math.floor(Number(settings['server_version_num'] ?? 0) / 10_000);
  const name = `Postgres ${settings['server_version'] ?? major}`;
  return major >= oldest
    ? ok('version', name)
    : fail('version', `${name} is too old`, `Postgres ${oldest} or newer is needed`);
}

/** Times go by the database; only what signed links and keys expire by is compared with the clock here. */
export async function judgeClock(client: pg.Client): Promise<Finding> {
  const before = Date.now();
  const { rows } = await client.query<{ now: number }>(
    `select (extract(epoch from clock_timestamp()) * 1000)::float8 as now`,
  );
  const middle = (before + Date.now()) / 2;
  const difference = Math.round((rows[0]?.now ?? middle) - middle);
  const text = `the clock of the database is ${Math.abs(difference)} ms ${difference < 0 ? 'behind' : 'ahead of'} this one`;
  return Math.abs(difference) <= maxClockDifferenceMs
    ? ok('clock', text)
    : warn('clock', text, 'let NTP set both; timers and schedules go by the clock of the database');
}

/**
 * A pooler gives a connection another number than its server process has. Between two statements of one client another one
 * comes in; if the first then finds itself on another server process, connections are lent for transactions only.
 */
export async function judgePooler(
  connectionString: string,
  client: pg.Client,
  hasDirectUrl: boolean,
): Promise<Finding> {
  const pidOf = async (one: pg.Client): Promise<number> =>
    (await one.query<{ pid: number }>('select pg_backend_pid() as pid')).rows[0]?.pid ?? 0;
  const own = 'processID' in client ? client.processID : undefined;
  const first = await pidOf(client);
  if (own === first || typeof own !== 'number') return ok('pooler', 'connections go to the server itself');
  const second = new pg.Client({ connectionString });
  await second.connect();
  try {
    await second.query('begin');
    await pidOf(second);
    const isTransaction = (await pidOf(client)) !== first;
    await second.query('rollback');
    if (!isTransaction) return ok('pooler', 'a pooler lends connections for sessions');
  } finally {
    await second.end();
  }
  const text = 'a pooler lends connections for transactions';
  return hasDirectUrl
    ? ok('pooler', `${text}; LISTEN and migrations go past it`)
    : warn(
        'pooler',
        `${text}: LISTEN cannot work through it`,
        'give a URL past it with --direct-database-url (DIRECT_DATABASE_URL)',
      );
}

export async function judgeConnections(client: pg.Client, settings: Settings): Promise<Finding> {
  const { rows } = await client.query<{ used: number }>(
    `select count(*)::int as used from pg_stat_activity where backend_type = 'client backend'`,
  );
  const used = rows[0]?.used ?? 0;
  const most = Number(settings['max_connections'] ?? 100) - Number(settings['superuser_reserved_connections'] ?? 3);
  const text = `${used} of ${most} connections are in use; each process of the service may take ${connectionsPerProcess}`;
  const fix = 'raise max_connections, start fewer processes, or put a pooler in front';
  if (most - used < connectionsPerProcess) return fail('connections', text, fix);
  return used > most * 0.8 ? warn('connections', text, fix) : ok('connections', text);
}
