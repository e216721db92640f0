import { z } from 'zod';

export const scope = z.enum(['read', 'write', 'admin']).meta({
  id: 'Scope',
  description: 'What a key is good for: looking; starting, raising events and signalling; everything.',
});

const keyName = z
  .string()
  .regex(/^[\w.-]{1,64}$/, "must have 1 to 64 letters, digits, '.', '_' and '-'")
  .meta({ description: "1 to 64 letters, digits, '.', '_' and '-'; compared without case.", examples: ['ci'] });

export const keyParams = z.object({ name: keyName });
export type KeyParams = z.infer<typeof keyParams>;

export const accessKey = z
  .object({
    name: keyName,
    scopes: z.array(scope),
    createdTime: z.string(),
    rotatedTime: z.string().nullable(),
    expiryTime: z.string().nullable(),
  })
  .meta({
    id: 'AccessKey',
    examples: [
      { name: 'ci', scopes: ['write'], createdTime: '2024-05-01T08:00:00.123Z', rotatedTime: null, expiryTime: null },
    ],
  });
export type AccessKeyBody = z.infer<typeof accessKey>;

export const keyList = z.object({ keys: z.array(accessKey) }).meta({ id: 'AccessKeyList' });

export const newKey = z.object({
  name: keyName,
  scopes: z.array(scope).min(1),
  expiresIn: z.number().positive().optional().meta({ description: 'Seconds. Default: it never expires.' }),
});

export const rotation = z.object({
  graceSeconds: z.number().min(0).optional().meta({
    description: 'For how many seconds what was good before stays good. Default 0.',
  }),
});

export const keyValue = z
  .object({ name: keyName, value: z.string().meta({ description: 'The key. It is shown only here.' }) })
  .meta({ id: 'KeyValue' });
