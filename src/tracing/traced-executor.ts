/** An executor whose activities and operations are spans, inside of which user code runs: so its own spans nest. */
import { context, ROOT_CONTEXT, SpanKind, SpanStatusCode, trace, type Context, type Span } from '@opentelemetry/api';
import { parseEntityId } from '../model/entity-id.ts';
import type {
  EntityAction,
  EntityBatch,
  EntityBatchOutcome,
  EntityOperation,
  OperationOutcome,
} from '../model/entity-work.ts';
import { traceOfExecution, type TraceContext } from '../model/trace-context.ts';
import type { ActivityOutcome, ActivityWork } from '../model/work.ts';
import type { Executor, OrchestrationRun, RunTarget } from '../worker/executor.ts';
import { formatContext, spanContextOf } from './contexts.ts';
import { attribute, spanName, tracerName } from './names.ts';
import type { WorkerSpans } from './worker-tracing.ts';

export function traceExecutor(executor: Executor, spans: WorkerSpans): Executor {
  const tracer = trace.getTracer(tracerName);
  return {
    functions: executor.functions,
    isSelective: executor.isSelective,
    limits: executor.limits,
    servesOrchestration: (name, version) => executor.servesOrchestration(name, version),
    hasActivity: (name, version) => executor.hasActivity(name, version),
    openRun: (target) => tracedRun(executor.openRun(target), target, spans),
    runActivity: (work, cancellation) => {
      if (work.trace === undefined) return executor.runActivity(work, cancellation);
      const parent = spans.contextOf(work.trace, work.executionId);
      const span = tracer.startSpan(
        spanName('activity', work.name, work.version),
        { kind: SpanKind.SERVER, attributes: attributesOf(work) },
        parent,
      );
      const outcome = context.with(trace.setSpan(parent, span), () => executor.runActivity(work, cancellation));
      // Beside the way of the outcome, which gets there as soon as without.
      void outcome.then((ended) => endActivity(span, ended));
      return outcome;
    },
    runEntityBatch: (batch) => {
      const first = batch.operations.find((operation) => operation.traceContext !== undefined);
      if (first?.traceContext === undefined) return executor.runEntityBatch(batch);
      const begunAt = Date.now();
      return context
        .with(contextOf(first.traceContext), () => executor.runEntityBatch(batch))
        .then((ended) => tellBatch(batch, ended, begunAt));
    },
  };

  /** @returns the same, with what operations ask for in the trace of whoever asked for them */
  function tellBatch(batch: EntityBatch, ended: EntityBatchOutcome, begunAt: number): EntityBatchOutcome {
    if (ended.kind === 'failed') return ended;
    const outcomes = ended.outcomes.map((outcome, at) => {
      const operation = batch.operations[at];
      if (operation?.traceContext === undefined) return outcome;
      const own = tellOperation(batch, { operation, traceContext: operation.traceContext, outcome, begunAt });
      return outcome.kind === 'failed'
        ? outcome
        : { ...outcome, actions: outcome.actions.map((action) => carriedOn(action, own)) };
    });
    return { ...ended, outcomes };
  }

  /** Operations of one batch share its time: most take none. @returns the context of its span */
  function tellOperation(
    { instanceId }: EntityBatch,
    done: {
      readonly operation: EntityOperation;
      readonly traceContext: TraceContext;
      readonly outcome: OperationOutcome;
      readonly begunAt: number;
    },
  ): TraceContext {
    const { operation, traceContext, outcome, begunAt } = done;
    const name = parseEntityId(instanceId)?.name ?? '';
    const span = tracer.startSpan(
      spanName('entity', `${name}:${operation.operation}`),
      {
        kind: operation.type === 'EntityOperationSignaled' ? SpanKind.CONSUMER : SpanKind.SERVER,
        startTime: begunAt,
        attributes: {
          [attribute.type]: 'entity',
          [attribute.name]: name,
          [attribute.operation]: operation.operation,
          [attribute.entityId]: instanceId,
        },
      },
      contextOf(traceContext),
    );
    if (outcome.kind === 'failed') span.setStatus({ code: SpanStatusCode.ERROR, message: outcome.failure.message });
    span.end();
    return formatContext(span.spanContext());
  }
}

/** What an operation asked for goes on in its trace. */
function carriedOn(action: EntityAction, traceContext: TraceContext): EntityAction {
  if (action.type === 'SignalEntity') return { ...action, signal: { ...action.signal, traceContext } };
  const { start } = action;
  return { ...action, start: { ...start, trace: traceOfExecution(traceContext, start.event.executionId) } };
}

/** User code that logs, or makes spans, does so in its execution. */
function tracedRun(
  run: OrchestrationRun,
  { trace: own, executionId }: RunTarget,
  spans: WorkerSpans,
): OrchestrationRun {
  if (own === undefined) return run;
  const within = spans.contextOf(own, executionId);
  return {
    advance: (turn) => context.with(within, () => run.advance(turn)),
    dispose: () => run.dispose(),
  };
}

function attributesOf(work: ActivityWork): Record<string, string | number> {
  return {
    [attribute.type]: 'activity',
    [attribute.name]: work.name,
    ...(work.version === undefined ? {} : { [attribute.version]: work.version }),
    [attribute.instanceId]: work.instanceId,
    [attribute.executionId]: work.executionId,
    [attribute.taskId]: work.taskScheduledId,
  };
}

function endActivity(span: Span, outcome: ActivityOutcome | undefined): void {
  const status = outcome === undefined ? 'Withdrawn' : outcome.kind === 'completed' ? 'Completed' : 'Failed';
  span.setAttribute(attribute.status, status);
  if (outcome?.kind === 'failed') span.setStatus({ code: SpanStatusCode.ERROR, message: outcome.failure.message });
  span.end();
}

function contextOf(traceContext: string): Context {
  return trace.setSpanContext(ROOT_CONTEXT, spanContextOf(traceContext));
}
