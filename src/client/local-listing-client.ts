/** The verbs on many instances, on a store in reach of this process. */
import {
  tagsProblem,
  terminalStatuses,
  versionProblem,
  type FoundPage,
  type InstanceCounts,
  type InstanceFilter,
  type InstancePage,
} from '../model/instance.ts';
import { checkPage, refuse } from './arguments.ts';
import { LocalEntityClient } from './local-entity-client.ts';
import type { LocalClientParts } from './local-client-parts.ts';

interface Page {
  readonly limit?: number;
  readonly continuationToken?: string;
}

/** An id that no hub has: no hub, no row. */
const noHub = 0;

export class LocalListingClient extends LocalEntityClient {
  readonly #store: LocalClientParts['store'];

  constructor(taskHub: string, parts: LocalClientParts) {
    super(taskHub, parts);
    this.#store = parts.store;
  }

  async getStatusBy(filter: InstanceFilter, page: Page = {}): Promise<InstancePage> {
    const limit = checkPage(page.limit, 'instances');
    checkFilter(filter);
    // Also without a hub the token is checked.
    return this.#store.listInstances(await this.#hubId(), filter, pageOf(page, limit));
  }

  async countBy(filter: InstanceFilter, { signal }: { readonly signal?: AbortSignal } = {}): Promise<InstanceCounts> {
    checkFilter(filter);
    return this.#store.countInstances(await this.#hubId(), filter, signal);
  }

  /** For {@link actOnMany}. */
  protected async find(filter: InstanceFilter, page: Page & { readonly limit: number }): Promise<FoundPage> {
    checkFilter(filter);
    return this.#store.findOrchestrations(await this.#hubId(), filter, pageOf(page, page.limit));
  }

  async purgeInstanceHistoryBy(
    filter: InstanceFilter,
    { dryRun = false }: { readonly dryRun?: boolean } = {},
  ): Promise<{ readonly instancesDeleted: number; readonly instancesMatched?: number }> {
    checkFilter(filter);
    const hubId = await this.#hubId();
    if (!dryRun) return { instancesDeleted: await this.#store.purgeInstances(hubId, filter) };
    const wanted = filter.runtimeStatus ?? [];
    const runtimeStatus = terminalStatuses.filter((one) => wanted.length === 0 || wanted.includes(one));
    if (runtimeStatus.length === 0) return { instancesDeleted: 0, instancesMatched: 0 };
    const counts = await this.#store.countInstances(hubId, { ...filter, runtimeStatus });
    return { instancesDeleted: 0, instancesMatched: Object.values(counts).reduce((sum, count) => sum + count, 0) };
  }

  async #hubId(): Promise<number> {
    return (await this.#store.findHub(this.taskHub)) ?? noHub;
  }
}

function pageOf(
  { continuationToken }: Page,
  limit: number,
): { readonly limit: number; readonly continuationToken?: string } {
  return { limit, ...(continuationToken ? { continuationToken } : {}) };
}

/** @throws DurableError `InvalidArgument` for what no instance can have */
function checkFilter({ name, version, tags }: InstanceFilter): void {
  if (name !== undefined) {
    refuse(
      typeof name !== 'string' || name.length === 0 || name.length > 256 || name.includes('\0')
        ? 'The name of an orchestration is a text of 1 to 256 characters.'
        : null,
    );
  }
  if (version !== undefined) refuse(versionProblem(version));
  if (tags !== undefined) refuse(tagsProblem(tags));
}
