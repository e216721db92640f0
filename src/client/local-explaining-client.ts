/** Says why an instance does not move: gathers what is known of it, in a few looks; none of them is on the way of any turn. */
import { isEntityInstanceId } from '../model/entity-id.ts';
import type { AskedBy, Explanation, Obstacles } from '../model/explanation.ts';
import type { HistoryEvent } from '../model/history.ts';
import { isTerminal, type OrchestrationInstance, type RuntimeStatus } from '../model/instance.ts';
import { withoutRewound } from '../model/rewound-history.ts';
import { isImpossible } from './arguments.ts';
import { LocalListingClient } from './local-listing-client.ts';
import type { LocalClientParts } from './local-client-parts.ts';

/** Of sub-orchestrations and of entities: how many are looked at. */
const mostLookedAt = 10;

export class LocalExplainingClient extends LocalListingClient {
  readonly #parts: LocalClientParts;

  constructor(taskHub: string, parts: LocalClientParts) {
    super(taskHub, parts);
    this.#parts = parts;
  }

  async explain(instanceId: string): Promise<Explanation | undefined> {
    const { store, explainer } = this.#parts;
    const hubId = await store.findHub(this.taskHub);
    if (hubId === undefined || isImpossible(instanceId) || isEntityInstanceId(instanceId)) return undefined;
    const found = await this.#look(hubId, instanceId);
    if (found === undefined) return undefined;
    const { instance, obstacles } = found;
    const history = instance.history ?? [];
    const isLive = obstacles !== undefined;
    // While a turn of it runs, or brings workers down, its code is left alone.
    const isAtRest = isLive && obstacles.readySince === null && instance.runtimeStatus !== 'Pending';
    return explainer.explain({
      instance,
      obstacles,
      awaitedEvents: isAtRest ? await explainer.awaitedEvents?.(instance, history) : undefined,
      children: isLive ? await this.#children(hubId, history) : new Map(),
      lockHolders: isLive ? await this.#lockHolders(hubId, history) : new Map(),
      askedBy: await this.#askedBy(instance),
    });
  }

  /** Twice if it ends in between. */
  async #look(
    hubId: number,
    instanceId: string,
  ): Promise<{ readonly instance: OrchestrationInstance; readonly obstacles: Obstacles | undefined } | undefined> {
    const { store } = this.#parts;
    for (let again = true; ; again = false) {
      const stored = await store.getInstance(hubId, instanceId, { history: true });
      if (stored === undefined) return undefined;
      const instance = { ...stored, history: withoutRewound(stored.history ?? []) };
      if (isTerminal(instance.runtimeStatus)) return { instance, obstacles: undefined };
      const obstacles = await store.findObstacles(instance.key);
      if (obstacles !== undefined || !again) return { instance, obstacles };
    }
  }

  async #children(hubId: number, history: readonly HistoryEvent[]): Promise<ReadonlyMap<string, RuntimeStatus>> {
    const ended = new Set<number>();
    for (const event of history) if ('taskScheduledId' in event) ended.add(event.taskScheduledId);
    const open = history.flatMap((event) =>
      event.type === 'SubOrchestrationInstanceCreated' && !ended.has(event.eventId) ? [event.instanceId] : [],
    );
    const found = await Promise.all(
      open.slice(0, mostLookedAt).map(async (id) => [id, await this.#parts.store.getInstance(hubId, id)] as const),
    );
    return new Map(found.flatMap(([id, child]) => (child === undefined ? [] : [[id, child.runtimeStatus] as const])));
  }

  async #lockHolders(hubId: number, history: readonly HistoryEvent[]): Promise<ReadonlyMap<string, string | null>> {
    const named = new Set<string>();
    // The newest are likelier to be open.
    for (const event of history.toReversed()) {
      if (named.size >= mostLookedAt) break;
      if (event.type === 'EntityOperationCalled') named.add(event.instanceId);
      if (event.type === 'EntityLockRequested') for (const id of event.lockSet) named.add(id);
    }
    const look = { includeState: false };
    const found = await Promise.all(
      [...named].map(async (id) => [id, await this.#parts.store.getEntity(hubId, id, look)] as const),
    );
    return new Map(found.map(([id, entity]) => [id, entity?.lockedBy ?? null]));
  }

  async #askedBy({ instanceId, runtimeStatus }: OrchestrationInstance): Promise<AskedBy | undefined> {
    const action = runtimeStatus === 'Suspended' ? 'suspend' : runtimeStatus === 'Terminated' ? 'terminate' : undefined;
    if (action === undefined) return undefined;
    return await this.#parts.explainer.findWhoAsked?.({ taskHub: this.taskHub, instanceId, action });
  }
}
