import type { AuditNote } from '../model/access.ts';
import type { EntityClient } from './entity-client.ts';
import type { Explanation } from '../model/explanation.ts';
import type { EventDefinition } from '../model/events.ts';
import type { OrchestrationInstance, RuntimeStatus, Tags } from '../model/instance.ts';
import type { ListingClient } from './listing-client.ts';
import type { Once } from './once.ts';
import type { StatusEvents } from './status-events.ts';
import type { Duration, OrchestrationDefinition } from '../model/functions.ts';
import type { OrchestrationHistory } from '../model/orchestration-history.ts';
import type { TraceContext } from '../model/trace-context.ts';

/** An orchestration by definition (its input is then checked by the compiler) or by name. */
export type OrchestrationReference<Input> = OrchestrationDefinition<Input, unknown> | string;

export const existingPolicies = ['error', 'return', 'replace', 'terminate'] as const;

/**
 * What a start does when its id is taken; decided in the transaction that creates the instance.
 * - `'error'`: it is refused, whether the instance is live or has ended.
 * - `'return'`: nothing happens, the id of the instance that is there is returned.
 * - `'replace'` (the default): an ended instance is replaced, a live one refuses.
 * - `'terminate'`: a live one is replaced too. Nothing of it reaches the new one; its activities are told to stop.
 * - an object names the statuses that are replaced, and what happens in the others (default `'error'`). Whoever replaces
 *   a live status must replace `Terminated` as well.
 */
export type OnExisting =
  | (typeof existingPolicies)[number]
  | { readonly replace: readonly RuntimeStatus[]; readonly otherwise?: 'error' | 'return' };

/** What a start may say beside orchestration and input. */
export interface StartSettings {
  /** Default: 32 random hex digits. */
  readonly instanceId?: string;
  /** Visible to the orchestrator and in the status; says which body runs. At most 100 characters. */
  readonly version?: string;
  /** Texts by name, shown in the status. At most 8,000 characters of JSON. */
  readonly tags?: Tags;
  /** Do not run before this time, or before this duration has passed. Default, and for a time in the past: at once. */
  readonly startAt?: Date | Duration;
  /** When the id is taken. Default `'replace'`: an ended instance is replaced, a live one refuses. */
  readonly onExisting?: OnExisting;
  /**
   * A URL that is told, signed, when the instance has ended; tried for a day. An instance that is there already (`onExisting:
   * 'return'`) and one that is purged before tell nobody. Needs a secret (`createTaskHub({ webhookSecret })`).
   */
  readonly completionWebhook?: string;
}

/** The payload, which may be left out when its type allows `undefined` or is unknown. */
export type EventArguments<Payload> = undefined extends Payload ? [data?: Payload] : [data: Payload];

/** Options of {@link DurableClient.startNew}. */
export interface StartOptions<Input = unknown> extends StartSettings {
  /** Any value that JSON can hold; `undefined` means no input. */
  readonly input?: Input;
}

/** A start whose input is JSON text already. */
export interface TextStart extends StartSettings {
  readonly name: string;
  /** JSON text, or `undefined` for no input; the caller has checked that it is JSON. */
  readonly input?: string;
  /** Of who asks for it: W3C `traceparent`, and after a blank `tracestate`. Default: what is active here. */
  readonly traceContext?: TraceContext;
}

/** Options that must name the input, unless its type allows `undefined` or is unknown. */
export type StartArguments<Input> = undefined extends Input
  ? [options?: StartOptions<Input>]
  : [options: StartOptions<Input> & { readonly input: Input }];

/** Options of {@link DurableClient.waitForCompletion}. */
export interface WaitOptions {
  /** Milliseconds. Default 10,000. */
  readonly timeoutMs?: number;
  /** Stops waiting; the orchestration goes on. */
  readonly signal?: AbortSignal;
}

/** Options of {@link DurableClient.getStatus}. */
export interface GetStatusOptions {
  /** Also read the history of the current execution. Default `false`. */
  readonly showHistory?: boolean;
}

/** The URLs that manage one instance (`HttpManagementPayload` of Durable Functions). */
export interface HttpManagementPayload {
  readonly id: string;
  readonly statusQueryGetUri: string;
  readonly sendEventPostUri: string;
  readonly terminatePostUri: string;
  readonly rewindPostUri: string;
  readonly purgeHistoryDeleteUri: string;
  readonly restartPostUri: string;
  readonly suspendPostUri: string;
  readonly resumePostUri: string;
}

/**
 * The verbs on orchestration instances and entities, after `DurableClient` of Durable Functions. One client speaks for one task hub.
 * Every method throws a `DurableError` with a code for what a caller can act on.
 */
export interface OrchestrationClient extends EntityClient, ListingClient {
  readonly taskHub: string;

  /**
   * Starts an orchestration; when this resolves it is stored. An ended instance of the same id is replaced, unless
   * {@link StartSettings.onExisting} says otherwise.
   * @returns the instance id
   * @throws DurableError `InvalidArgument` (id, input, tags, version, time), `OrchestratorNotRegistered` when live workers
   *   are known and none lists the name, `InstanceAlreadyExists` when an instance has the id that must not be replaced,
   *   `PayloadTooLarge`
   */
  startNew<Input>(
    orchestration: OrchestrationReference<Input>,
    ...options: StartArguments<NoInfer<Input>>
  ): Promise<string>;

  /** The same for input that is JSON text already: it is stored as it is. */
  startNewText(start: TextStart): Promise<string>;

  /** @returns the instance, or `undefined` when the hub has none of that id */
  getStatus(instanceId: string, options?: GetStatusOptions): Promise<OrchestrationInstance | undefined>;

  /**
   * The history of the current execution with everything that a replay needs: write it to a file as JSON, and
   * `assertReplays` of `perdure/testing` tells whether other code still agrees with it.
   * @returns `undefined` when the hub has no instance of that id
   */
  getHistory(instanceId: string): Promise<OrchestrationHistory | undefined>;

  /**
   * Says what an instance waits for or why it does not move, since when, and what would move it. Looks at its history, its
   * workers, queue and locks; which event it waits for only a process that has its code can tell.
   * @returns `undefined` when the hub has no orchestration of that id
   */
  explain(instanceId: string): Promise<Explanation | undefined>;

  /**
   * Sends an event. It is kept until the orchestrator waits for it.
   * @throws DurableError `InstanceNotFound`, `InstanceTerminal`, `InvalidArgument`, `PayloadTooLarge`
   */
  raiseEvent<Payload>(
    instanceId: string,
    event: EventDefinition<Payload, unknown>,
    ...data: EventArguments<NoInfer<Payload>>
  ): Promise<void>;
  raiseEvent(instanceId: string, eventName: string, data?: unknown): Promise<void>;

  /** The same for JSON text. */
  raiseEventText(instanceId: string, eventName: string, data: string | undefined): Promise<void>;

  /**
   * Asks for the end of an instance; its output becomes the reason.
   * @param options.recursive whether its live sub-orchestrations end too, and theirs; they do so one after the other, each
   *   when its parent has. Default `false`: they go on, and nobody hears how they end
   * @throws DurableError `InstanceNotFound`, `InstanceTerminal`
   */
  terminate(instanceId: string, reason?: string, options?: { readonly recursive?: boolean }): Promise<void>;

  /** @throws DurableError `InstanceNotFound`, `InstanceTerminal`, `InvalidTransition` when suspended already */
  suspend(instanceId: string, reason?: string): Promise<void>;

  /** @throws DurableError `InstanceNotFound`, `InstanceTerminal`, `InvalidTransition` when not suspended */
  resume(instanceId: string, reason?: string): Promise<void>;

  /**
   * Puts a failed instance back to work: the calls whose failures ended it run again, what had succeeded does not. When only
   * its code failed, the code goes on from there. May be repeated.
   * @throws DurableError `InstanceNotFound`, `InstanceNotFailed` in any other status
   */
  rewind(instanceId: string, reason?: string): Promise<void>;

  /**
   * Starts the same orchestrator with the same input, version and tags again.
   * @param options.restartWithNewInstanceId default `true`; `false` replaces the ended instance under its own id
   * @returns the instance id that runs
   * @throws DurableError `InstanceNotFound`, `InstanceAlreadyExists` (same id and live)
   */
  restart(instanceId: string, options?: { readonly restartWithNewInstanceId?: boolean }): Promise<string>;

  /**
   * Removes an ended instance with everything it left.
   * @param options.recursive whether all its sub-orchestrations are removed with it, if all have ended. Default `false`:
   *   they stay
   * @returns how many were removed; 0 when there is none of that id
   * @throws DurableError `InstanceNotTerminal`: then nothing was removed
   */
  purgeInstanceHistory(
    instanceId: string,
    options?: { readonly recursive?: boolean },
  ): Promise<{ readonly instancesDeleted: number }>;

  /**
   * Waits for the end of an instance.
   * @returns the instance as it is when it has ended or the time is up; `undefined` when there is none of that id
   */
  waitForCompletion(instanceId: string, options?: WaitOptions): Promise<OrchestrationInstance | undefined>;
}

/** The request that an HTTP trigger answers: the standard `Request`, with the values of its route's parameters. */
export interface HttpTriggerRequest extends Request {
  readonly params: Readonly<Record<string, string>>;
  readonly query: URLSearchParams;
}

/** Options of {@link DurableClient.createSignedManagementPayload}. */
export interface SignedLinkOptions {
  /** From 1,000 to a year. Default: what the service was started with, 7 days if nothing was said. */
  readonly expiresInMilliseconds?: number;
  /** Makes `sendEventPostUri` good for this event only, and complete. */
  readonly eventName?: string;
}

/** The client that HTTP triggers get: the verbs, and answers with check-status URLs. */
export interface DurableClient extends OrchestrationClient {
  /** 202 with the management URLs, `Location` and `Retry-After`, as a start over HTTP answers. */
  createCheckStatusResponse(request: Request | undefined, instanceId: string): Response;
  createHttpManagementPayload(instanceId: string, request?: Request): HttpManagementPayload;
  /**
   * The same URLs with tokens instead of a key, to be handed to somebody who has none: each is good for its operation on
   * this instance until it expires. The purge URL only reads.
   * @throws DurableError `InvalidArgument` for an expiry that cannot be
   */
  createSignedManagementPayload(instanceId: string, options?: SignedLinkOptions): Promise<HttpManagementPayload>;
  /**
   * Waits, then answers: 200 with the output when completed, 200 with the status when terminated, 500 with the status
   * when failed, else 202 as {@link createCheckStatusResponse}.
   * @param options.timeoutInMilliseconds default 10,000
   */
  waitForCompletionOrCreateCheckStatusResponse(
    request: Request,
    instanceId: string,
    options?: { readonly timeoutInMilliseconds?: number },
  ): Promise<Response>;
}

/** The end of an instance that a worker of this process has just committed; what else there is to know was not looked up. */
export interface CompletedHere {
  readonly runtimeStatus: 'Completed';
  /** JSON text; `null` for none. */
  readonly output: string | null;
}

/** What a client in the process of its workers can do beside. */
export interface LocalOrchestrationClient extends OrchestrationClient {
  /** As `waitForCompletion`, for callers that want nothing but the output of what completes: that needs no look. */
  waitForOutput(instanceId: string, options?: WaitOptions): Promise<OrchestrationInstance | CompletedHere | undefined>;
}

/** Opens clients for the task hubs of one store; the HTTP front serves any hub that a request names. */
export interface ClientSource {
  readonly defaultTaskHub: string;
  /**
   * Never fails: an unknown hub has no instances, and comes into being with its first start.
   * @param audit for a client that is to do one thing: recorded together with what it does, where that can be
   */
  open(taskHub: string, audit?: AuditNote): LocalOrchestrationClient;
  /** For callers that name their calls and may repeat them. Absent: this source cannot remember any. */
  readonly once?: Once;
  /** What happens to instances, as it happens. Absent: this source does not tell. */
  readonly events?: StatusEvents;
  /** @throws DurableError `StoreUnavailable` when the database cannot be reached or is not migrated */
  ping(): Promise<void>;
}
