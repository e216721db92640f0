import type { Failure } from '../../model/failure.ts';
import type { Versioning } from '../../model/versions.ts';
import type { OrchestrationRun, RunTarget } from '../executor.ts';

/** The run of an instance that this worker does not serve and must not leave to others: it fails at once. */
export function versionMismatch(target: RunTarget, versioning: Versioning): OrchestrationRun {
  const failure = mismatch(target, versioning);
  return {
    advance: () => Promise.resolve({ actions: [{ type: 'CompleteOrchestration', id: -1, status: 'Failed', failure }] }),
    dispose: () => undefined,
  };
}

/** A version as a person reads it. */
function shown(version: string | null | undefined): string {
  return version ? `'${version}'` : 'none';
}

function mismatch({ name, version }: RunTarget, versioning: Versioning): Failure {
  const { matchStrategy = 'None' } = versioning;
  const why =
    matchStrategy === 'None'
      ? 'it has no code for it'
      : `it serves ${matchStrategy === 'Strict' ? 'only its own version' : 'its own version and older ones'}, ${shown(versioning.version)}, with code for it`;
  const message =
    `Instances of '${name}' with the version ${shown(version)} are not run by this worker: ${why}. ` +
    'Register the orchestration in this version, or let mismatches wait for another worker (failure strategy Reject).';
  return { errorType: 'VersionMismatch', message, isNonRetriable: true };
}
