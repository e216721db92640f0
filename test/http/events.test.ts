/** Server-sent events: additions to the API of Azure. */
import { connect, type AddressInfo } from 'node:net';
import { beforeAll, describe, expect, onTestFinished, test } from 'vitest';
import type { StatusEvents } from '../../src/client/status-events.ts';
import { createTaskHub } from '../../src/task-hub.ts';
import { waitFor } from '../support/wait-for.ts';
import { type Api, expectEmpty, expectError, stage, W } from './support.ts';

const it6 = stage();
let origin: string;

beforeAll(async () => {
  origin = await listen(it6.api);
});

async function listen({ app }: Api): Promise<string> {
  await app.listen({ port: 0, host: '127.0.0.1' });
  return `http://127.0.0.1:${(app.server.address() as AddressInfo).port}${W}`;
}

interface Event {
  readonly event: string;
  readonly id?: string;
  readonly data: Readonly<Record<string, unknown>>;
}

/** Reads a stream in the background, as a browser would. */
class Reader {
  readonly events: Event[] = [];
  readonly status: number;
  readonly headers: Headers;
  text = '';
  hasEnded = false;
  readonly #abort: AbortController;

  private constructor(response: Response, abort: AbortController) {
    this.status = response.status;
    this.headers = response.headers;
    this.#abort = abort;
    void this.#read(response);
  }

  static async open(url: string, headers: Record<string, string> = {}): Promise<Reader> {
    const abort = new AbortController();
    const reader = new Reader(await fetch(url, { headers, signal: abort.signal }), abort);
    onTestFinished(() => reader.close());
    return reader;
  }

  async #read({ body }: Response): Promise<void> {
    const decoder = new TextDecoder();
    try {
      for await (const chunk of body ?? []) this.#take(decoder.decode(chunk as Uint8Array, { stream: true }));
    } catch {
      // Closed by this side.
    }
    this.hasEnded = true;
  }

  #take(text: string): void {
    this.text += text;
    const blocks = this.text.split('\n\n').slice(0, -1);
    this.events.length = 0;
    for (const block of blocks) {
      const fields = Object.fromEntries(block.split('\n').map((line) => line.split(/: (.*)/s)));
      if (fields.event !== undefined) this.events.push({ ...fields, data: JSON.parse(fields.data) });
    }
  }

  close(): void {
    this.#abort.abort();
  }

  async until(count: number): Promise<readonly Event[]> {
    await waitFor(() => this.events.length >= count, { what: `${count} events, of which there are ${this.text}` });
    return this.events;
  }
}

const statuses = (events: readonly Event[]): unknown[] => events.map((one) => one.data['runtimeStatus']);

describe('events of an instance', () => {
  test('say how it is, then what changes, and end with it', async () => {
    const id = await it6.api.running('WaitGo', undefined, 'followed');
    const reader = await Reader.open(`${origin}/instances/${id}/events`);
    expect([reader.status, reader.headers.get('content-type')]).toEqual([200, 'text/event-stream; charset=utf-8']);
    expect(reader.headers.get('cache-control')).toBe('no-store');
    const [first] = await reader.until(1);
    expect(first).toEqual({
      event: 'status',
      id: expect.stringMatching(/^[\w-]{16}$/),
      data: {
        name: 'WaitGo',
        instanceId: id,
        runtimeStatus: 'Running',
        customStatus: null,
        createdTime: expect.stringMatching(/^\d{4}-.*Z$/),
        lastUpdatedTime: expect.stringMatching(/^\d{4}-.*Z$/),
      },
    });
    expectEmpty(await it6.api.post(`/instances/${id}/suspend`), 202);
    await reader.until(2);
    expectEmpty(await it6.api.post(`/instances/${id}/resume`), 202);
    await reader.until(3);
    expectEmpty(await it6.api.post(`/instances/${id}/raiseEvent/Go`, { body: 1 }), 202);
    await waitFor(() => reader.hasEnded, { what: 'the stream to end' });
    expect(statuses(reader.events)).toEqual(['Running', 'Suspended', 'Running', 'Completed']);
    expect(reader.text).toMatch(/^retry: 2000\n\n/);
  });

  test('go on behind the last one that is known', async () => {
    const id = await it6.api.running('Custom', { n: 'a\nb' });
    const reader = await Reader.open(`${origin}/instances/${id}/events`);
    const [first] = await reader.until(1);
    expect(first?.data['customStatus']).toEqual({ n: 'a\nb' });
    reader.close();
    const again = await Reader.open(`${origin}/instances/${id}/events`, { 'last-event-id': first?.id ?? '' });
    expectEmpty(await it6.api.post(`/instances/${id}/terminate`), 202);
    await waitFor(() => again.hasEnded);
    expect(statuses(again.events)).toEqual(['Terminated']);
    const headers = { 'last-event-id': again.events[0]?.id ?? '' };
    expectEmpty(await it6.api.get(`/instances/${id}/events`, { headers }), 204);
    // Who does not know how it ended is told.
    const late = await it6.api.get(`/instances/${id}/events`);
    expect([late.statusCode, late.body]).toEqual([200, expect.stringContaining('"runtimeStatus":"Terminated"')]);
  });

  test('say when it is removed', async () => {
    const id = await it6.api.pending('events-gone');
    const reader = await Reader.open(`${origin}/instances/${id}/events?taskHub=events-gone`);
    await reader.until(1);
    await it6.query('delete from executions where instance_key in (select key from instances where instance_id = $1)', [
      id,
    ]);
    await it6.query('delete from instances where instance_id = $1', [id]);
    await waitFor(() => reader.hasEnded);
    expect(reader.events.at(-1)).toMatchObject({ event: 'gone', data: { instanceId: id } });
  });

  test('are 404 where there is none', async () => {
    expectEmpty(await it6.api.get('/instances/nobody/events'), 404);
    expectEmpty(await it6.api.get('/instances/%00/events'), 404);
    expectEmpty(await it6.api.post('/instances/nobody/events'), 404);
  });

  test('are good for a signed link to the status', async () => {
    const keyed = await it6.server({ systemKey: 'k' });
    const started = await keyed.post('/orchestrators/Echo?signedLinks=true&code=k', { body: 1 });
    const { search } = new URL(started.json().statusQueryGetUri);
    const { id } = started.json();
    await it6.api.reach(id, 'Completed');
    expect((await keyed.get(`/instances/${id}/events${search}`)).statusCode).toBe(200);
    expectEmpty(await keyed.get(`/instances/${id}/events`), 401);
    expectError(await keyed.get(`/instances/${id}/events${new URL(started.json().suspendPostUri).search}`), 403);
  });
});

describe('events of a hub', () => {
  test('tell what happens to all its orchestrations, short ones too, and to none of another hub', async () => {
    const reader = await Reader.open(`${origin}/events?instanceIdPrefix=hub-1-`);
    const client = it6.hub.client;
    await waitFor(async () => {
      const probe = `hub-1-probe-${Math.random()}`;
      await client.startNew('Echo', { instanceId: probe });
      return reader.events.length > 0;
    });
    const ids = Array.from({ length: 20 }, (_, n) => `hub-1-${n}`);
    await Promise.all(ids.map((instanceId) => client.startNew('Echo', { instanceId, input: 1 })));
    await it6.api.running('WaitGo', undefined, 'hub-1-waits');
    await it6.api.pending('hub-2');
    const ends = (): unknown[] =>
      reader.events.filter((one) => one.data['runtimeStatus'] === 'Completed').map((one) => one.data['instanceId']);
    await waitFor(() => ids.every((id) => ends().includes(id)), { what: 'the ends of all' });
    // Each end once.
    expect(new Set(ends()).size).toBe(ends().length);
    await waitFor(() => reader.events.some((one) => one.data['instanceId'] === 'hub-1-waits'));
    await it6.api.terminated();
    expectEmpty(await it6.api.post('/instances/hub-1-waits/terminate'), 202);
    await waitFor(() => reader.events.some((one) => one.data['runtimeStatus'] === 'Terminated'));
    expect(reader.events.every((one) => String(one.data['instanceId']).startsWith('hub-1-'))).toBe(true);
    expect(reader.events.every((one) => one.event === 'status')).toBe(true);
  });

  test('tell of instances that other processes run, without notifications too', async () => {
    const { url, schema } = it6.database;
    const reader = await Reader.open(`${origin}/events?taskHub=hub-elsewhere&runtimeStatus=Pending,Terminated`);
    const second = createTaskHub({ databaseUrl: url, schema, taskHub: 'hub-elsewhere', worker: false });
    onTestFinished(() => second.stop());
    await waitFor(async () => {
      await second.client.startNew('Nobody');
      return reader.events.length > 0;
    });
    await second.client.startNew('Nobody', { instanceId: 'elsewhere' });
    await waitFor(() => reader.events.some((one) => one.data['instanceId'] === 'elsewhere'));
    // As if it were done by somebody who tells nobody.
    await it6.query(
      `with ended as (delete from executions using instances i where instance_key = i.key and i.instance_id = 'elsewhere' returning i.key)
       update instances set status = 'Terminated', last_updated_at = now(), completed_at = now() from ended where instances.key = ended.key`,
    );
    await waitFor(() => statuses(reader.events).includes('Terminated'));
    await it6.query(
      `insert into instances (hub_id, instance_id, name, execution_id, status, completed_at)
       select id, 'unseen', 'Nobody', 'e', 'Terminated', now() from task_hubs where name = 'hub-elsewhere'`,
    );
    await waitFor(() => reader.events.some((one) => one.data['instanceId'] === 'unseen'));
  });

  test('go on behind the last one that is known; what is not remembered is said to be missed', async () => {
    const reader = await Reader.open(`${origin}/events?name=Echo&instanceIdPrefix=back-`);
    await waitFor(async () => {
      await it6.hub.client.startNew('Echo', { instanceId: `back-${Math.random()}` });
      return reader.events.length > 0;
    });
    const last = reader.events.at(-1)?.id ?? '';
    reader.close();
    await it6.api.run('Echo', 1, 'back-while-away');
    const again = await Reader.open(`${origin}/events?instanceIdPrefix=back-while`, { 'last-event-id': last });
    await waitFor(() => again.events.some((one) => one.data['instanceId'] === 'back-while-away'));
    expect(again.events.filter((one) => one.event === 'missed')).toEqual([]);
    const lost = await Reader.open(`${origin}/events`, { 'last-event-id': 'of-another-life' });
    expect((await lost.until(1))[0]).toMatchObject({ event: 'missed' });
  });

  test('a rewound instance is told of again', async () => {
    const reader = await Reader.open(`${origin}/events?instanceIdPrefix=twice-failed`);
    await it6.api.run('ActsBroken', 'twice-failed', 'twice-failed');
    await reader.until(1);
    await waitFor(() => statuses(reader.events).at(-1) === 'Failed');
    const before = reader.events.length;
    expectEmpty(await it6.api.post('/instances/twice-failed/rewind'), 202);
    await it6.api.reach('twice-failed', 'Failed');
    expectEmpty(await it6.api.post('/instances/twice-failed/terminate'), 410);
    expect(reader.events.length).toBeGreaterThanOrEqual(before);
  });

  test.each([
    'runtimeStatus=bogus',
    'name=a%00',
    `name=${'x'.repeat(257)}`,
    'instanceIdPrefix=a%00',
    `taskHub=${'x'.repeat(300)}`,
  ])('with %s are 400', async (query) => {
    expectError(await it6.api.get(`/events?${query}`), 400);
  });

  test('create no hub', async () => {
    const reader = await Reader.open(`${origin}/events?taskHub=hub-of-nobody`);
    await waitFor(() => reader.text !== '');
    expect(await it6.query(`select 1 from task_hubs where name = 'hub-of-nobody'`)).toEqual([]);
  });
});

describe('streams', () => {
  test('are bounded in number; who leaves makes room', async () => {
    const api = await it6.server({ limits: { maxEventStreams: 1 } });
    const url = await listen(api);
    const id = await it6.api.running('WaitGo');
    const first = await Reader.open(`${url}/events`);
    const refused = await api.get(`/instances/${id}/events`);
    expect(expectError(refused, 503)['ExceptionType']).toBe('TooManyStreams');
    expect(refused.headers['retry-after']).toBe('5');
    first.close();
    await waitFor(async () => {
      const next = await Reader.open(`${url}/instances/${id}/events`);
      next.close();
      return next.status === 200;
    });
  });

  test('of who does not read are cut off', async () => {
    const { clients } = it6.hub;
    let isCut = false;
    let sent = 0;
    const instance = {
      ...{ key: '1', instanceId: 'loud', name: 'Loud', runtimeStatus: 'Running' as const },
      ...{ customStatus: JSON.stringify('x'.repeat(16_000)), createdAt: new Date(), lastUpdatedAt: new Date() },
    };
    const events: StatusEvents = {
      watch: () => () => undefined,
      listen: (_, listener) => {
        const shout = (): void => {
          if (isCut) return;
          sent += 1;
          listener.event({ id: String(sent), instance });
          setImmediate(shout);
        };
        shout();
        return () => (isCut = true);
      },
    };
    const api = await it6.server({}, { clients: { ...clients, events } });
    const { port } = new URL(await listen(api));
    const socket = connect(Number(port), '127.0.0.1').pause();
    onTestFinished(() => void socket.destroy());
    socket.on('error', () => undefined).write(`GET ${W}/events HTTP/1.1\r\nhost: h\r\n\r\n`);
    await waitFor(() => isCut, { what: 'the stream to be cut' });
    // What the network keeps, and a little more.
    expect(sent * 16_000).toBeLessThan(64 * 1_048_576);
  });

  test('end when the server stops', async () => {
    const api = await it6.server();
    const url = await listen(api);
    const id = await it6.api.running('WaitGo');
    const readers = [await Reader.open(`${url}/events`), await Reader.open(`${url}/instances/${id}/events`)];
    await api.app.close();
    await waitFor(() => readers.every((one) => one.hasEnded));
  });
});
