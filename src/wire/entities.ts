import { z } from 'zod';
import { commonQuery, payload } from './fields.ts';

const entityName = z
  .string()
  .meta({ description: 'Name of the entity; compared without case.', examples: ['counter'] });
const entityKey = z
  .string()
  .meta({ description: 'Key of the entity, percent-encoded. Compared exactly.', examples: ['k1'] });

export const entityParams = z.object({ entityName, entityKey });
export type EntityParams = z.infer<typeof entityParams>;

export const entityNameParams = z.object({ entityName });
export type EntityNameParams = z.infer<typeof entityNameParams>;

export const signalQuery = commonQuery.extend({
  op: z.string().optional().meta({ description: 'Name of the operation. Default: the empty name.' }),
  scheduledTime: z
    .string()
    .optional()
    .meta({ description: 'Do not deliver before this time: ISO 8601, no zone means UTC.' }),
});

export const signalBody = payload.meta({
  description: 'Input of the operation: any JSON value with `application/json`, else text, or nothing.',
  examples: [5],
});

/** The bare state, as it is stored. */
export const entityState = payload.meta({ description: 'The state: any JSON value.', examples: [5] });

export const entityListQuery = commonQuery.extend({
  lastOperationTimeFrom: z
    .string()
    .optional()
    .meta({ description: 'Changed at or after: ISO 8601, no zone means UTC.' }),
  lastOperationTimeTo: z
    .string()
    .optional()
    .meta({ description: 'Changed at or before: ISO 8601, no zone means UTC.' }),
  fetchState: z.enum(['true', 'false']).optional().meta({ description: '`true` adds the states. Default `false`.' }),
  top: z.int().min(1).optional().meta({ description: 'Size of a page, at most 1000. Default 100.' }),
});

/** `state` is always there, and null unless it was asked for. */
export const entityList = z.array(
  z
    .object({
      entityId: z.object({ name: z.string(), key: z.string() }),
      lastOperationTime: z.string().meta({ description: 'UTC.', examples: ['2024-05-01T08:00:00.123Z'] }),
      state: payload,
    })
    .meta({
      id: 'EntitySummary',
      examples: [
        { entityId: { name: 'counter', key: 'k1' }, lastOperationTime: '2024-05-01T08:00:00.123Z', state: null },
      ],
    }),
);
