/** The Grafana dashboard and the alert rules: what they ask for is there, in queries that Prometheus can read. */
import { readFile } from 'node:fs/promises';
import { parser } from '@prometheus-io/lezer-promql';
import { beforeAll, describe, expect, test } from 'vitest';
import { parse } from 'yaml';
import { createServer } from '../../src/http/server.ts';
import { activity, createTaskHub, entity, orchestration } from '../../src/index.ts';
import { testDatabase } from '../support/postgres.ts';
import { freshName } from '../support/task-hubs.ts';
import { MetricsPage } from './page.ts';

const database = await testDatabase();
const read = (path: string): Promise<string> => readFile(new URL(`../../deploy/${path}`, import.meta.url), 'utf8');

interface Panel {
  readonly id: number;
  readonly type: string;
  readonly title: string;
  readonly gridPos: { readonly x: number; readonly y: number; readonly w: number; readonly h: number };
  readonly targets?: readonly { readonly expr: string; readonly legendFormat: string }[];
}
interface Rule {
  readonly alert: string;
  readonly expr: string;
  readonly labels: Readonly<Record<string, string>>;
  readonly annotations: { readonly summary: string; readonly description: string };
}

const dashboard: {
  readonly panels: readonly Panel[];
  readonly templating: { readonly list: readonly { readonly name: string }[] };
} = JSON.parse(await read('grafana/perdure.json'));
const rules: readonly Rule[] = parse(await read('prometheus/alerts.yml')).groups.flatMap(
  (group: { readonly rules: readonly Rule[] }) => group.rules,
);

const queries = [
  ...dashboard.panels.flatMap(({ title, targets = [] }) =>
    targets.map(({ expr }) => ({ of: title, expr: filled(expr) })),
  ),
  ...rules.map(({ alert, expr }) => ({ of: alert, expr })),
];

/** Grafana fills its variables in before it asks. */
function filled(expr: string): string {
  return expr.replaceAll('$__rate_interval', '5m').replaceAll(/\$\w+/g, '.*');
}

/** What a query names: metrics, and the labels in matchers and groupings. */
function namesIn(expr: string): { readonly errors: number; readonly metrics: string[]; readonly labels: string[] } {
  const found = { errors: 0, metrics: [] as string[], labels: [] as string[] };
  parser.parse(expr).iterate({
    enter: ({ type, from, to }) => {
      if (type.isError) found.errors += 1;
      if (type.name === 'Identifier') found.metrics.push(expr.slice(from, to));
      if (type.name === 'LabelName') found.labels.push(expr.slice(from, to));
    },
  });
  return found;
}

let page: MetricsPage;
/** The labels of each series, those that Prometheus adds included. */
let labels: Map<string, Set<string>>;

/** A hub in which everything has happened once. */
beforeAll(async () => {
  const work = activity('Work', () => 1);
  const counter = entity('Counter', { initialState: () => 0, operations: { get: (ctx) => ctx.state } });
  const All = orchestration('All', async (ctx) => {
    await ctx.callActivity(work);
    await ctx.callEntity(counter.id('a'), 'get');
  });
  const hub = createTaskHub({
    ...{ databaseUrl: database.url, schema: database.schema, taskHub: freshName(), pollMs: 100 },
    functions: [work, counter, All],
  });
  const app = await createServer(hub);
  try {
    await hub.start();
    const id = await hub.client.startNew(All);
    await hub.client.waitForCompletion(id, { timeoutMs: 15_000 });
    await app.inject({ url: '/livez' });
    page = new MetricsPage((await app.inject({ url: '/metrics' })).body);
  } finally {
    await app.close();
    await hub.stop();
  }
  labels = new Map([['up', new Set(['job', 'instance'])]]);
  for (const sample of page.samples) {
    const known = labels.get(sample.name) ?? new Set(['job', 'instance']);
    labels.set(sample.name, known);
    for (const label of Object.keys(sample.labels)) known.add(label);
  }
});

describe('every query of dashboard and alerts', () => {
  test.each(queries)('$of', ({ expr }) => {
    const { errors, metrics, labels: used } = namesIn(expr);
    expect([errors, metrics.length > 0]).toEqual([0, true]);
    for (const metric of metrics) {
      expect([metric, labels.has(metric)]).toEqual([metric, true]);
    }
    // Of a sum over several metrics each has the labels.
    for (const label of used) {
      expect([label, metrics.every((metric) => labels.get(metric)?.has(label))]).toEqual([label, true]);
    }
  });

  test('uses every metric of ours at least once', () => {
    const used = new Set(
      queries.flatMap(({ expr }) => namesIn(expr).metrics.map((name) => name.replace(/_(bucket|count|sum)$/, ''))),
    );
    const ours = [...page.types.keys()].filter((name) => name.startsWith('perdure_'));
    expect(ours.filter((name) => !used.has(name))).toEqual([]);
  });
});

describe('the dashboard', () => {
  test('has panels that do not overlap, with ids and legends of their own', () => {
    const { panels } = dashboard;
    expect(new Set(panels.map(({ id }) => id)).size).toBe(panels.length);
    for (const [at, one] of panels.entries()) {
      const { x, y, w, h } = one.gridPos;
      expect(x + w).toBeLessThanOrEqual(24);
      const over = panels
        .slice(at + 1)
        .find(({ gridPos: o }) => o.x < x + w && x < o.x + o.w && o.y < y + h && y < o.y + o.h);
      expect([one.title, over?.title]).toEqual([one.title, undefined]);
      for (const { expr, legendFormat } of one.targets ?? []) {
        for (const [, label = ''] of legendFormat.matchAll(/\{\{(\w+)\}\}/g)) {
          const isKept = expr.includes(label) || label === 'instance';
          expect([one.title, label, isKept]).toEqual([one.title, label, true]);
        }
      }
    }
  });

  test('uses the variables that it defines', () => {
    const used = new Set([...JSON.stringify(dashboard.panels).matchAll(/\$\{?(\w+)/g)].map(([, name]) => name));
    used.delete('__rate_interval');
    expect([...used].sort()).toEqual(dashboard.templating.list.map(({ name }) => name).sort());
  });
});

describe('the alert rules', () => {
  test('each say what is wrong, what to do, and how urgent it is', () => {
    expect(new Set(rules.map(({ alert }) => alert)).size).toBe(rules.length);
    for (const { labels: own, annotations } of rules) {
      expect(['page', 'ticket']).toContain(own['severity']);
      expect([annotations.summary, annotations.description].every((text) => text.endsWith('.'))).toBe(true);
    }
  });

  test('name labels that their expressions leave', () => {
    for (const { alert, expr, annotations } of rules) {
      for (const [, label = ''] of JSON.stringify(annotations).matchAll(/\$labels\.(\w+)/g)) {
        const groupings = [...expr.matchAll(/by \(([^)]*)\)/g)].map(([, list = '']) => list.split(/,\s*/));
        const isKept = groupings.length === 0 || groupings.every((list) => list.includes(label));
        expect([alert, label, isKept]).toEqual([alert, label, true]);
      }
    }
  });
});
