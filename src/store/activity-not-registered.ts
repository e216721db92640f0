import type { Failure } from '../model/failure.ts';

/** What an orchestrator gets for a call that nobody can run (decision 25). */
export function activityNotRegistered(
  name: string,
  { graceMs, known }: { readonly graceMs: number; readonly known: readonly string[] },
): Failure {
  return {
    errorType: 'ActivityNotRegistered',
    message:
      `No live worker has registered the activity '${name}' (waited ${graceMs / 1000} s). ` +
      `Export it from a module that a worker loads, or correct the name. Registered activities: ${known.join(', ') || 'none'}.`,
    isNonRetriable: true,
  };
}
