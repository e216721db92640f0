import type { Failure } from '../../model/failure.ts';
import { EntityOperationFailedError } from './entity-operation-failed-error.ts';
import { withoutFrames } from './without-frames.ts';

/** Which call failed. */
export interface FailedCall {
  readonly name: string;
  /** The id of the attempt that failed last. */
  readonly id: number;
}

const brand: unique symbol = Symbol.for('perdure.TaskFailedError');

/** What an orchestrator gets when an activity or a sub-orchestration has failed for good. */
export class TaskFailedError extends Error {
  override readonly name = 'TaskFailedError';
  readonly [brand] = true;
  /** The name of the activity or orchestration. */
  readonly taskName: string;
  /** The id under which history knows the attempt that failed last. */
  readonly taskId: number;
  /** What it threw. */
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

const maxDepth = 10;

/** Ids of the calls whose failures an error reports: its own, those of its causes and of what it gathers. Never throws. */
export function failedTasksOf(error: unknown): readonly number[] {
  const found = new Set<number>();
  const look = (value: unknown, depth: number): void => {
    if (typeof value !== 'object' || value === null || depth > maxDepth) return;
    if (value instanceof TaskFailedError || value instanceof EntityOperationFailedError) found.add(value.taskId);
    if ('cause' in value) look(value.cause, depth + 1);
    if ('errors' in value && Array.isArray(value.errors)) for (const one of value.errors) look(one, depth + 1);
  };
  try {
    look(error, 0);
  } catch {
    // A getter of user code threw: what was found until then is what is known.
  }
  return [...found];
}
