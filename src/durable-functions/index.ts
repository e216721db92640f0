/**
 * `perdure/durable-functions`: the interface of the package `durable-functions` v3, so that a module written for it moves by
 * changing its imports. `app` is also there for what such a module takes from `@azure/functions`.
 */
import { isFunctionDefinition, type FunctionDefinition } from '../model/functions.ts';
import { isHttpTrigger, type HttpTriggerDefinition } from '../client/http-trigger.ts';
import { takeRegistrations } from './registrations.ts';

export * as app from './app.ts';
export type {
  ActivityHandler,
  ActivityOptions,
  EntityContext,
  EntityHandler,
  EntityOptions,
  ExceptionPropertiesProvider,
  OrchestrationOptions,
  RegisteredActivity,
  RegisteredOrchestration,
} from './app.ts';
export {
  DurableClient,
  EntityStateResponse,
  getClient,
  OrchestrationRuntimeStatus,
  type DurableOrchestrationStatus,
  type GetStatusOptions,
  type OrchestrationFilter,
  type PurgeHistoryResult,
  type StartNewOptions,
  type WaitForCompletionOptions,
} from './client.ts';
export type {
  HttpDurableClientHandler,
  HttpFunctionOptions,
  HttpHandler,
  HttpRequest,
  HttpResponseInit,
  HttpResult,
} from './http.ts';
export type { InvocationContext } from './invocation-context.ts';
export type { OrchestrationContext, OrchestrationHandler, RegisteredTask } from './orchestrator.ts';
export { TaskFailedError } from '../core/replay/task-failed-error.ts';
export type { HttpManagementPayload } from '../client/client.ts';
export {
  RetryOptions,
  type AnyTask as Task,
  type DurableOrchestrationContext,
  type FailureDetails,
} from '../model/durable-functions.ts';
export { ManagedIdentityTokenSource, type CallHttpOptions, type TokenSource } from '../model/durable-http.ts';
export type { DurableEntityContext } from '../model/entity-functions.ts';
export { EntityId } from '../model/entity-id.ts';
export { DurableError } from '../model/errors.ts';
export type { TimerTask } from '../model/functions.ts';

/** Triggers, for `app.generic`. */
export const trigger = {
  orchestration: () => ({ type: 'orchestrationTrigger' }) as const,
  activity: () => ({ type: 'activityTrigger' }) as const,
  entity: () => ({ type: 'entityTrigger' }) as const,
};

/** Inputs, for `extraInputs`. */
export const input = {
  durableClient: () => ({ type: 'durableClient' }) as const,
};

/**
 * What has been registered since the last call, for `createTaskHub({ functions })` and `createServer(hub, { triggers })`.
 * `perdure start` does this itself.
 */
export function takeRegistered(): {
  readonly functions: readonly FunctionDefinition[];
  readonly triggers: readonly HttpTriggerDefinition[];
} {
  const all = takeRegistrations();
  return { functions: all.filter(isFunctionDefinition), triggers: all.filter(isHttpTrigger) };
}
