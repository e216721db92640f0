import type { Failure } from '../../model/failure.ts';
import { withoutFrames } from './without-frames.ts';

const brand: unique symbol = Symbol.for('perdure.EntityOperationFailedError');

/** What an orchestrator gets when an operation that it called has failed. The entity is as if it had not been called. */
export class EntityOperationFailedError extends Error {
  override readonly name = 'EntityOperationFailedError';
  readonly [brand] = true;
  /** Instance id of the entity. */
  readonly entityId: string;
  readonly operationName: string;
  /** The id under which history knows the call. */
  readonly taskId: number;
  /** What the operation threw. */
  readonly failureDetails: Failure;

  /** @param message default: which operation failed, and why */
  constructor(
    call: { readonly instanceId: string; readonly operation: string; readonly id: number },
    failure: Failure,
    message = `Operation '${call.operation}' of entity '${call.instanceId}' failed: ${failure.message}`,
  ) {
    super(message);
    this.entityId = call.instanceId;
    this.operationName = call.operation;
    this.taskId = call.id;
    this.failureDetails = failure;
    withoutFrames(this);
  }

  /** Also true for one made by another copy of this package: compiled user code may import its own. */
  static override [Symbol.hasInstance](value: unknown): boolean {
    return typeof value === 'object' && value !== null && brand in value;
  }
}
