import { toFailure, type Failure } from '../model/failure.ts';
import type { LiveInstance } from './live-instances.ts';

/** What an instance fails with that brought down too many workers (decision 18). */
export function poisoned(live: LiveInstance): Failure {
  return {
    ...toFailure(
      new Error(
        `${live.instance.crashCount} workers have died while they ran this orchestration; it is not tried again.`,
      ),
    ),
    errorType: 'PoisonInstance',
  };
}
