/** SIGKILL at moments of the order's journey: after a restart the order ends as if nothing had happened. */
import { describe, it } from 'vitest';
import { management, reach, send, type Answer } from '../support/http.ts';
import { testDatabase } from '../support/postgres.ts';
import { startService } from '../support/service.ts';

const order = { id: 'A-1001', customer: 'Ann', item: 'T-shirt', amount: 30 };
type Status = Answer['body'];
const isWaiting = (status: Status): boolean => status.customStatus?.step === 'waiting for approval';

const moments: readonly {
  readonly moment: string;
  readonly order: object;
  readonly reached: (status: Status) => boolean;
}[] = [
  { moment: 'right after the 202', order: {}, reached: () => true },
  {
    moment: 'while the retry of the payment waits',
    order: { failPayments: 1 },
    reached: (status) => JSON.stringify(status.historyEvents ?? []).includes('TaskFailed'),
  },
  {
    moment: 'during the fan-out',
    order: {},
    // The moment is short: a slow machine may see it only when it has passed.
    reached: (status) => status.customStatus?.step === 'generating colors' || isWaiting(status),
  },
  { moment: 'while it waits for approval', order: {}, reached: isWaiting },
];

describe('F15 F16 F17 F18 F19 kill -9', async () => {
  const database = await testDatabase();

  it.concurrent.for(moments)(
    '$moment',
    { timeout: 90_000 },
    async ({ order: more, reached, moment }, { expect, onTestFinished }) => {
      const start = () =>
        startService({
          modules: ['samples/order'],
          flags: [
            '--database-url',
            database.url,
            '--lease-ms',
            '1000',
            '--poll-ms',
            '100',
            '--task-hub',
            hubOf(moment),
          ],
          whenFinished: onTestFinished,
        });
      const first = await start();
      const { status, body } = await send('POST', `${first.url}/api/orders`, { ...order, ...more });
      expect(status).toBe(202);
      await reach(`${body.statusQueryGetUri}&showHistory=true`, reached, { what: `the moment ${moment}` });
      await first.end('SIGKILL');

      const second = await start();
      const uri = `${management(second.url)}/instances/${body.id}`;
      await reach(uri, isWaiting, { what: 'the order to wait for approval' });
      expect((await send('GET', `${second.url}/api/orders/${body.id}/confirm?result=approved`)).status).toBe(200);
      const ended = await reach(uri, (one) => one.runtimeStatus !== 'Running', { what: 'the order to end' });
      expect(ended.body).toMatchObject({
        runtimeStatus: 'Completed',
        output: { order: 'A-1001', outcome: 'fulfilled' },
        input: { ...order, ...more },
      });
    },
  );
});

/** A hub for each: otherwise the service of another test would go on with the work of the one that was killed. */
function hubOf(moment: string): string {
  return moment.replaceAll(/\W/g, '');
}
