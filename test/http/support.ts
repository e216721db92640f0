/** A server on a real task hub, and calls of it. Every answer is checked against the schema of its route. */
import { Readable } from 'node:stream';
import type { FastifyInstance, FastifyReply, FastifyRequest, InjectOptions, LightMyRequestResponse } from 'fastify';
import pg from 'pg';
import { afterAll, beforeAll, expect } from 'vitest';
import { ZodType } from 'zod';
import { createServer, type ServerOptions } from '../../src/http/server.ts';
import { createTaskHub, type TaskHub } from '../../src/task-hub.ts';
import { testDatabase, type TestDatabase } from '../support/postgres.ts';
import { waitFor } from '../support/wait-for.ts';
import { functions } from './fixtures.ts';

export const W = '/runtime/webhooks/durabletask';
export const R = '/durabletask';

type Headers = Readonly<Record<string, string>>;

/** One call. A string body is sent as it is; anything else as JSON with the content type. */
export interface Call {
  readonly body?: unknown;
  readonly raw?: string | Buffer;
  readonly headers?: Headers;
}

/** Tests also send what the types do not know. */
type Method = NonNullable<InjectOptions['method']>;

export class Api {
  readonly app: FastifyInstance;

  constructor(app: FastifyInstance) {
    this.app = app;
  }

  async send(method: string, url: string, call: Call = {}): Promise<LightMyRequestResponse> {
    const json = call.body === undefined ? undefined : JSON.stringify(call.body);
    const options: InjectOptions = {
      method: method as Method,
      url,
      headers: { ...(json === undefined ? {} : { 'content-type': 'application/json' }), ...call.headers },
    };
    const payload = call.raw ?? json;
    return this.app.inject(payload === undefined ? options : { ...options, payload });
  }

  get(path: string, call?: Call): Promise<LightMyRequestResponse> {
    return this.send('GET', W + path, call);
  }

  post(path: string, call?: Call): Promise<LightMyRequestResponse> {
    return this.send('POST', W + path, call);
  }

  delete(path: string, call?: Call): Promise<LightMyRequestResponse> {
    return this.send('DELETE', W + path, call);
  }

  /** Starts and returns the id. */
  async start(name: string, input?: unknown, id?: string): Promise<string> {
    const path = `/orchestrators/${name}${id === undefined ? '' : `/${encodeURIComponent(id)}`}`;
    const answer = await this.post(path, { body: input });
    expect(answer.statusCode, answer.body).toBe(202);
    return String(answer.json().id);
  }

  async status(id: string, query = ''): Promise<Record<string, unknown>> {
    const answer = await this.get(`/instances/${encodeURIComponent(id)}${query}`);
    expect(answer.body, `status of ${id}`).not.toBe('');
    return answer.json();
  }

  /** Waits for a runtime status and returns the whole status. */
  async reach(id: string, runtimeStatus: string, query = ''): Promise<Record<string, unknown>> {
    return waitFor(
      async () => {
        const status = await this.status(id, query);
        return status['runtimeStatus'] === runtimeStatus ? status : undefined;
      },
      { what: `${id} to be ${runtimeStatus}` },
    );
  }

  /** Starts and waits for the end. */
  async run(name: string, input?: unknown, id?: string): Promise<string> {
    const started = await this.start(name, input, id);
    await waitFor(async () => (await this.get(`/instances/${encodeURIComponent(started)}`)).statusCode === 200, {
      what: `${name} to end`,
    });
    return started;
  }

  /** Starts and waits until the orchestrator has begun. */
  async running(name: string, input?: unknown, id?: string): Promise<string> {
    const started = await this.start(name, input, id);
    await this.reach(started, 'Running');
    return started;
  }

  async suspended(id?: string): Promise<string> {
    const started = await this.running('WaitGo', undefined, id);
    await this.post(`/instances/${started}/suspend`);
    await this.reach(started, 'Suspended');
    return started;
  }

  async terminated(reason?: string): Promise<string> {
    const started = await this.running('WaitGo');
    await this.post(
      `/instances/${started}/terminate${reason === undefined ? '' : `?reason=${encodeURIComponent(reason)}`}`,
    );
    await this.reach(started, 'Terminated');
    return started;
  }

  /** Starts in a hub without workers, where it stays Pending. */
  async pending(hub: string, name = 'WaitGo'): Promise<string> {
    const answer = await this.post(`/orchestrators/${name}?taskHub=${hub}`);
    expect(answer.statusCode, answer.body).toBe(202);
    return String(answer.json().id);
  }
}

/** What a test file works with; filled in before its first test. */
export interface Stage {
  readonly api: Api;
  readonly hub: TaskHub;
  readonly database: TestDatabase;
  /** Another server on the same hub, or on another one. */
  server(options?: ServerOptions, hub?: Parameters<typeof createServer>[0]): Promise<Api>;
  /** Rows of the database, to look at or to change what no call can. */
  query(text: string, values?: readonly unknown[]): Promise<readonly Record<string, unknown>[]>;
}

/** Sets up a database, a hub that runs the fixtures and a server, for the calling file. */
export function stage(options: ServerOptions = {}): Stage {
  const servers: Api[] = [];
  let hub: TaskHub | undefined;
  let api: Api | undefined;
  let database: TestDatabase | undefined;
  const open = async (own: ServerOptions, other?: Parameters<typeof createServer>[0]): Promise<Api> => {
    if (hub === undefined) throw new Error('the stage is not set up yet');
    const app = await createServer(other ?? hub, own);
    checkAnswers(app);
    const opened = new Api(app);
    servers.push(opened);
    return opened;
  };
  beforeAll(async () => {
    database = await testDatabase();
    hub = createTaskHub({ databaseUrl: database.url, schema: database.schema, functions, pollMs: 100 });
    await hub.start();
    api = await open(options);
  });
  afterAll(async () => {
    await Promise.all(servers.map((one) => one.app.close()));
    await hub?.stop();
  });
  return {
    get api() {
      if (api === undefined) throw new Error('the stage is not set up yet');
      return api;
    },
    get hub() {
      if (hub === undefined) throw new Error('the stage is not set up yet');
      return hub;
    },
    get database() {
      if (database === undefined) throw new Error('the stage is not set up yet');
      return database;
    },
    server: (own = {}, other) => open(own, other),
    query: async (text, values = []) => {
      if (database === undefined) throw new Error('the stage is not set up yet');
      const client = new pg.Client({ connectionString: database.url });
      await client.connect();
      try {
        await client.query(`set search_path to ${database.schema}`);
        return (await client.query<Record<string, unknown>>(text, [...values])).rows;
      } finally {
        await client.end();
      }
    },
  };
}

/** Headers that say nothing of the API's own. */
const plainHeaders =
  /^(?:content-.+|date|connection|keep-alive|cache-control|vary|x-content-type-options|access-control-.+)$/;

interface Described {
  readonly paths: Record<string, Record<string, { responses: Record<string, { headers?: Record<string, unknown> }> }>>;
}

/** Headers of an answer that the OpenAPI document does not have for it. */
function undocumentedHeaders({ paths }: Described, request: FastifyRequest, reply: FastifyReply): readonly string[] {
  const path = (request.routeOptions.url ?? '').replaceAll(/:(\w+)/g, '{$1}');
  const operation = paths[path]?.[request.method.toLowerCase()];
  if (operation === undefined) return [];
  const known = Object.keys(operation.responses[String(reply.statusCode)]?.headers ?? {}).map((one) =>
    one.toLowerCase(),
  );
  return Object.keys(reply.getHeaders()).filter((name) => !plainHeaders.test(name) && !known.includes(name));
}

/** Makes an answer that its route, or the OpenAPI document, does not describe a 500. */
function checkAnswers(app: FastifyInstance): void {
  let document: Described | undefined;
  app.addHook('onSend', async (request, reply, payload) => {
    const answers = request.routeOptions.schema?.response;
    if (typeof answers !== 'object' || answers === null || request.is404) return payload;
    // Streams are read by their own tests.
    if (payload instanceof Readable) return payload;
    const schema: unknown = Object.entries(answers).find(([status]) => Number(status) === reply.statusCode)?.[1];
    if (!(schema instanceof ZodType)) throw new Error(`${request.url} does not document ${reply.statusCode}`);
    const body: unknown = typeof payload === 'string' && payload !== '' ? JSON.parse(payload) : null;
    schema.parse(body);
    document ??= app.swagger() as unknown as Described;
    const headers = undocumentedHeaders(document, request, reply);
    if (headers.length > 0) {
      throw new Error(
        `${request.method} ${request.url} does not document ${headers.join(', ')} of ${reply.statusCode}`,
      );
    }
    return payload;
  });
}

/** 404, 410, 202 and the like without a body have no content type either. */
export function expectEmpty(answer: LightMyRequestResponse, status: number): void {
  expect(answer.statusCode, answer.body).toBe(status);
  expect(answer.body).toBe('');
  expect(answer.headers['content-type']).toBeUndefined();
}

/** An error object of the API, without a stack. */
export function expectError(answer: LightMyRequestResponse, status: number, message?: string): Record<string, unknown> {
  expect(answer.statusCode, answer.body).toBe(status);
  expect(answer.headers['content-type']).toBe('application/json; charset=utf-8');
  const body: Record<string, unknown> = answer.json();
  expect(Object.keys(body)).toEqual(expect.arrayContaining(['Message', 'ExceptionMessage', 'ExceptionType']));
  expect(body).not.toHaveProperty('StackTrace');
  if (message !== undefined) expect(body['Message']).toBe(message);
  return body;
}

export const badArguments = 'One or more of the arguments submitted is incorrect';
export const invalidJson = 'Invalid JSON content';
