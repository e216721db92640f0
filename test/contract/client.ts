/** What every client promises, whatever lies between it and the store. Its orchestrations are those of `test/http/fixtures.ts`. */
import { randomBytes } from 'node:crypto';
import { describe, expect, test } from 'vitest';
import type { OrchestrationClient } from '../../src/client/client.ts';
import { DurableError, type DurableErrorCode } from '../../src/model/errors.ts';
import { defineEvent } from '../../src/model/events.ts';
import { EntityId } from '../../src/model/entity-id.ts';
import { orchestration } from '../../src/model/functions.ts';
import type { OrchestrationInstance, RuntimeStatus } from '../../src/model/instance.ts';
import { counter, mend } from '../http/fixtures.ts';
import { waitFor } from '../support/wait-for.ts';

function fresh(what = 'i'): string {
  return `${what}-${randomBytes(6).toString('hex')}`;
}

async function refuses(call: Promise<unknown>, code: DurableErrorCode): Promise<DurableError> {
  const error: unknown = await call.then(
    () => undefined,
    (thrown: unknown) => thrown,
  );
  expect(error).toBeInstanceOf(DurableError);
  expect(error).toMatchObject({ name: 'DurableError', code });
  const refused = error as DurableError;
  expect(refused.message.length).toBeGreaterThan(10);
  return refused;
}

/**
 * The suite.
 * @param open a client; of the hub of this name, which has no workers, or of the one that runs the fixtures
 */
export function clientContract(open: (taskHub?: string) => OrchestrationClient): void {
  const ended = async (id: string): Promise<OrchestrationInstance> => {
    const instance = await open().waitForCompletion(id, { timeoutMs: 15_000 });
    if (instance === undefined || instance.completedAt === null) throw new Error(`${id} has not ended`);
    return instance;
  };
  const reach = (id: string, status: RuntimeStatus): Promise<OrchestrationInstance> =>
    waitFor(
      async () => {
        const instance = await open().getStatus(id);
        return instance?.runtimeStatus === status && instance;
      },
      { what: `${id} to be ${status}` },
    );
  const childOf = (id: string): Promise<string> =>
    waitFor(
      async () => {
        const { events = [] } = (await open().getHistory(id)) ?? {};
        return events.find((event) => event.type === 'SubOrchestrationInstanceCreated')?.instanceId;
      },
      { what: `the child of ${id}` },
    );
  const running = async (id = fresh()): Promise<string> => {
    await open().startNew('WaitGo', { instanceId: id });
    await reach(id, 'Running');
    return id;
  };

  describe('an explanation', () => {
    test('says in a sentence what an instance waits for, since when, and what would move it', async () => {
      const id = await running();
      const explained = await waitFor(
        async () => {
          const now = await open().explain(id);
          return now?.kind === 'event' && now;
        },
        { what: `${id} to wait` },
      );
      const since = expect.any(Date);
      expect(explained).toEqual({
        ...{ instanceId: id, name: 'WaitGo', runtimeStatus: 'Running', kind: 'event', since, until: null, at: since },
        sentence: expect.stringContaining("it waits for the event 'Go', for "),
        reasons: [
          { kind: 'event', text: "it waits for the event 'Go'", since, until: null, subject: 'Go', worker: null },
        ],
        suggestions: [{ command: `perdure raise-event ${id} Go --data <json>`, effect: 'sends the event' }],
      });
    });

    test('is none of what is not there', async () => {
      for (const id of ['nobody', '..', 'a\u0000b', '']) expect(await open().explain(id)).toBeUndefined();
      expect(await open('no-such-hub').explain('nobody')).toBeUndefined();
    });
  });

  describe('a start', () => {
    test('returns the id, and what was started shows all that was said', async () => {
      const id = await open().startNew('WaitGo', {
        instanceId: fresh('an id + 100% ünï'),
        input: { n: [1, 'zwei'] },
        version: '2.0',
        tags: { team: 'payments', größe: '"L" & more' },
      });
      const instance = await reach(id, 'Running');
      expect(instance).toMatchObject({
        instanceId: id,
        name: 'WaitGo',
        input: '{"n":[1,"zwei"]}',
        version: '2.0',
        tags: { team: 'payments', größe: '"L" & more' },
        output: null,
        customStatus: null,
        failure: null,
        completedAt: null,
        scheduledStartAt: null,
        parent: null,
      });
      expect(instance.executionId).toMatch(/^[0-9a-f]{32}$/);
      expect(instance.key).toMatch(/^\d+$/);
      for (const time of [instance.createdAt, instance.lastUpdatedAt]) {
        expect(Math.abs(time.getTime() - Date.now())).toBeLessThan(60_000);
      }
    });

    test('takes a definition, and makes an id of 32 hex digits', async () => {
      const echo = orchestration('Echo', (_ctx, input: string) => input);
      const id = await open().startNew(echo, { input: 'typed' });
      expect(id).toMatch(/^[0-9a-f]{32}$/);
      expect((await ended(id)).output).toBe('"typed"');
    });

    test.each([
      ['nothing', undefined, null],
      ['null', null, 'null'],
      ['an empty text', '', '""'],
      ['false', false, 'false'],
      ['0', 0, '0'],
      ['a number of many digits', 0.1 + 0.2, '0.30000000000000004'],
    ])('of %s is that, and nothing else', async (_what, input, text) => {
      const id = await open().startNew('WaitGo', { input });
      expect((await open().getStatus(id))?.input).toBe(text);
    });

    test('of text that is JSON already keeps every character of it', async () => {
      const input = '{ "n": 12345678901234567890, "a":1, "a":2 }';
      const id = await open().startNewText({ name: 'WaitGo', input });
      expect((await open().getStatus(id))?.input).toBe(input);
    });

    test.each([
      ['an id with a slash', { instanceId: 'a/b' }],
      ['an id of an entity', { instanceId: '@counter@a' }],
      ['an id that no URL can address', { instanceId: '..' }],
      ['an id that is too long', { instanceId: 'x'.repeat(257) }],
      ['a version that is too long', { version: 'v'.repeat(101) }],
      ['a tag without a name', { tags: { '': 'x' } }],
      ['a time that is none', { startAt: new Date(Number.NaN) }],
      ['a duration that is none', { startAt: 'soon' }],
      ['an unknown policy', { onExisting: 'maybe' as never }],
      ['a value that JSON cannot hold', { input: 1n }],
    ])('with %s is refused', async (_what, options) => {
      await refuses(open().startNew('WaitGo', options), 'InvalidArgument');
    });

    test('of what nobody has is refused, and says what there is', async () => {
      const { message } = await refuses(open().startNew('Nobody'), 'OrchestratorNotRegistered');
      expect(message).toContain("'Nobody'");
      await refuses(open().startNew(''), 'InvalidArgument');
    });

    test('of an id that lives is refused; what happens else is for onExisting to say', async () => {
      const id = await running();
      const { message } = await refuses(open().startNew('Echo', { instanceId: id }), 'InstanceAlreadyExists');
      expect(message).toBe('An Orchestration instance with the status Running already exists.');
      await refuses(open().startNew('Echo', { instanceId: id, onExisting: 'replace' }), 'InstanceAlreadyExists');
      expect(await open().startNew('Echo', { instanceId: id, onExisting: 'return' })).toBe(id);
      expect(await open().getStatus(id)).toMatchObject({ name: 'WaitGo', runtimeStatus: 'Running' });
      await open().startNew('Echo', { instanceId: id, onExisting: 'terminate', input: 1 });
      expect(await ended(id)).toMatchObject({ name: 'Echo', output: '1' });
      await refuses(open().startNew('Echo', { instanceId: id, onExisting: 'error' }), 'InstanceAlreadyExists');
      await open().startNew('Echo', { instanceId: id, input: 2 });
      expect(await ended(id)).toMatchObject({ output: '2' });
    });

    test.each([
      ['a date', () => new Date(Date.now() + 3_600_000)],
      ['a text', () => '1h'],
      ['milliseconds', () => 3_600_000],
    ])('may be for later, at %s', async (_what, startAt) => {
      const id = await open().startNew('Echo', { startAt: startAt() });
      const instance = await open().getStatus(id);
      expect(instance?.runtimeStatus).toBe('Pending');
      expect(Math.abs((instance?.scheduledStartAt?.getTime() ?? 0) - Date.now() - 3_600_000)).toBeLessThan(60_000);
    });
  });

  describe('a look', () => {
    test.each(['nobody', 'a/b', '..', '', 'a\0b', '\ud800', 'x'.repeat(2_000), '@counter@nobody', 'a?b#c'])(
      'at %j, which is not there, finds nothing',
      async (id) => {
        expect(await open().getStatus(id)).toBeUndefined();
        expect(await open().getHistory(id)).toBeUndefined();
        expect(await open().waitForCompletion(id, { timeoutMs: 20_000 })).toBeUndefined();
        expect(await open().purgeInstanceHistory(id)).toEqual({ instancesDeleted: 0 });
      },
    );

    test('at a failed one has the failure and all times', async () => {
      const instance = await ended(await open().startNew('Boom', { input: 1 }));
      expect(instance).toMatchObject({
        runtimeStatus: 'Failed',
        failure: { errorType: 'RangeError', message: 'no luck' },
      });
      expect(instance.failure?.stackTrace).toContain('RangeError: no luck');
      expect(instance.completedAt).toBeInstanceOf(Date);
      expect(instance.completedAt?.getTime()).toBeGreaterThanOrEqual(instance.createdAt.getTime());
    });

    test('has the history when it is asked for, ready to be replayed', async () => {
      const id = await open().startNew('Acts', { input: 'tokyo' });
      await ended(id);
      expect((await open().getStatus(id))?.history).toBeUndefined();
      const types = (await open().getStatus(id, { showHistory: true }))?.history?.map((event) => event.type);
      expect(types).toEqual(
        expect.arrayContaining(['ExecutionStarted', 'TaskScheduled', 'TaskCompleted', 'ExecutionCompleted']),
      );
      const history = await open().getHistory(id);
      expect(history).toMatchObject({ format: 'perdure-history/1', instanceId: id, name: 'Acts' });
      expect(history?.events.map((event) => event.type)).toEqual(types);
      expect(typeof history?.events[0]?.timestamp).toBe('number');
    });

    test('at a child names its parent', async () => {
      const id = await open().startNew('Calls', { input: { name: 'Echo', input: 1 } });
      await ended(id);
      const child = await open().getStatus(await childOf(id));
      expect(child?.parent).toMatchObject({ instanceId: id, name: 'Calls' });
    });
  });

  describe('a list', () => {
    test('is narrowed down by prefix, status and time', async () => {
      const prefix = fresh('list');
      const [one, two] = [`${prefix}-a`, `${prefix}-b`];
      await open().startNew('Echo', { instanceId: one });
      await open().startNew('WaitGo', { instanceId: two });
      await ended(one);
      const ids = async (filter: Parameters<OrchestrationClient['getStatusBy']>[0]) =>
        (await open().getStatusBy({ instanceIdPrefix: prefix, ...filter })).instances.map((found) => found.instanceId);
      expect((await ids({})).sort()).toEqual([one, two]);
      expect((await ids({ runtimeStatus: [] })).sort()).toEqual([one, two]);
      expect(await ids({ runtimeStatus: ['Completed'] })).toEqual([one]);
      expect((await ids({ runtimeStatus: ['Completed', 'Running', 'Pending'] })).sort()).toEqual([one, two]);
      expect(await ids({ createdFrom: new Date('2999-01-01') })).toEqual([]);
      expect(await ids({ createdTo: new Date(0) })).toEqual([]);
      expect((await ids({ createdFrom: new Date(0), createdTo: new Date('2999-01-01') })).sort()).toEqual([one, two]);
    });

    test('is narrowed down by what the start said, and so is a count', async () => {
      const instanceIdPrefix = fresh('said');
      const said = { version: '7', tags: { team: 'a & b', ä: '=' } };
      await open().startNew('Echo', { instanceId: `${instanceIdPrefix}-a`, ...said });
      await open().startNew('WaitGo', { instanceId: `${instanceIdPrefix}-b`, tags: { team: 'c' } });
      await ended(`${instanceIdPrefix}-a`);
      await reach(`${instanceIdPrefix}-b`, 'Running');
      for (const filter of [{ name: 'echo' }, { version: '7' }, { tags: said.tags }, { tags: { team: 'a & b' } }]) {
        const { instances } = await open().getStatusBy({ instanceIdPrefix, ...filter });
        expect(instances.map((one) => one.instanceId)).toEqual([`${instanceIdPrefix}-a`]);
      }
      expect(await open().countBy({ instanceIdPrefix })).toEqual({
        Pending: 0,
        Running: 1,
        Suspended: 0,
        Completed: 1,
        Failed: 0,
        Terminated: 0,
        Canceled: 0,
      });
    });

    test('comes in pages, each once', async () => {
      const prefix = fresh('pages');
      for (const name of ['a', 'b', 'c']) await open().startNew('WaitGo', { instanceId: `${prefix}-${name}` });
      const found: string[] = [];
      let continuationToken: string | undefined;
      do {
        const page = await open().getStatusBy(
          { instanceIdPrefix: prefix },
          { limit: 1, ...(continuationToken === undefined ? {} : { continuationToken }) },
        );
        found.push(...page.instances.map((one) => one.instanceId));
        continuationToken = page.continuationToken;
      } while (continuationToken !== undefined);
      expect(found).toEqual([`${prefix}-a`, `${prefix}-b`, `${prefix}-c`]);
    });

    test.each([0, -1, 1_001, 1.5])('of %s on a page is refused', async (limit) => {
      await refuses(open().getStatusBy({}, { limit }), 'InvalidArgument');
    });

    test('with a token of something else is refused', async () => {
      await refuses(open().getStatusBy({}, { continuationToken: 'garbage' }), 'InvalidArgument');
    });
  });

  describe('an event', () => {
    test.each([
      ['an object', { v: [1] }, '{"v":[1]}'],
      ['null', null, 'null'],
      ['a text', 'x', '"x"'],
    ])('with %s reaches the orchestrator', async (_what, data, output) => {
      const id = await running();
      await open().raiseEvent(id, 'Go', data);
      expect((await ended(id)).output).toBe(output);
    });

    test('as JSON text is not touched, and one with a definition is checked', async () => {
      const id = await running();
      await open().raiseEventText(id, 'Go', '[1.50]');
      expect((await ended(id)).output).toBe('[1.5]');
      const other = await running();
      await open().raiseEvent(other, defineEvent<{ readonly by: string }>('Go'), { by: 'Ann' });
      expect((await ended(other)).output).toBe('{"by":"Ann"}');
    });

    test('may have any name, but for control characters', async () => {
      for (const name of ['My Event', 'a/b', '100%', 'a+b', 'ünï?#']) {
        const id = await open().startNew('NamedEvent', { input: name });
        await open().raiseEvent(id, name, 1);
        expect((await ended(id)).output).toBe('1');
      }
      const id = await running();
      await refuses(open().raiseEvent(id, 'a\nb', 1), 'InvalidArgument');
      await refuses(open().raiseEvent(id, '', 1), 'InvalidArgument');
    });

    test('that does not fit what the orchestration declares is refused', async () => {
      const id = await open().startNew('Typed', { input: { items: [] } });
      await refuses(open().raiseEvent(id, 'Approval', { by: 7 }), 'InvalidArgument');
      await refuses(open().startNew('Typed', { input: { items: 'none' } }), 'InvalidArgument');
    });
  });

  describe('steering', () => {
    test('terminate: the reason becomes the output, verbatim', async () => {
      for (const reason of ['enough', '{"code":7}', 'a & b + c % ü 🛑', undefined]) {
        const id = await running();
        await open().terminate(id, reason);
        expect(await ended(id)).toMatchObject({ runtimeStatus: 'Terminated', output: reason ?? null });
      }
    });

    test('terminate and purge: the whole tree when it is wanted', async () => {
      const id = await open().startNew('Calls', { input: { name: 'WaitGo' } });
      const child = await childOf(id);
      await refuses(open().purgeInstanceHistory(id, { recursive: true }), 'InstanceNotTerminal');
      await open().terminate(id, 'all', { recursive: true });
      expect(await ended(child)).toMatchObject({ runtimeStatus: 'Terminated', output: 'all' });
      expect(await open().purgeInstanceHistory(id, { recursive: true })).toEqual({ instancesDeleted: 2 });
    });

    test('suspend and resume: there and back, and not twice', async () => {
      const id = await running();
      await open().suspend(id, 'too early');
      await reach(id, 'Suspended');
      const { message } = await refuses(open().suspend(id), 'InvalidTransition');
      expect(message).toContain('Suspended');
      await open().resume(id);
      await reach(id, 'Running');
      await refuses(open().resume(id), 'InvalidTransition');
    });

    test('rewind: what failed runs again; what did not fail cannot', async () => {
      const input = fresh('mended');
      const id = await open().startNew('ActsBroken', { input });
      await reach(id, 'Failed');
      mend(input);
      await open().rewind(id, 'mended');
      expect(await reach(id, 'Completed')).toMatchObject({ output: '"works"', failure: null });
      const { message } = await refuses(open().rewind(id), 'InstanceNotFailed');
      expect(message).toContain('has status Completed');
    });

    test('restart: the same again, under a new id or its own', async () => {
      const id = await open().startNew('Echo', { input: [1], version: '2', tags: { team: 'a' } });
      await ended(id);
      const other = await open().restart(id);
      expect(other).not.toBe(id);
      expect(await ended(other)).toMatchObject({ name: 'Echo', input: '[1]', version: '2', tags: { team: 'a' } });
      const before = await open().getStatus(id);
      expect(await open().restart(id, { restartWithNewInstanceId: false })).toBe(id);
      expect((await ended(id)).executionId).not.toBe(before?.executionId);
      const live = await running();
      await refuses(open().restart(live, { restartWithNewInstanceId: false }), 'InstanceAlreadyExists');
    });

    test('of none is not found, of one that has ended is refused', async () => {
      const done = await open().startNew('Echo');
      await ended(done);
      for (const verb of ['terminate', 'suspend', 'resume'] as const) {
        for (const id of ['nobody', 'a/b', '..', '']) await refuses(open()[verb](id, 'why'), 'InstanceNotFound');
        const { message } = await refuses(open()[verb](done), 'InstanceTerminal');
        expect(message).toContain(`'${done}' has ended`);
      }
      for (const id of ['nobody', '..']) {
        await refuses(open().raiseEvent(id, 'Go', 1), 'InstanceNotFound');
        await refuses(open().rewind(id), 'InstanceNotFound');
        await refuses(open().restart(id), 'InstanceNotFound');
      }
      await refuses(open().raiseEvent(done, 'Go', 1), 'InstanceTerminal');
    });

    test('with a reason that cannot be stored, or is too long, is refused', async () => {
      const id = await running();
      await refuses(open().terminate(id, 'a\0b'), 'InvalidArgument');
      await refuses(open().terminate(id, 'x'.repeat(16_385)), 'PayloadTooLarge');
      expect((await open().getStatus(id))?.runtimeStatus).toBe('Running');
    });
  });

  describe('a purge', () => {
    test('removes what has ended, and refuses what lives', async () => {
      const id = await open().startNew('Echo');
      await ended(id);
      expect(await open().purgeInstanceHistory(id)).toEqual({ instancesDeleted: 1 });
      expect(await open().getStatus(id)).toBeUndefined();
      const live = await running();
      const { message } = await refuses(open().purgeInstanceHistory(live), 'InstanceNotTerminal');
      expect(message).toContain(live);
    });

    test('of many takes a filter', async () => {
      const prefix = fresh('purged');
      for (const name of ['a', 'b']) await ended(await open().startNew('Echo', { instanceId: `${prefix}-${name}` }));
      const live = await running(`${prefix}-c`);
      const filter = { instanceIdPrefix: prefix };
      expect(await open().purgeInstanceHistoryBy({ ...filter, runtimeStatus: ['Failed'] })).toEqual({
        instancesDeleted: 0,
      });
      expect(await open().purgeInstanceHistoryBy({ ...filter, createdTo: new Date(0) })).toEqual({
        instancesDeleted: 0,
      });
      expect(await open().purgeInstanceHistoryBy(filter, { dryRun: true })).toEqual({
        instancesDeleted: 0,
        instancesMatched: 2,
      });
      expect(await open().purgeInstanceHistoryBy(filter)).toEqual({ instancesDeleted: 2 });
      expect((await open().getStatus(live))?.runtimeStatus).toBe('Running');
    });
  });

  describe('the same for many', () => {
    test('is tried first, done then, and goes on where it stopped', async () => {
      const instanceIdPrefix = fresh('many');
      const ids = ['a', 'b', 'c'].map((name) => `${instanceIdPrefix}-${name}`);
      for (const id of ids) await running(id);
      const tried = await open().bulk('suspend', { instanceIdPrefix }, { dryRun: true });
      expect(tried).toEqual({ dryRun: true, matched: 3, accepted: 3, refused: 0, instanceIds: ids });
      const first = await open().bulk('terminate', { instanceIdPrefix }, { limit: 2, reason: 'all of you' });
      expect(first).toMatchObject({ dryRun: false, matched: 2, accepted: 2, refused: 0 });
      const { continuationToken = '' } = first;
      const rest = await open().bulk('terminate', { instanceIdPrefix }, { continuationToken, reason: 'all of you' });
      expect(rest).toMatchObject({ matched: 1, accepted: 1 });
      expect(rest.continuationToken).toBeUndefined();
      for (const id of ids) expect(await ended(id)).toMatchObject({ output: 'all of you' });
    });

    test('is refused when nothing says which are meant', async () => {
      await refuses(open().bulk('terminate', {}), 'InvalidArgument');
      await refuses(open().bulk('explode' as never, { name: 'Echo' }), 'InvalidArgument');
      await refuses(open().bulk('resume', { name: 'Echo' }, { limit: 0 }), 'InvalidArgument');
    });
  });

  describe('a wait', () => {
    test('ends with the orchestration', async () => {
      const id = await running();
      const waiting = open().waitForCompletion(id, { timeoutMs: 15_000 });
      await open().raiseEvent(id, 'Go', 'now');
      expect(await waiting).toMatchObject({ runtimeStatus: 'Completed', output: '"now"' });
    });

    test('that runs out, or is stopped, changes nothing', async () => {
      const id = await running();
      for (const timeoutMs of [0, 100]) {
        expect((await open().waitForCompletion(id, { timeoutMs }))?.runtimeStatus).toBe('Running');
      }
      const stop = new AbortController();
      const waiting = open().waitForCompletion(id, { timeoutMs: 15_000, signal: stop.signal });
      stop.abort();
      expect((await waiting)?.runtimeStatus).toBe('Running');
    });
  });

  describe('entities', () => {
    const reachState = (id: ReturnType<typeof counter.id>, state: unknown): Promise<unknown> =>
      waitFor(async () => (await open().readEntityState(id)).entityState === state, { what: `@counter@${id.key}` });

    test('are signalled, read and looked at', async () => {
      const id = counter.id(fresh('k / ü'.replace('/', '+')));
      expect(await open().readEntityState(id)).toEqual({ entityExists: false, entityState: undefined });
      expect(await open().getEntity(id)).toBeUndefined();
      await open().signalEntity(id, 'add', 5);
      await reachState(id, 5);
      const found = await open().getEntity(id);
      expect(found).toMatchObject({ instanceId: id.toString(), exists: true, state: '5', lockedBy: null });
      expect(found?.lastModifiedAt).toBeInstanceOf(Date);
      expect(await open().getEntity(id, { includeState: false })).not.toHaveProperty('state');
    });

    test('with an empty key, or one that is a sign of the API, are entities like any other', async () => {
      for (const [at, key] of ['', '$'].entries()) {
        await open().signalEntity(counter.id(key), 'set', at + 100);
        await reachState(counter.id(key), at + 100);
      }
    });

    test('get a signal at its time', async () => {
      const id = counter.id(fresh('later'));
      await open().signalEntity(id, 'set', 1, { scheduledTime: new Date(Date.now() + 1_500) });
      expect((await open().readEntityState(id)).entityExists).toBe(false);
      await reachState(id, 1);
      await refuses(open().signalEntity(id, 'set', 1, { scheduledTime: new Date(Number.NaN) }), 'InvalidArgument');
    });

    test('that nobody has, or can have, are refused', async () => {
      await refuses(open().signalEntity(new EntityId('Nobody', 'k'), 'add', 1), 'EntityNotRegistered');
      await refuses(open().readEntityState({ name: 'a/b', key: 'k' }), 'InvalidArgument');
      await refuses(open().signalEntityText({ entity: { name: '', key: 'k' }, operation: 'x' }), 'InvalidArgument');
      await refuses(
        open().signalEntityText({ entity: counter.id('k'), operation: 'x'.repeat(300) }),
        'InvalidArgument',
      );
    });

    test('are listed in pages, and tidied up', async () => {
      const prefix = fresh('listed');
      for (const name of ['a', 'b']) {
        await open().signalEntity(counter.id(`${prefix}-${name}`), 'set', 1);
        await reachState(counter.id(`${prefix}-${name}`), 1);
      }
      const filter = { instanceIdPrefix: `@Counter@${prefix}` };
      const first = await open().listEntities(filter, { limit: 1 });
      expect(first.entities).toMatchObject([{ key: `${prefix}-a`, state: '1' }]);
      const rest = await open().listEntities(filter, { continuationToken: first.continuationToken ?? '' });
      expect(rest.entities).toMatchObject([{ key: `${prefix}-b` }]);
      expect(rest.continuationToken).toBeUndefined();
      const bare = await open().listEntities({ ...filter, includeState: false, lastModifiedFrom: new Date(0) });
      expect(bare.entities.map((one) => 'state' in one)).toEqual([false, false]);
      expect((await open().listEntities({ ...filter, lastModifiedTo: new Date(0) })).entities).toEqual([]);
      await refuses(open().listEntities({ instanceIdPrefix: 'counter' }), 'InvalidArgument');
      await refuses(open().listEntities({}, { limit: 0 }), 'InvalidArgument');
      expect(await open().cleanEntityStorage()).toMatchObject({ orphanedLocksReleased: 0 });
      await refuses(open().cleanEntityStorage({ continuationToken: 'garbage' }), 'InvalidArgument');
    });
  });

  test('hubs are apart, and one without workers keeps what it gets', async () => {
    const idle = open(fresh('hub'));
    const id = await idle.startNew('Unheard', { instanceId: fresh() });
    expect((await idle.getStatus(id))?.runtimeStatus).toBe('Pending');
    expect(await open().getStatus(id)).toBeUndefined();
    await idle.terminate(id, 'early');
    expect(await idle.getStatus(id)).toMatchObject({ runtimeStatus: 'Terminated', output: 'early' });
  });
}
