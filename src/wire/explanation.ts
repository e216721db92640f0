/** Why an instance does not move. An addition to the API of Azure. */
import { z } from 'zod';
import { commonQuery, instanceId, runtimeStatus } from './fields.ts';

const time = (description: string) =>
  z
    .string()
    .nullable()
    .meta({ description: `${description} UTC, with milliseconds.` });

/** In the order of the model's list; the test of the route compares them. */
const kind = z
  .enum([
    'completed',
    'failed',
    'poisoned',
    'terminated',
    'suspended',
    'scheduled-start',
    'no-worker',
    'unregistered-name',
    'dead-worker',
    'turn-queued',
    'not-taken',
    'turn-running',
    'activity-queued',
    'activity-running',
    'sub-orchestration',
    'entity-lock',
    'entity-operation',
    'event',
    'timer',
    'retry',
    'nothing-known',
  ])
  .meta({ id: 'ReasonKind', description: 'More may come: take one that you do not know for `nothing-known`.' });

const since = time('From when on; null when it is not known.');
const until = time('When it ends by itself; null when it does not, or nobody knows.');

export const explanation = z
  .object({
    instanceId: z.string(),
    name: z.string(),
    runtimeStatus,
    kind,
    sentence: z.string().meta({ description: 'What it waits for or why it does not move, for people.' }),
    since,
    until,
    reasons: z
      .array(
        z.object({
          kind,
          text: z.string(),
          since,
          until,
          subject: z.string().nullable().meta({ description: 'Name or id of what it is about.' }),
          worker: z.string().nullable().meta({ description: 'The worker that has it.' }),
        }),
      )
      .meta({ description: 'At least one, the one that counts most first.' }),
    suggestions: z
      .array(z.object({ command: z.string(), effect: z.string() }))
      .meta({ description: 'Commands that would move it.' }),
    at: z.string().meta({ description: 'The time for which this holds.' }),
  })
  .meta({
    id: 'Explanation',
    examples: [
      {
        instanceId: 'order-17',
        name: 'OrderOrchestrator',
        runtimeStatus: 'Running',
        kind: 'event',
        sentence:
          "'order-17' (OrderOrchestrator) is Running: it waits for the event 'Approval', for 2h 5m (since 2024-05-01T08:00:07.456Z).",
        since: '2024-05-01T08:00:07.456Z',
        until: null,
        reasons: [
          {
            kind: 'event',
            text: "it waits for the event 'Approval'",
            since: '2024-05-01T08:00:07.456Z',
            until: null,
            subject: 'Approval',
            worker: null,
          },
        ],
        suggestions: [{ command: 'perdure raise-event order-17 Approval --data <json>', effect: 'sends the event' }],
        at: '2024-05-01T10:05:12.000Z',
      },
    ],
  });

export const explainParams = z.object({ instanceId });
export const explainQuery = commonQuery;
