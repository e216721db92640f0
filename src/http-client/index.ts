/** `perdure/client`: the verbs of a task hub's client, for programs that reach it over HTTP only. */
import type { HttpClient } from './http-client.ts';
import { FetchClient } from './http-client.ts';
import { type HttpClientOptions, Transport } from './transport.ts';

/**
 * Makes a client of a running service. Nothing is sent before its first verb; there is nothing to close.
 * @throws DurableError `InvalidArgument` for a URL or a number that cannot be
 */
export function createHttpClient(options: HttpClientOptions): HttpClient {
  return new FetchClient(new Transport(options));
}

export type { HttpClient } from './http-client.ts';
export type { Fetch, HttpClientOptions } from './transport.ts';
export type {
  EventArguments,
  GetStatusOptions,
  HttpManagementPayload,
  OnExisting,
  OrchestrationClient,
  OrchestrationReference,
  StartArguments,
  StartOptions,
  StartSettings,
  WaitOptions,
} from '../client/client.ts';
export type { BulkOperation, BulkOptions, BulkOutcome } from '../client/listing-client.ts';
export type { EntityClient, EntityStateResponse } from '../client/entity-client.ts';
export { EntityId } from '../model/entity-id.ts';
export type { CleanedEntities, EntityFilter, EntityMetadata, EntityPage } from '../model/entity-work.ts';
export { DurableError, type DurableErrorCode } from '../model/errors.ts';
export { defineEvent, type EventDefinition } from '../model/events.ts';
export type { Explanation, Reason, ReasonKind, Suggestion } from '../model/explanation.ts';
export type { Failure } from '../model/failure.ts';
export type { HistoryEvent } from '../model/history.ts';
export type {
  InstanceCounts,
  InstanceFilter,
  InstancePage,
  OrchestrationInstance,
  RuntimeStatus,
  Tags,
} from '../model/instance.ts';
export type { OrchestrationHistory } from '../model/orchestration-history.ts';
