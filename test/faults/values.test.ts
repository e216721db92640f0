/** Odd values that activities throw and return (reliability.md 4.3). */
import { describe, expect, it } from 'vitest';
import type { Failure } from '../../src/model/failure.ts';
import { activity, orchestration } from '../../src/model/functions.ts';
import { freshName, inBothModes } from '../support/task-hubs.ts';

function cyclic(): Record<string, unknown> {
  const cycle: Record<string, unknown> = {};
  cycle['self'] = cycle;
  return cycle;
}

inBothModes('values of activities', ({ open }) => {
  describe.each(['here', 'in another worker'])('%s', (where) => {
    const policy = { retry: { firstRetryIntervalInMilliseconds: 1, maxNumberOfAttempts: 3 } };

    /** Calls the activity once for each value; tells what became of each call, and how often each ran. */
    async function callWithEach(make: readonly (() => unknown)[], ends: 'throws' | 'returns', options = {}) {
      const runs = make.map(() => 0);
      const odd = activity('Odd', (n: number): unknown => {
        runs[n] = (runs[n] ?? 0) + 1;
        const value = make[n]?.();
        if (ends === 'throws') throw value;
        return value;
      });
      const calls = orchestration('Calls', (ctx) =>
        Promise.all(
          make.map((_, n) =>
            ctx.callActivity(odd, n, policy).then(
              (value) => ({ value, failure: undefined }),
              (error: unknown) => {
                const failure = (error as { failureDetails: Failure }).failureDetails;
                // The depth says enough of a long chain.
                return { failure: { ...failure, innerFailure: failure.innerFailure?.message } };
              },
            ),
          ),
        ),
      );
      const plain = orchestration('Plain', (ctx, n: number) => ctx.callActivity(odd, n));
      const own = { taskHub: freshName(), ...options };
      const hub = await open({ ...own, functions: [calls, plain, ...(where === 'here' ? [odd] : [])] });
      if (where !== 'here') await open({ ...own, functions: [odd] });
      const { runtimeStatus, output } = await hub.run(calls);
      expect(runtimeStatus).toBe('Completed');
      const ran = [...runs];
      // Nobody catches it: the instance ends, and can be shown.
      const ids = await Promise.all(make.map((_, n) => hub.client.startNew(plain, { input: n })));
      for (const id of ids) expect(await hub.finish(id)).toMatchObject({ runtimeStatus: 'Failed' });
      return { failures: (output as { failure: Failure }[]).map(({ failure }) => failure), runs: ran };
    }

    it('F40: whatever an activity throws is recorded, escaped and shortened, and tried again as the policy says', async () => {
      const cycle = cyclic();
      const endless = new Error('round');
      endless.cause = endless;
      const thrown: readonly (readonly [thrown: unknown, message: unknown])[] = [
        [null, 'null'],
        [undefined, 'undefined'],
        ['a text', 'a text'],
        ['', ''],
        [7, '7'],
        [1n, '1'],
        [Symbol('s'), 'Symbol(s)'],
        [cycle, '[object Object]'],
        [{ code: 7 }, '{"code":7}'],
        [Object.create(null), '{}'],
        [endless, 'round'],
        [new Error('a\u0000b'), 'a\ufffdb'],
        ['\u0000', '\ufffd'],
        [new Error('half \ud83d'), 'half \ufffd'],
        [new Error('\'"\\\r\n$1 %s {}'), '\'"\\\r\n$1 %s {}'],
        [new Error('x'.repeat(200_000)), expect.stringMatching(/^x{8191}…$/)],
        ['y'.repeat(200_000), expect.stringMatching(/^y{8191}…$/)],
        [{ list: Array.from({ length: 30_000 }, () => 'z') }, expect.stringMatching(/^\{"list":\["z",.*…$/)],
        [
          Object.assign(new Error('named'), { name: 'N\u0000'.repeat(10_000), stack: 's\u0000'.repeat(50_000) }),
          'named',
        ],
        [Object.assign(new Error('rich'), { properties: { cycle, big: 'x'.repeat(50_000), nul: '\u0000' } }), 'rich'],
        [
          {
            name: 'Bad',
            get message(): string {
              throw new Error('getter');
            },
          },
          expect.stringContaining('could not be read'),
        ],
      ];
      const { failures, runs } = await callWithEach(
        thrown.map(
          ([value]) =>
            () =>
              value,
        ),
        'throws',
      );
      expect(failures.map(({ message }) => message)).toEqual(thrown.map(([, message]) => message));
      expect(new Set(runs)).toEqual(new Set([3]));
      for (const failure of failures) expect(JSON.stringify(failure).length).toBeLessThan(50_000);
    });

    it('F41: what an activity returns and JSON cannot hold, or is too much, fails its call, which is not tried again', async () => {
      const returned: readonly (readonly [returned: unknown, message: RegExp])[] = [
        [() => 1, /'Odd'.*JSON.*function/],
        [Symbol('s'), /'Odd'.*JSON.*symbol/],
        [1n, /'Odd'.*JSON.*BigInt/],
        [{ deep: [1n] }, /'Odd'.*JSON.*BigInt/],
        [cyclic(), /'Odd'.*JSON.*circular/],
        [Number.NaN, /'Odd'.*JSON.*NaN/],
        [Number.POSITIVE_INFINITY, /'Odd'.*JSON.*Infinity/],
        [{ toJSON: () => undefined }, /'Odd'.*JSON/],
        [
          {
            toJSON: () => {
              throw new Error('no JSON');
            },
          },
          /'Odd'.*no JSON/,
        ],
        ['x'.repeat(50_000), /50002.*20000/],
      ];
      const { failures, runs } = await callWithEach(
        returned.map(
          ([value]) =>
            () =>
              value,
        ),
        'returns',
        { maxPayloadLength: 20_000 },
      );
      for (const [n, [, message]] of returned.entries()) expect(failures[n]?.message).toMatch(message);
      expect(new Set(failures.map(({ isNonRetriable }) => isNonRetriable))).toEqual(new Set([true]));
      expect(new Set(runs)).toEqual(new Set([1]));
    });
  });
});
