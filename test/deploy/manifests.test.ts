/** Compose file and Kubernetes manifests: they are what they say, agree with each other, and ask for what the service knows. */
import { readdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { Deployment } from 'kubernetes-models/apps/v1';
import { Job } from 'kubernetes-models/batch/v1';
import { HorizontalPodAutoscaler } from 'kubernetes-models/autoscaling/v2';
import { PodDisruptionBudget } from 'kubernetes-models/policy/v1';
import { ConfigMap, Secret, Service } from 'kubernetes-models/v1';
import pg from 'pg';
import { describe, expect, onTestFinished, test } from 'vitest';
import { parse, parseAllDocuments } from 'yaml';
import { migrateCommand, type MigrateRequest } from '../../src/cli/commands/migrate.ts';
import { startCommand } from '../../src/cli/commands/start.ts';
import { readConfig, type Config, type StartFlags } from '../../src/config.ts';
import { testDatabase } from '../support/postgres.ts';
import { instructionsOf } from './image.ts';

const project = fileURLToPath(new URL('../..', import.meta.url));
const folder = join(project, 'deploy/kubernetes');

type Data = ReturnType<typeof JSON.parse>;

/** What a process of the image makes of its arguments and variables. */
async function configOf(args: readonly string[], env: Readonly<Record<string, string>>): Promise<Config> {
  expect(args[0]).toBe('start');
  let flags: StartFlags | undefined;
  const command = startCommand((request) => {
    ({ flags } = request);
    return Promise.resolve();
  }).exitOverride();
  await command.parseAsync(args.slice(1), { from: 'user' });
  return readConfig({ flags: flags ?? {}, env: { ...imageEnv(), ...env }, isTerminal: false });
}

/** The variables that the image sets. */
function imageEnv(): Record<string, string> {
  const pairs = instructionsOf(project)
    .filter((instruction) => instruction.getKeyword() === 'ENV')
    .flatMap((instruction) => (instruction.getArgumentsContent() ?? '').split(/\s+/));
  return Object.fromEntries(pairs.map((pair) => [pair.slice(0, pair.indexOf('=')), pair.slice(pair.indexOf('=') + 1)]));
}

describe('docker-compose.yml', () => {
  const { services, volumes }: Data = parse(readFileSync(join(project, 'docker-compose.yml'), 'utf8'), { merge: true });
  const env = (service: string): Record<string, string> =>
    Object.fromEntries(
      // A variable that is not set takes its default.
      Object.entries<string>(services[service].environment).map(([name, value]) => [
        name,
        value.replace(/\$\{\w+:-(.*)\}/, '$1'),
      ]),
    );

  test('has a Postgres, an API without workers, and two workers without HTTP', async () => {
    expect(Object.keys(services)).toEqual(['postgres', 'api', 'worker']);
    expect(services.postgres.image).toBe('postgres:18');
    expect(services.worker.deploy.replicas).toBe(2);
    const api = await configOf(services.api.command, env('api'));
    const worker = await configOf(services.worker.command, env('worker'));
    expect([api.workers, api.http?.host, api.http?.port]).toEqual([0, '0.0.0.0', 7071]);
    expect([worker.workers, worker.http, worker.monitor?.port]).toEqual([1, undefined, 9464]);
    expect(new URL(api.databaseUrl ?? '').hostname).toBe('postgres');
  });

  test('lets only this machine in, and starts when the database answers', () => {
    expect(services.api.ports).toEqual(['127.0.0.1:7071:7071']);
    for (const name of ['api', 'worker']) {
      expect(services[name]).toMatchObject({
        ...{ build: '.', read_only: true, cap_drop: ['ALL'] },
        depends_on: { postgres: { condition: 'service_healthy' } },
      });
      expect(Number.parseInt(services[name].stop_grace_period, 10)).toBeGreaterThan(35);
    }
    expect(services.postgres.healthcheck.test).toContain('pg_isready -U perdure');
    expect(Object.keys(volumes)).toEqual(['postgres']);
  });
});

describe('deploy/kubernetes', () => {
  const files = readdirSync(folder).filter((name) => name.endsWith('.yaml'));
  const documents: readonly Data[] = files.flatMap((name) =>
    parseAllDocuments(readFileSync(join(folder, name), 'utf8')).map((document): Data => {
      expect([name, document.errors]).toEqual([name, []]);
      return document.toJS();
    }),
  );
  const find = (kind: string, name = 'perdure'): Data => {
    const found = documents.find((one) => one.kind === kind && one.metadata?.name === name);
    expect(found, `${kind} ${name}`).toBeDefined();
    return found;
  };
  const deployments = [find('Deployment', 'perdure-api'), find('Deployment', 'perdure-worker')];
  const migration = find('Job', 'perdure-migrate');
  const pods = [...deployments, migration];

  test('is valid by the schemas of Kubernetes', () => {
    const kinds = { ConfigMap, Deployment, HorizontalPodAutoscaler, Job, PodDisruptionBudget, Secret, Service };
    const others = documents.filter(({ kind }) => !(kind in kinds)).map(({ kind }) => kind);
    expect(others.sort()).toEqual(['Kustomization', 'ScaledObject']);
    for (const document of documents) {
      const Kind = kinds[document.kind as keyof typeof kinds];
      if (Kind !== undefined)
        expect(() => new Kind(document).validate(), JSON.stringify(document.metadata)).not.toThrow();
    }
  });

  test('is all in the kustomization, but for the secret', () => {
    const { resources }: Data = documents.find(({ kind }) => kind === 'Kustomization');
    const own = files.filter((name) => name !== 'kustomization.yaml' && !name.includes('example'));
    expect([...resources].sort()).toEqual(own.sort());
  });

  test('runs nobody as root, nor with a file system or rights that are not needed', () => {
    for (const { spec } of pods) {
      const pod = spec.template.spec;
      expect(pod).toMatchObject({
        automountServiceAccountToken: false,
        securityContext: { runAsNonRoot: true, runAsUser: 1000, seccompProfile: { type: 'RuntimeDefault' } },
      });
      for (const container of pod.containers) {
        expect(container.securityContext).toEqual({
          ...{ allowPrivilegeEscalation: false, readOnlyRootFilesystem: true, capabilities: { drop: ['ALL'] } },
        });
        expect(container.resources.limits.memory).toBeDefined();
      }
    }
  });

  test('starts what the command line knows, with settings that it takes', async () => {
    const settings: Record<string, string> = find('ConfigMap').data;
    const secrets: Record<string, string> = find('Secret').stringData;
    const [api, worker, migrate] = pods.map(({ spec }) => spec.template.spec.containers[0].args as string[]);
    const given = { ...settings, ...secrets };
    const served = await configOf(api ?? [], given);
    expect([served.workers, served.http?.port, served.monitor?.port]).toEqual([0, 7071, 9464]);
    const working = await configOf(worker ?? [], given);
    expect([working.workers, working.http, working.monitor?.port]).toEqual([1, undefined, 9464]);
    let asked: MigrateRequest | undefined;
    const command = migrateCommand((request) => {
      asked = request;
      return Promise.resolve();
    });
    expect(migrate?.[0]).toBe(command.name());
    await command.exitOverride().parseAsync(migrate?.slice(1) ?? [], { from: 'user' });
    // It finds the database where the others do.
    expect(asked).toEqual({});
    const [from, ...others] = pods.map(({ spec }) => spec.template.spec.containers[0].envFrom);
    expect(others).toEqual([from, from]);
  });

  test('probes ports that are there, and gives time to stop', () => {
    for (const { metadata, spec } of deployments) {
      const pod = spec.template.spec;
      const [container] = pod.containers;
      const ports = container.ports.map(({ name }: Data) => name);
      for (const probe of [container.startupProbe, container.livenessProbe, container.readinessProbe]) {
        expect(ports).toContain(probe.httpGet.port);
      }
      // Requests have 10 s, activities 25 s.
      const least = metadata.name === 'perdure-api' ? 5 + 10 : 25 + 10;
      expect(pod.terminationGracePeriodSeconds).toBeGreaterThan(least);
    }
    expect(find('Service').spec.ports[0].targetPort).toBe('http');
  });

  test('selects the pods that it is about', () => {
    const [api, worker] = deployments;
    const labels = (deployment: Data) => deployment.spec.template.metadata.labels;
    for (const deployment of [api, worker]) expect(labels(deployment)).toEqual(deployment.spec.selector.matchLabels);
    expect(find('Service').spec.selector).toEqual(labels(api));
    expect(find('PodDisruptionBudget', 'perdure-api').spec.selector.matchLabels).toEqual(labels(api));
    expect(find('PodDisruptionBudget', 'perdure-worker').spec.selector.matchLabels).toEqual(labels(worker));
    expect(find('HorizontalPodAutoscaler', 'perdure-api').spec.scaleTargetRef.name).toBe('perdure-api');
    expect(find('ScaledObject', 'perdure-worker').spec.scaleTargetRef.name).toBe('perdure-worker');
  });

  test('scales by a query that the database answers with a number', async () => {
    const database = await testDatabase();
    const [trigger] = find('ScaledObject', 'perdure-worker').spec.triggers;
    expect(trigger.type).toBe('postgresql');
    const client = new pg.Client({ connectionString: database.url });
    await client.connect();
    onTestFinished(() => client.end());
    const { rows } = await client.query({ text: trigger.metadata.query, rowMode: 'array' });
    expect(rows).toEqual([['0']]);
  });
});
