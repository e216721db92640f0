import { z } from 'zod';
import { commonQuery } from './fields.ts';

const outcome = z.enum(['begun', 'accepted', 'refused', 'failed']);

/** One action of an operator. */
export const auditRecord = z
  .object({
    id: z.string(),
    time: z.string(),
    action: z.string().meta({ description: '`terminate`, `purge`, `purgeMany`, `createKey` and the like.' }),
    taskHub: z.string().nullable(),
    target: z.string().nullable().meta({ description: 'Instance id or name of a key; null for actions on many.' }),
    reason: z.string().nullable(),
    outcome,
    detail: z.string().nullable().meta({ description: 'Filters, the status of the answer, how many there were.' }),
    actor: z.string().meta({ description: 'Name of the key, `system`, `anonymous`, or what stands for a link.' }),
    actorKind: z.enum(['anonymous', 'system', 'key', 'link', 'cli', 'service']),
    address: z.string().nullable(),
    userAgent: z.string().nullable(),
    requestId: z.string().nullable(),
  })
  .meta({
    id: 'AuditRecord',
    examples: [
      {
        id: '7',
        time: '2024-05-01T08:00:00.123Z',
        action: 'terminate',
        taskHub: 'default',
        target: 'order-17',
        reason: 'enough',
        outcome: 'accepted',
        detail: null,
        actor: 'ops',
        actorKind: 'key',
        address: '10.1.2.3',
        userAgent: 'curl/8',
        requestId: 'fNcW2sB1-2f',
      },
    ],
  });
export type AuditRecordBody = z.infer<typeof auditRecord>;

export const auditList = z.array(auditRecord);

const time = (text: string) =>
  z
    .string()
    .optional()
    .meta({ description: `${text}: ISO 8601, no zone means UTC.` });

export const auditQuery = commonQuery.omit({ connection: true }).extend({
  from: time('At or after'),
  to: time('At or before'),
  action: z
    .string()
    .optional()
    .meta({ description: 'What was done.', examples: ['terminate'] }),
  target: z.string().optional().meta({ description: 'Instance id or name of a key.' }),
  actor: z
    .string()
    .optional()
    .meta({ description: 'Name of the key, `system`, `anonymous`, or what stands for a link.' }),
  outcome: outcome.optional().meta({ description: 'What came of it.' }),
  top: z.int().min(1).optional().meta({ description: 'Size of a page, at most 1000. Default 100.' }),
});
