/** Whether the code of an orchestrator still agrees with a history that other code, or the same, has made. */
import { Replay } from '../core/replay/replay.ts';
import type { Decision } from '../model/actions.ts';
import type { Failure } from '../model/failure.ts';
import type { OrchestrationDefinition } from '../model/functions.ts';
import type { ExecutionCompleted, ExecutionStarted, HistoryEvent } from '../model/history.ts';
import type { OrchestrationInstance } from '../model/instance.ts';
import { historyFormat, type OrchestrationHistory } from '../model/orchestration-history.ts';

/**
 * A history with the id of its instance: from `env.history(id)` or `client.getHistory(id)`, that as JSON text, or an
 * instance that was read with its history.
 */
export type ReplayableHistory = OrchestrationHistory | OrchestrationInstance | string;

/** Code and history differ; the message says where first, and where in the code. */
export class ReplayDifferenceError extends Error {
  override readonly name = 'ReplayDifferenceError';
  readonly instanceId: string;

  constructor(instanceId: string, message: string, options?: ErrorOptions) {
    super(message, options);
    this.instanceId = instanceId;
  }
}

/**
 * Replays a history against the code of today, as a worker does that takes the instance up: it may still run, or have
 * ended in whatever way. What is compared is what a worker compares: which activities, timers and other actions follow
 * each other, and how the code ends; not inputs, times and results.
 * @throws ReplayDifferenceError for the first difference
 * @throws TypeError for something that is no history, or one of another orchestration
 */
export async function assertReplays<Input, Output>(
  history: ReplayableHistory,
  orchestrator: OrchestrationDefinition<Input, Output>,
): Promise<void> {
  const { instanceId, events, start } = readHistory(history);
  if (start.name.toLowerCase() !== orchestrator.name.toLowerCase()) {
    throw new TypeError(`The history is one of '${start.name}', not of '${orchestrator.name}'.`);
  }
  const play = (turn: { history: readonly HistoryEvent[]; newEvents: readonly HistoryEvent[] }): Promise<Decision> =>
    replayOnce({ instanceId, orchestrator }, turn);

  const completion = completionOf(await play({ history: events, newEvents: [] }));
  if (completion !== undefined) throw differs(instanceId, start.name, failureText(completion));

  const end = events.findLast((event) => event.type === 'ExecutionCompleted');
  if (end?.failure === undefined || isOfEngine(end, end.failure)) return;
  // A replay takes every failure for granted, for the engine makes them too. This one the code has made itself, so in the
  // last turn it must end, and end so, once more.
  const lastTurn = events.findLastIndex((event) => event.type === 'OrchestratorStarted');
  const newEvents = events.slice(lastTurn).filter((event) => !('eventId' in event));
  const today = completionOf(await play({ history: events.slice(0, lastTurn), newEvents }));
  if (today?.status === 'Failed') return;
  const { errorType, message } = end.failure;
  const found = today === undefined ? 'the code still waits' : 'the code now completes';
  throw differs(
    instanceId,
    start.name,
    `Code and history differ at event ${events.indexOf(end)} of the history: a previous execution failed here with ` +
      `${errorType}: ${message}, but ${found}.`,
  );
}

async function replayOnce<Input, Output>(
  { instanceId, orchestrator }: { instanceId: string; orchestrator: OrchestrationDefinition<Input, Output> },
  turn: { readonly history: readonly HistoryEvent[]; readonly newEvents: readonly HistoryEvent[] },
): Promise<Decision> {
  const replay = new Replay({ instanceId, orchestrator: (context, input: never) => orchestrator.run(context, input) });
  try {
    return await replay.advance(turn);
  } finally {
    replay.dispose();
  }
}

function completionOf({ actions }: Decision): Extract<Decision['actions'][number], { status: unknown }> | undefined {
  return actions.find((action) => action.type === 'CompleteOrchestration');
}

function failureText(completion: { readonly status: string; readonly failure?: Failure }): string {
  return completion.failure?.message ?? `The code now ends as ${completion.status}.`;
}

/** Failures that the engine gave to an execution: they say nothing about its code. */
function isOfEngine(end: ExecutionCompleted, failure: Failure): boolean {
  return end.eventId < 0 || failure.errorType === 'NonDeterminismError';
}

function differs(instanceId: string, name: string, message: string): ReplayDifferenceError {
  return new ReplayDifferenceError(instanceId, `'${name}' does not replay the history of '${instanceId}'. ${message}`);
}

interface ReadHistory {
  readonly instanceId: string;
  readonly events: readonly HistoryEvent[];
  readonly start: ExecutionStarted;
}

function readHistory(given: ReplayableHistory): ReadHistory {
  const history: unknown = typeof given === 'string' ? parse(given) : given;
  if (typeof history !== 'object' || history === null) throw notAHistory('it is no object');
  const { format, instanceId, events } = toFile(history);
  if (format !== historyFormat) {
    throw notAHistory(`its format is ${JSON.stringify(format)}; this version reads ${JSON.stringify(historyFormat)}`);
  }
  if (typeof instanceId !== 'string') throw notAHistory('it has no instanceId');
  if (!isEvents(events)) throw notAHistory('its events are not a list of events');
  const start = events.find((event) => event.type === 'ExecutionStarted');
  if (start === undefined) throw notAHistory('it has no ExecutionStarted event: the instance has not begun');
  return { instanceId, events, start };
}

/** The fields of a file; an instance that was read with its history has them too. */
function toFile(history: object): { format?: unknown; instanceId?: unknown; events?: unknown } {
  return 'history' in history ? { ...history, format: historyFormat, events: history.history } : history;
}

function parse(text: string): unknown {
  try {
    return JSON.parse(text);
  } catch (error) {
    throw notAHistory('it is no JSON', error);
  }
}

function isEvents(value: unknown): value is readonly HistoryEvent[] {
  return (
    Array.isArray(value) &&
    value.every((event) => typeof event === 'object' && event !== null && 'type' in event && 'timestamp' in event)
  );
}

function notAHistory(why: string, cause?: unknown): TypeError {
  return new TypeError(
    `assertReplays(history, …) needs what env.history(id) or client.getHistory(id) gave, or that as JSON text: ${why}.`,
    cause === undefined ? {} : { cause },
  );
}
