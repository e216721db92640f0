/** The client of `durable-functions`, on top of ours. */
import type { DurableClient as NativeClient, HttpManagementPayload } from '../client/client.ts';
import { presentHistory } from '../http/present-history.ts';
import { presentOutput } from '../http/present.ts';
import type { EntityId } from '../model/entity-id.ts';
import { DurableError } from '../model/errors.ts';
import type { InstanceFilter, OrchestrationInstance, RuntimeStatus } from '../model/instance.ts';
import type { InvocationContext } from './invocation-context.ts';

const pageSize = 1_000;

/** The statuses by name. */
export const OrchestrationRuntimeStatus = {
  Running: 'Running',
  Completed: 'Completed',
  ContinuedAsNew: 'ContinuedAsNew',
  Failed: 'Failed',
  Canceled: 'Canceled',
  Terminated: 'Terminated',
  Pending: 'Pending',
  Suspended: 'Suspended',
} as const;
export type OrchestrationRuntimeStatus = (typeof OrchestrationRuntimeStatus)[keyof typeof OrchestrationRuntimeStatus];

export interface StartNewOptions {
  readonly instanceId?: string;
  readonly input?: unknown;
  readonly version?: string;
}

export interface GetStatusOptions {
  readonly showHistory?: boolean;
  readonly showHistoryOutput?: boolean;
  /** Default `true`. */
  readonly showInput?: boolean;
}

export interface OrchestrationFilter {
  readonly createdTimeFrom?: Date;
  readonly createdTimeTo?: Date;
  readonly runtimeStatus?: readonly OrchestrationRuntimeStatus[];
}

export interface WaitForCompletionOptions {
  /** Default 10,000. */
  readonly timeoutInMilliseconds?: number;
  /** Default 1,000. It is not needed here (the end is heard of at once), but must not be longer than the time-out. */
  readonly retryIntervalInMilliseconds?: number;
}

/** An instance as v3 shows it. */
export interface DurableOrchestrationStatus {
  readonly name: string;
  readonly instanceId: string;
  readonly createdTime: Date;
  readonly lastUpdatedTime: Date;
  readonly input: unknown;
  readonly output: unknown;
  readonly runtimeStatus: OrchestrationRuntimeStatus;
  readonly customStatus?: unknown;
  readonly history?: readonly unknown[];
}

export interface PurgeHistoryResult {
  readonly instancesDeleted: number;
}

export class EntityStateResponse<T> {
  readonly entityExists: boolean;
  readonly entityState?: T;

  constructor(entityExists: boolean, entityState?: T) {
    this.entityExists = entityExists;
    if (entityState !== undefined) this.entityState = entityState;
  }
}

export class DurableClient {
  readonly #client: NativeClient;

  constructor(client: NativeClient) {
    this.#client = client;
  }

  get taskHubName(): string {
    return this.#client.taskHub;
  }

  /** @throws Error for a name that is none; DurableError as `startNew` of this package */
  async startNew(orchestratorFunctionName: string, options: StartNewOptions = {}): Promise<string> {
    if (typeof orchestratorFunctionName !== 'string' || orchestratorFunctionName === '') {
      throw new Error('startNew: orchestratorFunctionName must be a text that is not empty.');
    }
    return this.#client.startNew(orchestratorFunctionName, options);
  }

  /** @throws DurableError `InstanceNotFound` */
  async getStatus(instanceId: string, options: GetStatusOptions = {}): Promise<DurableOrchestrationStatus> {
    const instance = await this.#client.getStatus(instanceId, { showHistory: options.showHistory ?? false });
    if (instance === undefined) {
      throw new DurableError('InstanceNotFound', `No instance with ID '${instanceId}' found.`);
    }
    return toStatus(instance, options);
  }

  getStatusAll(): Promise<DurableOrchestrationStatus[]> {
    return this.getStatusBy({});
  }

  /** All that match, over however many pages. */
  async getStatusBy(filter: OrchestrationFilter): Promise<DurableOrchestrationStatus[]> {
    const found: DurableOrchestrationStatus[] = [];
    let continuationToken: string | undefined;
    do {
      const page = await this.#client.getStatusBy(toFilter(filter), {
        limit: pageSize,
        ...(continuationToken === undefined ? {} : { continuationToken }),
      });
      found.push(...page.instances.map((instance) => toStatus(instance, {})));
      continuationToken = page.continuationToken;
    } while (continuationToken !== undefined);
    return found;
  }

  /** An instance that has ended takes no events: that is no error here. @throws DurableError `InstanceNotFound` */
  async raiseEvent(instanceId: string, eventName: string, eventData?: unknown): Promise<void> {
    await unlessEnded(this.#client.raiseEvent(instanceId, eventName, eventData));
  }

  async terminate(instanceId: string, reason?: string): Promise<void> {
    await unlessEnded(this.#client.terminate(instanceId, reason));
  }

  async suspend(instanceId: string, reason?: string): Promise<void> {
    await unlessEnded(this.#client.suspend(instanceId, reason));
  }

  async resume(instanceId: string, reason?: string): Promise<void> {
    await unlessEnded(this.#client.resume(instanceId, reason));
  }

  /** Lets a failed instance go on from where it failed. @throws DurableError `InstanceNotFound`, `InstanceNotFailed` */
  rewind(instanceId: string, reason?: string): Promise<void> {
    return this.#client.rewind(instanceId, reason);
  }

  purgeInstanceHistory(instanceId: string): Promise<PurgeHistoryResult> {
    return this.#client.purgeInstanceHistory(instanceId);
  }

  purgeInstanceHistoryBy(filter: OrchestrationFilter): Promise<PurgeHistoryResult> {
    return this.#client.purgeInstanceHistoryBy(toFilter(filter));
  }

  async signalEntity(entityId: EntityId, operationName = '', operationContent?: unknown): Promise<void> {
    await this.#client.signalEntity(entityId, operationName, operationContent);
  }

  async readEntityState<T>(entityId: EntityId): Promise<EntityStateResponse<T>> {
    const { entityExists, entityState } = await this.#client.readEntityState(entityId);
    return entityExists ? new EntityStateResponse<T>(true, entityState as T) : new EntityStateResponse<T>(false);
  }

  createCheckStatusResponse(request: Request | undefined, instanceId: string): Response {
    return this.#client.createCheckStatusResponse(request, instanceId);
  }

  createHttpManagementPayload(instanceId: string): HttpManagementPayload {
    return this.#client.createHttpManagementPayload(instanceId);
  }

  /** @throws Error when the interval is longer than the time-out */
  async waitForCompletionOrCreateCheckStatusResponse(
    request: Request,
    instanceId: string,
    { timeoutInMilliseconds = 10_000, retryIntervalInMilliseconds = 1_000 }: WaitForCompletionOptions = {},
  ): Promise<Response> {
    if (retryIntervalInMilliseconds > timeoutInMilliseconds) {
      throw new Error(
        `The time-out (${timeoutInMilliseconds} ms) must not be shorter than the interval (${retryIntervalInMilliseconds} ms).`,
      );
    }
    return this.#client.waitForCompletionOrCreateCheckStatusResponse(request, instanceId, { timeoutInMilliseconds });
  }
}

const clients = new WeakMap<object, DurableClient>();

/** Lets {@link getClient} find the client of an invocation. */
export function rememberClient(context: InvocationContext, client: DurableClient): void {
  clients.set(context, client);
}

/**
 * The client for the invocation of a function.
 * @throws Error for a context that is not that of a running HTTP function
 */
export function getClient(context: InvocationContext): DurableClient {
  const client = clients.get(context);
  if (client !== undefined) return client;
  throw new Error('getClient(context): the context must be the one that app.http(…) gave to the handler.');
}

async function unlessEnded(call: Promise<void>): Promise<void> {
  try {
    await call;
  } catch (error) {
    if (!(error instanceof DurableError && error.code === 'InstanceTerminal')) throw error;
  }
}

function toFilter({ createdTimeFrom, createdTimeTo, runtimeStatus }: OrchestrationFilter): InstanceFilter {
  for (const [name, date] of Object.entries({ createdTimeFrom, createdTimeTo })) {
    if (date !== undefined && !(date instanceof Date && !Number.isNaN(date.getTime()))) {
      throw new Error(`${name} must be a valid Date.`);
    }
  }
  return {
    ...(createdTimeFrom === undefined ? {} : { createdFrom: createdTimeFrom }),
    ...(createdTimeTo === undefined ? {} : { createdTo: createdTimeTo }),
    // Nobody sees an instance as it continues as new.
    ...(runtimeStatus === undefined ? {} : { runtimeStatus: runtimeStatus.filter(isVisible) }),
  };
}

function isVisible(status: OrchestrationRuntimeStatus): status is RuntimeStatus {
  return status !== 'ContinuedAsNew';
}

function toStatus(instance: OrchestrationInstance, options: GetStatusOptions): DurableOrchestrationStatus {
  const { name, instanceId, createdAt, lastUpdatedAt, runtimeStatus, history } = instance;
  return {
    name,
    instanceId,
    createdTime: createdAt,
    lastUpdatedTime: lastUpdatedAt,
    input: options.showInput === false || instance.input === null ? null : JSON.parse(instance.input),
    output: JSON.parse(presentOutput(instance)) as unknown,
    runtimeStatus,
    customStatus: instance.customStatus === null ? null : JSON.parse(instance.customStatus),
    ...(history === undefined
      ? {}
      : {
          history: JSON.parse(
            presentHistory(history, {
              input: options.showInput !== false,
              historyOutput: options.showHistoryOutput === true,
            }),
          ) as unknown[],
        }),
  };
}
