import { z } from 'zod';
import { commonQuery, instanceId, linkExpiresIn, payload, pollingInterval, signedLinks, timeout } from './fields.ts';

const functionName = z
  .string()
  .meta({ description: 'Name of the orchestrator; compared without case.', examples: ['OrderOrchestrator'] });

export const startParams = z.object({ functionName });
export type StartParams = z.infer<typeof startParams>;

export const startWithIdParams = z.object({ functionName, instanceId });
export type StartWithIdParams = z.infer<typeof startWithIdParams>;

export const startQuery = commonQuery.extend({
  timeout,
  pollingInterval,
  version: z.string().optional().meta({ description: 'Version of the orchestration.' }),
  tag: z
    .string()
    .optional()
    .meta({ description: 'A tag, `name=value`; may be given repeatedly.', examples: ['team=payments'] }),
  startAt: z
    .string()
    .optional()
    .meta({
      description: 'Do not run before: an ISO 8601 time (no zone means UTC), or a duration such as `90s` or `PT24H`.',
      examples: ['2030-01-01T08:00:00Z'],
    }),
  onExisting: z
    .enum(['error', 'return', 'replace', 'terminate'])
    .optional()
    .meta({
      description:
        'When the id is taken. `error`: 409. `return`: nothing happens, the answer is as if it had been started. ' +
        '`replace` (default): an ended instance is replaced, a live one is 409. `terminate`: a live one is replaced too, for ' +
        'which a key needs the scope `admin`.',
    }),
  completionWebhook: z
    .string()
    .optional()
    .meta({
      description:
        'A URL that is told, by a signed POST, when the instance has ended. The service needs a secret for it, and the address ' +
        'must be one that `callHttp` may reach.',
      examples: ['https://hooks.example/orders'],
    }),
  signedLinks,
  linkExpiresIn,
});

/** The orchestration's input. */
export const startBody = payload.meta({
  description: 'Input of the orchestration: any JSON value, or nothing.',
  examples: [{ id: 'A-1', amount: 30 }],
});

const links = 'https://flows.example/runtime/webhooks/durabletask/instances/order-17';
const hub = 'taskHub=default&connection=Storage';
const checkStatusExample = {
  id: 'order-17',
  statusQueryGetUri: `${links}?${hub}`,
  sendEventPostUri: `${links}/raiseEvent/{eventName}?${hub}`,
  terminatePostUri: `${links}/terminate?reason={text}&${hub}`,
  purgeHistoryDeleteUri: `${links}?${hub}`,
  restartPostUri: `${links}/restart?${hub}`,
  suspendPostUri: `${links}/suspend?reason={text}&${hub}`,
  resumePostUri: `${links}/resume?reason={text}&${hub}`,
};

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
  .meta({ id: 'CheckStatus', examples: [checkStatusExample] });

export const startHeaders = { Location: 'The same as `statusQueryGetUri`.', 'Retry-After': 'Seconds.' };
