/** Options of what an orchestration asks of its own kind. */
import type { RetryHandler, RetryPolicy } from './functions.ts';
import type { Tags } from './instance.ts';

/** Options of `callSubOrchestrator`. */
export interface CallSubOrchestratorOptions {
  /**
   * Default: an id of its own for each call and each try. An ended instance of this id is replaced; while a live one has
   * it, the call fails.
   */
  readonly instanceId?: string;
  readonly retry?: RetryPolicy | RetryHandler;
  readonly version?: string;
  /** Added to those of this orchestration, which every sub-orchestration inherits; the same name takes this value. */
  readonly tags?: Tags;
}

/** Options of `continueAsNew`. */
export interface ContinueAsNewOptions {
  /** Whether events that were raised and that nobody has taken go on to the next execution. Default `true`. */
  readonly preserveUnprocessedEvents?: boolean;
  /** The version of the next execution. Default: the version of this one. */
  readonly version?: string;
}
