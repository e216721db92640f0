/** Checks of what callers give to the client, and the errors that it answers with. */
import { randomUUID } from 'node:crypto';
import type { AuditNote } from '../model/access.ts';
import { DurableError } from '../model/errors.ts';
import type { RuntimeStatus } from '../model/instance.ts';

/**
 * 32 hex digits, as Durable Functions makes them; in the order of time (a UUID of version 7): what starts together lies
 * together in the index of ids. Random ones touch a page of it each, which after a checkpoint goes whole into the WAL.
 */
export function newId(): string {
  const random = randomUUID().replaceAll('-', '');
  return `${Date.now().toString(16).padStart(12, '0')}7${random.slice(13)}`;
}

/** Text that no stored id can have, and that Postgres would refuse as a parameter. */
export function isImpossible(instanceId: string): boolean {
  return (
    instanceId.length === 0 || instanceId.length > 1_024 || instanceId.includes('\u0000') || !instanceId.isWellFormed()
  );
}

export function notFound(instanceId: string): DurableError {
  return new DurableError('InstanceNotFound', `No instance with ID '${instanceId}' found.`);
}

/** In the words that the clients of Durable Functions show. */
export function notRewindable(instanceId: string): DurableError {
  return new DurableError('InstanceNotFound', `No orchestration with instance ID "${instanceId}" found.`);
}

export function terminal(instanceId: string, status: RuntimeStatus): DurableError {
  return new DurableError('InstanceTerminal', `The instance '${instanceId}' has ended: its status is ${status}.`);
}

export function withReason(reason: string | undefined): { readonly reason?: string } {
  const text = checkReason(reason);
  return text === undefined ? {} : { reason: text };
}

export function checkReason(reason: string | undefined): string | undefined {
  if (reason?.includes('\u0000'))
    throw new DurableError('InvalidArgument', 'A reason must not contain the character U+0000.');
  if (reason !== undefined && reason.length > 16_384) {
    throw new DurableError('PayloadTooLarge', 'A reason may have at most 16,384 characters.');
  }
  return reason?.toWellFormed();
}

export function toPayload(value: unknown, what: string): string | undefined {
  if (value === undefined) return undefined;
  let text: string | undefined;
  try {
    text = JSON.stringify(value);
  } catch (error) {
    const reason = error instanceof Error ? error.message : String(error);
    throw new DurableError('InvalidArgument', `The ${what} cannot be written as JSON: ${reason}`, { cause: error });
  }
  if (text === undefined) {
    throw new DurableError('InvalidArgument', `The ${what} cannot be written as JSON: it is a ${typeof value}.`);
  }
  return text;
}

/** @throws DurableError `PayloadTooLarge` for more than `maxLength` UTF-16 units */
export function checkSize(payload: string | undefined, maxLength: number): void {
  if (payload === undefined || payload.length <= maxLength) return;
  throw new DurableError(
    'PayloadTooLarge',
    `A payload may have at most ${maxLength} characters of JSON; this one has ${payload.length}. Store large data elsewhere and pass a reference.`,
  );
}

const defaultPage = 100;
const maxPage = 1_000;

/** The size of a page. @throws DurableError `InvalidArgument` */
export function checkPage(given: number | undefined, what: string): number {
  const limit = given ?? defaultPage;
  if (Number.isInteger(limit) && limit >= 1 && limit <= maxPage) return limit;
  throw new DurableError('InvalidArgument', `A page must have 1 to ${maxPage} ${what}, not ${limit}.`);
}

/** @throws DurableError `InvalidArgument` when there is a problem */
export function refuse(problem: string | null): void {
  if (problem !== null) throw new DurableError('InvalidArgument', problem);
}

/** What is to be recorded with an action, if anything is. */
export function withAudit(audit: AuditNote | undefined): { readonly audit?: AuditNote } {
  return audit === undefined ? {} : { audit };
}
