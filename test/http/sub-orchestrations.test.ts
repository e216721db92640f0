/** Sub-orchestrations over HTTP: their events in histories (http-api.md 6.5), and what is done to whole trees. */
import { expect, test } from 'vitest';
import { waitFor } from '../support/wait-for.ts';
import { expectEmpty, stage } from './support.ts';

const it6 = stage();
type Shown = Record<string, unknown>;

async function historyOf(id: string, query = ''): Promise<Shown[]> {
  return (await it6.api.status(id, `?showHistory=true${query}`))['historyEvents'] as Shown[];
}

const typesOf = (events: readonly Shown[]) => events.map((one) => one['EventType']);

test('#117 a sub-orchestration that has ended shows as its completion, with its instance id', async () => {
  const id = await it6.api.run('Calls', { name: 'Echo', input: { n: 1 } });
  const events = await historyOf(id, '&showHistoryOutput=true');
  expect(typesOf(events)).toEqual(['ExecutionStarted', 'SubOrchestrationInstanceCompleted', 'ExecutionCompleted']);
  expect(events[1]).toEqual({
    EventType: 'SubOrchestrationInstanceCompleted',
    Timestamp: expect.any(String) as string,
    ScheduledTime: expect.any(String) as string,
    FunctionName: 'Echo',
    InstanceId: expect.stringMatching(/^[0-9a-f]{32}:0000$/) as string,
    Input: '{"n":1}',
    Result: { n: 1 },
  });
});

test('one that failed shows why', async () => {
  const id = await it6.api.start('Calls', { name: 'Boom' });
  await it6.api.reach(id, 'Failed');
  const failed = (await historyOf(id)).find((one) => one['EventType'] === 'SubOrchestrationInstanceFailed');
  expect(failed).toMatchObject({
    FunctionName: 'Boom',
    Reason: 'no luck',
    FailureDetails: { ErrorType: 'RangeError', ErrorMessage: 'no luck' },
  });
});

test('one that runs shows as created, and goes on when its parent is terminated', async () => {
  const id = await it6.api.running('Calls', { name: 'WaitGo', input: 'x' });
  const created = await waitFor(async () =>
    (await historyOf(id)).find((one) => one['EventType'] === 'SubOrchestrationInstanceCreated'),
  );
  const child = String(created['InstanceId']);
  expect(created).toEqual({
    EventType: 'SubOrchestrationInstanceCreated',
    Timestamp: expect.any(String) as string,
    Name: 'WaitGo',
    InstanceId: child,
    Input: '"x"',
  });
  expect(await historyOf(id, '&showInput=false')).not.toContainEqual(expect.objectContaining({ Input: '"x"' }));
  expectEmpty(await it6.api.post(`/instances/${id}/terminate`), 202);
  await it6.api.reach(id, 'Terminated');
  await it6.api.reach(child, 'Running');
  // A purge of the tree is refused while something of it runs, and changes nothing.
  const refused = await it6.api.delete(`/instances/${id}?recursive=true`);
  expect(refused.statusCode).toBe(412);
  expect(refused.json()).toContain(child);
  await it6.api.status(id);
  expectEmpty(await it6.api.post(`/instances/${child}/raiseEvent/Go`, { body: 1 }), 202);
  await it6.api.reach(child, 'Completed');
  const purged = await it6.api.delete(`/instances/${id}?recursive=true`);
  expect([purged.statusCode, purged.json()]).toEqual([200, { instancesDeleted: 2 }]);
});

test('terminate with recursive=true ends the children too; anything but true and false is refused', async () => {
  const id = await it6.api.running('Calls', { name: 'WaitGo' });
  const created = await waitFor(async () =>
    (await historyOf(id)).find((one) => one['EventType'] === 'SubOrchestrationInstanceCreated'),
  );
  expect((await it6.api.post(`/instances/${id}/terminate?recursive=yes`)).statusCode).toBe(400);
  expect((await it6.api.delete(`/instances/${id}?recursive=1`)).statusCode).toBe(400);
  expectEmpty(await it6.api.post(`/instances/${id}/terminate?recursive=true&reason=all`), 202);
  expect(await it6.api.reach(String(created['InstanceId']), 'Terminated')).toMatchObject({ output: 'all' });
});

test('an event that was sent shows where it went', async () => {
  const to = await it6.api.running('WaitGo');
  const id = await it6.api.run('Sends', { to, name: 'Go', data: [1] });
  expect((await historyOf(id))[1]).toEqual({
    EventType: 'EventSent',
    Timestamp: expect.any(String) as string,
    InstanceId: to,
    Name: 'Go',
    Input: '[1]',
  });
  expect(await it6.api.reach(to, 'Completed')).toMatchObject({ output: [1] });
});

test('#123 after continueAsNew there is the history of the last execution only, and the last input', async () => {
  const id = await it6.api.run('CountsTo', 3);
  expect(await it6.api.status(id)).toMatchObject({ input: 0, output: 'done' });
  expect(typesOf(await historyOf(id))).toEqual(['ExecutionStarted', 'ExecutionCompleted']);
});
