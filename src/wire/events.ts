import { z } from 'zod';
import { commonQuery } from './fields.ts';
import { instanceFilterFields } from './instances.ts';

export const eventHeaders = z.object({
  'last-event-id': z.string().optional().meta({ description: 'Id of the last event that the caller knows.' }),
});

export const hubEventsQuery = commonQuery.extend({
  runtimeStatus: instanceFilterFields.runtimeStatus,
  instanceIdPrefix: instanceFilterFields.instanceIdPrefix,
  name: instanceFilterFields.name,
});

/** The answer of a stream; its events have JSON in `data`. */
export function eventStream(description: string) {
  return {
    description,
    content: {
      'text/event-stream': {
        schema: z.string().meta({
          description:
            '`data` of `status`: `name`, `instanceId`, `runtimeStatus`, `customStatus`, `createdTime`, `lastUpdatedTime`.',
          examples: ['event: status\nid: QmFzZTY0\ndata: {"instanceId":"order-17","runtimeStatus":"Completed"}\n\n'],
        }),
      },
    },
  };
}
