/** What a run of an orchestrator is of, what it gets, and how far it is. */
import type { EndingAction } from '../../model/actions.ts';
import type { Orchestrator } from '../../model/functions.ts';
import type { HistoryEvent } from '../../model/history.ts';
import type { Schema } from '../../model/schema.ts';
import type { ReplayProbe } from './explain.ts';
import type { LogWriter, ReplayContext } from './orchestration-context.ts';

/** What a run is of. */
export interface ReplayOptions {
  readonly instanceId: string;
  readonly orchestrator: Orchestrator<never, unknown>;
  /** What input and output must be. Default: anything. */
  readonly schemas?: { readonly input?: Schema; readonly output?: Schema };
  /** Gets the lines of `ctx.log`, without those of a replay. Default: nowhere. */
  readonly log?: LogWriter;
  /** Default 16 KiB of UTF-8 (decision 34). */
  readonly maxCustomStatusBytes?: number;
  /** Between two polls of `callHttp` when the server does not say it. Default 30,000. */
  readonly httpPollIntervalMs?: number;
  /** Of sub-orchestrations that are given none. Default: none. */
  readonly defaultVersion?: string;
  /** Made for a turn that is played again to explain why it failed. Default: only the context's calls are watched. */
  readonly probe?: () => ReplayProbe;
}

/** The events of one turn. */
export interface ReplayTurn {
  /** Committed before and not seen by this run. */
  readonly history: readonly HistoryEvent[];
  readonly newEvents: readonly HistoryEvent[];
}

/** How far a run is. */
export type RunState =
  | { readonly kind: 'waiting' }
  | { readonly kind: 'running'; readonly context: ReplayContext }
  /** The body has ended; no decision has said so yet. */
  | { readonly kind: 'completed'; readonly context: ReplayContext; readonly completion: EndingAction }
  /** The completion was handed over or found in history, or there is none. */
  | { readonly kind: 'ended'; readonly context: ReplayContext | undefined }
  | { readonly kind: 'disposed' };

const defaultMaxCustomStatusBytes = 16 * 1_024;
const defaultHttpPollIntervalMs = 30_000;

/** Those options that have defaults. */
export function settingsOf({ log, maxCustomStatusBytes, httpPollIntervalMs, defaultVersion }: ReplayOptions) {
  return {
    defaultVersion,
    log: log ?? (() => undefined),
    maxCustomStatusBytes: maxCustomStatusBytes ?? defaultMaxCustomStatusBytes,
    httpPollIntervalMs: httpPollIntervalMs ?? defaultHttpPollIntervalMs,
  };
}
