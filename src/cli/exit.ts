/** What the exit codes of `perdure` mean; they are part of the public contract (docs/cli.md). */
import { assertNever, type DurableErrorCode } from '../model/errors.ts';
import type { RuntimeStatus } from '../model/instance.ts';

export const exitCodes = {
  ok: 0,
  /** Something else went wrong. */
  failed: 1,
  /** The command line says something that cannot be. */
  usage: 2,
  notFound: 3,
  /** The service, or a state, does not allow it. */
  refused: 4,
  unreachable: 5,
  /** Of `wait`: how the instance ended, or that it has not. */
  instanceFailed: 6,
  instanceTerminated: 7,
  timeout: 8,
} as const;

export type ExitCode = (typeof exitCodes)[keyof typeof exitCodes];

/** Ends the command with a code and a line for people. */
export class CliError extends Error {
  override readonly name = 'CliError';
  readonly exitCode: ExitCode;

  constructor(exitCode: ExitCode, message: string, options?: ErrorOptions) {
    super(message, options);
    this.exitCode = exitCode;
  }
}

export function exitCodeOf(code: DurableErrorCode): ExitCode {
  switch (code) {
    case 'InvalidArgument':
      return exitCodes.usage;
    case 'OrchestratorNotRegistered':
    case 'EntityNotRegistered':
    case 'InstanceNotFound':
    case 'KeyNotFound':
      return exitCodes.notFound;
    case 'InstanceAlreadyExists':
    case 'InstanceTerminal':
    case 'InstanceNotTerminal':
    case 'InstanceNotFailed':
    case 'InvalidTransition':
    case 'PayloadTooLarge':
    case 'KeyAlreadyExists':
    case 'Unauthorized':
    case 'Forbidden':
    case 'TooManyRequests':
    case 'SchemaMismatch':
      return exitCodes.refused;
    case 'StoreUnavailable':
    case 'ServiceUnavailable':
    case 'OutcomeUnknown':
      return exitCodes.unreachable;
    case 'StorageFull':
      return exitCodes.failed;
    default:
      return assertNever(code);
  }
}

/** How `wait`, and a start that waits, end for a status. */
export function exitCodeOfStatus(status: RuntimeStatus): ExitCode {
  switch (status) {
    case 'Completed':
      return exitCodes.ok;
    case 'Failed':
      return exitCodes.instanceFailed;
    case 'Terminated':
    case 'Canceled':
      return exitCodes.instanceTerminated;
    default:
      return exitCodes.timeout;
  }
}
