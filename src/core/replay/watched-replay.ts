import { differenceMessage } from './difference.ts';
import type { Step } from './drive-async.ts';
import { CallTrace, describeFindings, type Problem, type ReplayProbe } from './explain.ts';
import { stuckError } from './turn-scope.ts';

/** A run of the same turn. */
interface WatchedRun {
  readonly steps: Iterable<Step>;
  /** Once the steps are over. */
  problem(): Problem | undefined;
  dispose(): void;
}

/** Plays a turn again, watched, and says what was wrong with it. */
export function* explainProblem(
  problem: Problem,
  again: { readonly run: (trace: CallTrace) => WatchedRun; readonly probe: ReplayProbe | undefined },
): Generator<Step, string, void> {
  const trace = new CallTrace(problem.kind === 'stuck' ? problem.lastId : (problem.difference.actionId ?? Infinity));
  const run = again.run(trace);
  again.probe?.start();
  let findings = '';
  try {
    yield* run.steps;
  } finally {
    findings = describeFindings(again.probe?.stop() ?? []);
    run.dispose();
  }
  if (problem.kind === 'stuck') return stuckError(trace.last, findings).message;
  const found = run.problem();
  return differenceMessage(problem.difference, {
    again: found?.kind === 'difference' ? found.difference : undefined,
    findings,
  });
}
