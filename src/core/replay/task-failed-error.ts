import type { Failure } from '../../model/failure.ts';
import { withoutFrames } from './without-frames.ts';

/** Which call failed. */
export interface FailedCall {
  readonly name: string;
  /** The id of the attempt that failed last. */
  readonly id: number;
}

const brand: unique symbol = Symbol.for('perdure.TaskFailedError');

/** What an orchestrator gets when an activity has failed for good. */
export class TaskFailedError extends Error {
  override readonly name = 'TaskFailedError';
  readonly [brand] = true;
  /** The activity's name. */
  readonly taskName: string;
  /** The id under which history knows the attempt that failed last. */
  readonly taskId: number;
  /** What the activity threw. */
  readonly failureDetails: Failure;

  /** @param message default: which call failed, and why */
  constructor(call: FailedCall, failure: Failure, message?: string) {
    super(message ?? `Activity '${call.name}' (#${call.id}) failed: ${failure.message}`);
    this.taskName = call.name;
    this.taskId = call.id;
    this.failureDetails = failure;
    withoutFrames(this);
  }

  /** Also true for one made by another copy of this package: compiled user code may import its own. */
  static override [Symbol.hasInstance](value: unknown): boolean {
    return typeof value === 'object' && value !== null && brand in value;
  }
}
