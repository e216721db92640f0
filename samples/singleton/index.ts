/**
 * A singleton: at most one instance of its kind at a time. Here the stock of a shop is synchronised; whoever asks while
 * that is under way gets the one that runs instead of a second one.
 */
import { activity, http, orchestration, type OnExisting } from 'perdure';

export const syncStock = orchestration('SyncStock', async (ctx, takes: string) => {
  await ctx.createTimer(takes); // a stand-in for work that takes its time
  return await ctx.callActivity(reportStock);
});

export const reportStock = activity('ReportStock', async (_input: undefined, ctx) => `${ctx.instanceId} is done`);

// Deciding and starting are one transaction: of many callers at the same time one starts it. Not exported: all that a
// module exports are definitions.
const unlessItRuns: OnExisting = { replace: ['Completed', 'Failed', 'Terminated'], otherwise: 'return' };

/** `POST /api/shops/{shop}/sync?takes=5s`: starts it unless it runs; both answer with the links to the one that runs. */
export const startSync = http(
  'StartSync',
  { methods: ['POST'], route: 'shops/{shop}/sync' },
  async (request, client) => {
    const instanceId = await client.startNew(syncStock, {
      instanceId: `sync-${request.params['shop'] ?? ''}`, // the id makes it one
      input: request.query.get('takes') ?? '5s',
      onExisting: unlessItRuns,
    });
    return client.createCheckStatusResponse(request, instanceId);
  },
);
