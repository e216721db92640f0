/** Whatever callers send, it is never a 5xx and never an answer of the framework's own (reliability.md 6). */
import fc from 'fast-check';
import { expect, test } from 'vitest';
import { R, stage, W } from './support.ts';

const it6 = stage({ maxBodyBytes: 2_000 });

const word = fc.oneof(
  fc.constantFrom(
    'Echo',
    'WaitGo',
    'Boom',
    'known',
    '@x',
    '.',
    '%00',
    '%2F',
    '%zz',
    '%',
    '+',
    'İ',
    '%C4%B0',
    '__proto__',
  ),
  fc.string({ unit: 'binary', maxLength: 20 }).map((text) => encodeURIComponent(text.toWellFormed())),
  fc.string({ maxLength: 20 }),
);
const segment = fc.oneof(
  fc.constantFrom(
    'instances',
    'orchestrators',
    'raiseEvent',
    'terminate',
    'suspend',
    'resume',
    'restart',
    'entities',
    '',
  ),
  word,
);
const name = fc.constantFrom(
  'taskHub',
  'showInput',
  'showHistory',
  'createdTimeFrom',
  'createdTimeTo',
  'runtimeStatus',
  'instanceIdPrefix',
  'top',
  'reason',
  'version',
  'restartWithNewInstanceId',
  'code',
);
const value = fc.oneof(fc.constantFrom('true', '0', '-1', '1e9', '2020-01-01', 'Running', 'Completed,Failed'), word);
const query = fc
  .array(fc.tuple(name, value), { maxLength: 4 })
  .map((parts) => parts.map((one) => one.join('=')).join('&'));
const body = fc.oneof(
  fc.constant(undefined),
  fc.json(),
  fc.string({ maxLength: 2_100 }),
  fc.uint8Array({ maxLength: 200 }).map((bytes) => Buffer.from(bytes)),
);
const type = fc.constantFrom('application/json', 'text/plain', 'garbage', 'application/json; charset=utf-16', '');
const method = fc.constantFrom('GET', 'POST', 'DELETE', 'PUT', 'PATCH', 'HEAD', 'OPTIONS');

test('any request gets an answer that callers can understand', async () => {
  await it6.api.run('Echo', 1, 'known');
  await fc.assert(
    fc.asyncProperty(
      fc.record({
        method,
        mount: fc.constantFrom(W, R, '/api', ''),
        path: fc.array(segment, { maxLength: 5 }),
        query,
        body,
        type,
        token: fc.option(
          fc.string({ maxLength: 30 }).filter((text) => /^[ -~]*$/.test(text)),
          { nil: undefined },
        ),
      }),
      async (call) => {
        const url = `${call.mount}/${call.path.join('/')}?${call.query}`;
        // The injector resolves and refuses some URLs that a socket would carry.
        if (!URL.canParse(url, 'http://h')) return;
        const headers = {
          ...(call.type === '' ? {} : { 'content-type': call.type }),
          ...(call.token === undefined ? {} : { 'x-ms-continuation-token': call.token }),
        };
        const raw = call.method === 'GET' || call.method === 'HEAD' ? undefined : call.body;
        const answer = await it6.api.send(call.method, url, raw === undefined ? { headers } : { headers, raw });
        expect(answer.statusCode, answer.body).toBeLessThan(500);
        if (answer.body === '') return;
        const isError = answer.statusCode >= 400;
        const parsed: unknown = isError ? answer.json() : undefined;
        if (isError && typeof parsed !== 'string') expect(parsed).toHaveProperty('Message');
      },
    ),
    { numRuns: 500 },
  );
}, 60_000);
