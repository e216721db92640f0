/**
 * The span of an execution before there is one. Its ids follow from the id of the execution, so that whoever runs an activity
 * of it, in whatever process and after whatever crash, knows the parent of the activity's span without asking.
 */
import { createHash } from 'node:crypto';
import type { Link, SpanContext } from '@opentelemetry/api';
import { splitInstanceTrace, type InstanceTrace } from '../model/trace-context.ts';
import { parseContext } from './contexts.ts';

/** An execution in its trace. */
export interface ExecutionSpan {
  readonly self: SpanContext;
  /** `undefined`: it is the root of a trace of its own. */
  readonly parent: SpanContext | undefined;
  readonly links: readonly Link[];
}

/** Of the first execution of an instance the parent is who started it; each that follows has a trace of its own. */
export function executionSpan(trace: InstanceTrace, executionId: string): ExecutionSpan {
  const { traceparent, executionId: first, tracestate } = splitInstanceTrace(trace);
  const parent = parseContext(traceparent, tracestate);
  const spanId = digest(`span ${executionId}`, 16);
  if (executionId === first) return { self: { ...parent, spanId }, parent, links: [] };
  const { traceState: _, ...plain } = parent;
  return {
    self: { ...plain, traceId: digest(`trace ${executionId}`, 32), spanId },
    parent: undefined,
    links: [{ context: parent }],
  };
}

function digest(text: string, digits: number): string {
  return createHash('sha256').update(text).digest('hex').slice(0, digits);
}
