/** The library's surface. */
export { createTaskHub, type TaskHub, type TaskHubOptions } from './task-hub.ts';
export {
  activity,
  orchestration,
  type ActivityContext,
  type ActivityDefinition,
  type ActivityHandler,
  type ActivityOptions,
  type CallableLog,
  type Duration,
  type HeldLock,
  type FunctionDefinition,
  type OrchestrationContext,
  type OrchestrationDefinition,
  type OrchestrationOptions,
  type Orchestrator,
  type ReplaySafeLog,
  type Task,
  type TimerTask,
} from './model/functions.ts';
export type {
  CallActivityOptions,
  RetryContext,
  RetryDecision,
  RetryHandler,
  RetryPolicy,
} from './model/call-options.ts';
export {
  ManagedIdentityTokenSource,
  tokenProvider,
  type CallHttpOptions,
  type DurableHttpResponse,
  type GetToken,
  type HttpRetryOptions,
  type TokenProviderDefinition,
  type TokenSource,
} from './model/durable-http.ts';
export type { DurableHttpSettings } from './worker/in-process/built-in/durable-http.ts';
export {
  http,
  type HttpTriggerDefinition,
  type HttpTriggerHandler,
  type HttpTriggerOptions,
} from './client/http-trigger.ts';
export type { Access, CreateKeyOptions } from './client/access.ts';
export {
  entity,
  type DurableEntityContext,
  type EntityContext,
  type EntityDefinition,
  type EntityFunctionContext,
  type SignalOptions,
  type StartFromEntityOptions,
} from './model/entity-functions.ts';
export { EntityId } from './model/entity-id.ts';
export type { CleanedEntities, EntityFilter, EntityMetadata, EntityPage } from './model/entity-work.ts';
export type {
  CleanEntityStorageOptions,
  EntityClient,
  EntityStateResponse,
  TextSignal,
} from './client/entity-client.ts';
export type {
  ClientSource,
  DurableClient,
  HttpManagementPayload,
  HttpTriggerRequest,
  OnExisting,
  OrchestrationClient,
  OrchestrationReference,
  SignedLinkOptions,
  StartOptions,
  StartSettings,
  WaitOptions,
} from './client/client.ts';
export { EntityOperationFailedError } from './core/replay/entity-operation-failed-error.ts';
export type { BulkOperation, BulkOptions, BulkOutcome, ListingClient } from './client/listing-client.ts';
export { TaskFailedError } from './core/replay/task-failed-error.ts';
export type { AccessKey, AuditEntry, AuditFilter, AuditPage, AuditRecord, Origin, Scope } from './model/access.ts';
export { DurableError, type DurableErrorCode } from './model/errors.ts';
export { defineEvent, type EventDefinition } from './model/events.ts';
export { SchemaError, type SchemaIssue } from './model/schema.ts';
export type { Explanation, Reason, ReasonKind, Suggestion } from './model/explanation.ts';
export { NonRetriableError, type Failure } from './model/failure.ts';
export type { HistoryEvent } from './model/history.ts';
export type { OrchestrationHistory } from './model/orchestration-history.ts';
export { RetryOptions, type DurableOrchestrationContext, type FailureDetails } from './model/durable-functions.ts';
export type {
  InstanceCounts,
  InstanceFilter,
  InstancePage,
  OrchestrationInstance,
  RuntimeStatus,
  Tags,
} from './model/instance.ts';
export { SpanIds } from './tracing/span-ids.ts';
export type { HubMetrics } from './metrics/hub-metrics.ts';
export type { RetentionAge, RetentionOptions } from './model/retention.ts';
export type { RetentionCounters, RetentionView } from './retention/retention.ts';
export { createServer, type ServerOptions } from './http/server.ts';
