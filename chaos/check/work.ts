/** Histories against the ledger: I6 - I11, I16, I18, I19. */
import { groupBy } from '../group-by.ts';
import { digest } from '../functions.ts';
import type { TaskScheduled } from '../../src/model/history.ts';
import type { InstanceRecord, Run, StepInput, TimersInput } from '../types.ts';
import { endedIds, endings, isEntity, turnsOf, type Check, type Lookup } from './lookup.ts';

type Found = Iterable<{ readonly id: string; readonly proof: string }>;

/** Clocks and log lines of one machine agree to this. */
const toleranceMs = 50;

function* oneToOne(lookup: Lookup): Found {
  for (const { id, history, status } of lookup.evidence.tables.instances) {
    for (const [begins, ends] of Object.entries(endings)) {
      const begun = history.flatMap((event) => (event.type === begins && 'eventId' in event ? [event.eventId] : []));
      const ended = endedIds(history, ends);
      for (const [task, copies] of groupBy(ended, (task) => task)) {
        if (copies.length > 1) yield { id, proof: `task ${task} has ${copies.length} completions` };
        if (!begun.includes(task)) yield { id, proof: `task ${task} has a completion and was never scheduled` };
      }
      const open = begun.filter((task) => !ended.includes(task));
      if (status === 'Completed' && open.length > 0)
        yield { id, proof: `completed without the end of ${begins} ${open.join(', ')}` };
    }
    const fired = history.flatMap((event) => (event.type === 'TimerFired' ? [event.timerId] : []));
    if (new Set(fired).size < fired.length) yield { id, proof: `a timer fired twice: ${fired.join(' ')}` };
  }
}

interface Completed {
  readonly instance: InstanceRecord;
  readonly scheduled: TaskScheduled;
  readonly task: string;
  readonly attempt: number;
  readonly result: string;
  readonly at: number;
}

/** The completions in stored histories of activities that use the ledger. */
function* completions(lookup: Lookup): Iterable<Completed> {
  for (const instance of lookup.evidence.tables.instances) {
    const scheduled = new Map(
      instance.history.flatMap((event) => (event.type === 'TaskScheduled' ? [[event.eventId, event] as const] : [])),
    );
    for (const event of instance.history) {
      if (event.type !== 'TaskCompleted') continue;
      const of = scheduled.get(event.taskScheduledId);
      if (of === undefined || event.result === undefined) continue;
      const task = `${instance.key}:${instance.executionId}:${of.firstId ?? of.eventId}`;
      yield { instance, scheduled: of, task, attempt: of.attempt ?? 1, result: event.result, at: event.timestamp };
    }
  }
}

function* resultsOfOneRun(lookup: Lookup): Found {
  for (const { instance, task, attempt, result } of completions(lookup)) {
    const { run: number } = JSON.parse(result) as { readonly run?: number };
    const run = number === undefined ? undefined : lookup.runs.get(number);
    if (run?.task !== task || run.attempt !== attempt || run.result !== digest(result)) {
      yield {
        id: instance.id,
        proof: `the result of ${task}, attempt ${attempt}, is not what run ${number ?? '?'} returned`,
      };
    }
  }
}

function* completedRan(lookup: Lookup): Found {
  for (const { instance, task } of completions(lookup)) {
    const runs = lookup.runsOfTask.get(task) ?? [];
    if (!runs.some(({ endedAt }) => endedAt !== null))
      yield { id: instance.id, proof: `${task} is completed, no run of it ended` };
  }
}

/** Runs of one attempt, in order of their start. */
export function* attemptsOf(lookup: Lookup): Iterable<readonly Run[]> {
  for (const runs of lookup.runsOfTask.values()) yield* groupBy(runs, ({ attempt }) => attempt).values();
}

function* runsExplained(lookup: Lookup): Found {
  for (const runs of attemptsOf(lookup)) {
    for (const [index, again] of runs.entries()) {
      const before = runs[index - 1];
      if (before === undefined || lookup.explains(before.node, before.startedAt, again.startedAt)) continue;
      yield {
        id: again.instanceId,
        proof: `${again.task}, attempt ${again.attempt}, ran on ${before.node} at ${before.startedAt} and again on ${again.node} at ${again.startedAt}; no fault lies between`,
      };
    }
  }
}

function* noRunAfterwards(lookup: Lookup): Found {
  for (const { instance, task, at, result } of completions(lookup)) {
    const { run: own } = JSON.parse(result) as { readonly run?: number };
    for (const run of lookup.runsOfTask.get(task) ?? []) {
      // A node's idea of the database's time lags behind by what an answer takes.
      if (run.id === own) continue;
      if (run.startedAt <= at + toleranceMs || lookup.explains(run.node, at, run.startedAt)) continue;
      yield {
        id: instance.id,
        proof: `run ${run.id} of ${task} began on ${run.node} at ${run.startedAt}, completed since ${at}`,
      };
    }
  }
}

function* overlapsExplained(lookup: Lookup): Found {
  for (const runs of attemptsOf(lookup)) {
    for (const [index, run] of runs.entries()) {
      const before = runs
        .slice(0, index)
        .find(({ node, endedAt }) => node !== run.node && (endedAt ?? Infinity) > run.startedAt);
      if (before === undefined || lookup.explains(before.node, before.startedAt, run.startedAt)) continue;
      yield {
        id: run.instanceId,
        proof: `${run.task} ran on ${before.node} and ${run.node} at the same time, at ${run.startedAt}`,
      };
    }
  }
}

function* wellFormed(lookup: Lookup): Found {
  for (const instance of lookup.evidence.tables.instances) {
    const { id, history, sequences, firstSequence, isFinal } = instance;
    if (isEntity(id)) continue;
    // A takeover takes a number, too: there may be gaps.
    if (sequences.some((sequence, index) => index > 0 && sequence <= (sequences[index - 1] ?? 0)))
      yield { id, proof: `history rows ${sequences.join(' ')}` };
    if (sequences.some((sequence) => sequence <= firstSequence)) yield { id, proof: `history of before its execution` };
    const [first, second] = history;
    if (first !== undefined && (first.type !== 'OrchestratorStarted' || second?.type !== 'ExecutionStarted')) {
      yield { id, proof: `history begins with ${first.type}, ${second?.type ?? 'nothing'}` };
    }
    const ends = history.flatMap((event, index) => (event.type === 'ExecutionCompleted' ? [index] : []));
    if (isFinal && (ends.length !== 1 || ends[0] !== history.length - 1))
      yield { id, proof: `ends at events ${ends.join(', ')} of ${history.length}` };
    if (!isFinal && ends.length > 0) yield { id, proof: `${instance.status}, with an end in its history` };
    let now = 0;
    for (const [turn] of turnsOf(history)) {
      if (turn === undefined) continue;
      if (turn.timestamp < now) yield { id, proof: `a turn at ${turn.timestamp} follows one at ${now}` };
      now = turn.timestamp;
    }
    yield* scheduledFirst(instance);
  }
}

function* scheduledFirst({ id, history }: InstanceRecord): Found {
  const begun = new Set<number>();
  for (const event of history) {
    if ('eventId' in event) begun.add(event.eventId);
    const ends =
      'taskScheduledId' in event ? event.taskScheduledId : event.type === 'TimerFired' ? event.timerId : undefined;
    if (ends !== undefined && !begun.has(ends))
      yield { id, proof: `${event.type} of ${ends} comes before what it ends` };
  }
}

function* neverEarly(lookup: Lookup): Found {
  for (const { id, history, completedAt } of lookup.evidence.tables.instances) {
    for (const event of history) {
      if (event.type === 'TimerFired' && event.timestamp < event.fireAt) {
        yield { id, proof: `timer ${event.timerId} fired at ${event.timestamp}, due at ${event.fireAt}` };
      }
    }
    // What the plan asked for, in case the times in the history are wrong themselves.
    const start = history.find((event) => event.type === 'ExecutionStarted');
    if (start?.name !== 'Timers' || start.input === undefined || completedAt === null) continue;
    const { parallel, chain } = JSON.parse(start.input) as TimersInput;
    const least = Math.max(...parallel) + chain.reduce((sum, ms) => sum + ms, 0);
    const [first] = history;
    const took = completedAt - (first?.timestamp ?? completedAt);
    if (took + 2 < least) yield { id, proof: `its timers took ${took} ms, planned were ${least} ms` };
  }
}

function* retriedAsPlanned(lookup: Lookup): Found {
  for (const { instance, scheduled, attempt, task } of completions(lookup)) {
    if (scheduled.name !== 'Step' || scheduled.input === undefined) continue;
    const input = JSON.parse(scheduled.input) as StepInput;
    const root = instance.parentKey === null ? instance : lookup.byKey.get(instance.parentKey);
    const planned = lookup.items.get(root?.id ?? '')?.failures?.[JSON.stringify(input.value)] ?? input.failures ?? 0;
    if (attempt !== planned + 1)
      yield { id: instance.id, proof: `${task} succeeded with attempt ${attempt}, planned were ${planned} failures` };
    const attempts = new Set((lookup.runsOfTask.get(task) ?? []).map((run) => run.attempt));
    for (let number = 1; number <= planned + 1; number += 1) {
      if (!attempts.has(number)) yield { id: instance.id, proof: `attempt ${number} of ${task} never ran` };
    }
  }
}

export const workChecks: readonly Check[] = [
  { invariant: 'I6', says: 'what was scheduled and what completed match', find: oneToOne },
  { invariant: 'I7', says: 'a result is that of one run', find: resultsOfOneRun },
  { invariant: 'I8', says: 'what is completed has run', find: completedRan },
  { invariant: 'I9', says: 'a second run has a fault that explains it', find: runsExplained },
  { invariant: 'I10', says: 'no run after the completion', find: noRunAfterwards },
  { invariant: 'I11', says: 'runs overlap only where a fault explains it', find: overlapsExplained },
  { invariant: 'I16', says: 'histories are well formed', find: wellFormed },
  { invariant: 'I18', says: 'no timer early', find: neverEarly },
  { invariant: 'I19', says: 'user retries as planned', find: retriedAsPlanned },
];
