/** Status queries that wait for the end: an addition to the API of Azure. */
import { type ClientRequest, request } from 'node:http';
import type { AddressInfo } from 'node:net';
import { describe, expect, test } from 'vitest';
import { waitFor } from '../support/wait-for.ts';
import { expectEmpty, expectError, stage, W } from './support.ts';

const it6 = stage();

describe('a status query with wait', () => {
  test.each(['30s', '30', 'PT30S', '3e1', '%2030s%20', '99999999'])(
    '?wait=%s answers when it has ended',
    async (wait) => {
      const id = await it6.api.running('WaitGo');
      let answered = false;
      const asked = it6.api.get(`/instances/${id}?wait=${wait}&showInput=false`).then((answer) => {
        answered = true;
        return answer;
      });
      await it6.api.get(`/instances/${id}`);
      expect(answered).toBe(false);
      const before = performance.now();
      expectEmpty(await it6.api.post(`/instances/${id}/raiseEvent/Go`, { body: 'done' }), 202);
      const answer = await asked;
      expect(performance.now() - before).toBeLessThan(5_000);
      expect([answer.statusCode, answer.json()]).toMatchObject([200, { runtimeStatus: 'Completed', output: 'done' }]);
      expect(answer.headers).not.toHaveProperty('retry-after');
    },
  );

  test('answers as usual when the time is up', async () => {
    const id = await it6.api.running('WaitGo');
    const before = performance.now();
    const answer = await it6.api.get(`/instances/${id}?wait=0.3&showHistory=true`);
    expect(performance.now() - before).toBeGreaterThanOrEqual(295);
    expect([answer.statusCode, answer.json()]).toMatchObject([202, { runtimeStatus: 'Running' }]);
    expect(answer.json().historyEvents).toHaveLength(1);
    expect(answer.headers['retry-after']).toBe('5');
    expect(answer.headers['location']).toContain(`/instances/${id}?wait=0.3&showHistory=true`);
  });

  test('does not wait for what has ended, or is not there', async () => {
    const id = await it6.api.run('Echo', 1, 'ended id');
    expect((await it6.api.get(`/instances/${encodeURIComponent(id)}?wait=60s`)).statusCode).toBe(200);
    expect((await it6.api.get('/instances/ended+id?wait=60s&showHistory=true')).json().historyEvents).toHaveLength(2);
    expectEmpty(await it6.api.get('/instances/nobody?wait=60s'), 404);
    const failed = await it6.api.run('Boom');
    const query = 'wait=60s&returnInternalServerErrorOnFailure=true';
    expect((await it6.api.get(`/instances/${failed}?${query}`)).statusCode).toBe(500);
  });

  test('hears of an instance that is removed meanwhile', async () => {
    const id = await it6.api.pending('poll-removed');
    const asked = it6.api.get(`/instances/${id}?taskHub=poll-removed&wait=60s`);
    expectEmpty(await it6.api.post(`/instances/${id}/terminate?taskHub=poll-removed`), 202);
    expect([200, 404]).toContain((await asked).statusCode);
  });

  test.each(['x', '-1', '-1s', '30x', 'NaN', 'P1M', '1e300', '1,5', 'soon'])('?wait=%s is 400', async (wait) => {
    expectError(await it6.api.get(`/instances/nobody?wait=${wait}`), 400);
  });

  test('empty counts as absent', async () => {
    const id = await it6.api.running('WaitGo');
    expect((await it6.api.get(`/instances/${id}?wait=`)).statusCode).toBe(202);
    expect((await it6.api.get(`/instances/${id}?wait=0s`)).statusCode).toBe(202);
  });

  test('over the limit of those who wait is answered at once; who leaves makes room', async () => {
    const api = await it6.server({ limits: { maxWaitingRequests: 1 } });
    const address = await api.app.listen({ port: 0, host: '127.0.0.1' }).then(() => api.app.server.address());
    const { port } = address as AddressInfo;
    const id = await it6.api.running('WaitGo');
    let held: ClientRequest | undefined;
    // Asks again when it came while the only place was taken.
    const hold = (): void => {
      held = request({ port, path: `${W}/instances/${id}?wait=60s`, agent: false }, (answer) =>
        answer.resume().on('end', hold),
      );
      held.on('error', () => undefined).end();
    };
    hold();
    const time = async (): Promise<number> => {
      const before = performance.now();
      expect((await api.get(`/instances/${id}?wait=0.4s`)).statusCode).toBe(202);
      return performance.now() - before;
    };
    await waitFor(async () => (await time()) < 300, { what: 'the only place to be taken' });
    // A start that wants to wait is not refused: it starts.
    const started = await api.post('/orchestrators/WaitGo?timeout=60');
    expect(started.statusCode).toBe(202);
    held?.destroy();
    await waitFor(async () => (await time()) >= 395, { what: 'the place to be free again' });
  });

  test('is answered when the server stops', async () => {
    const other = await it6.server();
    const id = await it6.api.running('WaitGo');
    const asked = other.get(`/instances/${id}?wait=60s`);
    await other.get(`/instances/${id}`);
    await other.app.close();
    expect((await asked).statusCode).toBe(202);
  });
});
