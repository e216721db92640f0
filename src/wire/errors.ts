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
  .meta({
    id: 'Error',
    examples: [
      {
        Message: 'One or more of the arguments submitted is incorrect',
        ExceptionMessage: "The query parameter 'top' must be an integer.",
        ExceptionType: 'InvalidArgument',
      },
    ],
  });
export type ErrorBody = z.infer<typeof errorBody>;

/** Errors whose body is a JSON string, as clients of Durable Functions expect in a few places. */
export const errorText = z.string();

/** Answers that any management operation can give. */
export const commonErrors = {
  400: errorBody.meta({ description: 'Something in the request is not allowed.' }),
  401: empty('The key or the token of a signed link is missing, wrong, expired or revoked.'),
  403: errorBody.meta({
    description: 'The key lacks the scope that this takes, or the link is good for something else.',
  }),
  429: errorBody.meta({
    description: 'Too many calls without a key; see `Retry-After`.',
    headers: { 'Retry-After': { type: 'string' } },
  }),
  500: errorBody.meta({ description: 'A bug of the service; its log has the error under the id of the request.' }),
  503: errorBody.meta({
    description:
      'The database cannot be reached, the outcome is not known, or the service is overloaded; see `Retry-After`.',
    headers: { 'Retry-After': { type: 'string' } },
  }),
};

/** What any POST can answer to a call with an `Idempotency-Key`. */
export const repeatErrors = {
  409: errorBody.meta({
    description: 'A call with the same `Idempotency-Key` is under way; see `Retry-After`.',
    headers: { 'Retry-After': { type: 'string' } },
  }),
  422: errorBody.meta({ description: 'The `Idempotency-Key` was used for another request.' }),
};
