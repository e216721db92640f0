/** Faults of clients and between them and what is stored (reliability.md 4.1). */
import { randomUUID } from 'node:crypto';
import { once } from 'node:events';
import { connect, type Socket } from 'node:net';
import { isDeepStrictEqual } from 'node:util';
import type { LightMyRequestResponse } from 'fastify';
import pg from 'pg';
import { describe, expect, it, onTestFinished } from 'vitest';
import { testDatabase } from '../support/postgres.ts';
import { execute } from '../support/sql.ts';
import { freshName } from '../support/task-hubs.ts';
import { TcpProxy } from '../support/tcp-proxy.ts';
import { waitFor } from '../support/wait-for.ts';
import { activity, orchestration } from '../../src/model/functions.ts';
import { counter, functions, mend } from '../http/fixtures.ts';
import { W } from '../http/support.ts';
import { openNode, slack, timed, untilItWorks, type Node } from './support.ts';

describe('faults of clients', async () => {
  const database = await testDatabase();
  const { schema, url: databaseUrl } = database;
  const node = (more = {}): Promise<Node> => openNode({ databaseUrl, schema, taskHub: freshName(), ...more });

  async function stored(instanceId: string): Promise<number> {
    const rows = await execute(database, 'select from instances where instance_id = $1', [instanceId]);
    return rows.length;
  }

  /** Sends bytes and dies. */
  async function sendAndDie(to: string, bytes: string): Promise<void> {
    const { hostname, port } = new URL(to);
    const socket = connect(Number(port), hostname);
    socket.on('error', () => undefined);
    await once(socket, 'connect');
    await new Promise<void>((resolve) => socket.write(bytes, () => resolve()));
    socket.resetAndDestroy();
  }

  it('F01: a client that dies in the middle of the body leaves nothing', async () => {
    const { url, api } = await node({ listens: true });
    const id = `dies-${randomUUID()}`;
    await sendAndDie(
      url,
      `POST ${W}/orchestrators/Echo/${id} HTTP/1.1\r\nHost: h\r\nContent-Type: application/json\r\nContent-Length: 1000\r\n\r\n"abc`,
    );
    await api.run('Echo', 1);
    expect(await stored(id)).toBe(0);
  });

  it('F02: a client that dies before it reads the answer finds it when it comes again', async () => {
    const { url, api } = await node({ listens: true });
    const [id, key] = [`gone-${randomUUID()}`, randomUUID()];
    await sendAndDie(
      url,
      `POST ${W}/orchestrators/Echo/${id} HTTP/1.1\r\nHost: h\r\nIdempotency-Key: ${key}\r\nContent-Length: 0\r\n\r\n`,
    );
    const again = await waitFor(async () => {
      const answer = await api.post(`/orchestrators/Echo/${id}`, { headers: { 'idempotency-key': key } });
      return answer.statusCode !== 409 && answer;
    });
    expect([again.statusCode, again.json().id]).toEqual([202, id]);
    expect(await stored(id)).toBe(1);
  });

  it('F04: of many starts of one id on several nodes exactly one is accepted', async () => {
    const taskHub = freshName();
    const nodes = [await node({ taskHub }), await node({ taskHub })];
    const id = `same-${randomUUID()}`;
    const answers = await Promise.all(
      Array.from({ length: 20 }, (_, n) => nodes[n % 2]?.api.post(`/orchestrators/WaitGo/${id}`, { body: n })),
    );
    const statuses = answers.map((answer) => answer?.statusCode);
    expect(statuses.filter((status) => status === 202)).toHaveLength(1);
    expect(statuses.filter((status) => status === 409)).toHaveLength(19);
    expect(await stored(id)).toBe(1);
  });

  it('F06: terminate, suspend, resume, raise and purge at the same time end in one order', async () => {
    const { api } = await node();
    const ids = await Promise.all(Array.from({ length: 5 }, () => api.running('WaitGo')));
    const answers = await Promise.all(
      ids.flatMap((id) => [
        api.post(`/instances/${id}/suspend`),
        api.post(`/instances/${id}/raiseEvent/Go`, { body: 1 }),
        api.post(`/instances/${id}/terminate?reason=r`),
        api.post(`/instances/${id}/resume`),
        api.delete(`/instances/${id}`),
      ]),
    );
    for (const { statusCode, body } of answers) expect(statusCode, body).toBeLessThan(500);
    for (const id of ids) {
      await waitFor(async () => {
        const { statusCode } = await api.delete(`/instances/${id}`);
        return statusCode === 200 || (statusCode === 404 && (await stored(id)) === 0);
      });
      expect(await stored(id)).toBe(0);
    }
  });

  it.each(['before', 'after'] as const)(
    'F09: when the connection is lost %s a call is executed, its answer is proved, or 503 OutcomeUnknown',
    async (cut) => {
      const taskHub = freshName();
      const proxy = await TcpProxy.open(databaseUrl);
      const direct = await node({ taskHub });
      const broken = await openNode({ databaseUrl: proxy.url, schema, taskHub, worker: false });
      const id = await direct.api.running('Twice');
      const done = await direct.api.run('Echo', 1);
      await broken.api.get(`/instances/${id}`);
      const isProved = ({ statusCode, headers, body }: LightMyRequestResponse, accepted: number): void => {
        if (statusCode === accepted) return;
        expect([statusCode, headers['retry-after']], body).toEqual([503, '5']);
        expect(body).toContain('OutcomeUnknown');
      };
      const fresh = `cut-${randomUUID()}`;
      void proxy.cut('start_instances', cut);
      isProved(await broken.api.post(`/orchestrators/WaitGo/${fresh}`), 202);
      expect(await stored(fresh)).toBe(1);
      void proxy.cut('send_', cut);
      const raised = await broken.api.post(`/instances/${id}/raiseEvent/Go`, { body: 1 });
      expect(raised.statusCode).toBe(503);
      isProved(raised, 202);
      void proxy.cut('commit\u0000', cut);
      isProved(await broken.api.delete(`/instances/${done}`), 200);
      expect(await stored(done)).toBe(0);
      // With a key a call that is not clear is made clear by repeating it.
      const headers = { 'idempotency-key': randomUUID() };
      void proxy.cut('commit\u0000', cut);
      const start = () => broken.api.post('/orchestrators/WaitGo', { headers });
      isProved(await start(), 202);
      const again = await waitFor(async () => {
        const answer = await start();
        return answer.statusCode === 202 && answer;
      });
      expect((await start()).json().id).toBe(again.json().id);
    },
  );

  it.each(['before', 'after'] as const)(
    'F09: the same of suspend, resume, terminate, restart and rewind: lost %s it is executed',
    async (cut) => {
      const taskHub = freshName();
      const proxy = await TcpProxy.open(databaseUrl);
      const { api } = await node({ taskHub });
      const broken = await openNode({ databaseUrl: proxy.url, schema, taskHub, worker: false });
      const waits = [await api.running('WaitGo'), await api.suspended(), await api.running('WaitGo')] as const;
      const ended = await api.run('Echo', 1);
      const failed = await api.start('ActsBroken', freshName());
      await api.reach(failed, 'Failed');
      mend((await api.status(failed))['input']);
      const executionOf = async (id: string): Promise<unknown> =>
        (await execute(database, 'select execution_id from instances where instance_id = $1', [id]))[0];
      const first = await executionOf(ended);
      const calls = [
        { id: waits[0], verb: 'suspend', sends: 'send_', reached: 'Suspended' },
        { id: waits[1], verb: 'resume', sends: 'send_', reached: 'Running' },
        { id: waits[2], verb: 'terminate', sends: 'send_', reached: 'Terminated' },
        {
          id: ended,
          verb: 'restart?restartWithNewInstanceId=false',
          sends: 'commit\u0000',
          reached: 'Completed',
        },
        { id: failed, verb: 'rewind', sends: 'commit\u0000', reached: 'Completed' },
      ];
      for (const { id, verb, sends, reached } of calls) {
        const url = `/instances/${id}/${verb}`;
        let isCut = false;
        void proxy.cut(sends, cut).then(() => (isCut = true));
        const answer = await broken.api.post(url);
        expect(isCut, `${verb}: ${answer.body}`).toBe(true);
        const isDone = async (): Promise<boolean> =>
          (await api.status(id))['runtimeStatus'] === reached &&
          (id !== ended || !isDeepStrictEqual(await executionOf(id), first));
        if (answer.statusCode === 503) {
          expect(answer.headers['retry-after'], answer.body).toBe('5');
          expect(answer.body).toContain('OutcomeUnknown');
          // What was executed is there; what was not has changed nothing, and can be asked for again.
          if (cut === 'before') {
            expect(await isDone(), verb).toBe(false);
            expect((await api.post(url)).statusCode).toBeLessThan(300);
          }
        } else {
          expect([verb, answer.statusCode], answer.body).toEqual([
            verb,
            expect.toSatisfy((code: number) => code < 300),
          ]);
        }
        await waitFor(isDone, { what: `the effect of ${verb}` });
      }
    },
  );

  describe('F12: readers who do not read', () => {
    const megabyte = 1_024 * 1_024;
    const request = (path: string): string => `GET ${W}${path} HTTP/1.1\r\nHost: h\r\n\r\n`;

    function open(to: string): Socket {
      const { hostname, port } = new URL(to);
      const socket = connect(Number(port), hostname);
      socket.on('error', () => undefined);
      onTestFinished(() => void socket.destroy());
      return socket;
    }

    it('1,000 answers of 1 MB asked for at once on a connection take the memory of a few, nothing of the database, and end', async () => {
      const { api, url } = await node({ listens: true, limits: { sendTimeoutMs: 1_500 } });
      const big = await api.run('Echo', 'x'.repeat(megabyte));
      const path = `/instances/${big}?showInput=false`;
      const before = process.memoryUsage().rss;
      const connections = (): Promise<number> =>
        new Promise((resolve) => api.app.server.getConnections((_error, count) => resolve(count)));
      const socket = open(url).pause();
      socket.write(request(path).repeat(1_000));
      await waitFor(async () => (await connections()) === 1);
      // Others are served meanwhile; as many answers as these would be there for it, too.
      let most = 0;
      for (let n = 0; n < 60; n += 1) {
        expect((await api.get(path)).statusCode).toBe(200);
        most = Math.max(most, process.memoryUsage().rss - before);
      }
      expect(most / megabyte).toBeLessThan(400);
      const busy = `select from pg_stat_activity where datname = current_database()
        and application_name = 'perdure client' and (state <> 'idle' or xact_start is not null)`;
      await waitFor(async () => (await execute(database, busy)).length === 0, { what: 'all connections to be idle' });
      await waitFor(async () => (await connections()) === 0, {
        what: 'the connection to be closed',
        timeoutMs: 20_000,
      });
    });

    it('a caller who sends ahead and reads gets all answers, in order', async () => {
      const { api, url } = await node({ listens: true });
      const big = await api.run('Echo', 'x'.repeat(megabyte));
      const [count, rare] = [2_000, 200];
      const last = JSON.stringify('y'.repeat(300_000));
      const socket = open(url);
      let text = '';
      socket.setEncoding('latin1').on('data', (chunk) => (text += String(chunk)));
      for (let n = 0; n < count; n += 1) socket.write(request(`/instances/${n % rare === 0 ? big : `none-${n}`}`));
      socket.write(
        `POST ${W}/orchestrators/Echo HTTP/1.1\r\nHost: h\r\nConnection: close\r\nContent-Type: application/json\r\n` +
          `Content-Length: ${last.length}\r\n\r\n${last}`,
      );
      await once(socket, 'end');
      const statuses = [...text.matchAll(/HTTP\/1\.1 (\d+)/g)].map(([, status]) => Number(status));
      expect(statuses).toEqual([...Array.from({ length: count }, (_, n) => (n % rare === 0 ? 200 : 404)), 202]);
      const ids = [...text.matchAll(/x-request-id: \S+-(\w+)/g)].map(([, id = '']) => Number.parseInt(id, 36));
      expect(ids).toHaveLength(count + 1);
      expect(ids).toEqual(ids.toSorted((one, other) => one - other));
    });

    it('who waits longer than that for an answer or an event is not taken for one', async () => {
      const { api, url } = await node({ listens: true, limits: { sendTimeoutMs: 300 } });
      const [id, other] = [await api.running('WaitGo'), await api.running('WaitGo')];
      const stream = open(url);
      let heard = '';
      stream.setEncoding('utf8').on('data', (chunk) => (heard += String(chunk)));
      stream.write(request(`/instances/${id}/events`));
      const end = fetch(`${url}${W}/instances/${id}?wait=30`);
      expect((await fetch(`${url}${W}/instances/${other}?wait=1`)).status).toBe(202);
      expect((await api.post(`/instances/${id}/raiseEvent/Go`, { body: 1 })).statusCode).toBe(202);
      expect((await end).status).toBe(200);
      await waitFor(() => heard.includes('"runtimeStatus":"Completed"'), { what: 'the event of the end' });
    });
  });

  it('F13: when the database does not keep up calls get 503 with Retry-After, /livez answers, and it goes on', async () => {
    const one = await node();
    await untilItWorks(one);
    const blocker = new pg.Client({ connectionString: databaseUrl });
    blocker.on('error', () => undefined);
    await blocker.connect();
    onTestFinished(() => blocker.end());
    await blocker.query('begin');
    await blocker.query(`lock table ${schema}.instances in access exclusive mode`);
    // These are sent; those after them would have to wait for them.
    const first = Array.from({ length: 3 }, () => one.api.post('/orchestrators/Echo', { body: 1 }));
    await waitFor(
      async () =>
        (
          await execute(
            database,
            `select from pg_stat_activity where wait_event_type = 'Lock' and datname = current_database()`,
          )
        ).length > 0,
    );
    const late = Array.from({ length: 100 }, () => timed(one.api.post('/orchestrators/Echo', { body: 1 })));
    expect((await one.api.send('GET', '/livez')).statusCode).toBe(200);
    for (const { value, ms } of await Promise.all(late)) {
      expect([value.statusCode, value.headers['retry-after']]).toEqual([503, '5']);
      expect(ms).toBeLessThan(6_000 + slack);
    }
    await blocker.query('rollback');
    for (const { statusCode } of await Promise.all(first)) expect([202, 503]).toContain(statusCode);
    await untilItWorks(one);
  });

  it('F64: numbers beyond 53 bits work everywhere: in the queue, in trees, timers, entities, lists, and every verb', async () => {
    const taskHub = await testNumbers();
    const there = activity('There', (n: number) => n + 1);
    const child = orchestration('Child', async (ctx, n: number) => {
      await ctx.createTimer(20);
      return ctx.callActivity(there, n);
    });
    const wide = orchestration('Wide', async (ctx) => {
      await ctx.callEntity(counter.id('far'), 'add', 1);
      const results: unknown[] = await ctx.all([1, 2].map((n) => ctx.callSubOrchestrator(child, n)));
      return [...results, await ctx.callEntity(counter.id('far'), 'get')];
    });
    // What one of them has no code for goes through the queue.
    const one = await openNode({ databaseUrl, schema, taskHub, functions: [...functions, wide, child] });
    await openNode({ databaseUrl, schema, taskHub, functions: [there] });
    const { api } = one;
    expect(await api.status(await api.run('Acts', 'large'))).toMatchObject({ output: 'LARGE' });
    const tree = await api.run('Wide');
    expect(await api.status(tree)).toMatchObject({ output: [2, 3, 1] });
    const [{ key } = { key: '' }] = await execute<{ readonly key: string }>(
      database,
      'select key from instances where instance_id = $1',
      [tree],
    );
    expect(BigInt(key)).toBeGreaterThan(BigInt(Number.MAX_SAFE_INTEGER));
    const id = await api.suspended();
    expect((await api.post(`/instances/${id}/resume`)).statusCode).toBe(202);
    await api.post(`/instances/${id}/raiseEvent/Go`, { body: 'far' });
    expect(await api.reach(id, 'Completed')).toMatchObject({ output: 'far' });
    expect((await api.post(`/instances/${id}/restart?restartWithNewInstanceId=false`)).statusCode).toBe(202);
    await api.reach(id, 'Running');
    expect((await api.post(`/instances/${id}/terminate`)).statusCode).toBe(202);
    await api.reach(id, 'Terminated');
    const failed = await api.run('ActsBroken', taskHub);
    mend(taskHub);
    expect((await api.post(`/instances/${failed}/rewind`)).statusCode).toBe(202);
    await api.reach(failed, 'Completed');
    const listed = await api.get('/instances?top=2&createdTimeFrom=2000-01-01');
    expect(listed.json()).toHaveLength(2);
    const next = { 'x-ms-continuation-token': String(listed.headers['x-ms-continuation-token']) };
    expect((await api.get('/instances?top=9&createdTimeFrom=2000-01-01', { headers: next })).json()).not.toHaveLength(
      0,
    );
    for (const each of [id, tree, failed]) expect((await api.delete(`/instances/${each}`)).statusCode).toBe(200);
  });

  /** Lets the numbers of rows go on far beyond what JavaScript counts exactly. */
  async function testNumbers(): Promise<string> {
    const sequences = await execute<{ readonly name: string }>(
      database,
      `select quote_ident(sequencename) as name from pg_sequences where schemaname = $1 and data_type::text = 'bigint'`,
      [schema],
    );
    expect(sequences.length).toBeGreaterThan(2);
    for (const { name } of sequences)
      await execute(database, `alter sequence ${name} restart with 9007199254740993000`);
    return freshName();
  }
});
