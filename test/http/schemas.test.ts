/** Orchestrations whose input and events have schemas. */
import { describe, expect, test } from 'vitest';
import { stage, W } from './support.ts';

const it6 = stage();

describe('a value that is not as the orchestration says', () => {
  test('is a 400 that says where it is wrong, and nothing is stored', async () => {
    const answer = await it6.api.post('/orchestrators/Typed/typed-1', {
      body: { items: [{ price: 1 }, { price: 'x' }] },
    });
    expect(answer.statusCode).toBe(400);
    expect(answer.body).toMatch(/The input of orchestration 'Typed' is not valid: items\[1\]\.price: /);
    expect((await it6.api.get('/instances/typed-1')).statusCode).toBe(404);
    expect((await it6.api.post('/orchestrators/Typed')).statusCode).toBe(400);
  });

  test('is refused for events too, and the instance waits on', async () => {
    const id = await it6.api.running('Typed', { items: [] });
    const refused = await it6.api.post(`/instances/${id}/raiseEvent/approval`, { body: { by: 7 } });
    expect(refused.statusCode).toBe(400);
    expect(refused.body).toMatch(/The payload of the event 'approval' is not valid: by: /);
    expect((await it6.api.post(`/instances/${id}/raiseEvent/approval`, { body: { by: 'Ann' } })).statusCode).toBe(202);
    expect(await it6.api.reach(id, 'Completed')).toMatchObject({ output: { items: [], note: '' } });
    // The state of the instance comes first.
    expect((await it6.api.post(`/instances/${id}/raiseEvent/approval`, { body: 7 })).statusCode).toBe(410);
    expect((await it6.api.post('/instances/nobody/raiseEvent/approval', { body: 7 })).statusCode).toBe(404);
  });
});

test('the OpenAPI document of the service has a path for each orchestration, with its schemas', async () => {
  const { paths } = (await it6.api.send('GET', '/openapi.json')).json();
  expect(paths[`${W}/orchestrators/Typed`].post).toMatchObject({
    operationId: 'startTyped',
    requestBody: {
      required: true,
      content: { 'application/json': { schema: { type: 'object', required: ['items'] } } },
    },
    responses: {
      200: { content: { 'application/json': { schema: { type: 'object', required: ['items', 'note'] } } } },
    },
    'x-events': [{ name: 'Approval', payload: { type: 'object', properties: { by: { type: 'string' } } } }],
  });
  expect(paths[`${W}/orchestrators/Echo`].post.requestBody.required).toBe(false);
});
