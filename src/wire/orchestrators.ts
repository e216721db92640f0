import { z } from 'zod';
import { commonQuery, instanceId, payload, pollingInterval, timeout } from './fields.ts';

const functionName = z.string().meta({ description: 'Name of the orchestrator; compared without case.' });

export const startParams = z.object({ functionName });
export type StartParams = z.infer<typeof startParams>;

export const startWithIdParams = z.object({ functionName, instanceId });
export type StartWithIdParams = z.infer<typeof startWithIdParams>;

export const startQuery = commonQuery.extend({
  timeout,
  pollingInterval,
  version: z.string().optional().meta({ description: 'Version of the orchestration.' }),
});

/** The orchestration's input. */
export const startBody = payload.meta({ description: 'Input of the orchestration: any JSON value, or nothing.' });

/** What a start answers: the links that manage the new instance, in this order. */
export const checkStatus = z
  .object({
    id: z.string(),
    statusQueryGetUri: z.string(),
    sendEventPostUri: z.string().meta({ description: 'Replace `{eventName}`.' }),
    terminatePostUri: z.string().meta({ description: 'Replace `{text}`.' }),
    purgeHistoryDeleteUri: z.string(),
    restartPostUri: z.string(),
    suspendPostUri: z.string().meta({ description: 'Replace `{text}`.' }),
    resumePostUri: z.string().meta({ description: 'Replace `{text}`.' }),
  })
  .meta({ id: 'CheckStatus' });

export const startHeaders = { Location: 'The same as `statusQueryGetUri`.', 'Retry-After': 'Seconds.' };
