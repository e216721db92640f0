import { z } from 'zod';
import {
  commonQuery,
  instanceId,
  linkExpiresIn,
  payload,
  pollingInterval,
  runtimeStatus,
  showHistory,
  showHistoryOutput,
  showInput,
  signedLinks,
  statusTime,
  timeout,
} from './fields.ts';
import { historyEvent } from './history.ts';

export const instanceParams = z.object({ instanceId });
export type InstanceParams = z.infer<typeof instanceParams>;

export const eventParams = z.object({
  instanceId,
  eventName: z.string().meta({ description: 'Name of the event, percent-encoded.' }),
});
export type EventParams = z.infer<typeof eventParams>;

export const statusQuery = commonQuery.extend({
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

/** One instance. `historyEvents` is left out unless it was asked for. */
export const instanceStatus = statusFields
  .extend({ historyEvents: z.array(historyEvent).optional() })
  .meta({ id: 'InstanceStatus' });

export const instanceList = z.array(statusFields.meta({ id: 'InstanceSummary' }));

const createdTimeTo = z.string().optional().meta({ description: 'Created at or before: ISO 8601, no zone means UTC.' });
const statusFilter = z
  .string()
  .optional()
  .meta({
    description: 'Names of statuses, separated by commas or given repeatedly, in any case.',
    examples: ['Completed,Failed'],
  });
const instanceIdPrefix = z.string().optional().meta({ description: 'Only ids that start with this text.' });

export const listQuery = commonQuery.extend({
  createdTimeFrom: z.string().optional().meta({ description: 'Created at or after: ISO 8601, no zone means UTC.' }),
  createdTimeTo,
  runtimeStatus: statusFilter,
  instanceIdPrefix,
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
});

export const purgeResult = z.object({ instancesDeleted: z.int() }).meta({ id: 'PurgeResult' });

export const restartQuery = commonQuery.extend({
  restartWithNewInstanceId: z.enum(['true', 'false']).optional().meta({
    description: '`false` replaces the ended instance under its own id. Default `true`.',
  }),
  timeout,
  pollingInterval,
  signedLinks,
  linkExpiresIn,
});

export const eventBody = payload.meta({ description: 'Data of the event: any JSON value.' });
