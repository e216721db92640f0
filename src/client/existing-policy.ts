/** What a start does when its id is taken, as the store wants it: which statuses make way (engine.md 3.5). */
import { DurableError } from '../model/errors.ts';
import { isTerminal, liveStatuses, terminalStatuses, type RuntimeStatus } from '../model/instance.ts';
import { existingPolicies, type OnExisting } from './client.ts';

/** Statuses that are replaced, and what happens in the others. */
export interface ExistingPolicy {
  readonly replace: readonly RuntimeStatus[];
  readonly otherwise: 'error' | 'return';
}

const all: readonly RuntimeStatus[] = [...liveStatuses, ...terminalStatuses];

/** @throws DurableError `InvalidArgument` for a policy that is unknown or contradicts itself */
export function policyOf(given: OnExisting): ExistingPolicy {
  switch (given) {
    case 'error':
      return { replace: [], otherwise: 'error' };
    case 'return':
      return { replace: [], otherwise: 'return' };
    case 'replace':
      return { replace: terminalStatuses, otherwise: 'error' };
    case 'terminate':
      return { replace: all, otherwise: 'error' };
    default:
      return check(given);
  }
}

function check(given: Exclude<OnExisting, string>): ExistingPolicy {
  const { replace, otherwise = 'error' }: Partial<typeof given> =
    typeof given === 'object' && given !== null ? given : {};
  if (!isList(replace) || (otherwise !== 'error' && otherwise !== 'return')) {
    throw new DurableError(
      'InvalidArgument',
      `onExisting must be one of ${existingPolicies.join(', ')}, or { replace: [statuses], otherwise: 'error' | 'return' }.`,
    );
  }
  const unknown = replace.find((status) => !all.includes(status));
  if (unknown !== undefined) {
    throw new DurableError('InvalidArgument', `onExisting.replace: '${unknown}' is no runtime status.`);
  }
  if (replace.some((status) => !isTerminal(status)) && !replace.includes('Terminated')) {
    throw new DurableError(
      'InvalidArgument',
      "onExisting.replace: 'Terminated' cannot be left out while running instances are replaced: they are terminated first.",
    );
  }
  return { replace, otherwise };
}

/** In a function of its own: the compiler takes what `Array.isArray` has seen for a list of anything. */
function isList<T>(value: readonly T[] | undefined): value is readonly T[] {
  return Array.isArray(value);
}
