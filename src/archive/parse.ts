/** Reads what `format.ts` writes, and says what is wrong with it. */
import { z } from 'zod';
import { runtimeStatuses } from '../model/instance.ts';
import type { StoredInstance } from '../store/archive-store.ts';
import { type ArchiveHeader, archiveVersion } from './format.ts';

const header = z.object({
  perdure: z.literal('instances'),
  version: z.int(),
  taskHub: z.string(),
  exportedAt: z.string(),
  history: z.boolean(),
  closed: z.boolean(),
}) satisfies z.ZodType<ArchiveHeader>;

const time = z
  .string()
  .regex(/^\d{4,6}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{6}Z$/, 'must be a time such as 2030-01-31T08:00:00.123456Z');
const text = z.string().nullable();

const instance = z.strictObject({
  instanceId: z.string().min(1).max(256),
  name: z.string().min(1),
  version: text,
  tags: z.record(z.string(), z.string()).nullable(),
  executionId: z.string().min(1),
  status: z.enum(runtimeStatuses),
  createdAt: time,
  lastUpdatedAt: time,
  completedAt: time.nullable(),
  scheduledStartAt: time.nullable(),
  /** Payloads are texts: JSON as it was sent. */
  input: text,
  output: text,
  customStatus: text,
  failure: z.looseObject({ errorType: z.string(), message: z.string() }).nullable(),
  parent: z.looseObject({ key: z.string(), instanceId: z.string() }).nullable(),
  history: z
    .array(z.strictObject({ sequence: z.int().min(1), events: z.array(z.looseObject({ type: z.string() })) }))
    .optional(),
});

const end = z.strictObject({ end: z.strictObject({ instances: z.int().min(0) }) });

/** What a line says. */
export type ArchiveLine =
  | { readonly kind: 'instance'; readonly instance: StoredInstance; readonly hasHistory: boolean }
  | { readonly kind: 'end'; readonly instances: number };

/** @throws Error that says what is wrong with it */
export function readHeader(line: string): ArchiveHeader {
  const value = parse(line);
  const isOurs = typeof value === 'object' && value !== null && 'perdure' in value;
  if (!isOurs) throw new Error('this is no file of perdure export: it does not begin with its header');
  const read = header.safeParse(value);
  if (!read.success) throw new Error(`the header cannot be read: ${whatIsWrong(read.error)}`);
  if (read.data.version > archiveVersion) {
    throw new Error(
      `it has version ${read.data.version} of the format, and this Perdure knows ${archiveVersion}: use a newer one`,
    );
  }
  return read.data;
}

/** @throws Error that says what is wrong with it */
export function readLine(line: string): ArchiveLine {
  const value = parse(line);
  if (typeof value === 'object' && value !== null && 'end' in value) {
    const read = end.safeParse(value);
    if (!read.success) throw new Error(whatIsWrong(read.error));
    return { kind: 'end', instances: read.data.end.instances };
  }
  const read = instance.safeParse(value);
  if (!read.success) throw new Error(whatIsWrong(read.error));
  const { history, tags, failure, parent, ...plain } = read.data;
  for (const [index, row] of (history ?? []).entries()) {
    if (row.sequence <= (history?.[index - 1]?.sequence ?? 0)) {
      throw new Error(`the history of '${plain.instanceId}' is out of order at sequence ${row.sequence}`);
    }
  }
  return {
    kind: 'instance',
    hasHistory: history !== undefined,
    instance: {
      ...plain,
      tags: textOf(tags),
      failure: textOf(failure),
      parent: textOf(parent),
      history: (history ?? []).map(({ sequence, events }) => ({ sequence, events: JSON.stringify(events) })),
    },
  };
}

function textOf(value: unknown): string | null {
  return value === null ? null : JSON.stringify(value);
}

function parse(line: string): unknown {
  try {
    return JSON.parse(line);
  } catch (error) {
    throw new Error(`this is no JSON (${error instanceof Error ? error.message : String(error)})`, { cause: error });
  }
}

function whatIsWrong(error: z.ZodError): string {
  const [issue] = error.issues;
  const where = issue?.path.join('.') || 'the line';
  return `${where}: ${issue?.message ?? 'not as it should be'}`;
}
