/** The published npm clients of Durable Functions, pointed at the service (http-api.md 6.13, built as 7.3 says). */
import { randomBytes } from 'node:crypto';
import { createRequire } from 'node:module';
import type { AddressInfo } from 'node:net';
import type {
  DurableClient,
  DurableOrchestrationStatus,
  EntityId as Id,
  OrchestrationRuntimeStatus as Statuses,
} from 'durable-functions';
import { beforeAll, describe, expect, test } from 'vitest';
import { waitFor } from '../support/wait-for.ts';
import { mend } from './fixtures.ts';
import { R, stage, W } from './support.ts';

/** What a client is made of; in a Functions host the binding gives it. */
interface ClientData {
  readonly taskHubName: string;
  readonly creationUrls: Readonly<Record<string, string>>;
  readonly managementUrls: Readonly<Record<string, string>>;
  readonly baseUrl: string;
  readonly requiredQueryStringParameters: string;
  readonly rpcBaseUrl?: string;
}

/** Versions 1 and 2: arguments by position; no suspend, no resume. */
interface OldClient {
  startNew(name: string, instanceId?: string, input?: unknown): Promise<string>;
  getStatus(
    instanceId: string,
    showHistory?: boolean,
    showHistoryOutput?: boolean,
    showInput?: boolean,
  ): Promise<Record<string, unknown> | ''>;
  getStatusAll(): Promise<readonly Record<string, unknown>[]>;
  getStatusBy(from?: Date, to?: Date, statuses?: readonly string[]): Promise<readonly Record<string, unknown>[]>;
  raiseEvent(instanceId: string, eventName: string, data: unknown): Promise<void>;
  terminate(instanceId: string, reason: string): Promise<void>;
  rewind(instanceId: string, reason: string): Promise<void>;
  purgeInstanceHistory(instanceId: string): Promise<{ readonly instancesDeleted: number }>;
  purgeInstanceHistoryBy(from: Date, to?: Date): Promise<{ readonly instancesDeleted: number }>;
  signalEntity(entity: Entity, operation?: string, input?: unknown): Promise<void>;
  readEntityState(entity: Entity): Promise<{ readonly entityExists: boolean; readonly entityState?: unknown }>;
}

interface Entity {
  readonly name: string;
  readonly key: string;
}

// Their own modules, so that nothing rewrites the URLs, and no Functions host is looked for.
const require = createRequire(import.meta.url);
const current = require('durable-functions/lib/src/durableClient/DurableClient') as {
  readonly DurableClient: new (data: ClientData) => DurableClient;
};
const { OrchestrationRuntimeStatus } =
  require('durable-functions/lib/src/orchestrations/OrchestrationRuntimeStatus') as {
    readonly OrchestrationRuntimeStatus: typeof Statuses;
  };
const { EntityId } = require('durable-functions/lib/src/entities/EntityId') as { readonly EntityId: typeof Id };
const second = require('durable-functions-v2/lib/src/durableorchestrationclient') as OldModule;
const first = require('durable-functions-v1/lib/src/durableorchestrationclient') as OldModule;
interface OldModule {
  readonly DurableOrchestrationClient: new (data: ClientData) => OldClient;
}

const it6 = stage({ systemKey: 'the-key' });
let origin = '';

beforeAll(async () => {
  await it6.api.app.listen({ port: 0, host: '127.0.0.1' });
  origin = `http://127.0.0.1:${(it6.api.app.server.address() as AddressInfo).port}`;
});

const modes = ['rpc', 'webhook'] as const;
type Mode = (typeof modes)[number];

/** With URLs that the client makes itself, or with those of the binding. Both carry the key where the client lets them. */
async function dataFor(mode: Mode, taskHub = 'default'): Promise<ClientData> {
  const query = `taskHub=${taskHub}&connection=Storage&code=the-key`;
  const instance = `${origin}${W}/instances/INSTANCEID`;
  const common = {
    taskHubName: taskHub,
    creationUrls: {
      createNewInstancePostUri: `${origin}${W}/orchestrators/{functionName}[/{instanceId}]?code=the-key`,
    },
    managementUrls: {
      id: 'INSTANCEID',
      statusQueryGetUri: `${instance}?${query}`,
      sendEventPostUri: `${instance}/raiseEvent/{eventName}?${query}`,
      terminatePostUri: `${instance}/terminate?reason={text}&${query}`,
      rewindPostUri: `${instance}/rewind?reason={text}&${query}`,
      purgeHistoryDeleteUri: `${instance}?${query}`,
      restartPostUri: `${instance}/restart?${query}`,
      suspendPostUri: `${instance}/suspend?reason={text}&${query}`,
      resumePostUri: `${instance}/resume?reason={text}&${query}`,
    },
    baseUrl: origin + W,
    requiredQueryStringParameters: 'code=the-key',
  };
  return mode === 'webhook' ? common : { ...common, rpcBaseUrl: `${await openOrigin()}${R}/` };
}

let open: string | undefined;

/** These clients send no key in this mode: a service that asks for none, on the same hub. */
async function openOrigin(): Promise<string> {
  if (open === undefined) {
    const { app } = await it6.server();
    open = await app.listen({ port: 0, host: '127.0.0.1' });
  }
  return open;
}

function freshId(): string {
  return `npm-${randomBytes(6).toString('hex')}`;
}

describe.each(modes)('version 3, %s', (mode) => {
  const client = async () => new current.DurableClient(await dataFor(mode));
  const reach = (own: DurableClient, id: string, status: keyof typeof Statuses): Promise<DurableOrchestrationStatus> =>
    waitFor(
      async () => {
        const found = await own.getStatus(id);
        return found.runtimeStatus === OrchestrationRuntimeStatus[status] && found;
      },
      { what: `${id} to be ${status}` },
    );

  test('#249, #250 starts, looks, raises events, suspends, resumes and terminates', async () => {
    const own = await client();
    const id = await own.startNew('WaitGo', { instanceId: freshId(), input: { a: 1 } });
    expect(await reach(own, id, 'Running')).toMatchObject({ name: 'WaitGo', instanceId: id, input: { a: 1 } });
    await own.suspend(id, 'too early');
    await reach(own, id, 'Suspended');
    await own.resume(id, 'now');
    await reach(own, id, 'Running');
    await own.raiseEvent(id, 'Go', { v: [1] });
    expect((await reach(own, id, 'Completed')).output).toEqual({ v: [1] });
    // What has ended is none of these verbs' business, and no error.
    await own.raiseEvent(id, 'Go', 1);
    await own.terminate(id, 'too late');
    const other = await own.startNew('WaitGo');
    await reach(own, other, 'Running');
    await own.terminate(other, 'enough');
    expect((await reach(own, other, 'Terminated')).output).toBe('enough');
  });

  test('#249, #250 rewinds', async () => {
    const own = await client();
    const input = freshId();
    const id = await own.startNew('ActsBroken', { input });
    await reach(own, id, 'Failed');
    mend(input);
    await own.rewind(id, 'mended');
    expect((await reach(own, id, 'Completed')).output).toBe('works');
  });

  test('#249, #250 purges one and by filter', async () => {
    const own = await client();
    const [one, two] = [await own.startNew('Echo'), await own.startNew('Echo')];
    for (const id of [one, two]) await reach(own, id, 'Completed');
    expect(await own.purgeInstanceHistory(one)).toMatchObject({ instancesDeleted: 1 });
    const { instancesDeleted } = await own.purgeInstanceHistoryBy({
      createdTimeFrom: new Date(0),
      createdTimeTo: new Date(Date.now() + 60_000),
      runtimeStatus: [OrchestrationRuntimeStatus.Completed],
    });
    expect(instancesDeleted).toBeGreaterThanOrEqual(1);
    for (const id of [one, two]) await expect(own.getStatus(id)).rejects.toThrow('404');
  });

  test('#249, #250 signals and reads entities', async () => {
    const own = await client();
    const entity = new EntityId('counter', freshId());
    expect(await own.readEntityState(entity)).toMatchObject({ entityExists: false });
    await own.signalEntity(entity, 'add', 5);
    await waitFor(async () => (await own.readEntityState(entity)).entityState === 5);
  });

  test('#252 a start without options has the empty text as its input', async () => {
    const own = await client();
    const id = await own.startNew('WaitGo');
    expect((await own.getStatus(id)).input).toBe('');
  });

  test('#253 a look at none rejects and names the status 404', async () => {
    await expect((await client()).getStatus('nobody')).rejects.toThrow(/HTTP 404/);
  });

  test('#255 a running instance has dates', async () => {
    const own = await client();
    const status = await reach(own, await own.startNew('WaitGo'), 'Running');
    expect(status.createdTime).toBeInstanceOf(Date);
    expect(status.lastUpdatedTime.getTime()).toBeGreaterThan(Date.now() - 60_000);
  });

  test('#256 a purge of none deletes none', async () => {
    expect(await (await client()).purgeInstanceHistory('nobody')).toMatchObject({ instancesDeleted: 0 });
  });

  test('#257 a rewind of one that did not fail rejects with the sentence of the service', async () => {
    const own = await client();
    const id = await own.startNew('Echo');
    await reach(own, id, 'Completed');
    await expect(own.rewind(id, 'why not')).rejects.toThrow(
      'This orchestration has status Completed, but only orchestrations in the "Failed" state can be rewound.',
    );
    await expect(own.rewind('nobody', 'why not')).rejects.toThrow('nobody');
  });

  test('#258 waiting answers with the output, or in the end with the links', async () => {
    const own = await client();
    const request = { url: 'http://caller.example/api/start' } as never;
    const done = await own.waitForCompletionOrCreateCheckStatusResponse(
      request,
      await own.startNew('Echo', { input: 7 }),
      { timeoutInMilliseconds: 5_000, retryIntervalInMilliseconds: 20 },
    );
    expect([done.status, await done.json()]).toEqual([200, 7]);
    const id = await own.startNew('WaitGo');
    const late = await own.waitForCompletionOrCreateCheckStatusResponse(request, id, {
      timeoutInMilliseconds: 50,
      retryIntervalInMilliseconds: 20,
    });
    expect([late.status, await late.json()]).toEqual([202, expect.objectContaining({ id })]);
  });

  test('#260 a list by status has only these', async () => {
    const own = await client();
    const done = await own.startNew('Echo');
    const live = await own.startNew('WaitGo');
    await reach(own, done, 'Completed');
    const found = await own.getStatusBy({
      createdTimeFrom: new Date(0),
      runtimeStatus: [OrchestrationRuntimeStatus.Completed],
    });
    expect(found.map((one) => one.instanceId)).toContain(done);
    expect(found.map((one) => one.instanceId)).not.toContain(live);
    expect(new Set(found.map((one) => one.runtimeStatus))).toEqual(new Set(['Completed']));
  });
});

test('#259 a list of all 250 instances follows the pages', async () => {
  const own = new current.DurableClient(await dataFor('webhook', 'npm-many'));
  const starts = Array.from({ length: 250 }, (_, at) =>
    it6.api.post(`/orchestrators/Echo/many-${at}?taskHub=npm-many&code=the-key`),
  );
  for (const { statusCode } of await Promise.all(starts)) expect(statusCode).toBe(202);
  const all = await own.getStatusAll();
  expect(new Set(all.map((one) => one.instanceId)).size).toBe(250);
});

describe.each([
  { version: '2.1.4', make: second, emptyInput: '' },
  { version: '1.5.4', make: first, emptyInput: null },
])('version $version', ({ make, emptyInput }) => {
  test.each(modes)('#251 starts, looks, raises events, terminates, rewinds, purges and signals, %s', async (mode) => {
    const own = new make.DurableOrchestrationClient(await dataFor(mode));
    const reach = (id: string, status: string) =>
      waitFor(
        async () => {
          const found = await own.getStatus(id, true, true, true);
          return found !== '' && found['runtimeStatus'] === status && found;
        },
        { what: `${id} to be ${status}` },
      );
    const id = await own.startNew('WaitGo', freshId(), { a: 1 });
    expect(await reach(id, 'Running')).toMatchObject({ input: { a: 1 } });
    await own.raiseEvent(id, 'Go', 'gone');
    const ended = await reach(id, 'Completed');
    expect(ended['output']).toBe('gone');
    expect(ended['historyEvents']).toContainEqual(expect.objectContaining({ EventType: 'EventRaised' }));
    const other = await own.startNew('WaitGo');
    await reach(other, 'Running');
    await own.terminate(other, 'enough');
    await reach(other, 'Terminated');
    const broken = freshId();
    const failed = await own.startNew('ActsBroken', undefined, broken);
    await reach(failed, 'Failed');
    mend(broken);
    await own.rewind(failed, 'mended');
    await reach(failed, 'Completed');
    const listed = await own.getStatusBy(new Date(0), new Date(Date.now() + 60_000), ['Completed']);
    expect(listed.map((one) => one['instanceId'])).toEqual(expect.arrayContaining([id, failed]));
    expect((await own.getStatusAll()).length).toBeGreaterThan(listed.length);
    expect(await own.purgeInstanceHistory(id)).toMatchObject({ instancesDeleted: 1 });
    expect((await own.purgeInstanceHistoryBy(new Date(0))).instancesDeleted).toBeGreaterThanOrEqual(2);
    const entity = { name: 'counter', key: freshId() };
    await own.signalEntity(entity, 'add', 3);
    await waitFor(async () => (await own.readEntityState(entity)).entityState === 3);
  });

  test('#252 a start without input', async () => {
    const own = new make.DurableOrchestrationClient(await dataFor('webhook'));
    const status = await own.getStatus(await own.startNew('WaitGo'));
    expect(status).toMatchObject({ input: emptyInput });
  });

  test('#254 a look at none resolves to nothing', async () => {
    const own = new make.DurableOrchestrationClient(await dataFor('webhook'));
    expect(await own.getStatus('nobody')).toBe('');
  });
});
