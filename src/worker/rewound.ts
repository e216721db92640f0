/** The first turn after a rewind: finds out what else followed from the failures that were undone (engine.md 3.8). */
import { undoConsequence } from '../core/state/rewind.ts';
import type { ExecutionRewound, HistoryEvent } from '../model/history.ts';
import { withoutRewound } from '../model/rewound-history.ts';
import type { Executor } from './executor.ts';
import { openMemory, type LiveInstance } from './live-instances.ts';

/** Each costs a replay; who has more had better start anew. */
const maxConsequences = 1_000;

/**
 * Plays the history of an instance that was just rewound, without doing anything, until the code asks for all that is left
 * in it; what is remembered is then without the rest.
 * @returns what the next commit must say before anything else
 */
export async function settleRewound(live: LiveInstance, executor: Executor): Promise<readonly ExecutionRewound[]> {
  const rewound = live.memory?.rewound;
  if (rewound === undefined) return [];
  const found: ExecutionRewound[] = [];
  while (found.length < maxConsequences) {
    const undone = await findConsequence([...rewound, ...found], live, executor);
    if (undone === undefined) break;
    found.push(undone);
  }
  live.memory?.run.dispose();
  live.memory = { ...openMemory(executor, live.instance, [...rewound, ...found]), rewound: undefined };
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
