/**
 * Spans of what a worker does. That of an execution is made once, when its end is committed, with the time of its first turn;
 * so replays make none. What belongs to no trace is passed through as it is.
 */
import {
  ROOT_CONTEXT,
  SpanKind,
  SpanStatusCode,
  trace,
  type Context,
  type SpanContext,
  type Tracer,
} from '@opentelemetry/api';
import type { ClosedTurn } from '../core/state/close-turn.ts';
import { traceOfExecution } from '../model/trace-context.ts';
import type { OwnedInstance, TurnCommit } from '../model/work.ts';
import type { LiveInstance } from '../worker/live-instances.ts';
import type { TurnTracing } from '../worker/turn-tracing.ts';
import { formatContext } from './contexts.ts';
import { executionSpan, type ExecutionSpan } from './execution-span.ts';
import { attribute, spanName, tracerName } from './names.ts';
import type { SpanIds } from './span-ids.ts';

export class WorkerSpans implements TurnTracing {
  readonly #tracer: Tracer = trace.getTracer(tracerName);
  readonly #spanIds: SpanIds | undefined;

  /** @param spanIds what the tracer provider takes its ids from; without it spans hang on who started the instance */
  constructor(spanIds: SpanIds | undefined) {
    this.#spanIds = spanIds;
  }

  carryOn({ trace: own, executionId }: OwnedInstance, closed: ClosedTurn): ClosedTurn {
    const { children, entityMessages } = closed.commit;
    if (own === undefined || (children.length === 0 && entityMessages === undefined)) return closed;
    const traceContext = formatContext(this.#above(executionSpan(own, executionId)));
    return {
      ...closed,
      commit: {
        ...closed.commit,
        children: children.map((child) => ({
          ...child,
          trace: traceOfExecution(traceContext, child.start.executionId),
        })),
        ...(entityMessages === undefined
          ? {}
          : {
              entityMessages: entityMessages.map((message) =>
                'operation' in message.event ? { ...message, event: { ...message.event, traceContext } } : message,
              ),
            }),
      },
    };
  }

  committed(live: LiveInstance, commit: TurnCommit, clock: { now(): number }): void {
    const { trace: own, executionId } = live.instance;
    if (own === undefined) return;
    const span = executionSpan(own, executionId);
    for (const event of commit.events) {
      if (event.type === 'TimerCreated') (live.timersSince ??= new Map()).set(event.eventId, event.timestamp);
      else if (event.type === 'TimerFired') this.#timerFired(live, event, span);
    }
    const status = commit.next === null ? commit.status : 'ContinuedAsNew';
    if (status === 'Completed' || status === 'Failed' || status === 'Terminated' || status === 'ContinuedAsNew') {
      this.#ended(live, { status, message: commit.failure?.message, now: clock.now() }, span);
    }
  }

  /** The context in which an activity of an execution, or its code, runs. */
  contextOf(own: string, executionId: string): Context {
    return trace.setSpanContext(ROOT_CONTEXT, this.#above(executionSpan(own, executionId)));
  }

  /** What the spans of an execution hang on: its own, if that can be made with the ids that they know. */
  #above({ self, parent }: ExecutionSpan): SpanContext {
    return this.#spanIds === undefined ? (parent ?? self) : self;
  }

  #timerFired(
    live: LiveInstance,
    { timerId, fireAt, timestamp }: { readonly timerId: number; readonly fireAt: number; readonly timestamp: number },
    span: ExecutionSpan,
  ): void {
    const { name, instanceId, executionId } = live.instance;
    this.#tracer
      .startSpan(
        spanName('timer', name),
        {
          kind: SpanKind.INTERNAL,
          startTime: live.timersSince?.get(timerId) ?? fireAt,
          attributes: {
            [attribute.type]: 'timer',
            [attribute.name]: name,
            [attribute.instanceId]: instanceId,
            [attribute.executionId]: executionId,
            [attribute.taskId]: timerId,
            [attribute.fireAt]: new Date(fireAt).toISOString(),
          },
        },
        trace.setSpanContext(ROOT_CONTEXT, this.#above(span)),
      )
      .end(timestamp);
    live.timersSince?.delete(timerId);
  }

  #ended(
    live: LiveInstance,
    { status, message, now }: { readonly status: string; readonly message: string | undefined; readonly now: number },
    { self, parent, links }: ExecutionSpan,
  ): void {
    const { name, version, instanceId, executionId } = live.instance;
    const make = () =>
      this.#tracer.startSpan(
        spanName('orchestration', name, version),
        {
          kind: SpanKind.SERVER,
          startTime: live.startedAt ?? now,
          links: [...links],
          attributes: {
            [attribute.type]: 'orchestration',
            [attribute.name]: name,
            ...(version === null ? {} : { [attribute.version]: version }),
            [attribute.instanceId]: instanceId,
            [attribute.executionId]: executionId,
            [attribute.status]: status,
          },
        },
        parent === undefined ? ROOT_CONTEXT : trace.setSpanContext(ROOT_CONTEXT, parent),
      );
    const span = this.#spanIds === undefined ? make() : this.#spanIds.use(self, make);
    if (status === 'Failed')
      span.setStatus({ code: SpanStatusCode.ERROR, ...(message === undefined ? {} : { message }) });
    span.end(Math.max(now, live.startedAt ?? now));
  }
}
