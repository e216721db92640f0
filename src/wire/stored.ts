/**
 * Instances and entities as they are stored: payloads as the JSON text that was sent, times with milliseconds, histories
 * with all that a replay needs. An addition to the API of Azure, for clients that want the same as in the process.
 */
import { z } from 'zod';
import { commonQuery, empty, instanceId, payload, showHistory } from './fields.ts';
import { listQuery } from './instances.ts';

const text = z.string().nullable().meta({ description: 'JSON text, as it was sent; null for none.' });
const time = z.string().meta({ description: 'UTC, with milliseconds.', examples: ['2024-05-01T08:00:00.123Z'] });

/** Named parts of other schemas are described where they are; this one is not recursive for generators' sake. */
const storedFailure = z
  .object({
    errorType: z.string(),
    message: z.string(),
    stackTrace: z.string().optional(),
    innerFailure: payload.optional().meta({ description: 'The same shape.' }),
    isNonRetriable: z.boolean().optional(),
    properties: z.record(z.string(), z.unknown()).optional(),
  })
  .meta({ id: 'StoredFailure' });

const storedEvent = z
  .looseObject({
    type: z.string(),
    timestamp: z.number().meta({ description: 'Milliseconds since 1970.' }),
  })
  .meta({ id: 'StoredEvent', description: 'An event of a history; what else it has depends on its type.' });

export const storedInstance = z
  .object({
    key: z.string().meta({ description: 'Changes when the id is used again.' }),
    instanceId: z.string(),
    name: z.string(),
    version: z.string().nullable(),
    tags: z.record(z.string(), z.string()).nullable(),
    executionId: z.string(),
    runtimeStatus: z.enum(['Pending', 'Running', 'Suspended', 'Completed', 'Failed', 'Terminated', 'Canceled']),
    input: text,
    output: z.string().nullable().meta({ description: 'JSON text; of a terminated instance the reason, verbatim.' }),
    customStatus: text,
    failure: storedFailure.nullable(),
    createdAt: time,
    lastUpdatedAt: time,
    completedAt: time.nullable(),
    scheduledStartAt: time.nullable(),
    parent: z
      .object({
        key: z.string(),
        instanceId: z.string(),
        executionId: z.string(),
        name: z.string(),
        taskScheduledId: z.int(),
      })
      .nullable(),
    history: z.array(storedEvent).optional().meta({ description: 'Only with `showHistory=true`.' }),
  })
  .meta({
    id: 'StoredInstance',
    examples: [
      {
        key: '1042',
        instanceId: 'order-17',
        name: 'OrderOrchestrator',
        version: null,
        tags: { team: 'payments' },
        executionId: '018f3a5c9e7b7d3c8a41b0c2d3e4f506',
        runtimeStatus: 'Completed',
        input: '{"id":"A-1","amount":30}',
        output: '{"outcome":"shipped"}',
        customStatus: null,
        failure: null,
        createdAt: '2024-05-01T08:00:00.123Z',
        lastUpdatedAt: '2024-05-01T08:00:07.456Z',
        completedAt: '2024-05-01T08:00:07.456Z',
        scheduledStartAt: null,
        parent: null,
      },
    ],
  });

export const storedInstanceList = z.array(storedInstance);

export const storedInstanceParams = z.object({ instanceId });

export const storedInstanceQuery = commonQuery.extend({ showHistory });

export const storedListQuery = listQuery.omit({ showInput: true });

export const noInstance = empty('There is no such instance.');

export const storedEntity = z
  .object({
    instanceId: z.string().meta({ examples: ['@counter@k1'] }),
    name: z.string(),
    key: z.string(),
    lastModifiedAt: time,
    backlogSize: z.int().meta({ description: 'Messages that wait for it.' }),
    lockedBy: z.string().nullable().meta({ description: 'Instance id of the orchestration that has it locked.' }),
    exists: z.boolean().meta({ description: 'Whether it has a state; one without is there for a while only.' }),
    state: z.string().optional().meta({ description: 'JSON text; left out when there is none or nobody asked.' }),
  })
  .meta({
    id: 'StoredEntity',
    examples: [
      {
        instanceId: '@counter@k1',
        name: 'counter',
        key: 'k1',
        lastModifiedAt: '2024-05-01T08:00:00.123Z',
        backlogSize: 0,
        lockedBy: null,
        exists: true,
        state: '5',
      },
    ],
  });

export const storedEntityList = z.array(storedEntity);

const includeState = z
  .enum(['true', 'false'])
  .optional()
  .meta({ description: '`false` leaves states out. Default `true`.' });

export const storedEntityQuery = commonQuery.extend({ includeState });

const at = (description: string) => z.string().optional().meta({ description });

export const storedEntityListQuery = commonQuery.extend({
  instanceIdPrefix: at('`@name`, or `@name@` and the beginning of a key.'),
  lastModifiedFrom: at('Changed at or after: ISO 8601, no zone means UTC.'),
  lastModifiedTo: at('Changed at or before: ISO 8601, no zone means UTC.'),
  includeState,
  includeTransient: z
    .enum(['true', 'false'])
    .optional()
    .meta({ description: '`true`: also those without a state. Default `false`.' }),
  top: z.int().min(1).optional().meta({ description: 'Size of a page, at most 1000. Default 100.' }),
});

const tidy = (description: string) => z.enum(['true', 'false']).optional().meta({ description });

export const cleanEntitiesQuery = commonQuery.extend({
  removeEmptyEntities: tidy('Remove entities without state, lock and waiting messages. Default `true`.'),
  releaseOrphanedLocks: tidy('Release locks of orchestrations that do not run any more. Default `true`.'),
});

export const cleanedEntities = z
  .object({ emptyEntitiesRemoved: z.int(), orphanedLocksReleased: z.int() })
  .meta({ id: 'CleanedEntities', examples: [{ emptyEntitiesRemoved: 3, orphanedLocksReleased: 0 }] });
