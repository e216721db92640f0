/** The port through which clients tell of what they are asked for, so that it becomes spans of a trace. */
import type { TraceContext } from '../model/trace-context.ts';

/** A start as far as its trace goes. */
export interface TracedStart {
  readonly name: string;
  readonly version?: string;
  readonly traceContext?: TraceContext;
}

/** A signal to an entity. */
export interface TracedSignal {
  readonly entityId: string;
  readonly name: string;
  readonly operation: string;
  readonly traceContext: TraceContext | undefined;
}

/** Makes spans of what clients ask for. */
export interface ClientTracing {
  /** @param run starts an instance in the context that it gets. @returns what it returns: the instance's id */
  start<Start extends TracedStart>(start: Start, run: (start: Start) => Promise<string>): Promise<string>;
  raise<Result>(
    event: { readonly name: string; readonly instanceId: string },
    run: () => Promise<Result>,
  ): Promise<Result>;
  /** @param run sends it in the context that it gets, if there is one */
  signal(signal: TracedSignal, run: (traceContext: TraceContext | undefined) => Promise<void>): Promise<void>;
}
