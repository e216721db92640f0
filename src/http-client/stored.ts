/** Instances and entities as they come over the wire, back to what the verbs return: times become dates again. */
import type { EntityMetadata } from '../model/entity-work.ts';
import type { Explanation } from '../model/explanation.ts';
import { DurableError } from '../model/errors.ts';
import type { OrchestrationInstance } from '../model/instance.ts';

const instanceTimes = ['createdAt', 'lastUpdatedAt', 'completedAt', 'scheduledStartAt'] as const;
const entityTimes = ['lastModifiedAt'] as const;
const spanTimes = ['since', 'until'] as const;

/** @throws DurableError `ServiceUnavailable` for what is no instance */
export function readInstance(value: unknown): OrchestrationInstance {
  return withDates(value, instanceTimes) as unknown as OrchestrationInstance;
}

/** @throws DurableError `ServiceUnavailable` for what is no entity */
export function readEntity(value: unknown): EntityMetadata {
  return withDates(value, entityTimes) as unknown as EntityMetadata;
}

/** @throws DurableError `ServiceUnavailable` for what is no explanation */
export function readExplanation(value: unknown): Explanation {
  const object = withDates(value, [...spanTimes, 'at']);
  const reasons = readList(object['reasons'], (one) => dated(readObject(one), spanTimes));
  return { ...object, reasons } as unknown as Explanation;
}

/** @throws DurableError `ServiceUnavailable` for what is no list */
export function readList<T>(value: unknown, read: (one: unknown) => T): readonly T[] {
  if (!Array.isArray(value)) throw unexpected();
  return value.map(read);
}

/** @throws DurableError `ServiceUnavailable` for what is no object */
export function readObject(value: unknown): Readonly<Record<string, unknown>> {
  if (typeof value !== 'object' || value === null || Array.isArray(value)) throw unexpected();
  return value as Readonly<Record<string, unknown>>;
}

/** @throws DurableError `ServiceUnavailable` for what is no text */
export function readText(value: unknown): string {
  if (typeof value !== 'string') throw unexpected();
  return value;
}

/** @throws DurableError `ServiceUnavailable` for what is no number */
export function readCount(value: unknown): number {
  if (typeof value !== 'number') throw unexpected();
  return value;
}

function withDates(value: unknown, times: readonly string[]): Readonly<Record<string, unknown>> {
  const object = readObject(value);
  readText(object['instanceId']);
  return dated(object, times);
}

function dated(object: Readonly<Record<string, unknown>>, times: readonly string[]): Readonly<Record<string, unknown>> {
  const dates = times.map((name): [string, Date | null] => {
    const time = object[name];
    return [name, time === null ? null : new Date(readText(time))];
  });
  return { ...object, ...Object.fromEntries(dates) };
}

function unexpected(): DurableError {
  const text = 'The service answered with something else than expected; is it a Perdure service of this version?';
  return new DurableError('ServiceUnavailable', text);
}
