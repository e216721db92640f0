/** The same done to many instances: found page by page, then each by its own verb (decision 15: no statement needs two). */
import { DurableError } from '../model/errors.ts';
import { liveStatuses, type FoundPage, type InstanceFilter, type RuntimeStatus } from '../model/instance.ts';
import type { OrchestrationClient } from './client.ts';
import { bulkOperations, type BulkOperation, type BulkOptions, type BulkOutcome } from './listing-client.ts';

const defaultLimit = 10_000;
const maxLimit = 100_000;
const maxShownIds = 1_000;
const pageSize = 500;

/** What an operation is for, and for how many instances it is under way at the same time, so that others get a turn. */
const rules: Readonly<
  Record<BulkOperation, { readonly statuses: readonly RuntimeStatus[]; readonly together: number }>
> = {
  terminate: { statuses: liveStatuses, together: 50 },
  suspend: { statuses: ['Pending', 'Running'], together: 50 },
  resume: { statuses: ['Suspended'], together: 50 },
  // Each is a transaction of several statements.
  rewind: { statuses: ['Failed'], together: 4 },
};

type Verbs = Pick<OrchestrationClient, BulkOperation>;

/** What {@link actOnMany} works with. */
export interface BulkParts {
  /** Its verbs do not wait for their effects. */
  readonly client: Verbs;
  readonly find: (
    filter: InstanceFilter,
    page: { readonly limit: number; readonly continuationToken?: string },
  ) => Promise<FoundPage>;
}

/** @throws DurableError `InvalidArgument`; what the database says when it is away, then what was done stays done */
export async function actOnMany(
  { client, find }: BulkParts,
  operation: BulkOperation,
  filter: InstanceFilter,
  options: BulkOptions,
): Promise<BulkOutcome> {
  if (!bulkOperations.includes(operation)) throw invalid(`There is no bulk operation '${operation}'.`);
  const limit = options.limit ?? defaultLimit;
  if (!(Number.isInteger(limit) && limit >= 1 && limit <= maxLimit)) {
    throw invalid(`A bulk operation acts on 1 to ${maxLimit} instances, not ${limit}.`);
  }
  if (options.all !== true && saysNothing(filter)) {
    throw invalid('A bulk operation needs a filter, or all=true when every instance of the task hub is meant.');
  }
  const { dryRun = false, signal } = options;
  const isStopped = (): boolean => signal?.aborted === true;
  const { statuses, together } = rules[operation];
  const wanted = filter.runtimeStatus ?? [];
  const runtimeStatus = statuses.filter((status) => wanted.length === 0 || wanted.includes(status));
  const sum = { matched: 0, accepted: 0, refused: 0 };
  const instanceIds: string[] = [];
  const outcome = (token: string | undefined): BulkOutcome => ({
    dryRun,
    ...sum,
    instanceIds,
    ...(token === undefined ? {} : { continuationToken: token }),
  });
  if (runtimeStatus.length === 0) return outcome(undefined);
  let token = options.continuationToken;
  do {
    if (isStopped()) return outcome(token);
    const page = await find(
      { ...filter, runtimeStatus },
      { limit: Math.min(pageSize, limit - sum.matched), ...(token === undefined ? {} : { continuationToken: token }) },
    );
    for (let at = 0; at < page.instances.length; at += together) {
      if (isStopped()) return outcome(token);
      const some = page.instances.slice(at, at + together).map(({ instanceId }) => instanceId);
      const done = dryRun ? some : await actOn(some, (instanceId) => act(client, operation, instanceId, options));
      sum.matched += some.length;
      sum.accepted += done.length;
      sum.refused += some.length - done.length;
      instanceIds.push(...done.slice(0, maxShownIds - instanceIds.length));
    }
    token = page.continuationToken;
  } while (token !== undefined && sum.matched < limit);
  return outcome(token);
}

/** @returns those that took it; whatever else goes wrong than their status is thrown when all are through */
async function actOn(ids: readonly string[], run: (instanceId: string) => Promise<void>): Promise<readonly string[]> {
  const ends = await Promise.allSettled(ids.map(run));
  return ids.filter((_, index) => {
    const end = ends[index];
    if (end?.status !== 'rejected') return true;
    if (isRefusal(end.reason)) return false;
    throw end.reason;
  });
}

function act(
  client: Verbs,
  operation: BulkOperation,
  instanceId: string,
  { reason, recursive = false }: BulkOptions,
): Promise<void> {
  return operation === 'terminate'
    ? client.terminate(instanceId, reason, { recursive })
    : client[operation](instanceId, reason);
}

/** It has ended, gone on, or vanished since it was found. */
function isRefusal(error: unknown): boolean {
  if (!(error instanceof DurableError)) return false;
  const { code } = error;
  return (
    code === 'InstanceNotFound' ||
    code === 'InstanceTerminal' ||
    code === 'InstanceNotFailed' ||
    code === 'InvalidTransition'
  );
}

function saysNothing({ runtimeStatus = [], tags = {}, ...others }: InstanceFilter): boolean {
  const isGiven = (value: unknown): boolean => value !== undefined && value !== '';
  return runtimeStatus.length === 0 && Object.keys(tags).length === 0 && !Object.values(others).some(isGiven);
}

function invalid(message: string): DurableError {
  return new DurableError('InvalidArgument', message);
}
