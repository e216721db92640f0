/** The client that HTTP triggers get: that of the default task hub, and answers with links. */
import type { EventDefinition } from '../../model/events.ts';
import type {
  DurableClient,
  GetStatusOptions,
  HttpManagementPayload,
  LocalOrchestrationClient,
  OrchestrationClient,
  OrchestrationReference,
  SignedLinkOptions,
  StartArguments,
  TextStart,
  WaitOptions,
} from '../../client/client.ts';
import type { BulkOperation, BulkOptions, BulkOutcome } from '../../client/listing-client.ts';
import { DurableError } from '../../model/errors.ts';
import type { Explanation } from '../../model/explanation.ts';
import type { OrchestrationHistory } from '../../model/orchestration-history.ts';
import type { InstanceCounts, InstanceFilter, InstancePage, OrchestrationInstance } from '../../model/instance.ts';
import { type LinkSigner, signFunction } from '../link-signer.ts';
import { checkStatusText, type LinkScope, managementPayload, statusUri } from '../links.ts';
import { hasEnded, presentOutput, presentStatus } from '../present.ts';
import { ForwardedEntityClient } from './forwarded-entity-client.ts';
import { textResponse } from './trigger-response.ts';

/** What the links of a trigger's answers are made of. */
export interface TriggerLinks {
  /** Scope for the request that the trigger answers. */
  readonly scope: LinkScope;
  /** The request itself; another one, given by user code, lends its own origin instead. */
  readonly request: Request;
  /** Whether a configured public URL stands above every request's own. */
  readonly hasPublicUrl: boolean;
  /** Signs links that user code asks for. */
  readonly signer: LinkSigner;
}

const defaultTimeoutMs = 10_000;
const shown = { input: true, history: false, historyOutput: false };

export class TriggerClient extends ForwardedEntityClient implements DurableClient {
  readonly taskHub: string;
  readonly #client: LocalOrchestrationClient;
  readonly #links: TriggerLinks;

  constructor(client: LocalOrchestrationClient, links: TriggerLinks) {
    super(client);
    this.taskHub = client.taskHub;
    this.#client = client;
    this.#links = links;
  }

  createCheckStatusResponse(request: Request | undefined, instanceId: string): Response {
    const scope = this.#scope(request);
    const headers = { location: statusUri(scope, instanceId), 'retry-after': '10' };
    return textResponse(202, checkStatusText(scope, instanceId), headers);
  }

  createHttpManagementPayload(instanceId: string, request?: Request): HttpManagementPayload {
    return managementPayload(this.#scope(request), instanceId);
  }

  async createSignedManagementPayload(
    instanceId: string,
    options: SignedLinkOptions = {},
  ): Promise<HttpManagementPayload> {
    const { expiresInMilliseconds, eventName } = options;
    const signing = await this.#links.signer.signFor(expiresInMilliseconds);
    const named = eventName === undefined ? {} : { eventName };
    const sign = signFunction(signing, { taskHub: this.taskHub, caller: undefined, ...named });
    return managementPayload({ ...this.#scope(undefined), sign }, instanceId, eventName);
  }

  /** A failed instance answers 500, unlike a start that waits on the server: that is how the SDKs do it. */
  async waitForCompletionOrCreateCheckStatusResponse(
    request: Request,
    instanceId: string,
    options?: { readonly timeoutInMilliseconds?: number },
  ): Promise<Response> {
    const timeoutMs = options?.timeoutInMilliseconds ?? defaultTimeoutMs;
    const instance = await this.#client.waitForOutput(instanceId, { timeoutMs, signal: request.signal });
    if (instance === undefined) {
      throw new DurableError('InstanceNotFound', `No instance with ID '${instanceId}' found.`);
    }
    if (!hasEnded(instance)) return this.createCheckStatusResponse(request, instanceId);
    if (instance.runtimeStatus === 'Completed') return textResponse(200, presentOutput(instance));
    return textResponse(instance.runtimeStatus === 'Failed' ? 500 : 200, presentStatus(instance, shown));
  }

  #scope(request: Request | undefined): LinkScope {
    const { scope, hasPublicUrl } = this.#links;
    if (request === undefined || request === this.#links.request || hasPublicUrl) return scope;
    return { ...scope, base: new URL(request.url).origin };
  }

  startNew<Input>(
    orchestration: OrchestrationReference<Input>,
    ...options: StartArguments<NoInfer<Input>>
  ): Promise<string> {
    return this.#client.startNew(orchestration, ...options);
  }

  startNewText(start: TextStart): Promise<string> {
    return this.#client.startNewText(start);
  }

  getStatus(instanceId: string, options?: GetStatusOptions): Promise<OrchestrationInstance | undefined> {
    return this.#client.getStatus(instanceId, options);
  }

  explain(instanceId: string): Promise<Explanation | undefined> {
    return this.#client.explain(instanceId);
  }

  getHistory(instanceId: string): Promise<OrchestrationHistory | undefined> {
    return this.#client.getHistory(instanceId);
  }

  getStatusBy(
    filter: InstanceFilter,
    page?: { readonly limit?: number; readonly continuationToken?: string },
  ): Promise<InstancePage> {
    return this.#client.getStatusBy(filter, page);
  }

  countBy(filter: InstanceFilter, options?: { readonly signal?: AbortSignal }): Promise<InstanceCounts> {
    return this.#client.countBy(filter, options);
  }

  bulk(operation: BulkOperation, filter: InstanceFilter, options?: BulkOptions): Promise<BulkOutcome> {
    return this.#client.bulk(operation, filter, options);
  }

  raiseEvent(instanceId: string, event: EventDefinition<unknown, unknown> | string, data?: unknown): Promise<void> {
    return typeof event === 'string'
      ? this.#client.raiseEvent(instanceId, event, data)
      : this.#client.raiseEvent(instanceId, event, data);
  }

  raiseEventText(instanceId: string, eventName: string, data: string | undefined): Promise<void> {
    return this.#client.raiseEventText(instanceId, eventName, data);
  }

  terminate(instanceId: string, reason?: string, options?: { readonly recursive?: boolean }): Promise<void> {
    return this.#client.terminate(instanceId, reason, options);
  }

  suspend(instanceId: string, reason?: string): Promise<void> {
    return this.#client.suspend(instanceId, reason);
  }

  resume(instanceId: string, reason?: string): Promise<void> {
    return this.#client.resume(instanceId, reason);
  }

  rewind(instanceId: string, reason?: string): Promise<void> {
    return this.#client.rewind(instanceId, reason);
  }

  restart(instanceId: string, options?: { readonly restartWithNewInstanceId?: boolean }): Promise<string> {
    return this.#client.restart(instanceId, options);
  }

  purgeInstanceHistory(
    instanceId: string,
    options?: { readonly recursive?: boolean },
  ): Promise<{ readonly instancesDeleted: number }> {
    return this.#client.purgeInstanceHistory(instanceId, options);
  }

  purgeInstanceHistoryBy(
    filter: InstanceFilter,
    options?: { readonly dryRun?: boolean },
  ): ReturnType<OrchestrationClient['purgeInstanceHistoryBy']> {
    return this.#client.purgeInstanceHistoryBy(filter, options);
  }

  waitForCompletion(instanceId: string, options?: WaitOptions): Promise<OrchestrationInstance | undefined> {
    return this.#client.waitForCompletion(instanceId, options);
  }
}
