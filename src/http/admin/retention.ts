import type { FastifyInstance } from 'fastify';
import { retentionText } from '../../model/retention.ts';
import type { RetentionView } from '../../retention/retention.ts';
import { commonErrors, errorBody } from '../../wire/errors.ts';
import { answer } from '../../wire/fields.ts';
import { retentionState, type RetentionStateBody } from '../../wire/retention.ts';
import { sendJson } from '../answers.ts';
import type { Gate } from '../plugins/auth.ts';

/** What is due is counted for so long at most, in ms: a hub may hold millions. */
const maxCountMs = 5_000;

/** How far retention is, for admins; an addition to the API of Azure. It removes nothing. */
export function serveRetention(
  app: FastifyInstance,
  { retention, taskHub, gate }: { readonly retention: RetentionView; readonly taskHub: string; readonly gate: Gate },
): void {
  const schema = {
    operationId: 'getRetention',
    summary: 'See what retention has removed, when it goes on, and what is due',
    tags: ['Retention'],
    response: {
      ...commonErrors,
      200: answer(retentionState, 'Of the task hub that this process serves.'),
      401: answer(errorBody, 'The key is missing or wrong.'),
    },
  };
  app.get('/admin/retention', { schema, onRequest: [gate.look, gate.requireAdmin(true)] }, async (_request, reply) => {
    const body = await present(retention, taskHub);
    return sendJson(reply.header('cache-control', 'no-store'), 200, JSON.stringify(body));
  });
}

async function present(retention: RetentionView, taskHub: string): Promise<RetentionStateBody> {
  const [last, due] = await Promise.all([retention.status(), retention.preview(AbortSignal.timeout(maxCountMs))]);
  return {
    taskHub,
    rules: retentionText(retention.rules),
    removedTotal: last?.removedTotal ?? 0,
    lastSweep:
      last === undefined
        ? null
        : {
            rules: last.rules,
            beganTime: last.begunAt.toISOString(),
            endedTime: last.endedAt?.toISOString() ?? null,
            isRunning: last.running,
            reachedTime: last.reached?.toISOString() ?? null,
            removed: last.removed,
            kept: last.kept,
            error: last.error,
          },
    nextSweepTime: retention.nextAfter(last)?.toISOString() ?? null,
    due: {
      instances: due.rows.reduce((sum, row) => sum + row.instances, 0),
      kept: due.kept,
      isComplete: due.complete,
      byName: due.rows.map((row) => ({
        name: row.name,
        runtimeStatus: row.status,
        roots: row.roots,
        instances: row.instances,
        firstEndedTime: row.oldest.toISOString(),
        lastEndedTime: row.newest.toISOString(),
      })),
    },
  };
}
