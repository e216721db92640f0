/** The W3C context of a trace as text, on its way from whoever starts an instance to where its spans are made. */

/** `traceparent`, and after a blank `tracestate` if there is one. */
export type TraceContext = string;

/** The same with the execution that it began between the two: later ones of the instance have traces of their own. */
export type InstanceTrace = string;

const traceparentLength = 55;
/** What W3C asks to be passed on at least; longer ones are dropped, as it allows. */
const maxTraceStateLength = 512;
/** Version 00; all zeros mean nothing. */
const traceparentPattern = /^00-(?!0{32})[\da-f]{32}-(?!0{16})[\da-f]{16}-[\da-f]{2}$/;

/** @returns `undefined` for what is no context of version 00 */
export function toTraceContext(traceparent: string | undefined, tracestate?: string): TraceContext | undefined {
  if (traceparent === undefined || !traceparentPattern.test(traceparent)) return undefined;
  const isUsable = tracestate !== undefined && /^[ -~]+$/.test(tracestate) && tracestate.length <= maxTraceStateLength;
  return isUsable ? `${traceparent} ${tracestate}` : traceparent;
}

/** The context of the start of an execution. */
export function traceOfExecution(context: TraceContext, executionId: string): InstanceTrace {
  return `${context.slice(0, traceparentLength)} ${executionId}${context.slice(traceparentLength)}`;
}

/** The two parts of it. */
export function splitInstanceTrace(trace: InstanceTrace): {
  readonly traceparent: string;
  readonly executionId: string;
  readonly tracestate: string | undefined;
} {
  const [traceparent = '', executionId = '', ...tracestate] = trace.split(' ');
  return { traceparent, executionId, tracestate: tracestate.length === 0 ? undefined : tracestate.join(' ') };
}
