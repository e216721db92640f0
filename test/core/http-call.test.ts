import { describe, expect, it } from 'vitest';
import type { CallHttpOptions, HttpActivityRequest } from '../../src/model/durable-http.ts';
import type { Action, Decision } from '../../src/model/actions.ts';
import type { OrchestrationContext } from '../../src/model/functions.ts';
import {
  completed,
  expectSameReplay,
  failed,
  failureOf,
  fired,
  LiveRun,
  play,
  resultOf,
  startTime,
  type Body,
} from './support.ts';

const calls =
  (options: CallHttpOptions): Body =>
  async (ctx: OrchestrationContext) =>
    ctx.callHttp(options);

/** A run takes a turn each second. */
const secondTurn = startTime + 1_000;

const answer = (statusCode: number, headers: Record<string, string> = {}, content = '') => ({
  statusCode,
  headers,
  content,
});

/** The requests that a decision sends. */
function requestsOf({ actions }: Decision): readonly HttpActivityRequest[] {
  return actions.flatMap((action: Action) => {
    if (action.type !== 'ScheduleTask') return [];
    expect(action.name).toBe('BuiltIn::HttpActivity');
    return [JSON.parse(action.input ?? 'null') as HttpActivityRequest];
  });
}

/** Until when a decision waits, from the beginning of its turn. */
function pauseOf(decision: Decision, turnAt: number): number | undefined {
  const timer = decision.actions.find((action) => action.type === 'CreateTimer');
  return timer?.type === 'CreateTimer' ? timer.fireAt - turnAt : undefined;
}

async function requestOf(options: CallHttpOptions): Promise<HttpActivityRequest> {
  const [request] = requestsOf(await new LiveRun(calls(options)).start());
  if (request === undefined) throw new Error('nothing was sent');
  return request;
}

/** What is sent and how long is waited after a first answer. */
async function afterAnswer(options: CallHttpOptions, headers: Record<string, string>) {
  const body = calls(options);
  const run = new LiveRun(body);
  await run.start();
  const pausing = await run.turn(completed(0, answer(202, headers)));
  const pause = pauseOf(pausing, secondTurn);
  const polling = pause === undefined ? undefined : await run.turn(fired(1));
  await expectSameReplay(run, body);
  return { pausing, pause, poll: polling && requestsOf(polling)[0] };
}

describe('the request', () => {
  it('is stored in the words of Durable Functions', async () => {
    expect(await requestOf({ url: 'https://example.org' })).toEqual({ method: 'GET', uri: 'https://example.org/' });
    expect(
      await requestOf({
        method: 'post',
        url: new URL('https://example.org/jobs?x=1#here'),
        headers: { Authorization: 'Bearer x' },
        body: { a: [1, null] },
        tokenSource: { kind: 'K', resource: 'https://r' },
        timeout: '5s',
        retry: { firstRetryIntervalInMilliseconds: 1, maxNumberOfAttempts: 2, statusCodesToRetry: [503] },
      }),
    ).toEqual({
      method: 'POST',
      uri: 'https://example.org/jobs?x=1',
      headers: { Authorization: 'Bearer x', 'Content-Type': 'application/json' },
      content: '{"a":[1,null]}',
      tokenSource: { kind: 'K', resource: 'https://r' },
      timeoutMs: 5_000,
      statusCodesToRetry: [503],
    });
  });

  it.each<[unknown, string | undefined, string | undefined]>([
    ['plain words', 'plain words', 'text/plain; charset=utf-8'],
    ['{"a":1}', '{"a":1}', 'application/json'],
    [0, '0', 'application/json'],
    [false, 'false', 'application/json'],
    ['', '', 'text/plain; charset=utf-8'],
    [null, undefined, undefined],
    [undefined, undefined, undefined],
  ])('has a body of %j as %j with the type %j', async (body, content, type) => {
    const request = await requestOf({ method: 'POST', url: 'http://a.example', body });
    expect(request.content).toBe(content);
    expect(request.headers?.['Content-Type']).toBe(type);
  });

  it('keeps the content type that it was given, in any case', async () => {
    const headers = { 'content-TYPE': 'application/x-ndjson' };
    expect((await requestOf({ method: 'POST', url: 'http://a.example', body: '{}', headers })).headers).toEqual(
      headers,
    );
  });

  it.each<[unknown, RegExp]>([
    [undefined, /must be an object with a url/],
    [{}, /the url must be absolute/],
    [{ url: '/relative' }, /the url must be absolute.*"\/relative"/],
    [{ url: 'ftp://example.org' }, /begin with http: or https:/],
    [{ url: 'file:///etc/passwd' }, /begin with http: or https:/],
    [{ url: 'https://user:pass@example.org' }, /must not hold a user or password/],
    [{ url: 'http://a.example', method: 'GET /' }, /the method must be a name/],
    [{ url: 'http://a.example', headers: { 'X-A': 'a\r\nX-B: b' } }, /'X-A' must be a text of one line/],
    [{ url: 'http://a.example', headers: { 'X A': 'a' } }, /'X A' is no name of a header/],
    [{ url: 'http://a.example', headers: 'Accept: a' }, /headers must be an object/],
    [{ url: 'http://a.example', tokenSource: 'token' }, /tokenSource must be an object with kind and resource/],
    [{ url: 'http://a.example', timeout: 0 }, /more than 0 and at most 24 hours/],
    [{ url: 'http://a.example', timeout: '25h' }, /more than 0 and at most 24 hours/],
    [{ url: 'http://a.example', body: Infinity }, /body of an HTTP request cannot be stored/],
    [{ url: 'http://a.example', retry: { firstRetryIntervalInMilliseconds: 1 } }, /retry.maxNumberOfAttempts/],
    [
      {
        url: 'http://a.example',
        retry: { firstRetryIntervalInMilliseconds: 1, maxNumberOfAttempts: 1, statusCodesToRetry: ['503'] },
      },
      /list of status codes/,
    ],
  ])('is refused where it is made: %j', async (options, message) => {
    const decision = await new LiveRun(calls(options as CallHttpOptions)).start();
    expect(requestsOf(decision)).toEqual([]);
    expect(failureOf(decision).message).toMatch(message);
  });
});

describe('an answer', () => {
  it.each([200, 204, 404, 500])('of %d is a response, and nothing more is sent', async (status) => {
    const decision = await play(
      calls({ url: 'http://a.example' }),
      completed(0, answer(status, { 'x-a': '1' }, 'text')),
    );
    expect(resultOf(decision)).toEqual(answer(status, { 'x-a': '1' }, 'text'));
  });

  it('tells its headers whatever their case', async () => {
    const body: Body = async (ctx: OrchestrationContext) => {
      const response = await ctx.callHttp({ url: 'http://a.example' });
      return [response.getHeader('CONTENT-type'), response.getHeader('X-None') ?? 'none'];
    };
    const decision = await play(body, completed(0, answer(200, { 'Content-Type': 'text/html' })));
    expect(resultOf(decision)).toEqual(['text/html', 'none']);
  });

  it('that never came fails the call', async () => {
    const decision = await play(calls({ url: 'http://a.example' }), failed(0, { errorType: 'HttpRequestError' }));
    const failure = failureOf(decision);
    expect(failure).toMatchObject({ errorType: 'TaskFailedError', innerFailure: { errorType: 'HttpRequestError' } });
  });

  it('may be yielded for in a generator', async () => {
    const body: Body = function* (ctx: OrchestrationContext) {
      const response = yield* ctx.callHttp({ url: 'http://a.example' });
      return response.statusCode;
    };
    expect(resultOf(await play(body, completed(0, answer(201))))).toBe(201);
  });
});

describe('an answer 202 with a Location', () => {
  const url = 'https://a.example/jobs';

  it('is polled with GET until there is another answer', async () => {
    const body = calls({ method: 'POST', url, body: 'x', headers: { Accept: 'text/plain' } });
    const run = new LiveRun(body);
    await run.start();
    const locate = (location: string) => answer(202, { Location: location, 'Retry-After': '7' });
    const pausing = await run.turn(completed(0, locate('/jobs/1')));
    expect(pausing.actions).toEqual([{ type: 'CreateTimer', id: 1, fireAt: secondTurn + 7_000 }]);
    const polling = await run.turn(fired(1));
    expect(requestsOf(polling)).toEqual([
      { method: 'GET', uri: 'https://a.example/jobs/1', headers: { Accept: 'text/plain' } },
    ]);
    expect((await run.turn(completed(2, locate('1/status')))).actions).toMatchObject([{ type: 'CreateTimer', id: 3 }]);
    expect(requestsOf(await run.turn(fired(3)))[0]?.uri).toBe('https://a.example/jobs/1/status');
    expect(resultOf(await run.turn(completed(4, answer(200, {}, 'done'))))).toEqual(answer(200, {}, 'done'));
    await expectSameReplay(run, body);
  });

  it.each<[string, string | undefined, number]>([
    ['seconds', '120', 120_000],
    ['nothing', undefined, 30_000],
    ['zero, which would make it spin', '0', 1_000],
    ['a date', new Date(secondTurn + 45_000).toUTCString(), 45_000],
    ['a date that has passed', new Date(startTime - 45_000).toUTCString(), 1_000],
    ['a negative number', '-5', 30_000],
    ['a fraction', '1.5', 30_000],
    ['words', 'soon', 30_000],
    ['a number without end', '9'.repeat(400), 30_000],
    ['more than a day', '86401', 30_000],
    ['a date in another century', 'Fri, 01 Jan 2126 00:00:00 GMT', 30_000],
    ['a date without zone', 'Thu, 01 Jan 2026 00:01:00', 30_000],
  ])('is waited for as Retry-After says: %s', async (_what, retryAfter, pause) => {
    const headers = { location: '/s', ...(retryAfter === undefined ? {} : { 'retry-after': retryAfter }) };
    expect((await afterAnswer({ url }, headers)).pause).toBe(pause);
  });

  it('waits as the setting says when the server does not', async () => {
    const run = new LiveRun(calls({ url }), { httpPollIntervalMs: 50 });
    await run.start();
    const decision = await run.turn(completed(0, answer(202, { Location: '/s' })));
    expect(pauseOf(decision, secondTurn)).toBe(50);
  });

  it('is the answer when polling is off, also by its old name', async () => {
    for (const off of [{ enablePolling: false }, { asynchronousPatternEnabled: false }]) {
      const response = answer(202, { Location: '/s' });
      expect(resultOf(await play(calls({ url, ...off }), completed(0, response)))).toEqual(response);
    }
    const both = { enablePolling: true, asynchronousPatternEnabled: false };
    expect((await afterAnswer({ url, ...both }, { Location: '/s' })).pause).toBe(30_000);
  });

  it('is the answer without a Location, or with one that cannot be called', async () => {
    for (const headers of [{}, { Location: 'ftp://a.example/s' }, { Location: 'http://[' }]) {
      const response = answer(202, headers);
      expect(resultOf(await play(calls({ url }), completed(0, response)))).toEqual(response);
    }
  });

  const secrets = {
    authorization: 'Bearer a',
    Cookie: 'b',
    'X-Api-Key': 'c',
    'x-functions-key': 'd',
    Accept: 'text/plain',
  };
  const tokenSource = { kind: 'K', resource: 'r' };

  it('gets credentials at the same origin, without the function key', async () => {
    const { poll } = await afterAnswer({ url, headers: secrets, tokenSource }, { Location: 'https://A.example:443/s' });
    expect(poll).toEqual({
      method: 'GET',
      uri: 'https://a.example/s',
      headers: { authorization: 'Bearer a', Cookie: 'b', 'X-Api-Key': 'c', Accept: 'text/plain' },
      tokenSource,
    });
  });

  it.each(['https://b.example/s', 'http://a.example/s', 'https://a.example:8443/s', '//b.example/s'])(
    'B172: gets no credentials at another origin: %s',
    async (location) => {
      const { poll } = await afterAnswer({ url, headers: secrets, tokenSource }, { Location: location });
      expect(poll).toEqual({
        method: 'GET',
        uri: new URL(location, url).href,
        headers: { Accept: 'text/plain' },
      });
    },
  );

  it('judges every poll by the first request: no answer moves credentials', async () => {
    const run = new LiveRun(calls({ url, headers: { Authorization: 'a' } }));
    await run.start();
    const uris: unknown[] = [];
    for (const [id, location] of ['https://b.example/1', '/2', 'https://a.example/3'].entries()) {
      await run.turn(completed(id * 2, answer(202, { location })));
      const [poll] = requestsOf(await run.turn(fired(id * 2 + 1)));
      uris.push([poll?.uri, poll?.headers?.['Authorization']]);
    }
    expect(uris).toEqual([
      ['https://b.example/1', undefined],
      ['https://b.example/2', undefined],
      ['https://a.example/3', 'a'],
    ]);
  });

  it('keeps time limit and retries for its polls', async () => {
    const retry = { firstRetryIntervalInMilliseconds: 100, maxNumberOfAttempts: 2 };
    const { poll } = await afterAnswer({ url, timeout: 1_000, retry }, { Location: '/s' });
    expect(poll).toMatchObject({ timeoutMs: 1_000, statusCodesToRetry: [] });
  });
});

it('ctx.df has it too, with the errors of durable-functions', async () => {
  const body: Body = function* (ctx: OrchestrationContext) {
    const response = yield* ctx.df.callHttp({ method: 'GET', url: 'http://a.example' });
    return response.getHeader('X-A');
  };
  expect(resultOf(await play(body, completed(0, answer(200, { 'x-a': '1' }))))).toBe('1');
  const failure = failureOf(await play(body, failed(0)));
  expect(failure.message).toMatch(/^Activity function 'BuiltIn::HttpActivity' failed: boom/);
});

describe('retries', () => {
  it('are timers and new requests, and the last failure is the call’s', async () => {
    const retry = { firstRetryIntervalInMilliseconds: 500, maxNumberOfAttempts: 2 };
    const body = calls({ url: 'http://a.example', retry });
    const run = new LiveRun(body);
    await run.start();
    expect(pauseOf(await run.turn(failed(0)), secondTurn)).toBe(500);
    expect(requestsOf(await run.turn(fired(1)))).toHaveLength(1);
    expect(failureOf(await run.turn(failed(2))).errorType).toBe('TaskFailedError');
    await expectSameReplay(run, body);
  });
});
