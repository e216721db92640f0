import { z } from 'zod';
import {
  commonQuery,
  flag,
  instanceId,
  linkExpiresIn,
  payload,
  pollingInterval,
  postHeaders,
  reasonQuery,
  runtimeStatus,
  showHistory,
  showHistoryOutput,
  showInput,
  signedLinks,
  statusTime,
  terminateQuery,
  timeout,
} from './fields.ts';
import { historyEvent } from './history.ts';

export const instanceParams = z.object({ instanceId });
export type InstanceParams = z.infer<typeof instanceParams>;

export const eventParams = z.object({
  instanceId,
  eventName: z.string().meta({ description: 'Name of the event, percent-encoded.', examples: ['Approval'] }),
});
export type EventParams = z.infer<typeof eventParams>;

export const statusQuery = commonQuery.extend({
  wait: z
    .string()
    .optional()
    .meta({
      description:
        'Answer when it has ended, or after this time as without waiting: `30s`, `PT30S`, or seconds. At most 5 minutes; ' +
        'longer ones count as that.',
      examples: ['30s'],
    }),
  showInput,
  showHistory,
  showHistoryOutput,
  returnInternalServerErrorOnFailure: z.enum(['true', 'false']).optional().meta({
    description: '`true`: a failed instance answers 500 instead of 200, with the same body.',
  }),
});

const statusFields = z.object({
  name: z.string(),
  instanceId: z.string(),
  runtimeStatus,
  input: payload,
  customStatus: payload,
  output: payload.meta({
    description: 'The result; for a failed instance its failure as text, for a terminated one the reason.',
  }),
  createdTime: statusTime,
  lastUpdatedTime: statusTime,
  version: z.string().optional().meta({ description: 'Left out when none was given at the start.' }),
  tags: z.record(z.string(), z.string()).optional().meta({ description: 'Left out when there are none.' }),
  scheduledStartTime: statusTime.optional().meta({
    description: 'When it starts, or was to start. Left out unless it was scheduled for later.',
  }),
});

const statusExample = {
  name: 'OrderOrchestrator',
  instanceId: 'order-17',
  runtimeStatus: 'Completed',
  input: { id: 'A-1', amount: 30 },
  customStatus: null,
  output: { outcome: 'shipped' },
  createdTime: '2024-05-01T08:00:00Z',
  lastUpdatedTime: '2024-05-01T08:00:07Z',
};

/** One instance. `historyEvents` is left out unless it was asked for. */
export const instanceStatus = statusFields
  .extend({ historyEvents: z.array(historyEvent).optional() })
  .meta({ id: 'InstanceStatus', examples: [statusExample] });

export const instanceList = z.array(statusFields.meta({ id: 'InstanceSummary', examples: [statusExample] }));

const createdTimeTo = z.string().optional().meta({ description: 'Created at or before: ISO 8601, no zone means UTC.' });
const statusFilter = z
  .string()
  .optional()
  .meta({
    description: 'Names of statuses, separated by commas or given repeatedly, in any case.',
    examples: ['Completed,Failed'],
  });
const instanceIdPrefix = z.string().optional().meta({ description: 'Only ids that start with this text.' });

const startFilter = {
  name: z.string().optional().meta({ description: 'Name of the orchestration, compared without case.' }),
  version: z.string().optional().meta({ description: 'Started with exactly this version.' }),
  tag: z
    .string()
    .optional()
    .meta({
      description: 'Started with this tag, `name=value`; of several, given repeatedly, with all.',
      examples: ['team=payments'],
    }),
};

/** What says which instances are meant; all that is given must match. */
export const instanceFilterFields = {
  createdTimeFrom: z.string().optional().meta({ description: 'Created at or after: ISO 8601, no zone means UTC.' }),
  createdTimeTo,
  runtimeStatus: statusFilter,
  instanceIdPrefix,
  ...startFilter,
};

export const listQuery = commonQuery.extend({
  ...instanceFilterFields,
  showInput,
  top: z.int().min(1).optional().meta({ description: 'Size of a page, at most 1000. Default 100.' }),
});

export const listHeaders = z.object({
  'x-ms-continuation-token': z.string().optional().meta({ description: 'Token of the page before.' }),
});

export const purgeQuery = commonQuery.extend({
  createdTimeFrom: z.string().meta({ description: 'Created at or after: ISO 8601, no zone means UTC.' }),
  createdTimeTo,
  runtimeStatus: statusFilter,
  instanceIdPrefix,
  ...startFilter,
  dryRun: flag('`true`: nothing is removed, the answer says how many would be. Default `false`.'),
});

export const purgeResult = z
  .object({
    instancesDeleted: z.int(),
    instancesMatched: z.int().optional().meta({ description: 'With `dryRun`: how many would be removed.' }),
  })
  .meta({ id: 'PurgeResult', examples: [{ instancesDeleted: 1 }] });

export const countQuery = commonQuery.extend(instanceFilterFields);

export const instanceCounts = z
  .object({
    total: z.int(),
    byStatus: z.object(
      Object.fromEntries(
        ['Pending', 'Running', 'Suspended', 'Completed', 'Failed', 'Terminated', 'Canceled'].map((status) => [
          status,
          z.int(),
        ]),
      ),
    ),
  })
  .meta({ id: 'InstanceCounts' });

export const bulkHeaders = postHeaders.extend(listHeaders.shape);

export const bulkQuery = reasonQuery.extend({
  ...instanceFilterFields,
  all: flag('`true`: all instances of the task hub. Needed when nothing else says which are meant.'),
  dryRun: flag('`true`: nothing is done, the answer says what would be. Default `false`.'),
  top: z.int().min(1).max(100_000).optional().meta({ description: 'Act on so many at most. Default 10000.' }),
});

export const bulkTerminateQuery = bulkQuery.extend({ recursive: terminateQuery.shape.recursive });

export const bulkResult = z
  .object({
    dryRun: z.boolean(),
    matched: z.int().meta({ description: 'Instances that match and are in a status that the operation is for.' }),
    accepted: z.int().meta({ description: 'For so many it was stored; with `dryRun`: would be.' }),
    refused: z.int().meta({ description: 'So many had another status when it was their turn.' }),
    instanceIds: z.array(z.string()).meta({ description: 'The accepted ones, the first 1000 of them.' }),
  })
  .meta({
    id: 'BulkResult',
    examples: [{ dryRun: false, matched: 2, accepted: 2, refused: 0, instanceIds: ['order-17', 'order-18'] }],
  });

export const restartQuery = commonQuery.extend({
  restartWithNewInstanceId: z.enum(['true', 'false']).optional().meta({
    description: '`false` replaces the ended instance under its own id. Default `true`.',
  }),
  timeout,
  pollingInterval,
  signedLinks,
  linkExpiresIn,
});

export const eventBody = payload.meta({
  description: 'Data of the event: any JSON value.',
  examples: [{ by: 'Ann' }],
});
