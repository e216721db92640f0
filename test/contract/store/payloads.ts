import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { raised, scheduled, started, turnStarted } from '../../support/builders.ts';
import { after, freshHub, freshId, newTask, type Hub, type StoreUnderTest } from './fixture.ts';

/** JSON texts that careless storage changes, mixes up or refuses. */
const texts: readonly (readonly [string, string])[] = [
  ['null', 'null'],
  ['an empty string', '""'],
  ['zero', '0'],
  ['minus zero', '-0'],
  ['false', 'false'],
  ['an empty object', '{}'],
  ['spaces and the order of keys', '{ "b" : 1,\t"a" :\n2 }'],
  ['a key twice', '{"a":1,"a":2}'],
  ['a number as it was written', '[1e2,1.0,0.10,12345678901234567890]'],
  ['an escaped U+0000', '"\\u0000"'],
  ['an escaped half of a pair', '"\\ud83d"'],
  ['text beyond the first plane', JSON.stringify('日本語 \u{1F600} é')],
  ['what looks like SQL and arrays', JSON.stringify(`{a,"b",NULL}', '); drop table instances; -- \\ $1`)],
  ['a null of text', '"NULL"'],
  ['line ends that are not JSON', '"\u2028\u2029"'],
  ['a megabyte', JSON.stringify('é'.repeat(500_000) + 'x'.repeat(500_000))],
];

export function payloads({ store, other }: StoreUnderTest): void {
  /** Sends a payload every way that there is and collects what came back. */
  async function roundTrip(hub: Hub, payload: string | undefined): Promise<Readonly<Record<string, unknown>>> {
    const instanceId = freshId();
    const has = payload === undefined ? {} : { input: payload };
    const result = payload === undefined ? {} : { result: payload };
    const stored = payload ?? null;
    const key = await hub.start({ instanceId, input: stored, version: payload === undefined ? null : 'v' });
    await hub.raise(instanceId, 'Go', payload);
    const worker = await hub.worker();
    const claim = (await worker.claim()).find((candidate) => candidate.key === key);
    if (claim === undefined) throw new Error('not claimed');
    const { messages } = await worker.read(key);
    const events = [
      turnStarted(),
      started(has),
      scheduled(0, has),
      { type: 'TaskCompleted', timestamp: 0, taskScheduledId: 9, ...result },
    ] as const;
    const first = await worker.commitOne(claim, {
      events,
      customStatus: stored,
      keepOwnership: true,
      consumedMessages: messages.map(({ id }) => id),
      queuedTasks: [newTask(0, has)],
    });
    const custom = (await hub.get(instanceId)).customStatus;
    const [task] = await worker.claimTasks();
    if (task === undefined) throw new Error('no task');
    await worker.completeTask(task, { kind: 'completed', ...result });
    const inbox = await worker.read(key, { history: true });
    const [end] = await other.commitTurns(worker.id, [
      {
        key,
        executionId: claim.executionId,
        fence: after(claim, first).sequence,
        events: [],
        status: 'Completed',
        customStatus: stored,
        output: stored,
        failure: null,
        consumedMessages: [],
        queuedTasks: [],
        timers: [],
        cancelledTimers: [],
        messages: [],
        children: [],
        next: null,
        keepOwnership: false,
      },
    ]);
    expect(end).toMatchObject({ kind: 'committed' });
    const last = await hub.through(other).get(instanceId, { history: true });
    const fields = (value: object | undefined, name: string): unknown =>
      value !== undefined && name in value ? Object.entries(value).find(([key_]) => key_ === name)?.[1] : null;
    return {
      'input of the instance': last.input,
      'start message': fields(messages[0]?.event, 'input'),
      'event message': fields(messages[1]?.event, 'input'),
      'custom status while live': custom,
      'custom status at the end': last.customStatus,
      output: last.output,
      'input of the task': fields(task, 'input'),
      'result of the task': fields(inbox.messages[0]?.event, 'result'),
      'start in history': fields(last.history?.[1], 'input'),
      'schedule in history': fields(last.history?.[2], 'input'),
      'result in history': fields(last.history?.[3], 'result'),
      'history of a claim': fields(inbox.history[1], 'input'),
    };
  }

  function expectAll(seen: Readonly<Record<string, unknown>>, value: string | null): void {
    expect(seen).toEqual(Object.fromEntries(Object.keys(seen).map((name) => [name, value])));
  }

  describe('a payload comes back as it went in, wherever it was kept:', () => {
    it('none', async () => {
      expectAll(await roundTrip(await freshHub(store), undefined), null);
    });

    it.each(texts)('%s', async (_, text) => {
      expectAll(await roundTrip(await freshHub(store), text), text);
    });

    it('any JSON', async () => {
      const hub = await freshHub(store);
      await fc.assert(
        fc.asyncProperty(fc.json({ stringUnit: 'binary' }), async (text) => {
          expectAll(await roundTrip(hub, text), text);
        }),
        { numRuns: 25 },
      );
    });
  });

  describe('names and ids', () => {
    it.each(['plain', "it's", 'a "b" {c,d}', '日本 \u{1F600}', '%_\\', 'NULL', ' spaced '])(
      'such as %j come back as they went in',
      async (text) => {
        const hub = await freshHub(store);
        const instanceId = `${text}-${freshId()}`;
        const { worker, claim } = await hub.claimed({ instanceId, executionId: text, version: text });
        await hub.raise(instanceId, text);
        expect(claim).toMatchObject({ instanceId, executionId: text, version: text });
        await worker.commitOne(claim, { queuedTasks: [newTask(0, { name: text })], events: [raised(text)] });
        expect(await hub.history(instanceId)).toEqual([raised(text)]);
        expect(await worker.claimTasks({ names: [text] })).toMatchObject([{ name: text, executionId: text }]);
      },
    );
  });
}
