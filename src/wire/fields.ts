/**
 * The pieces that shapes are made of. Everything in `wire/` describes what crosses HTTP: types come from it, the OpenAPI
 * document is generated from it, and the tests check every answer against it.
 */
import { z } from 'zod';

/** An instance id in a path. */
export const instanceId = z.string().meta({
  description: 'Id of the instance, percent-encoded. Compared exactly.',
  examples: ['order-17'],
});

/** Any JSON value that a user's code made or will get; passed through as text, never touched. */
export const payload = z.unknown();

/** Times in status payloads have no fraction. */
export const statusTime = z
  .string()
  .regex(/^\d{4}-\d\d-\d\dT\d\d:\d\d:\d\dZ$/)
  .meta({ description: 'UTC, cut to whole seconds.', examples: ['2024-05-01T08:00:00Z'] });

export const runtimeStatus = z
  .enum(['Pending', 'Running', 'Suspended', 'ContinuedAsNew', 'Completed', 'Failed', 'Terminated', 'Canceled'])
  .meta({ id: 'RuntimeStatus' });

/** Query parameters that every management operation understands. */
export const commonQuery = z.object({
  taskHub: z.string().optional().meta({ description: 'Task hub to work on. Default: the hub of the service.' }),
  connection: z.string().optional().meta({
    description: 'Accepted and repeated in links, without further meaning.',
  }),
});

export const flag = (description: string) => z.enum(['true', 'false']).optional().meta({ description });

export const showInput = flag('`false` leaves inputs out. Default `true`.');
export const showHistory = flag('`true` adds `historyEvents`. Default `false`.');
export const showHistoryOutput = flag('With `showHistory`: `true` adds the results of events. Default `false`.');

export const timeout = z.number().min(0).optional().meta({
  description: 'Wait up to this many seconds for the end, then answer with the output.',
});
export const pollingInterval = z.number().min(0).optional().meta({
  description: 'Checked, at most `timeout`; otherwise without meaning, since waiting does not poll.',
});

export const signedLinks = flag('`true`: the links carry expiring tokens instead of the key. Default: a setting.');
export const linkExpiresIn = z.number().min(1).optional().meta({
  description: 'For how many seconds signed links are good, at most a year. Default: a setting, 7 days.',
});

/** A reason for a control operation. */
export const reasonQuery = commonQuery.extend({
  reason: z.string().optional().meta({ description: 'Shown in the history; for terminate also as the output.' }),
});

const recursive = (description: string) => flag(`${description} Default \`false\`.`);

export const terminateQuery = reasonQuery.extend({
  recursive: recursive('`true`: its live sub-orchestrations end too, and theirs.'),
});

export const purgeInstanceQuery = commonQuery.extend({
  recursive: recursive('`true`: its sub-orchestrations are removed with it; all must have ended.'),
});

/** An answer without a body. */
export function empty(description: string) {
  return z.null().meta({ description });
}

/** Describes an answer in the words of one operation. */
export function answer<T extends z.ZodType>(schema: T, description: string, headers?: Record<string, string>): T {
  return schema.meta({
    description,
    ...(headers === undefined
      ? {}
      : {
          headers: Object.fromEntries(
            Object.entries(headers).map(([name, text]) => [name, { type: 'string', description: text }]),
          ),
        }),
  });
}

/** What any POST may carry. */
export const postHeaders = z.object({
  'idempotency-key': z
    .string()
    .optional()
    .meta({
      description:
        'Names the call, for a day: repeated with the same key it is not carried out again, and answered as the first time. ' +
        '1 to 255 visible ASCII characters.',
      examples: ['8e03978e-40d5-43dd-bc93-6894a57f9324'],
    }),
});
