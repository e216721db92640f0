import { z } from 'zod';
import { empty } from './fields.ts';

/** The error object of the management API. Its names start with a capital, as those of Durable Functions do. */
export const errorBody = z
  .object({
    Message: z.string().meta({ description: 'What went wrong, in fixed words.' }),
    ExceptionMessage: z.string().optional().meta({ description: 'The details.' }),
    ExceptionType: z.string().optional().meta({ description: 'A stable code.' }),
    RequestId: z.string().optional().meta({
      description: 'Outside the management API; there it is only in the header `x-request-id`.',
    }),
  })
  .meta({ id: 'Error' });
export type ErrorBody = z.infer<typeof errorBody>;

/** Errors whose body is a JSON string, as clients of Durable Functions expect in a few places. */
export const errorText = z.string();

/** Answers that any management operation can give. */
export const commonErrors = {
  400: errorBody.meta({ description: 'Something in the request is not allowed.' }),
  401: empty('The key is missing or wrong.'),
  500: errorBody.meta({ description: 'A bug of the service; its log has the error under the id of the request.' }),
  503: errorBody.meta({
    description: 'The database cannot be reached or the outcome is not known; see `Retry-After`.',
    headers: { 'Retry-After': { type: 'string' } },
  }),
};
