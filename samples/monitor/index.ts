/**
 * Watches work that a slow service does: one durable HTTP call starts it and polls until it is done. Kill the process
 * while it waits and start it again: it goes on polling, and the work is not ordered twice.
 */
import { http, orchestration } from 'perdure';

/** What the slow service gives when it is done. */
interface Report {
  readonly id: string;
  readonly rows: number;
}

// The service answers 202 with a Location; callHttp asks there, as often as Retry-After says, until the answer is
// another. Between two polls nothing runs: the pause is a timer in the database, be it for seconds or for hours.
export const reportMonitor = orchestration('ReportMonitor', async (ctx, reportsUrl: string) => {
  ctx.setCustomStatus({ step: 'waiting for the report', since: ctx.currentUtcDateTime });
  const report = ctx.callHttp({
    method: 'POST',
    url: reportsUrl,
    body: { month: ctx.currentUtcDateTime.toISOString().slice(0, 7) },
    // Days when the service has no time: each request is tried three times.
    retry: { firstRetryIntervalInMilliseconds: 1_000, maxNumberOfAttempts: 3, statusCodesToRetry: [502, 503, 504] },
    timeout: '30s',
  });
  // A server that never finishes must not keep this waiting for ever.
  const deadline = ctx.createTimer('1h');
  const winner = await ctx.any([report, deadline]);
  if (winner === deadline) throw new Error('The report was not ready within an hour.');
  deadline.cancel();

  const response = await report;
  // Every answer is a response: what its status means is decided here.
  if (response.statusCode !== 200) throw new Error(`The report service answered ${response.statusCode}.`);
  const { id, rows } = JSON.parse(response.content) as Report;
  ctx.setCustomStatus({ step: 'done' });
  return { id, rows, contentType: response.getHeader('Content-Type') };
});

/** `POST /api/monitor`: starts it. `?reports=https://…` names another service than the one below. */
export const startMonitor = http('StartMonitor', { methods: ['POST'], route: 'monitor' }, async (request, client) => {
  const reportsUrl = request.query.get('reports') ?? new URL('/api/reports', request.url).href;
  const instanceId = await client.startNew(reportMonitor, { input: reportsUrl });
  return client.createCheckStatusResponse(request, instanceId);
});

// A stand-in for the slow service. It needs no memory: the id of a report says when it was ordered.
const workMs = 6_000;

/** `POST /api/reports`: takes the order and says where to ask for the report. */
export const orderReport = http('OrderReport', { methods: ['POST'], route: 'reports' }, () => accepted(Date.now()));

/** `GET /api/reports/{id}`: 202 while it is being made, then the report. */
export const getReport = http('GetReport', { methods: ['GET'], route: 'reports/{id}' }, (request) => {
  const orderedAt = Number(request.params['id']);
  if (!Number.isSafeInteger(orderedAt)) return Response.json({ error: 'There is no such report.' }, { status: 404 });
  if (Date.now() < orderedAt + workMs) return accepted(orderedAt);
  return Response.json({ id: String(orderedAt), rows: 42 } satisfies Report);
});

function accepted(orderedAt: number): Response {
  return new Response(null, { status: 202, headers: { Location: `/api/reports/${orderedAt}`, 'Retry-After': '2' } });
}
