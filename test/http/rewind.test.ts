/** Rewind (http-api.md 6.10). */
import { expect, test } from 'vitest';
import { expectEmpty, stage } from './support.ts';
import { mend } from './fixtures.ts';

const it6 = stage();

test('#210, #216 a failed instance runs again, with a reason or without', async () => {
  for (const reason of ['', '?reason=mended%20it']) {
    const id = await it6.api.run('ActsBroken', `part${reason}`);
    expect(await it6.api.status(id)).toMatchObject({ runtimeStatus: 'Failed' });
    mend(`part${reason}`);
    expectEmpty(await it6.api.post(`/instances/${id}/rewind${reason}`), 202);
    const status = await it6.api.reach(id, 'Completed', '?showHistory=true');
    expect(status).toMatchObject({ output: 'works' });
    const rewound = { EventType: 'ExecutionRewound', Reason: reason === '' ? null : 'mended it' };
    expect(status['historyEvents']).toEqual(expect.arrayContaining([expect.objectContaining(rewound)]));
  }
});

test('#211 an unknown one is 404 with a JSON string', async () => {
  const answer = await it6.api.post('/instances/nobody/rewind');
  expect([answer.statusCode, answer.json()]).toEqual([404, 'No orchestration with instance ID "nobody" found.']);
  expect((await it6.api.post('/instances/a%00b/rewind')).statusCode).toBe(404);
});

test('#212 - #214 in any other status it is 412 with a JSON string', async () => {
  const ids = {
    Completed: await it6.api.run('Echo'),
    Running: await it6.api.running('WaitGo'),
    Terminated: await it6.api.terminated(),
    Suspended: await it6.api.suspended(),
  };
  for (const [status, id] of Object.entries(ids)) {
    const answer = await it6.api.post(`/instances/${id}/rewind?reason=x`);
    const text = `This orchestration has status ${status}, but only orchestrations in the "Failed" state can be rewound.`;
    expect([answer.statusCode, answer.json()]).toEqual([412, text]);
  }
});
