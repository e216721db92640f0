import { z } from 'zod';

export const health = z
  .object({ status: z.enum(['ok', 'stopping', 'overloaded', 'unavailable', 'superseded']) })
  .meta({ id: 'Health', examples: [{ status: 'ok' }] });
export type Health = z.infer<typeof health>;
