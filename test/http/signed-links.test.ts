/** Links with tokens instead of a key (decision 31): one operation on one instance, for a time. */
import { beforeAll, describe, expect, test } from 'vitest';
import { http } from '../../src/client/http-trigger.ts';
import { waitFor } from '../support/wait-for.ts';
import { type Api, expectEmpty, expectError, stage } from './support.ts';

const it6 = stage();
const systemKey = 'the system key';
const system = { 'x-functions-key': systemKey };
let api: Api;

const triggers = [
  http('Order', { methods: ['POST'] }, async (request, client) => {
    const id = await client.startNew('WaitGo');
    return client.createCheckStatusResponse(request, id);
  }),
  http('Mail', { methods: ['POST'] }, async (_request, client) => {
    const id = await client.startNew('WaitGo');
    return client.createSignedManagementPayload(id, { eventName: 'Go', expiresInMilliseconds: 60_000 });
  }),
];

beforeAll(async () => {
  api = await it6.server({ systemKey, signedLinks: true, triggers });
});

type Links = Readonly<Record<string, string>>;

async function start(server = api, query = '', headers: Record<string, string> = system): Promise<Links> {
  const started = await server.post(`/orchestrators/WaitGo${query}`, { headers });
  expect(started.statusCode, started.body).toBe(202);
  const links: Links = started.json();
  await it6.api.reach(String(links['id']), 'Running', query.replace(/&?code=[^&]*/, ''));
  return links;
}

/** Calls a link as it is, without a key. */
function follow(method: string, link: string | undefined, more = {}, server = api) {
  const url = new URL(link ?? '');
  return server.send(method, url.pathname + url.search, more);
}

const tokenOf = (link: string | undefined) => new URL(link ?? '').searchParams.get('code') ?? '';

describe('signed links', () => {
  test('hold no key, and each does what it says', async () => {
    const links = await start();
    expect(JSON.stringify(links)).not.toContain(encodeURIComponent(systemKey));
    expect((await follow('GET', links['statusQueryGetUri'])).statusCode).toBe(202);
    expectEmpty(await follow('POST', links['suspendPostUri']), 202);
    expectEmpty(await follow('POST', links['resumePostUri']), 202);
    expect((await follow('POST', links['restartPostUri'])).statusCode).toBe(202);
    const event = links['sendEventPostUri']?.replace('{eventName}', 'Go');
    expectEmpty(await follow('POST', event, { body: 'yes' }), 202);
    expect(await it6.api.reach(String(links['id']), 'Completed')).toMatchObject({ output: 'yes' });
    const other = await start();
    expectEmpty(await follow('POST', other['terminatePostUri']), 202);
    await it6.api.reach(String(other['id']), 'Terminated');
  });

  test('the Location of a status goes on working until the end', async () => {
    const links = await start();
    const first = await follow('GET', links['statusQueryGetUri']);
    expect((await follow('GET', String(first.headers.location))).statusCode).toBe(202);
  });

  test('the URL of status and purge only reads; purging takes a key', async () => {
    const id = await it6.api.run('Echo', 1);
    const links = (await api.post('/orchestrators/Echo/purged', { headers: system })).json();
    expect(links.purgeHistoryDeleteUri).toBe(links.statusQueryGetUri);
    await it6.api.reach('purged', 'Completed');
    const refused = await follow('DELETE', links.purgeHistoryDeleteUri);
    expect(expectError(refused, 403)['Message']).toBe("This link is good for 'status' only.");
    expect((await it6.api.get('/instances/purged')).statusCode).toBe(200);
    expect((await follow('DELETE', links.purgeHistoryDeleteUri, { headers: system })).statusCode).toBe(200);
    expect((await it6.api.get(`/instances/${id}`)).statusCode).toBe(200);
  });

  test('a token does nothing else', async () => {
    const links = await start();
    const code = tokenOf(links['statusQueryGetUri']);
    const id = String(links['id']);
    for (const operation of ['terminate', 'suspend', 'resume', 'restart', 'raiseEvent/Go']) {
      const body = operation.startsWith('raise') ? { body: 1 } : {};
      expectError(await api.post(`/instances/${id}/${operation}?code=${code}`, body), 403);
    }
    expectEmpty(await api.get(`/instances?code=${code}`), 401);
    expectEmpty(await api.post(`/orchestrators/Echo?code=${code}`), 401);
    expectError(await api.send('GET', `/admin/keys?code=${code}`), 401);
    expect(await it6.api.status(id)).toMatchObject({ runtimeStatus: 'Running' });
  });

  test('a token is of one instance, one hub and one operation, to the letter', async () => {
    const links = await start();
    const other = await start();
    const code = tokenOf(links['terminatePostUri']);
    const id = String(links['id']);
    expectEmpty(await api.post(`/instances/${other['id']}/terminate?code=${code}`), 401);
    expectEmpty(await api.post(`/instances/${id}/terminate?taskHub=other&code=${code}`), 401);
    expectEmpty(await api.post(`/instances/${id}/suspend?code=${code.replace('terminate', 'suspend')}`), 401);
    const [prefix, secret, operation, expiry, mac = ''] = code.split('.');
    const later = (Number.parseInt(expiry ?? '', 36) + 1).toString(36);
    for (const forged of [
      [prefix, secret, operation, later, mac],
      [prefix, Number(secret) + 1, operation, expiry, mac],
      [prefix, secret, operation, expiry, mac.slice(0, -1)],
      [prefix, secret, operation, expiry, (mac.startsWith('A') ? 'B' : 'A') + mac.slice(1)],
      [prefix, secret, operation, expiry],
      [prefix, '', '', '', ''],
    ]) {
      expectEmpty(await api.post(`/instances/${id}/terminate?code=${forged.join('.')}`), 401);
    }
    expect(await it6.api.status(id)).toMatchObject({ runtimeStatus: 'Running' });
    // Any case of the hub is the same hub, and the header does as well.
    const answer = await api.post(`/instances/${id}/terminate?taskHub=DEFAULT`, {
      headers: { 'x-functions-key': code },
    });
    expectEmpty(answer, 202);
  });

  test('they expire, and what a request says wins over the setting', async () => {
    const links = await start(api, '?linkExpiresIn=1');
    expect((await follow('GET', links['statusQueryGetUri'])).statusCode).toBe(202);
    await waitFor(async () => (await follow('GET', links['statusQueryGetUri'])).statusCode === 401, {
      what: 'their end',
    });
    const expiry = (some: Links) => Number.parseInt(tokenOf(some['statusQueryGetUri']).split('.')[3] ?? '', 36) * 1_000;
    expect(expiry(await start()) - Date.now()).toBeGreaterThan(6.9 * 86_400_000);
    const hourly = await it6.server({ systemKey, signedLinks: true, linkTtlMs: 3_600_000 });
    expect(Math.abs(expiry(await start(hourly)) - Date.now() - 3_600_000)).toBeLessThan(60_000);
  });

  test('a new secret ends the links before, at once or after a while', async () => {
    const before = await start();
    const rotate = (body: object) => api.send('POST', '/admin/link-secret/rotate', { body, headers: system });
    expectEmpty(await rotate({ graceSeconds: 600 }), 204);
    const between = await start();
    expect((await follow('GET', before['statusQueryGetUri'])).statusCode).toBe(202);
    expectEmpty(await rotate({}), 204);
    for (const links of [before, between]) expectEmpty(await follow('GET', links['statusQueryGetUri']), 401);
    expect((await follow('GET', (await start())['statusQueryGetUri'])).statusCode).toBe(202);
  });
});

describe('on request', () => {
  test('one start gets signed links where others get the key', async () => {
    const plain = await it6.server({ systemKey });
    expect(tokenOf((await start(plain))['statusQueryGetUri'])).toBe(systemKey);
    const links = await start(plain, '?signedLinks=true&linkExpiresIn=60');
    expect(tokenOf(links['statusQueryGetUri'])).toMatch(/^perdure-link\./);
    expect((await follow('GET', links['statusQueryGetUri'], {}, plain)).statusCode).toBe(202);
    expect(tokenOf((await start(api, '?signedLinks=false'))['statusQueryGetUri'])).toBe(systemKey);
  });

  test.each(['signedLinks=maybe', 'linkExpiresIn=0', 'linkExpiresIn=x', 'linkExpiresIn=99999999'])(
    '%s is 400, and nothing is started',
    async (query) => {
      expectError(await api.post(`/orchestrators/Echo/unsigned?${query}`, { headers: system }), 400);
      expectEmpty(await it6.api.get('/instances/unsigned'), 404);
    },
  );

  test('links are good for nothing that the key of the caller is not', async () => {
    const made = await api.send('POST', '/admin/keys', { body: { name: 'w', scopes: ['write'] }, headers: system });
    const links = await start(api, '', { 'x-functions-key': String(made.json().value) });
    expect(tokenOf(links['sendEventPostUri'])).not.toBe('');
    for (const name of ['statusQueryGetUri', 'terminatePostUri', 'restartPostUri', 'suspendPostUri']) {
      expect([name, tokenOf(links[name])]).toEqual([name, '']);
    }
  });

  test('a restart by link gives links that are good for no more, and no longer', async () => {
    const links = await start(api, '?linkExpiresIn=100');
    const again: Links = (await follow('POST', links['restartPostUri'])).json();
    expect(again['id']).not.toBe(links['id']);
    expect(tokenOf(again['restartPostUri'])).toMatch(/^perdure-link\./);
    expect(tokenOf(again['terminatePostUri'])).toBe('');
    const expiry = (some: Links) => tokenOf(some['statusQueryGetUri']).split('.')[3];
    expect(expiry(again)).toBe(expiry(links));
    const longer: Links = (await follow('POST', `${links['restartPostUri']}&linkExpiresIn=9999`)).json();
    expect(expiry(longer)).toBe(expiry(links));
  });

  test('also an open service keeps a token to what it is good for', async () => {
    const open = await it6.server({ signedLinks: true });
    const links = await start(open, '', {});
    expect((await follow('GET', links['statusQueryGetUri'], {}, open)).statusCode).toBe(202);
    expectError(await follow('DELETE', links['purgeHistoryDeleteUri'], {}, open), 403);
    expectEmpty(await open.get(`/instances/other?code=${tokenOf(links['statusQueryGetUri'])}`), 401);
  });
});

describe('in user code', () => {
  test('the answer of a trigger has signed links for callers without a key', async () => {
    const answer = await api.send('POST', '/api/Order?taskHub=elsewhere');
    const links: Links = answer.json();
    expect(links['statusQueryGetUri']).toContain('taskHub=default&');
    expect(answer.headers.location).toBe(links['statusQueryGetUri']);
    expect((await follow('GET', links['statusQueryGetUri'])).statusCode).toBe(202);
    expectError(await follow('DELETE', links['purgeHistoryDeleteUri']), 403);
    await it6.api.reach(String(links['id']), 'Running');
    expectEmpty(await follow('POST', links['terminatePostUri']), 202);
  });

  test('a link for one event approves, and sends no other event', async () => {
    const plain = await it6.server({ systemKey, triggers });
    const links: Links = (await plain.send('POST', '/api/Mail')).json();
    const event = links['sendEventPostUri'] ?? '';
    expect(new URL(event).pathname).toMatch(/\/raiseEvent\/Go$/);
    expectEmpty(await follow('POST', event.replace('/Go?', '/Stop?'), { body: 1 }, plain), 401);
    expectEmpty(await follow('POST', event, { body: 'approved' }, plain), 202);
    expect(await it6.api.reach(String(links['id']), 'Completed')).toMatchObject({ output: 'approved' });
  });
});
