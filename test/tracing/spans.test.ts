/** Spans of orchestrations, from the start to the end, over several workers and crashes. */
import { context, propagation, SpanKind, SpanStatusCode, trace } from '@opentelemetry/api';
import {
  InMemorySpanExporter,
  NodeTracerProvider,
  SimpleSpanProcessor,
  type ReadableSpan,
} from '@opentelemetry/sdk-trace-node';
import pg from 'pg';
import { afterAll, beforeAll, beforeEach, describe, expect, onTestFinished, test } from 'vitest';
import { createServer } from '../../src/http/server.ts';
import { activity, createTaskHub, entity, EntityId, orchestration, SpanIds, type TaskHub } from '../../src/index.ts';
import type { TaskHubOptions } from '../../src/task-hub.ts';
import { testDatabase } from '../support/postgres.ts';
import { freshName } from '../support/task-hubs.ts';
import { waitFor } from '../support/wait-for.ts';

const traceId = '0af7651916cd43dd8448eb211c80319c';
const callerSpan = 'b7ad6b7169203331';
const traceparent = `00-${traceId}-${callerSpan}-01`;

const exporter = new InMemorySpanExporter();
const spanIds = new SpanIds();
const provider = new NodeTracerProvider({
  idGenerator: spanIds,
  spanProcessors: [new SimpleSpanProcessor(exporter)],
});

const inner = activity('Inner', (input: string) => {
  trace.getTracer('of-the-user').startSpan('SELECT').end();
  if (input === 'fails') throw new Error('no luck');
  return `${input}!`;
});
const Child = orchestration('Child', (ctx) => ctx.callActivity(inner, 'child'));
const Parent = orchestration('Parent', async (ctx) => {
  await ctx.callActivity(inner, 'parent');
  await ctx.createTimer('30ms');
  await ctx.callSubOrchestrator(Child);
  await ctx.callEntity(counter.id('a'), 'add', 1);
  return ctx.waitForExternalEvent('Go');
});
const Fails = orchestration('Fails', (ctx) => ctx.callActivity(inner, 'fails'));
const Renews = orchestration('Renews', (ctx, left: number) => {
  if (left > 0) ctx.continueAsNew(left - 1);
});
const counter = entity('Counter', {
  initialState: () => 0,
  operations: {
    add: (ctx, n: number) => {
      ctx.state += n;
    },
    pass: (ctx, n: number) => {
      ctx.signalEntity(new EntityId('Counter', 'c'), 'add', n);
      ctx.startNew('Fails');
    },
  },
});
const functions = [inner, Child, Parent, Fails, Renews, counter];

const database = await testDatabase();

beforeAll(() => {
  provider.register();
});
beforeEach(() => {
  exporter.reset();
});
afterAll(async () => {
  await provider.shutdown();
  trace.disable();
  context.disable();
  propagation.disable();
});

async function openHub(options: Partial<TaskHubOptions> = {}): Promise<TaskHub> {
  const hub = createTaskHub({
    ...{ databaseUrl: database.url, schema: database.schema, taskHub: freshName(), pollMs: 50, functions, spanIds },
    ...options,
  });
  onTestFinished(() => hub.stop());
  await hub.start();
  return hub;
}

function spans(name: string): readonly ReadableSpan[] {
  return exporter.getFinishedSpans().filter((span) => span.name === name);
}

function span(name: string): ReadableSpan {
  const [found, ...more] = spans(name);
  if (found === undefined || more.length > 0) {
    const names = exporter.getFinishedSpans().map((one) => one.name);
    throw new Error(`${more.length + (found ? 1 : 0)} spans '${name}' among ${names.join(', ')}`);
  }
  return found;
}

function parentOf({ parentSpanContext }: ReadableSpan): string | undefined {
  return parentSpanContext?.spanId;
}

/** Starts over HTTP, as a caller that has a trace. */
async function startTraced(
  hub: TaskHub,
  name: string,
  headers: Record<string, string> = { traceparent },
): Promise<string> {
  const app = await createServer(hub);
  try {
    const url = `/runtime/webhooks/durabletask/orchestrators/${name}`;
    const answer = await app.inject({ method: 'POST', url, headers, payload: 'null' });
    expect(answer.statusCode, answer.body).toBe(202);
    return String(answer.json().id);
  } finally {
    await app.close();
  }
}

/** Until its worker has told of the end, a moment after that was committed. */
async function ended({ client }: TaskHub, instanceId: string): Promise<void> {
  await client.waitForCompletion(instanceId, { timeoutMs: 15_000 });
  await waitFor(
    () =>
      exporter
        .getFinishedSpans()
        .some(
          ({ name, attributes }) =>
            name.startsWith('orchestration:') &&
            attributes['durabletask.task.instance_id'] === instanceId &&
            attributes['durabletask.task.status'] !== 'ContinuedAsNew',
        ),
    { what: `the span of ${instanceId}` },
  );
}

describe('the spans of an orchestration', () => {
  test.each([
    { mode: 'kept in memory', maxLiveInstances: 5_000 },
    { mode: 'replayed every turn', maxLiveInstances: 0 },
  ])('hang together from the request on, each made once, $mode', async ({ maxLiveInstances }) => {
    const hub = await openHub({ maxLiveInstances });
    const id = await startTraced(hub, 'Parent');
    await waitFor(() => spans('entity:counter:add').length === 1);
    await hub.client.raiseEvent(id, 'Go', 1);
    await ended(hub, id);

    const request = span('POST /runtime/webhooks/durabletask/orchestrators/:functionName');
    expect(parentOf(request)).toBe(callerSpan);
    const create = span('create_orchestration:Parent');
    expect(parentOf(create)).toBe(request.spanContext().spanId);
    const parent = span('orchestration:Parent');
    expect(parentOf(parent)).toBe(create.spanContext().spanId);
    const child = span('orchestration:Child');
    const own = parent.spanContext().spanId;
    expect(parentOf(child)).toBe(own);
    expect([span('timer:Parent'), span('entity:counter:add')].map(parentOf)).toEqual([own, own]);
    const activities = spans('activity:Inner');
    expect(activities.map(parentOf)).toEqual([own, child.spanContext().spanId]);
    // What user code instruments nests.
    expect(spans('SELECT').map(parentOf)).toEqual(activities.map((one) => one.spanContext().spanId));
    const all = exporter.getFinishedSpans().filter(({ name }) => !name.startsWith('orchestration_event'));
    expect(new Set(all.map((one) => one.spanContext().traceId))).toEqual(new Set([traceId]));
  });

  test('have the names, kinds and attributes of Durable Task', async () => {
    const hub = await openHub();
    const id = await hub.client.startNew(Parent, { version: '2' });
    await hub.client.raiseEvent(id, 'Go', 1);
    await ended(hub, id);
    const { executionId } = (await hub.client.getStatus(id)) ?? {};
    const parent = span('orchestration:Parent@(2)');
    expect(parent.kind).toBe(SpanKind.SERVER);
    expect(parent.attributes).toEqual({
      'durabletask.type': 'orchestration',
      'durabletask.task.name': 'Parent',
      'durabletask.task.version': '2',
      'durabletask.task.instance_id': id,
      'durabletask.task.execution_id': executionId,
      'durabletask.task.status': 'Completed',
    });
    expect(span('create_orchestration:Parent@(2)')).toMatchObject({
      kind: SpanKind.PRODUCER,
      attributes: { 'durabletask.type': 'orchestration', 'durabletask.task.instance_id': id },
    });
    expect(spans('activity:Inner')[0]).toMatchObject({
      kind: SpanKind.SERVER,
      attributes: {
        'durabletask.type': 'activity',
        'durabletask.task.name': 'Inner',
        'durabletask.task.instance_id': id,
        'durabletask.task.task_id': 0,
        'durabletask.task.status': 'Completed',
      },
    });
    const timer = span('timer:Parent');
    expect(timer.attributes).toMatchObject({ 'durabletask.type': 'timer', 'durabletask.task.task_id': 1 });
    expect(timer.duration[1]).toBeGreaterThan(20_000_000);
    expect(span('orchestration_event:Go').attributes).toMatchObject({
      'durabletask.type': 'event',
      'durabletask.event.target_instance_id': id,
    });
  });

  test('of a signal lead to its operation', async () => {
    const hub = await openHub();
    await hub.client.signalEntity(counter.id('b'), 'add', 2);
    const operation = await waitFor(() => spans('entity:counter:add')[0]);
    const signal = span('signal_entity:counter:add');
    expect(parentOf(operation)).toBe(signal.spanContext().spanId);
    expect([signal.kind, operation.kind]).toEqual([SpanKind.PRODUCER, SpanKind.CONSUMER]);
    expect(operation.attributes).toEqual({
      'durabletask.type': 'entity',
      'durabletask.task.name': 'counter',
      'durabletask.entity.operation': 'add',
      'durabletask.entity.instance_id': '@counter@b',
    });
  });

  test('of what an operation asks for are children of its own', async () => {
    const hub = await openHub();
    await hub.client.signalEntity(counter.id('b'), 'pass', 2);
    const [next, started] = await waitFor(() => {
      const found = [spans('entity:counter:add')[0], spans('orchestration:Fails')[0]] as const;
      return found[0] !== undefined && found[1] !== undefined && ([found[0], found[1]] as const);
    });
    const own = span('entity:counter:pass').spanContext().spanId;
    expect([next, started].map(parentOf)).toEqual([own, own]);
  });

  test('say what failed', async () => {
    const hub = await openHub();
    const id = await hub.client.startNew(Fails);
    await ended(hub, id);
    expect(span('orchestration:Fails').status.code).toBe(SpanStatusCode.ERROR);
    expect(span('activity:Inner').status).toEqual({ code: SpanStatusCode.ERROR, message: 'no luck' });
  });

  test('of each continue-as-new are a trace of their own, with a link to the first', async () => {
    const hub = await openHub();
    const renewing = await hub.client.startNew(Renews, { input: 2 });
    await ended(hub, renewing);
    const [first, second, third] = spans('orchestration:Renews');
    const create = span('create_orchestration:Renews').spanContext();
    expect(first?.spanContext().traceId).toBe(create.traceId);
    for (const later of [second, third]) {
      expect(later?.parentSpanContext).toBe(undefined);
      expect(later?.links.map((link) => link.context.traceId)).toEqual([create.traceId]);
    }
    expect(new Set([first, second, third].map((one) => one?.spanContext().traceId)).size).toBe(3);
  });
});

describe('the trace of an instance', () => {
  test('goes on in the worker that takes it over, and in the one that runs its queued activity', async () => {
    const taskHub = freshName();
    const api = await openHub({ taskHub, worker: false });
    const id = await startTraced(api, 'Parent', { traceparent, tracestate: 'vendor=value' });
    const first = await openHub({ taskHub, functions: [Parent], unregisteredActivityGraceMs: 60_000 });
    await waitFor(async () => (await api.client.getStatus(id))?.runtimeStatus === 'Running');
    await first.stop();
    const second = await openHub({ taskHub });
    await second.client.raiseEvent(id, 'Go', 1);
    await ended(second, id);
    const parent = span('orchestration:Parent').spanContext();
    expect(parent.traceId).toBe(traceId);
    expect(parent.traceState?.get('vendor')).toBe('value');
    const [queued, local] = spans('activity:Inner');
    expect(queued && parentOf(queued)).toBe(parent.spanId);
    expect(local?.spanContext().traceId).toBe(traceId);
  });

  test('that is malformed is none, and the start goes on (60)', async () => {
    const hub = await openHub();
    for (const bad of ['nonsense', `00-${'0'.repeat(32)}-${callerSpan}-01`, `${traceparent}-more`]) {
      exporter.reset();
      const id = await startTraced(hub, 'Renews', { traceparent: bad });
      await ended(hub, id);
      expect(span('orchestration:Renews').spanContext().traceId).not.toBe(traceId);
    }
  });

  test('hangs on its starter where the ids of spans are not ours', async () => {
    const hub = createTaskHub({
      ...{ databaseUrl: database.url, schema: database.schema, taskHub: freshName(), pollMs: 50, functions },
    });
    onTestFinished(() => hub.stop());
    await hub.start();
    const id = await hub.client.startNew(Fails);
    await ended(hub, id);
    const create = span('create_orchestration:Fails').spanContext().spanId;
    expect([span('orchestration:Fails'), span('activity:Inner')].map(parentOf)).toEqual([create, create]);
  });
});

describe('without an SDK', () => {
  test('a context that a caller sends is kept and passed on, and nothing is stored without one', async () => {
    trace.disable();
    context.disable();
    onTestFinished(() => {
      provider.register();
    });
    const hub = await openHub({ worker: false });
    const traced = await startTraced(hub, 'Renews');
    const plain = await startTraced(hub, 'Renews', {});
    const pool = new pg.Pool({ connectionString: database.url, max: 1 });
    onTestFinished(() => pool.end());
    const { rows } = await pool.query<{ instance_id: string; trace_context: string | null }>(
      `select instance_id, trace_context from ${database.schema}.instances where instance_id = any($1)`,
      [[traced, plain]],
    );
    const stored = new Map(rows.map((row) => [row.instance_id, row.trace_context]));
    expect(stored.get(traced)).toMatch(new RegExp(`^${traceparent} [\\da-f]{32}$`));
    expect(stored.get(plain)).toBe(null);
  });
});
