import { createServer, type IncomingMessage, type RequestListener } from 'node:http';
import type { AddressInfo } from 'node:net';
import { describe, expect, it, onTestFinished } from 'vitest';
import { ManagedIdentityTokenSource, tokenProvider, type CallHttpOptions } from '../../src/model/durable-http.ts';
import { activity, orchestration } from '../../src/model/functions.ts';
import { createTaskHub } from '../../src/task-hub.ts';
import { inBothModes } from '../support/task-hubs.ts';

/** A server that keeps what it was asked. */
async function serve(listener: RequestListener) {
  const requests: IncomingMessage[] = [];
  const server = createServer((request, response) => {
    requests.push(request);
    listener(request, response);
  });
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  onTestFinished(() => {
    server.closeAllConnections();
    server.close();
  });
  return { url: `http://127.0.0.1:${(server.address() as AddressInfo).port}`, requests };
}

/** Gives back what the call gave, with one header read in another case. */
const call = orchestration('Call', async (ctx, options: CallHttpOptions) => {
  const response = await ctx.callHttp(options);
  return { ...response, type: response.getHeader('CONTENT-TYPE') };
});
const durableHttp = { allow: ['127.0.0.1'], pollIntervalMs: 50 };

inBothModes('durable HTTP', (hubs) => {
  it('gives the answer, whatever its status (B168, B170, B171)', async () => {
    const { url } = await serve((request, response) => {
      response.writeHead(request.url === '/broken' ? 500 : 200, { 'content-type': 'text/plain' }).end('hello');
    });
    const hub = await hubs.open({ functions: [call], durableHttp });
    const answers = [await hub.run(call, { input: { url } }), await hub.run(call, { input: { url: `${url}/broken` } })];
    expect(answers.map(({ runtimeStatus, output }) => [runtimeStatus, output])).toMatchObject([
      ['Completed', { statusCode: 200, content: 'hello', type: 'text/plain' }],
      ['Completed', { statusCode: 500, content: 'hello', type: 'text/plain' }],
    ]);
  });

  it('polls a 202 until it is done, and its history shows how (B169)', async () => {
    let polls = 0;
    const { url, requests } = await serve((request, response) => {
      if (request.method === 'POST') response.writeHead(202, { location: '/jobs/1' }).end();
      else if ((polls += 1) < 3) response.writeHead(202, { location: '/jobs/1' }).end();
      else response.end('done');
    });
    const hub = await hubs.open({ functions: [call], durableHttp });
    const ended = await hub.run(call, { input: { method: 'POST', url: `${url}/jobs`, body: { a: 1 } } });
    expect(ended.output).toMatchObject({ statusCode: 200, content: 'done' });
    expect(requests.map(({ method, url: path }) => `${method} ${path}`)).toEqual([
      'POST /jobs',
      'GET /jobs/1',
      'GET /jobs/1',
      'GET /jobs/1',
    ]);
    const { history } = (await hub.client.getStatus(ended.instanceId, { showHistory: true })) ?? {};
    const steps = history?.flatMap((event) =>
      event.type === 'TaskScheduled' ? [event.name] : event.type === 'TimerCreated' ? ['timer'] : [],
    );
    const http = 'BuiltIn::HttpActivity';
    expect(steps).toEqual([http, 'timer', http, 'timer', http, 'timer', http]);
  });

  it('fails when no answer comes, and can be caught (B171)', async () => {
    const { url } = await serve((request) => request.socket.destroy());
    const catching = orchestration('Catching', async (ctx, target: string) => {
      try {
        await ctx.callHttp({ url: target });
        return 'answered';
      } catch (error) {
        return error instanceof Error ? error.message : 'strange';
      }
    });
    const hub = await hubs.open({ functions: [catching], durableHttp });
    expect((await hub.run(catching, { input: url })).output).toMatch(/'BuiltIn::HttpActivity' \(#0\) failed: GET /);
  });

  it('refuses addresses of this machine unless they are allowed', async () => {
    const { url, requests } = await serve((_request, response) => response.end());
    const hub = await hubs.open({ functions: [call] });
    const ended = await hub.run(call, { input: { url } });
    expect(ended.runtimeStatus).toBe('Failed');
    expect(ended.failure?.innerFailure?.errorType).toBe('HttpAddressNotAllowedError');
    expect(requests).toEqual([]);
  });

  it('tries again as it is told, and then fails', async () => {
    let requests = 0;
    const { url } = await serve((_request, response) => {
      requests += 1;
      response.writeHead(requests < 3 ? 503 : 200).end();
    });
    const retry = { firstRetryIntervalInMilliseconds: 20, maxNumberOfAttempts: 3 };
    const hub = await hubs.open({ functions: [call], durableHttp });
    expect((await hub.run(call, { input: { url, retry } })).output).toMatchObject({ statusCode: 200 });
    requests = 0;
    const ended = await hub.run(call, { input: { url, retry: { ...retry, maxNumberOfAttempts: 2 } } });
    expect(ended.failure?.message).toContain('answered 503');
    expect(requests).toBe(2);
  });

  it('sends tokens that no history has', async () => {
    const { url, requests } = await serve((_request, response) => response.end());
    const withToken = orchestration('WithToken', async (ctx, target: string) => {
      const tokenSource = new ManagedIdentityTokenSource('https://resource');
      return ctx.callHttp({ url: target, tokenSource });
    });
    const hub = await hubs.open({
      functions: [withToken],
      durableHttp,
      tokenProviders: [tokenProvider('AzureManagedIdentity', ({ resource }) => `top-secret-for-${resource}`)],
    });
    const ended = await hub.run(withToken, { input: url });
    expect(requests[0]?.headers.authorization).toBe('Bearer top-secret-for-https://resource');
    const everything = JSON.stringify(await hub.client.getStatus(ended.instanceId, { showHistory: true }));
    expect(everything).toContain('https://resource');
    expect(everything).not.toContain('top-secret');
  });
});

describe('a task hub', () => {
  it('refuses settings of durable HTTP that cannot be, and functions with a name of the engine', () => {
    const databaseUrl = 'postgres://127.0.0.1:1/none';
    const make = (options: object) => () => createTaskHub({ databaseUrl, ...options });
    expect(make({ durableHttp: { allow: ['not a host'] } })).toThrow("'not a host' cannot be allowed");
    expect(make({ durableHttp: { pollIntervalMs: 0 } })).toThrow('durableHttp.pollIntervalMs must be a number above 0');
    expect(make({ functions: [activity('builtin::Mine', () => 1)] })).toThrow('belong to the engine');
  });
});
