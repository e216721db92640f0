/**
 * Stack traces that are the same in every run: what lies below the user's frames are the environment's and Node's, and
 * which of those there are depends on what else the process does.
 */
import type { Decision } from '../model/actions.ts';
import type { Failure } from '../model/failure.ts';

/** Frames of this folder and its neighbours. */
const engine = new URL('../', import.meta.url).pathname;

export function withOwnFrames(failure: Failure): Failure {
  const { stackTrace, innerFailure } = failure;
  return {
    ...failure,
    ...(stackTrace === undefined ? {} : { stackTrace: cut(stackTrace) }),
    ...(innerFailure === undefined ? {} : { innerFailure: withOwnFrames(innerFailure) }),
  };
}

/** The same for the end of an orchestrator. */
export function decisionWithOwnFrames(decision: Decision): Decision {
  const actions = decision.actions.map((action) =>
    action.type === 'CompleteOrchestration' && action.status === 'Failed'
      ? { ...action, failure: withOwnFrames(action.failure) }
      : action,
  );
  return { ...decision, actions };
}

function cut(stackTrace: string): string {
  const lines = stackTrace.split('\n');
  const foreign = lines.findIndex((line) => /^\s+at /.test(line) && (line.includes(engine) || line.includes('(node:')));
  return (foreign < 0 ? lines : lines.slice(0, foreign)).join('\n');
}
