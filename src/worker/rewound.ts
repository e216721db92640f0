/**
 * The first turn after a rewind (engine.md 3.8): finds out what else followed from the failures that were undone, and puts
 * the calls of others that are open again back on their way.
 */
import type { RenewedCalls } from '../core/state/close-turn.ts';
import { undoConsequence } from '../core/state/rewind.ts';
import { renewCalls, type CalleeCare } from './rewound-calls.ts';
import type { ExecutionRewound, HistoryEvent } from '../model/history.ts';
import { withoutRewound } from '../model/rewound-history.ts';
import type { Executor } from './executor.ts';
import { openMemory, type LiveInstance } from './live-instances.ts';

/** Each costs a replay; who has more had better start anew. */
const maxConsequences = 1_000;

/** What the commit of that turn must say before anything else, and do for others. */
export interface SettledRewind {
  readonly undone: readonly ExecutionRewound[];
  readonly renewed: RenewedCalls;
}

/**
 * Plays the history of an instance that was just rewound, without doing anything, until the code asks for all that is left
 * in it; what is remembered is then without the rest. Repeated until the turn is committed: all of it can be done twice.
 * @returns `undefined` for one that was not
 */
export async function settleRewound(
  live: LiveInstance,
  around: CalleeCare & { readonly executor: Executor },
): Promise<SettledRewind | undefined> {
  const rewound = live.memory?.rewound;
  if (rewound === undefined) return undefined;
  const undone = await undoConsequences(live, rewound, around.executor);
  const memory = { ...openMemory(around.executor, live.instance, [...rewound, ...undone]), rewound: undefined };
  live.memory?.run.dispose();
  live.memory = memory;
  return { undone, renewed: await renewCalls(live, memory, around) };
}

async function undoConsequences(
  live: LiveInstance,
  rewound: readonly HistoryEvent[],
  executor: Executor,
): Promise<readonly ExecutionRewound[]> {
  const found: ExecutionRewound[] = [];
  while (found.length < maxConsequences) {
    const undone = await findConsequence([...rewound, ...found], live, executor);
    if (undone === undefined) break;
    found.push(undone);
  }
  return found;
}

async function findConsequence(
  stored: readonly HistoryEvent[],
  { instance }: LiveInstance,
  executor: Executor,
): Promise<ExecutionRewound | undefined> {
  const { run } = openMemory(executor, instance, []);
  try {
    const { superfluous } = await run.advance({ history: withoutRewound(stored), newEvents: [] });
    if (superfluous === undefined) return undefined;
    return undoConsequence({ stored, executionId: instance.executionId, played: superfluous });
  } finally {
    run.dispose();
  }
}
