/**
 * Everything a caller of the client may want to act on, by code. `http/problem.ts` maps every code to a status and does not
 * compile when one is missing.
 */
export const durableErrorCodes = [
  'InvalidArgument',
  'OrchestratorNotRegistered',
  'EntityNotRegistered',
  'InstanceNotFound',
  'InstanceAlreadyExists',
  'InstanceTerminal',
  'InstanceNotTerminal',
  'InstanceNotFailed',
  'InvalidTransition',
  'PayloadTooLarge',
  'KeyNotFound',
  'KeyAlreadyExists',
  'StoreUnavailable',
  'OutcomeUnknown',
  'StorageFull',
  // The tables belong to a newer version, or are behind this one.
  'SchemaMismatch',
  // Of clients that speak HTTP only: what the service, or the way to it, answers before it looks at what was asked.
  'Unauthorized',
  'Forbidden',
  'TooManyRequests',
  'ServiceUnavailable',
] as const;
export type DurableErrorCode = (typeof durableErrorCodes)[number];

/** An expected error with a stable `code`; its message says what was wrong and what to do. */
export class DurableError extends Error {
  override readonly name = 'DurableError';
  readonly code: DurableErrorCode;

  constructor(code: DurableErrorCode, message: string, options?: ErrorOptions) {
    super(message, options);
    this.code = code;
  }
}

/** Whether an error is one of ours with this code. */
export function hasCode(error: unknown, code: DurableErrorCode): boolean {
  return error instanceof DurableError && error.code === code;
}

/** Closes a switch over a union: the compiler complains when a case is missing. */
export function assertNever(value: never): never {
  throw new Error(`unexpected case: ${JSON.stringify(value)}`);
}
